"""Chords: what is given is exact, what is heard is decided by chroma, loop and net."""

import numpy as np
import pytest
from tracker_material import POP, RATE, bars_of, chord_hits, played

from kelly._rt.contract import HARMONY_IN, HARMONY_OUT
from kelly._rt.stream.tracker import Tracker


def test_given_chords_are_exact():
    """Bar i holds chord i modulo their number, from the first beat on, whatever is heard."""
    given_bars = [(2, 1), [(7, 2), (0, 6)], (0, 0)]
    tracker = Tracker(RATE, tempo_bpm=120.0, chords=given_bars)
    ticks = tracker.run(played(np.arange(0.5, 30, 0.5), 30.0, bars_of(POP, 120)))
    expected = [(2, 1)] * 4 + [(7, 2)] * 2 + [(0, 6)] * 2 + [(0, 0)] * 4
    known = ticks[ticks["beat_count"] >= 0]
    assert len(known)
    for tick in known:
        assert tick["chord_beat"] - tick["beat_count"] in (0, 1)
        assert (tick["chord_root"], tick["chord_quality"]) == expected[tick["chord_beat"] % 12]
        assert tick["chord_confidence"] == 1.0


def test_chord_is_decided_half_a_beat_before_its_beat():
    ticks = Tracker(RATE, tempo_bpm=60.0).run(played(np.arange(0.5, 20, 1.0), 20.0, bars_of(POP, 60)))
    known = ticks[ticks["beat_count"] >= 1]
    position = (known["frame"] - known["beat_frame"]) / known["beat_frames"]
    assert (known["chord_beat"][position > 0.55] == known["beat_count"][position > 0.55] + 1).all()
    assert (known["chord_beat"][position < 0.45] == known["beat_count"][position < 0.45]).all()


def test_chords_follow_the_chroma_and_the_loop_takes_the_changes():
    """Unknown loop of four bars: right one beat after each change at once, from the third pass on the change itself."""
    ticks = Tracker(RATE, tempo_bpm=120.0).run(played(np.arange(0.5, 48, 0.5), 48.0, bars_of(POP, 120)))
    hits = chord_hits(ticks, POP)
    within = [hit for beat, hit in hits.items() if beat % 4 and beat > 1]
    third = [hit for beat, hit in hits.items() if beat % 4 == 0 and beat >= 32]
    assert np.mean(within) > 0.97
    assert np.mean(third) > 0.8


def test_uniform_harmony_leaves_the_decision_to_the_chroma():
    records = played(np.arange(0.5, 24, 0.5), 24.0, bars_of(POP, 120))
    silent = Tracker(RATE, tempo_bpm=120.0).run(records)
    uniform = Tracker(RATE, tempo_bpm=120.0).run(records, harmony=np.full(64, 1 / 64, "f4"))
    assert (silent["chord_root"] == uniform["chord_root"]).mean() > 0.98


def test_harmony_net_decides_where_the_chroma_is_silent_about_it():
    """An even chroma, a net that insists on V: V it is, once the key is known."""
    harmony = np.full(HARMONY_OUT.size, 1e-4, "f4")
    harmony[HARMONY_OUT["maj_chord"].start + 7] = 0.99
    ticks = Tracker(RATE, key=(2, 1), tempo_bpm=120.0).run(played(np.arange(0.5, 12, 0.5), 12.0), harmony=harmony)
    assert (ticks["chord_root"][-1], ticks["chord_quality"][-1]) == (9, 0)


def test_harmony_context_follows_the_contract():
    """Every field in its place, relative to the tonic."""
    tracker = Tracker(RATE, key=(7, 1), tempo_bpm=120.0)
    ticks = tracker.run(played(np.arange(0.5, 9.7, 0.5), 9.7, lambda time: (2, 0)))
    x = tracker.context(np.linspace(-1, 1, 64))
    assert x.shape == (128,)
    np.testing.assert_allclose(x[HARMONY_IN.slice("embedding")], np.linspace(-1, 1, 64), rtol=1e-6)
    for name in ("chroma_2s", "chroma_8s"):
        assert x[HARMONY_IN.slice(name)].sum() == pytest.approx(1.0, abs=1e-5)
        assert set(np.argsort(x[HARMONY_IN.slice(name)])[-3:]) == {7, 11, 2}  # D major seen from G
    assert x[HARMONY_IN.slice("previous_root")].tolist() == [0.0] * 7 + [1.0] + [0.0] * 4
    assert x[HARMONY_IN.slice("previous_quality")].tolist() == [1.0, 0, 0, 0, 0]
    assert x[HARMONY_IN["chord_age"].start] == 1.0
    assert x[HARMONY_IN["mode"].start] == 1.0
    assert x[HARMONY_IN["key_confidence"].start] == 1.0
    coming = (ticks["beat_in_bar"][-1] + 1) % 4
    assert np.flatnonzero(x[HARMONY_IN.slice("beat_in_bar")]).tolist() == [coming]
    assert np.hypot(x[HARMONY_IN["phrase_sin"].start], x[HARMONY_IN["phrase_cos"].start]) == pytest.approx(1.0)
    assert 0.2 < x[HARMONY_IN["density"].start] < 0.4
