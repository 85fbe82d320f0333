"""How long a note takes to the ear and back: MIDI out, synthesizer, sound, audio in.

Strikes are sent and looked for in what comes in.  Nothing here is in the way of a session; the answer
is what ``--latency-ms`` wants to know.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kelly.audio.sources import Source
from kelly.errors import AudioDeviceError

STRIKES, EVERY_S, SETTLE_S, BEFORE_S = 8, 0.4, 0.5, 0.1
EARLIEST_S = 0.02  # where synthesizer and kelly share a server the sound is here before its block is counted
PIECE = 8192
ABOVE_DB = 12.0  # a strike stands so far above what was heard just before
FLOOR = 10 ** (-60 / 20)
WOODBLOCK = (0x99, 76, 120)  # General MIDI drums: the sharpest attack there is
RELEASE = (0x89, 76, 0)


@dataclass(frozen=True, slots=True)
class Loop:
    """Milliseconds from a note's leaving to its sound's being in kelly's hands.

    delays_ms  one per strike that was heard; 0 where the sound comes within a block of the note
    """

    delays_ms: tuple[float, ...]
    strikes: int = STRIKES

    @property
    def median_ms(self) -> float:
        return float(np.median(self.delays_ms))

    @property
    def spread_ms(self) -> float:
        """Between the earliest and the latest."""
        return max(self.delays_ms) - min(self.delays_ms)


def frame_at(looks: NDArray[np.float64], rate: float, when_s: float) -> float:
    """Which frame had arrived at a time: along the earliest arrivals of the quarter second around it.

    looks  (n, 2): time and frames arrived so far, in order; a server that stumbled has shifted the later ones
    """
    around = looks[(looks[:, 0] > when_s - 0.25) & (looks[:, 0] < when_s + 0.05)]
    if not len(around):
        around = looks
    return float((when_s - np.min(around[:, 0] - around[:, 1] / rate)) * rate)


def measure(source: Source, send: Callable[[tuple[int, int, int]], float]) -> Loop:
    """Strike eight times and listen.

    source  a device, not started yet; it is stopped afterwards
    send    takes the three bytes of a message and returns in how many seconds they will leave
    raises  AudioDeviceError when fewer than half of the strikes come back
    """
    rate, capture = source.sample_rate_hz, source.capture
    looks: list[tuple[float, int]] = []
    pieces: list[NDArray[np.float32]] = []
    sent_s: list[float] = []
    source.start()
    try:
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + SETTLE_S + STRIKES * EVERY_S:
            looks.append((now, capture.frames))
            pieces.append(capture.drain(PIECE))
            if len(sent_s) < STRIKES and now >= begun + SETTLE_S + len(sent_s) * EVERY_S:
                sent_s.append(time.monotonic() + send(WOODBLOCK))
                send(RELEASE)
            time.sleep(0.0005)
    finally:
        source.stop()
    sound = np.concatenate(pieces)
    seen = np.array([look for look in looks if look[1]], np.float64).reshape(-1, 2)
    if not len(seen):
        raise AudioDeviceError(f"{source.name}: nothing came in")
    marks = [frame_at(seen, rate, when) for when in sent_s]
    return judge(sound, rate, marks)


def judge(sound: NDArray[np.float32], rate: float, marks: list[float]) -> Loop:
    """Find every strike.

    sound   (n,), from the stream's first frame
    marks   the frame that had arrived when each strike was sent
    raises  AudioDeviceError
    """
    delays = []
    for mark in marks:
        start = max(0, int(mark - EARLIEST_S * rate))
        before = np.abs(sound[max(0, int(start - BEFORE_S * rate)) : start])  # noise, and what rings of the strike before
        threshold = max(float(np.max(before, initial=0.0)) * 10 ** (ABOVE_DB / 20), FLOOR)
        hits = np.flatnonzero(np.abs(sound[start : int(mark + EVERY_S * rate)]) > threshold)
        if len(hits):
            delays.append(max(0.0, 1000.0 * (start + hits[0] - mark) / rate))
    if 2 * len(delays) < len(marks):
        raise AudioDeviceError(
            f"{len(delays)} of {len(marks)} notes came back: let the synthesizer's sound reach the audio input, by cable, "
            "by loudspeaker or by a connection in JACK, and name both with --audio-in and --midi-out"
        )
    return Loop(tuple(delays), len(marks))
