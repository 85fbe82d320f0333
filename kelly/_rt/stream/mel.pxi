# Log-mel bands relative to the player's mezzo-forte.
#
# source  Slaney's mel scale (linear below 1 kHz, logarithmic above) and his area norm, as in the
#         Auditory Toolbox and as librosa.filters.mel(htk=False, norm="slaney") has it; 108 bands,
#         30 Hz to 10 kHz.  A band's value is its mean power density, so neither the sample rate nor
#         the zero-padding changes it.

from libc.math cimport exp, log

cdef enum:
    MEL_BANDS = 108
    MEL_STEP = 4            # weights of a band are padded to a multiple of this many bins

cdef double MEL_LOW_HZ = 30.0
cdef double MEL_HIGH_HZ = 10000.0
cdef float MEL_FLOOR = 1e-8           # of mezzo-forte per kHz: -80 dB
cdef float MEL_OCTAVES = 0.07525749891599529   # log10(2) / 4: features hold 40 dB per unit

cdef struct mel_t:
    Py_ssize_t window_frames
    Py_ssize_t n_bins                 # bins that any band touches
    fft_t fft
    float* window                     # hann, periodic, padded with zeros to an even length
    float* power                      # (n_bins + padding,)
    float* weights                    # bands one after the other, each a multiple of MEL_STEP
    int first_bin[MEL_BANDS]
    int n_steps[MEL_BANDS]            # 0 above Nyquist
    float centre_hz[MEL_BANDS]
    float width_hz[MEL_BANDS]         # half the triangle's base: the bands' widths add up to the range
    float density[MEL_BANDS]          # mean power density of the newest hop, full scale^2 / Hz
    float level[MEL_BANDS]            # its feature value


cdef double hz_to_mel(double hz) noexcept:
    return 15.0 + 27.0 * log(hz / 1000.0) / log(6.4) if hz >= 1000.0 else hz * 3.0 / 200.0


cdef double mel_to_hz(double mel) noexcept:
    return 1000.0 * exp(log(6.4) * (mel - 15.0) / 27.0) if mel >= 15.0 else mel * 200.0 / 3.0


cdef int hann(float* window, Py_ssize_t n) noexcept:
    """Periodic hann window."""
    cdef Py_ssize_t i
    for i in range(n):
        window[i] = 0.5 - 0.5 * cos(2.0 * M_PI * i / n)
    return 0


cdef Py_ssize_t next_power_of_two(Py_ssize_t n) noexcept:
    cdef Py_ssize_t size = 128
    while size < n:
        size *= 2
    return size


cdef int mel_prepare(mel_t* mel, arena_t* arena, int rate) except -1:
    """Window, filters and transform for a sample rate. [main]"""
    cdef double edge_hz[MEL_BANDS + 2]
    cdef double low = hz_to_mel(MEL_LOW_HZ), high = hz_to_mel(MEL_HIGH_HZ), bin_hz, weight, scale, squares = 0.0
    cdef Py_ssize_t band, k, n_fft, first, last, used = 0
    cdef double f
    mel.window_frames = <Py_ssize_t>(0.0427 * rate + 0.5)
    # bins below 12 Hz sample |X|^2 of a 43 ms window densely enough; at 44.1 kHz the next power of two (21.5 Hz)
    # would let narrow bands differ by up to 20 dB from what 48 kHz gives
    n_fft = next_power_of_two(max(mel.window_frames, rate // 12))
    fft_prepare(&mel.fft, arena, n_fft)
    mel.window = arena_floats(arena, mel.window_frames + 2)
    hann(mel.window, mel.window_frames)
    for k in range(mel.window_frames):
        squares += <double>mel.window[k] * mel.window[k]
    bin_hz = <double>rate / n_fft
    for band in range(MEL_BANDS + 2):
        edge_hz[band] = mel_to_hz(low + (high - low) * band / (MEL_BANDS + 1))
    # one-sided density: 2 |X|^2 / (rate * sum w^2); fft_power gives 4 |X|^2; a filter's area is 1 in Hz
    scale = 0.5 / (rate * squares) * bin_hz
    mel.n_bins = 1
    mel.weights = arena_floats(arena, 4 * n_fft + 2 * MEL_STEP * MEL_BANDS)
    for band in range(MEL_BANDS):
        mel.centre_hz[band] = edge_hz[band + 1]
        mel.width_hz[band] = 0.5 * (edge_hz[band + 2] - edge_hz[band])
        mel.first_bin[band] = mel.n_steps[band] = 0
        if edge_hz[band + 2] > 0.5 * rate:
            continue
        first = <Py_ssize_t>(edge_hz[band] / bin_hz) + 1
        last = min(<Py_ssize_t>(edge_hz[band + 2] / bin_hz), n_fft // 2 - 1)
        mel.first_bin[band] = <int>first
        mel.n_steps[band] = <int>((last - first + MEL_STEP) // MEL_STEP)
        mel.n_bins = max(mel.n_bins, last + 1)
        for k in range(first, last + 1):
            f = k * bin_hz
            weight = min((f - edge_hz[band]) / (edge_hz[band + 1] - edge_hz[band]),
                         (edge_hz[band + 2] - f) / (edge_hz[band + 2] - edge_hz[band + 1]))
            mel.weights[used + k - first] = weight * 2.0 / (edge_hz[band + 2] - edge_hz[band]) * scale
        used += mel.n_steps[band] * MEL_STEP
    mel.power = arena_floats(arena, n_fft + LANES)
    return 0


cdef void mel_reset(mel_t* mel) noexcept nogil:
    cdef int band
    for band in range(MEL_BANDS):
        mel.density[band] = 0.0
        mel.level[band] = -1.0


cdef void mel_density(mel_t* mel, const float* newest_end) noexcept nogil:
    """Density per band of the window that ends before newest_end. [worker]"""
    cdef int band, step
    cdef float a, b, c, d
    cdef const float* w = mel.weights
    cdef const float* p
    # an odd window reads one sample past its end, times 0
    fft_power(&mel.fft, newest_end - mel.window_frames, mel.window, mel.window_frames + (mel.window_frames & 1),
              mel.power, mel.n_bins)
    for band in range(MEL_BANDS):
        a = b = c = d = 0.0
        p = mel.power + mel.first_bin[band]
        for step in range(mel.n_steps[band]):
            a += w[0] * p[0]
            b += w[1] * p[1]
            c += w[2] * p[2]
            d += w[3] * p[3]
            w += MEL_STEP
            p += MEL_STEP
        mel.density[band] = (a + c) + (b + d)


cdef void mel_level(input_t density, alone_t level, float per_mezzo_forte) noexcept nogil:
    """level = 1 + log10(density in mezzo-fortes per kHz + 1e-8) / 4: -1 is the floor, 40 dB per unit."""
    cdef int band
    for band in range(MEL_BANDS):
        level[band] = <float>1.0 + MEL_OCTAVES * fast_log2(density[band] * per_mezzo_forte + MEL_FLOOR)
