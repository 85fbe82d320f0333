# cython: boundscheck=False, wraparound=False, cdivision=True
cdef enum: PANEL = 64, CHUNK = 8, LANES = 16, NARROW = 8
include "engine.pxi"
