"""The way of the sound to kelly and of the notes to the ear: measured by doctor, made up for by --latency-ms."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kelly.audio.sources import DEMO
from kelly.errors import AudioDeviceError
from kelly.live.loop import judge
from tests.live.playing import hear
from tests.patience import PATIENCE_S

HERE = Path(__file__).resolve().parent
FRAMES, RATE = 2880, 48000  # 60 ms
BEAT = RATE * 60 / 100


def test_strikes_are_found_where_they_begin():
    """Clicks 1000 frames after each mark, in noise at -70 dB; too few are an error that says what to do."""
    random = np.random.default_rng(0)
    sound = (10 ** (-70 / 20) * random.normal(size=6 * RATE)).astype(np.float32)
    marks = [RATE / 2 + i * 0.4 * RATE for i in range(8)]
    for mark in marks:
        sound[int(mark) + 1000 : int(mark) + 1200] += 0.3
    found = judge(sound, RATE, marks)
    assert found.median_ms == pytest.approx(1000 / 48, abs=0.1)
    assert found.spread_ms < 0.1
    assert len(found.delays_ms) == 8
    with pytest.raises(AudioDeviceError, match="0 of 8 notes came back: let the synthesizer's sound reach the audio input"):
        judge(np.zeros(6 * RATE, np.float32), RATE, marks)


def doctor(kelly_process, *words):
    """The loop's median in milliseconds."""
    process = kelly_process("doctor", "--loop", "--json", *words)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    (line,) = json.loads(out)["loop"]
    found = re.match(r"([\d.]+) ms from \S+ to \S+ \(8 of 8 strikes, spread ([\d.]+) ms\)", line["value"])
    assert found, line
    advised = re.fullmatch(r"--latency-ms (\d+) lets planned notes leave that much early", line["advice"])
    assert advised, line
    assert abs(int(advised[1]) - float(found[1])) <= 0.56  # half a millisecond, and what the first decimal leaves out
    return float(found[1])


@pytest.fixture
def delay(jack_server):
    """A line of FRAMES behind every synthesizer of kelly's."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "delay.py"), jack_server.name, str(FRAMES), "kelly-synth"],
        env=jack_server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline().strip() == "ready"
    yield
    process.stdin.close()
    process.stdout.close()
    process.wait(10)


@pytest.mark.live
def test_doctor_measures_the_frames_that_lie_in_the_loop(kelly_process, delay, reliability):
    """fluidsynth's own way, then with 2880 frames of delay: the difference is 60 ms, within two periods."""
    direct = doctor(kelly_process)
    delayed = doctor(kelly_process, "--audio-in", "delay")
    reliability("2,880 frames inserted in a JACK loop", f"{delayed - direct:.1f} ms of 60", abs(delayed - direct - 60) <= 6)
    assert 0 <= direct < 60
    assert delayed - direct == pytest.approx(1000 * FRAMES / RATE, abs=6)


def offset_ms(events):
    """How far behind the demo's own beats the drums are, by the circular mean over 16ths."""
    frames = np.array([frame for frame, d in events if d[0] == 0x99 and d[2] and frame > 4 * RATE])
    assert len(frames) > 10
    turn = np.exp(2j * np.pi * frames / (BEAT / 4)).mean()
    return float(np.angle(turn) / (2 * np.pi) * BEAT / 4 / RATE * 1000)


@pytest.mark.live
def test_notes_land_with_the_player_though_the_sound_comes_late(stage, kelly_process, tmp_path, reliability):
    """The player is heard 2880 frames late; with --latency-ms 60 the drums land within 10 ms of the player's 16ths."""
    sound, rate = soundfile.read(DEMO, dtype="float32")
    sound = sound.mean(axis=1) if sound.ndim == 2 else sound
    late = tmp_path / "late.wav"
    soundfile.write(late, np.concatenate([np.zeros(FRAMES, np.float32), np.tile(sound[: round(14.4 * rate)], 10)]), rate)
    player = stage(late)  # its frames count from the moment it plays: those of a player who is not delayed
    kelly = kelly_process("live", "--audio-in", "stage", "--midi-out", "virtual", "--tempo", "100", "--key", "G", "--latency-ms", "60")
    hear(kelly, 8)
    kelly.send_signal(signal.SIGINT)
    _, err = kelly.communicate(timeout=PATIENCE_S)
    assert kelly.returncode == 130, err
    behind_ms = offset_ms(player.events())
    reliability("a loop of 60 ms, --latency-ms 60", f"{behind_ms:+.1f} ms", abs(behind_ms) < 10)
    assert abs(behind_ms) < 10
