"""ThreadSanitizer over the ring and the audio side: no race, nothing lost, nothing reordered.

Planted fault: one memory order weakened in a copy of ring.h, and the race is reported.
"""

import shutil

import pytest
from harness import STREAM, classic_layout, run

RACE = 66  # ThreadSanitizer's exit status


def under_tsan(program, *arguments):
    return run(*classic_layout(), program, *arguments, TSAN_OPTIONS=f"exitcode={RACE}")


def counts(done):
    return [int(n) for n in done.stdout.split()]


@pytest.mark.parametrize("mode", ["single", "blocks", "drop", "stream"])
def test_ten_million_items_cross_between_two_threads(build, mode, reliability):
    """Natively, at full speed: what is sent is received once and in order, or counted as refused."""
    done = run(build("ring_threads.c", "-O3"), mode, 10_000_000, 65_536 if mode == "single" else 1024)
    assert done.returncode == 0, done.stdout + done.stderr
    sent, received, refused = counts(done)
    reliability("10 M ring operations between two threads", f"{mode}: {received:,} received in order, {refused:,} counted as refused", sent == 10_000_000 == received + refused)
    assert sent == 10_000_000 == received + refused
    assert refused == 0 or mode in {"drop", "stream"}


@pytest.mark.parametrize("mode", ["single", "blocks", "drop", "stream"])
def test_ten_million_items_cross_without_a_race(build, mode, reliability):
    done = under_tsan(build("ring_threads.c", "-O2", "-fsanitize=thread"), mode, 10_000_000, 65_536 if mode == "single" else 1024)
    reliability("10 M ring operations between two threads", f"ThreadSanitizer, {mode}: {'no race' if done.returncode == 0 else 'a race or a loss'}", done.returncode == 0)
    assert done.returncode == 0, done.stderr
    assert "ThreadSanitizer" not in done.stderr
    sent, received, refused = counts(done)
    assert sent == 10_000_000 == received + refused


@pytest.mark.parametrize("order", ["release", "acquire"])
def test_a_weakened_memory_order_is_reported_as_a_race(build, tmp_path, order):
    headers = tmp_path / "weak"
    headers.mkdir()
    text = (STREAM / "ring.h").read_text()
    assert f"memory_order_{order}" in text
    (headers / "ring.h").write_text(text.replace(f"memory_order_{order}", "memory_order_relaxed"))
    shutil.copy(STREAM / "capture.h", headers)
    program = build("ring_threads.c", "-O2", "-fsanitize=thread", headers=headers)
    for mode in ("single", "blocks", "stream"):
        done = under_tsan(program, mode, 100_000, 1024)
        assert "WARNING: ThreadSanitizer: data race" in done.stderr, (mode, done.stderr)
        assert done.returncode == RACE, mode
