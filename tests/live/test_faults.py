"""What goes wrong on a stage, done to a real server and a real process."""

import json
import time

import pytest
import soundfile

from tests.live.playing import PATIENCE_S, PATIENT, Playing, restart

pytestmark = pytest.mark.live


def notes(events):
    return [frame for frame, data in events if data[0] & 0xF0 == 0x90 and data[2]]


def test_a_server_that_was_killed_and_comes_back_is_joined_again(doomed, stage, kelly_process, wav, reliability):
    """Same name, same process, same clock: what was missed is a hole."""
    stage(wav, doomed)
    playing = Playing(kelly_process, doomed, "--midi-in", "virtual:Feet", *PATIENT)
    playing.hear(3)
    began = time.monotonic()
    doomed.kill()
    seen_s = playing.told.when("the device is gone; waiting for it", PATIENCE_S) - began
    restart(doomed)
    player = stage(wav, doomed)
    there = time.monotonic()
    back_s = playing.told.when("the device is back", PATIENCE_S) - there
    playing.told.when("the port is back", PATIENCE_S)
    playing.told.when("'Feet' (JACK): the MIDI input is back", PATIENCE_S)
    playing.hear(8)
    ended = time.monotonic()
    code, report = playing.end()
    again = notes(player.events())
    counters = report["counters"]
    # The clock is right when it counts what the wall counts; the stream began a little before it was announced.
    clock_off_s = abs(report["heard"]["seconds"] - (ended - playing.began))
    passed = seen_s < 1 and back_s < 3 and clock_off_s < 0.5 and len(again) > 4
    reliability("audio server killed and restarted", f"seen after {seen_s:.2f} s, back after {max(back_s, 0):.2f} s, clock off by {clock_off_s:.2f} s", passed)
    # A new server on a busy machine may stand still for seconds while its clients start: that is a loss more, and a return.
    assert code == 130, playing.told.text
    assert counters["device_losses"] == counters["device_returns"] >= 1, playing.told.text
    assert seen_s < 1.0
    assert back_s < 3.0
    assert counters["gap_frames"] > 0
    assert clock_off_s < 0.5
    assert len(again) > 4
    assert counters["open_notes"] == counters["dropped_frames"] == 0


def test_a_synthesizer_that_is_back_later_than_its_server_is_waited_for(doomed, stage, kelly_process, wav, peer):
    """The device is lost once and not again; the synthesizer is found by its name and told its programs."""
    stage(wav, doomed)
    peer("synth", "synth", server=doomed)
    playing = Playing(kelly_process, doomed, "--midi-out", "synth:in", *PATIENT)
    playing.hear(2)
    doomed.kill()
    playing.told.when("the device is gone; waiting for it", PATIENCE_S)
    restart(doomed)
    stage(wav, doomed)
    playing.told.when("the device is back", PATIENCE_S)
    time.sleep(2.5)
    assert "the port is back" not in playing.told.text
    synth = peer("synth", "synth", server=doomed)
    playing.told.when("the port is back", PATIENCE_S)
    playing.hear(6)
    code, report = playing.end()
    synth.stdin.close()
    came = [bytes.fromhex(message) for message in json.loads(synth.stdout.readline())]
    assert code == 130, playing.told.text
    assert report["counters"]["device_losses"] == report["counters"]["device_returns"], playing.told.text
    assert playing.told.text.count("the device is gone") <= 2, playing.told.text  # a busy machine may lose it once more
    assert sum(message[0] & 0xF0 == 0x90 for message in came) > 2
    # tests/unit/test_native_midi.py has the order in which programs are handed to the port.
    told = [at for at, message in enumerate(came) if message[0] & 0xF0 == 0xC0]
    assert len(told) >= 4, came[:60]
    assert max(told[:4]) < 40, came[:60]


def test_a_server_that_stays_away_ends_the_session_with_7(doomed, stage, kelly_process, wav, reliability):
    stage(wav, doomed)
    playing = Playing(kelly_process, doomed, "--patience", "1", "--record", "takes")
    playing.hear(1)
    began = time.monotonic()
    doomed.kill()
    code, _ = playing.ended()
    took_s = time.monotonic() - began
    reliability("audio server killed for good", f"exit {code} after {took_s:.1f} s with a patience of 1 s", code == 7 and took_s < 6)
    assert code == 7, playing.told.text
    assert took_s < 6
    assert "the device is gone; no note could be released" in playing.told.text


def test_a_device_that_leaves_its_server_and_comes_back_is_found_by_name(jack_server, stage, kelly_process, wav, reliability):
    """Another device stays on the server all the time and is never taken."""
    first = stage(wav)
    playing = Playing(kelly_process, jack_server, *PATIENT)
    playing.hear(3)
    began = time.monotonic()
    first.kill()
    seen_s = playing.told.when("the device is gone; waiting for it", PATIENCE_S) - began
    player = stage(wav)
    there = time.monotonic()
    back_s = playing.told.when("the device is back", PATIENCE_S) - there
    playing.hear(3)
    code, report = playing.end()
    struck = len(notes(player.events()))
    reliability("audio device gone and back", f"seen after {seen_s:.2f} s, back after {max(back_s, 0):.2f} s, {struck} notes since", seen_s < 1 and back_s < 3 and struck > 3)
    assert code == 130, playing.told.text
    assert report["heard"]["from"] == "stage"
    assert seen_s < 1.0
    assert back_s < 3.0
    assert struck > 3


@pytest.mark.parametrize("change", ["period", "rate"])
def test_a_server_that_comes_back_changed(change, doomed, stage, kelly_process, wav, reliability):
    """Another period is nobody's business; another rate would put every frame elsewhere."""
    stage(wav, doomed)
    playing = Playing(kelly_process, doomed, *PATIENT)
    playing.hear(1)
    doomed.kill()
    playing.told.when("the device is gone", PATIENCE_S)
    restart(doomed, rate=44100 if change == "rate" else None, period=1024 if change == "period" else None)
    if change == "rate":
        sound, _ = soundfile.read(wav, dtype="float32")
        soundfile.write(wav, sound, 44100)
        stage(wav, doomed)
        code, _ = playing.ended()
        reliability("server back at another rate or period", f"rate: exit {code}", code == 7)
        assert code == 7
        assert "it came back at 44100 Hz instead of 48000" in playing.told.text
        return
    player = stage(wav, doomed)
    playing.told.when("the device is back", PATIENCE_S)
    playing.hear(3)
    code, _ = playing.end()
    struck = len(notes(player.events()))
    reliability("server back at another rate or period", f"period 1024: {struck} notes since", code == 130 and struck > 3)
    assert code == 130
    assert struck > 3


def test_two_instances_play_side_by_side(jack_server, stage, kelly_process, wav, reliability):
    player = stage(wav)
    both = [Playing(kelly_process, jack_server) for _ in range(2)]
    for one in both:
        one.hear(3)
    ends = [one.end() for one in both]
    counts = [sum(report["played"].values()) for _, report in ends]
    arrived = len(notes(player.events()))
    passed = [code for code, _ in ends] == [130, 130] and min(counts) > 3 and arrived > 1.5 * max(counts) * 0.8
    reliability("two instances", f"{counts[0]} and {counts[1]} notes, {arrived} arrived", passed)
    assert [code for code, _ in ends] == [130, 130]
    assert min(counts) > 3
    assert arrived > 1.2 * max(counts)
