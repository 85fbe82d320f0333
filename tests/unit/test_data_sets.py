"""Data sets in the layouts in which they are published, whole and damaged."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from kelly.cli import app, checkout
from kelly.errors import DataError
from kelly.music.chord import Chord
from tests.unit import data_material
from training.data.chords import parse_harte
from training.data.errors import LabelError, MissingColumnError, MissingFileError, SplitError
from training.data.examine import examine
from training.data.item import SPLITS, split_of
from training.data.score import read_score
from training.data.sets import SETS, load

ITEMS = {
    "deam": 13, "lakh": 8, "maestro": 5, "asap": 2, "groove": 4, "harmonix": 2, "pop909": 12, "billboard": 12,
    "emopia": 16, "music21": 16, "essen": 9, "cues": 6, "table": 10,
}  # fmt: skip
LABELS = {
    "deam": {"valence", "arousal", "times_s", "valence_curve", "arousal_curve"}, "lakh": set(),
    "maestro": {"composer", "title", "year"}, "asap": {"beats", "maestro"}, "groove": {"style", "bpm", "kind", "meter"},
    "harmonix": {"beats", "segments", "bpm"}, "pop909": {"beats", "chords", "keys"}, "billboard": {"chords"},
    "emopia": {"quadrant"}, "music21": {"abc", "title", "tonic"}, "essen": {"abc", "title", "tonic"}, "table": {"times_s", "valence_curve", "arousal_curve"},
    "cues": {"features", "answers", "grooves", "beats", "chords", "keys", "sections", "meter", "kind", "noise", "plan", "soundfont"},
}  # fmt: skip


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Every set, written once: name -> path."""
    base = tmp_path_factory.mktemp("sets")
    return {writer.__name__: writer(base / writer.__name__) for writer in data_material.WRITERS}


@pytest.fixture
def copy(disk, tmp_path):
    """A set of one's own, to be damaged."""

    def made(name):
        whole = disk[name] if disk[name].is_dir() else disk[name].parent
        shutil.copytree(whole, tmp_path / name)
        return tmp_path / name / disk[name].relative_to(whole)

    return made


def test_the_table_has_a_loader_and_a_fixture_for_every_row():
    """A data set is a folder and a row, and is tested."""
    assert {row.name for row in SETS} == {writer.__name__ for writer in data_material.WRITERS} == set(ITEMS)
    for row in SETS:
        assert callable(row.load)
        assert row.licence
        assert (row.supervises or row.evaluates)


@pytest.mark.parametrize("name", ITEMS)
def test_a_set_is_read_as_published(disk, name):
    """Every item with its labels, every song in one split."""
    found = load(name, disk[name])
    assert len(found.items) == ITEMS[name]
    assert sum(found.counts().values()) == ITEMS[name]
    assert {key for item in found.items for key in item.labels} == LABELS[name]
    assert len({item.name for item in found.items}) == len(found.items)
    for item in found.items:
        assert item.split in SPLITS
        assert {other.split for other in found.items if other.song == item.song} == {item.split}
        assert all(path is None or path.is_file() for path in (item.audio, item.score))


@pytest.mark.parametrize("name", ITEMS)
def test_opening_every_file_leaves_out_the_corrupt_only(disk, name):
    """Lakh's torn file is the only one."""
    found = examine(load(name, disk[name]))
    assert [one.path.stem for one in found.corrupt] == (["0" * 32] if name == "lakh" else [])
    assert len(found.items) == ITEMS[name] - len(found.corrupt)


def test_deam_values_are_selected_by_name_and_scaled(disk):
    """1..9 becomes -1..1, columns are found though their names begin with a blank, NaN ends a curve."""
    items = {item.name: item for item in load("deam", disk["deam"]).items}
    assert items["4"].labels["valence"] == (4 - 5) / 4
    assert items["4"].labels["arousal"] == (6 - 5) / 4
    assert items["2001"].labels["arousal"] == 1.0
    assert items["2001"].labels["times_s"].tolist() == [15.0, 15.5]
    assert items["2001"].labels["arousal_curve"].tolist() == [-0.5, -0.25]
    assert items["12"].split == split_of("deam:12")


def test_official_splits_are_taken(disk):
    """MAESTRO and Groove publish theirs."""
    for name, counts in (("maestro", (3, 1, 1)), ("groove", (2, 1, 1))):
        found = load(name, disk[name])
        assert found.official
        assert tuple(found.counts().values()) == counts


def test_a_lakh_file_that_matches_two_songs_is_taken_once(disk):
    """It belongs to the better match."""
    songs = [item.song for item in load("lakh", disk["lakh"]).items]
    assert songs.count("msd:TRAABVM128F92CA9DC") == 1
    assert "msd:TRAAAGR128F425B14B" not in songs


def test_labels_mean_what_they_say(disk):
    """Beats, chords, keys, sections and quadrants of the first item."""
    first = {name: load(name, disk[name]).items[0].labels for name in ("asap", "harmonix", "pop909", "billboard", "emopia")}
    assert first["asap"]["beats"][:5].tolist() == [[0, 1], [0.5, 0], [1, 0], [1.5, 0], [2, 1]]
    assert first["harmonix"]["beats"][5].tolist() == [2.5, 2, 2]
    assert first["harmonix"]["segments"][1] == (4.0, "verse")
    assert first["pop909"]["chords"][1] == (2.0, 4.0, Chord(5, 0))
    assert first["pop909"]["chords"][-1][2] is None
    assert first["pop909"]["keys"] == [(0.0, 17.0, 0, 1)]
    assert [span[2] for span in first["billboard"]["chords"][:4]] == [None, Chord(8), Chord(1), Chord(3, 5)]
    assert first["emopia"]["quadrant"] == 1


def test_variants_of_a_song_are_one_song(disk):
    """Same title, same number with another letter, same beginning; across the two sets of music21's corpus, too."""
    tunes = {item.name: item for item in load("music21", disk["music21"]).items}
    songs = {item.name: item for item in load("essen", disk["essen"]).items}
    same = {tunes["ours/tune0.abc"].song, tunes["book/first.abc#1"].song, songs["essenFolksong/ours.abc#9"].song}
    assert len(same) == 1
    assert songs["essenFolksong/ours.abc#1"].song == songs["essenFolksong/ours.abc#2"].song != songs["essenFolksong/ours.abc#3"].song
    assert tunes["ours/tune0.abc"].song != tunes["ours/tune1.abc"].song


def test_what_is_not_free_is_not_among_music21s_scores(disk):
    """Essen is a set of its own whose weights are not shipped; Palestrina is in neither."""
    for name, folders in (("music21", {"ours", "book", "bach"}), ("essen", {"essenFolksong"})):
        assert {item.name.split("/")[0] for item in load(name, disk[name]).items} == folders
        assert next(row for row in SETS if row.name == name).free == (name == "music21")


@pytest.mark.parametrize(
    ("text", "chord"),
    [("N", None), ("X", None), ("C", Chord(0)), ("F#:min7/b3", Chord(6, 3)), ("Bb:hdim7", Chord(10, 4)), ("A:7(#9)", Chord(9, 2)),
     ("G:5", Chord(7, 6)), ("E:(1,b3,5)", Chord(4, 1)), ("D:(1,5,9)", Chord(2, 6))],
)  # fmt: skip
def test_harte_chords_are_folded(text, chord):
    """Colours and basses go, roots and qualities stay."""
    assert parse_harte(text) == chord


def test_notes_have_seconds_and_beats(tmp_path):
    """A file at 100 bpm: 0.6 s to the beat."""
    score = read_score(data_material.midi(tmp_path / "a.mid", bars=4, bpm=100))
    assert len(score.notes) == 4 * 11
    assert score.tracks == ("MELODY", "PIANO")
    assert score.meter == (4, 4)
    np.testing.assert_allclose(score.notes["onset_s"], 0.6 * score.notes["onset_beat"], atol=1e-9)
    assert score.tempo_bpm == pytest.approx(100)
    np.testing.assert_allclose(score.pedal_s, [[2.4, 127], [4.75, 0]])


@pytest.mark.parametrize("length", [0, 4, 13, 30, 200])
def test_a_torn_score_says_what_is_wrong(tmp_path, length):
    """Never an empty reason, never another error."""
    path = data_material.midi(tmp_path / "a.mid")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"not readable as MIDI: \w|holds no note"):
        read_score(path)


DAMAGE = [
    ("deam", "annotations/annotations averaged per song/song_level/static_annotations_averaged_songs_1_2000.csv", (" arousal_mean", " arousal"), MissingColumnError, "no column arousal_mean"),
    ("deam", "annotations/annotations averaged per song/song_level/static_annotations_averaged_songs_1_2000.csv", ("3, 3.75", "3, 9.75"), LabelError, "song 3: expected a number within 1..9"),
    ("deam", "annotations/annotations averaged per song/dynamic (per second annotations)/valence.csv", ("\n4,", "\n404,"), LabelError, "no row for song 4"),
    ("deam", "annotations/annotations averaged per song/dynamic (per second annotations)/arousal.csv", ("2001,-0.5", "2001,-5"), LabelError, "within -1..1"),
    ("deam", "MEMD_audio/7.mp3", None, MissingFileError, "1 of 13 files are missing"),
    ("lakh", "match_scores.json", None, MissingFileError, "match_scores.json"),
    ("lakh", "match_scores.json", ("{", "["), LabelError, "expected {song"),
    ("maestro", "maestro-v3.0.0.csv", None, MissingFileError, "unpack maestro"),
    ("maestro", "maestro-v3.0.0.csv", ("validation", "valid"), LabelError, "'valid'"),
    ("maestro", "maestro-v3.0.0.csv", ("2004/piece1.midi", "../piece1.midi"), LabelError, "file name below"),
    ("maestro", "2004/piece2.midi", None, MissingFileError, "piece2.midi"),
    ("asap", "metadata.csv", ("performance_annotations", "annotations"), MissingColumnError, "performance_annotations"),
    ("asap", "Chopin/Etude/p0_annotations.txt", ("1.5\t1.5\tb", "0.1\t0.1\tb"), LabelError, "backwards"),
    ("groove", "info.csv", (",100,beat", ",fast,beat"), LabelError, "'fast'"),
    ("harmonix", "dataset/segments/0001_song.txt", None, MissingFileError, "segments"),
    ("harmonix", "dataset/beats_and_downbeats/0002_song.txt", ("0.0\t1\t1", "0.0\t1"), LabelError, "line 1: expected 3 fields"),
    ("pop909", "POP909/003/chord_midi.txt", ("G:7", "G:funny"), LabelError, "funny"),
    ("pop909", "POP909/004/key_audio.txt", ("C:maj", "H:maj"), LabelError, "'H:maj'"),
    ("pop909", "POP909/005/beat_midi.txt", None, MissingFileError, "beat_midi.txt"),
    ("billboard", "McGill-Billboard/0003/full.lab", ("1.5\t3.5", "1.5\tx"), LabelError, "'x'"),
    ("table", "mine.csv", ("valence", "mood"), MissingColumnError, "no column valence"),
    ("table", "mine.csv", ("take3.wav,2,", "take3.wav,-2,"), LabelError, "'-2'"),
    ("table", "take4.wav", None, MissingFileError, "take4.wav"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "where", "change", "error", "words"), DAMAGE, ids=[f"{row[0]}-{k}" for k, row in enumerate(DAMAGE)])
def test_damage_is_one_error_with_path_and_fix(copy, name, where, change, error, words):
    """A missing file, column or label is typed, exits 6, names the path, and says what to do."""
    path = copy(name)
    victim = (path if path.is_dir() else path.parent) / where
    if change is None:
        victim.unlink()
    else:
        text = victim.read_text(encoding="utf-8")
        assert change[0] in text
        victim.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(error, match=None) as caught:
        load(name, path)
    assert isinstance(caught.value, DataError)
    assert caught.value.exit_code == 6
    assert words in str(caught.value)
    assert caught.value.fix in str(caught.value)
    assert str(path.parent) in str(caught.value)


@pytest.mark.parametrize("name", ITEMS)
def test_an_empty_folder_is_not_a_data_set(tmp_path, name):
    """Nothing is made up in its place."""
    with pytest.raises(DataError):
        load(name, tmp_path)
    with pytest.raises(MissingFileError, match="not found"):
        load(name, tmp_path / "nowhere")


@pytest.mark.parametrize(("name", "where"), [("deam", "MEMD_audio/5.mp3"), ("maestro", "2004/piece1.midi"), ("table", "take2.wav")])
@pytest.mark.parametrize("content", [b"", b"not music at all" * 9])
def test_an_unreadable_file_is_counted_named_and_left_out(copy, name, where, content):
    """The others stay."""
    path = copy(name)
    ((path if path.is_dir() else path.parent) / where).write_bytes(content)
    found = examine(load(name, path))
    assert [str(one.path).endswith(where) for one in found.corrupt] == [True]
    assert found.corrupt[0].reason
    assert len(found.items) == ITEMS[name] - 1


def test_a_file_of_ones_own_cannot_lie_in_two_splits(copy):
    """The table says which."""
    path = copy("table")
    rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{rows[0]},split", *(f"{row},{'train' if k % 2 else 'test'}" for k, row in enumerate(rows[1:]))]))
    with pytest.raises(SplitError, match="test and train"):
        load("table", path)


def test_songs_shared_with_deam_get_deams_split(copy):
    """EmoMusic's numbers are DEAM's."""
    path = copy("table")
    rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{rows[0]},song", *(f"{row},deam:{row[4]}" for row in rows[1:])]))
    assert {item.song: item.split for item in load("table", path).items} == {f"deam:{n}": split_of(f"deam:{n}") for n in range(9)}


def test_splits_by_hash_are_80_10_10_and_never_change():
    """The names of songs decide, not their number or order."""
    splits = [split_of(f"deam:{n}") for n in range(2000)]
    assert [round(splits.count(split) / 2000, 1) for split in SPLITS] == [0.8, 0.1, 0.1]
    assert splits[:8] == [split_of(f"deam:{n}") for n in range(8)]


def run(*words):
    return app.run(["train", "data", *map(str, words)])


def test_check_says_what_is_there(disk, capsys):
    """For people and for machines."""
    assert run("check", "lakh", disk["lakh"]) == 0
    text = capsys.readouterr().out
    assert "corrupt  1" in text
    assert "0" * 32 in text
    assert "CC BY 4.0" in text
    assert "not readable as MIDI" in text
    assert run("check", "deam", disk["deam"], "--json", "--names-only") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kelly.train.data.check/1"
    assert report["items"] == 13 == sum(report["splits"].values()) == report["audio"]
    assert not report["weights_may_be_shipped"]
    assert report["labels"]["valence_curve"] == 13
    assert report["corrupt"] == []
    assert not report["opened"]


def test_check_exits_6_with_path_and_fix(disk, tmp_path, capsys):
    """One line on stderr."""
    assert run("check", "deam", tmp_path) == 6
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "static_annotations" in said
    assert "DEAM_Annotations.zip" in said
    assert run("check", "deem", tmp_path) == 6
    assert "did you mean 'deam'" in capsys.readouterr().err


def test_features_are_extracted_from_the_command_line(disk, tmp_path, capsys):
    """And found there the second time."""
    for _ in range(2):
        assert run("features", "table", disk["table"], "--cache", tmp_path, "--json") == 0
        report = json.loads(capsys.readouterr().out)
        assert report["recordings"] == 10 == len(list(tmp_path.rglob("*.npy")))
        assert report["corrupt"] == []


def test_list_names_every_set_and_its_licence(capsys):
    """The table of the code is the table of the command."""
    assert run("list", "--json") == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["sets"]] == [row.name for row in SETS]
    assert run("list") == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert all(row.title in line and row.licence in line for row, line in zip(SETS, heads, strict=True))


def test_outside_a_checkout_the_way_to_one_is_told(monkeypatch, tmp_path, capsys):
    """An installed wheel has no training/."""
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "site-packages/kelly/cli/checkout.py"))
    assert run("list") == 1
    assert "clone kelly's repository" in capsys.readouterr().err


def test_looking_at_data_needs_no_torch(disk):
    """Neither does reading it."""
    import subprocess

    code = f"import sys; from kelly.cli.app import run; assert run(['train', 'data', 'check', 'emopia', {str(disk['emopia'])!r}]) == 0; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=600)
