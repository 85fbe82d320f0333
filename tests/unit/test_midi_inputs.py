"""What comes in by MIDI: bytes to messages, pulses to a tempo, pedals to actions."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelly.midi.clock import ClockFollower, TapTempo
from kelly.midi.inputs import ACTIONS, DEFAULTS, Control, Controls
from kelly.midi.parser import Parser

CLOCK, START, CONTINUE, STOP = 0xF8, 0xFA, 0xFB, 0xFC


# Bytes.


def test_running_status_and_real_time_bytes_in_the_middle():
    parser = Parser()
    assert parser.feed([0x90, 60, CLOCK, 100, 62, 90, 0xC3, 5, 6]) == [
        (CLOCK,), (0x90, 60, 100), (0x90, 62, 90), (0xC3, 5), (0xC3, 6),
    ]  # fmt: skip
    assert parser.skipped == 0


def test_a_message_may_come_in_pieces():
    parser = Parser()
    assert [parser.feed([byte]) for byte in (0xB1, 64, 127)] == [[], [], [(0xB1, 64, 127)]]


def test_system_exclusive_is_passed_over_even_when_it_never_ends():
    parser = Parser()
    assert parser.feed([0xF0, 1, 2, CLOCK, 3, 0xF7, 0x90, 60, 1]) == [(CLOCK,), (0x90, 60, 1)]
    assert parser.feed([0xF0] + [9] * 100_000) == []
    assert parser.feed([0x80, 60, 0]) == [(0x80, 60, 0)]
    assert (parser.sysex, parser.skipped) == (2, 0)


def test_strays_cut_and_undefined_messages_are_counted_and_skipped():
    parser = Parser()
    assert parser.feed([1, 2, 0x90, 60, 0xB0, 7, 100, 0xF4, 5, 0xF7, 0xFD]) == [(0xB0, 7, 100)]
    assert parser.skipped == 2 + 2 + 1 + 1 + 1 + 1


@given(st.lists(st.integers(0, 255), max_size=300))
def test_whatever_comes_is_taken_apart_without_an_error(data):
    parser, messages = Parser(), []
    for byte in data:
        messages += parser.feed([byte])
    assert messages == Parser().feed(data)
    assert all(message[0] >= 0x80 and all(byte < 0x80 for byte in message[1:]) for message in messages)


def test_ten_thousand_messages_cost_less_than_the_second_they_take():
    controls, data = Controls(), [0xB0, 20, 5] * 10_000
    started = time.process_time()
    assert controls.feed(data, 0.0) == []
    assert time.process_time() - started < 0.5


# Clock.


def pulses(bpm, n, start_s=0.0, jitter_s=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return start_s + np.arange(n) * 60 / (24 * bpm) + rng.uniform(-jitter_s, jitter_s, n)


def follow(clock, times):
    tempos = []
    for at in times:
        clock.pulse(float(at))
        tempos.append(clock.tempo_bpm)
    return tempos


@pytest.mark.parametrize("bpm", [30.0, 61.7, 120.0, 174.0, 300.0])
def test_a_steady_clock_gives_its_tempo_within_half_a_beat(bpm):
    tempos = follow(ClockFollower(), pulses(bpm, 96))
    assert tempos[:11] == [None] * 11
    assert np.allclose(tempos[11:], bpm, rtol=1e-6)


def test_jitter_of_three_milliseconds_moves_the_tempo_by_less_than_one_percent():
    """A pulse at 120 bpm is 20.8 ms; a USB interface adds a few."""
    tempos = np.array(follow(ClockFollower(), pulses(120, 480, jitter_s=0.003))[48:], float)
    assert np.abs(tempos / 120 - 1).max() < 0.01


def test_late_pulses_that_come_in_a_burst_are_neither_lost_nor_a_new_tempo():
    clock, times = ClockFollower(), pulses(120, 200)
    clock.start()
    times[100:105] = times[104]
    tempos = follow(clock, times)
    assert clock.lost == 0
    assert clock.beats == 199 / 24
    assert np.abs(np.array(tempos[20:], float) / 120 - 1).max() < 0.02


def test_lost_pulses_are_put_back():
    clock, times = ClockFollower(), np.delete(pulses(100, 240), [90, 91, 150])
    clock.start()
    tempos = follow(clock, times)
    assert clock.lost == 3
    assert clock.beats == 239 / 24
    assert np.allclose(tempos[12:], 100, rtol=1e-6)


@pytest.mark.parametrize(("before", "after"), [(120, 90), (90, 140), (120, 126)])
def test_a_new_tempo_is_followed_within_a_beat(before, after):
    first = pulses(before, 96)
    second = pulses(after, 96, start_s=first[-1] + 60 / (24 * after))
    tempos = follow(ClockFollower(), [*first, *second])
    assert np.allclose(tempos[96 + 24 :], after, rtol=0.005)


def test_start_stop_continue_and_song_position():
    clock, times = ClockFollower(), iter(pulses(120, 400))
    follow(clock, [next(times) for _ in range(10)])  # a clock may run before the music
    assert (clock.running, clock.beats) == (False, 0)
    clock.start()
    follow(clock, [next(times) for _ in range(25)])
    assert clock.beats == 1
    clock.stop()
    follow(clock, [next(times) for _ in range(24)])
    assert clock.beats == 1
    clock.resume()
    follow(clock, [next(times) for _ in range(24)])
    assert clock.beats == 2
    clock.seek(16)
    follow(clock, [next(times)])
    assert clock.beats == 4


def test_a_clock_that_stops_coming_is_no_tempo():
    clock = ClockFollower()
    follow(clock, pulses(120, 48))
    clock.check(1.2)
    assert clock.tempo_bpm is not None
    clock.check(2.0)
    assert clock.tempo_bpm is None
    assert follow(clock, pulses(90, 24, start_s=10))[-1] == pytest.approx(90)


def test_taps_give_the_median_tempo():
    taps = TapTempo()
    assert taps.tap(0.0) is None
    assert taps.tap(0.5) == pytest.approx(120)
    assert taps.tap(0.55) == pytest.approx(120)  # the pedal bounced
    for at in (1.0, 1.52, 2.0):
        tempo = taps.tap(at)
    assert tempo == pytest.approx(120, rel=0.03)
    taps.tap(10.0)
    assert taps.tap(11.0) == pytest.approx(60)


# Pedals.


def names(actions):
    return [(action.name, action.value) for action in actions]


def test_the_sustain_pedal_holds_the_chord_while_it_is_down():
    controls = Controls()
    assert names(controls.feed([0xB0, 64, 127], 1.0)) == [("hold_chord", 1.0)]
    assert names(controls.feed([0xB0, 64, 100, 0xB0, 64, 70], 1.1)) == []  # a half-pedal on its way
    assert names(controls.feed([0xB5, 64, 0], 1.2)) == [("hold_chord", 0.0)]


def test_a_toggle_changes_with_each_press_and_a_trigger_fires_once():
    controls = Controls()
    press = [0xB0, 66, 127, 0xB0, 66, 0]
    assert names(controls.feed(press * 3, 0.0)) == [("freeze", 1.0), ("freeze", 0.0), ("freeze", 1.0)]
    assert names(controls.feed([0xB0, 80, 127, 0xB0, 80, 127, 0xB0, 80, 0], 0.0)) == [("end", 1.0)]
    assert names(controls.feed([0xB0, 81, 64], 0.0)) == [("drums_out", 1.0)]


def test_a_knob_gives_values():
    assert names(Controls().feed([0xB0, 17, 127, 0xB0, 16, 0], 0.0)) == [("arousal", 127), ("valence", 0)]


def test_tapping_gives_beats_and_a_tempo():
    controls, actions = Controls(), []
    for i in range(4):
        actions += controls.feed([0xB0, 67, 127], 0.6 * i)
        actions += controls.feed([0xB0, 67, 0], 0.6 * i + 0.2)
    assert [name for name, _ in names(actions)] == ["tap", "tap", "tempo", "tap", "tempo", "tap", "tempo"]
    assert actions[-1].value == pytest.approx(100)


@pytest.mark.parametrize("data", [[0xB0, 120, 0], [0xB7, 123, 0], [0xFF]])
def test_all_notes_off_from_outside_is_a_panic(data):
    assert names(Controls().feed(data, 0.0)) == [("panic", 1.0)]


def test_transport_and_clock_become_actions_and_a_steady_tempo_is_told_once():
    controls = Controls()
    assert names(controls.feed([START], 0.0)) == [("start", 1.0)]
    actions = [action for at in pulses(120, 240) for action in controls.feed([CLOCK], float(at))]
    assert [name for name, _ in names(actions)] == ["tempo"]
    assert actions[0].value == pytest.approx(120)
    assert names(controls.feed([STOP, CONTINUE], 6.0)) == [("stop", 1.0), ("continue", 1.0)]
    assert names(controls.idle(9.0)) == [("no_clock", 0.0)]
    assert controls.idle(9.1) == []


def test_a_control_is_learned_and_taken_from_whoever_had_it():
    controls = Controls()
    controls.learn("end")
    assert names(controls.feed([CLOCK, 0xF0, 1, 0xF7], 0.0)) == []
    (learned,) = controls.feed([0xB2, 64, 127], 0.0)
    assert learned.text == "CC 64 is now end, taken from hold_chord"
    assert names(controls.feed([0xB2, 64, 0], 0.1)) == []  # the press that was learned does nothing more
    assert names(controls.feed([0xB2, 64, 127], 0.2)) == [("end", 1.0)]
    assert "hold_chord" not in controls.bound


def test_a_stray_value_is_not_learned_but_a_turned_knob_and_a_key_are():
    controls = Controls()
    controls.learn("arousal")
    assert controls.feed([0xB0, 1, 60, 0xB0, 1, 62, 0xB0, 11, 100], 0.0) == []
    (learned,) = controls.feed([0xB0, 1, 90], 0.0)
    assert learned.text == "CC 1 is now arousal"
    controls.learn("tap")
    assert controls.feed([0x80, 36, 0], 0.0) == []
    (learned,) = controls.feed([0x90, 36, 80], 0.0)
    assert controls.bound["tap"] == Control("note", 36)


def test_a_control_bound_to_one_channel_hears_only_that():
    controls = Controls({"freeze": Control("control_change", 4, channel=3)})
    assert controls.feed([0xB0, 4, 127], 0.0) == []
    assert names(controls.feed([0xB2, 4, 127], 0.0)) == [("freeze", 1.0)]


def test_names_and_numbers_that_do_not_exist_are_refused():
    for make in (lambda: Controls({"dance": Control("note", 1)}), lambda: Controls().learn("dance")):
        with pytest.raises(ValueError, match="no action is called 'dance'; there are: tap"):
            make()
    for bad in (("note", 128), ("pitch", 1), ("note", 1, 17)):
        with pytest.raises(ValueError, match="expected"):
            Control(*bad)


def test_every_default_is_an_action_and_no_control_serves_two():
    assert set(DEFAULTS) <= set(ACTIONS)
    assert len(set(DEFAULTS.values())) == len(DEFAULTS)
