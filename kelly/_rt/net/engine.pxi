"""Kernels, activations and executor: the one source, compiled once per instruction set.

The including module defines PANEL, the outputs computed side by side.  Everything is vectorised
across outputs, so each output's own sum keeps its order and every instruction set gives the same
bits; the build forbids the compiler to fuse product and sum.

All functions: [owner] of the network, nogil, no allocation, caller's pointers in and out.

source  RTNeural's dynamic API with the Eigen and STL backends, operation by operation; Eigen
        3.4.90's float exp and tanh (Cephes-style minimax polynomials) with their constants
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport expf, tanhf
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy

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
    """
    const float ONE "KELLY_ONE"
    void KELLY_PREFETCH(const void* p) noexcept nogil

cdef enum:
    TAIL_PANEL = 16
    LAST_PANEL = 4
    AHEAD = 512  # floats
    NEXT_LINES = 32
    EXP_BLOCK = 128
    PACKET = 4  # lanes of Eigen's SSE2 packet: how far its own exp reaches, the rest calls libm


# ---------------------------------------------------------------- products

cdef inline const float* add_products(const float* w, const float* x, Py_ssize_t n, const int width, const bint ahead, float* acc) noexcept nogil:
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
            acc[j] += xk * w[j]
        w += width
    return w


cdef inline const float* panel_plain(const float* w, const float* x, Py_ssize_t columns, const int width, const bint ahead, float* y, Py_ssize_t used) noexcept nogil:
    cdef float acc[PANEL]
    cdef int j
    for j in range(width):
        acc[j] = 0
    w = add_products(w, x, columns, width, ahead, acc)
    for j in range(used):
        y[j] = acc[j]
    return w


cdef inline const float* panel_blocks(const float* w, const float* x, Py_ssize_t columns, const int width, const bint ahead, const int block, float* y, Py_ssize_t used) noexcept nogil:
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
        w = add_products(w, x, block, width, ahead, acc)
        x += block
        for j in range(width):
            total[j] += acc[j]
    if columns % block:
        for j in range(width):
            acc[j] = 0
        w = add_products(w, x, columns % block, width, ahead, acc)
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
        w = add_products(w, x, lengths[s], width, ahead, acc)
        x += lengths[s]
        for j in range(width):
            total[j] += acc[j]
    for j in range(used):
        y[j] = total[j]
    return w


cdef inline const float* one_panel(const float* w, const float* x, Py_ssize_t columns, const int width, const bint ahead, int order, const Py_ssize_t* lengths, float* y, Py_ssize_t used) noexcept nogil:
    if order == ORDER_BLOCKS_16:
        return panel_blocks(w, x, columns, width, ahead, 16, y, used)
    if order == ORDER_BLOCKS_4:
        return panel_blocks(w, x, columns, width, ahead, 4, y, used)
    if order == ORDER_SEGMENTS:
        return panel_segments(w, x, lengths, width, ahead, y, used)
    return panel_plain(w, x, columns, width, ahead, y, used)


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


cdef void product(const float* w, const float* x, Py_ssize_t columns, Py_ssize_t rows, int order, const Py_ssize_t* lengths, bint ahead, float* y) noexcept nogil:
    """y[rows] = packed matrix times x[columns]."""
    if ahead:
        all_panels(w, x, columns, rows, True, order, lengths, y)
    else:
        all_panels(w, x, columns, rows, False, order, lengths, y)


# ---------------------------------------------------------------- activations

cdef union float_bits:
    float f
    int32_t i


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


cdef inline void tanh_vector(float* y, Py_ssize_t n, bint eigen) noexcept nogil:
    cdef Py_ssize_t i
    if eigen:
        for i in range(n):
            y[i] = tanh_e(y[i])
    else:
        for i in range(n):
            y[i] = tanhf(y[i])


cdef inline void sigmoid_vector(float* y, Py_ssize_t n, bint eigen) noexcept nogil:
    cdef Py_ssize_t i, full = n // PACKET * PACKET if eigen else 0
    for i in range(n):
        y[i] = -y[i]
    exp_vector(y, full)
    for i in range(full, n):
        y[i] = expf(y[i])
    for i in range(n):
        y[i] = ONE / (ONE + y[i])


cdef inline void relu_vector(float* y, Py_ssize_t n, bint eigen) noexcept nogil:
    cdef Py_ssize_t i
    if eigen:  # -0 and NaN pass
        for i in range(n):
            y[i] = 0 if y[i] < 0 else y[i]
    else:  # -0 and NaN become +0
        for i in range(n):
            y[i] = y[i] if 0 < y[i] else 0


cdef inline void elu_vector(float* y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
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


cdef void softmax_vector(float* y, Py_ssize_t n, bint eigen) noexcept nogil:
    """No maximum is subtracted, as in RTNeural."""
    cdef Py_ssize_t i, full = n // PACKET * PACKET if eigen else 0
    cdef float total
    exp_vector(y, full)
    for i in range(full, n):
        y[i] = expf(y[i])
    if eigen:
        total = sum_eigen(y, n)
        for i in range(n):
            y[i] = y[i] / total
    else:
        total = 0
        for i in range(n):
            total += y[i]
        total = ONE / total
        for i in range(n):
            y[i] = y[i] * total


cdef void activate(float* y, Py_ssize_t n, int activation, bint eigen) noexcept nogil:
    """In place."""
    if activation == ACTIVATION_TANH:
        tanh_vector(y, n, eigen)
    elif activation == ACTIVATION_RELU:
        relu_vector(y, n, eigen)
    elif activation == ACTIVATION_SIGMOID:
        sigmoid_vector(y, n, eigen)
    elif activation == ACTIVATION_SOFTMAX:
        softmax_vector(y, n, eigen)
    elif activation == ACTIVATION_ELU:
        elu_vector(y, n)


# ---------------------------------------------------------------- layers

cdef void run_dense(const int64_t* row, const float* weights, float* work, bint eigen, bint ahead) noexcept nogil:
    cdef float* y = work + row[COLUMN_Y]
    product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS] + 1, row[COLUMN_OUTPUTS],
            <int>row[COLUMN_ORDER], NULL, ahead, y)
    activate(y, row[COLUMN_OUTPUTS], <int>row[COLUMN_ACTIVATION], eigen)


cdef void run_lstm(const int64_t* row, const float* weights, float* work, bint eigen, bint ahead) noexcept nogil:
    """Gates f, i, o, candidate: the three sigmoids are one contiguous vector."""
    cdef Py_ssize_t i, n = row[COLUMN_OUTPUTS]
    cdef Py_ssize_t lengths[3]
    cdef float* z = work + row[COLUMN_Z]
    cdef float* h = work + row[COLUMN_H]
    cdef float* c = work + row[COLUMN_C]
    lengths[0], lengths[1], lengths[2] = row[COLUMN_INPUTS], n, 1
    product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS] + n + 1, 4 * n,
            <int>row[COLUMN_ORDER], lengths, ahead, z)
    sigmoid_vector(z, 3 * n, eigen)
    tanh_vector(z + 3 * n, n, eigen)
    for i in range(n):
        c[i] = z[i] * c[i] + z[n + i] * z[3 * n + i]
    memcpy(h, c, n * sizeof(float))
    tanh_vector(h, n, eigen)
    for i in range(n):
        h[i] = z[2 * n + i] * h[i]
    memcpy(work + row[COLUMN_Y], h, n * sizeof(float))


cdef void run_gru(const int64_t* row, const float* weights, float* work, bint eigen, bint ahead) noexcept nogil:
    """Gates z, r, candidate; the reset gate acts on the recurrent product."""
    cdef Py_ssize_t i, n = row[COLUMN_OUTPUTS]
    cdef Py_ssize_t bias = 1 if eigen else 0  # a row of the matrix, or added apart
    cdef float* a = work + row[COLUMN_Z]
    cdef float* b = a + 3 * n
    cdef float* h = work + row[COLUMN_H]
    cdef const float* b0 = weights + row[COLUMN_B]
    cdef const float* b1 = b0 + 3 * n
    product(weights + row[COLUMN_W], work + row[COLUMN_X], row[COLUMN_INPUTS] + bias, 3 * n,
            <int>row[COLUMN_ORDER], NULL, ahead, a)
    product(weights + row[COLUMN_W_2], h, n + bias, 3 * n, <int>row[COLUMN_ORDER_2], NULL, ahead, b)
    if eigen:
        for i in range(2 * n):
            a[i] = a[i] + b[i]
        sigmoid_vector(a, 2 * n, eigen)
        for i in range(n):
            a[2 * n + i] = a[2 * n + i] + a[n + i] * b[2 * n + i]
        tanh_vector(a + 2 * n, n, eigen)
        for i in range(n):
            h[i] = a[2 * n + i] + a[i] * (h[i] - a[2 * n + i])
    else:
        for i in range(2 * n):
            a[i] = ((a[i] + b[i]) + b0[i]) + b1[i]
        sigmoid_vector(a, 2 * n, eigen)
        for i in range(2 * n, 3 * n):
            a[i] = (a[i] + a[i - n] * (b[i] + b1[i])) + b0[i]
        tanh_vector(a + 2 * n, n, eigen)
        for i in range(n):
            h[i] = (ONE - a[i]) * a[2 * n + i] + a[i] * h[i]
    memcpy(work + row[COLUMN_Y], h, n * sizeof(float))


cdef void run_activation(const int64_t* row, float* work, bint eigen) noexcept nogil:
    cdef float* y = work + row[COLUMN_Y]
    memcpy(y, work + row[COLUMN_X], row[COLUMN_OUTPUTS] * sizeof(float))
    activate(y, row[COLUMN_OUTPUTS], <int>row[COLUMN_ACTIVATION], eigen)


cdef void run(const int64_t* table, Py_ssize_t n_rows, const float* weights, float* work, bint eigen, bint ahead) noexcept nogil:
    """One time step of the whole network."""
    cdef Py_ssize_t index
    cdef const int64_t* row = table
    for index in range(n_rows):
        if row[COLUMN_OP] == OP_DENSE:
            run_dense(row, weights, work, eigen, ahead)
        elif row[COLUMN_OP] == OP_LSTM:
            run_lstm(row, weights, work, eigen, ahead)
        elif row[COLUMN_OP] == OP_GRU:
            run_gru(row, weights, work, eigen, ahead)
        elif row[COLUMN_OP] == OP_ACTIVATION:
            run_activation(row, work, eigen)
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
