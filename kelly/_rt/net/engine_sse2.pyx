# cython: boundscheck=False, wraparound=False, cdivision=True
cdef enum: PANEL = 32
include "engine.pxi"
