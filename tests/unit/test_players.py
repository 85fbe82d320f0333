"""Who plays, in which range, again or anew: parts on and off, locked, drawn again."""

from functools import cache

import numpy as np
import pytest

from kelly.config import load_config
from kelly.errors import ConfigError
from kelly.generate.conductor import Conductor
from kelly.generate.loop import Loop, Struck
from kelly.generate.settings import BASS, CHORDS, DRUMS, MELODY, PART_NAMES, PARTS, ConductorSettings
from kelly.live.players import feelings, ranges
from tests.synthetic import conduct, engines, notes_of, ticks

RATE, BEAT = 48000, 24000
GIVEN = ConductorSettings(key_given=True, tempo_given=True)


def played(seconds, *asked, settings=GIVEN, **player):
    """Notes of a band; ``asked`` are (second, method, arguments)."""
    conductor, waiting = Conductor(RATE, settings, engines()), sorted(asked, key=lambda row: row[0])

    def stream():
        for tick in ticks(seconds, first_beat_s=0.0, **player):
            while waiting and waiting[0][0] * RATE <= int(tick["frame"]):
                _, method, *arguments = waiting.pop(0)
                getattr(conductor, method)(*arguments)
            yield tick

    return notes_of(conduct(conductor, stream()))


def part_of(notes, row):
    return [note for note in notes if note[0] == PARTS[row].channel]


def bars_of(notes, row, first, last):
    """(pitch, velocity, frame from the first bar's line) of the notes in bars first..last."""
    bar = 4 * BEAT
    return [(n[1], n[2], n[3] - first * bar) for n in part_of(notes, row) if first * bar - 3000 <= n[3] < (last + 1) * bar - 3000]


@cache
def unlocked():
    return played(33, notes_per_s=1.0)


@pytest.mark.parametrize("row", range(len(PARTS)))
def test_a_locked_part_repeats_its_phrase_to_the_frame(row):
    """Locked on the bar line of bar 8, 4-bar phrases: bars 8 to 15 are bars 4 to 7 twice; those who do not lean on it are not touched."""
    asked = (15.6, "lock", row, True)
    notes, free = played(33, asked, notes_per_s=1.0), unlocked()
    kept = bars_of(notes, row, 5, 7)
    assert len(kept) > 2
    assert bars_of(notes, row, 9, 11) == kept == bars_of(notes, row, 13, 15)
    assert bars_of(free, row, 9, 11) != kept
    for other in {CHORDS, MELODY, BASS} - {row}:  # the counter-melody answers the melody
        assert [n[1] for n in part_of(notes, other)] == [n[1] for n in part_of(free, other)]


def test_a_part_that_is_let_go_plans_again():
    notes = played(33, (15.6, "lock", MELODY, True), (23.6, "lock", MELODY, False), notes_per_s=1.0)
    assert bars_of(notes, MELODY, 9, 11) == bars_of(notes, MELODY, 5, 7)
    assert bars_of(notes, MELODY, 13, 15) != bars_of(notes, MELODY, 5, 7)


def test_before_a_bar_there_is_nothing_to_repeat():
    assert part_of(played(12, (0.5, "lock", BASS, True)), BASS) == part_of(played(12), BASS)
    loop = Loop()
    assert not loop.lock(8, 64, 16)
    for step in range(40):
        loop.hear(step, [Struck(60, 90, 0.0, 1.0)] if step % 16 == 0 else [], False)
    assert loop.lock(40, 64, 16)  # two bars of the four
    assert [bool(loop.again(step)[0]) for step in (40, 48, 56, 64, 72)] == [False, True, False, True, False]


def test_a_part_remembers_its_longest_phrase_and_no_more():
    """An hour of 16ths: at any time the sixteen bars before can be locked, and what lies further back is forgotten."""
    loop = Loop()
    for step in range(30_000):
        loop.hear(step, [Struck(step % 128, 90, 0.0, 1.0)], False)
        assert len(loop._played) <= 448 + 64
    assert loop.lock(30_000, 16 * 28, 28)
    assert [loop.again(step)[0][0].pitch for step in range(30_000, 30_448)] == [step % 128 for step in range(30_000 - 448, 30_000)]


def test_a_part_is_drawn_anew_and_the_others_are_not():
    asked = (8.0, "reroll", MELODY)
    notes, plain, other = played(20, asked), played(20), played(20, (8.0, "reroll", MELODY, 2))
    melodies = [[n[1:4] for n in part_of(one, MELODY) if n[3] > 9 * RATE] for one in (plain, notes, other)]
    assert melodies[0] != melodies[1] != melodies[2]
    assert part_of(notes, BASS) == part_of(plain, BASS)
    assert [n for n in part_of(notes, MELODY) if n[3] < 7.5 * RATE] == [n for n in part_of(plain, MELODY) if n[3] < 7.5 * RATE]


def test_a_part_that_is_off_comes_in_when_it_is_switched_on():
    settings = ConductorSettings(key_given=True, tempo_given=True, off=frozenset(("bass", "drums")))
    notes = played(16, (8.0, "switch", BASS, True), settings=settings)
    assert not part_of(notes, DRUMS)
    assert min(n[3] for n in part_of(notes, BASS)) > 8 * RATE
    assert part_of(notes, MELODY)


def test_a_range_holds_for_every_note():
    settings = GIVEN.choose(ranges={"melody": (60, 72), "bass": (40, 55), "chords": (55, 80)})
    notes = played(32, settings=settings)
    for row, (low, high) in {MELODY: (60, 72), BASS: (40, 55), 0: (55, 80)}.items():
        pitches = [n[1] for n in part_of(notes, row)]
        assert pitches
        assert low <= min(pitches) <= max(pitches) <= high


def test_flags_say_who_plays_and_where():
    config = load_config(flags={"part": ("bass=off", "drums=on"), "range": ("melody=60-84",), "midi_cc": ("valence=20", "chord=CC 24 on channel 5")}, env={})
    assert dict(config.midi.parts) == {"bass": False, "drums": True}
    assert ranges(config.midi.ranges) == {"melody": (60, 84)}
    assert feelings(config.midi.cc) == {"valence": (16, 20), "chord": (5, 24)}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"part": ("bas=off",)}, "no part is called 'bas'; the parts are .*did you mean 'bass'"),
        ({"part": ("bass",)}, "expected PART=on or PART=off, found 'bass'"),
        ({"part": ("bass=maybe",)}, "expected true or false, found 'maybe'"),
        ({"range": ("melody=60-70",)}, "at least an octave"),
        ({"range": ("melody=60",)}, "expected LOWEST-HIGHEST"),
        ({"midi_cc": ("joy=20",)}, "no feeling is called 'joy'"),
        ({"midi_cc": ("valence=120",)}, "a controller from 0 to 119"),
        ({"midi_cc": ("valence=CC 20 on channel 17",)}, "a controller from 0 to 119"),
        ({"midi_cc": ("valence=20", "arousal=20")}, "arousal wants CC 20 on channel 16, which is taken by valence"),
        ({"midi_cc": ("valence=CC 11 on channel 3",)}, "which is the expression of bass"),
        ({"band_feel": "swung"}, "expected .*swing.* found 'swung'; did you mean 'swing'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(flags, words):
    with pytest.raises(ConfigError, match=words):
        load_config(flags=flags, env={})


def test_the_parts_have_one_table():
    assert tuple(load_config(env={}, alone=True).midi.channels) == PART_NAMES
    assert np.unique([part.channel for part in PARTS]).size == len(PARTS)
