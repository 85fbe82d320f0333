"""Both compilers build everything without a warning, and clang's build computes the recorded floats."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from tests.architecture.checkout import run

pytestmark = pytest.mark.slow  # compiles every extension anew: minutes on two cores
WARNINGS = "-Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers"  # the last two: Cython's own tables


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_builds_without_a_warning_and_to_the_same_bits(checkout, compiler):
    """-Wall -Wextra -Werror; then the goldens, to the last bit."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    for built in [*checkout.rglob("*.so"), *checkout.rglob("build")]:
        shutil.rmtree(built) if built.is_dir() else built.unlink()
    env = {**os.environ, "CC": compiler, "CFLAGS": WARNINGS}
    run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", cwd=checkout, env=env)
    assert list((checkout / "kelly").rglob("*.so"))
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/golden", cwd=checkout)
