"""Which performances of a set are two hands of one player, and what they can teach the dynamics net."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kelly.errors import DataError
from kelly.music.emotion import tension_from
from training.data.dynamics import INNER_VOICE, Array, Duet
from training.data.item import Item
from training.data.score import Score, read_score
from training.data.symbols import key_of, mood_at, on_beats, weights_of

HAND_S = 2.0  # the hands' border is that of the notes so far around
EVERY_S = 2.0  # a mood is judged so often
FEET_AND_SNARE = (*range(35, 42), 43, 45, 47, 48, 50)  # against cymbals and the rest
QUADRANTS = {1: (0.5, 0.5), 2: (-0.5, 0.5), 3: (-0.5, -0.5), 4: (0.5, -0.5)}
"""Valence and arousal in the middle of a quadrant, which is all that EMOPIA tells."""

DRUMMED = ("accent", "push", "jitter", "velocity_jitter")


def duets_of(item: Item) -> tuple[list[Duet], tuple[str, ...]]:
    """Each hand as kelly's, beside the other; and the answers that the set can teach, none for all that it has.

    item    of MAESTRO, ASAP, EMOPIA or Groove
    raises  DataError for a performance without two hands
    """
    score = read_score(item.score)
    if "meter" in item.labels:
        return drummed(score, item.labels["meter"]), DRUMMED
    marks = item.labels.get("beats")
    if marks is not None:
        score = on_beats(score, marks)
    moods, moods_s = moods_of(score, item.labels.get("quadrant"))
    low = left_hand(score.notes)
    pairs = [(score.notes[low], score.notes[~low]), (score.notes[~low], score.notes[low])]
    return [Duet(player, kelly, marks, moods, moods_s, pedal_s=score.pedal_s) for player, kelly in pairs], ()


def left_hand(notes: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which notes lie below the middle of what sounds within two seconds; nobody writes down the hands."""
    onset, pitch = notes["onset_s"], notes["pitch"].astype(float)
    times = np.arange(onset[0], onset[-1] + 1.0, 0.5)
    border = np.empty(len(times))
    for k, time in enumerate(times):
        low, high = np.searchsorted(onset, (time - HAND_S, time + HAND_S))
        near = pitch[low:high]
        border[k] = np.percentile(near, (15, 85)).mean() if len(near) else border[k - 1] if k else 60.0
    return pitch < np.interp(onset, times, border)


def moods_of(score: Score, quadrant: int | None) -> tuple[Array, NDArray[np.float64]]:
    """Valence, arousal, tension, intensity: of the quadrant that people chose, or by the cue regression over time."""
    if quadrant is not None:
        valence, arousal = QUADRANTS[quadrant]
        return np.array([[valence, arousal, tension_from(valence, arousal), np.hypot(valence, arousal)]], np.float32), np.zeros(1)
    _, mode = key_of(weights_of(score.notes))
    onsets = score.notes["onset_s"]
    times = np.arange(onsets[0], onsets[-1] + EVERY_S, EVERY_S)
    beats = np.interp(times, onsets, score.notes["onset_beat"])
    rows = np.stack([mood_at(score.notes, float(beat), mode)[:3] for beat in beats])
    return np.column_stack([rows, np.minimum(1, np.hypot(rows[:, 0], rows[:, 1]))]).astype(np.float32), times


def drummed(score: Score, meter: str) -> list[Duet]:
    """Feet and snare beside the cymbals and the reverse, on the click's beats.

    raises  DataError for a metre that is not in quarter notes
    """
    per_bar, _, unit = meter.partition("-")
    if unit != "4" or not per_bar.isdigit():
        raise DataError(f"is in {meter}; its click is not in quarter notes")
    notes = score.notes
    beat_s = 60 / score.tempo_bpm
    numbers = np.arange(int(np.ceil(notes["onset_beat"].max())) + 2)
    start_s = float(notes["onset_s"][0] - beat_s * notes["onset_beat"][0])
    beats = np.column_stack([start_s + beat_s * numbers, numbers % int(per_bar) == 0]).astype(float)
    struck = np.isin(notes["pitch"], FEET_AND_SNARE)
    moods, moods_s = np.zeros((1, 4), np.float32), np.zeros(1)
    return [Duet(notes[~kelly], notes[kelly], beats, moods, moods_s, INNER_VOICE, on_grid=True) for kelly in (struck, ~struck)]
