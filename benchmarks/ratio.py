"""Speed as ratios: candidates take turns in one process, and only calls nobody interrupted count.

Absolute times differ between machines and minutes; what two candidates take in the same milliseconds
does not.  Every result goes to ``benchmarks/history.jsonl`` with machine, engine and commit.
"""

from __future__ import annotations

import json
import platform
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kelly._rt.net.network import Network

recording = True  # --unrecorded switches it off
HISTORY = Path(__file__).with_name("history.jsonl")
RUSAGE = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
Before = Callable[[Callable[[], object]], object]
EVICT_BYTES = 64 << 20  # twice the last cache of the machines at hand
IDLE_S = 0.02
TRIES, SLICE_S = 4, 0.001
_others = np.ones(EVICT_BYTES // 8)  # not zeros: those would be one page of the system, many times over


def warm(call: Callable[[], object]) -> None:
    """The call finds the caches as it left them itself."""
    call()


def cold(call: Callable[[], object]) -> None:
    """The call finds the caches full of other people's numbers."""
    _others.sum()
    time.sleep(SLICE_S)


def idle(call: Callable[[], object]) -> None:
    """The call comes as in a live programme: 20 ms after the last one, and others have used the caches meanwhile."""
    time.sleep(IDLE_S / 2)
    _others.sum()
    time.sleep(IDLE_S / 2)


def over(rows: Sequence[tuple[Network, NDArray[np.float32], NDArray[np.float32]]]) -> tuple[Callable[[], None], Callable[[], None]]:
    """(run, read): one call of each (net, x, out), and one look at each net's weights."""

    def run() -> None:
        for net, x, out in rows:
            net.process(x, out)

    def read() -> None:
        for net, _, _ in rows:
            net.read_weights()

    return run, read


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int = 1000, calls: int = 1, before: Before | None = None
) -> dict[str, float]:
    """Median nanoseconds per call of each candidate.

    candidates  name -> function without arguments
    rounds      turns; every candidate is called in each
    calls       calls timed together, for functions that take less than the clock resolves
    before      called with the candidate ahead of every timed call: ``warm``, ``cold``, ``idle``; None: nothing
    returns     name -> p50 in ns over the calls during which the thread was not preempted
    """
    times: dict[str, list[int]] = {name: [] for name in candidates}
    clock, usage = time.perf_counter_ns, resource.getrusage
    for call in candidates.values():
        call()
    turns, order = list(candidates.items()), random.Random(0)
    for _ in range(rounds):
        order.shuffle(turns)  # nobody always runs in the caches that another has just filled or emptied
        for name, call in turns:
            for attempt in range(TRIES):
                if attempt:
                    time.sleep(SLICE_S)  # comes back with a time slice of its own
                if before is not None:
                    before(call)
                interrupted = usage(RUSAGE).ru_nivcsw
                start = clock()
                for _ in range(calls):
                    call()
                elapsed = clock() - start
                if usage(RUSAGE).ru_nivcsw == interrupted:
                    times[name].append(elapsed)
                    break
    for name, found in times.items():
        if len(found) < rounds // 10:
            raise RuntimeError(f"{name}: {rounds - len(found)} of {rounds} calls were interrupted; this machine is too busy")
    return {name: statistics.median(found) / calls for name, found in times.items()}


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str:
    """Short hash of the checkout, with a plus where files were changed; "" outside one."""
    root = Path(__file__).resolve().parents[1]
    git = ["git", "-C", str(root)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if found.returncode:
        return ""
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    files = [line for line in changed.stdout.splitlines() if not line.endswith("history.jsonl")]
    return found.stdout.strip() + ("+" if files else "")


def record(benchmark: str, numbers: Mapping[str, float], unit: str = "ns", **about: object) -> None:
    """Append one result to the history, unless --unrecorded was given.

    benchmark  its name
    numbers    candidate -> p50
    about      whatever else explains them, such as ``ratio=...``
    """
    if not recording:
        return
    from kelly import backend

    row = {
        "benchmark": benchmark,
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": processor(),
        "engine": backend(),
        "unit": unit,
        "p50": {name: round(value, 1) for name, value in numbers.items()},
        **about,
    }
    with HISTORY.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
