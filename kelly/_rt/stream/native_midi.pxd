from libc.stdint cimport int64_t, uint8_t

from kelly._rt.stream.ring cimport kelly_cell, kelly_ring


cdef extern from "midi_port.h" nogil:
    ctypedef struct kelly_port:
        kelly_ring* planned
        kelly_ring* urgent
        kelly_cell ahead_ns
        kelly_cell turns
        kelly_cell sent
        kelly_cell late
        kelly_cell latest_ns
        kelly_cell held
        kelly_cell gone
    int kelly_port_send(kelly_port* port, int64_t due_ns, const uint8_t* bytes, int n, int urgent) noexcept
    int64_t kelly_port_refused(kelly_port*) noexcept
    int64_t kelly_port_waiting(kelly_port*) noexcept


cdef class NativePort:
    cdef kelly_port* port           # valid as long as this object lives
    cdef readonly str kind
    cdef readonly str description
    cdef bint closing
    cdef object busy

    cdef list _take(self, kelly_ring* ring)
