"""A clock, taps and a held chord lead the tracker; what they say is stamped and bounded."""

import numpy as np
import pytest
from rig import Rig, chords, command
from tracker_material import RATE, beats, bits, played

from kelly._rt.layout import COMMAND_KINDS
from kelly._rt.stream.tracker import Tracker


def player(bpm, seconds, start=0.5):
    return played(list(np.arange(start, seconds - 0.2, 60 / bpm)), seconds)


def told(kind, value=0.0, frame=-1, index=0):
    record = command(kind, index)
    record["value"], record["frame"] = value, frame
    return record


@pytest.mark.parametrize("given", [None, 90.0])
def test_a_clock_wins_over_what_is_heard_and_over_the_tempo_that_was_given(given):
    """The player plays 100, the clock says 132 with a beat at 6.0 s."""
    tracker, records, period = Tracker(RATE, tempo_bpm=given), player(100, 20), 60 * RATE / 132
    tracker.run(records[:600])
    tracker.follow_clock(132.0, 6 * RATE)
    ticks = tracker.run(records[600:])
    assert ticks["tempo_bpm"] == pytest.approx(132.0)
    assert ticks["locked"].all()
    later = beats(ticks[50:])
    off = (later - 6 * RATE) / period
    assert np.abs(off - off.round()).max() * period <= 1.0
    assert np.all(np.diff(np.unique(ticks["beat_count"])) == 1)


def test_the_transport_counts_the_bars():
    """Beat 8 of the clock, the first of its third bar, lies at 5.0 s."""
    tracker, records = Tracker(RATE), player(100, 12)
    tracker.run(records[:503])
    tracker.follow_clock(120.0, 5 * RATE, 8)
    ticks = tracker.run(records[503:])[20:]
    place = (ticks["beat_frame"] - 5 * RATE) / (RATE / 2)
    assert (ticks["beat_in_bar"] == place.round().astype(int) % 4).all()


def test_a_clock_that_drifts_is_followed_without_a_jump():
    tracker, records = Tracker(RATE), player(120, 12)
    tracker.run(records[:400])
    line, seen = 4.0 * RATE, []
    for i in range(14):
        tracker.follow_clock(120.0, round(line), i)
        seen.append(tracker.run(records[400 + 50 * i : 450 + 50 * i]))
        line += 0.5 * RATE + 200
    ticks = np.concatenate(seen)
    assert set(np.diff(np.unique(ticks["beat_count"]))) == {1}
    assert np.abs(np.diff(beats(ticks[25:])) - 24200).max() <= 210


def test_without_a_clock_the_player_is_heard_again():
    tracker, records = Tracker(RATE), player(100, 40)
    tracker.run(records[:500])
    tracker.follow_clock(108.0, 5 * RATE)
    tracker.run(records[500:800])
    tracker.follow_clock(None)
    assert tracker.run(records[800:])["tempo_bpm"][-1] == pytest.approx(100, rel=0.02)


def test_a_clock_may_begin_the_grid():
    tracker = Tracker(RATE)
    tracker.follow_clock(96.0, 1000, 0)
    ticks = tracker.run(player(96, 4, start=3.0))
    assert ticks["beat_count"][0] == 0
    assert ticks["beat_frame"][-1] % 30000 == 1000


@pytest.mark.parametrize("bpm", [float("nan"), float("inf"), -120.0, 0.0, 19.0, 401.0])
def test_a_tempo_beyond_belief_changes_nothing(bpm):
    plain, odd, records = Tracker(RATE), Tracker(RATE), player(100, 6)
    plain.run(records[:300]), odd.run(records[:300])
    odd.follow_clock(bpm, 100, 0)
    odd.take_tap(bpm, 100)
    assert bits(plain.run(records[300:])) == bits(odd.run(records[300:]))


def test_taps_place_the_beat_and_its_tempo():
    """Two taps at 80 while nobody plays a pulse: a held chord rings."""
    tracker, records = Tracker(RATE), player(5, 14)
    tracker.run(records[:600])
    tracker.take_tap(80.0, 6 * RATE)
    ticks = tracker.run(records[600:700])
    assert ticks["locked"].all()
    assert ticks["tempo_bpm"] == pytest.approx(80.0)
    place = (beats(ticks)[-2:] - 6 * RATE) / (0.75 * RATE)
    assert np.abs(place - place.round()).max() < 0.001


def test_taps_replace_a_tempo_that_was_given():
    tracker, records = Tracker(RATE, tempo_bpm=120.0), player(100, 12)
    tracker.run(records[:400])
    tracker.take_tap(100.0, 4 * RATE)
    assert tracker.run(records[400:])["tempo_bpm"][-1] == pytest.approx(100.0)


def test_a_held_chord_stays_until_it_is_let_go():
    def chord_at(time):
        return (0, 0) if time < 6.0 else (7, 0)

    records = played(list(np.arange(0.5, 15, 0.5)), 16, chord_at)
    held, free = Tracker(RATE, tempo_bpm=120.0), Tracker(RATE, tempo_bpm=120.0)
    free.run(records[:500]), held.run(records[:500])
    held.hold_chord(True)
    assert set(held.run(records[500:1000])["chord_root"]) == {0}
    assert free.run(records[500:1000])["chord_root"][-1] == 7
    held.hold_chord(False)
    assert held.run(records[1000:])["chord_root"][-1] == 7


def test_given_chords_wait_for_the_pedal_too():
    tracker, records = Tracker(RATE, tempo_bpm=120.0, chords=[(0, 0), (5, 0)]), player(120, 14)
    assert set(tracker.run(records[:200])["chord_root"]) >= {0}
    tracker.hold_chord(True)
    root = tracker.run(records[200:204])["chord_root"][0]
    assert set(tracker.run(records[204:900])["chord_root"]) == {root}
    tracker.hold_chord(False)
    assert set(tracker.run(records[900:])["chord_root"]) == {0, 5}


def test_the_worker_obeys_at_a_tick_and_says_which():
    rig = Rig()
    rig.feed(chords(3.0))
    rig.until(70)
    rig.commands.push(np.concatenate([told("clock", 132.0, 40000, 0), told("hold_chord", 1.0), told("part", 0.0, index=3)]))
    rig.feed(chords(4.0))
    after = np.concatenate([rig.until(90), rig.end()])
    receipts = rig.receipts.pop()
    kinds = [COMMAND_KINDS[int(k)] for k in receipts["command"]["kind"]]
    assert kinds == ["clock", "hold_chord", "part"]
    assert len(set(receipts["tick"])) == 1
    first = receipts["tick"][0]
    tempo = after["tempo_bpm"][after["index"] >= first]
    assert tempo == pytest.approx(132.0)
    assert (after["tempo_bpm"][after["index"] < first] != pytest.approx(132.0)) if (after["index"] < first).any() else True
