"""What an engine module hands to network.pyx through its capsule."""

from libc.stdint cimport int64_t

cdef enum:
    ENGINE_VERSION = 3

cdef struct engine_t:
    int version
    int panel  # outputs per full panel; the plan's weights are packed for it
    # ahead: fetch weights 2 KB before they are needed, which some processors do better by themselves
    # one time step: x is already in the work arena at the first row's x, y is left at the last row's y
    void (*run)(const int64_t* table, Py_ssize_t n_rows, const float* weights, float* work, int arithmetic, bint ahead) noexcept nogil
    # sum of the floats' bit patterns: reads every byte once, the floor of any network that size
    unsigned int (*read)(const float* weights, Py_ssize_t n, bint ahead) noexcept nogil
