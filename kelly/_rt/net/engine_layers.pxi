# One time step of each layer: a row of the plan's table says where its numbers lie.

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
