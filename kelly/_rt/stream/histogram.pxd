"""A fixed histogram of durations, in C memory: one writer, readers may look at any time.

Four buckets per octave from 0.5 us up: a percentile is exact to within 19 percent, upwards.
"""

from libc.stdint cimport int64_t

cdef enum:
    HISTOGRAM_BUCKETS = 112         # up to 0.5 us * 2 ** 28 = 134 s

cdef struct histogram_t:
    int64_t count
    int64_t largest_ns
    int64_t bucket[HISTOGRAM_BUCKETS]


cdef inline void histogram_add(histogram_t* h, int64_t ns) noexcept nogil:
    cdef int bucket = 0, octave = 0
    cdef int64_t x
    if ns > h.largest_ns:
        h.largest_ns = ns
    h.count += 1
    x = ns // 500
    if x > 0:
        while x >> (octave + 1):
            octave += 1
        bucket = 4 * octave + (<int>((ns // 125) >> octave) & 3) + 1     # the two bits below the leading one
        if bucket >= HISTOGRAM_BUCKETS:
            bucket = HISTOGRAM_BUCKETS - 1
    h.bucket[bucket] += 1


cdef inline double histogram_edge_ns(int bucket) noexcept nogil:
    """Upper edge of a bucket."""
    cdef int octave = (bucket - 1) // 4
    if bucket == 0:
        return 500.0
    return 125.0 * <double>(<int64_t>1 << octave) * (4 + ((bucket - 1) % 4) + 1)


cdef inline object histogram_summary(const histogram_t* h):
    """Python's view: count, p50, p99 and max in milliseconds.  [any, with the GIL]"""
    cdef int64_t total = 0, seen = 0
    cdef int i
    cdef double p50 = 0.0, p99 = 0.0
    for i in range(HISTOGRAM_BUCKETS):
        total += h.bucket[i]
    for i in range(HISTOGRAM_BUCKETS):
        if h.bucket[i] == 0:
            continue
        seen += h.bucket[i]
        if p50 == 0.0 and 2 * seen >= total:
            p50 = histogram_edge_ns(i)
        if p99 == 0.0 and 100 * seen >= 99 * total:
            p99 = histogram_edge_ns(i)
    largest = <double>h.largest_ns
    return {"count": total, "p50_ms": min(p50, largest) / 1e6, "p99_ms": min(p99, largest) / 1e6, "max_ms": largest / 1e6}


cdef inline object histogram_buckets(const histogram_t* h):
    """Python's view: how many durations fell into each bucket.  [any, with the GIL]"""
    cdef int i
    return [h.bucket[i] for i in range(HISTOGRAM_BUCKETS)]
