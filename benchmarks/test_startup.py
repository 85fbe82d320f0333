"""How long a user waits before anything happens, as a ratio over ``python -c pass``.

    python -m pytest -s benchmarks/test_startup.py

The three commands take turns; the smallest time of each counts, since everything else is other people's work.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 15
CASES = {  # arguments, most allowed over `python -c pass`
    "pass": (["-c", "pass"], 1.0),
    "import kelly": (["-c", "import kelly"], 2.0),
    "kelly --help": (["-m", "kelly", "--help"], 6.0),
}


@pytest.fixture(scope="module")
def best_s():
    """Seconds per case, the best of interleaved rounds."""
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(ROUNDS):
        for name, (arguments, _) in CASES.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            best[name] = min(best[name], time.perf_counter() - start)
    for name, seconds in best.items():
        print(f"\n{name:14} {seconds * 1e3:6.1f} ms  {seconds / best['pass']:4.1f} x", end="")
    print()
    return best


@pytest.mark.parametrize("name", [name for name in CASES if name != "pass"])
def test_startup_ratio(best_s, name):
    """Lazy public names and lazily imported commands keep both small."""
    assert best_s[name] / best_s["pass"] <= CASES[name][1]
