"""A whole session on a real JACK server, led over MIDI by a client that sends a clock, pedals and a panic."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.live


@pytest.fixture
def wav(tmp_path):
    """40 s of two chords in turn, struck 100 times a minute: what is heard says 100, C and G."""
    rate, beat = 48000, 28800
    sound, t = np.zeros(40 * rate, np.float32), np.arange(beat) / rate
    for i, at in enumerate(range(rate // 2, len(sound) - beat, beat)):
        triad = (60, 64, 67) if i // 4 % 2 == 0 else (55, 59, 62)
        tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t) for pitch in triad)
        sound[at : at + beat] = 0.1 * tone * np.exp(-5 * t)
    path = tmp_path / "player.wav"
    soundfile.write(path, sound, rate)
    return path


def test_a_clock_of_132_a_pedal_and_a_panic_lead_a_session(jack_server, wav):
    process = subprocess.run(
        [sys.executable, str(HERE / "led_session.py"), str(wav)], check=False,
        env={**jack_server.env, "PYTHONPATH": str(HERE.parents[1])}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    print(report)
    assert abs(report["heard_tempo"] - 132) > 10  # before the clock
    assert abs(report["tempo"] - 132) <= 1.32
    assert report["beat_error_ms"] < 25
    assert len(report["held_roots"]) == 1
    assert len(report["free_roots"]) > 1
    assert report["notes_while_stopped"] == 0
    assert report["notes_after_start"] > 0
    assert report["drums_while_out"] == 0
    assert report["others_while_drums_are_out"] > 0
    assert report["open_before_panic"] > 0
    assert report["open_after_panic"] == 0
    assert report["ended"]
    assert report["open_at_the_end"] == 0
    assert report["stamped"]
    assert report["dropped_frames"] == 0
