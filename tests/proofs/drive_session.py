"""Run with guard.so preloaded by test_interposer.py: a whole session under watch, its report as JSON.

usage: drive_session.py GUARD SECONDS [plant] [hook] [device=NAME]

Without a device the bundled demo comes from a C thread in blocks of 128 frames through the production
callback, and the performer plays a port that nobody empties; with one, PortAudio calls the callback
and the notes leave by a virtual port.  A Python thread burns the GIL all the while.
"""

import ctypes
import json
import sys
import threading

import numpy as np
import soundfile

from kelly._rt.stream.capture import Capture
from kelly._rt.stream.native_midi import open_idle
from kelly.audio import sources
from kelly.config import Config, EngineConfig
from kelly.live.session import Session
from kelly.midi.native import NativeSink
from kelly.midi.sinks import open_sink

ZONES = {"callback": 1, "worker": 2, "performer": 3}
KINDS = ("allocations", "frees", "locks", "waits", "sleeps", "files", "python")
BLOCK = 128

guard = ctypes.CDLL(sys.argv[1])
seconds = float(sys.argv[2])
device = next((a.removeprefix("device=") for a in sys.argv[3:] if a.startswith("device=")), None)


class Behind(ctypes.Structure):
    """guard.c's behind_t: the production callback and its state."""

    _fields_ = (("real", ctypes.c_void_p), ("user", ctypes.c_void_p))


class Watched(Capture):
    """A Capture whose callback is entered through the guard."""

    @property
    def callback_address(self):
        return ctypes.cast(guard.guard_callback, ctypes.c_void_p).value

    @property
    def state_address(self):
        self.behind = Behind(Capture.callback_address.__get__(self), Capture.state_address.__get__(self))
        return ctypes.addressof(self.behind)


class PumpSource:
    """The demo, delivered by guard_pump at the pace of a device."""

    name, host_api, total_frames, alive, error = "demo through the guard", "", None, True, None

    def __init__(self):
        sound, rate = soundfile.read(str(sources.DEMO), dtype="float32", always_2d=True, frames=int(48000 * seconds))
        self.sound, self.sample_rate_hz = np.ascontiguousarray(sound), float(rate)
        self.capture = Watched(rate, sound.shape[1])
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()

    def run(self):
        frames, channels = self.sound.shape
        guard.guard_pump(
            ctypes.c_void_p(self.capture.state_address), self.sound.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int64(frames // BLOCK), ctypes.c_int64(BLOCK), ctypes.c_int64(channels), ctypes.c_double(self.sample_rate_hz),
        )  # fmt: skip
        self.capture.end()

    def stop(self):
        self.capture.stop()

    finish = stop


class WatchedThread(threading.Thread):
    """The session's threads, of which worker and performer are loops under watch."""

    def run(self):
        zone = ZONES.get(self.name.removeprefix("kelly-"))
        if zone is not None:
            guard.guard_loop(zone)
        try:
            super().run()
        finally:
            if zone is not None:
                guard.guard_loop(0)


def burn():
    x = 0
    while True:
        x = (x * 31 + 7) % 1_000_003


guard.guard_plant(int("plant" in sys.argv))
threading.Thread = WatchedThread
sources.Capture = Watched
source = PumpSource() if device is None else sources.LiveSource(sources.find_input(device), block_frames=0)
sink = NativeSink(open_idle(0.004)) if device is None else open_sink("virtual")[0]
session = Session(Config(engine=EngineConfig(reflex_note=76)), source=source, sink=sink)
if "hook" in sys.argv:
    import math

    import kelly

    @kelly.hook
    def swing(features, embedding, controls):
        controls[32] += 1.0
        for i in range(64):
            embedding[i] = 0.5 * embedding[i] + 0.4 * math.sin(controls[32] / 10.0 + features[i % 12])

    session.add_hook(swing)
threading.Thread(target=burn, daemon=True).start()
session.start()
session.wait(None if device is None else seconds)
session.close()

report = {"counters": {k: int(v) for k, v in session.counters().items()}, "sink": type(sink).__name__}
for name, zone in ZONES.items():
    numbers = (ctypes.c_int64 * (2 + len(KINDS)))()
    guard.guard_report(zone, numbers)
    turns, dirty, *kinds = numbers
    report[name] = {"turns": turns, "dirty": dirty, **dict(zip(KINDS, kinds, strict=True))}
report["embedding"] = session.snapshot().tick["embedding"].tolist()
print(json.dumps(report))
