"""Music from words: the way from words to a mood's path, lead sheets, pieces, and the same piece again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import mido
import numpy as np
import pytest

from kelly.cli.app import run
from kelly.cli.compose import broken
from kelly.config import load_config
from kelly.errors import ConfigError
from kelly.generate.cast import CASTS, cast_of
from kelly.generate.lead_sheet import PHRASE_BARS, write_sheet
from kelly.generate.settings import MELODY
from kelly.live.compose import compose, compose_intent, from_file, length, recipe
from kelly.music.chord import MAJ, MIN
from kelly.music.intent import from_words, read_intent
from kelly.music.scale import Key
from kelly.music.thesaurus import WORDS
from kelly.music.words import read_words, split_way
from kelly.nets.processor import MultiModelProcessor


@pytest.fixture(scope="module")
def harmony():
    return MultiModelProcessor().clone_engine("harmonypredictor")


@pytest.fixture(scope="module")
def hope():
    return compose_intent(from_words("grief turning into hope", 16), load_config(flags={"key": "D", "seed": 3}), 16)


@pytest.mark.parametrize(("text", "ends"), [
    ("grief turning into hope", ("grief", "hope")),
    ("from calm to very excited", ("calm", "very excited")),
    ("sad, then happy", ("sad", "happy")),
    ("dread giving way to relief", ("dread", "relief")),
    ("anger melting into tenderness", ("anger", "tenderness")),
    ("sadness -> joy", ("sadness", "joy")),
    ("fear that slowly becomes wonder", None),
    ("fear that becomes wonder", ("fear", "wonder")),
    ("calm, a little sad", None),
    ("happy to be sad", None),
])  # fmt: skip
def test_a_way_has_two_ends(text, ends):
    assert (ends is None and "slowly" in text) or split_way(text) == ends


def test_more_than_two_stations_are_refused():
    with pytest.raises(ConfigError, match="3 stations"):
        split_way("calm then angry then calm")


def test_a_way_in_words_is_a_path_between_the_words_points():
    intent = from_words("grief turning into hope", 8)
    assert (intent.start, intent.end, intent.bars) == (read_words("grief").mood, read_words("hope").mood, 8)
    assert intent.start.valence < 0 < intent.end.valence


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("words", ["very sad", "joy", "fear turning into calm"])
def test_a_sheet_begins_at_home_and_ends_with_a_cadence(harmony, words, seed):
    sheet = write_sheet(from_words(words, 16), harmony, bars=16, seed=seed)
    final, before = sheet.at(15 * 4), sheet.at(15 * 4 - 1)
    assert (final.chord.root, final.chord.quality) == (sheet.key.tonic, MAJ if sheet.key.mode > 0 else MIN)
    assert (before.chord.root - sheet.key.tonic) % 12 == 7
    assert [choice.beat for choice in sheet.choices] == sorted({choice.beat for choice in sheet.choices})
    lent = [c for c in sheet.choices if not set(c.chord.tones) <= sheet.key_at(c.beat).allowed()]
    assert all(c.borrowed > 0 for c in lent), "a chord outside the key without a named reason"


def test_sad_pieces_are_minor_and_slow_and_happy_ones_major_and_fast(harmony):
    sad, glad = (write_sheet(from_words(words), harmony, bars=16) for words in ("very sad", "very happy"))
    assert (sad.key.mode, glad.key.mode) == (-1, 1)
    assert sad.tempo_bpm < glad.tempo_bpm


def test_a_letter_of_the_form_that_returns_brings_its_chords(harmony):
    found = 0
    for seed in range(8):
        sheet = write_sheet(from_words("calm"), harmony, bars=16, seed=seed)
        for phrase, letter in enumerate(sheet.form):
            first = sheet.form.index(letter)
            if first < phrase < 3:
                found += 1
                for bar in range(PHRASE_BARS - 1):
                    assert sheet.at(4 * (phrase * PHRASE_BARS + bar)).chord == sheet.at(4 * (first * PHRASE_BARS + bar)).chord
    assert found


def test_the_same_words_and_seed_give_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        compose("calm", tmp_path / f"{name}.mid", bars=4, seed=seed)
    a, b, c = ((tmp_path / f"{name}.mid").read_bytes() for name in "abc")
    assert a == b != c


def test_a_piece_keeps_its_key_but_where_a_named_break_leaves_it(hope):
    outside = [reason for reason in hope.reasons if not reason.in_key]
    assert all(reason.broke for reason in outside)
    assert len(outside) <= 0.4 * len(hope.reasons)
    assert len([reason for reason in outside if reason.bar >= 8]) <= 0.08 * len(hope.reasons)
    assert Counter(reason.part for reason in hope.reasons) == Counter(
        {row: count for row, count in enumerate(hope.played.values()) if count}
    ), "every note has its reason"


def test_a_piece_ends_on_its_last_bar_with_the_tonic(hope):
    last = [reason for reason in hope.reasons if reason.bar == 15 and reason.part != 3]
    assert {reason.pitch % 12 for reason in last} <= set(Key(2).scale())
    assert {reason.pitch % 12 for reason in last if reason.rule == "final"} <= {2, 6, 9}
    assert max(reason.bar for reason in hope.reasons) == 15
    assert hope.events["frame"].min() >= 0


def test_the_music_goes_where_the_words_go(hope):
    """Grief turning into hope: arousal rises, so the last phrase is busier and louder than the first."""
    def notes(first, last):
        return [reason for reason in hope.reasons if first <= reason.bar < last and reason.part in (0, 1, 2)]

    assert np.mean([reason.velocity for reason in notes(11, 14)]) > np.mean([reason.velocity for reason in notes(0, 3)])


def test_a_way_from_dark_to_bright_turns_from_minor_to_major_and_says_so(hope, tmp_path):
    """With the key given: the mode is a rule broken on purpose, told in words, in every note it touched and by key signatures."""
    assert [(bar, str(key)) for bar, key in hope.sheet.key_changes()] == [(0, "D minor"), (8, "D major")]
    thirds = [[reason.pitch % 12 for reason in hope.reasons if first <= reason.bar < first + 8 and reason.part != 3] for first in (0, 8)]
    assert thirds[0].count(5) > 5 > thirds[0].count(6), "F and F sharp over D"
    assert thirds[1].count(6) > 5 > thirds[1].count(5)
    assert broken(hope)[0].startswith("modal interchange in bars 1 to 8: D minor in the place of D major")
    hope.write(tmp_path / "hope.mid")
    now, keys = 0, []
    for message in mido.MidiFile(tmp_path / "hope.mid").tracks[0]:
        now += message.time
        if message.type == "key_signature":
            keys.append((now, message.key))
    assert keys == [(0, "Dm"), (480 * 32, "D")]


@pytest.mark.parametrize(("words", "modes"), [
    ("grief turning into hope", (-1, -1, 1, 1)),
    ("joy turning into fear", (1, 1, -1, -1)),
    ("calm turning into joy", ()),
    ("fear turning into anger", ()),
    ("calm", ()),
])  # fmt: skip
def test_the_mode_turns_where_a_way_crosses_from_one_to_the_other(harmony, words, modes):
    sheet = write_sheet(from_words(words, 16), harmony, bars=16)
    assert sheet.modes == modes
    assert not modes or sheet.key.mode == modes[-1], "it ends at home"


def test_a_mode_that_is_asked_for_stays(harmony):
    assert write_sheet(replace(from_words("grief turning into hope"), mode=-1), harmony, bars=16).key_changes()[0][1].mode == -1
    assert len(write_sheet(replace(from_words("grief turning into hope"), mode=1), harmony, bars=16).key_changes()) == 1


def test_pieces_of_different_words_are_different_pieces(harmony):
    """With the same seed: not one progression in five keys."""
    moods = ("calm", "furious", "not happy at all", "joyful, excited", "afraid", "tender, a little sad", "wonder", "grief turning into hope")
    for seed in range(3):
        sheets = [write_sheet(from_words(words, 16), harmony, bars=16, seed=seed) for words in moods]
        degrees = [tuple(((c.chord.root - s.key.tonic) % 12, c.chord.quality) for c in s.choices) for s in sheets]
        openings = {row[:4] for row in degrees}
        assert len(set(degrees)) == len(moods)
        assert len(openings) >= 6
        assert len({s.key.tonic for s in sheets}) >= 3


def test_chords_do_not_seesaw(harmony):
    """Of a phrase's bars three or more differ on the average; a step from chord to chord is seldom made twice."""
    kinds = []
    for words in ("not happy at all", "calm", "furious"):
        for seed in range(6):
            sheet = write_sheet(from_words(words), harmony, bars=16, seed=seed)
            kinds += [len({sheet.at(4 * (4 * phrase + bar)).chord for bar in range(4)}) for phrase in range(4)]
    assert np.mean(kinds) >= 3.0


def test_the_file_opens_elsewhere_with_markers_key_tempo_and_names(tmp_path, hope):
    hope.write(tmp_path / "hope.mid", "hope")
    file = mido.MidiFile(tmp_path / "hope.mid")
    found = {message.type: message for message in file.tracks[0] if message.is_meta}  # the last of each
    assert file.type == 1
    assert found["key_signature"].key == "D"
    now, marks = 0, []
    for message in file.tracks[0]:
        now += message.time
        if message.type == "marker":
            marks.append((now, message.text))
    assert marks == [(480 * 16 * n, f"phrase {n + 1}") for n in range(4)]
    assert abs(file.length - sum(4 * 60 / bpm for bpm in hope.sheet.tempi)) < 0.05


def test_the_tempo_goes_with_a_way_a_bar_at_a_time(hope, tmp_path):
    """In the file's tempo map, so that bars stay bars; one that is given stays."""
    hope.write(tmp_path / "hope.mid")
    now, tempi = 0, []
    for message in mido.MidiFile(tmp_path / "hope.mid").tracks[0]:
        now += message.time
        if message.type == "set_tempo":
            tempi.append((now, mido.tempo2bpm(message.tempo)))
    assert [place for place, _ in tempi] == [480 * 4 * bar for bar in range(16)]
    assert [bpm for _, bpm in tempi] == pytest.approx(hope.sheet.tempi, rel=1e-4)
    assert tempi[0][1] < 90 < 110 < tempi[-1][1]
    struck = hope.events[(hope.events["status"] & 0xF0 == 0x90) & (hope.events["data2"] > 0)]
    frames = {(int(event["frame"]), int(event["part"]), int(event["data1"])) for event in struck}
    assert {(reason.frame, reason.part, reason.pitch) for reason in hope.reasons} == frames
    steady = compose_intent(from_words("grief turning into hope", 8), load_config(flags={"tempo": 90}, env={}, alone=True), 8)
    assert (steady.sheet.tempi, steady.tempo.tempo_bpm) == ((), 90)
    assert compose_intent(from_words("calm"), load_config(env={}, alone=True), 8).sheet.tempi == ()


def test_a_range_of_tempi_holds_a_way(harmony):
    sheet = write_sheet(replace(from_words("grief turning into hope", 16), tempo_range=(90.0, 100.0)), harmony, bars=16)
    assert (min(sheet.tempi), max(sheet.tempi)) == (90, 100)


@pytest.mark.parametrize("words", ["calm", "grief turning into hope"])
def test_the_recipe_composes_the_piece_again(tmp_path, words):
    piece = compose(words, tmp_path / "one.mid", bars=8, seed=5)
    (tmp_path / "one.toml").write_text(recipe(piece, words), encoding="utf-8")
    intent, config = from_file(tmp_path / "one.toml", load_config())
    again = compose_intent(intent, config, length(intent))
    again.write(tmp_path / "two.mid", intent.title)
    assert (tmp_path / "one.mid").read_bytes() == (tmp_path / "two.mid").read_bytes()


def test_odd_titles_survive_the_recipe(tmp_path):
    piece = compose_intent(from_words("calm"), load_config(), 2)
    (tmp_path / "odd.toml").write_text(recipe(piece, 'calm "and"\t\\ still\n'), encoding="utf-8")
    assert read_intent(tmp_path / "odd.toml").title == 'calm "and" \\ still '


@pytest.mark.parametrize(("bars", "meter"), [(1, "4/4"), (2, "3/4"), (3, "4/4"), (7, "5/4"), (4, "6/8")])
def test_short_pieces_and_other_meters(bars, meter):
    piece = compose_intent(from_words("joy"), load_config(flags={"meter": meter}), bars)
    assert sum(piece.played.values())
    assert max(reason.bar for reason in piece.reasons) < bars


def test_the_command_writes_the_piece_its_intent_and_a_report(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["compose", "grief turning into hope", "--bars", "8", "--key", "D", "--seed", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kelly.compose/1"
    assert report["key"] == "D"
    assert report["bars"] == 8
    first = (tmp_path / "grief-turning-into-hope.mid").read_bytes()
    assert run(["compose", "--intent", "grief-turning-into-hope.toml", "-o", "again.mid", "-q"]) == 0
    assert (tmp_path / "again.mid").read_bytes() == first
    assert (tmp_path / "again.toml").read_text() == (tmp_path / "grief-turning-into-hope.toml").read_text()


TURNED = [
    "--program", "melody=73", "--midi-channel", "bass=7", "--part", "pad=off", "--range", "melody=60-84", "--midi-cc", "valence=20",
    "--disable", "melodytransformer", "--enable", "groovepredictor", "--set", "density=.8", "--set", "valence=.2", "--set", "blend_harmony=.3",
    "--feel", "swing", "--preset", "ballad",
]  # fmt: skip


def test_whatever_was_typed_the_intent_file_composes_the_piece_again(tmp_path, monkeypatch):
    """Also where another kelly.toml lies about; what is typed beside it goes before."""
    monkeypatch.chdir(tmp_path)
    assert run(["compose", "grief turning into hope", "--bars", "8", "-o", "plain.mid", "-q"]) == 0
    assert run(["compose", "grief turning into hope", "--bars", "8", *TURNED, "-o", "one.mid", "-q"]) == 0
    (tmp_path / "kelly.toml").write_text("[controls]\ndensity = 0.1\n[midi]\nprograms = { bass = 38, pad = 50 }\n")
    assert run(["compose", "--intent", "one.toml", "-o", "two.mid", "-q"]) == 0
    assert (tmp_path / "one.mid").read_bytes() == (tmp_path / "two.mid").read_bytes() != (tmp_path / "plain.mid").read_bytes()
    assert (tmp_path / "one.toml").read_text() == (tmp_path / "two.toml").read_text()
    assert run(["compose", "--intent", "one.toml", "--set", "density=.2", "-o", "three.mid", "-q"]) == 0
    assert "density = 0.2" in (tmp_path / "three.toml").read_text()
    assert (tmp_path / "three.mid").read_bytes() != (tmp_path / "one.mid").read_bytes()


@pytest.mark.parametrize(("text", "said"), [
    ("programs = { bss = 3 }", "no part is called 'bss'"),
    ("programms = { bass = 3 }", "did you mean 'midi.programs'"),
    ("programs = 3", "expected a table of parts"),
])  # fmt: skip
def test_settings_of_a_piece_are_read_as_strictly_as_others(tmp_path, text, said):
    (tmp_path / "odd.toml").write_text(f'mood = "calm"\n[settings.midi]\n{text}\n')
    with pytest.raises(ConfigError, match=said):
        read_intent(tmp_path / "odd.toml")


def test_controls_turn_a_piece_as_they_turn_a_session():
    def notes(**controls):
        return compose_intent(from_words("joy"), load_config(flags=controls, env={}, alone=True), 8).played

    plain = notes()
    assert sum(notes(density=0.1).values()) < 0.8 * sum(plain.values()) < 0.8 * sum(notes(density=0.9).values())
    assert sum(notes(bypass=1.0).values()) == 0
    assert notes(part=("drums=off",))["drums"] == 0


@pytest.mark.parametrize(("words", "code", "said"), [
    (["compose"], 2, "words or --intent"),
    (["compose", "xylophone"], 2, "no mood"),
    (["compose", "calm", "-o", "missing/x.mid"], 6, "missing/x.mid"),
    (["compose", "calm", "-o", "x.toml"], 6, "x.mid"),
    (["compose", "calm", "--key", "H"], 2, "not a key"),
])  # fmt: skip
def test_what_cannot_be_composed_says_why(tmp_path, capsys, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    assert run(words) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_rule_broken_on_purpose_is_told_with_the_pieces_own_bar(tmp_path):
    """The bar that is counted in is nobody's, and the last chord breaks no rule."""
    file = tmp_path / "shifted.toml"
    file.write_text('point = [0.2, 0.3, 0.2]\n[piece]\nbars = 12\nseed = 5\n[[breaks]]\nname = "displacement"\nseverity = 0.8\n')
    intent, config = from_file(file, load_config())
    piece = compose_intent(intent, config, 12)
    told = [int(sentence.removeprefix("bar ").partition(":")[0]) for sentence in piece.said]
    assert told
    assert all(1 <= bar < 12 for bar in told)
    broken = {reason.bar + 1 for reason in piece.reasons if reason.broke == "displacement"}
    assert set(told) >= {bar for bar in broken if bar - 1 not in broken}


def test_the_bass_knows_where_the_written_chords_go(hope):
    """A step or two below or above the next chord's root, in many a bar; nobody has to have heard it before."""
    steps = [reason for reason in hope.reasons if reason.rule == "approach"]
    assert len({reason.bar for reason in steps}) >= 5
    for reason in steps:
        beat = 4 * reason.bar + reason.step // 4
        assert (reason.pitch - hope.sheet.at(beat + 1).chord.root + 2) % 12 in (0, 1, 3, 4)


def test_excited_tunes_have_more_notes_than_calm_ones():
    """Per beat: the tempo comes on top."""
    def sung(words):
        pieces = [compose_intent(from_words(words), load_config(flags={"seed": seed}, env={}, alone=True), 12) for seed in range(3)]
        return sum(piece.played["melody"] for piece in pieces)

    assert 1.15 * sung("calm") < sung("furious")
    assert 1.15 * sung("despairing") < sung("joyful, excited")


@pytest.mark.parametrize("emotion", CASTS)
def test_each_emotion_has_its_instruments_and_who_names_one_is_asked_first(emotion):
    assert cast_of(from_words(WORDS[emotion][2])) == CASTS[emotion]
    piece = compose_intent(from_words(WORDS[emotion][2]), load_config(flags={"program": ("bass=38",)}, env={}, alone=True), 2)
    programs = {part.name: part.program for part in piece.parts}
    assert programs == {**programs, **CASTS[emotion], "bass": 38}


def test_a_neutral_piece_has_the_bands_own_instruments():
    assert cast_of(from_words("neutral")) == {}


def test_alone_the_band_sings_without_waiting_for_a_turn():
    """No phrase passes without a tune in its first half."""
    piece = compose_intent(from_words("grief turning into hope", 16), load_config(flags={"seed": 3, "key": "D"}), 16)
    sung = {reason.bar // 2 for reason in piece.reasons if reason.part == MELODY}
    assert sung == set(range(8))
