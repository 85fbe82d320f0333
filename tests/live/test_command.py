"""``kelly live`` and ``kelly render`` as their users run them: a process, a terminal, signals."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.midi_files import open_notes
from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]
LIVE = [sys.executable, "-m", "kelly", "live", "--audio-in", "demo", "--midi-out", "file:take.mid", "--tempo", "100", "--key", "G"]


@pytest.fixture
def env(tmp_path):
    """This tree on the path, nobody's settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KELLY_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path)}


def kept(takes, seconds):
    """Whether so much sound of the demo lies in the take."""
    return any(path.stat().st_size > seconds * 4 * 48000 for path in takes.glob("*/take.wav"))


def status(process, name):
    """A line of what Linux tells of a process."""
    return next(line.split()[1] for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))


def heeds(process, number):
    """Whether it has a handler of its own for a signal."""
    return bool(int(status(process, "SigCgt"), 16) >> (number - 1) & 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_releases_every_note_saves_the_file_and_reports(tmp_path, env, reliability, number, code):
    """Exit code of the table, a complete MIDI file, one JSON object on stdout, a player's command on stderr."""
    process = subprocess.Popen([*LIVE, "--json", "--record", "takes"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: kept(tmp_path / "takes", 4.0), look_s=0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert open_notes(tmp_path / "take.mid") == set()
    report = json.loads(out)
    (take,) = (tmp_path / "takes").iterdir()
    left = open_notes(tmp_path / "take.mid") | open_notes(take / "take.mid")
    reliability("SIGINT, SIGTERM", f"exit {process.returncode}, {len(left)} open notes, take closed", process.returncode == code and not left)
    assert report["schema"] == "kelly.live/1"
    assert report["midi_file"] == "take.mid"
    assert report["counters"]["dropped_frames"] == report["counters"]["open_notes"] == 0
    assert sum(report["played"].values()) > 0
    assert "take.mid" in err
    assert err.splitlines()[-1] == f"take: {take}"
    assert "\x1b" not in err
    assert "\r" not in err


def test_a_recording_that_ends_by_itself_exits_zero(tmp_path, env):
    """The file, its two seconds of silence, then the end."""
    time_s = np.arange(24000) / 24000
    soundfile.write(tmp_path / "second.wav", 0.3 * np.sin(2 * np.pi * 392 * time_s), 24000)
    words = [sys.executable, "-m", "kelly", "live", "--audio-in", "file:second.wav", "--midi-out", "file:take.mid", "-q"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "take.mid").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_the_status_line_moves_at_most_four_times_a_second(tmp_path, env):
    """On a terminal: level, feeling, key, chord, tempo, five nets; without colour where NO_COLOR is set."""
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(LIVE, cwd=tmp_path, env={**env, "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}, stdout=follower, stderr=follower)
    os.close(follower)
    started, text, interrupted = time.monotonic(), b"", False
    try:
        while True:
            if not interrupted and text.count(b" dB ") >= 16:
                process.send_signal(signal.SIGINT)
                interrupted = True
            text += os.read(leader, 65536)  # the line keeps moving, so this returns in time
    except OSError:  # the other end is closed
        pass
    elapsed_s = time.monotonic() - started
    os.close(leader)
    assert process.wait(PATIENCE_S) == 130
    lines = [part for part in text.decode().split("\r") if " dB " in part]
    assert 16 <= len(lines) <= 4 * elapsed_s
    for word in (" dB  V", " A", "G: ", "100 bpm", "emo mel har dyn gro"):
        assert word in lines[-1]
    assert "\x1b[3" not in text.decode()


def test_render_writes_the_same_bytes_twice_and_says_where(tmp_path, env):
    """Narration on stderr, the report on stdout, the file in place."""
    demo = ROOT / "kelly" / "audio" / "demo.ogg"
    files = []
    for name in ("a.mid", "b.mid"):
        words = [sys.executable, "-m", "kelly", "render", str(demo), "-o", name, "--seed", "7", "--json"]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["schema"] == "kelly.render/1"
        assert name in done.stderr
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert open_notes(tmp_path / "a.mid") == set()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_render_leaves_nothing_half_done(tmp_path, env, number, code):
    """Neither the file nor a temporary one beside it."""
    samples, rate = soundfile.read(ROOT / "kelly" / "audio" / "demo.ogg", dtype="int16")
    soundfile.write(tmp_path / "long.wav", np.tile(samples[:, 0], 40), rate)
    heeded = functools.partial(signal.signal, number, signal.SIG_DFL)  # a shell's background jobs ignore SIGINT, and hand that on
    process = subprocess.Popen(
        [sys.executable, "-m", "kelly", "render", "long.wav"], cwd=tmp_path, env={**env, "OPENBLAS_NUM_THREADS": "1"},
        stderr=subprocess.PIPE, text=True, preexec_fn=heeded,
    )  # fmt: skip
    until(lambda: heeds(process, signal.SIGTERM) and int(status(process, "Threads")) >= 5, look_s=0.05)  # it is at work
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["long.wav"]


def test_a_full_disk_costs_the_file_and_not_the_summary():
    """/dev/full answers every write with "no space left on device"."""
    ran = subprocess.Popen(
        [sys.executable, "-m", "kelly", "live", "--audio-in", "demo", "--midi-out", "file:/dev/full"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert ran.stderr is not None
    while "Ctrl-C ends it" not in ran.stderr.readline():
        assert ran.poll() is None
    time.sleep(3)
    ran.send_signal(signal.SIGINT)
    _, told = ran.communicate(timeout=PATIENCE_S)
    assert ran.returncode == 8, told
    assert "counters" in told
    assert "No space left on device" in told
