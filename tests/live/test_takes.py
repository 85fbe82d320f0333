"""Takes of the command: killed, interrupted, on a full disk."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import mido
import pytest
import soundfile

from kelly.live.mailbox import View
from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, "-m", "kelly"]
LIVE = [*PYTHON, "live", "--audio-in", "demo", "--midi-out", "file:out.mid", "--tempo", "100", "--key", "G", "--record", "takes"]


@pytest.fixture
def env(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KELLY_")}
    return {**inherited, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path)}


def recording(tmp_path, seconds):
    """Wait until so much sound lies on the disk; the take."""

    def large():
        return [path.parent for path in (tmp_path / "takes").glob("*/take.wav") if path.stat().st_size > seconds * 4 * 48000]

    return until(large, look_s=0.02)[0]


@pytest.mark.live
def test_after_sigkill_the_sound_is_there_to_the_last_second_and_the_notes_are_mended(tmp_path, env, reliability):
    process = subprocess.Popen(LIVE, cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
    take = recording(tmp_path, 0.1)
    started = time.monotonic()
    time.sleep(5)
    process.kill()
    heard_s = time.monotonic() - started
    process.wait(PATIENCE_S)
    sound, rate = soundfile.read(take / "take.wav", dtype="float32")
    missing_s = heard_s + 0.1 - len(sound) / rate
    done = subprocess.run([*PYTHON, "salvage", "takes"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout.strip()) == (0, str(Path("takes") / take.name / "take.mid")), done.stderr
    notes = [m for m in mido.MidiFile(take / "take.mid") if m.type == "note_on" and m.velocity]
    reliability("SIGKILL while recording", f"{max(0.0, missing_s):.2f} s of sound missing, {len(notes)} notes mended", missing_s < 1 and len(notes) > 10)
    assert missing_s < 1.0
    assert len(notes) > 10
    rows = (take / "emotion.csv").read_text().splitlines()
    assert abs(int(rows[-1].split(",")[0]) - len(sound)) < rate


def test_a_full_disk_ends_the_recording_and_the_session_answers_8(tmp_path, env, reliability):
    """Files may not grow beyond 600 kB: three seconds of sound."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    process = subprocess.Popen([*LIVE, "--json"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit)
    take = recording(tmp_path, 2.9)
    view = View.newest(process.pid)
    until(lambda: (page := view.wait(1.0)) is not None and page["tick"]["frame"] > 5 * 48000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    report = json.loads(out)
    passed = process.returncode == 8 and report["heard"]["seconds"] > 4.5 and "the recording stopped after 3.1 s" in err
    reliability("disk full", f"recorded 3.1 s, played {report['heard']['seconds']} s, exit {process.returncode}", passed)
    assert process.returncode == 8, err
    assert "disk full; the recording stopped after 3.1 s" in err
    assert report["heard"]["seconds"] > 4.5
    assert 3.0 < soundfile.info(take / "take.wav").duration < 3.2
    assert (tmp_path / "out.mid").exists()
