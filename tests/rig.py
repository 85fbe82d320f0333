"""A worker on its thread, what it hears and what it is told: for the tests of the listening loop."""

import threading
import time

import numpy as np

from kelly._rt.layout import COMMAND_KINDS, dtype
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.features import FeatureExtractor
from kelly._rt.stream.ring import Ring
from kelly._rt.stream.tracker import Tracker
from kelly._rt.stream.worker import Worker, receipt_dtype
from tests.patience import PATIENCE_S

RATE = 16000  # cheap


def chords(seconds, rate=RATE, bpm=120.0):
    """I V vi IV in C, struck on each beat."""
    t = np.arange(int(seconds * rate)) / rate
    beat = (t * bpm / 60).astype(int)
    since = t - beat * 60 / bpm
    out = np.zeros(len(t))
    for k, triad in enumerate(((60, 64, 67), (55, 59, 62), (57, 60, 64), (53, 57, 60))):
        here = (beat // 4) % 4 == k
        for pitch in triad:
            out += here * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
    return (0.1 * out * np.exp(-4 * since)).astype(np.float32).reshape(-1, 1)


def command(kind, index=0, vector=None):
    record = np.zeros(1, dtype("command"))
    record["kind"], record["index"] = COMMAND_KINDS.index(kind), index
    if vector is not None:
        record["vector"] = vector
    return record


class Rig:
    """A worker on its thread; everything it made can be read afterwards."""

    def __init__(self, networks=None, rate=RATE, lossless=True, **options):
        self.capture = Capture(rate, lossless=lossless)
        extractor = FeatureExtractor()
        extractor.prepare(rate)
        self.ticks, self.commands = Ring(dtype("tick"), 4096), Ring(dtype("command"), 64)
        self.receipts, self.strikes = Ring(receipt_dtype(), 64), Ring(dtype("event"), 4096)
        self.worker = Worker(
            self.capture, extractor, Tracker(rate), networks or {}, self.ticks, self.commands, self.receipts,
            strikes=self.strikes, **options,
        )  # fmt: skip
        self.thread = threading.Thread(target=self.worker.run, daemon=True)
        self.thread.start()
        self.made = []

    def feed(self, sound, blocks=None):
        at = 0
        while at < len(sound):
            n = blocks() if blocks else 1600
            self.capture.feed(sound[at : at + n])
            at += n
        return self

    def until(self, n):
        """The next n ticks."""
        out = np.zeros(n, dtype("tick"))
        got, limit = 0, time.monotonic() + PATIENCE_S
        while got < n:
            assert time.monotonic() < limit
            self.ticks.wait(0.1)
            got += self.ticks.pop_into(out[got:])
        return out

    def end(self):
        self.capture.end()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return self.ticks.pop()
