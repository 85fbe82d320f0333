from libc.stdint cimport int64_t

from kelly._rt.net.engine_table cimport engine_t


cdef class Slab:
    """Huge pages that several networks' weights share."""
    cdef void* memory
    cdef char* data
    cdef size_t size, used  # bytes
    cdef Py_ssize_t users


cdef class Weights:
    """Packed weights, read-only once made; every clone of a network points here."""
    cdef Slab slab  # None where they have memory of their own
    cdef void* memory
    cdef float* data
    cdef readonly Py_ssize_t nbytes


cdef class Network:
    cdef Weights weights
    cdef const engine_t* engine
    cdef int64_t* table
    cdef float* work
    cdef const float* data  # weights.data, one pointer nearer
    cdef float* x  # where the input goes
    cdef float* y  # where the output is left
    cdef void* memory
    cdef Py_ssize_t n_rows, work_size
    cdef int arithmetic_code  # index of ARITHMETICS
    cdef bint busy, ahead
    cdef readonly Py_ssize_t in_size, out_size, parameter_count
    cdef readonly str arithmetic, isa

    cdef size_t own_bytes(self) noexcept nogil
    cdef _check(self, str name, object array, Py_ssize_t size)
    cdef int step(self, const float* x, float* y) noexcept nogil
    cdef void clear(self) noexcept nogil
