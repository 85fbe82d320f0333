"""A whole session under a preloaded guard: callback, worker and performer allocate, lock, wait and call nothing.

The production code runs unchanged while a Python thread burns the GIL: the callback is entered through
the guard, the two loops are watched from one of their timed sleeps to the next.  Planted fault: a
malloc in front of every callback, and a clock that allocates in the loops.
"""

import json
import sys

import pytest
from harness import HERE, compile_c, run

KINDS = ("allocations", "frees", "locks", "waits", "sleeps", "files", "python")
SECONDS = 3


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return compile_c("guard.c", tmp_path_factory.mktemp("guard") / "guard.so", "-O2", "-shared", "-fPIC")


def drive(guard, *words):
    done = run(
        sys.executable, HERE / "drive_session.py", guard, SECONDS, *words,
        LD_PRELOAD=str(guard), PYTHONPATH=str(HERE.parents[1]),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_session_does_nothing_forbidden_in_its_three_real_time_threads(guard, reliability):
    report = drive(guard)
    counts = {thread: sum(report[thread][kind] for kind in KINDS) for thread in ("callback", "worker", "performer")}
    turns = ", ".join(f"{report[thread]['turns']:,} turns of the {thread}" for thread in counts)
    reliability("allocations, locks, waits and Python in the real-time threads", f"{sum(counts.values())} in {turns}", not any(counts.values()))
    assert report["sink"] == "NativeSink"
    assert report["counters"]["performed_events"] > 20
    assert report["counters"]["dropped_frames"] == 0
    assert report["callback"]["turns"] == SECONDS * 48_000 // 128
    for thread in ("callback", "worker", "performer"):
        assert report[thread]["turns"] > 500, thread
        assert {kind: report[thread][kind] for kind in KINDS} == dict.fromkeys(KINDS, 0), thread


def test_a_users_hook_runs_in_the_worker_without_python(guard):
    """Compiled by Numba, called each network hop while another thread holds the GIL: still nothing forbidden."""
    report = drive(guard, "hook")
    assert report["counters"]["network_hops"] > SECONDS * 20
    assert report["counters"]["hook_faults"] == 0
    assert max(map(abs, report["embedding"])) > 0
    assert {kind: report["worker"][kind] for kind in KINDS} == dict.fromkeys(KINDS, 0)


def test_planted_allocations_are_counted_in_every_callback_and_in_both_loops(guard, reliability):
    report = drive(guard, "plant")
    seen, planted = report["callback"]["allocations"], report["callback"]["turns"]
    reliability("allocations, locks, waits and Python in the real-time threads", f"{seen:,} of {planted:,} planted were seen", seen == planted > 0)
    callback, worker, performer = (report[thread] for thread in ("callback", "worker", "performer"))
    assert callback["dirty"] == callback["turns"] == callback["allocations"] == SECONDS * 48_000 // 128
    assert performer["dirty"] == performer["turns"]
    assert worker["allocations"] >= report["counters"]["network_hops"]
