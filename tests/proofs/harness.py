"""Tools for the proofs: compile a few lines of C against the real-time headers, and run them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
STREAM = HERE.parents[1] / "kelly" / "_rt" / "stream"

PACKAGES = {
    "gcc": "gcc",
    "valgrind": "valgrind",
    "clang-22": "clang-22 libclang-rt-22-dev",
    "setarch": "util-linux",
    "jackd": "jackd2",
}
"""Debian packages of what the proofs call."""


def tool(name):
    """Path of a program.  Without it a proof is skipped at a desk, and fails where ``CI`` is set."""
    path = shutil.which(name)
    if path is None:
        answer = pytest.fail if os.environ.get("CI") else pytest.skip
        answer(f"{name} is missing: apt install {PACKAGES[name]}")
    return path


def run(*command, timeout_s=600, **environment):
    """The finished process, its output as text."""
    env = {**os.environ, **environment}
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout_s, env=env)


def classic_layout():
    """Command prefix for ThreadSanitizer, which wants addresses where kernels used to put them; [] where that is refused."""
    prefix = [tool("setarch"), "-R"]
    return prefix if run(*prefix, "true").returncode == 0 else []  # some containers forbid it, and may not need it


def compile_c(source, program, *flags, compiler="gcc", headers=STREAM):
    """Compile tests/proofs/<source> into ``program``; warnings are errors."""
    done = run(
        tool(compiler), "-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", *flags, f"-I{headers}",
        HERE / source, "-o", program, "-lpthread", "-ldl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program
