"""Python's face of ring.h: what the conductor and sink threads and the tests hold.

One thread pushes, one thread pops; which two is the session's business.  Large copies and waits run
without the GIL, so a waiting Python thread costs the others nothing.  Small copies keep it: they take a
microsecond, and where another thread is hungry for the GIL it would take half a millisecond or more to get it back.
"""

from libc.stdint cimport int64_t, uint64_t

import numpy as np

cdef enum:
    SMALL = 8192                # bytes


cdef _bytes(Ring ring, items):
    if not isinstance(items, np.ndarray) or items.dtype != ring.dtype or not items.flags.c_contiguous:
        raise TypeError(f"expected a contiguous array of {ring.dtype}, found {type(items).__name__} "
                        f"{getattr(items, 'dtype', '')}")
    return items.reshape(-1).view(np.uint8)


cdef class Ring:
    """Single-producer single-consumer ring of fixed-size records.

    dtype     NumPy dtype of one item
    capacity  items; rounded up to a power of two
    raises    ValueError for a capacity below 1, MemoryError
    thread    [main] constructs; then one producer and one consumer
    """

    def __cinit__(self, dtype, Py_ssize_t capacity):
        self.dtype = np.dtype(dtype)
        if capacity < 1 or self.dtype.hasobject or self.dtype.itemsize == 0:
            raise ValueError(f"a ring holds at least one plain record, not {capacity} of {self.dtype}")
        cdef uint64_t size = 1
        while size < <uint64_t>capacity:
            size *= 2
        self.ring = kelly_ring_new(self.dtype.itemsize, size)
        if self.ring == NULL:
            raise MemoryError(f"no memory for a ring of {size} records")
        self.capacity = size

    def __dealloc__(self):
        kelly_ring_free(self.ring)

    def __len__(self):
        return kelly_ring_size(self.ring)

    @property
    def refused(self):
        """Items thrown away because there was no room."""
        return self.ring.refused

    @property
    def peak(self):
        """Most items that ever waited."""
        return self.ring.peak

    @property
    def written(self):
        """Items ever accepted."""
        return self.ring.head

    def push(self, items, double timeout_s=0.0):
        """Append items, waiting up to ``timeout_s`` for room; what still finds none is dropped and counted.

        items    array of this ring's dtype, shape (n,)
        returns  how many were accepted
        thread   [producer]
        """
        cdef const unsigned char[::1] view = _bytes(self, items)
        cdef uint64_t n = view.shape[0] // self.ring.item_bytes, done = 0
        if n == 0:
            return 0
        cdef const unsigned char* start = &view[0]
        if view.shape[0] <= SMALL:
            done = kelly_ring_write(self.ring, start, n)
            if done == n:
                return done
            return done + self._push_slowly(start + done * self.ring.item_bytes, n - done, timeout_s)
        return self._push_slowly(start, n, timeout_s)

    cdef uint64_t _push_slowly(self, const unsigned char* start, uint64_t n, double timeout_s):
        cdef uint64_t done
        cdef int64_t until
        with nogil:
            done = kelly_ring_write(self.ring, start, n)
            if done < n and timeout_s > 0:
                until = kelly_now_ns() + <int64_t>(timeout_s * 1e9)
                while done < n and kelly_now_ns() < until:
                    kelly_sleep_ns(200_000)
                    done += kelly_ring_write(self.ring, start + done * self.ring.item_bytes, n - done)
            if done < n:
                kelly_ring_refuse(self.ring, n - done)
        return done

    def pop(self, Py_ssize_t most=-1):
        """The oldest items, at most ``most`` (all that wait by default), as a new array (n,).

        thread  [consumer]
        """
        cdef Py_ssize_t waiting = kelly_ring_size(self.ring)
        out = np.empty(waiting if most < 0 else min(most, waiting), self.dtype)
        return out[: self.pop_into(out)]

    def pop_into(self, out):
        """Fill ``out``, a contiguous array of this ring's dtype, with the oldest items; returns how many.

        thread  [consumer]
        """
        cdef unsigned char[::1] view = _bytes(self, out)
        cdef uint64_t n = view.shape[0] // self.ring.item_bytes, done = 0
        if n == 0:
            return 0
        cdef unsigned char* start = &view[0]
        if min(n, kelly_ring_size(self.ring)) * self.ring.item_bytes <= SMALL:
            return kelly_ring_pop(self.ring, start, n)
        with nogil:
            done = kelly_ring_pop(self.ring, start, n)
        return done

    def wait(self, double timeout_s, double poll_s=0.001, double rest_s=0.0):
        """True as soon as an item waits, False after ``timeout_s``; sleeps without the GIL.

        rest_s  where none waits yet, none is looked for so long: the next is not due before
        thread  [consumer]
        """
        cdef int64_t until = kelly_now_ns() + <int64_t>(timeout_s * 1e9), poll = <int64_t>(poll_s * 1e9)
        cdef bint ready
        with nogil:
            ready = kelly_ring_size(self.ring) > 0
            if not ready and rest_s > 0:
                kelly_sleep_ns(<int64_t>(min(rest_s, timeout_s) * 1e9))
                ready = kelly_ring_size(self.ring) > 0
            while not ready and kelly_now_ns() < until:
                kelly_sleep_ns(poll)
                ready = kelly_ring_size(self.ring) > 0
        return ready
