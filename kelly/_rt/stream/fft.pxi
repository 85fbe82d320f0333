# Power spectrum of a real frame.
#
# source  Bailey's four-step FFT on N/2 complex points, real and imaginary parts apart: the points are
#         a matrix of rows x columns; transform the columns, turn every point, transpose, transform the
#         columns again.  Columns are transformed by Stockham's self-sorting radix-4 stages, so every inner
#         loop runs over neighbouring floats of at least a row and vectorises without intrinsics.  Then
#         the usual split into even and odd samples.  Sums are in a fixed order.

from libc.math cimport M_PI, cos, sin

cdef struct fft_t:
    Py_ssize_t n            # real points, a power of two >= 128
    Py_ssize_t m            # complex points, n / 2
    Py_ssize_t rows
    Py_ssize_t columns      # rows * columns = m
    float* turn_re          # exp(-2 pi i row column / m)
    float* turn_im
    float* split_re         # exp(-2 pi i k / n)
    float* split_im
    float* wheel_re         # exp(-2 pi i k / columns): every stage's twiddles
    float* wheel_im
    float* a_re
    float* a_im
    float* b_re
    float* b_im


cdef int fft_prepare(fft_t* fft, arena_t* arena, Py_ssize_t n) except -1:
    """Tables for n real points. [main]"""
    cdef Py_ssize_t m = n // 2, k, row, column
    cdef double angle
    fft.n, fft.m, fft.rows = n, m, 1
    while fft.rows * fft.rows * 4 <= m:
        fft.rows *= 2
    fft.columns = m // fft.rows
    fft.turn_re, fft.turn_im = arena_floats(arena, m), arena_floats(arena, m)
    fft.split_re, fft.split_im = arena_floats(arena, m), arena_floats(arena, m)
    fft.wheel_re, fft.wheel_im = arena_floats(arena, fft.columns), arena_floats(arena, fft.columns)
    fft.a_re, fft.a_im = arena_floats(arena, m), arena_floats(arena, m)
    fft.b_re, fft.b_im = arena_floats(arena, m), arena_floats(arena, m)
    for k in range(m):
        angle = -2.0 * M_PI * k / n
        fft.split_re[k], fft.split_im[k] = cos(angle), sin(angle)
    for k in range(fft.columns):
        angle = -2.0 * M_PI * k / fft.columns
        fft.wheel_re[k], fft.wheel_im[k] = cos(angle), sin(angle)
    for row in range(fft.rows):
        for column in range(fft.columns):
            angle = -2.0 * M_PI * (row * column % m) / m
            fft.turn_re[row * fft.columns + column], fft.turn_im[row * fft.columns + column] = cos(angle), sin(angle)
    return 0


cdef void butterflies(
    input_t ar, input_t ai, input_t br, input_t bi, input_t cr, input_t ci, input_t dr, input_t di,
    alone_t pr, alone_t pi, alone_t qr, alone_t qi, alone_t rr, alone_t ri, alone_t sr, alone_t si,
    float w1r, float w1i, float w2r, float w2i, float w3r, float w3i, Py_ssize_t n,
) noexcept nogil:
    """n radix-4 butterflies side by side."""
    cdef Py_ssize_t k
    cdef float er, ei, fr, fi, gr, gi, hr, hi, ur, ui
    for k in range(n):
        er, ei = ar[k] + cr[k], ai[k] + ci[k]
        fr, fi = ar[k] - cr[k], ai[k] - ci[k]
        gr, gi = br[k] + dr[k], bi[k] + di[k]
        hr, hi = br[k] - dr[k], bi[k] - di[k]
        pr[k], pi[k] = er + gr, ei + gi
        ur, ui = fr + hi, fi - hr
        qr[k], qi[k] = ur * w1r - ui * w1i, ur * w1i + ui * w1r
        ur, ui = er - gr, ei - gi
        rr[k], ri[k] = ur * w2r - ui * w2i, ur * w2i + ui * w2r
        ur, ui = fr - hi, fi + hr
        sr[k], si[k] = ur * w3r - ui * w3i, ur * w3i + ui * w3r


cdef void last_butterflies(
    input_t ar, input_t ai, input_t br, input_t bi, alone_t pr, alone_t pi, alone_t qr, alone_t qi, Py_ssize_t n,
) noexcept nogil:
    """n radix-2 butterflies without twiddles, which end sizes that are no power of four."""
    cdef Py_ssize_t k
    for k in range(n):
        pr[k], pi[k] = ar[k] + br[k], ai[k] + bi[k]
        qr[k], qi[k] = ar[k] - br[k], ai[k] - bi[k]


cdef bint columns_transform(fft_t* fft, Py_ssize_t size, Py_ssize_t width, bint from_b) noexcept nogil:
    """Transform `width` columns of length `size`; tells whether the result is in b."""
    cdef Py_ssize_t s = width, quarter, p, x, y, wheel
    cdef const float* wr = fft.wheel_re
    cdef const float* wi = fft.wheel_im
    cdef float *xr
    cdef float *xi
    cdef float *yr
    cdef float *yi
    while size > 1:
        xr, xi, yr, yi = fft.a_re, fft.a_im, fft.b_re, fft.b_im
        if from_b:
            xr, xi, yr, yi = yr, yi, xr, xi
        if size == 2:
            last_butterflies(xr, xi, xr + s, xi + s, yr, yi, yr + s, yi + s, s)
            return not from_b
        quarter, wheel = size // 4, fft.columns // size
        for p in range(quarter):
            x, y = s * p, 4 * s * p
            butterflies(
                xr + x, xi + x, xr + x + s * quarter, xi + x + s * quarter,
                xr + x + 2 * s * quarter, xi + x + 2 * s * quarter, xr + x + 3 * s * quarter, xi + x + 3 * s * quarter,
                yr + y, yi + y, yr + y + s, yi + y + s, yr + y + 2 * s, yi + y + 2 * s, yr + y + 3 * s, yi + y + 3 * s,
                wr[p * wheel], wi[p * wheel], wr[2 * p * wheel], wi[2 * p * wheel], wr[3 * p * wheel], wi[3 * p * wheel], s)
        size = quarter
        s *= 4
        from_b = not from_b
    return from_b


cdef void turn(alone_t re, alone_t im, input_t wr, input_t wi, Py_ssize_t n) noexcept nogil:
    """Multiply by the twiddles between the two halves."""
    cdef Py_ssize_t k
    cdef float r
    for k in range(n):
        r = re[k] * wr[k] - im[k] * wi[k]
        im[k] = re[k] * wi[k] + im[k] * wr[k]
        re[k] = r


cdef void transpose(input_t x, alone_t y, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """y (columns, rows) = x (rows, columns) transposed; rows a multiple of 8."""
    cdef Py_ssize_t row = 0, column
    cdef const float* from_
    cdef float* to
    while row < rows:
        from_, to = x + row * columns, y + row
        for column in range(columns):
            to[0], to[1], to[2], to[3] = from_[0], from_[columns], from_[2 * columns], from_[3 * columns]
            to[4], to[5], to[6], to[7] = (
                from_[4 * columns], from_[5 * columns], from_[6 * columns], from_[7 * columns])
            to += rows
            from_ += 1
        row += 8


cdef void fft_load(alone_t re, alone_t im, input_t x, input_t window, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """Window n samples (even) into m complex points, zeros behind them; even samples are the real part."""
    cdef Py_ssize_t i
    for i in range(n // 2):
        re[i] = x[2 * i] * window[2 * i]
        im[i] = x[2 * i + 1] * window[2 * i + 1]
    for i in range(n // 2, m):
        re[i] = 0.0
        im[i] = 0.0


cdef bint fft_run(fft_t* fft) noexcept nogil:
    """Transform the points in a; tells whether the result, in natural order, is in b."""
    cdef bint in_b = columns_transform(fft, fft.rows, fft.columns, False)
    if in_b:
        turn(fft.b_re, fft.b_im, fft.turn_re, fft.turn_im, fft.m)
        transpose(fft.b_re, fft.a_re, fft.rows, fft.columns)
        transpose(fft.b_im, fft.a_im, fft.rows, fft.columns)
    else:
        turn(fft.a_re, fft.a_im, fft.turn_re, fft.turn_im, fft.m)
        transpose(fft.a_re, fft.b_re, fft.rows, fft.columns)
        transpose(fft.a_im, fft.b_im, fft.rows, fft.columns)
    return columns_transform(fft, fft.columns, fft.rows, not in_b)


cdef void split_power(
    input_t zr, input_t zi, input_t wr, input_t wi, alone_t power, Py_ssize_t m, Py_ssize_t n_bins,
) noexcept nogil:
    """4 |X[k]|^2 of the real frame for 1 <= k < n_bins <= m, from the transform of its halves."""
    cdef Py_ssize_t k
    cdef float er, ei, dr, di, re, im
    for k in range(1, n_bins):
        er, ei = zr[k] + zr[m - k], zi[k] - zi[m - k]
        dr, di = zr[k] - zr[m - k], zi[k] + zi[m - k]
        re = er + (wr[k] * di + wi[k] * dr)
        im = ei + (wi[k] * di - wr[k] * dr)
        power[k] = re * re + im * im


cdef void fft_power(
    fft_t* fft, input_t x, input_t window, Py_ssize_t n, alone_t power, Py_ssize_t n_bins,
) noexcept nogil:
    """4 |rfft(x * window)|^2, bins 0 to n_bins - 1 (n_bins <= fft.m). [worker]"""
    cdef float dc
    cdef const float* zr = fft.a_re
    cdef const float* zi = fft.a_im
    fft_load(fft.a_re, fft.a_im, x, window, n, fft.m)
    if fft_run(fft):
        zr, zi = fft.b_re, fft.b_im
    split_power(zr, zi, fft.split_re, fft.split_im, power, fft.m, n_bins)
    dc = zr[0] + zi[0]
    power[0] = 4 * dc * dc
