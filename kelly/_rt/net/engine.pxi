"""Kernels, activations and executor: the one source, compiled once per instruction set.

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


# ---------------------------------------------------------------- products

cdef inline const float* add_products(const float* w, const float* x, Py_ssize_t n, const int width, const bint ahead, const bint fused, float* acc) noexcept nogil:
    """acc[j] += sum over n inputs of x[k] * w[k][j], in order; returns the weights behind."""
    cdef Py_ssize_t k
    cdef int j
    cdef float xk
    for k in range(n):
        xk = x[k]
        if ahead:
            for j in range(0, width, 16):
                KELLY_PREFETCH(w + AHEAD + j)
        for j in range(width):
            acc[j] = KELLY_FUSED(xk, w[j], acc[j]) if fused else acc[j] + xk * w[j]
        w += width
    return w


cdef inline const float* panel_plain(const float* w, const float* x, Py_ssize_t columns, const int width, const bint ahead, const bint fused, float* y, Py_ssize_t used) noexcept nogil:
    cdef float acc[PANEL]
    cdef int j
    for j in range(width):
        acc[j] = 0
    w = add_products(w, x, columns, width, ahead, fused, acc)
    for j in range(used):
        y[j] = acc[j]
    return w


cdef inline const float* panel_blocks(const float* w, const float* x, Py_ssize_t columns, const int width, const bint ahead, const int block, const bint fused, float* y, Py_ssize_t used) noexcept nogil:
    """Eigen's order: each block of inputs is summed from zero, then added.  ``block`` must be a constant."""
    cdef float total[PANEL]
    cdef float acc[PANEL]
    cdef Py_ssize_t b
    cdef int j
    for j in range(width):
        total[j] = 0
    for b in range(columns // block):
        for j in range(width):
            acc[j] = 0
        w = add_products(w, x, block, width, ahead, fused, acc)
        x += block
        for j in range(width):
            total[j] += acc[j]
    if columns % block:
        for j in range(width):
            acc[j] = 0
        w = add_products(w, x, columns % block, width, ahead, fused, acc)
        for j in range(width):
            total[j] += acc[j]
    for j in range(used):
        y[j] = total[j]
    return w


cdef inline const float* panel_segments(const float* w, const float* x, const Py_ssize_t* lengths, const int width, const bint ahead, float* y, Py_ssize_t used) noexcept nogil:
    """RTNeural's STL order for an lstm: (W.x + U.h) + b; three segments."""
    cdef float total[PANEL]
    cdef float acc[PANEL]
    cdef int j, s
    for j in range(width):
        total[j] = 0
    for s in range(3):
        for j in range(width):
            acc[j] = 0
        w = add_products(w, x, lengths[s], width, ahead, False, acc)
        x += lengths[s]
        for j in range(width):
            total[j] += acc[j]
    for j in range(used):
        y[j] = total[j]
    return w


cdef inline const float* one_panel(const float* w, const float* x, Py_ssize_t columns, const int width, const bint ahead, int order, const Py_ssize_t* lengths, float* y, Py_ssize_t used) noexcept nogil:
    if order == ORDER_BLOCKS_16:
        return panel_blocks(w, x, columns, width, ahead, 16, False, y, used)
    if order == ORDER_BLOCKS_4:
        return panel_blocks(w, x, columns, width, ahead, 4, False, y, used)
    if order == ORDER_FAST and columns < SHORT:
        return panel_plain(w, x, columns, width, ahead, True, y, used)
    if order == ORDER_FAST:  # long sums would lose digits in one piece
        return panel_blocks(w, x, columns, width, ahead, 16, True, y, used)
    if order == ORDER_SEGMENTS:
        return panel_segments(w, x, lengths, width, ahead, y, used)
    return panel_plain(w, x, columns, width, ahead, False, y, used)


cdef inline void all_panels(const float* w, const float* x, Py_ssize_t columns, Py_ssize_t rows, const bint ahead, int order, const Py_ssize_t* lengths, float* y) noexcept nogil:
    """Panels as plan.panels() lays them out; then the first lines of the next product are fetched, while
    this one's activation is computed."""
    cdef int line
    while rows >= PANEL:
        w = one_panel(w, x, columns, PANEL, ahead, order, lengths, y, PANEL)
        y += PANEL
        rows -= PANEL
    while rows >= TAIL_PANEL:
        w = one_panel(w, x, columns, TAIL_PANEL, ahead, order, lengths, y, TAIL_PANEL)
        y += TAIL_PANEL
        rows -= TAIL_PANEL
    if rows > LAST_PANEL:
        w = one_panel(w, x, columns, TAIL_PANEL, ahead, order, lengths, y, rows)
    elif rows > 0:
        w = one_panel(w, x, columns, LAST_PANEL, ahead, order, lengths, y, rows)
    for line in range(NEXT_LINES):
        KELLY_PREFETCH(w + 16 * line)


# The orders below keep several sums per output, so they go through a panel in chunks of columns.

cdef inline void chunk_started(const float* w, Py_ssize_t stride, const float* x, Py_ssize_t n, const int width, float* total) noexcept nogil:
    """total += the products in order."""
    cdef Py_ssize_t k
    cdef int j
    for k in range(n):
        for j in range(width):
            total[j] += x[k] * w[j]
        w += stride


cdef inline void chunk_redux(const float* w, Py_ssize_t stride, const float* x, Py_ssize_t n, const int width, float* total) noexcept nogil:
    """Eigen's reduction of the products: two packets side by side, their lanes crosswise, then the tail."""
    cdef Py_ssize_t k, single = n // PACKET * PACKET, pairs = n // (2 * PACKET) * (2 * PACKET)
    cdef float[CHUNK] a0, a1, a2, a3, b0, b1, b2, b3
    cdef int j
    if single == 0:
        for j in range(width):
            total[j] = x[0] * w[j]
        k = 1
    else:
        for j in range(width):
            a0[j] = x[0] * w[j]
            a1[j] = x[1] * w[stride + j]
            a2[j] = x[2] * w[2 * stride + j]
            a3[j] = x[3] * w[3 * stride + j]
        if pairs:
            for j in range(width):
                b0[j] = x[4] * w[4 * stride + j]
                b1[j] = x[5] * w[5 * stride + j]
                b2[j] = x[6] * w[6 * stride + j]
                b3[j] = x[7] * w[7 * stride + j]
            k = 2 * PACKET
            while k < pairs:
                for j in range(width):
                    a0[j] += x[k] * w[k * stride + j]
                    a1[j] += x[k + 1] * w[(k + 1) * stride + j]
                    a2[j] += x[k + 2] * w[(k + 2) * stride + j]
                    a3[j] += x[k + 3] * w[(k + 3) * stride + j]
                    b0[j] += x[k + 4] * w[(k + 4) * stride + j]
                    b1[j] += x[k + 5] * w[(k + 5) * stride + j]
                    b2[j] += x[k + 6] * w[(k + 6) * stride + j]
                    b3[j] += x[k + 7] * w[(k + 7) * stride + j]
                k += 2 * PACKET
            for j in range(width):
                a0[j] += b0[j]
                a1[j] += b1[j]
                a2[j] += b2[j]
                a3[j] += b3[j]
            if single > pairs:
                for j in range(width):
                    a0[j] += x[pairs] * w[pairs * stride + j]
                    a1[j] += x[pairs + 1] * w[(pairs + 1) * stride + j]
                    a2[j] += x[pairs + 2] * w[(pairs + 2) * stride + j]
                    a3[j] += x[pairs + 3] * w[(pairs + 3) * stride + j]
        for j in range(width):
            total[j] = (a0[j] + a2[j]) + (a1[j] + a3[j])
        k = single
    while k < n:
        for j in range(width):
            total[j] += x[k] * w[k * stride + j]
        k += 1


cdef inline void chunk_lanes(const float* w, Py_ssize_t stride, const float* x, Py_ssize_t n, const int width, float* total) noexcept nogil:
    """total += xsimd's reduction of the products: four lanes, added one after the other, then the tail."""
    cdef Py_ssize_t k = PACKET, full = n // PACKET * PACKET
    cdef float[LANES] a0, a1, a2, a3, acc
    cdef int j
    for j in range(width):
        acc[j] = 0
    if full:
        for j in range(width):
            a0[j] = x[0] * w[j]
            a1[j] = x[1] * w[stride + j]
            a2[j] = x[2] * w[2 * stride + j]
            a3[j] = x[3] * w[3 * stride + j]
        while k < full:
            for j in range(0, width, 16):  # rows of a panel lie apart for a chunk: the hardware sees no stream
                KELLY_PREFETCH(w + (k + ROWS_AHEAD) * stride + j)
                KELLY_PREFETCH(w + (k + ROWS_AHEAD + 1) * stride + j)
                KELLY_PREFETCH(w + (k + ROWS_AHEAD + 2) * stride + j)
                KELLY_PREFETCH(w + (k + ROWS_AHEAD + 3) * stride + j)
            for j in range(width):
                a0[j] += x[k] * w[k * stride + j]
                a1[j] += x[k + 1] * w[(k + 1) * stride + j]
                a2[j] += x[k + 2] * w[(k + 2) * stride + j]
                a3[j] += x[k + 3] * w[(k + 3) * stride + j]
            k += PACKET
        for j in range(width):
            acc[j] = (((acc[j] + a0[j]) + a1[j]) + a2[j]) + a3[j]
    for k in range(full, n):
        for j in range(width):
            acc[j] += x[k] * w[k * stride + j]
    for j in range(width):
        total[j] += acc[j]


cdef inline void lanes_chunk(const float* w, Py_ssize_t stride, const float* x, Py_ssize_t n, const int width, int order, const Py_ssize_t* lengths, Py_ssize_t per_tap, const float* start, float* total) noexcept nogil:
    """ORDER_LANES, three segments, and ORDER_TAPS."""
    cdef Py_ssize_t k = 0
    cdef int j, s
    if order == ORDER_LANES:
        for j in range(width):
            total[j] = 0
        for s in range(3):
            chunk_lanes(w + k * stride, stride, x + k, lengths[s], width, total)
            k += lengths[s]
    else:
        for j in range(width):
            total[j] = 0 if start == NULL else start[j]
        while k < n:
            chunk_lanes(w + k * stride, stride, x + k, per_tap, width, total)
            k += per_tap


cdef inline void one_chunk(const float* w, Py_ssize_t stride, const float* x, Py_ssize_t n, const int width, int order, const Py_ssize_t* lengths, Py_ssize_t per_tap, const float* start, float* total) noexcept nogil:
    cdef int j
    if order == ORDER_STARTED:
        for j in range(width):
            total[j] = 0 if start == NULL else start[j]
        chunk_started(w, stride, x, n, width, total)
    elif order == ORDER_REDUX:
        chunk_redux(w, stride, x, n, width, total)
    else:
        lanes_chunk(w, stride, x, n, width, order, lengths, per_tap, start, total)


cdef void chunked_product(const float* w, Py_ssize_t w_columns, Py_ssize_t skipped, const float* x, Py_ssize_t columns, Py_ssize_t rows, int order, const Py_ssize_t* lengths, Py_ssize_t per_tap, const float* start, float* y) noexcept nogil:
    """y[rows] = ``columns`` rows of each panel, which has ``w_columns`` and begins with ``skipped`` others, times x.

    lengths  of the three segments, ORDER_LANES only
    per_tap  columns per tap, ORDER_TAPS only
    start    what the sums start from, [rows] and readable a panel further, NULL: 0; ORDER_STARTED and ORDER_TAPS only
    """
    cdef float total[LANES]
    cdef Py_ssize_t width, used, j, chunk
    cdef bint lanes = order == ORDER_LANES or order == ORDER_TAPS
    cdef int i
    while rows > 0:
        width = PANEL if rows >= PANEL else TAIL_PANEL if rows > LAST_PANEL else LAST_PANEL
        used = width if width < rows else rows
        chunk = LANES if lanes and width == PANEL else CHUNK
        j = 0
        while j < used:
            if lanes and width == PANEL:
                lanes_chunk(w + skipped * PANEL + j, PANEL, x, columns, LANES, order, lengths, per_tap, start, total)
            elif width == LAST_PANEL:
                one_chunk(w + skipped * width, width, x, columns, LAST_PANEL, order, lengths, per_tap, start, total)
            elif width == TAIL_PANEL:
                one_chunk(w + skipped * width + j, width, x, columns, NARROW, order, lengths, per_tap, start, total)
            else:
                one_chunk(w + skipped * width + j, width, x, columns, CHUNK, order, lengths, per_tap, start, total)
            for i in range(<int>(used - j if used - j < chunk else chunk)):
                y[j + i] = total[i]
            j += chunk
            if start != NULL:
                start += chunk if chunk < width else width
        w += w_columns * width
        y += used
        rows -= used


# ---------------------------------------------------------------- quantised products

cdef inline Py_ssize_t padded_rows(Py_ssize_t rows) noexcept nogil:
    """plan.packed_rows()"""
    cdef Py_ssize_t rest = rows % TAIL_PANEL
    return rows - rest + (0 if rest == 0 else LAST_PANEL if rest <= LAST_PANEL else TAIL_PANEL)


cdef void product_int16(const int16_t* w, const float* x, Py_ssize_t columns, Py_ssize_t rows, const float* extra, float* y) noexcept nogil:
    cdef const float* scale = extra
    cdef const float* bias = extra + padded_rows(rows)
    cdef float acc[PANEL]
    cdef Py_ssize_t used, width
    cdef int j
    while rows > 0:
        width = PANEL if rows >= PANEL else TAIL_PANEL if rows > LAST_PANEL else LAST_PANEL
        used = width if width < rows else rows
        if width == PANEL:
            kelly_dot16(w, x, columns, PANEL, acc)
        elif width == TAIL_PANEL:
            kelly_dot16(w, x, columns, TAIL_PANEL, acc)
        else:
            kelly_dot16(w, x, columns, LAST_PANEL, acc)
        for j in range(<int>used):
            y[j] = acc[j] * scale[j] + bias[j]
        w += columns * width
        scale += used
        bias += used
        y += used
        rows -= used


cdef float quantise(const float* x, Py_ssize_t n, uint8_t* q) noexcept nogil:
    """4032 * x / max|x|, rounded, as two digits: 64 * high + low, each stored with 64 added.

    q        uint8[digit][inputs, padded with zeros (64) to a multiple of four]
    returns  max|x| / 4032, what one step is worth; NaN if x is not finite
    """
    cdef const int32_t* bits = <const int32_t*>x
    cdef int32_t largest = 0, magnitude, whole, high
    cdef float_bits u
    cdef float inverse
    cdef Py_ssize_t k, padded = (n + 3) // 4 * 4
    cdef uint8_t* low = q + padded
    for k in range(n):  # floats without a sign are ordered as their bits
        magnitude = bits[k] & 0x7FFFFFFF
        largest = magnitude if magnitude > largest else largest
    u.i = largest
    if largest >= 0x7F800000 or u.f < <float>1e-30:
        memset(q, 64, 2 * padded)
        return NAN if largest >= 0x7F800000 else 0
    inverse = <float>4032 / u.f
    for k in range(n):
        whole = <int32_t>(x[k] * inverse + <float>4096.5) - 4096
        high = (whole + 32) >> 6
        q[k] = <uint8_t>(high + 64)
        low[k] = <uint8_t>(whole - 64 * high + 64)
    for k in range(n, padded):
        q[k] = low[k] = 64
    return u.f / <float>4032


cdef void product_int8(const int8_t* w, const float* x, Py_ssize_t columns, Py_ssize_t rows, const float* extra, uint8_t* q, float* y) noexcept nogil:
    cdef Py_ssize_t padded = padded_rows(rows), groups = (columns + 3) // 4, used, width
    cdef const float* scale = extra
    cdef const float* bias = extra + padded
    cdef const int32_t* correction = <const int32_t*>(extra + 2 * padded)
    cdef float step = quantise(x, columns, q)
    cdef int32_t[PANEL] high, low
    cdef float out[PANEL]
    cdef int j
    while rows > 0:
        width = PANEL if rows >= PANEL else TAIL_PANEL if rows > LAST_PANEL else LAST_PANEL
        used = width if width < rows else rows
        kelly_dot8(dot8_kind, w, q, groups, <int>width, high, low)
        if width == PANEL:  # a constant length and no array that could overlap another
            for j in range(PANEL):
                out[j] = (<float>64 * <float>(high[j] - correction[j]) + <float>(low[j] - correction[j])) * (scale[j] * step) + bias[j]
            memcpy(y, out, PANEL * sizeof(float))
        else:
            for j in range(<int>used):
                y[j] = (<float>64 * <float>(high[j] - correction[j]) + <float>(low[j] - correction[j])) * (scale[j] * step) + bias[j]
        w += 4 * groups * width
        scale += used
        bias += used
        correction += used
        y += used
        rows -= used


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


# ---------------------------------------------------------------- activations

cdef inline float power_of_two(int32_t e) noexcept nogil:
    """2^e for e in -126..127, by its bits."""
    cdef float_bits u
    u.i = (e + 127) << 23
    return u.f


cdef inline float exp_e(float x) noexcept nogil:
    """Eigen's float exp for x in -105..88.723; below -104 rounding makes it 0, which is Eigen's answer too."""
    cdef float t, m, r, r2, even, odd, y, c
    cdef int32_t e, b
    t = x * <float>1.44269504088896341 + <float>0.5
    e = <int32_t>t
    m = <float>e
    e = e - (m > t)  # towards minus infinity; SSE2 has no floor
    m = <float>e
    r = m * <float>-0.693359375 + x
    r = m * <float>2.12194440e-4 + r
    r2 = r * r
    even = r2 * <float>1.37449637986719608306884765625e-3 + <float>4.166965186595916748046875e-2
    odd = r2 * <float>8.36894474923610687255859375e-3 + <float>0.16666518151760101318359375
    even = r2 * even + <float>0.49999988079071044921875
    y = r * odd + even
    y = r2 * y + (r + ONE)
    b = e >> 2  # four factors, so that subnormal results are reached in steps
    c = power_of_two(b)
    return y * c * c * c * power_of_two(e - b - b - b)


cdef void exp_vector(float* y, Py_ssize_t n) noexcept nogil:
    """In place.  Clamping, polynomial and selection are loops of their own: in one, gcc makes branches of the clamps."""
    cdef float x[EXP_BLOCK]
    cdef Py_ssize_t i, m
    while n > 0:
        m = n if n < EXP_BLOCK else EXP_BLOCK
        for i in range(m):
            x[i] = y[i] if y[i] < <float>88.723 else <float>88.723
        for i in range(m):
            x[i] = x[i] if x[i] > <float>-105 else <float>-105
        for i in range(m):
            x[i] = exp_e(x[i])
        for i in range(m):
            y[i] = x[i] if x[i] > y[i] else y[i]  # NaN and infinity pass
        y += m
        n -= m


cdef inline float tanh_e(float v) noexcept nogil:
    """Eigen's float tanh."""
    cdef float x, x2, p, q, size
    x = <float>7.90531110763549805 if v > <float>7.90531110763549805 else v
    x = <float>-7.90531110763549805 if x < <float>-7.90531110763549805 else x
    x2 = x * x
    p = x2 * <float>-2.76076847742355e-16 + <float>2.00018790482477e-13
    p = x2 * p + <float>-8.60467152213735e-11
    p = x2 * p + <float>5.12229709037114e-08
    p = x2 * p + <float>1.48572235717979e-05
    p = x2 * p + <float>6.37261928875436e-04
    p = x2 * p + <float>4.89352455891786e-03
    p = x * p
    q = x2 * <float>1.19825839466702e-06 + <float>1.18534705686654e-04
    q = x2 * q + <float>2.26843463243900e-03
    q = x2 * q + <float>4.89352518554385e-03
    size = -v if v < 0 else v
    return x if size < <float>0.0004 else p / q


cdef inline float exp_x(float a) noexcept nogil:
    """xsimd's float exp for a in -88.4..88.4."""
    cdef float k, x, y
    k = (<float>1.4426950408889634 * a + <float>12582912.0) - <float>12582912.0  # to the nearest, ties to even
    x = a - k * <float>0.693359375
    x = x - k * <float>-0.000212194442
    y = <float>0.00139977958 * x + <float>0.00839556288
    y = y * x + <float>0.0416654013
    y = y * x + <float>0.166662768
    y = y * x + <float>0.5
    y = (y * (x * x) + x) + ONE
    return y * power_of_two(<int32_t>k)


cdef inline void exp_x_block(const float* a, float* y, Py_ssize_t n) noexcept nogil:
    """xsimd's exp of up to EXP_BLOCK floats; y is not a."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] if a[i] < <float>88.3762626647949 else <float>88.3762626647949
    for i in range(n):
        y[i] = y[i] if y[i] > <float>-88.3762626647949 else <float>-88.3762626647949
    for i in range(n):
        y[i] = exp_x(y[i])
    for i in range(n):
        y[i] = INFINITY if a[i] >= <float>88.3762626647949 else y[i]
    for i in range(n):
        y[i] = 0 if a[i] <= <float>-88.3762626647949 else y[i]
    for i in range(n):
        y[i] = y[i] if a[i] == a[i] else a[i]  # NaN passes


cdef void exp_x_vector(float* y, Py_ssize_t n) noexcept nogil:
    """In place."""
    cdef float e[EXP_BLOCK]
    cdef Py_ssize_t i, m
    while n > 0:
        m = n if n < EXP_BLOCK else EXP_BLOCK
        exp_x_block(y, e, m)
        for i in range(m):
            y[i] = e[i]
        y += m
        n -= m


cdef inline float tanh_x_small(float x) noexcept nogil:
    """xsimd's tanh for x in 0..0.625."""
    cdef float q = x * x, h
    h = q * <float>-0.00570498873 + <float>0.020639088
    h = h * q + <float>-0.0537397154
    h = h * q + <float>0.133314416
    h = h * q + <float>-0.333332807
    return (h * q) * x + x


cdef void tanh_x_vector(float* y, Py_ssize_t n) noexcept nogil:
    """xsimd's tanh, in place."""
    cdef float twice[EXP_BLOCK]
    cdef float e[EXP_BLOCK]
    cdef Py_ssize_t i, m
    cdef float x, large
    while n > 0:
        m = n if n < EXP_BLOCK else EXP_BLOCK
        for i in range(m):
            twice[i] = <float>2 * fabsf(y[i])
        exp_x_block(twice, e, m)
        for i in range(m):
            e[i] = ONE - <float>2 / (ONE + e[i])
        for i in range(m):
            x = fabsf(y[i])
            e[i] = tanh_x_small(x) if x < <float>0.625 else e[i]
        for i in range(m):
            y[i] = copysignf(e[i], y[i])
        y += m
        n -= m


cdef inline Py_ssize_t own_exp(float* y, Py_ssize_t n, int arithmetic) noexcept nogil:
    """exp in place of as many values as the library vectorises itself; returns how many."""
    if arithmetic == ARITHMETIC_STL:
        return 0
    if arithmetic == ARITHMETIC_XSIMD:
        exp_x_vector(y, n // PACKET * PACKET)
    elif arithmetic == ARITHMETIC_EIGEN:
        exp_vector(y, n // PACKET * PACKET)
    else:  # no library to follow
        exp_vector(y, n)
        return n
    return n // PACKET * PACKET


cdef inline void tanh_vector(float* y, Py_ssize_t n, int arithmetic) noexcept nogil:
    cdef Py_ssize_t i, full = 0
    if arithmetic == ARITHMETIC_STL or arithmetic == ARITHMETIC_XSIMD:
        if arithmetic == ARITHMETIC_XSIMD:
            full = n // PACKET * PACKET
            tanh_x_vector(y, full)
        for i in range(full, n):
            y[i] = tanhf(y[i])
    else:
        for i in range(n):
            y[i] = tanh_e(y[i])


cdef inline void sigmoid_vector(float* y, Py_ssize_t n, int arithmetic) noexcept nogil:
    cdef Py_ssize_t i, full
    for i in range(n):
        y[i] = -y[i]
    full = own_exp(y, n, arithmetic)
    for i in range(full, n):
        y[i] = expf(y[i])
    for i in range(n):
        y[i] = ONE / (ONE + y[i])


cdef inline void relu_vector(float* y, Py_ssize_t n, int arithmetic) noexcept nogil:
    cdef Py_ssize_t i, full = 0
    if arithmetic == ARITHMETIC_STL:
        full = n
    elif arithmetic == ARITHMETIC_XSIMD:
        full = n // PACKET * PACKET
    for i in range(full):  # -0 and NaN become +0
        y[i] = y[i] if 0 < y[i] else 0
    for i in range(full, n):  # -0 and NaN pass
        y[i] = 0 if y[i] < 0 else y[i]


cdef inline void elu_vector(float* y, Py_ssize_t n, int arithmetic) noexcept nogil:
    """Eigen's backend calls libm here throughout, as STL's does."""
    cdef float e[EXP_BLOCK]
    cdef Py_ssize_t i, m, full = 0
    if arithmetic != ARITHMETIC_STL and arithmetic != ARITHMETIC_EIGEN:
        full = n // PACKET * PACKET if arithmetic == ARITHMETIC_XSIMD else n
    n -= full
    while full > 0:
        m = full if full < EXP_BLOCK else EXP_BLOCK
        memcpy(e, y, m * sizeof(float))
        own_exp(e, m, arithmetic)
        for i in range(m):
            y[i] = y[i] if y[i] > 0 else e[i] - ONE
        y += m
        full -= m
    for i in range(n):
        y[i] = y[i] if y[i] > 0 else expf(y[i]) - ONE


cdef float sum_eigen(const float* y, Py_ssize_t n) noexcept nogil:
    """Eigen's reduction: two packets side by side, then the lanes, then the tail."""
    cdef Py_ssize_t i, single = n // PACKET * PACKET, pairs = n // (2 * PACKET) * (2 * PACKET)
    cdef float a[PACKET]
    cdef float b[PACKET]
    cdef float total
    cdef int j
    if single == 0:
        total = y[0]
        for i in range(1, n):
            total += y[i]
        return total
    for j in range(PACKET):
        a[j] = y[j]
    if pairs:
        for j in range(PACKET):
            b[j] = y[PACKET + j]
        i = 2 * PACKET
        while i < pairs:
            for j in range(PACKET):
                a[j] += y[i + j]
                b[j] += y[i + PACKET + j]
            i += 2 * PACKET
        for j in range(PACKET):
            a[j] += b[j]
        if single > pairs:
            for j in range(PACKET):
                a[j] += y[pairs + j]
    total = (a[0] + a[2]) + (a[1] + a[3])
    for i in range(single, n):
        total += y[i]
    return total


cdef float sum_xsimd(const float* y, Py_ssize_t n) noexcept nogil:
    """Four lane sums from zero, combined crosswise, then the tail."""
    cdef float a[PACKET]
    cdef float total
    cdef Py_ssize_t i, k
    for i in range(PACKET):
        a[i] = 0
    for k in range(n // PACKET):
        for i in range(PACKET):
            a[i] += y[PACKET * k + i]
    total = (a[0] + a[2]) + (a[1] + a[3])
    for i in range(n // PACKET * PACKET, n):
        total += y[i]
    return total


cdef void softmax_vector(float* y, Py_ssize_t n, int arithmetic) noexcept nogil:
    """No maximum is subtracted, as in RTNeural."""
    cdef Py_ssize_t i
    cdef float total = 0
    for i in range(own_exp(y, n, arithmetic), n):
        y[i] = expf(y[i])
    if arithmetic == ARITHMETIC_STL or arithmetic == ARITHMETIC_XSIMD:
        if arithmetic == ARITHMETIC_XSIMD:
            total = sum_xsimd(y, n)
        else:
            for i in range(n):
                total += y[i]
        total = ONE / total
        for i in range(n):
            y[i] = y[i] * total
    else:
        total = sum_eigen(y, n)
        for i in range(n):
            y[i] = y[i] / total


cdef void activate(float* y, Py_ssize_t n, int activation, int arithmetic) noexcept nogil:
    """In place."""
    if activation == ACTIVATION_TANH:
        tanh_vector(y, n, arithmetic)
    elif activation == ACTIVATION_RELU:
        relu_vector(y, n, arithmetic)
    elif activation == ACTIVATION_SIGMOID:
        sigmoid_vector(y, n, arithmetic)
    elif activation == ACTIVATION_SOFTMAX:
        softmax_vector(y, n, arithmetic)
    elif activation == ACTIVATION_ELU:
        elu_vector(y, n, arithmetic)


# ---------------------------------------------------------------- layers

cdef inline Py_ssize_t bias_columns(int arithmetic) noexcept nogil:
    """1 where the bias is a row of the matrix; quantised ones keep it apart, in float32."""
    return 0 if arithmetic == ARITHMETIC_INT16 or arithmetic == ARITHMETIC_INT8 else 1


cdef void run_dense(const int64_t* row, const float* weights, float* work, int arithmetic, bint ahead) noexcept nogil:
    cdef float* y = work + row[COLUMN_Y]
    cdef Py_ssize_t lengths[3]
    lengths[0], lengths[1], lengths[2] = row[COLUMN_INPUTS], 1, 0
    product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS] + bias_columns(arithmetic), row[COLUMN_OUTPUTS],
            <int>row[COLUMN_ORDER], lengths, ahead, weights + row[COLUMN_B], work + row[COLUMN_Q], y)
    activate(y, row[COLUMN_OUTPUTS], <int>row[COLUMN_ACTIVATION], arithmetic)


cdef inline void sigmoid_gates(float* z, Py_ssize_t gates, Py_ssize_t n, int arithmetic) noexcept nogil:
    """Eigen sees one contiguous vector, xsimd one vector per gate; where packets end makes the difference."""
    cdef Py_ssize_t gate
    if arithmetic == ARITHMETIC_XSIMD:
        for gate in range(gates):
            sigmoid_vector(z + gate * n, n, arithmetic)
    else:
        sigmoid_vector(z, gates * n, arithmetic)


cdef void run_lstm(const int64_t* row, const float* weights, float* work, int arithmetic, bint ahead) noexcept nogil:
    """Gates f, i, o, candidate: the three sigmoids are one contiguous vector."""
    cdef Py_ssize_t i, n = row[COLUMN_OUTPUTS]
    cdef Py_ssize_t lengths[3]
    cdef float* z = work + row[COLUMN_Z]
    cdef float* h = work + row[COLUMN_H]
    cdef float* c = work + row[COLUMN_C]
    lengths[0], lengths[1], lengths[2] = row[COLUMN_INPUTS], n, 1
    if arithmetic == ARITHMETIC_INT8:
        product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS], 4 * n, <int>row[COLUMN_ORDER], NULL, ahead,
                weights + row[COLUMN_B], work + row[COLUMN_Q], z)
        product(weights + row[COLUMN_W_2], h, n, 4 * n, <int>row[COLUMN_ORDER_2], NULL, ahead,
                weights + row[COLUMN_B_2], work + row[COLUMN_Q], z + 4 * n)
        for i in range(4 * n):
            z[i] += z[4 * n + i]
    else:
        product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS] + n + bias_columns(arithmetic), 4 * n,
                <int>row[COLUMN_ORDER], lengths, ahead, weights + row[COLUMN_B], NULL, z)
    sigmoid_gates(z, 3, n, arithmetic)
    tanh_vector(z + 3 * n, n, arithmetic)
    for i in range(n):
        c[i] = z[i] * c[i] + z[n + i] * z[3 * n + i]
    memcpy(h, c, n * sizeof(float))
    tanh_vector(h, n, arithmetic)
    for i in range(n):
        h[i] = z[2 * n + i] * h[i]
    memcpy(work + row[COLUMN_Y], h, n * sizeof(float))


cdef void run_gru(const int64_t* row, const float* weights, float* work, int arithmetic, bint ahead) noexcept nogil:
    """Gates z, r, candidate; the reset gate acts on the recurrent product."""
    cdef Py_ssize_t i, n = row[COLUMN_OUTPUTS]
    cdef bint joined = arithmetic != ARITHMETIC_STL and arithmetic != ARITHMETIC_XSIMD  # with their bias
    cdef Py_ssize_t bias = bias_columns(arithmetic) if joined else 0
    cdef Py_ssize_t lengths[3]
    cdef float* a = work + row[COLUMN_Z]
    cdef float* b = a + 3 * n
    cdef float* h = work + row[COLUMN_H]
    cdef const float* b0 = weights + row[COLUMN_B]
    cdef const float* b1 = b0 + 3 * n
    lengths[0], lengths[1], lengths[2] = row[COLUMN_INPUTS], 0, 0
    product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS] + bias, 3 * n,
            <int>row[COLUMN_ORDER], lengths, ahead, weights + row[COLUMN_B], work + row[COLUMN_Q], a)
    lengths[0] = n
    product(weights + row[COLUMN_W_2], h, n + bias, 3 * n, <int>row[COLUMN_ORDER_2], lengths, ahead,
            weights + row[COLUMN_B_2], work + row[COLUMN_Q], b)
    if joined:
        for i in range(2 * n):
            a[i] = a[i] + b[i]
        sigmoid_gates(a, 2, n, arithmetic)
        for i in range(n):
            a[2 * n + i] = a[2 * n + i] + a[n + i] * b[2 * n + i]
        tanh_vector(a + 2 * n, n, arithmetic)
        for i in range(n):
            h[i] = a[2 * n + i] + a[i] * (h[i] - a[2 * n + i])
    else:
        for i in range(2 * n):
            a[i] = ((a[i] + b[i]) + b0[i]) + b1[i]
        sigmoid_gates(a, 2, n, arithmetic)
        for i in range(2 * n, 3 * n):
            a[i] = (a[i] + a[i - n] * (b[i] + b1[i])) + b0[i]
        tanh_vector(a + 2 * n, n, arithmetic)
        for i in range(n):
            h[i] = (ONE - a[i]) * a[2 * n + i] + a[i] * h[i]
    memcpy(work + row[COLUMN_Y], h, n * sizeof(float))


cdef void run_activation(const int64_t* row, float* work, int arithmetic) noexcept nogil:
    cdef float* y = work + row[COLUMN_Y]
    memcpy(y, work + row[COLUMN_X], row[COLUMN_OUTPUTS] * sizeof(float))
    activate(y, row[COLUMN_OUTPUTS], <int>row[COLUMN_ACTIVATION], arithmetic)


cdef void run_conv1d(const int64_t* row, const float* weights, float* work, int arithmetic) noexcept nogil:
    """The past lies in a ring of ``span`` rows; a group's window is gathered newest tap first."""
    cdef Py_ssize_t i, t, g, at, place
    cdef Py_ssize_t inputs = row[COLUMN_INPUTS], outputs = row[COLUMN_OUTPUTS]
    cdef Py_ssize_t taps = row[COLUMN_TAPS], groups = row[COLUMN_GROUPS], span = row[COLUMN_SPAN]
    cdef Py_ssize_t per_tap = inputs // groups, made = outputs // groups
    cdef float* history = work + row[COLUMN_H]
    cdef float* window = work + row[COLUMN_Z]
    cdef float* y = work + row[COLUMN_Y]
    cdef const float* b = weights + row[COLUMN_B]
    cdef const float* past
    cdef int32_t* ring = <int32_t*>(work + row[COLUMN_AT])
    at = ring[0]
    memcpy(history + at * inputs, work + row[COLUMN_X], inputs * sizeof(float))
    place = at
    for t in range(taps):
        past = history + place * inputs
        for g in range(groups):
            for i in range(per_tap):
                window[(g * taps + t) * per_tap + i] = past[g * per_tap + i]
        place -= row[COLUMN_DILATION]
        if place < 0:
            place += span
    ring[0] = <int32_t>(at + 1 if at + 1 < span else 0)
    for g in range(groups):
        chunked_product(weights + row[COLUMN_W] + g * row[COLUMN_W_STEP], taps * per_tap, 0, window + g * taps * per_tap,
                        taps * per_tap, made, <int>row[COLUMN_ORDER], NULL, per_tap, b + g * made, y + g * made)
    if row[COLUMN_ORDER] == ORDER_REDUX:
        for i in range(outputs):
            y[i] += b[i]
    activate(y, outputs, <int>row[COLUMN_ACTIVATION], arithmetic)


cdef void run_conv2d(const int64_t* row, const float* weights, float* work, int arithmetic) noexcept nogil:
    """Each time tap adds its share to the row of outputs that it belongs to; the oldest row is finished now."""
    cdef Py_ssize_t i, t, f, at, place, first, kernel, skipped
    cdef Py_ssize_t outputs = row[COLUMN_OUTPUTS], filters = row[COLUMN_FILTERS_IN], made = row[COLUMN_FILTERS_OUT]
    cdef Py_ssize_t span = row[COLUMN_SPAN], w_columns = row[COLUMN_KERNEL] * filters
    cdef float* begun
    cdef float* z = work + row[COLUMN_Z]
    cdef float* y = work + row[COLUMN_Y]
    cdef const float* x = work + row[COLUMN_X]
    cdef const float* b = weights + row[COLUMN_B]
    cdef int32_t* ring = <int32_t*>(work + row[COLUMN_AT])
    at = ring[0]
    place = at + span - 1
    for t in range(row[COLUMN_TAPS]):
        begun = work + row[COLUMN_H] + (place if place < span else place - span) * outputs
        for f in range(row[COLUMN_FEATURES_OUT]):
            first = f * row[COLUMN_STRIDE] - row[COLUMN_PAD]
            skipped = -first if first < 0 else 0
            kernel = row[COLUMN_KERNEL]
            if first + kernel > row[COLUMN_FEATURES_IN]:
                kernel = row[COLUMN_FEATURES_IN] - first
            chunked_product(weights + row[COLUMN_W] + t * row[COLUMN_W_STEP], w_columns, skipped * filters,
                            x + (first + skipped) * filters, (kernel - skipped) * filters, made, <int>row[COLUMN_ORDER],
                            NULL, filters, NULL, z)
            for i in range(made):
                begun[f * made + i] += z[i]
        place -= row[COLUMN_DILATION]
    begun = work + row[COLUMN_H] + at * outputs
    for f in range(row[COLUMN_FEATURES_OUT]):
        for i in range(made):
            y[f * made + i] = begun[f * made + i] + b[i]
    memset(begun, 0, outputs * sizeof(float))
    ring[0] = <int32_t>(at + 1 if at + 1 < span else 0)
    activate(y, outputs, <int>row[COLUMN_ACTIVATION], arithmetic)


cdef void run_prelu(const int64_t* row, const float* weights, float* work) noexcept nogil:
    cdef Py_ssize_t i
    cdef const float* x = work + row[COLUMN_X]
    cdef const float* alpha = weights + row[COLUMN_B]
    cdef float* y = work + row[COLUMN_Y]
    for i in range(row[COLUMN_OUTPUTS]):
        y[i] = x[i] if x[i] >= 0 else x[i] * alpha[i]


cdef void run_batchnorm(const int64_t* row, const float* weights, float* work) noexcept nogil:
    cdef Py_ssize_t i, n = row[COLUMN_OUTPUTS]
    cdef const float* x = work + row[COLUMN_X]
    cdef const float* mean = weights + row[COLUMN_B]
    cdef const float* multiplier = mean + n
    cdef const float* beta = multiplier + n
    cdef float* y = work + row[COLUMN_Y]
    for i in range(n):
        y[i] = multiplier[i] * (x[i] - mean[i]) + beta[i]


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
