"""What a net has to beat: answers that need no net, fitted on the same training pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import DYNAMICS_IN, net_spec
from kelly._rt.stream.rules import Rule
from training.sequences import Piece, Scale

Array = NDArray[np.float32]
Answers = Callable[[Piece, Array], Array]
"""(piece, x (T, I)) -> (T, O)."""

RIDGES = (1e1, 1e2, 1e3, 1e4, 1e5)


def mean_answer(scale: Scale) -> Answers:
    """Always the mean."""
    return lambda piece, x: np.broadcast_to(scale.answer, (len(x), len(scale.answer)))


def rule(net: str) -> Answers:
    """kelly's own fallback, from reset."""
    engine = Rule(net)

    def answer(piece: Piece, x: Array) -> Array:
        engine.reset()
        return engine(x)

    return answer


class Ridge:
    """Linear in the inputs of the same step, one regression per index over the rows where it is known.

    The strength is chosen on the choosing pieces.
    """

    def __init__(self, net: str, pieces: Sequence[Piece], choosing: Sequence[Piece], scale: Scale) -> None:
        spec = net_spec(net)
        self.scale, n = scale, spec.input.size
        self.inverse = np.where(scale.spread > 0, 1 / np.maximum(scale.spread, 1e-9), 0)
        groups = _index_groups(pieces, spec.output.size)
        self.weights = np.zeros((n + 1, spec.output.size))
        sums = {group: (np.zeros((n + 1, n + 1)), np.zeros((n + 1, len(group)))) for group in groups}
        for piece in pieces:
            x, y, mask = piece.part()
            z = self._rows(x)
            for group, (a, b) in sums.items():
                w = mask[:, group[0]] > 0
                if w.any():
                    a += z[w].T @ z[w]
                    b += z[w].T @ y[w][:, list(group)]
        tests = [piece.part() for piece in choosing]
        for group, (a, b) in sums.items():
            best = np.inf
            for strength in RIDGES:
                penalty = strength * np.eye(n + 1)
                penalty[n, n] = 0  # the mean is not held back
                weights = np.linalg.solve(a + penalty + 1e-6 * np.eye(n + 1), b)
                error = sum(float((((self._rows(x) @ weights) - y[:, list(group)])[mask[:, group[0]] > 0] ** 2).sum()) for x, y, mask in tests)
                if error < best:
                    best = error
                    self.weights[:, list(group)] = weights

    def _rows(self, x: Array) -> NDArray[np.float64]:
        return np.concatenate([(x - self.scale.mean) * self.inverse, np.ones((len(x), 1))], 1).astype(np.float64)

    def __call__(self, piece: Piece, x: Array) -> Array:
        return (self._rows(x) @ self.weights).astype(np.float32)


def _index_groups(pieces: Sequence[Piece], size: int) -> list[tuple[int, ...]]:
    """Indices that are known on the same rows."""
    seen: dict[bytes, list[int]] = {}
    marks = [piece.part()[2] > 0 for piece in pieces]
    for index in range(size):
        column = b"".join(np.packbits(mark[:, index]).tobytes() for mark in marks)
        if any(column):
            seen.setdefault(column, []).append(index)
    return [tuple(group) for group in seen.values()]


class GroupMeans:
    """The mean per (style, step): what a table knows that is told the style by name.

    step  of a bar for the groove net's bars (the index itself says it), of the metre for dynamics
    """

    def __init__(self, net: str, pieces: Sequence[Piece], scale: Scale) -> None:
        self.net, self.scale = net, scale
        totals: dict[tuple[str, int], list[NDArray[np.float64]]] = {}
        for piece in pieces:
            x, y, mask = piece.part()
            steps = self._steps(x)
            for step in np.unique(steps):
                here = steps == step
                for key in ((self._style(piece), int(step)), ("", int(step))):
                    total = totals.setdefault(key, [np.zeros(y.shape[1]), np.zeros(y.shape[1])])
                    total[0] += (y[here] * mask[here]).sum(0)
                    total[1] += mask[here].sum(0)
        self.means = {key: np.where(n > 0, s / np.maximum(n, 1), scale.answer) for key, (s, n) in totals.items()}

    @staticmethod
    def _style(piece: Piece) -> str:
        return str(piece.item.labels.get("style", "-"))

    def _steps(self, x: Array) -> NDArray[np.int64]:
        if self.net != "dynamicsengine":
            return np.zeros(len(x), np.int64)
        beat = x[:, DYNAMICS_IN.slice("beat_in_bar")].argmax(1)
        return beat * 8 + np.rint(4 * x[:, DYNAMICS_IN["metrical_weight"].start]).astype(np.int64)

    def __call__(self, piece: Piece, x: Array) -> Array:
        style, out = self._style(piece), np.empty((len(x), len(self.scale.answer)), np.float32)
        for t, step in enumerate(self._steps(x)):
            out[t] = self.means.get((style, int(step)), self.means.get(("", int(step)), self.scale.answer))
        return out


class Ngram:
    """Next symbol from the ``order - 1`` before it, each order leaning on the one below.

    source  interpolation with a fixed weight per order (Dirichlet smoothing, MacKay & Peto 1995), chosen on the
            choosing sequences
    """

    WEIGHTS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)

    def __init__(self, order: int, size: int, told: Sequence[Sequence[int]], choosing: Sequence[Sequence[int]]) -> None:
        self.order, self.size, self.weight = order, size, self.WEIGHTS[0]
        self.counts: list[dict[tuple[int, ...], Counter[int]]] = [{} for _ in range(order)]
        for symbols in told:
            for t, symbol in enumerate(symbols):
                for n in range(order):
                    self.counts[n].setdefault(self._past(symbols, t, n), Counter())[symbol] += 1
        self.totals = [{past: sum(counter.values()) for past, counter in table.items()} for table in self.counts]
        best = np.inf
        for weight in self.WEIGHTS:
            previous, self.weight = self.weight, weight
            nats = sum(-np.log(max(self.distribution(symbols, t)[symbols[t]], 1e-12)) for symbols in choosing for t in range(len(symbols)))
            if nats < best:
                best = nats
            else:
                self.weight = previous

    @staticmethod
    def _past(symbols: Sequence[int], t: int, n: int) -> tuple[int, ...]:
        return tuple(symbols[t - k] if t - k >= 0 else -1 for k in range(n, 0, -1))

    def distribution(self, symbols: Sequence[int], t: int) -> NDArray[np.float64]:
        """(size,) of symbol t given those before."""
        out = np.full(self.size, 1 / self.size)
        for n in range(self.order):
            past = self._past(symbols, t, n)
            out *= self.weight
            for symbol, count in self.counts[n].get(past, {}).items():
                out[symbol] += count
            out /= self.totals[n].get(past, 0) + self.weight
        return out
