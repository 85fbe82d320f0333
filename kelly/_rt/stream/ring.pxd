from libc.stdint cimport int64_t, uint64_t


cdef extern from "ring.h" nogil:
    ctypedef struct kelly_cell:
        pass
    int64_t kelly_get(const kelly_cell*) noexcept
    void kelly_set(kelly_cell*, int64_t) noexcept
    void kelly_add(kelly_cell*, int64_t) noexcept
    int64_t kelly_take(kelly_cell*) noexcept

    ctypedef struct kelly_ring:
        uint64_t item_bytes
        uint64_t capacity
        uint64_t head
        uint64_t refused
        uint64_t peak
    kelly_ring* kelly_ring_new(uint64_t item_bytes, uint64_t capacity) noexcept
    void kelly_ring_free(kelly_ring*) noexcept
    uint64_t kelly_ring_size(const kelly_ring*) noexcept
    uint64_t kelly_ring_room(kelly_ring*) noexcept
    void* kelly_ring_span(kelly_ring*, uint64_t n, uint64_t* contiguous) noexcept
    void kelly_ring_commit(kelly_ring*, uint64_t n) noexcept
    uint64_t kelly_ring_write(kelly_ring*, const void* items, uint64_t n) noexcept
    void kelly_ring_refuse(kelly_ring*, uint64_t n) noexcept
    uint64_t kelly_ring_push(kelly_ring*, const void* items, uint64_t n) noexcept
    const void* kelly_ring_peek(kelly_ring*, uint64_t n, uint64_t* contiguous) noexcept
    void kelly_ring_skip(kelly_ring*, uint64_t n) noexcept
    uint64_t kelly_ring_pop(kelly_ring*, void* items, uint64_t n) noexcept


cdef extern from "clock.h" nogil:
    int64_t kelly_now_ns() noexcept
    void kelly_sleep_ns(int64_t ns) noexcept


cdef class Ring:
    cdef kelly_ring* ring
    cdef readonly object dtype
    cdef readonly Py_ssize_t capacity
    cdef uint64_t _push_slowly(self, const unsigned char* start, uint64_t n, double timeout_s)
