"""What an arithmetic costs in accuracy: the same network in exact float32 beside it, step by step.

thread  [main]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kelly.nets.json import Model
from kelly.nets.load import network_from

Array = NDArray[np.float32]

ALLOWED = {"fast": 1e-6, "int16": 1e-4, "int8": 2e-2}
LEAST_COSINE = 0.999
"""Of the five nets, after 1000 steps of what they hear in the demo."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One arithmetic against ``eigen``.

    input         where the steps come from: "demo" or "noise"
    steps         of them, from reset, the state going on
    worst_error   largest difference of any output at any step
    least_cosine  between the two answers, of all steps; None where an answer is 0 or not finite
    allowed       largest error that is promised; None where nothing is
    """

    input: str
    steps: int
    worst_error: float
    least_cosine: float | None
    allowed: float | None

    @property
    def ok(self) -> bool:
        if self.allowed is None:
            return True
        return self.worst_error <= self.allowed and (self.least_cosine is None or self.least_cosine >= LEAST_COSINE)


def accuracy(model: Model, arithmetic: str, x: Array, source: str) -> Accuracy:
    """Run both over ``x``.

    x       float32 (T, in), T >= 1
    source  what ``input`` will say; "demo" holds the network to ALLOWED
    """
    want, got = (network_from(model, name)(x).astype(np.float64) for name in ("eigen", arithmetic))
    error = float(np.abs(want - got).max())
    lengths = np.linalg.norm(want, axis=1) * np.linalg.norm(got, axis=1)
    known = bool(np.isfinite(lengths).all() and (lengths > 0).all())
    cosine = float(((want * got).sum(axis=1) / lengths).min()) if known else None
    return Accuracy(source, len(x), error, cosine, ALLOWED.get(arithmetic) if source == "demo" else None)
