"""Native ports on a real JACK server: exact frames under a burnt GIL, and a server that dies."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.live


@pytest.fixture
def wav(tmp_path):
    """12 s of clicks, 100 a minute in threes: onsets for the reflex, a grid for the rest."""
    sound, rng = np.zeros(12 * 48000, np.float32), np.random.default_rng(5)
    for at in range(24000, len(sound) - 4800, 14400):
        sound[at : at + 480] = rng.uniform(-0.5, 0.5, 480).astype(np.float32)
    path = tmp_path / "clicks.wav"
    soundfile.write(path, sound, 48000)
    return path


def load(server, *words):
    return subprocess.Popen(
        [sys.executable, str(HERE / "under_load.py"), *map(str, words)],
        env={**server.env, "PYTHONPATH": str(HERE.parents[1])}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_messages_keep_their_frames_while_python_is_busy(jack_server, stage, wav):
    """600 controllers 5 ms apart, all handed over in one go; a few may meet an xrun of a shared machine."""
    recorder = stage(wav)
    out, err = (process := load(jack_server, "metronome", 600)).communicate(timeout=60)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert (report["sent_events"], report["unsent_events"], report["closed"]) == (600, 0, True)
    events = recorder.events()
    assert [128 * d[1] + d[2] for _, d in events] == sorted(128 * d[1] + d[2] for _, d in events)
    assert len(events) >= 595
    index = np.array([128 * d[1] + d[2] for _, d in events])
    error = np.diff([frame for frame, _ in events]) - 240 * np.diff(index)  # steps: an xrun stops JACK's frames, not the time
    print(f"interval error in frames, p50 p95 p99 max: {np.percentile(np.abs(error), (50, 95, 99, 100))}")
    # four of five, since an xrun of a busy machine shifts every step it touches; RtMidi at offset 0 fails at the median
    assert np.percentile(np.abs(error), 80) <= 1, np.percentile(np.abs(error), (50, 80, 95, 99))


def test_planned_notes_are_on_time_while_python_is_busy(jack_server, stage, wav):
    recorder = stage(wav)
    out, err = (process := load(jack_server, "session", 10)).communicate(timeout=60)
    assert process.returncode == 0, err
    report = json.loads(out)
    print(report)
    assert report["sink"] == "NativeSink"
    assert report["dropped_frames"] == 0
    assert report["unsent_events"] == 0
    assert report["lateness"]["count"] > 20
    assert report["lateness"]["p99_ms"] <= 3.0
    assert report["reflex"]["count"] > 20
    events = recorder.events()
    assert len(events) > 40
    heard = np.array([frame for frame, d in events if d[0] == 0x9F and d[2]])
    clicks = np.arange(24000, 12 * 48000 - 4800, 14400)
    behind = np.array([frame - clicks[clicks <= frame][-1] for frame in heard]) / 48  # ms, in the frames of the server
    print(f"click to reflex over JACK, ms, p50 p90 p99 max: {np.percentile(behind, (50, 90, 99, 100)).round(2)}")
    assert len(heard) >= 20
    assert np.percentile(behind, 99) <= 4.2 + 2 * 1000 * jack_server.period / 48000


def test_a_server_that_dies_is_noticed_and_lets_everybody_go(tmp_path):
    from tests.live.conftest import Server

    server = Server(tmp_path, "-native")
    try:
        process = load(server, "wait")
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        killed = time.monotonic()
        server.process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=10)
    finally:
        server.stop()
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["gone_s"] - killed < 1.0
    assert not report["taken"]
    assert report["unsent_events"] == 1
    assert report["closing_s"] < 2.5


def test_a_synth_that_goes_and_comes_back_is_connected_again_and_told_the_programs(jack_server, tmp_path, reliability):
    """The session's watch looks four times a second; here its look is taken by hand."""
    process = load(jack_server, "mend")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    told = json.loads(out)
    reliability("MIDI port gone and back", f"connected again: {told['connected']}, programs and controllers repeated", told["back"] and told["connected"])
    assert told == {"first": False, "alone": False, "back": True, "again": False, "connected": True}


def test_a_clock_and_a_pedal_come_in_over_jack(jack_server):
    out, err = (process := load(jack_server, "listen")).communicate(timeout=60)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["names"] == ["start", "hold_chord", "panic"]
    assert abs(report["tempo"] - 120) < 3
