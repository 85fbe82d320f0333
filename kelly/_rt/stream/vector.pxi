# Small vector kernels.  Sums keep LANES partial sums: gcc may not reorder a float sum by itself, and
# with a fixed order every instruction set gives the same bits.

cdef extern from *:
    """
    /* Cython cannot say `restrict`; without it gcc must assume that outputs overlap inputs. */
    typedef float *__restrict kelly_alone_t;
    typedef const float *__restrict kelly_input_t;
    typedef union { float f; int i; } kelly_bits_t;
    """
    ctypedef float* alone_t "kelly_alone_t"
    ctypedef const float* input_t "kelly_input_t"
    ctypedef union bits_t "kelly_bits_t":
        float f
        int i

cdef enum:
    LANES = 16


cdef float dot(input_t x, input_t y, Py_ssize_t n) noexcept nogil:
    """Sum of products; n is a multiple of LANES."""
    cdef float acc[LANES]
    cdef Py_ssize_t i, j
    for j in range(LANES):
        acc[j] = 0.0
    i = 0
    while i < n:
        for j in range(LANES):
            acc[j] += x[i + j] * y[i + j]
        i += LANES
    for j in range(8):
        acc[j] += acc[j + 8]
    for j in range(4):
        acc[j] += acc[j + 4]
    return (acc[0] + acc[2]) + (acc[1] + acc[3])


cdef float energy(input_t x, Py_ssize_t n) noexcept nogil:
    """Sum of squares of any number of samples."""
    cdef Py_ssize_t i, whole = n - n % LANES
    cdef float total = dot(x, x, whole)
    for i in range(whole, n):
        total += x[i] * x[i]
    return total


cdef Py_ssize_t clean_copy(alone_t out, input_t x, Py_ssize_t n) noexcept nogil:
    """Copy samples: NaN, infinities and anything below -200 dBFS (future denormals) as 0, at most +120 dBFS.

    Returns how many were NaN or infinite.
    """
    cdef Py_ssize_t i
    cdef float v, a
    cdef int bad = 0
    for i in range(n):
        v = x[i]
        a = -v if v < 0 else v
        bad += not a <= <float>3.4028234e38  # true for NaN
        v = v if <float>1e-10 < a <= <float>3.4028234e38 else <float>0.0
        v = v if v < <float>1e6 else <float>1e6
        out[i] = v if v > <float>-1e6 else <float>-1e6
    return bad


cdef inline float fast_log2(float x) noexcept nogil:
    """log2 of a positive normal float, error below 3e-7; branch-free, so that loops of it vectorise.

    source  log2 m = 2/ln 2 * artanh((m - 1)/(m + 1)), m in [sqrt 1/2, sqrt 2)
    """
    cdef bits_t u
    cdef int e
    cdef float s, t
    u.f = x
    e = (u.i - 0x3F3504F3) >> 23
    u.i -= e << 23
    s = (u.f - <float>1.0) / (u.f + <float>1.0)
    t = s * s
    return <float>e + s * (<float>2.885390082 + t * (<float>0.961796694 + t * (<float>0.577078016 + t * (
        <float>0.412198583 + t * <float>0.320598898))))


cdef inline float flush(float x) noexcept nogil:
    """Own state below 1e-20 becomes 0 before it can turn denormal."""
    return <float>0.0 if -<float>1e-20 < x < <float>1e-20 else x


cdef inline float clip(float x, float low, float high) noexcept nogil:
    return low if x < low else (high if x > high else x)
