"""The tracker on records made by hand: the clock, the gate, the level, and its promises."""

import numpy as np
import pytest
from tracker_material import HOP, POP, RATE, bars_of, bits, played, silence

from kelly._rt.layout import dtype
from kelly._rt.stream.tracker import Tracker
from kelly.errors import ConfigError


def test_nothing_is_invented_before_anything_is_played():
    """Quiet noise below the gate: no grid, no key, no chord, not playing."""
    ticks = Tracker(RATE).run(silence(8.0, level_db=-63.0))
    assert len(ticks) == 200
    assert not ticks["playing"].any()
    assert (ticks["beat_count"] == -1).all()
    assert (ticks["beat_frame"] == -1).all()
    assert (ticks["key_tonic"] == -1).all()
    assert (ticks["chord_root"] == -1).all()
    assert (ticks["tempo_bpm"] == 0).all()
    assert (ticks["chroma"] == 0).all()


def test_ticks_carry_the_clock():
    ticks = Tracker(44_100).run(silence(4.0, rate=44_100))
    assert ticks["index"].tolist() == list(range(100))
    assert ticks["frame"].tolist() == [(i + 1) * 4 * 44_100 // 100 for i in range(100)]


def test_gate_opens_at_once_and_closes_after_a_quarter_second():
    """A rest of 200 ms is not silence, one of a second is; its time is counted from the closing."""
    loud = played([0.0], 1.0)
    records = np.concatenate([silence(0.2), loud, silence(0.2), loud, silence(1.0)])
    records["frame"] = (1 + np.arange(len(records))) * HOP
    ticks = Tracker(RATE).run(records)
    assert ticks["playing"][:5].tolist() == [0] * 5
    assert ticks["playing"][5:61].all()
    assert not ticks["playing"][-1]
    assert ticks["silence_s"][5:60].max() == 0.0
    assert ticks["silence_s"][-1] == pytest.approx(0.76, abs=0.011)


def test_noise_at_the_threshold_does_not_chatter():
    """Level wandering +-0.8 dB around the gate never opens it."""
    records = silence(10.0)
    records["level_db"] = -60.0 + 0.8 * np.sin(np.arange(1000) * 0.7)
    assert not Tracker(RATE).run(records)["playing"].any()


def test_level_is_half_at_mezzo_forte_and_follows():
    records = played([0.0], 20.0)
    records["level_rel_db"][1000:] = 12.0
    ticks = Tracker(RATE).run(records)
    assert ticks["level_fast"][240] == pytest.approx(0.5, abs=0.01)
    assert ticks["level_trend"][252] > 0.1  # 80 ms after the crescendo
    assert ticks["level_fast"][-1] == pytest.approx(0.75, abs=0.01)
    assert ticks["level_slow"][-1] == pytest.approx(0.75, abs=0.02)
    assert ticks["level_peak"][-1] == pytest.approx(0.75, abs=0.01)


def test_notes_per_second():
    ticks = Tracker(RATE).run(played(np.arange(0.5, 10, 0.25), 10.0))
    assert ticks["notes_per_s"][-1] == pytest.approx(4.0, abs=0.3)


def test_run_in_pieces_is_run_at_once():
    """State carries over; four records of any call make a tick."""
    records = played(np.arange(0.5, 12, 0.4), 12.0, bars_of(POP, 150))
    whole = Tracker(RATE).run(records)
    tracker = Tracker(RATE)
    pieces = np.concatenate([tracker.run(part) for part in np.split(records, [3, 10, 500, 503])])
    assert bits(whole) == bits(pieces)


def test_reset_makes_the_next_run_identical():
    records = played(np.arange(0.5, 12, 0.4), 12.0, bars_of(POP, 150))
    tracker = Tracker(RATE, tempo_bpm=150.0, key=(0, 1))
    first = tracker.run(records)
    tracker.reset()
    assert bits(first) == bits(tracker.run(records))


def test_values_that_are_no_numbers_do_no_harm():
    """NaN and infinity in every field, in the middle of a take: what follows is tracked as before."""
    records = played(np.arange(0.5, 24, 0.5), 24.0, bars_of(POP, 120))
    for name in ("level_db", "level_rel_db", "flux", "onset", "chroma", "bass_chroma", "centroid_hz"):
        records[name][800:810] = np.nan
        records[name][820:830] = np.inf
        records[name][840:850] = -np.inf
    ticks = Tracker(RATE).run(records)
    for name in ticks.dtype.names:
        assert np.isfinite(ticks[name]).all(), name
    assert (ticks["key_tonic"][-1], ticks["key_mode"][-1]) == (0, 1)
    assert abs(ticks["tempo_bpm"][-1] - 120) < 2


@pytest.mark.parametrize(
    "wrong",
    [{"sample_rate_hz": 10}, {"tempo_bpm": 10.0}, {"tempo_bpm": float("nan")}, {"beats_per_bar": 0}, {"key": (12, 1)}, {"key": (0, 0)},
     {"chords": []}, {"chords": [(0, 9)]}, {"chords": [[(0, 0)] * 5]}, {"chords": [(0, 0)] * 300}, {"gate_db": 3.0},
     {"look_ahead_beats": 2.0}],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        Tracker(**{"sample_rate_hz": RATE, **wrong})


def test_wrong_records_are_refused():
    with pytest.raises(TypeError, match="analysis"):
        Tracker(RATE).run(np.zeros(4, dtype("tick")))
    with pytest.raises(ValueError, match="64"):
        Tracker(RATE).run(silence(0.1), harmony=np.zeros(3))
    assert len(Tracker(RATE).run(silence(0.0))) == 0
