"""Whatever pieces the sound comes in, the same notes leave."""

import threading
import time

import numpy as np
import pytest

from kelly._rt.stream.capture import Capture
from kelly.config import load_config
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink
from tests.patience import PATIENCE_S
from tests.rig import chords

SECONDS = 6
SIZES = (32, 64, 256, 1024, 2048, 5000, "random")


class Blocks:
    """A callback that is called with blocks of one size, or of any, as fast as the ring allows."""

    name, total_frames, error, alive = "blocks", None, None, True

    def __init__(self, rate, size):
        self.sample_rate_hz, self.size = float(rate), size
        self.capture = Capture(rate, lossless=True)
        self.sound = chords(SECONDS, rate)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def _run(self):
        rng, at = np.random.default_rng(3), 0
        while at < len(self.sound):
            n = int(rng.integers(1, 2048)) if self.size == "random" else self.size
            while self.capture.waiting > self.capture.sample_rate_hz / 2:
                time.sleep(0.0005)
            self.capture.deliver(self.sound[at : at + n])
            at += n
        self.capture.end()

    def stop(self):
        self.capture.stop()
        if self._thread.ident is not None:
            self._thread.join()

    finish = stop

    def reopen(self, missed_frames):
        return False


def played(rate, size):
    sink = MemorySink()
    session = Session(load_config(flags={"key": "C", "tempo": "120"}, env={}), source=Blocks(rate, size), sink=sink, realtime=False)
    with session:
        assert session.wait(PATIENCE_S)
    events = sink.events
    notes = events[(events["status"] & 0xF0 == 0x90) & (events["data2"] > 0)]
    return [(int(e["frame"]), int(e["status"]), int(e["data1"])) for e in notes], session.counters()


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_the_same_notes_leave_whatever_the_blocks(rate, reliability):
    """32 to 5000 frames and random ones; not within a hop, but on the same frame."""
    runs = {size: played(rate, size) for size in SIZES}
    notes, _ = runs[SIZES[0]]
    same = all(run == notes for run, _ in runs.values())
    dropped = sum(counters["dropped_frames"] + counters["repaired_samples"] for _, counters in runs.values())
    reliability("block sizes and rates", f"{rate / 1000:g} kHz: {len(notes)} notes, the same frames with {len(SIZES)} sizes", same and dropped == 0 and len(notes) > 10)
    assert len(notes) > 10
    assert same
    assert dropped == 0
