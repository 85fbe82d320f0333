"""What the conductor costs: microseconds of Python per 40 ms tick, the rules answering for the nets.

    python -m pytest -s benchmarks/test_conductor.py

The conductor is the only Python on the way from sound to notes; 2 % of a core is 800 us per tick.
"""

from __future__ import annotations

import time

import pytest

from kelly.generate.conductor import Conductor
from kelly.generate.settings import ConductorSettings
from tests.synthetic import engines, ticks

LIMIT_US = 800.0
ROUNDS = 5
CASES = {
    "calm, 70 bpm": {"tempo_bpm": 70.0, "mood": (0.2, -0.7, -0.4), "level": 0.3},
    "medium, 120 bpm": {"tempo_bpm": 120.0},
    "wild, 200 bpm": {"tempo_bpm": 200.0, "mood": (0.3, 0.9, 0.5), "level": 0.9, "notes_per_s": 5.0},
}


@pytest.mark.parametrize("name", CASES)
def test_a_tick_costs_less_than_two_percent_of_a_core(name):
    stream = list(ticks(20.0, **CASES[name]))
    best, worst = float("inf"), 0.0
    for _ in range(ROUNDS):
        conductor, slowest = Conductor(48000, ConductorSettings(), engines()), 0.0
        start = time.process_time()
        for tick in stream:
            before = time.perf_counter()
            conductor.consume(tick)
            slowest = max(slowest, time.perf_counter() - before)
        best = min(best, (time.process_time() - start) / len(stream))
        worst = max(worst, slowest)
    print(f"\n{name:16} {best * 1e6:6.1f} us per tick = {best / 0.04:.2%} of a core; slowest tick {worst * 1e3:.2f} ms")
    assert best * 1e6 < LIMIT_US
