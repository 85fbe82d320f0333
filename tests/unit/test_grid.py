"""Steps, bars and phrases on the player's beats."""

from __future__ import annotations

import numpy as np
import pytest

from kelly.generate.grid import ChordTrack, Grid
from kelly.music.chord import Chord
from tests.synthetic import TICK, ticks


def grid_at(position=0.3, beat=37, beat_in_bar=1, phrase_position=None, **fields):
    row = np.zeros((), TICK)
    row["frame"], row["beat_frame"], row["beat_frames"] = 1_000_000 + position * 24000, 1_000_000, 24000
    row["beat_count"], row["beats_per_bar"], row["beat_in_bar"], row["phrase_bars"] = beat, 4, beat_in_bar, 4
    row["phrase_position"] = (5 + position) / 16 if phrase_position is None else phrase_position
    for name, value in fields.items():
        row[name] = value
    grid = Grid()
    grid.update(row[()])
    return grid


def test_in_a_ternary_meter_the_steps_are_the_eighths_of_a_dotted_quarter():
    grid = grid_at(beats_per_bar=2, ternary=1, beat_in_bar=0)
    at = [grid.frame_of(4 * 37 + sub, swing=0.5) for sub in range(5)]
    assert at == pytest.approx([1_000_000, 1_008_000, 1_016_000, 1_020_000, 1_024_000])
    assert [grid.place(4 * 37 + sub).weight for sub in range(5)] == [1.0, 0.25, 0.25, 0.0, 0.75]


def test_a_step_lies_where_its_beat_does():
    grid = grid_at()
    assert grid.frame_of(4 * 37) == 1_000_000
    assert grid.frame_of(4 * 38 + 2) == 1_036_000
    assert grid.frame_of(4 * 38 + 2, swing=2 / 3) == pytest.approx(1_040_000)
    assert grid.step_after(1_000_000) == 4 * 37
    assert grid.step_after(1_000_001) == 4 * 37 + 1


def test_bar_and_phrase_are_counted_from_their_own_beginnings():
    place = grid_at().place(4 * 39 + 2)
    assert (place.beat_in_bar, place.step_in_bar, place.sub) == (3, 14, 2)
    assert place.phrase_beat == 7.5
    assert place.phrase_start == 32
    assert place.weight == 0.25


def test_a_phrase_begins_once_though_its_position_is_a_little_off():
    """A beginning that was computed between two beats once restarted the melody's phrase at every eighth."""
    for error in np.linspace(-0.4, 0.4, 9):
        grid = grid_at(phrase_position=(5.3 + error) / 16)
        assert {grid.place(step).phrase_start for step in range(4 * 37, 4 * 47)} == {32}


def test_knots_rise_whatever_the_tracker_refines():
    grid = Grid()
    for tick in ticks(6, tempo_drift=0.01):
        grid.update(tick)
        late = tick.copy()
        late["beat_frame"] += 3
        grid.update(late)
    frames, beats = np.array(grid.knots).T
    assert len(beats) >= 10
    assert (np.diff(frames) > 0).all()
    assert (np.diff(beats) == 1).all()


def test_a_doubtful_change_waits_for_a_strong_beat():
    track, row = ChordTrack(), np.zeros((), TICK)
    for beat, root, confidence, strong in ((0, 0, 0.1, True), (1, 5, 0.1, False), (2, 7, 0.9, False), (4, 9, 0.1, True)):
        row["chord_beat"], row["chord_root"], row["chord_confidence"] = beat, root, confidence
        track.update(row[()], strong)
    assert [track.at(beat).root for beat in range(5)] == [0, 0, 7, 7, 9]


def test_the_newest_word_about_a_beat_counts():
    track, row = ChordTrack(), np.zeros((), TICK)
    for beat, root in ((0, 0), (4, 7), (4, 9), (8, 9), (12, -1)):
        row["chord_beat"], row["chord_root"], row["chord_quality"] = beat, root, 0
        track.update(row[()])
    assert track.at(-1) is None
    assert track.at(3) == Chord(0)
    assert track.at(4) == track.at(11) == Chord(9)
    assert track.at(12) is None


@pytest.mark.parametrize(
    ("chord", "sure", "key", "taken"),
    [((7, 1), 0.5, (9, -1, 0.9), False), ((7, 1), 0.8, (9, -1, 0.9), True), ((4, 2), 0.5, (9, -1, 0.9), True),
     ((7, 1), 0.5, (9, -1, 0.1), True), ((7, 1), 0.5, (-1, 0, 0.0), True), ((7, 1), 0.5, (7, -1, 0.9), True)],
    ids=["Gm in A minor, unsure", "said clearly", "its own dominant seventh", "a key in doubt", "no key", "in G minor"],
)  # fmt: skip
def test_a_chord_outside_a_clear_key_is_taken_only_from_who_says_it_clearly(chord, sure, key, taken):
    """Under a lone melody a third to a half of all chords lay outside the key, nearly all of them unsure."""
    track, row = ChordTrack(), np.zeros((), TICK)
    row["chord_beat"], row["chord_root"], row["chord_quality"], row["chord_confidence"] = 8, *chord, sure
    row["key_tonic"], row["key_mode"], row["key_confidence"] = key
    track.update(row[()])
    assert track.at(9) == (Chord(*chord) if taken else None)
