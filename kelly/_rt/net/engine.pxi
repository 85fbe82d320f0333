"""Kernels, activations and executor: the one source, compiled once per instruction set.

The parts: ``engine_products`` (float32 matrices), ``engine_quantised``, ``engine_activations``, ``engine_layers``; here is who
asks them, by the plan's order of addition and opcode.

The including module defines PANEL, the outputs computed side by side, CHUNK, the same where every
output has up to eight sums at once, and LANES where it has four; NARROW is CHUNK, or TAIL_PANEL where that is less.  Everything is vectorised
across outputs, so each output's own sum keeps its order and every instruction set gives the same
bits; the build forbids the compiler to fuse product and sum.

All functions: [owner] of the network, nogil, no allocation, caller's pointers in and out.

source  RTNeural's dynamic API with the Eigen, STL and XSIMD backends, operation by operation; Eigen 3.4.90's
        and xsimd 10's float exp and tanh (Cephes-style minimax polynomials) with their constants
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY, NAN, copysignf, expf, fabsf, tanhf
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from kelly._rt.net._table cimport *
from kelly._rt.net.engine_table cimport ENGINE_VERSION, engine_t

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define KELLY_PREFETCH(p) __builtin_prefetch(p)
    #else
    #define KELLY_PREFETCH(p) ((void)0)
    #endif
    #define KELLY_ONE 1.0f /* a bare 1 would make the sum a double's */
    #if defined(__FMA__) && defined(__GNUC__)
    #define KELLY_FUSED(a, b, c) __builtin_fmaf((a), (b), (c))
    #else
    #define KELLY_FUSED(a, b, c) ((a) * (b) + (c))
    #endif
    """
    const float ONE "KELLY_ONE"
    float KELLY_FUSED(float a, float b, float c) noexcept nogil
    void KELLY_PREFETCH(const void* p) noexcept nogil

cdef extern from "quantised.h":
    int kelly_dot8_kind() noexcept nogil
    void kelly_dot16(const int16_t* w, const float* x, ptrdiff_t columns, int width, float* acc) noexcept nogil
    void kelly_dot8(int kind, const int8_t* w, const uint8_t* q, ptrdiff_t groups, int width, int32_t* high, int32_t* low) noexcept nogil

cdef int dot8_kind = kelly_dot8_kind()

cdef enum:
    TAIL_PANEL = 16
    LAST_PANEL = 4
    AHEAD = 512  # floats
    ROWS_AHEAD = 16
    NEXT_LINES = 32
    EXP_BLOCK = 128
    SHORT = 128  # columns that fast adds up in one piece
    PACKET = 4  # lanes of an SSE2 packet: how far Eigen's and xsimd's own exp reach, the rest calls libm


cdef union float_bits:
    float f
    int32_t i


include "engine_products.pxi"
include "engine_quantised.pxi"


cdef void product(const float* w, const float* x, Py_ssize_t columns, Py_ssize_t rows, int order, const Py_ssize_t* lengths, bint ahead, const float* extra, float* q, float* y) noexcept nogil:
    """y[rows] = packed matrix times x[columns].

    lengths   of the segments, where the order has some
    extra, q  scales and biases, and room for quantised activations, where the matrix is quantised
    """
    if order == ORDER_INT8:
        product_int8(<const int8_t*>w, x, columns, rows, extra, <uint8_t*>q, y)
    elif order == ORDER_INT16:
        product_int16(<const int16_t*>w, x, columns, rows, extra, y)
    elif order >= ORDER_STARTED and order != ORDER_FAST:
        chunked_product(w, columns, 0, x, columns, rows, order, lengths, 0, NULL, y)
    elif ahead:
        all_panels(w, x, columns, rows, True, order, lengths, y)
    else:
        all_panels(w, x, columns, rows, False, order, lengths, y)


include "engine_activations.pxi"
include "engine_layers.pxi"


cdef void run(const int64_t* table, Py_ssize_t n_rows, const float* weights, float* work, int arithmetic, bint ahead) noexcept nogil:
    """One time step of the whole network."""
    cdef Py_ssize_t index
    cdef const int64_t* row = table
    for index in range(n_rows):
        if row[COLUMN_OP] == OP_DENSE:
            run_dense(row, weights, work, arithmetic, ahead)
        elif row[COLUMN_OP] == OP_LSTM:
            run_lstm(row, weights, work, arithmetic, ahead)
        elif row[COLUMN_OP] == OP_GRU:
            run_gru(row, weights, work, arithmetic, ahead)
        elif row[COLUMN_OP] == OP_ACTIVATION:
            run_activation(row, work, arithmetic)
        elif row[COLUMN_OP] == OP_CONV1D:
            run_conv1d(row, weights, work, arithmetic)
        elif row[COLUMN_OP] == OP_CONV2D:
            run_conv2d(row, weights, work, arithmetic)
        elif row[COLUMN_OP] == OP_PRELU:
            run_prelu(row, weights, work)
        elif row[COLUMN_OP] == OP_BATCHNORM:
            run_batchnorm(row, weights, work)
        row += N_COLUMNS


cdef unsigned int read(const float* weights, Py_ssize_t n, bint ahead) noexcept nogil:
    """Sum of the bit patterns: touches every byte once and does nearly nothing else."""
    cdef const uint32_t* bits = <const uint32_t*>weights
    cdef uint32_t acc[PANEL]
    cdef uint32_t total = 0
    cdef Py_ssize_t k
    cdef int j
    for j in range(PANEL):
        acc[j] = 0
    for k in range(n // PANEL):
        if ahead:
            for j in range(0, PANEL, 16):
                KELLY_PREFETCH(bits + AHEAD + j)
        for j in range(PANEL):
            acc[j] += bits[j]
        bits += PANEL
    for j in range(<int>(n % PANEL)):
        total += bits[j]
    for j in range(PANEL):
        total += acc[j]
    return total


cdef engine_t table
table.version = ENGINE_VERSION
table.panel = PANEL
table.run = run
table.read = read
engine = PyCapsule_New(&table, b"kelly._rt.net.engine", NULL)
