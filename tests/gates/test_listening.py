"""The yard-stick for listening is itself straight."""

import numpy as np
import pytest

from kelly._rt.layout import dtype

from .listening import LEAD_S, RATE, measure
from .scores import Take, progression


def perfect(take, late_s=0.0):
    """Ticks of somebody who knows the score."""
    truth = take.beats_s()
    ticks = np.zeros(int((truth[-1] + 2.0) * 25), dtype("tick"))
    times = (1 + np.arange(len(ticks))) / 25
    ticks["frame"], ticks["locked"] = np.round(times * RATE), times > LEAD_S + 1.0
    at = np.searchsorted(truth + late_s, times) - 1
    ticks["beat_count"] = at
    known = ticks["beat_count"] >= 0
    ticks["beat_frame"][known] = np.round((truth[at[known]] + late_s) * RATE)
    ticks["beat_in_bar"] = (at + take.score.first_beat) % take.score.beats_per_bar
    ticks["tempo_bpm"], ticks["chord_beat"] = take.bpm, at
    ticks["key_tonic"], ticks["key_mode"] = take.score.key
    ticks["chord_root"] = [take.score.chords[beat][0] if 0 <= beat < len(take.score.chords) else -1 for beat in at]
    return ticks


def test_the_yardstick_gives_full_marks_to_who_knows_the_score_and_fewer_to_who_is_late():
    take = Take(progression("pop", "C | Am | F | G", (0, 1), 2, 64, pickup=1), 100, (0, 33))
    full = measure("", take, perfect(take))
    assert (full.level, full.key) == (1.0, 1.0)
    for value in (full.beats, full.exact, full.downbeats, full.root, full.inside, full.changes):
        assert value == pytest.approx(1.0, abs=0.01)
    late = measure("", take, perfect(take, 0.2))
    assert late.exact == 0.0
    assert late.downbeats == 0.0
    assert late.root == pytest.approx(1.0 - 0.2 / 2.4, abs=0.01)  # a chord lasts 2.4 s
