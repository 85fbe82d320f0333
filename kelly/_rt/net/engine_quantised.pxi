# Products of matrices quantised to 16 or 8 bits; the innermost sums are quantised.h's.

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
