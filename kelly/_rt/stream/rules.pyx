# cython: cdivision=True
"""The five labelled fallbacks: what kelly plays by when a network is missing, broken or switched off.

Each rule answers the same vectors as the network it stands in for (contract.py), from musical
knowledge alone: no weights, no files.  They also teach the networks' first weights.

``Rule`` has the face of ``Network``, so whoever asks needn't know which of the two answers.
"""

from libc.math cimport M_PI, expf, fabsf, floorf, fmaxf, fminf, logf, sinf, sqrtf, tanhf
from libc.string cimport memset

from kelly._rt._contract cimport *

import numpy as np

from kelly._rt.contract import NET_NAMES, net_spec


cdef inline float within(float value, float low, float high) noexcept nogil:
    """Clip; NaN becomes 0, or ``low`` where 0 is outside."""
    if value != value:
        value = 0
    return low if value < low else high if value > high else value


cdef inline float sigmoid(float value) noexcept nogil:
    return 1 / (1 + expf(-value))


cdef int hottest(const float* x, int n) noexcept nogil:
    """Index of the largest value above a half, -1 if there is none: a one-hot field read back."""
    cdef int k, best = -1
    cdef float value = 0.5
    for k in range(n):
        if x[k] > value:
            best, value = k, x[k]
    return best


include "rule_embedding.pxi"
include "rule_melody.pxi"
include "rule_harmony.pxi"
include "rule_dynamics.pxi"
include "rule_groove.pxi"

cdef int[N_NETS] IN_SIZES
cdef int[N_NETS] OUT_SIZES
IN_SIZES[:] = [N_FEATURES, N_MELODY_IN, N_HARMONY_IN, N_DYNAMICS_IN, N_EMBEDDING]
OUT_SIZES[:] = [N_EMBEDDING, N_MELODY, N_HARMONY, N_DYNAMICS, N_GROOVE]


cdef int rule_in_size(int net) noexcept nogil:
    return IN_SIZES[net]


cdef int rule_out_size(int net) noexcept nogil:
    return OUT_SIZES[net]


cdef void rule_for(int net, const float* x, float* y, rule_state* state) noexcept nogil:
    if net == NET_EMOTIONRECOGNIZER:
        rule_embedding(x, y, state)
    elif net == NET_MELODYTRANSFORMER:
        rule_melody(x, y)
    elif net == NET_HARMONYPREDICTOR:
        rule_harmony(x, y)
    elif net == NET_DYNAMICSENGINE:
        rule_dynamics(x, y)
    elif net == NET_GROOVEPREDICTOR:
        rule_groove(x, y)


cdef void rule_fill(int net, const float* x, float* y) noexcept nogil:
    cdef float[N_DYNAMICS] ruled
    if net == NET_EMOTIONRECOGNIZER:
        y[EMBEDDING_DOMINANCE] = dominance(
            within(y[EMBEDDING_VALENCE], -1, 1), within(y[EMBEDDING_AROUSAL], -1, 1),
            within(y[EMBEDDING_TENSION], -1, 1), within(y[EMBEDDING_LEVEL], -1, 1),
        )
    elif net == NET_DYNAMICSENGINE:
        rule_dynamics(x, &ruled[0])
        y[DYNAMICS_RUBATO] = ruled[DYNAMICS_RUBATO]
        y[DYNAMICS_MELODY_LEAD] = ruled[DYNAMICS_MELODY_LEAD]
        y[DYNAMICS_MELODY_BALANCE] = ruled[DYNAMICS_MELODY_BALANCE]
        y[DYNAMICS_BASS_BALANCE] = ruled[DYNAMICS_BASS_BALANCE]
        y[DYNAMICS_EXPRESSION] = ruled[DYNAMICS_EXPRESSION]


cdef class Rule:
    """The fallback of one net, with the face of Network.

    name    one of the five nets; KeyError names them
    thread  [owner]; ``process`` allocates nothing that stays
    """

    cdef rule_state state
    cdef int net
    cdef readonly str name
    cdef readonly int in_size
    cdef readonly int out_size

    def __init__(self, str name):
        net_spec(name)
        self.net = NET_NAMES.index(name)
        self.name = name
        self.in_size = IN_SIZES[self.net]
        self.out_size = OUT_SIZES[self.net]
        rule_reset(&self.state)

    def process(self, x, out):
        """Answer into the caller's buffer.

        x, out  float32, C-contiguous: (in_size,) and (out_size,), or (steps, in_size) and (steps, out_size)
        raises  ValueError for another shape or layout
        """
        cdef const float[:, ::1] rows
        cdef float[:, ::1] answers
        if x.ndim == 1 and out.ndim == 1:
            x, out = x[None], out[None]
        if x.ndim != 2 or out.ndim != 2 or x.shape[1] != self.in_size or out.shape != (x.shape[0], self.out_size):
            raise ValueError(
                f"{self.name}: expected (steps, {self.in_size}) and (steps, {self.out_size}),"
                f" found {x.shape} and {out.shape}"
            )
        rows, answers = x, out
        if rows.shape[0]:
            self.run(&rows[0, 0], &answers[0, 0], rows.shape[0])

    cdef void run(self, const float* x, float* y, Py_ssize_t steps) noexcept:
        cdef Py_ssize_t t
        with nogil:
            for t in range(steps):
                rule_for(self.net, x + t * self.in_size, y + t * self.out_size, &self.state)

    def __call__(self, x):
        """Allocate and return: (in_size,) -> (out_size,), or (steps, in_size) -> (steps, out_size)."""
        block = np.ascontiguousarray(x, dtype=np.float32)
        if block.ndim not in (1, 2) or block.shape[block.ndim - 1] != self.in_size:
            raise ValueError(f"{self.name}: expected ({self.in_size},) or (steps, {self.in_size}), found {block.shape}")
        out = np.empty((*block.shape[: block.ndim - 1], self.out_size), np.float32)
        self.process(block, out)
        return out

    def reset(self):
        """Forget what was heard; only the emotion rule remembers anything."""
        rule_reset(&self.state)

    def clone(self):
        """An independent twin in the same state."""
        cdef Rule twin = Rule(self.name)
        twin.state = self.state
        return twin


def fill_rule_indices(str name, const float[::1] x not None, float[::1] y not None):
    """Overwrite in y, a network's answer to x, the indices that the contract marks ``rule``; in place."""
    spec = net_spec(name)
    if x.shape[0] != spec.input.size or y.shape[0] != spec.output.size:
        raise ValueError(f"{name}: expected ({spec.input.size},) and ({spec.output.size},)")
    rule_fill(NET_NAMES.index(name), &x[0], &y[0])
