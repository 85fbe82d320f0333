# cython: boundscheck=False, wraparound=False, cdivision=True
cdef enum: PANEL = 64, CHUNK = 32
include "engine.pxi"
