"""The ring: order, room, counters."""

import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly._rt.stream.ring import Ring


def test_items_come_out_in_the_order_they_went_in_across_the_wrap():
    ring, got = Ring(np.int64, 8), []
    for start in range(0, 100, 5):
        assert ring.push(np.arange(start, start + 5)) == 5
        got += ring.pop().tolist()
    assert got == list(range(100))


def test_a_full_ring_drops_the_newest_and_counts_them():
    ring = Ring(np.int64, 4)
    assert ring.push(np.arange(7)) == 4
    assert ring.refused == 3
    assert ring.pop().tolist() == [0, 1, 2, 3]
    assert ring.push(np.arange(7, 9)) == 2
    assert (ring.refused, ring.peak, ring.written) == (3, 4, 6)


def test_capacity_is_rounded_up_to_a_power_of_two():
    assert [Ring(np.uint8, n).capacity for n in (1, 2, 3, 1000)] == [1, 2, 4, 1024]


def test_a_record_travels_unchanged():
    ring = Ring(dtype("event"), 4)
    event = np.zeros(1, dtype("event"))
    event["frame"], event["status"], event["part"] = 1 << 40, 0x9F, -1
    ring.push(event)
    assert ring.pop()[0] == event[0]


def test_waiting_ends_with_the_time_or_with_an_item():
    ring = Ring(np.int64, 4)
    assert not ring.wait(0.005)
    ring.push(np.arange(1))
    assert ring.wait(0.0)


@pytest.mark.parametrize("items", [[1, 2], np.arange(3, dtype=np.int32), np.arange(8)[::2]])
def test_only_contiguous_arrays_of_the_ring_s_own_type_are_taken(items):
    with pytest.raises(TypeError, match="contiguous array of int64"):
        Ring(np.int64, 8).push(items)


@pytest.mark.parametrize(("kind", "capacity"), [(np.int64, 0), (np.int64, -1), (object, 4)])
def test_a_ring_of_nothing_is_refused(kind, capacity):
    with pytest.raises(ValueError, match="at least one plain record"):
        Ring(kind, capacity)
