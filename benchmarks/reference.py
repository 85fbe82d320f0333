"""RTNeural's own figures, from programs that run it: ``KELLY_RTNEURAL_REFERENCE=eigen=PATH,xsimd=PATH`` (tests/reference).

A program speaks in whole runs; what one step takes is a run over many less a run over none, which pays for the
program's start and the reading of the model.
"""

from __future__ import annotations

import os
import subprocess
import time

import numpy as np

from kelly.nets.export import document_bytes
from tests.golden.refresh import programs
from tests.nets import document_of


def references() -> dict[str, str]:
    """Backend -> program; empty where none is named."""
    return programs(os.environ.get("KELLY_RTNEURAL_REFERENCE", ""))


def step_ns(program, layers, folder, steps, rounds=3):
    """Nanoseconds per step of RTNeural's run-time model, the least of some rounds."""
    path = folder / "model.json"
    path.write_bytes(document_bytes(document_of(layers)))
    x = np.random.default_rng(0).normal(0, 0.3, (steps, layers[0].in_size)).astype("<f4").tobytes()

    def run(data):
        begin = time.perf_counter_ns()
        subprocess.run([program, str(path)], input=data, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter_ns() - begin

    return (min(run(x) for _ in range(rounds)) - min(run(b"") for _ in range(rounds))) / steps
