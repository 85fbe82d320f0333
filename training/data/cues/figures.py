"""What a corpus is worth before anything is trained on it: ``python -m training.data.cues.figures PATH``.

Shares and correlations of its moods, how far pieces and their twins lie apart, and the linear baseline: ridge from one
row of features to valence, arousal and tension, fitted on training clips and scored on the held-out ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, FEATURES, N_MEL
from training.data.cues import load
from training.data.item import Collection, Item

Array = NDArray[np.float32]
EVERY = 12  # rows: half a second apart
RIDGE = 30.0
TARGETS = ("valence", "arousal", "tension")
QUIET = -0.1  # no band above this: nothing is heard, and nothing is asked


def rows_of(items: list[Item]) -> tuple[Array, Array]:
    """(N, 128) features and (N, 3) targets, half a second apart, where something is heard and rated."""
    x, y = [], []
    at = [EMBEDDING[name].start for name in TARGETS]
    for item in items:
        features, answers = (np.load(item.labels[kind]).astype(np.float32) for kind in ("features", "answers"))
        known = np.isfinite(answers[:, at]).all(axis=1) & (features[:, :N_MEL] > QUIET).any(axis=1)
        rows = np.flatnonzero(known)[::EVERY]
        x.append(features[rows])
        y.append(answers[np.ix_(rows, at)])
    return np.concatenate(x), np.concatenate(y)


def ridge(train: tuple[Array, Array], held: tuple[Array, Array], columns: slice) -> Array:
    """R2 (3,) of a ridge regression on some of the features."""
    (x, y), (x_held, y_held) = train, held
    x, x_held = x[:, columns], x_held[:, columns]
    mean, spread = x.mean(0), x.std(0) + 1e-6
    x, x_held = (x - mean) / spread, (x_held - mean) / spread
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    missed = ((x_held @ weights + y.mean(0) - y_held) ** 2).sum(0)
    return 1 - missed / ((y_held - y_held.mean(0)) ** 2).sum(0)


def twins(found: Collection) -> Array:
    """Mean valence of each major piece less that of its minor twin, raters' noise taken out."""
    by_song: dict[str, list[Item]] = {}
    for item in found.items:
        if item.labels["kind"] in ("pair", "twin"):
            by_song.setdefault(item.song, []).append(item)
    apart = []
    for pair in by_song.values():
        if len(pair) == 2:
            means = [float(np.nanmean(np.load(item.labels["answers"])[:, EMBEDDING["valence"].start].astype(float))) - item.labels["noise"][0] for item in pair]
            apart.append((means[0] - means[1]) * pair[0].labels["keys"][0][3])
    return np.array(apart, np.float32)


def report(found: Collection) -> str:
    """The figures as text."""
    split = {name: rows_of([item for item in found.items if item.split == name]) for name, n in found.counts().items() if n}
    mood = np.concatenate([y for _, y in split.values()])
    table = np.corrcoef(mood.T)
    shares = np.bincount(2 * (mood[:, 0] > 0) + (mood[:, 1] > 0), minlength=4) / len(mood)
    apart = twins(found)
    lines = [
        f"{len(found.items):,} clips, {sum(item.end_s or 0 for item in found.items) / 3600:.1f} hours",
        f"correlations   V-A {table[0, 1]:.2f}  V-T {table[0, 2]:.2f}  A-T {table[1, 2]:.2f}",
        f"quadrants      V- A- {shares[0]:.2f}  V- A+ {shares[1]:.2f}  V+ A- {shares[2]:.2f}  V+ A+ {shares[3]:.2f}",
        f"twins          {len(apart)}; major above minor by .3 or more in {np.mean(apart >= 0.3):.2f}, median {np.median(apart):.2f}" if len(apart) else "twins          none",
    ]
    for name in ("validation", "test"):
        if name in split and "train" in split:
            for what, columns in (("mel bands", FEATURES.slice("mel")), ("descriptors", slice(N_MEL, None)), ("both", slice(None))):
                scores = "  ".join(f"{target[0].upper()} {score:.2f}" for target, score in zip(TARGETS, ridge(split["train"], split[name], columns), strict=True))
                lines.append(f"ridge, {name:10} {what:11}  R2  {scores}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(load(Path(sys.argv[1]))))
