# cython: boundscheck=False, wraparound=False, cdivision=True
cdef enum: PANEL = 32, CHUNK = 4, LANES = 8, NARROW = 4
include "engine.pxi"
