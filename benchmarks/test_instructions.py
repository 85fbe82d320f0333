"""Instructions per multiplication, counted by Valgrind: the same number on a busy machine, and on every run.

    python -m pytest -s -m '' benchmarks/test_instructions.py

A loop that the compiler no longer vectorises, or a copy too many, shows here although no clock runs.  Valgrind knows no
AVX-512, so AVX2 and SSE2 are counted; of the counted process only ``Network.process`` is looked at.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ratio import record
from benchmarks.test_nets import NAMES
from kelly._rt.net.network import available_isas
from tests.nets import golden_specs
from tests.proofs.harness import tool

ROOT = Path(__file__).resolve().parents[1]
CALLS = 5
MUST = {  # instructions per multiplication, the whole pipeline: kernels, activations, the way in from Python
    ("avx2", "eigen"): 0.52, ("avx2", "int16"): 0.60, ("avx2", "int8"): 0.40, ("sse2", "eigen"): 1.20,
}  # fmt: skip
DEFAULT = ("avx2", "eigen")  # counting takes ten seconds a row
PROGRAM = f"""
import sys
from benchmarks.test_quantised import pipeline
run = pipeline(sys.argv[1])[0]
for _ in range({CALLS}):
    run()
"""


@pytest.mark.parametrize(
    ("isa", "arithmetic"), [pytest.param(*row, marks=[pytest.mark.slow] * (row != DEFAULT), id="-".join(row)) for row in MUST]
)
def test_instructions_per_multiplication(isa, arithmetic):
    """One call of each of the five nets."""
    if isa not in available_isas():
        pytest.skip(f"this processor does not run {isa}")
    command = [
        tool("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
        "--toggle-collect=*Network_*process*", sys.executable, "-c", PROGRAM, arithmetic,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "KELLY_RT_ISA": isa}, capture_output=True, text=True, check=True)
    counted = int(re.search(r"Collected : (\d+)", done.stderr)[1])
    products = sum(array.size for name in NAMES for layer in golden_specs(name) for array in layer.weights if array.ndim > 1)
    per_product = counted / CALLS / products
    print(f"\n{isa} {arithmetic}: {counted // CALLS} instructions per pipeline, {per_product:.3f} per multiplication")
    record(f"instructions/{isa} {arithmetic}", {"pipeline": counted / CALLS}, unit="instructions", per_product=round(per_product, 4))
    assert per_product <= MUST[isa, arithmetic]
