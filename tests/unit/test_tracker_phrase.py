"""Phrases: heard by pauses and by loops; four bars where there is nothing to hear."""

import numpy as np
import pytest
from tracker_material import HOP, RATE, played

from kelly._rt.stream.tracker import Tracker

BEAT = 0.5
LOOPS = {
    3: ((0, 0), (5, 0), (7, 0)),
    4: ((0, 0), (9, 1), (5, 0), (7, 0)),
    5: ((0, 0), (9, 1), (5, 0), (2, 1), (7, 0)),
    6: ((0, 0), (9, 1), (5, 0), (2, 1), (4, 1), (7, 0)),
}


def breathed(bars, phrases, start=0.5, first=0):
    """Onsets in quarters; the last bar of each phrase has one note on its first beat, the rest is a pause."""
    n = bars * phrases * 4
    return [start + beat * BEAT for beat in range(n) if beat < first or (beat - first) // 4 % bars < bars - 1 or (beat - first) % 4 == 0]


def chords_of(loop, start=0.5):
    return lambda time: loop[int((time - start) / BEAT // 4) % len(loop)]


def place_errors(ticks, bars, start_s, from_s):
    """How far each tick's place in the phrase is off, in beats; a whole phrase where the length is wrong."""
    ticks = ticks[ticks["frame"] > from_s * RATE]
    beats = (ticks["frame"] / RATE - start_s) / BEAT
    off = ticks["phrase_position"] * bars * 4 - beats
    off = np.abs((off + 2 * bars) % (4 * bars) - 2 * bars)
    return np.where(ticks["phrase_bars"] == bars, off, 4.0 * bars)


@pytest.mark.parametrize("bars", [3, 5, 6])
def test_phrases_that_end_in_a_pause_are_heard(bars):
    """One chord throughout, so that nothing but the pauses tells; right within a beat from the fifth phrase on."""
    records = played(breathed(bars, 10), bars * 10 * 4 * BEAT, lambda time: (0, 0))
    ticks = Tracker(RATE).run(records)
    errors = place_errors(ticks, bars, 0.5, 0.5 + 4 * bars * 4 * BEAT)
    assert np.mean(errors < 1.0) > 0.95


@pytest.mark.parametrize("bars", [3, 5, 6])
def test_a_loop_of_that_many_bars_is_a_phrase(bars):
    """Quarters without a pause: right from the fifth pass on."""
    seconds = bars * 8 * 4 * BEAT
    ticks = Tracker(RATE).run(played(np.arange(0.5, seconds, BEAT), seconds, chords_of(LOOPS[bars])))
    errors = place_errors(ticks, bars, 0.5, 0.5 + 4 * bars * 4 * BEAT)
    assert np.mean(errors < 1.0) > 0.95


@pytest.mark.parametrize("chords", [((0, 0),), LOOPS[4], LOOPS[4] + ((2, 1), (9, 1), (5, 0), (7, 0))])
def test_four_bars_are_counted_where_nothing_else_is_heard(chords):
    ticks = Tracker(RATE).run(played(np.arange(0.5, 60, BEAT), 60.0, chords_of(chords)))
    heard = ticks[ticks["beat_count"] >= 0]
    assert set(heard["phrase_bars"].tolist()) == {4}
    assert np.mean(place_errors(heard, 4, 0.5, 4.0) < 1.0) > 0.95


def test_phrases_are_counted_from_the_first_note_though_the_grid_began_too_fast():
    """At 66 the first beats stand at the usual 115; bars are counted back from when the tempo is known."""
    beat = 60.0 / 66.0
    loop = LOOPS[4]
    records = played(np.arange(0.5, 60, beat), 60.0, lambda time: loop[int((time - 0.5) / beat // 4) % 4])
    ticks = Tracker(RATE).run(records)
    late = ticks[ticks["frame"] > 20 * RATE]
    off = late["phrase_position"] * 16 - (late["frame"] / RATE - 0.5) / beat
    assert np.mean(np.abs((off + 8) % 16 - 8) < 1.0) > 0.95


def test_under_a_clock_and_with_given_chords_four_bars_are_counted():
    records = played(breathed(3, 10), 60.0, lambda time: (0, 0))
    given = Tracker(RATE, chords=[(0, 0), (5, 0), (7, 0)]).run(records)
    assert set(given["phrase_bars"].tolist()) == {4}
    led = Tracker(RATE)
    led.follow_clock(120.0, frame=24_000, beat=0)
    assert set(led.run(records)["phrase_bars"].tolist()) == {4}


def test_the_position_goes_on_where_nothing_is_decided():
    """Within a phrase the position only grows; a new phrase begins on a bar line."""
    ticks = Tracker(RATE).run(played(breathed(5, 8), 80.0, lambda time: (0, 0)))
    heard = ticks[ticks["frame"] > 6 * RATE]
    falls = np.flatnonzero(np.diff(heard["phrase_position"] * heard["phrase_bars"]) < -1e-3) + 1
    since_beat = heard["frame"][falls] - heard["beat_frame"][falls]
    assert len(falls) >= 5
    assert (since_beat <= 8 * HOP).all()
