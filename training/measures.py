"""Figures with their intervals, everybody's on the same frames.

All are means of per-step quantities, so each sequence gives a few sums, and a resample of the sequences (the pieces,
not the frames: frames of one piece are no independent witnesses) is a weighted sum of those sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Sums = NDArray[np.float64]
"""(sequences, quantities), or with resamples in front."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def as_list(self) -> list[float]:
        return [round(self.value, 5), round(self.low, 5), round(self.high, 5)]

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Bootstrap:
    """The same resamples of n sequences for everything that is compared.

    source  Efron & Tibshirani 1993, percentile intervals
    """

    def __init__(self, n: int, resamples: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.weights = rng.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float64)  # (R, n)

    def figure(self, sums: Sums, formula: Callable[[Sums], Sums]) -> Figure:
        """sums (n, Q); formula: (..., Q) -> (...)."""
        return self._interval(float(formula(sums.sum(0))), formula(self.weights @ sums))

    def gain(self, one: Sums, other: Sums, formula: Callable[[Sums], Sums]) -> Figure:
        """How much ``one`` has more than ``other``, resampled together."""
        value = float(formula(one.sum(0)) - formula(other.sum(0)))
        return self._interval(value, formula(self.weights @ one) - formula(self.weights @ other))

    @staticmethod
    def _interval(value: float, drawn: Sums) -> Figure:
        low, high = np.nanpercentile(drawn, (2.5, 97.5))
        return Figure(value, float(low), float(high))


def curve_sums(found: Sequence[Array], wanted: Sequence[Array], known: Sequence[Array]) -> Sums:
    """(n, 7): count, sums of y, y², x, x², xy, |x - y| of one index per sequence."""
    rows = []
    for x, y, w in zip(found, wanted, known, strict=True):
        x, y = x[w > 0].astype(np.float64), y[w > 0].astype(np.float64)
        rows.append((len(x), y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum(), np.abs(x - y).sum()))
    return np.array(rows, np.float64).reshape(-1, 7)


def r2(s: Sums) -> Sums:
    """0 where the truth never changes."""
    n, y, yy, _, xx, xy = (s[..., i] for i in range(6))
    spread = yy - y * y / np.maximum(n, 1)
    flat = spread <= 1e-9 * np.maximum(yy, 1e-9)
    return np.where(flat, 0, 1 - (yy - 2 * xy + xx) / np.where(flat, 1, spread))


def rmse(s: Sums) -> Sums:
    n, _, yy, _, xx, xy = (s[..., i] for i in range(6))
    return np.sqrt(np.maximum(yy - 2 * xy + xx, 0) / np.maximum(n, 1))


def ccc(s: Sums) -> Sums:
    """source  Lin 1989: 2 cov / (var x + var y + (mean x - mean y)²)"""
    n, y, yy, x, xx, xy = (s[..., i] for i in range(6))
    n = np.maximum(n, 1)
    mx, my = x / n, y / n
    return 2 * (xy / n - mx * my) / np.maximum(xx / n - mx**2 + yy / n - my**2 + (mx - my) ** 2, 1e-12)


def mae(s: Sums) -> Sums:
    return s[..., 6] / np.maximum(s[..., 0], 1)


def mean(s: Sums) -> Sums:
    """Of (n, 2): a sum and a count."""
    return s[..., 0] / np.maximum(s[..., 1], 1)


def pair_sums(values: Sequence[Array], counted: Sequence[Array]) -> Sums:
    """(n, 2): sum of the counted values and how many, per sequence."""
    return np.array([(v[c > 0].sum(dtype=np.float64), (c > 0).sum()) for v, c in zip(values, counted, strict=True)], np.float64).reshape(-1, 2)


def cosine(found: Array, wanted: Array, known: Array) -> Array:
    """(T,) similarity of answer and truth over the known indices; 0 where nothing is known."""
    x, y = found * (known > 0), wanted * (known > 0)
    return (x * y).sum(1) / np.maximum(np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1), 1e-9)
