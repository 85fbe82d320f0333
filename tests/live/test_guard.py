"""The preloaded guard of tests/proofs around a session on a real server: PortAudio's thread, JACK MIDI out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from kelly.audio.sources import DEMO

PROOFS = Path(__file__).resolve().parents[1] / "proofs"
KINDS = ("allocations", "frees", "locks", "waits", "sleeps", "files", "python")
pytestmark = pytest.mark.live


def test_on_a_real_server_the_real_time_threads_do_nothing_forbidden(jack_server, stage, tmp_path):
    sound, rate = soundfile.read(DEMO, dtype="float32", frames=10 * 48000)
    soundfile.write(tmp_path / "demo.wav", sound, rate)
    stage(tmp_path / "demo.wav")
    guard = tmp_path / "guard.so"
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC", PROOFS / "guard.c", "-o", guard, "-ldl", "-lpthread"], check=True)
    done = subprocess.run(
        [sys.executable, PROOFS / "drive_session.py", guard, "5", "device=stage"], capture_output=True, text=True, timeout=60, check=False,
        env={**jack_server.env, "PYTHONPATH": str(PROOFS.parents[1]), "LD_PRELOAD": str(guard)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["sink"] == "NativeSink"
    assert report["counters"]["dropped_frames"] == 0
    for thread in ("callback", "worker", "performer"):
        assert report[thread]["turns"] > 500, thread
        assert {kind: report[thread][kind] for kind in KINDS} == dict.fromkeys(KINDS, 0), thread
