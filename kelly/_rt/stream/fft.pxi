# Power spectrum of a real frame.
#
# source  Stockham's self-sorting radix-4 FFT (decimation in frequency) on N/2 complex points, real
#         and imaginary parts apart, then the usual split into even and odd samples.  The inner loops
#         run over neighbouring floats, so they vectorise without intrinsics; sums are in a fixed order.

from libc.math cimport M_PI, cos, sin

cdef struct fft_t:
    Py_ssize_t n            # real points, a power of two >= 32
    Py_ssize_t m            # complex points, n / 2
    float* twiddle          # per stage: w, w^2, w^3, real then imaginary parts
    float* split_re         # exp(-2 pi i k / n)
    float* split_im
    float* a_re
    float* a_im
    float* b_re
    float* b_im
    float* z_re             # the newest transform: a or b
    float* z_im


cdef int fft_prepare(fft_t* fft, arena_t* arena, Py_ssize_t n) except -1:
    """Tables for n real points. [main]"""
    cdef Py_ssize_t m = n // 2, k, p, size, quarter
    cdef float* w
    cdef double angle
    fft.n, fft.m = n, m
    fft.twiddle = arena_floats(arena, 2 * m + 64)
    fft.split_re, fft.split_im = arena_floats(arena, m + LANES), arena_floats(arena, m + LANES)
    fft.a_re, fft.a_im = arena_floats(arena, m + LANES), arena_floats(arena, m + LANES)
    fft.b_re, fft.b_im = arena_floats(arena, m + LANES), arena_floats(arena, m + LANES)
    fft.z_re, fft.z_im = fft.a_re, fft.a_im
    for k in range(m):
        angle = -2.0 * M_PI * k / n
        fft.split_re[k], fft.split_im[k] = cos(angle), sin(angle)
    w, size = fft.twiddle, m
    while size >= 4:
        quarter = size // 4
        for p in range(quarter):
            angle = -2.0 * M_PI * p / size
            for k in range(3):
                w[2 * k * quarter + p] = cos((k + 1) * angle)
                w[(2 * k + 1) * quarter + p] = sin((k + 1) * angle)
        w += 6 * quarter
        size = quarter
    return 0


cdef void stage_first(
    input_t xr, input_t xi, alone_t yr, alone_t yi, input_t w, Py_ssize_t m,
) noexcept nogil:
    """Radix-4 stage of stride 1: neighbours are the butterflies, outputs interleave."""
    cdef Py_ssize_t p
    cdef float sr, si, dr, di, tr, ti, er, ei, ur, ui
    for p in range(m):
        sr, si = xr[p] + xr[p + 2 * m], xi[p] + xi[p + 2 * m]
        dr, di = xr[p] - xr[p + 2 * m], xi[p] - xi[p + 2 * m]
        tr, ti = xr[p + m] + xr[p + 3 * m], xi[p + m] + xi[p + 3 * m]
        er, ei = xr[p + m] - xr[p + 3 * m], xi[p + m] - xi[p + 3 * m]
        yr[4 * p], yi[4 * p] = sr + tr, si + ti
        ur, ui = dr + ei, di - er
        yr[4 * p + 1] = ur * w[p] - ui * w[p + m]
        yi[4 * p + 1] = ur * w[p + m] + ui * w[p]
        ur, ui = sr - tr, si - ti
        yr[4 * p + 2] = ur * w[p + 2 * m] - ui * w[p + 3 * m]
        yi[4 * p + 2] = ur * w[p + 3 * m] + ui * w[p + 2 * m]
        ur, ui = dr - ei, di + er
        yr[4 * p + 3] = ur * w[p + 4 * m] - ui * w[p + 5 * m]
        yi[4 * p + 3] = ur * w[p + 5 * m] + ui * w[p + 4 * m]


cdef inline void butterfly(
    input_t xr, input_t xi, alone_t yr, alone_t yi, Py_ssize_t s, Py_ssize_t leg,
    float w1r, float w1i, float w2r, float w2i, float w3r, float w3i,
) noexcept nogil:
    """s radix-4 butterflies side by side: inputs `leg` apart, outputs s apart."""
    cdef Py_ssize_t q
    cdef float sr, si, dr, di, tr, ti, er, ei, ur, ui
    for q in range(s):
        sr, si = xr[q] + xr[q + 2 * leg], xi[q] + xi[q + 2 * leg]
        dr, di = xr[q] - xr[q + 2 * leg], xi[q] - xi[q + 2 * leg]
        tr, ti = xr[q + leg] + xr[q + 3 * leg], xi[q + leg] + xi[q + 3 * leg]
        er, ei = xr[q + leg] - xr[q + 3 * leg], xi[q + leg] - xi[q + 3 * leg]
        yr[q], yi[q] = sr + tr, si + ti
        ur, ui = dr + ei, di - er
        yr[q + s] = ur * w1r - ui * w1i
        yi[q + s] = ur * w1i + ui * w1r
        ur, ui = sr - tr, si - ti
        yr[q + 2 * s] = ur * w2r - ui * w2i
        yi[q + 2 * s] = ur * w2i + ui * w2r
        ur, ui = dr - ei, di + er
        yr[q + 3 * s] = ur * w3r - ui * w3i
        yi[q + 3 * s] = ur * w3i + ui * w3r


cdef void stage_four(
    input_t xr, input_t xi, alone_t yr, alone_t yi, input_t w, Py_ssize_t m,
) noexcept nogil:
    """Radix-4 stage of stride 4, its length a constant so that it unrolls."""
    cdef Py_ssize_t p
    for p in range(m):
        butterfly(xr + 4 * p, xi + 4 * p, yr + 16 * p, yi + 16 * p, 4, 4 * m,
                  w[p], w[p + m], w[p + 2 * m], w[p + 3 * m], w[p + 4 * m], w[p + 5 * m])


cdef void stage_wide(
    input_t xr, input_t xi, alone_t yr, alone_t yi, input_t w, Py_ssize_t m, Py_ssize_t s,
) noexcept nogil:
    """Radix-4 stage of stride s >= 16."""
    cdef Py_ssize_t p
    for p in range(m):
        butterfly(xr + s * p, xi + s * p, yr + 4 * s * p, yi + 4 * s * p, s, s * m,
                  w[p], w[p + m], w[p + 2 * m], w[p + 3 * m], w[p + 4 * m], w[p + 5 * m])


cdef void stage_last(input_t xr, input_t xi, alone_t yr, alone_t yi, Py_ssize_t s) noexcept nogil:
    """Radix-2 stage that ends sizes which are no power of four."""
    cdef Py_ssize_t q
    for q in range(s):
        yr[q], yi[q] = xr[q] + xr[q + s], xi[q] + xi[q + s]
        yr[q + s], yi[q + s] = xr[q] - xr[q + s], xi[q] - xi[q + s]


cdef void fft_load(fft_t* fft, input_t x, input_t window, Py_ssize_t n) noexcept nogil:
    """Window n <= fft.n samples into the input, zeros behind them; even samples are the real part.

    n is even and the window is zero where it was rounded up.
    """
    cdef Py_ssize_t i
    cdef alone_t re = fft.a_re
    cdef alone_t im = fft.a_im
    for i in range(n // 2):
        re[i] = x[2 * i] * window[2 * i]
        im[i] = x[2 * i + 1] * window[2 * i + 1]
    for i in range(n // 2, fft.m):
        re[i] = 0.0
        im[i] = 0.0


cdef void fft_run(fft_t* fft) noexcept nogil:
    """Transform what fft_load left; the result is z, in natural order."""
    cdef float* xr = fft.a_re
    cdef float* xi = fft.a_im
    cdef float* yr = fft.b_re
    cdef float* yi = fft.b_im
    cdef float* w = fft.twiddle
    cdef Py_ssize_t size = fft.m, s = 1
    while size >= 4:
        if s == 1:
            stage_first(xr, xi, yr, yi, w, size // 4)
        elif s == 4:
            stage_four(xr, xi, yr, yi, w, size // 4)
        else:
            stage_wide(xr, xi, yr, yi, w, size // 4, s)
        w += 6 * (size // 4)
        size //= 4
        s *= 4
        xr, yr = yr, xr
        xi, yi = yi, xi
    if size == 2:
        stage_last(xr, xi, yr, yi, s)
        xr, yr = yr, xr
        xi, yi = yi, xi
    fft.z_re, fft.z_im = xr, xi


cdef void split_power(
    input_t zr, input_t zi, input_t wr, input_t wi, alone_t power, Py_ssize_t m, Py_ssize_t n_bins,
) noexcept nogil:
    """|X[k]|^2 * 4 of the real frame for 1 <= k < n_bins <= m, from the transform of its halves."""
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
    fft_load(fft, x, window, n)
    fft_run(fft)
    split_power(fft.z_re, fft.z_im, fft.split_re, fft.split_im, power, fft.m, n_bins)
    dc = fft.z_re[0] + fft.z_im[0]
    power[0] = 4 * dc * dc
