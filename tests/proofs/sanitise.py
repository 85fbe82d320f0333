"""A build whose every load, store and sum is watched, and the tests of what runs without Python's own checks.

    python -m tests.proofs.sanitise [pytest's arguments]

A copy of the tree is compiled with gcc's AddressSanitizer and UndefinedBehaviorSanitizer below ``build/sanitised`` and
runs the tests of readers, networks and stream there; the first finding ends the process.  Leaks are not looked for:
Python keeps much until its end.  Plans that lie about their own sizes prove first that the build sees anything at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "sanitised"
COPIED = ("kelly", "models", "tests", "setup.py", "pyproject.toml", "README.md")
BUILT = ("*.so", "*.c", "__pycache__")
SANITISERS = "address,undefined"
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=97",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=97",
    "KELLY_FUZZ_CASES": "5000",
    "PYTHONMALLOC": "malloc",  # so that objects lie on the watched heap too
}
FOUND = 97
TESTS = (
    "tests/unit/test_load.py", "tests/unit/test_plan.py", "tests/unit/test_model_errors.py", "tests/unit/test_cache.py",
    "tests/unit/test_model_sound.py", "tests/unit/test_model_hostile.py",
    "tests/contract/test_engine.py", "tests/contract/test_quantised.py", "tests/golden/test_golden.py",
    "tests/property/test_network.py", "tests/property/test_scan.py", "tests/property/test_model_fuzz.py", "tests/property/test_sweep.py",
    "tests/property/test_ring_threads.py", "tests/unit/test_ring.py", "tests/unit/test_capture.py", "tests/unit/test_features.py",
    "tests/unit/test_features_mel.py", "tests/unit/test_features_chroma.py", "tests/unit/test_features_onset.py", "tests/unit/test_tracker.py",
    "tests/unit/test_tracker_beat.py", "tests/unit/test_tracker_chords.py", "tests/unit/test_tracker_key.py",
    "tests/unit/test_rules.py", "tests/unit/test_worker.py", "tests/unit/test_performer.py", "tests/unit/test_pipeline.py",
    "tests/unit/test_blocks.py", "tests/unit/test_switched_engine.py", "tests/unit/test_native_midi.py",
)  # fmt: skip

PLANTED = """
import dataclasses, sys
import numpy as np
from kelly._rt.net.layers import COLUMNS
from kelly._rt.net.network import Network
from kelly._rt.net.plan import build_plan
from tests.nets import random_layer
plan = build_plan([random_layer("dense", 40, 300, np.random.default_rng(0))])
table = plan.table.copy()
if sys.argv[1] != "none":
    table[0, COLUMNS.index("w")] = {"reach": plan.weights_size - 16, "far": 1 << 61}[sys.argv[1]]
print(Network(dataclasses.replace(plan, table=table))(np.ones(40))[:3])
"""
"""A plan whose matrix lies partly behind its arena, and one whose offset no pointer can hold."""


def library(name: str) -> str:
    """Path of a gcc runtime library."""
    done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def environment() -> dict[str, str]:
    return {**os.environ, **OPTIONS, "LD_PRELOAD": library("libasan.so"), "PYTHONPATH": str(PLACE)}


def build() -> None:
    """Copy and compile; what is unchanged since the last time is not compiled again."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, PLACE / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*BUILT, "models" if name == "kelly" else ""))
        else:
            shutil.copy2(source, target)
    link = PLACE / "kelly" / "models"
    if not link.exists():
        link.symlink_to("../models")
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=PLACE, check=True,
        env={**os.environ, "KELLY_SANITISE": SANITISERS}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def planted(fault: str) -> subprocess.CompletedProcess[str]:
    """The finished process of a network with this fault, "none" for the sound one."""
    return subprocess.run([sys.executable, "-c", PLANTED, fault], cwd=PLACE, env=environment(), capture_output=True, text=True, check=False)


def tests(*arguments: str) -> int:
    """Exit status of pytest over TESTS in the watched build."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=3", *(arguments or TESTS)]
    return subprocess.run(command, cwd=PLACE, env=environment(), check=False).returncode


def main() -> int:
    build()
    for fault, words in (("reach", "heap-buffer-overflow"), ("far", "runtime error")):
        done = planted(fault)
        if done.returncode != FOUND or words not in done.stderr:
            print(f"the planted fault {fault!r} was not seen:\n{done.stderr}", file=sys.stderr)
            return 1
    if planted("none").returncode:
        print(planted("none").stderr, file=sys.stderr)
        return 1
    return tests(*sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
