"""What the groove net is shown where nobody drums: a song's piano, one bar after the other, on the beats that people marked.

Low strokes are what the piano strikes in the register of a bass, high ones its accents above, density the eighths that
it fills there.  The marked beats follow the playing, so that nothing is late or uneven against them: offsets are left
unknown, as are ghost notes, syncopation, fills and half time; accents, too, where all is equally loud.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, GROOVE_OUT
from kelly.errors import DataError
from training.data.score import Score
from training.data.symbols import MEMORY_BEATS, mood_at, on_beats, pitched

TRACK = "piano"
BASS_HIGH = 50  # as kelly's own bass reaches
ACCENT = 6  # of 127, above the mean of what is struck in the bar
N = GROOVE_OUT.size


def rows(score: Score, beats: NDArray[np.floating], mode: int) -> NDArray[np.float32]:
    """(bars, 64 + 32 + 32): input, answers, mask, of every bar of four beats in which the piano plays.

    beats   float64 (n, 2): seconds, 1 on a downbeat
    mode    1 major, -1 minor
    raises  DataError without a track PIANO, or where it plays in no bar of four beats
    """
    tracks = [index for index, name in enumerate(score.tracks) if name.strip().casefold() == TRACK]
    if not tracks:
        raise DataError(f"expected a track PIANO, found {', '.join(name or 'one without a name' for name in score.tracks)}")
    placed = on_beats(score, beats)
    heard = pitched(placed)
    piano = heard[np.isin(heard["track"], tracks)]
    downs = np.flatnonzero(beats[:, 1] > 0)
    out = []
    for start in (downs[:-1] - downs[:1])[np.diff(downs) == 4]:
        struck = piano[(piano["onset_beat"] >= start - 0.125) & (piano["onset_beat"] < start + 3.875)]
        if len(struck):
            row = np.zeros(EMBEDDING.size + 2 * N, np.float32)
            row[: EMBEDDING.size] = mood_at(heard, start, mode)
            before = heard["onset_beat"][(heard["onset_beat"] >= start - MEMORY_BEATS) & (heard["onset_beat"] < start - 0.125)]
            row[EMBEDDING["swing"].start] = swing_of(before) or 0
            row[EMBEDDING.size :] = _bar(struck, struck["onset_beat"] - start)
            out.append(row)
    if not out:
        raise DataError("its piano plays in no bar of four beats")
    return np.stack(out)


def swing_of(onsets: NDArray[np.floating]) -> float | None:
    """-1 for even eighths, 0 halfway, 1 dotted, by onsets in beats; None where nothing strikes between the beats."""
    place = onsets % 1
    off = place[(place > 0.42) & (place < 0.8)]
    return float(np.clip((off.mean() - 0.5) / 0.125 - 1, -1, 1)) if len(off) else None


def _bar(struck: NDArray[np.void], beats: NDArray[np.floating]) -> NDArray[np.float32]:
    """(32 + 32,) answers and mask."""
    answer, known = np.zeros(N, np.float32), np.zeros(N, np.float32)

    def tell(name: str, value: float | NDArray[np.floating]) -> None:
        answer[GROOVE_OUT.slice(name)] = value
        known[GROOVE_OUT.slice(name)] = 1

    step, low = np.rint(4 * beats).astype(int), struck["pitch"] <= BASS_HIGH
    tell("low", 2.0 * np.isin(np.arange(16), step[low]) - 1)
    eighths, which = np.unique(step[~low] // 2, return_inverse=True)
    tell("density", 2 * len(eighths) / 8 - 1)
    loud = np.zeros(len(eighths))
    np.maximum.at(loud, which, struck["velocity"][~low])
    if len(eighths) > 1 and np.ptp(loud) > 0:
        tell("high", 2.0 * np.isin(np.arange(8), eighths[loud >= loud.mean() + ACCENT]) - 1)
    swing = swing_of(beats)
    if swing is not None:
        tell("swing", swing)
    return np.concatenate([answer, known])
