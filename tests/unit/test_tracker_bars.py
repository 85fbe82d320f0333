"""Where the bar line is when no chord says it: one voice leans on its long notes."""

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


def test_lengths_do_not_move_a_bar_that_was_given():
    ticks = Tracker(RATE, chords=[(0, 0)]).run(leaning(2))
    heard = ticks[ticks["beat_count"] >= 0]
    assert (heard["beat_in_bar"] == heard["beat_count"] % 4).all()
