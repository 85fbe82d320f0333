"""Too much, too little, too late: overload, silence, ports that others hold."""

import threading
import time

import numpy as np
import pytest

from kelly._rt.stream.capture import Capture
from kelly.audio.devices import translated
from kelly.cli import app
from kelly.config import load_config
from kelly.live.session import Session
from kelly.midi import native, ports
from kelly.midi.sinks import MemorySink
from tests.patience import until
from tests.rig import RATE, Rig, chords

BLOCK = 128


class Device:
    """Plucked chords in real time, after ten seconds in which nobody listened."""

    name, sample_rate_hz, total_frames, error, alive = "a device", float(RATE), None, None, True

    def __init__(self, backlog_s):
        self.capture, self.sound, self.at = Capture(RATE), chords(60), 0
        self.deliver(int(backlog_s * RATE))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def deliver(self, frames):
        until = self.at + frames
        while self.at < until:
            self.capture.deliver(self.sound[self.at : self.at + BLOCK])
            self.at += BLOCK

    def start(self):
        self._thread.start()

    def _run(self):
        started, first = time.monotonic(), self.at
        while not self._stopping.wait(0.004):
            self.deliver(int((time.monotonic() - started) * RATE) - (self.at - first))

    def finish(self):
        self.stop()

    def stop(self):
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.capture.stop()
        self.capture.end()

    def reopen(self, missed_frames):
        return False


@pytest.mark.live
def test_ten_seconds_of_overload_are_shed_and_over_within_a_second(reliability):
    """What a starved process finds when it may run again: two seconds of sound and a hole of eight."""
    sink = MemorySink()
    session = Session(load_config(flags={"tempo": "120", "key": "C"}, env={}), source=Device(10.0), sink=sink)
    capture, started = session.source.capture, time.monotonic()
    with session:
        until(lambda: (tick := session.snapshot().tick) is not None and capture.frames - tick["frame"] < 0.15 * RATE, look_s=0.005)
        recovered_s = time.monotonic() - started
        then = session.counters()
        time.sleep(1.5)
        now, nets = session.counters(), session.nets()
    order = then["shed_hops"] > 0 and then["shed_answers"] > 0
    passed = recovered_s < 1 and order and now["shed_hops"] == then["shed_hops"]
    reliability(
        "overload for 10 s",
        f"caught up after {recovered_s:.2f} s; {then['dropped_frames'] / RATE:.1f} s dropped, {then['shed_hops']} hops and "
        f"{then['shed_answers']} answers shed, {then['stale_notes']} stale notes not struck",
        passed,
    )
    assert recovered_s < 1.0
    assert then["shed_hops"] > 20
    assert then["shed_answers"] > 0
    assert 7.5 < then["dropped_frames"] / RATE < 8.5
    assert (now["shed_hops"], now["shed_answers"]) == (then["shed_hops"], then["shed_answers"])
    assert set(nets.values()) == {"model"}
    strikes = [e["frame"] for e in sink.events if e["status"] & 0xF0 == 0x90 and e["data2"]]
    assert strikes
    assert min(strikes) > 9 * RATE  # nobody hears the past


def test_a_file_is_never_shed():
    rig = Rig(lossless=True).feed(chords(8))
    rig.end()
    counters = rig.worker.counters()
    assert (counters["shed_hops"], counters["shed_answers"], counters["dropped_ticks"]) == (0, 0, 0)


def hop_ms(sound):
    """Median time of a network hop."""
    rig = Rig()
    for at in range(0, len(sound), 16 * BLOCK):
        rig.capture.feed(sound[at : at + 16 * BLOCK])
    rig.end()
    return rig.worker.busy()["p50_ms"]


@pytest.mark.live
def test_silence_is_no_slower_than_music(reliability):
    """60 s: exact zeros, and a sound that decays through the subnormal numbers; the quickest of three runs each, in turns."""
    music = chords(60)
    fading = chords(60) * np.geomspace(1e-6, 1e-44, len(music), dtype=np.float64).astype(np.float32).reshape(-1, 1)
    fading[: 2 * RATE] = music[: 2 * RATE]
    zeros = np.concatenate([music[: 2 * RATE], np.zeros_like(music)])
    played, silent, faded = np.min([[hop_ms(sound) for sound in (music, zeros, fading)] for _ in range(3)], axis=0)
    reliability("60 s of silence", f"p50 {played:.3f} ms with music, {silent:.3f} in silence, {faded:.3f} fading", max(silent, faded) <= 1.1 * played)
    assert silent <= 1.1 * played
    assert faded <= 1.1 * played


class Busy:
    """A port that another program holds, as rtmidi answers."""

    def get_ports(self):
        return ["Synth"]

    def open_port(self, index, name):
        raise OSError("MidiOutWinMM::openPort: error creating Windows MM MIDI output port (already in use)")

    def delete(self):
        pass


def test_a_port_in_use_is_named_and_exits_with_3(monkeypatch, capsys, reliability):
    monkeypatch.setattr(native, "open_named", lambda text: None)
    monkeypatch.setattr(ports, "open_client", lambda name=ports.CLIENT: (Busy(), "Windows MM"))
    code = app.run(["live", "--audio-in", "demo", "--midi-out", "synth"])
    said = capsys.readouterr().err
    device = str(translated(OSError("Error opening RawInputStream: Device unavailable", -9985), "opening 'Scarlett'"))
    passed = code == 3 and "opening 'Synth'" in said and "already in use" in said and "another program may hold it" in device
    reliability("port in use", f"MIDI: exit {code}, named; audio: says that another program may hold it", passed)
    assert passed, (code, said, device)
