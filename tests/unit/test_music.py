"""Pitch names, keys, chords, progressions and the timebase."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelly.errors import ConfigError
from kelly.music.chord import Chord, chords_by_beat, parse_chord, parse_progression
from kelly.music.pitch import fifths_name, frequency_hz, parse_pitch_class, spell
from kelly.music.scale import Key, parse_key
from kelly.music.timebase import Timebase, frames_per_beat, tempo_bpm


@pytest.mark.parametrize(
    ("text", "expected"),
    [("C", (0, 1)), ("Am", (9, -1)), ("Eb", (3, 1)), ("F#m", (6, -1)), ("A minor", (9, -1)), ("A major", (9, 1)),
     ("bb", (10, 1)), ("g# MINOR", (8, -1)), ("Cb", (11, 1)), ("f#m", (6, -1)), ("E♭", (3, 1))],
)  # fmt: skip
def test_key_forms(text, expected):
    """Every way a musician writes a key on a command line."""
    key = parse_key(text)
    assert key is not None
    assert (key.tonic, key.mode) == expected


def test_auto_key_is_none():
    assert parse_key(" Auto ") is None


@pytest.mark.parametrize("text", ["", "H", "AM", "C dorian", "m", "C##x", "12"])
def test_wrong_key_names_the_forms(text):
    """The error shows what would have been right."""
    with pytest.raises(ConfigError, match="expected auto"):
        parse_key(text)


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", [1, -1])
def test_every_key_reads_back_its_own_name(tonic, mode):
    key = Key(tonic, mode)
    assert parse_key(key.short) == key
    assert parse_key(str(key)) == key
    assert -6 <= key.signature <= 6
    assert len({key.spell(pitch_class)[0] for pitch_class in key.scale()}) == 7  # each letter once


def test_signatures():
    """Sharps and flats of well-known keys."""
    assert [parse_key(k).signature for k in ("C", "G", "F", "Am", "Em", "Dm", "Gb", "B", "C#m")] == [
        0, 1, -1, 0, 1, -1, -6, 5, 4,
    ]  # fmt: skip


def test_spelling_follows_the_key():
    assert Key(9, -1).spell(8) == "G#"
    assert Key(3).spell(8) == "Ab"
    assert Key(2).spell(6) == "F#"
    assert Key(0).spell(10) == "Bb"


@given(st.integers(-7, 7), st.integers(0, 11), st.booleans())
def test_spelling_names_the_same_pitch(signature, pitch_class, minor):
    assert parse_pitch_class(spell(pitch_class, signature, minor)) == pitch_class


def test_line_of_fifths():
    assert [fifths_name(n) for n in (-2, -1, 0, 1, 6, 8)] == ["Bb", "F", "C", "G", "F#", "G#"]


def test_allowed_has_the_raised_seventh_in_minor():
    assert Key(9, -1).allowed() == {9, 11, 0, 2, 4, 5, 7, 8}
    assert Key(0).allowed() == {0, 2, 4, 5, 7, 9, 11}


def test_frequency():
    assert frequency_hz(69) == 440.0
    assert frequency_hz(57) == 220.0


@pytest.mark.parametrize(
    ("text", "root", "quality"),
    [("C", 0, 0), ("Am", 9, 1), ("G7", 7, 2), ("Dm7", 2, 3), ("Bdim", 11, 4), ("F#", 6, 0), ("Gsus4", 7, 5), ("C5", 0, 6),
     ("Bb", 10, 0), ("Ebm", 3, 1), ("Cmaj7", 0, 0), ("C/E", 0, 0), ("F#m7b5", 6, 4), ("G9", 7, 2)],
)  # fmt: skip
def test_chord_symbols(text, root, quality):
    assert parse_chord(text) == Chord(root, quality)


@pytest.mark.parametrize("text", ["", "X", "Cfoo", "C/H", "C/Ex", "am"])
def test_wrong_chord_is_refused(text):
    with pytest.raises(ConfigError):
        parse_chord(text)


@pytest.mark.parametrize("root", range(12))
@pytest.mark.parametrize("quality", range(7))
def test_chord_symbol_reads_back(root, quality):
    chord = Chord(root, quality)
    assert parse_chord(chord.symbol()) == chord
    assert parse_chord(chord.symbol(Key(3))) == chord


def test_chord_tones():
    assert parse_chord("G7").tones == (7, 11, 2, 5)
    assert parse_chord("C5").tones == (0, 7)


def test_progression_with_bars():
    """Bars by bar lines; chords of a bar share it."""
    bars = parse_progression("| C | Am F | G |")
    assert [[str(chord) for chord in bar] for bar in bars] == [["C"], ["Am", "F"], ["G"]]
    assert [str(chord) for chord in chords_by_beat(bars, 4)] == ["C"] * 4 + ["Am", "Am", "F", "F"] + ["G"] * 4


def test_progression_without_bar_lines_is_one_chord_per_bar():
    assert [len(bar) for bar in parse_progression("C Am F G")] == [1, 1, 1, 1]


def test_percent_repeats_a_bar():
    assert parse_progression("C G | %") == parse_progression("C G | C G")


def test_three_chords_in_four_beats():
    """The earlier chords get the spare beat."""
    assert [str(c) for c in chords_by_beat(parse_progression("C F G|%"), 4)][:4] == ["C", "C", "F", "G"]


@pytest.mark.parametrize("text", ["", " | ", "C || G", "% | C", "C | Hm"])
def test_wrong_progressions(text):
    with pytest.raises(ConfigError):
        parse_progression(text)


def test_more_chords_than_beats():
    with pytest.raises(ConfigError, match="chords change on beats"):
        chords_by_beat(parse_progression("C D E F | G"), 3)


def test_frames_per_beat_is_exact():
    assert frames_per_beat(44_100, 113.0) == 60.0 * 44_100 / 113.0
    assert tempo_bpm(48_000, 24_000) == 120.0
    assert tempo_bpm(48_000, 0.0) == 0.0
    with pytest.raises(ConfigError):
        frames_per_beat(48_000, 0.0)


def test_timebase_maps_both_ways_and_beyond_its_ends():
    timebase = Timebase()
    for frame, beat in ((1000.0, 0.0), (2000.0, 1.0), (4000.0, 2.0)):
        timebase.add(frame, beat)
    assert timebase.beat_at(1500.0) == 0.5
    assert timebase.beat_at(3000.0) == 1.5
    assert timebase.frame_at(-1.0) == 0.0
    assert timebase.frame_at(3.0) == 6000.0


def test_timebase_refuses_to_run_back():
    timebase = Timebase([0.0], [0.0])
    with pytest.raises(ValueError, match="does not follow"):
        timebase.add(10.0, 0.0)
    with pytest.raises(ValueError, match="two knots"):
        timebase.beat_at(1.0)
