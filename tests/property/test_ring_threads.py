"""The ring between two real threads: nothing lost, nothing reordered."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelly._rt.stream.ring import Ring
from tests.patience import PATIENCE_S


@pytest.mark.parametrize("capacity", [1, 64, 4096])
def test_up_to_a_million_items_pass_between_two_threads_in_order(capacity):
    """Random block sizes on both sides; the copies run without the GIL, so the threads really meet."""
    n = {1: 2_000, 64: 100_000, 4096: 1_000_000}[capacity]
    ring, received = Ring(np.int64, capacity), []

    def produce():
        rng, items, at = np.random.default_rng(1), np.arange(n), 0
        while at < n:
            block = items[at : at + int(rng.integers(1, 3000))]
            at += ring.push(block, timeout_s=PATIENCE_S)

    def consume():
        rng, got, buffer = np.random.default_rng(2), 0, np.empty(3000, np.int64)
        while got < n:
            assert ring.wait(PATIENCE_S, poll_s=0.0002), "timed out"
            taken = ring.pop_into(buffer[: int(rng.integers(1, 3000))])
            received.append(buffer[:taken].copy())
            got += taken

    threads = [threading.Thread(target=f, daemon=True) for f in (produce, consume)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert np.array_equal(np.concatenate(received), np.arange(n))
    assert ring.refused == 0
    assert ring.peak <= ring.capacity


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60), st.integers(1, 32))
def test_a_ring_behaves_like_a_bounded_queue(operations, capacity):
    """Any sequence of pushes and pops, beside a list that does the same."""
    ring, model, counter = Ring(np.int64, capacity), [], 0
    for is_push, size in operations:
        if is_push:
            items = np.arange(counter, counter + size)
            counter += size
            taken = ring.push(items)
            assert taken == min(size, ring.capacity - len(model))
            model += items[:taken].tolist()
        else:
            assert ring.pop(size).tolist() == model[:size]
            del model[:size]
        assert len(ring) == len(model)
