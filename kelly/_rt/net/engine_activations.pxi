# Activations over a vector, with each backend's own exp and tanh.

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
