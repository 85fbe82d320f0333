from libc.stdint cimport int32_t, int64_t, uint64_t

from kelly._rt.stream.ring cimport kelly_cell, kelly_ring


cdef extern from "capture.h" nogil:
    ctypedef struct kelly_reader:
        int64_t read
        int64_t gap_used

    ctypedef struct kelly_capture:
        kelly_ring* audio
        kelly_ring* gaps
        double sample_rate_hz
        int32_t channels
        int32_t channel
        kelly_cell frames
        kelly_cell blocks
        kelly_cell dropped
        kelly_cell gap
        kelly_cell overflows
        kelly_cell repaired
        kelly_cell ended
        kelly_cell stopping
    ctypedef struct kelly_pa_time:
        double input_adc_s
        double current_s
        double output_dac_s
    uint64_t kelly_capture_write(kelly_capture*, const float*, uint64_t) noexcept
    void kelly_capture_lose(kelly_capture*, int64_t) noexcept
    void kelly_capture_end(kelly_capture*) noexcept
    int kelly_capture_callback(const void*, void*, unsigned long, const kelly_pa_time*, unsigned long, void*) noexcept
    uint64_t kelly_capture_next(kelly_capture*, const kelly_reader*, uint64_t, const float**) noexcept
    void kelly_capture_done(kelly_capture*, kelly_reader*, const float*, uint64_t) noexcept


cdef class Capture:
    cdef kelly_capture* capture
    cdef readonly bint lossless
    cdef kelly_cell hushed
