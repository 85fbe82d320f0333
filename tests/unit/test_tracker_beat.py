"""Tempo, beats and bars: what is given is exact, what is heard is found, and the grid never jumps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_material import HOP, POP, RATE, bars_of, beats, played, silence

from kelly._rt.stream.tracker import Tracker


@pytest.mark.parametrize("bpm", [60, 75, 90, 115, 140, 180])
def test_steady_tempo_locks_within_six_seconds(bpm):
    """Tracked tempo within 1 % (half and double count), beats within 20 ms from then on."""
    period = 60.0 / bpm
    ticks = Tracker(RATE).run(played(np.arange(0.5, 30, period), 30.0))
    locked = ticks[ticks["locked"] == 1]
    assert locked["frame"][0] < 6.0 * RATE
    late = ticks[ticks["frame"] > 12 * RATE]
    ratio = late["tempo_bpm"] / bpm
    factor = min((0.5, 1.0, 2.0), key=lambda f: abs(ratio[-1] - f))
    assert np.abs(ratio / factor - 1).max() < 0.012
    place = (beats(late) / RATE - 0.5) / period * max(factor, 1.0)
    assert (np.abs(place - np.round(place)) * period / max(factor, 1.0)).max() < 0.020


@pytest.mark.parametrize("bpm", [97.3, 120.0])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_given_tempo_is_exact(bpm, rate):
    """After the settling bars every beat is exactly 60 * rate / bpm after the one before, for ten minutes."""
    period = 60.0 / bpm
    tracker = Tracker(rate, tempo_bpm=bpm)
    ticks = tracker.run(played(np.arange(0.5, 20, period), 600.0, rate=rate))
    assert ticks["tempo_bpm"].max() == pytest.approx(bpm, rel=1e-6)
    settled = ticks[ticks["beat_count"] >= 17]
    assert len(settled) > 10_000
    np.testing.assert_allclose(settled["beat_frames"], 60.0 * rate / bpm, rtol=1e-11)
    origin = settled["beat_frame"] - settled["beat_count"] * (60.0 * rate / bpm)
    assert np.ptp(origin) <= 1.0 + 1e-6


def test_given_tempo_beats_are_where_the_player_plays():
    """A metronomic take with 8 ms of jitter: within 25 ms after two bars, and within 10 in the end."""
    noise = np.random.default_rng(3).normal(0, 0.008, 80)
    onsets = 0.7 + np.arange(80) * 0.25 + noise
    frames = beats(Tracker(RATE, tempo_bpm=120.0).run(played(onsets, 20.0))) / RATE
    error = np.abs((frames - 0.7) * 2 - np.round((frames - 0.7) * 2)) / 2
    assert error[8:].max() < 0.025
    assert error[20:].max() < 0.010


def test_upbeat_start_with_given_tempo_is_found():
    """The first note an eighth early, then quarters: the grid moves to the quarters within four bars."""
    onsets = np.concatenate([[0.5], 0.75 + np.arange(60) * 0.5])
    frames = beats(Tracker(RATE, tempo_bpm=120.0).run(played(onsets, 30.0))) / RATE
    error = np.abs((frames - 0.75) * 2 - np.round((frames - 0.75) * 2)) / 2
    assert error[17:].max() < 0.025


@pytest.mark.parametrize("late_s", [0.0, 0.2])
def test_given_tempo_after_a_long_rest(late_s):
    """Six seconds of silence: who comes back on the grid finds it, who comes back beside it is followed in four bars."""
    back = 16.5 + late_s
    records = played(np.concatenate([np.arange(0.5, 10.5, 0.5), np.arange(back, 40, 0.5)]), 40.0)
    records["level_db"][(records["frame"] > 10.5 * RATE) & (records["frame"] < back * RATE)] = -90.0
    ticks = Tracker(RATE, tempo_bpm=120.0).run(records)
    frames = beats(ticks) / RATE
    error = np.abs((frames - back) * 2 - np.round((frames - back) * 2)) / 2
    assert error[frames > back + 8.5].max() < 0.025
    if late_s == 0.0:
        assert error[8:].max() < 0.010
    last = ticks[ticks["frame"] > 30 * RATE]
    np.testing.assert_allclose(last["beat_frames"], 24_000.0, rtol=1e-11)


@pytest.mark.parametrize("bpm", [84, 104, 140])
def test_a_rest_keeps_its_tempo(bpm):
    """Twelve seconds of silence: what was tracked does not drift to what is usual (it went from 100 to 107 once)."""
    records = played(np.arange(0.5, 14.0, 60 / bpm), 26.0)
    records["level_db"][records["frame"] > 14.2 * RATE] = -90.0
    ticks = Tracker(RATE).run(records)
    before, rest = float(ticks[ticks["frame"] == 14 * RATE]["tempo_bpm"][0]), ticks[ticks["frame"] > 15 * RATE]["tempo_bpm"]
    assert before == pytest.approx(bpm, rel=0.01)
    np.testing.assert_allclose(rest, before, rtol=0.01)


@pytest.mark.parametrize("pickup", [1, 2, 3])
def test_a_pickup_moves_the_bar_line_but_renumbers_nothing(pickup):
    """Chords change one, two or three beats after the first note, then every four: bars begin there within 12 s."""
    chord_at = bars_of(POP, 120, start_s=0.5 + pickup * 0.5)
    ticks = Tracker(RATE).run(played(np.arange(0.5, 30, 0.5), 30.0, chord_at))
    known = ticks[ticks["beat_count"] >= 0]
    assert set(np.diff(known["beat_count"])) == {0, 1}
    late = known[known["frame"] > 12 * RATE]
    assert (late["beat_in_bar"] == (late["beat_count"] - pickup) % 4).all()


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.02, 2.5), min_size=1, max_size=40),
    st.sampled_from([None, 40.0, 96.5, 220.0]),
    st.sampled_from([44_100, 48_000, 96_000]),
)
def test_grid_never_jumps(gaps, bpm, rate):
    """Whatever the rhythm: counts rise by one, beats ascend, and each lies where the last ticks before announced it."""
    onsets = 0.3 + np.cumsum(gaps)
    ticks = Tracker(rate, tempo_bpm=bpm).run(played(onsets, min(onsets[-1] + 5.0, 60.0), rate=rate))
    known = ticks[ticks["beat_count"] >= 0]
    counts, first = np.unique(known["beat_count"], return_index=True)
    assert (np.diff(known["beat_count"]) >= 0).all()
    assert counts.tolist() == list(range(len(counts)))
    last = np.r_[first[1:] - 1, len(known) - 1]
    assert (np.diff(known["beat_frame"][first]) > 0).all()
    assert (known["beat_frame"][first] == known["beat_frame"][last]).all()
    announced = known["beat_frame"] + known["beat_frames"]
    assert np.abs(known["beat_frame"][first[1:]] - announced[last[:-1]]).max(initial=0.0) <= 1.0
    position = (known["frame"] - known["beat_frame"]) / known["beat_frames"]
    for count in counts[1:-1]:
        own = announced[(known["beat_count"] == count) & (position > 0.5)]
        assert len(own) < 2 or np.ptp(own) <= 1e-6  # fixed half a beat ahead at the latest
    assert (known["beat_frame"] <= known["frame"]).all()
    assert (known["beat_in_bar"] < 4).all()


def eighths(bpm, n, weak=0.5):
    """Onset times and strengths of eighths whose off-beats are weaker."""
    return 0.5 + np.arange(n) * 30.0 / bpm, np.where(np.arange(n) % 2, weak, 1.0)


@pytest.mark.parametrize("bpm", [60, 66, 72])
def test_slow_eighths_are_not_taken_for_fast_quarters(bpm):
    """A chord a bar and weaker off-beats: within twelve seconds the beat is the slow one, on the strong onsets, with its bars."""
    onsets, strengths = eighths(bpm, 64)
    ticks = Tracker(RATE).run(played(onsets, 32 * 60 / bpm, bars_of(POP, bpm), strengths=strengths))
    late = ticks[ticks["frame"] > 12 * RATE]
    assert np.abs(late["tempo_bpm"] / bpm - 1).max() < 0.02
    place = (beats(late) / RATE - 0.5) * bpm / 60
    assert (np.abs(place - np.round(place)) * 60 / bpm).max() < 0.03
    down = late[late["beat_in_bar"] == 0]
    assert (np.round((down["beat_frame"] / RATE - 0.5) * bpm / 60) % 4 == 0).all()
    assert set(np.diff(ticks["beat_count"][ticks["beat_count"] >= 0])) == {0, 1}


@pytest.mark.parametrize("bpm", [60, 64, 70])
def test_slow_arpeggios_in_even_eighths_are_not_taken_for_fast_quarters(bpm):
    """A chord a bar, broken: every note is another, but the harmony changes once in eight of them."""
    onsets, strengths = eighths(bpm, 72, weak=0.75)
    records = played(onsets, 36 * 60 / bpm, bars_of(POP, bpm), strengths=strengths)
    note = np.maximum(((records["frame"] / RATE - 0.5) * bpm / 30).astype(int), 0)
    tones = [(root, (root + (4 - quality)) % 12, (root + 7) % 12) for root, quality in POP]
    for i in np.flatnonzero(records["level_db"] > -60):
        sounding = tones[note[i] // 8 % 4][(0, 1, 2, 1)[note[i] % 4]]
        records["chroma"][i] = 0.01
        records["chroma"][i, sounding] = 1.0
        records["bass_chroma"][i] = 0.0
    late = Tracker(RATE).run(records)
    late = late[late["frame"] > 24 * RATE]
    assert np.abs(late["tempo_bpm"] / bpm - 1).max() < 0.02


@pytest.mark.parametrize("bpm", [144, 150, 160])
def test_fast_chords_on_every_beat_are_not_counted_in_halves(bpm):
    """C for two bars, F, G, each beat struck as strongly: the first change that comes after two bars does not make it slow eighths."""
    loop = ((0, 0), (0, 0), (5, 0), (7, 0))
    late = Tracker(RATE).run(played(np.arange(0.5, 40, 60 / bpm), 40.0, bars_of(loop, bpm)))
    late = late[late["frame"] > 16 * RATE]
    assert np.abs(late["tempo_bpm"] / bpm - 1).max() < 0.02


def test_a_chord_that_begins_with_every_bar_tells_how_long_a_bar_is():
    """One attack per bar and nothing between: the chords alone say that four beats at 140, not two at 70, fill a bar."""
    bpm = 140
    late = Tracker(RATE).run(played(np.arange(0.5, 60, 240 / bpm), 60.0, bars_of(POP, bpm)))
    late = late[late["frame"] > 30 * RATE]
    assert np.abs(late["tempo_bpm"] / bpm - 1).max() < 0.02
    down = late[late["beat_in_bar"] == 0]["beat_frame"] / RATE - 0.5
    assert np.abs(down * bpm / 240 - np.round(down * bpm / 240)).max() < 0.05


def test_half_and_double_are_the_users_to_choose():
    """From the next beat on, as often as asked, and nobody takes it back; a clock that leads is not touched."""
    onsets = np.arange(0.5, 60, 0.5)
    tracker = Tracker(RATE)
    records = played(onsets, 60.0, bars_of(POP, 120))
    parts = np.split(records, [1200, 2400, 3600])
    tempi = []
    for i, factor in enumerate((1.0, 0.5, 2.0, 2.0)):
        tracker.take_level(factor)
        ticks = tracker.run(parts[i])
        tempi.append(ticks["tempo_bpm"][len(ticks) // 2 :])
    for tempo, expected in zip(tempi, (120, 60, 120, 240), strict=True):
        assert np.abs(tempo / expected - 1).max() < 0.01
    led = Tracker(RATE)
    led.run(records[:400])
    led.follow_clock(100.0)
    led.take_level(2.0)
    assert led.run(records[400:1000])["tempo_bpm"][-1] == 100.0


def test_half_of_a_given_tempo_is_exact():
    tracker = Tracker(RATE, tempo_bpm=120.0)
    records = played(np.arange(0.5, 40, 0.5), 40.0, bars_of(POP, 120))
    tracker.run(records[:2000])
    tracker.take_level(0.5)
    late = tracker.run(records[2000:])[50:]
    np.testing.assert_allclose(late["beat_frames"], RATE, rtol=1e-9)
    place = late["beat_frame"] / RATE - 0.5
    assert np.abs(place * 2 - np.round(place * 2)).max() < 0.03


@pytest.mark.parametrize("bpm", [60, 66, 96])
def test_six_eight_beats_in_dotted_quarters(bpm):
    """Eighths, the first of three stronger, told that the meter is ternary: beats on the strong ones within ten seconds."""
    onsets = 0.5 + np.arange(bpm * 2) * 20.0 / bpm
    strengths = np.where(np.arange(len(onsets)) % 3, 0.6, 1.0)
    ticks = Tracker(RATE, beats_per_bar=2, ternary=True).run(played(onsets, 40.0, bars_of(POP, bpm, beats_per_bar=2), strengths=strengths))
    late = ticks[ticks["frame"] > 10 * RATE]
    assert (late["ternary"] == 1).all()
    assert np.abs(late["tempo_bpm"] / bpm - 1).max() < 0.02
    place = (beats(late) / RATE - 0.5) * bpm / 60
    assert (np.abs(place - np.round(place)) * 60 / bpm).max() < 0.03


def test_a_trusted_beat_keeps_its_level_when_eighths_begin():
    """Eight bars of quarters at 96, then eight of equal eighths: the grid goes on counting quarters."""
    period = 60.0 / 96.0
    onsets = np.concatenate([0.5 + np.arange(32) * period, 0.5 + np.arange(64, 128) * period / 2])
    ticks = Tracker(RATE).run(played(onsets, 0.5 + 64 * period))
    late = ticks[ticks["frame"] > 10 * RATE]
    assert np.abs(late["tempo_bpm"] / 96.0 - 1.0).max() < 0.03
    place = (beats(late) / RATE - 0.5) / period
    assert (np.abs(place - np.round(place)) * period).max() < 0.025


def test_beat_goes_on_through_a_bar_of_rest():
    """Eight bars, one bar of silence, on again: still locked, still in place."""
    onsets = np.concatenate([0.5 + np.arange(32) * 0.5, 0.5 + np.arange(36, 60) * 0.5])
    records = played(onsets, 31.0)
    rest = (records["frame"] > 16.3 * RATE) & (records["frame"] < 18.4 * RATE)
    records["level_db"][rest] = -90.0
    ticks = Tracker(RATE).run(records)
    during = ticks[(ticks["frame"] > 10 * RATE)]
    assert during["locked"].all()
    frames = beats(during) / RATE
    assert (np.abs((frames - 0.5) * 2 - np.round((frames - 0.5) * 2)) / 2).max() < 0.025


@pytest.mark.parametrize(("bpm", "within"), [(80, 32), (110, 32), (96, 16), (120, 16)])
def test_a_tempo_that_goes_ten_percent_up_and_down_is_followed(bpm, within):
    """Rubato: the beat lasts 10 % longer and shorter within 32 or 16 beats; from 8 s on nineteen of twenty lie within 70 ms."""
    angle = 2 * np.pi / within
    onsets = 0.5 + 60 / bpm * (np.arange(64) + 0.1 / angle * (1 - np.cos(angle * np.arange(64))))
    ticks = Tracker(RATE).run(played(onsets, onsets[-1]))
    found = beats(ticks) / RATE
    found = found[found > 8.5]
    assert np.mean([np.abs(onsets - time).min() < 0.07 for time in found]) >= 0.95
    assert len(found) == pytest.approx(np.sum(onsets > 8.5), abs=2)


def test_confidence_falls_in_silence():
    records = np.concatenate([played(np.arange(0.5, 12, 0.5), 12.0, bars_of(POP, 120)), silence(10.0)])
    records["frame"] = (1 + np.arange(len(records))) * HOP
    ticks = Tracker(RATE).run(records)
    for name in ("beat_confidence", "key_confidence", "chord_confidence"):
        assert ticks[name][-1] < 0.5 * ticks[name][299]
    assert not ticks["locked"][-1]
    assert ticks["chord_root"][-1] == ticks["chord_root"][-200]  # and nothing changes any more
