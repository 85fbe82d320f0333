"""The functions of one build of the front end, and what they leave behind for FeatureExtractor."""

from libc.stdint cimport int64_t

from kelly._rt._layout cimport analysis_t

cdef struct heard_t:                # head of every front end's state
    analysis_t analysis             # newest 10 ms hop
    float features[128]             # newest 40 ms row
    int64_t frame                   # samples taken
    int64_t bad_samples
    int64_t reflex_frame
    double mezzo_forte_db
    float reflex_strength
    bint hop_ready, row_ready, reflex_ready

cdef struct frontend_table_t:
    void* (*create)(int rate, double gate_db) except NULL                                       # [main]
    void (*destroy)(void* state) noexcept                                                       # [main]
    void (*reset)(void* state) noexcept nogil                                                   # [worker, idle]
    Py_ssize_t (*consume)(void* state, const float* mono, Py_ssize_t n) noexcept nogil          # [worker]
    int (*power_spectrum)(const float* frame, Py_ssize_t n, float* out) except -1               # [main]
