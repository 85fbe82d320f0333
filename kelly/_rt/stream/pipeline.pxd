from libc.stdint cimport int32_t

from kelly._rt.net.network cimport Network
from kelly._rt.stream.ring cimport kelly_cell, kelly_ring
from kelly._rt.stream.rules cimport rule_state


cdef struct question_t:
    int32_t source[5]               # who is to answer, a SOURCES row per net
    int32_t reset                   # forget everything first
    float features[128]


cdef struct answer_t:
    int32_t source[5]               # who answered
    float embedding[64]
    float melody[128]
    float harmony[64]
    float dynamics[16]
    float groove[32]


cdef struct pipeline_t:
    kelly_ring* questions
    kelly_ring* answers
    kelly_cell stop
    kelly_cell done
    kelly_cell faults
    rule_state rule
    int32_t source[5]               # who answered last
    question_t question
    answer_t answer
    float x[128]
    float melody_context[32]
    float harmony_context[64]
    float dynamics_context[28]


cdef class PipelineLoop:
    cdef pipeline_t* state
    cdef Network emotionrecognizer
    cdef Network melodytransformer
    cdef Network harmonypredictor
    cdef Network dynamicsengine
    cdef Network groovepredictor
    cdef readonly object questions
    cdef readonly object answers

    cdef void _loop(self) noexcept nogil
    cdef void _answer(self) noexcept nogil
    cdef void _ask(self, int net, const float* x, float* y) noexcept nogil
    cdef void _step(self, int net, const float* x, float* y) noexcept nogil
    cdef void _clear(self, int net) noexcept nogil
