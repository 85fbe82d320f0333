"""What comes in over MIDI, on a real server: a port that goes and comes back, and more messages than anybody plays."""

import json
import signal
import time

import pytest

from tests.live.playing import Playing

pytestmark = pytest.mark.live

HALF, TWICE, HOLD = "B0527F", "B0537F", "B0407F"
FLOOD_S = 5


def press(peer, message):
    peer.stdin.write(message + "\n")
    return time.monotonic()


def test_pedals_that_are_unplugged_are_listened_to_again_when_they_are_back(jack_server, kelly_process, wav, peer, reliability):
    """What was held down is held no more; the next press works."""
    feet = peer("pedals", "feet")
    playing = Playing(kelly_process, jack_server, "--audio-in", f"file:{wav}", "--midi-in", "feet:out")
    time.sleep(1)
    playing.told.when("half the tempo", 2, press(feet, HALF))
    press(feet, HOLD)
    time.sleep(0.2)
    gone = time.monotonic()
    feet.kill()
    seen_s = playing.told.when("feet:out (JACK): the MIDI input is gone; waiting for it", 5) - gone
    time.sleep(1)
    feet = peer("pedals", "feet")
    there = time.monotonic()
    back_s = max(0.0, playing.told.when("feet:out (JACK): the MIDI input is back", 5) - there)
    works = playing.told.when("twice the tempo", 2, press(feet, TWICE)) > there
    code, report = playing.end()
    passed = seen_s < 1 and back_s < 3 and works and code == 130
    reliability("MIDI input gone and back", f"seen after {seen_s:.2f} s, back after {back_s:.2f} s, the next press worked", passed)
    assert code == 130, playing.told.text
    assert seen_s < 1
    assert back_s < 3
    assert report["counters"]["open_notes"] == report["counters"]["midi_lost"] == 0


def test_ten_thousand_messages_a_second_disturb_nobody(jack_server, kelly_process, wav, peer, stage, reliability):
    """Half of them are none: strays, cut ones, unknown statuses, system exclusive. A pedal after them works at once."""
    stage(wav)
    flood = peer("flood", "feet", str(FLOOD_S))
    playing = Playing(kelly_process, jack_server, "--midi-in", "feet:out")
    flood.stdin.write("\n")
    sent = json.loads(flood.stdout.readline())
    pressed = press(flood, HALF)
    worked_s = playing.told.when("half the tempo", 5, pressed) - pressed
    code, report = playing.end(signal.SIGINT)
    counters = report["counters"]
    per_s, late_ms = sent["sent_events"] / sent["seconds"], report["notes behind time"]["p99_ms"]
    print(sent, counters, late_ms)
    passed = counters["dropped_frames"] == counters["midi_lost"] == 0 and worked_s < 1 and late_ms <= 3 and counters["midi_skipped"] > 10_000
    reliability(
        "MIDI input flooded",
        f"{per_s:.0f} a second for {FLOOD_S} s: {counters['midi_lost']} lost, {counters['midi_skipped']} bytes skipped, "
        f"{counters['midi_sysex']} system exclusive; a pedal worked {1000 * worked_s:.0f} ms later, notes p99 {late_ms:.2f} ms",
        passed,
    )
    assert code == 130, playing.told.text
    assert per_s > 8000
    assert counters["dropped_frames"] == counters["midi_lost"] == 0
    assert counters["midi_skipped"] > 10_000
    assert counters["midi_sysex"] > 4000
    assert worked_s < 1
    assert late_ms <= 3
