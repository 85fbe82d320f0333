"""A keyboard on a real JACK server: a client plays chords into kelly's own port; tempo, key and chords are followed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.unit.test_keyboard import BEAT_S, BPM, PROGRESSION, piece

pytestmark = pytest.mark.live

SECONDS = 18
HANDS = """
import json, sys, time
from kelly._rt.stream.native_midi import jack_outputs, open_jack
until = time.monotonic() + 30
while not (ports := [port for port in jack_outputs() if "Keys" in port]):
    assert time.monotonic() < until, jack_outputs()
    time.sleep(0.05)
port = open_jack("hands", to=ports[0])
time.sleep(0.5)
began = time.monotonic()
for data, at in json.loads(sys.stdin.read()):
    while (left := began + at - time.monotonic()) > 0.05:
        time.sleep(left - 0.04)
    port.send(tuple(data), delay_s=max(0.0, began + at - time.monotonic()))
time.sleep(0.5)
"""


def test_chords_played_into_a_virtual_port_are_followed_and_the_take_renders_again(jack_server, kelly_process, tmp_path):
    kelly = kelly_process("live", "--listen-midi", "virtual:Keys", "--midi-out", "file:out.mid", "--record", "takes", "--json")
    hands = subprocess.run(
        [sys.executable, "-c", HANDS], input=json.dumps(piece(SECONDS)), env={**jack_server.env, "PYTHONPATH": os.getcwd()},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert hands.returncode == 0, hands.stderr
    kelly.send_signal(signal.SIGINT)
    out, err = kelly.communicate(timeout=30)
    assert kelly.returncode == 130, err
    report = json.loads(out)
    assert report["counters"]["dropped_frames"] == 0
    (take,) = (tmp_path / "takes").iterdir()
    rows = list(csv.DictReader((take / "emotion.csv").read_text().splitlines()))
    began_s = next(float(row["time_s"]) for row in rows if float(row["level_db"]) > -60)
    late = [row for row in rows if began_s + 10 < float(row["time_s"]) < began_s + SECONDS - 1.5]
    right = [row["chord"] for row in late if PROGRESSION[int((float(row["time_s"]) - began_s) / BEAT_S) // 4 % 4][0] == root(row["chord"])]
    print({"tempo": late[-1]["tempo_bpm"], "key": late[-1]["key"], "chords right": len(right) / len(late), "played": report["played"]})
    assert abs(float(late[-1]["tempo_bpm"]) - BPM) < 1.5
    assert sum(row["key"] == "C" for row in late) > 0.8 * len(late)
    assert len(right) / len(late) > 0.65
    assert sum(report["played"].values()) > 30
    time.sleep(0.1)
    done = subprocess.run(
        [sys.executable, "-m", "kelly", "render", str(take), "-o", "again.mid", "--json"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if not report["counters"].get("shed_hops") and not report["counters"].get("stale_notes"):  # nothing was left out for lack of time
        assert json.loads(done.stdout)["take"]["same"], done.stderr


def root(chord):
    """Pitch class of "Am" or "F"; None for none."""
    names = {"C": 0, "Db": 1, "C#": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "F#": 6, "Gb": 6, "G": 7, "Ab": 8, "G#": 8, "A": 9, "Bb": 10, "B": 11}
    return names.get(chord[:2], names.get(chord[:1])) if chord else None
