"""What the tracker and the worker see of the streaming front end."""

from libc.stdint cimport int64_t

from kelly._rt._layout cimport analysis_t
from kelly._rt.stream.frontend_table cimport frontend_table_t


cdef class FeatureExtractor:
    # The newest results; valid after consume() said so with the flags below.
    cdef analysis_t analysis           # newest 10 ms analysis hop
    cdef float features[128]           # newest row, contract FEATURES
    cdef bint hop_ready                # an analysis hop ended with the last sample taken
    cdef bint row_ready                # a network hop ended with it as well
    cdef bint reflex_ready             # the fast onset path fired at the last sample taken
    cdef float reflex_strength         # mean rise over the bands, bel
    cdef int64_t reflex_frame          # the attack, corrected for the short window
    cdef readonly int64_t frame        # samples taken since reset
    cdef readonly int64_t bad_samples  # NaN and infinities, read as 0
    cdef readonly int sample_rate_hz   # 0 before prepare
    cdef readonly str isa              # which build runs
    cdef const frontend_table_t* _functions
    cdef void* _state

    # [worker] no allocation, no Python
    cdef Py_ssize_t consume(self, const float* mono, Py_ssize_t n) noexcept nogil
    cdef void clear(self) noexcept nogil
    cdef void _take(self) noexcept nogil
