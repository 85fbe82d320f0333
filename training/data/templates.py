"""Chords of a score that nobody annotated: the seven qualities on twelve roots, held against what sounds beat by beat.

source  template matching as of Pardo & Birmingham 2002; the path over beats is the cheapest (Viterbi)
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kelly.errors import DataError
from kelly.music.chord import INTERVALS, Chord
from training.data.score import Score
from training.data.symbols import pitched

# Set on half of the pieces that people analysed, judged on the other half: see training/data/music21/analyses.py.
PRIOR = (0.0, 0.0, -0.07, -0.12, 0.0, -0.34, -0.16)  # of a quality: maj, min, 7, m7, dim, sus4, power; a suspension resolves
ABSENT = 0.1  # for a tone of the chord that does not sound
ROOT_BELOW = 0.1  # for the root in the bass
CHANGE = 0.1  # for another chord than on the beat before
SECOND_HALF = 0.1  # weight of what enters on the off-beat: passing notes live there, a seventh in passing is no seventh chord
AUDIBLE = 0.01
LONE_TONE = 0.35  # weight of a beat in which one tone sounds: a line is no row of chords
LOWEST_FIT = 0.3  # below this nobody plays a chord

CHORDS = tuple(Chord(root, quality) for quality in range(len(INTERVALS)) for root in range(12))
TONES = np.array([[pitch in chord.tones for pitch in range(12)] for chord in CHORDS], float)


def beats_of(score: Score) -> NDArray[np.float64]:
    """(n, 2) seconds and downbeat flag of every quarter note of a score in a constant metre.

    raises  DataError where a bar is not of whole quarter notes, or the metre changes
    """
    bar, rest = divmod(4 * score.meter[0], score.meter[1])
    if rest or score.changes or (score.meter[1] == 8 and score.meter[0] % 3 == 0):
        raise DataError(f"its beat is not a quarter note throughout: {score.meter[0]}/{score.meter[1]}")
    notes = pitched(score)
    if not len(notes):
        raise DataError("holds nothing but drums")
    first = int(np.floor(notes["onset_beat"].min() + 1e-6))
    numbers = np.arange(first, int(np.ceil(notes["end_beat"].max())) + 1)
    if len(numbers) > 8192:
        raise DataError(f"lasts {len(numbers)} beats")
    knots, places = np.unique(score.notes["onset_beat"], return_index=True)
    times = score.notes["onset_s"][places]
    beat_s = 60 / score.tempo_bpm
    seconds = np.interp(numbers, knots, times)
    seconds += beat_s * (np.minimum(0, numbers - knots[0]) + np.maximum(0, numbers - knots[-1]))
    return np.stack([seconds, (numbers % bar == 0).astype(float)], axis=1)


def chords_of(score: Score, beats: NDArray[np.float64], without: NDArray[np.bool_] | None = None) -> list[tuple[float, float, Chord | None]]:
    """Spans (start_s, end_s, chord or None) on the beats of a score.

    without  notes of ``score.notes`` that do not count, such as the tune
    raises   DataError when fewer than two tones sound together in most beats: that is not harmony
    """
    counted = score.notes[~without] if without is not None else score.notes
    notes = counted[counted["channel"] != 9]
    times = beats[:, 0]
    weights, bass = sounding(notes, times)
    if np.mean((weights > AUDIBLE).sum(1) >= 2) < 0.5:
        raise DataError("has no harmony: in most beats fewer than two tones sound")
    path = cheapest(fits(weights, bass))
    chosen = [CHORDS[k] if k < len(CHORDS) else None for k in path]
    edges = [0, *(k for k in range(1, len(chosen)) if chosen[k] != chosen[k - 1]), len(chosen)]
    return [(float(times[a]), float(times[b]), chosen[a]) for a, b in pairwise(edges)]


def sounding(notes: NDArray[np.void], times: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Per beat: weight of the pitch classes, sum 1, or 0 in silence; pitch class of the lowest note, or -1."""
    n = len(times) - 1
    weights, bass = np.zeros((n, 12)), np.full(n, -1)
    order = np.argsort(notes["onset_s"])
    onset, end, pitch = (notes[name][order] for name in ("onset_s", "end_s", "pitch"))
    longest = float((end - onset).max(initial=0.0))
    for k in range(n):
        low, high = np.searchsorted(onset, (times[k] - longest - 1e-9, times[k + 1] - 1e-9))
        middle = (times[k] + times[k + 1]) / 2
        early = np.minimum(end[low:high], middle) - np.maximum(onset[low:high], times[k])
        late = np.minimum(end[low:high], times[k + 1]) - np.maximum(onset[low:high], middle)
        heard = np.maximum(early, 0) + SECOND_HALF * np.maximum(late, 0)
        if heard.sum() > 0:
            weights[k] = np.bincount(pitch[low:high] % 12, heard, 12)
            strong = heard > 0.2 * heard.max()
            bass[k] = pitch[low:high][strong].min() % 12
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=weights, where=total > 0), bass


def fits(weights: NDArray[np.float64], bass: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T, chords + 1): how well each chord says what sounds; last, that none does."""
    present = (weights > AUDIBLE).astype(float)
    inside = weights @ TONES.T
    absent = TONES.sum(1) - present @ TONES.T
    below = bass[:, None] == np.array([chord.root for chord in CHORDS])
    fit = inside - ABSENT * absent + ROOT_BELOW * below + np.array([PRIOR[chord.quality] for chord in CHORDS])
    silent = weights.sum(1) == 0
    fit[silent] = 0
    told = np.concatenate([fit, np.where(silent, 1.0, LOWEST_FIT)[:, None]], axis=1)
    told[present.sum(1) == 1] *= LONE_TONE
    return told


def cheapest(fit: NDArray[np.float64]) -> NDArray[np.int64]:
    """The path over beats with the best fit less the price of its changes."""
    best, back = fit[0], np.zeros(fit.shape, np.int64)
    for t in range(1, len(fit)):
        top = int(np.argmax(best))
        stays = best >= best[top] - CHANGE
        back[t] = np.where(stays, np.arange(fit.shape[1]), top)
        best = np.where(stays, best, best[top] - CHANGE) + fit[t]
    path = np.zeros(len(fit), np.int64)
    path[-1] = int(np.argmax(best))
    for t in range(len(fit) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path
