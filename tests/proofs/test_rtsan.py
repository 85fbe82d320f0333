"""RealtimeSanitizer (clang) over the audio callback, the worker's reader and the ring.

Two proofs from one source: the compiler infers that nothing called there can block, and the sanitizer
sees nothing block while 2,000 blocks pass.  Planted fault: a malloc, a lock, a sleep, a print.
"""

import pytest
from harness import HERE, STREAM, run, tool

FLAGS = ("-O1", "-fsanitize=realtime", "-DKELLY_RTSAN")
BLOCKED = 43  # RealtimeSanitizer's exit status


def test_no_call_in_the_callback_may_block(build):
    program = build("callback_rtsan.c", *FLAGS, "-Wfunction-effects", compiler="clang-22")
    done = run(program)
    assert done.returncode == 0, done.stderr
    sent, received, dropped = (int(n) for n in done.stdout.split())
    assert sent == received
    assert dropped > 0  # the path of the full ring was taken too


@pytest.mark.parametrize("fault", ["malloc", "lock", "sleep", "print"])
def test_a_planted_call_is_stopped_at_once(build, fault):
    program = build("callback_rtsan.c", *FLAGS, "-DPLANT", compiler="clang-22")
    assert run(program, "clean").returncode == 0
    done = run(program, fault)
    assert done.returncode == BLOCKED
    assert "RealtimeSanitizer: unsafe-library-call" in done.stderr


def test_the_compiler_itself_refuses_the_planted_call():
    done = run(
        tool("clang-22"), "-fsyntax-only", "-std=gnu11", "-DKELLY_RTSAN", "-DPLANT", "-Werror", "-Wfunction-effects",
        f"-I{STREAM}", HERE / "callback_rtsan.c",
    )  # fmt: skip
    assert done.returncode != 0
    assert "must not call non-'nonblocking' function" in done.stderr
