# cython: boundscheck=False, wraparound=False, cdivision=True
include "frontend.pxi"
