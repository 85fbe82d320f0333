"""From data sets on disk to batches: features kept, splits kept apart, unknown answers masked."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import kelly
from kelly.cli.app import DISK_FULL, explain
from tests.unit import data_material
from training.data import features
from training.data.errors import DataSetError, SplitError, UnwritableError
from training.data.item import SPLITS, Item, split_of
from training.data.loaders import create_data_loaders, mix
from training.data.score import NOTE
from training.data.sets import load

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own


def test_features_are_those_of_the_live_front_end_and_kept(disk, tmp_path):
    """The second time nothing is computed; a changed recording is."""
    import soundfile

    path = disk["table"].parent / "take0.wav"
    done = []
    kept, corrupt = features.extract([path], tmp_path, done.append)
    samples, rate_hz = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(np.load(kept[path]), kelly.extract_features(samples, rate_hz))
    assert kept[path].stat().st_size > 0
    assert not corrupt
    assert done == [1]
    stamp = kept[path].stat().st_mtime_ns
    assert features.extract([path], tmp_path)[0] == kept
    assert kept[path].stat().st_mtime_ns == stamp
    other = data_material.sound(tmp_path / "other.wav", 2.0, 333)
    assert features.extract([other], tmp_path)[0][other] != kept[path]


def test_an_interrupted_extraction_goes_on_where_it_stopped(disk, tmp_path, monkeypatch):
    """Files that were done are not done again; no half file is left."""
    paths = sorted(disk["table"].parent.glob("*.wav"))[:4]
    calls, whole = [], features.features_of

    def stopping(path):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(path)
        return whole(path)

    monkeypatch.setattr(features, "features_of", stopping)
    with pytest.raises(KeyboardInterrupt):
        features.extract(paths, tmp_path)
    assert len(list(tmp_path.rglob("*.npy"))) == 2
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.setattr(features, "features_of", lambda path: calls.append(path) or whole(path))
    assert len(features.extract(paths, tmp_path)[0]) == 4
    assert calls == paths


def full(target, write):
    raise UnwritableError.at(target, OSError(28, "No space left on device"))


@pytest.mark.parametrize("pool", [None, "threads", "processes"])
def test_a_full_disk_is_not_a_damaged_recording(disk, tmp_path, monkeypatch, pool):
    """What cannot be kept ends the reading with exit 8; it is never left out of the training instead."""
    monkeypatch.setattr(features, "whole", full)
    paths = sorted(disk["table"].parent.glob("*.wav"))
    if pool == "processes":  # whose errors come back pickled
        error = pickle.loads(pickle.dumps(UnwritableError.at(tmp_path / "x.npy", OSError(28, "No space left on device"))))
        monkeypatch.setattr(features, "extract_one", lambda work: (_ for _ in ()).throw(error))
    with ThreadPoolExecutor(2) as threads, pytest.raises(DataSetError, match="cannot be written: No space left on device; make room") as raised:
        features.extract(paths, tmp_path, executor=threads if pool else None)
    assert explain(raised.value) == DISK_FULL


def test_examples_that_cannot_be_kept_end_the_reading(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "whole", full)
    with pytest.raises(DataSetError, match="cannot be written"):
        create_data_loaders("harmonypredictor", {"pop909": disk["pop909"]}, cache=tmp_path)


def test_another_front_end_gets_another_cache(disk, tmp_path, monkeypatch):
    """The hash of its source is part of the name."""
    path = disk["table"].parent / "take1.wav"
    before = features.extract([path], tmp_path)[0][path]
    assert features.feature_hash() in str(before)
    monkeypatch.setattr(features, "feature_hash", lambda: "another")
    assert features.extract([path], tmp_path)[0][path] != before


def test_any_executor_will_do(disk, tmp_path):
    """Threads here; Dask's client gives one too."""
    paths = sorted(disk["table"].parent.glob("*.wav"))
    with ThreadPoolExecutor(2) as executor:
        kept, _ = features.extract(paths, tmp_path, executor=executor)
    assert sorted(kept) == paths


def test_batches_for_the_recognizer_from_a_mixture(disk, cache):
    """Shapes, splits and the rated values at the rated times."""
    sets = {"deam": disk["deam"], "table": disk["table"]}
    loaders = create_data_loaders("emotionrecognizer", sets, batch_size=4, cache=cache)
    for split in SPLITS:
        total = sum(counts[split] for counts in loaders.counts.values())
        assert total == sum(item.split == split for name, path in sets.items() for item in load(name, path).items)
        windows = 0
        for x, y, mask in getattr(loaders, split):
            assert x.shape[1:] == (250, 128)
            assert y.shape == mask.shape == (len(x), 250, 64)
            assert set(mask[:, :, 2:].unique().tolist()) == {0.0}
            assert float((y * (1 - mask))[:, :, 2:].abs().max()) == 0
            windows += len(x)
        assert windows > 0


def test_ratings_land_on_the_rows_that_end_when_they_were_given(disk, cache):
    """DEAM's first rating is of 15 s: the row that ends there, and nothing is known before."""
    from training.data.examples import emotion

    item = next(item for item in load("deam", disk["deam"]).items if item.name == "4")
    kept, _ = features.extract([item.audio], cache)
    example = emotion(item, kept[item.audio])
    assert example.known == (0, 1)
    assert example.mask[:374].max() == 0
    assert example.mask[374:437].min() == 1
    assert example.mask[440:].max() == 0
    np.testing.assert_allclose(example.y[374], [-0.2, 0.2], atol=1e-6)
    np.testing.assert_allclose(example.y[424, 0], -0.2 + 0.04, atol=1e-6)


def test_training_order_follows_the_seed(disk, cache):
    """Same seed, same order; another seed, another."""

    def first(seed):
        sets = {"deam": disk["deam"], "table": disk["table"]}
        loaders = create_data_loaders("emotionrecognizer", sets, batch_size=2, seed=seed, window_steps=50, cache=cache)
        return [x.sum().item() for x, _, _ in loaders.train]

    assert first(1) == first(1) != first(2)


def test_a_corrupt_recording_is_listed_and_left_out(disk, cache, tmp_path):
    """The others are shown."""
    import shutil

    root = shutil.copytree(disk["table"].parent, tmp_path / "mine")
    (root / "take6.wav").write_bytes(b"nothing")
    loaders = create_data_loaders("emotionrecognizer", {"table": root / "mine.csv", "deam": disk["deam"]}, cache=cache)
    assert [one.path.name for one in loaders.corrupt] == ["take6.wav"]
    assert sum(loaders.counts["table"].values()) == 9


@pytest.mark.parametrize(("net", "name", "words"), [("emotionrecognizer", "maestro", "sets that have: deam, table"), ("emotion", "deam", "the five are")])
def test_a_set_that_teaches_something_else_is_refused(disk, net, name, words):
    """Nothing is made up in its place."""
    with pytest.raises(DataSetError, match=words):
        create_data_loaders(net, {name: disk[name]})


def test_an_empty_split_is_an_error(tmp_path, cache):
    """One song cannot be trained on and tested with."""
    data_material.sound(tmp_path / "one.wav", 2)
    path = data_material.write(tmp_path / "one.csv", "file,time,valence,arousal\none.wav,0,0,0\none.wav,1,1,1\n")
    with pytest.raises(SplitError, match="nothing to show in"):
        create_data_loaders("emotionrecognizer", {"table": path}, cache=cache)


def test_asap_follows_maestro(disk):
    """Its first performance is cut from MAESTRO's test split, so the whole piece is tested with."""
    alone = load("asap", disk["asap"])
    assert {item.split for item in alone.items} == {split_of("asap:Chopin:Etude")}
    mixed = mix([load("maestro", disk["maestro"]), alone])
    assert [item.split for item in mixed[1].items] == ["test", "test"]


def test_a_song_in_two_splits_is_an_error(disk):
    """Whatever the sets say about it."""
    found = load("deam", disk["deam"])
    torn = replace(found, name="table", items=tuple(replace(item, split="test" if item.split == "train" else "train") for item in found.items))
    with pytest.raises(SplitError, match="deam:2 is in"):
        mix([found, torn])


def items_of(disk, name):
    return load(name, disk[name]).items


def test_a_melody_is_shown_eighth_by_eighth(disk):
    """The fixture's tune: a note on every eighth, tones of the chord, C major."""
    from kelly._rt.contract import MELODY_IN
    from training.data.scores import melody_rows

    rows = melody_rows(items_of(disk, "pop909")[0])
    assert rows.shape == (64, 66)
    assert rows[:8, -2].tolist() == [72, 76, 79, 72, 76, 79, 72, 76]
    assert rows[8, -2] == 77
    assert rows[:, -1].min() == 1
    assert np.flatnonzero(rows[0, MELODY_IN.slice("chord_tones")]).tolist() == [0, 4, 7]
    assert np.flatnonzero(rows[8, MELODY_IN.slice("chord_tones")]).tolist() == [0, 5, 9]
    assert rows[0, MELODY_IN.slice("previous_degree")].max() == 0
    assert np.flatnonzero(rows[2, MELODY_IN.slice("previous_degree")]).tolist() == [4]
    assert rows[8, MELODY_IN["bar_cos"].start] == 1
    assert rows[32, MELODY_IN["phrase_position"].start] == 0
    assert np.abs(rows[:, :64]).max() <= 1


def test_chords_are_shown_beat_by_beat_and_held_between_changes(disk):
    """C, F, G7 and Am7, a bar each; what sounded before says which."""
    from kelly._rt.contract import HARMONY_IN
    from training.data.scores import harmony_rows

    rows = harmony_rows(items_of(disk, "pop909")[0])
    assert rows[:13, -2].tolist() == [0, 61, 61, 61, 5, 61, 61, 61, 2 * 12 + 7, 61, 61, 61, 3 * 12 + 9]
    assert len(rows) == 32  # the annotators go on; after the last note nobody is asked
    assert rows[4, HARMONY_IN["previous_root"].start] == 1
    assert rows[4, HARMONY_IN["chord_age"].start] == 0.5
    assert np.argmax(rows[3, HARMONY_IN.slice("chroma_2s")]) in (0, 4, 7)
    assert [np.argmax(row[HARMONY_IN.slice("beat_in_bar")]) for row in rows[:5]] == [0, 1, 2, 3, 0]


def test_chords_without_beats_are_shown_change_by_change(disk):
    """Billboard: Ab, Db, Eb sus4 (the dominant's), Fm in Ab major; nobody guesses beats or sound."""
    from kelly._rt.contract import HARMONY_IN
    from training.data.scores import harmony_rows

    rows = harmony_rows(items_of(disk, "billboard")[0])
    assert rows[:6, -2].tolist() == [60, 0, 5, 62, 12 + 9, 0]
    assert rows[:, HARMONY_IN.slice("chroma_2s")].max() == rows[:, HARMONY_IN.slice("beat_in_bar")].max() == 0


def test_a_tune_of_music21_lies_on_its_bars(disk, cache):
    """D major to C; the pickup's eighth stands before the first bar line; nobody tells a tune its chords."""
    from kelly._rt.contract import MELODY_IN
    from training.data.scores import melody_rows

    item = next(item for item in items_of(disk, "music21") if item.name == "ours/tune0.abc")
    rows = melody_rows(item, cache)
    assert rows.shape == (7 * 8, 66)
    assert rows[:7, -2].tolist() == [1] * 7
    assert rows[7:12, -2].tolist() == [67, 60, 62, 64, 65]  # A, then D E F# G
    assert rows[8, MELODY_IN["bar_cos"].start] == 1
    assert rows[:, MELODY_IN.slice("chord_tones")].max() == 0
    assert list((cache / "scores").rglob("*.npz"))


def test_chords_of_a_chorale_are_found_beat_by_beat(disk, cache):
    """I IV V I, IV ii V I: on every beat another, and the tonic held into the next bar; the pickup is left out."""
    from kelly._rt.contract import HARMONY_IN
    from training.data.scores import harmony_rows

    item = next(item for item in items_of(disk, "music21") if item.name == "bach/bwv0.xml")
    rows = harmony_rows(item, cache)
    low = rows[:, -2].astype(int).tolist()
    assert low[:5] == [0, 5, 7, 0, 5]
    assert low[6:9] == [7, 0, 61]
    assert rows[0, HARMONY_IN.slice("beat_in_bar")].tolist() == [1, 0, 0, 0]
    assert np.argmax(rows[1, HARMONY_IN.slice("previous_root")]) == 0


def test_chords_of_a_midi_file_are_found_without_its_melody(disk):
    """Lakh brings notes alone: C, F, G and C, a bar each, from the accompaniment."""
    from kelly._rt.contract import MELODY_IN
    from training.data.scores import harmony_rows, melody_rows

    item = next(item for item in items_of(disk, "lakh") if item.name[:8] != "00000000")
    classes = harmony_rows(item)[:, -2].astype(int)
    assert classes[:13].tolist() == [0, 61, 61, 61, 5, 61, 61, 61, 7, 61, 61, 61, 0]
    tones = melody_rows(item)[:, MELODY_IN.slice("chord_tones")]
    assert [np.flatnonzero(tones[t]).tolist() for t in (0, 8, 16)] == [[0, 4, 7], [0, 5, 9], [2, 7, 11]]


@pytest.mark.parametrize(("text", "words"), [("X:1\nT:None\nL:1/8\nK:C\n", "holds no note"), ("X:1\nT:Free\nM:none\nL:1/8\nK:C\nCDEF GABc\n", "metre|bars")])
def test_a_score_without_notes_or_bars_is_left_out(disk, cache, tmp_path, text, words):
    """And is listed with a reason."""
    from training.data.scores import TEACHERS

    data_material.write(tmp_path / "ours/odd.abc", text)
    found = load("music21", tmp_path)
    made, faults = TEACHERS["melodytransformer"]["music21"](found, cache, lambda n: None, None)
    assert not made
    assert len(faults) == 1
    import re

    assert re.search(words, faults[0].reason), faults[0].reason


@pytest.mark.parametrize(("net", "names"), [("melodytransformer", ["pop909"]), ("melodytransformer", ["emopia"]), ("melodytransformer", ["music21", "essen"]), ("harmonypredictor", ["pop909", "billboard"]), ("harmonypredictor", ["music21"])])
def test_batches_from_scores(disk, cache, net, names):
    """One-hot answers, known on every row of a piece and nowhere behind it; kept like features."""
    from kelly._rt.contract import net_spec

    loaders = create_data_loaders(net, {name: disk[name] for name in names}, cache=cache, batch_size=4)
    for split in SPLITS:
        for x, y, mask in getattr(loaders, split):
            assert x.shape[1:] == (64, net_spec(net).input.size)
            assert y.shape == mask.shape
            assert (y.sum(-1) == mask[:, :, 0]).all()
            assert mask[:, 0].min() == 1
    assert not loaders.corrupt
    assert list((cache / "examples").rglob("*.npy"))


def test_a_drummers_take_is_shown_bar_by_bar(disk):
    """The fixture's beat: kick on 1 and 4, snare on 3 and 6.25 ms late, off-beat hats at .525 of the beat."""
    from kelly._rt.contract import EMBEDDING, GROOVE_OUT
    from training.data.scores import groove_rows

    rows = groove_rows(items_of(disk, "groove")[0])
    heard, answer, known = rows[0, :64], rows[0, 64:96], rows[0, 96:]
    assert rows.shape == (8, 128)
    assert heard[EMBEDDING["density"].start] > 0
    assert np.flatnonzero(answer[GROOVE_OUT.slice("low")] > 0).tolist() == [0, 12]
    assert np.flatnonzero(answer[GROOVE_OUT.slice("high")] > 0).tolist() == [4]
    assert answer[GROOVE_OUT["swing"].start] == pytest.approx(-0.8) == heard[EMBEDDING["swing"].start]
    assert answer[GROOVE_OUT["mean_offset"].start] == pytest.approx(6.25 / 7 / 40, rel=1e-3)
    assert answer[GROOVE_OUT["density"].start] == 1
    assert answer[GROOVE_OUT["ghost_rate"].start] == -1
    for name in ("syncopation", "fill_probability", "half_double"):
        assert known[GROOVE_OUT.slice(name)].max() == 0
    odd = replace(items_of(disk, "groove")[0], labels={"meter": "5-4"})
    with pytest.raises(kelly.DataError, match="is in 5-4"):
        groove_rows(odd)


def pianist(path, track="PIANO"):
    """Three bars at 120, the second of three beats: bass on 1, 7 and 11, chords on the eighths 2, 3 and 6, the last of them loud; the off-eighths swing.

    A singer beside it has low notes and loud ones, which are not the piano's.
    """
    import mido

    def part(name, notes):
        edges = sorted([(tick, 1, pitch, velocity) for tick, pitch, velocity in notes] + [(tick + 60, 0, pitch, 0) for tick, pitch, _ in notes])
        ticks = [0, *(edge[0] for edge in edges)]
        events = [mido.Message("note_on", note=pitch, velocity=velocity, time=edge - before) for before, edge, (_, _, pitch, velocity) in zip(ticks, ticks[1:], edges, strict=False)]
        return mido.MidiTrack([mido.MetaMessage("track_name", name=name), *events])

    bars = [(at + tick, pitch, velocity) for at in (0, 3360) for tick, pitch, velocity in ((0, 40, 90), (720, 38, 60), (1200, 45, 70), (480, 64, 60), (770, 67, 60), (1440, 64, 90), (1440, 60, 50))]
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks += [part("MELODY", [(480 * beat, 45 + 24 * (beat % 2), 120) for beat in range(11)]), part(track, [*bars, (1920, 64, 60)])]
    file.save(path)
    return Item("001", "train", "pop909:001", score=path, labels={
        "beats": np.column_stack([np.arange(13) / 2, np.isin(np.arange(13), (0, 4, 7, 11))]).astype(float), "keys": [(0.0, 6.0, 9, -1)],
    })  # fmt: skip


def test_a_songs_piano_is_shown_bar_by_bar(tmp_path):
    """Bass, accents, density and swing of the bars of four beats; what beats that follow the playing can't tell is masked."""
    from kelly._rt.contract import EMBEDDING, GROOVE_OUT
    from training.data.scores import groove_rows

    rows = groove_rows(pianist(tmp_path / "001.mid"))
    assert rows.shape == (2, 128)
    for answer, known in zip(rows[:, 64:96], rows[:, 96:], strict=True):
        assert np.flatnonzero(answer[GROOVE_OUT.slice("low")] > 0).tolist() == [0, 6, 10]
        assert np.flatnonzero(answer[GROOVE_OUT.slice("high")] > 0).tolist() == [6]
        assert answer[GROOVE_OUT["density"].start] == 2 * 3 / 8 - 1
        assert answer[GROOVE_OUT["swing"].start] == pytest.approx(((240 + 290 + 240) / 3 / 480 - 0.5) / 0.125 - 1)
        told = {field.name for field in GROOVE_OUT.fields if known[field.start : field.stop].min() == 1}
        assert told == {"low", "high", "density", "swing"}
        assert known.sum() == 16 + 8 + 1 + 1
    assert rows[0, EMBEDDING["mode"].start] == rows[1, EMBEDDING["mode"].start] == -1
    assert rows[0, EMBEDDING["density"].start] == 0 != rows[1, EMBEDDING["density"].start]
    assert rows[1, EMBEDDING["swing"].start] < 0


def test_what_a_songs_piano_cannot_tell(tmp_path, disk):
    """No accent where all is equally loud or one chord a bar; no groove without its track."""
    from kelly._rt.contract import GROOVE_OUT
    from training.data.scores import groove_rows

    known = groove_rows(items_of(disk, "pop909")[0])[:, 96:]
    assert known.shape == (8, 32)
    assert known[:, GROOVE_OUT.slice("high")].max() == 0
    assert known[:, GROOVE_OUT.slice("low")].min() == 1
    with pytest.raises(kelly.DataError, match="expected a track PIANO, found MELODY, BRIDGE"):
        groove_rows(pianist(tmp_path / "001.mid", track="BRIDGE"))
    item = pianist(tmp_path / "002.mid")
    waltz = replace(item, labels={**item.labels, "beats": np.column_stack([np.arange(13) / 2, np.arange(13) % 3 == 0]).astype(float)})
    with pytest.raises(kelly.DataError, match="no bar of four beats"):
        groove_rows(waltz)


def test_a_melody_without_beats_is_shown_note_by_note(disk):
    """EMOPIA's top voice, told the middle of its quadrant; beats, chords and the other moods stay unknown."""
    from kelly._rt.contract import EMBEDDING, MELODY_IN
    from training.data.scores import melody_rows

    items = items_of(disk, "emopia")
    item = next(item for item in items if item.labels["quadrant"] == 3)
    rows = melody_rows(item)
    assert rows.shape == (64, 66)
    assert rows[:8, -2].tolist() == [72, 76, 79, 72, 76, 79, 72, 76]
    assert rows[8, -2] == 77
    assert rows[:, -1].min() == 1
    assert np.flatnonzero(rows[0, :32]).tolist() == sorted(EMBEDDING[name].start for name in ("valence", "arousal", "mode"))
    assert rows[:, EMBEDDING["valence"].start].max() == rows[:, EMBEDDING["arousal"].start].max() == -0.5
    assert rows[0, MELODY_IN.slice("previous_degree")].max() == 0
    assert np.flatnonzero(rows[2, MELODY_IN.slice("previous_degree")]).tolist() == [4]
    assert rows[2, MELODY_IN["interval"].start] == pytest.approx(4 / 12)
    assert not rows[:, MELODY_IN["chord_tones"].start : MELODY_IN["chord_tones"].stop].any()
    assert not rows[:, MELODY_IN["since_onset"].start : 64].any()


def test_the_top_voice_is_what_is_heard_above():
    """Chords by their top, arpeggios below a held note not at all, nothing below middle C."""
    from training.data.melody import top_voice

    notes = np.zeros(8, NOTE)
    for note, (onset, end, pitch) in zip(notes, ((0, 1, 72), (0.01, 0.5, 76), (0.25, 0.4, 64), (0.5, 0.7, 67), (0.5, 2, 40), (0.72, 1, 59), (0.8, 1.5, 79), (1, 1.2, 72)), strict=True):
        note["onset_s"], note["end_s"], note["pitch"] = onset, end, pitch
    assert top_voice(notes)["pitch"].tolist() == [76, 67, 79]


@pytest.mark.parametrize(("net", "name", "spoil"), [("groovepredictor", "pop909", "POP909/003/003.mid"), ("melodytransformer", "emopia", "midis/Q1_a_VLPYiPN7q_0.mid")])
def test_a_damaged_song_is_counted_and_left_out(disk, cache, tmp_path, net, name, spoil):
    """The others are shown."""
    import shutil

    root = tmp_path / name
    shutil.copytree(disk[name], root)
    (root / spoil).write_bytes((root / spoil).read_bytes()[:100])
    loaders = create_data_loaders(net, {name: root}, cache=cache)
    assert [fault.path for fault in loaders.corrupt] == [root / spoil]
    assert "not readable as MIDI" in loaders.corrupt[0].reason
    assert sum(loaders.counts[name].values()) == len(load(name, disk[name]).items) - 1


def test_batches_of_grooves(disk, cache):
    """Answers that a take does not give have mask 0; published splits."""
    loaders = create_data_loaders("groovepredictor", {"groove": disk["groove"]}, cache=cache)
    assert loaders.counts == {"groove": {"train": 2, "validation": 1, "test": 1}}
    x, y, mask = next(iter(loaders.test))
    assert x.shape == (1, 64, 64)
    assert y.shape == mask.shape == (1, 64, 32)
    assert mask[0, :8, 0].min() == 1
    assert mask[0, 8:].max() == 0
    assert (y * (1 - mask)).abs().max() == 0
