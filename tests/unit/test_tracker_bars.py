"""Where the bar line is: one voice leans on its long notes, a hymn on the chords that stay and on its own."""

import numpy as np
import pytest
from tracker_material import RATE, played

from kelly._rt.stream.tracker import Tracker

BEAT = 0.5


def leaning(pickup, bars=16):
    """A half and two quarters in each bar, after so many quarters of a pickup, one tone at a time."""
    starts = [0.5 + beat * BEAT for beat in range(pickup)]
    starts += [0.5 + (pickup + 4 * bar + beat) * BEAT for bar in range(bars) for beat in (0, 2, 3)]
    records = played(starts, starts[-1] + 1.0, lambda time: (0, 0))
    for name in ("chroma", "bass_chroma"):
        records[name] = 0.0
    records["chroma"][records["level_db"] > -60.0, 7] = 1.0
    return records


@pytest.mark.parametrize("pickup", [1, 2, 3])
def test_one_voice_leans_on_the_bar_line(pickup):
    """Always the same tone, so that only the lengths tell; right from the eighth bar on."""
    ticks = Tracker(RATE).run(leaning(pickup))
    late = ticks[ticks["frame"] > (0.5 + (pickup + 8 * 4) * BEAT) * RATE]
    beat = np.round((late["beat_frame"] / RATE - 0.5) / BEAT).astype(int)
    assert np.mean(late["beat_in_bar"] == (beat - pickup) % 4) > 0.95


@pytest.mark.parametrize("pickup", [1, 3])
def test_a_hymn_rests_on_the_bar_line(pickup):
    """C for two beats, then F and G: as many changes at three places of the bar, but on one of them the chord stays; right from the eighth bar on."""
    bar = ((0, 0), (0, 0), (5, 0), (7, 0))
    records = played(0.5 + np.arange(72) * BEAT, 36.0, lambda time: bar[(int((time - 0.5) / BEAT + 1e-6) - pickup) % 4])
    ticks = Tracker(RATE).run(records)
    late = ticks[ticks["frame"] > (0.5 + (pickup + 8 * 4) * BEAT) * RATE]
    beat = np.round((late["beat_frame"] / RATE - 0.5) / BEAT).astype(int)
    assert np.mean(late["beat_in_bar"] == (beat - pickup) % 4) > 0.95


def test_an_upbeat_of_equal_strokes_is_no_bar_line():
    """Nothing but the strokes: the first of four is half as strong again, and the music begins a beat before it."""
    beats = np.arange(72)
    records = played(0.5 + beats * BEAT, 36.0, lambda time: (0, 0), strengths=np.where(beats % 4 == 1, 1.0, 0.65))
    late = Tracker(RATE).run(records)
    late = late[late["frame"] > 18 * RATE]
    beat = np.round((late["beat_frame"] / RATE - 0.5) / BEAT).astype(int)
    assert np.mean(late["beat_in_bar"] == (beat - 1) % 4) > 0.95


def test_lengths_do_not_move_a_bar_that_was_given():
    ticks = Tracker(RATE, chords=[(0, 0)]).run(leaning(2))
    heard = ticks[ticks["beat_count"] >= 0]
    assert (heard["beat_in_bar"] == heard["beat_count"] % 4).all()
