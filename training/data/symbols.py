"""Key, mood and grid of a score, as far as its notes tell.

source  key profiles: Temperley 2007, Kostka-Payne corpus; mood: ``kelly.music.emotion``
"""

from __future__ import annotations

from math import log2

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING
from kelly.music.emotion import Cues, mood_from_cues
from training.data.score import DRUMS, Score

PROFILES = np.array([
    [0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400],
    [0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330],
])  # fmt: skip
LAST_BASS = 0.15  # of a correlation
MEMORY_BEATS = 16  # of the notes by which a mood is judged


def pitched(score: Score) -> NDArray[np.void]:
    """The notes without drums."""
    return score.notes[score.notes["channel"] != DRUMS]


def chroma(pitches: NDArray[np.integer], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """(12,) weight per pitch class, sum 1; zeros without notes."""
    sums = np.bincount(pitches % 12, weights=weights, minlength=12)
    return sums / sums.sum() if sums.sum() > 0 else sums


def key_of(weights: NDArray[np.floating]) -> tuple[int, int]:
    """(tonic, 1 major | -1 minor) whose profile correlates best with a chroma."""
    best = max((np.corrcoef(weights, np.roll(profile, tonic))[0, 1], tonic, mode) for profile, mode in zip(PROFILES, (1, -1), strict=True) for tonic in range(12))
    return best[1], best[2]


def weights_of(notes: NDArray[np.void]) -> NDArray[np.float64]:
    """(12,) chroma of notes by their length in beats."""
    return chroma(notes["pitch"], notes["end_beat"] - notes["onset_beat"])


def mode_of(weights: NDArray[np.floating], tonic: int) -> int:
    """1 major or -1 minor on a tonic that is known."""
    major, minor = (np.corrcoef(weights, np.roll(profile, tonic))[0, 1] for profile in PROFILES)
    return 1 if major >= minor else -1


def key_with_end(notes: NDArray[np.void]) -> tuple[int, int]:
    """``key_of`` all notes, where a tonic that is also the last bass note wins over one that fits little better."""
    weights = weights_of(notes)
    ending = notes[notes["end_beat"] > notes["end_beat"].max() - 0.5]
    last = int(ending["pitch"].min()) % 12
    fits = [(np.corrcoef(weights, np.roll(profile, tonic))[0, 1] + LAST_BASS * (tonic == last), tonic, mode)
            for profile, mode in zip(PROFILES, (1, -1), strict=True) for tonic in range(12)]  # fmt: skip
    return max(fits)[1:]


def mood_at(notes: NDArray[np.void], beat: float, mode: int) -> NDArray[np.float32]:
    """Embedding (64,) by the notes of the last bars before a beat; what notes cannot tell is 0, unknown."""
    row = np.zeros(EMBEDDING.size, np.float32)
    row[EMBEDDING["mode"].start] = mode
    low, high = np.searchsorted(notes["onset_beat"], (beat - MEMORY_BEATS, beat))
    heard = notes[low:high]
    if len(heard) < 2:
        return row
    rate = len(heard) / max(0.5, heard["onset_s"][-1] - heard["onset_s"][0])
    pitch = float(heard["pitch"].mean())
    mood = mood_from_cues(Cues(mode=mode, log2_rate=log2(rate), pitch=pitch))
    told = {
        "valence": mood.valence, "arousal": mood.arousal, "tension": mood.tension,
        "density": (log2(rate) - 1.5) / 2, "register": (pitch - 66) / 24,
    }  # fmt: skip
    for name, value in told.items():
        row[EMBEDDING[name].start] = np.clip(value, -1, 1)
    return row


def on_beats(score: Score, beats: NDArray[np.floating]) -> Score:
    """The same notes placed on annotated beats (n, 2), of which the first downbeat becomes beat 0."""
    first = int(np.argmax(beats[:, 1] > 0))
    numbers = np.arange(len(beats)) - first
    notes = score.notes.copy()
    for edge in ("onset", "end"):
        notes[f"{edge}_beat"] = np.interp(notes[f"{edge}_s"], beats[:, 0], numbers)
    inside = (notes["onset_s"] >= beats[0, 0]) & (notes["onset_s"] < beats[-1, 0])
    return Score(notes[inside], score.tracks, score.meter, score.changes, score.pedal_s)
