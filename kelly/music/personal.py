"""Mood as one player means it: a map of what the recognizer says to what that player calls it.

Few recordings tell little, so the map is drawn towards leaving things as they are; the offset alone is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kelly.music.emotion import tension_from

Array = NDArray[np.floating]

MOODS: Mapping[str, tuple[float, float]] = {"happy": (0.6, 0.5), "sad": (-0.6, -0.5), "angry": (-0.5, 0.6), "calm": (0.5, -0.6)}
"""What a player is asked to play: valence and arousal."""

SAME = 0.25
"""How much, in units of the spread between the moods, the map is drawn to the identity."""


def targets(mood: tuple[float, float]) -> tuple[float, float, float]:
    """Valence, arousal, and the tension that follows from them."""
    return (*mood, tension_from(*mood))


def fit(heard: Array, wanted: Array, weights: Array | None = None) -> NDArray[np.float64]:
    """The map (3, 4) from rows of (valence, arousal, tension, 1) to what they were meant to be.

    heard    (n, 3) as the recognizer says, n >= 2
    wanted   (n, 3) as the player means it
    weights  (n,) of the rows; None: all alike
    raises   ValueError for fewer than two rows
    source   ridge regression towards the identity, the offset unpenalised
    """
    if len(heard) < 2 or heard.shape != wanted.shape:
        raise ValueError(f"expected two rows or more of both, found {heard.shape} and {wanted.shape}")
    w = np.ones(len(heard)) if weights is None else np.asarray(weights, float)
    w = w / w.sum()
    middle, meant = w @ heard, w @ wanted
    x, y = heard - middle, wanted - meant - (heard - middle)  # what the identity leaves
    cross, own = (x * w[:, None]).T @ y, (x * w[:, None]).T @ x
    gains = np.eye(3) + np.linalg.solve(own + SAME * max(np.trace(own) / 3, 0.01) * np.eye(3), cross).T
    gains = np.clip(gains, -3, 3)
    return np.column_stack([gains, np.clip(meant - gains @ middle, -3, 3)])


def applied(rows: Array, personal: Array) -> NDArray[np.float64]:
    """(n, 3) by the map, within -1..1, as the engine does it."""
    return np.clip(rows @ personal[:, :3].T + personal[:, 3], -1, 1)


def ordered(said: Mapping[str, Array], moods: Mapping[str, tuple[float, float]]) -> tuple[int, int]:
    """How many pairs of windows of two moods have valence and arousal the right way round, of how many.

    said   (n, 3) per mood
    moods  valence and arousal that each was meant to have; a pair counts on an axis where the two differ by .3
    """
    right = total = 0
    for one, other in combinations(said, 2):
        for axis in (0, 1):
            if abs(apart := moods[one][axis] - moods[other][axis]) >= 0.3:
                differences = (said[one][:, None, axis] - said[other][None, :, axis]) * np.sign(apart)
                right += int((differences > 0).sum())
                total += differences.size
    return right, total


def nearest(said: Mapping[str, Array], moods: Mapping[str, tuple[float, float]]) -> tuple[int, int]:
    """How many windows lie nearest to their own mood in the plane of valence and arousal, of how many."""
    names = list(moods)
    points = np.array([moods[name] for name in names])
    right = total = 0
    for mood, rows in said.items():
        which = ((rows[:, None, :2] - points) ** 2).sum(-1).argmin(1)
        right += int((which == names.index(mood)).sum())
        total += len(rows)
    return right, total
