"""What the groove net is shown: a drummer's take, one bar after the other.

The input is as much of an embedding as drums tell: density, swing, and arousal by density.  Syncopation,
fills and half time have no annotation here and are left unknown.
"""

from __future__ import annotations

from math import log2

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, GROOVE_OUT
from kelly.errors import DataError
from kelly.music.emotion import Cues, mood_from_cues
from training.data.score import Score

KICK, SNARE = (35, 36), (37, 38, 39, 40)
GHOST = 50  # snare velocities below
N = GROOVE_OUT.size


def rows(score: Score, meter: str) -> NDArray[np.float32]:
    """(bars, 64 + 32 + 32): input, answers, mask, of every whole bar with a note.

    raises  DataError for a take that is not in 4-4
    """
    if meter != "4-4":
        raise DataError(f"is in {meter}; the groove net's bar has sixteen sixteenths")
    onsets, notes = score.notes["onset_beat"], score.notes
    out = []
    for bar in range(int(onsets[-1] // 4) + 1):
        hits = notes[(onsets >= 4 * bar - 0.125) & (onsets < 4 * bar + 3.875)]
        if len(hits):
            beat_s = 60 / score.tempo_bpm
            out.append(_bar(hits, hits["onset_beat"] - 4 * bar, beat_s))
    if not out:
        raise DataError("holds no bar")
    return np.stack(out)


def _bar(hits: NDArray[np.void], beats: NDArray[np.floating], beat_s: float) -> NDArray[np.float32]:
    step = np.rint(4 * beats).astype(int)
    kick, snare = np.isin(hits["pitch"], KICK), np.isin(hits["pitch"], SNARE)
    answer, known = np.zeros(N, np.float32), np.zeros(N, np.float32)

    def tell(name: str, value: float | NDArray[np.floating]) -> None:
        answer[GROOVE_OUT.slice(name)] = np.clip(value, -1, 1)
        known[GROOVE_OUT.slice(name)] = 1

    tell("low", 2.0 * np.isin(np.arange(16), step[kick]) - 1)
    tell("high", 2.0 * np.isin(np.arange(8), step[snare] // 2) - 1)
    tell("density", 2 * len(set((step[~kick & ~snare] // 2).tolist())) / 8 - 1)
    offsets_ms = 1000 * beat_s * (beats - step / 4)
    straight = step % 4 != 2  # what swings on the off-eighth is not late
    if straight.any():
        tell("mean_offset", offsets_ms[straight].mean() / 40)
        tell("offset_spread", offsets_ms[straight].std() / 10 - 1)
    if snare.any():
        tell("ghost_rate", 2 * float((hits["velocity"][snare] < GHOST).mean()) - 1)
    place = beats % 1
    off = (place > 0.42) & (place < 0.8)
    swing = 0.0
    if off.any():
        swing = float(np.clip((place[off].mean() - 0.5) / 0.125 - 1, -1, 1))  # .5 even, .625 halfway, .75 dotted
        tell("swing", swing)
    log2_rate = log2(len(hits) / (4 * beat_s))
    told = {"density": (log2_rate - 1.5) / 2, "arousal": mood_from_cues(Cues(log2_rate=log2_rate)).arousal, "swing": swing}
    heard = np.zeros(EMBEDDING.size, np.float32)
    for name, value in told.items():
        heard[EMBEDDING[name].start] = np.clip(value, -1, 1)
    return np.concatenate([heard, answer, known])
