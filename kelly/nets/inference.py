"""A network under four kinds of input: silence, noise, loud, loud and negative.

thread  [main]
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kelly.nets.json import read_model
from kelly.nets.load import network_from
from kelly.whole import whole

STEPS = 64
INPUTS = {"zero": (0.0, 0.0), "normal": (0.0, 1.0), "large": (1e3, 1e2), "negative": (-1e3, 1e2)}
"""Mean and spread of what is fed."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of input.

    shape       of the answer; ``finite`` whether every value is; lowest and highest of those that are
    latency_us  median of one step
    resets      a second run from reset gives the same bits
    """

    input: str
    shape: tuple[int, ...]
    finite: bool
    lowest: float
    highest: float
    latency_us: float
    resets: bool

    @property
    def ok(self) -> bool:
        return self.finite and self.resets


def try_inference(path: str | os.PathLike[str], arithmetic: str = "eigen", seed: int = 0) -> list[Trial]:
    """Feed a model 64 steps of each kind of INPUTS, from reset.

    raises  ModelError, BackendUnavailableError
    """
    network = network_from(read_model(path), arithmetic)
    rng, trials = np.random.default_rng(seed), []
    for name, (mean, spread) in INPUTS.items():
        x = (mean + spread * rng.standard_normal((STEPS, network.in_size))).astype(np.float32)
        network.reset()
        y, times = np.empty((STEPS, network.out_size), np.float32), []
        for row, answer in zip(x, y, strict=True):
            start = time.perf_counter_ns()
            network.process(row, answer)
            times.append(time.perf_counter_ns() - start)
        network.reset()
        again = network(x)
        known = y[np.isfinite(y)]
        trials.append(
            Trial(
                name, y.shape, bool(np.isfinite(y).all()), float(known.min(initial=np.inf)), float(known.max(initial=-np.inf)),
                float(np.median(times)) / 1e3, bool(np.array_equal(y, again, equal_nan=True)),
            )
        )  # fmt: skip
    return trials


def save_results(path: str | os.PathLike[str], schema: str, payload: Mapping[str, Any]) -> Path:
    """The results as a JSON file, which appears whole or not at all."""
    with whole(path) as place:
        place.write_text(json.dumps({"schema": schema, **payload}, indent=2, default=str) + "\n", encoding="utf-8")
    return Path(path)


def as_json(trials: list[Trial]) -> list[dict[str, Any]]:
    """Plain values; a range nobody reached is null."""
    rows = []
    for trial in trials:
        row = {"ok": trial.ok, **asdict(trial)}
        row |= {name: value if np.isfinite(value) else None for name, value in row.items() if name in ("lowest", "highest")}
        rows.append(row)
    return rows
