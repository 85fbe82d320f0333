# cython: boundscheck=False, wraparound=False, cdivision=True
cdef enum: PANEL = 64, CHUNK = 32, LANES = 64, NARROW = 16
include "engine.pxi"
