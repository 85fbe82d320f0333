"""The key of one voice alone: no chords to go by, so the tones, the first of them, and the long ones."""

import numpy as np
import pytest
from tracker_material import RATE, played

from kelly._rt.stream.tracker import Tracker

MAJOR = ((0, 1), (0, 1), (7, 1), (7, 1), (9, 1), (9, 1), (7, 2), (5, 1), (5, 1), (4, 1), (4, 1), (2, 1), (2, 1), (0, 2))
MINOR = ((0, 1), (2, 1), (3, 2), (2, 1), (0, 1), (7, 2), (8, 1), (7, 1), (5, 1), (3, 1), (2, 1), (11, 1), (0, 2))
"""(degree in semitones, length in beats) of two tunes made for this."""


def sung(tune, tonic, times=3, bpm=110.0):
    """One tone at a time, with a little of its third and fifth partials as the front end leaves them."""
    tones, starts, now = [], [], 0.5
    for degree, length in tune * times:
        starts.append(now)
        tones.append((tonic + degree) % 12)
        now += length * 60.0 / bpm
    records = played(starts, now + 0.5, lambda time: (0, 0))
    times_s = records["frame"] / RATE
    at = np.searchsorted(starts, times_s, side="right") - 1
    for name in ("chroma", "bass_chroma"):
        records[name] = 0.0
    for i in np.flatnonzero(at >= 0):
        records["chroma"][i, tones[at[i]]] = 1.0
        records["chroma"][i, (tones[at[i]] + 7) % 12] += 0.02
        records["chroma"][i, (tones[at[i]] + 4) % 12] += 0.01
    return records


@pytest.mark.parametrize("tonic", range(0, 12, 5))
@pytest.mark.parametrize(("tune", "mode"), [(MAJOR, 1), (MINOR, -1)])
def test_a_tune_alone_has_its_key_after_eight_seconds(tune, mode, tonic):
    ticks = Tracker(RATE).run(sung(tune, tonic))
    late = ticks[(ticks["frame"] > 8.5 * RATE) & (ticks["playing"] == 1)]
    assert np.mean((late["key_tonic"] == tonic) & (late["key_mode"] == mode)) > 0.9


def test_a_tune_that_opens_on_the_dominant_is_not_taken_for_it():
    """Sol sol mi do: the opening counts as the fifth of a key as well as its tonic."""
    tune = ((7, 1), (7, 1), (4, 1), (0, 1), (5, 1), (5, 1), (2, 2), (7, 1), (5, 1), (4, 1), (2, 1), (0, 2), (0, 2))
    ticks = Tracker(RATE).run(sung(tune, 3))
    late = ticks[(ticks["frame"] > 8.5 * RATE) & (ticks["playing"] == 1)]
    assert np.mean((late["key_tonic"] == 3) & (late["key_mode"] == 1)) > 0.9
