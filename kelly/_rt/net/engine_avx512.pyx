# cython: boundscheck=False, wraparound=False, cdivision=True
cdef enum: PANEL = 64
include "engine.pxi"
