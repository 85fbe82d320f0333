"""What a player out of tune is called: the nearest name, whichever way the front end counts."""

import numpy as np
import pytest
from tracker_material import RATE, played

from kelly._rt.stream.tracker import Tracker

POP = ((0, 0), (9, 1), (5, 0), (7, 0))  # C Am F G


def loop(seconds=24.0, bpm=120.0):
    return played(np.arange(0.5, seconds, 60.0 / bpm), seconds, lambda time: POP[int((time - 0.5) * bpm / 240.0) % 4])


def by_the_other_name(records, cents, where=slice(None)):
    """The front end counts from the semitone below (cents > 0) or above: every tone is named a semitone off."""
    for name in ("chroma", "bass_chroma"):
        records[name][where] = np.roll(records[name][where], -1 if cents > 0 else 1, axis=1)
    records["tuning_cents"][where] = cents
    return records


@pytest.mark.parametrize("cents", [50.0, -50.0])
def test_who_is_heard_past_the_quarter_tone_is_called_by_the_nearest_name(cents):
    """45 cents flat may be heard as 55 sharp of the semitone below, which the front end says as 50."""
    ticks = Tracker(RATE).run(by_the_other_name(loop(), cents))
    settled = ticks[ticks["frame"] > 8 * RATE]
    assert set(zip(settled["key_tonic"].tolist(), settled["key_mode"].tolist(), strict=True)) == {(0, 1)}
    assert set(settled["chord_root"].tolist()) == {0, 9, 5, 7}


@pytest.mark.parametrize("cents", [-45.0, -20.0, 0.0, 30.0, 45.0])
def test_who_is_heard_nearer_keeps_the_name(cents):
    records = loop()
    records["tuning_cents"] = cents
    settled = Tracker(RATE).run(records)
    settled = settled[settled["frame"] > 8 * RATE]
    assert set(settled["key_tonic"].tolist()) == {0}


def test_a_front_end_that_turns_by_itself_changes_no_name():
    """Past 60 cents it says -40 of the semitone above: the tones keep their names, and so does the key."""
    records = by_the_other_name(loop(), 50.0)
    half = slice(len(records) // 2, None)
    for name in ("chroma", "bass_chroma"):
        records[name][half] = np.roll(records[name][half], 1, axis=1)
    records["tuning_cents"][half] = -40.0
    settled = Tracker(RATE).run(records)
    settled = settled[settled["frame"] > 8 * RATE]
    assert set(settled["key_tonic"].tolist()) == {0}
    assert set(settled["chord_root"].tolist()) == {0, 9, 5, 7}


def test_a_given_key_is_not_renamed():
    ticks = Tracker(RATE, key=(11, 1)).run(by_the_other_name(loop(), 50.0))
    assert set(ticks["key_tonic"].tolist()) == {11}
