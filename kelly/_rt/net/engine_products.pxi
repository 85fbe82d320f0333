# Products of packed float32 matrices, one panel of outputs at a time, in each backend's order of addition.

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
