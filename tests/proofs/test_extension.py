"""ThreadSanitizer over the built extension: the same modules, compiled with it, under Python's threads.

Planted fault: the memory order weakened in the ring that all of them share.
"""

import shutil
import subprocess
import sys
import sysconfig

import pytest
from harness import HERE, STREAM, classic_layout, run, tool

MODULES = ("ring", "capture", "performer")
RACE = 66


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """package(order) -> a folder with a kelly whose ring, capture and performer are compiled with TSan."""

    def make(weaken=None):
        root = tmp_path_factory.mktemp("tsan")
        sources = root / "c"
        sources.mkdir()
        for header in STREAM.glob("*.h"):
            text = header.read_text()
            (sources / header.name).write_text(text.replace(f"memory_order_{weaken}", "memory_order_relaxed"))
        shutil.copytree(STREAM.parents[1], root / "kelly", ignore=shutil.ignore_patterns("*.c", "__pycache__", "models"))
        suffix, compilers = sysconfig.get_config_var("EXT_SUFFIX"), []
        for module in MODULES:
            shutil.copy(STREAM / f"{module}.c", sources)  # as the build in place left it
            target = root / "kelly" / "_rt" / "stream" / f"{module}{suffix}"
            flags = ["-shared", "-fPIC", "-g1", "-O0", "-w", "-fsanitize=thread", f"-I{sysconfig.get_paths()['include']}"]
            compilers.append(subprocess.Popen([tool("gcc"), *flags, str(sources / f"{module}.c"), "-o", str(target)]))
        assert [compiler.wait(1800) for compiler in compilers] == [0] * len(MODULES)
        return root

    return make


def drive(root):
    library = run(tool("gcc"), "-print-file-name=libtsan.so").stdout.strip()
    return run(
        *classic_layout(), sys.executable, HERE / "drive_extension.py", root,
        LD_PRELOAD=library, TSAN_OPTIONS=f"exitcode={RACE}", OPENBLAS_NUM_THREADS="1", timeout_s=1800,
    )  # fmt: skip


def test_the_built_extension_runs_without_a_race(package):
    done = drive(package())
    assert done.returncode == 0, done.stderr
    assert "ThreadSanitizer" not in done.stderr
    assert done.stdout == "all threads met\n"


def test_a_weakened_ring_is_reported_in_the_extension_too(package):
    done = drive(package("release"))
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
    assert done.returncode == RACE
