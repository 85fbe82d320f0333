# Chroma with tracked tuning, from the spectral peaks of a decimated signal.
#
# The 43 ms window of the mel bands cannot tell semitones apart below 500 Hz.  So the input is
# decimated to 4 to 6.4 kHz and looked at through two longer windows in turn, each every 20 ms: 320 ms for
# what lies below middle C, 160 ms above it.  Peaks (parabolic interpolation of log power, a few cents)
# are visited from low to high; each one takes from the peaks at its harmonics what a tone with
# soft harmonics would put there, so that a triad gives three pitch classes and not its overtones.
#
# Sine and cosine of the deviations are parabolas (6 % off, and symmetric, so their zero crossings are exact).
#
# source  peaks and tuning histogram as in Gomez, Tonal Description of Music Audio Signals (2006), HPCP; the
#         greedy removal of harmonics is ours.

from libc.math cimport atan2, fabsf, floor, floorf, sqrt, sqrtf

cdef enum:
    CHROMA_PEAKS = 64
    CHROMA_HARMONICS = 7
    DECIMATED_MAX_HZ = 6400

cdef double CHROMA_LOW_HZ = 50.0
cdef double CHROMA_SPLIT_HZ = 254.2        # between B3 and C4
cdef double CHROMA_HIGH_HZ = 2000.0
cdef float BASS_HZ = 80.0                  # bass_chroma falls by 6 dB per octave above it
cdef double CHROMA_LONG_S = 0.32
cdef float HARMONIC_SHARE = 0.5            # of a tone's amplitude, what its second harmonic is taken to have
cdef float HARMONIC_FALL = 0.8            # from each harmonic to the next
cdef float HARMONIC_KEEP = 0.2             # of an overtone's amplitude that is always left to be a note

cdef struct view_t:                         # one of the two windows
    Py_ssize_t window_frames
    fft_t fft
    float* window
    float* power
    float* level                            # log2 power
    short* peak_of_bin
    Py_ssize_t first_bin                    # peaks are looked for in [first, last]
    Py_ssize_t last_bin
    float bin_hz
    float scale                             # 4 |X|^2 of a peak -> mean square of its sine
    float low_hz                            # fundamentals that this view may report
    float high_hz
    float chroma[12]
    float bass[12]                          # the same, weighted towards the lowest notes
    float drift[2]                          # tuning evidence of the newest look: a * exp(2 pi i deviation)

cdef struct chroma_t:
    Py_ssize_t factor                       # decimation
    Py_ssize_t n_taps
    float* taps
    float* low                              # decimated samples
    Py_ssize_t low_size
    Py_ssize_t low_end
    int64_t next_frame                      # input frame of the next decimated sample
    view_t views[2]                         # long, short
    int turn
    float tuning                            # semitones, unwrapped within +-.6
    float evidence[2]


cdef int view_prepare(view_t* view, arena_t* arena, double seconds, double rate, double low_hz, double high_hz) except -1:
    cdef double total = 0.0
    cdef Py_ssize_t k
    view.window_frames = 2 * <Py_ssize_t>(0.5 * seconds * rate + 0.5)
    fft_prepare(&view.fft, arena, next_power_of_two(view.window_frames))
    view.window = arena_floats(arena, view.window_frames)
    hann(view.window, view.window_frames)
    for k in range(view.window_frames):
        total += view.window[k]
    view.scale = 0.5 / (total * total)      # amplitude 2 |X| / sum, its mean square half of the square
    view.bin_hz = rate / view.fft.n
    view.low_hz, view.high_hz = low_hz, high_hz
    view.first_bin = <Py_ssize_t>(CHROMA_LOW_HZ / view.bin_hz)
    view.last_bin = min(<Py_ssize_t>(min(CHROMA_HIGH_HZ, 0.34 * rate) / view.bin_hz), view.fft.m - 3)
    view.power = arena_floats(arena, view.fft.m + LANES)
    view.level = arena_floats(arena, view.fft.m + LANES)
    view.peak_of_bin = <short*>arena_take(arena, (view.fft.m + LANES) * sizeof(short))
    return 0


cdef int chroma_prepare(chroma_t* chroma, arena_t* arena, int rate) except -1:
    """Decimation filter and windows for a sample rate. [main]"""
    cdef Py_ssize_t i
    cdef double x, total = 0.0, low_rate
    chroma.factor = (rate + DECIMATED_MAX_HZ - 1) // DECIMATED_MAX_HZ
    low_rate = <double>rate / chroma.factor
    chroma.n_taps = (10 * chroma.factor + LANES) // LANES * LANES
    chroma.taps = arena_floats(arena, chroma.n_taps)
    for i in range(chroma.n_taps):  # hann-windowed sinc, -6 dB at half the low rate
        x = (i - 0.5 * (chroma.n_taps - 1)) / chroma.factor
        chroma.taps[i] = (sin(M_PI * x) / (M_PI * x) if x != 0.0 else 1.0) * sin(M_PI * (i + 0.5) / chroma.n_taps) ** 2
        total += chroma.taps[i]
    for i in range(chroma.n_taps):
        chroma.taps[i] = chroma.taps[i] / total
    view_prepare(&chroma.views[0], arena, CHROMA_LONG_S, low_rate, CHROMA_LOW_HZ, CHROMA_SPLIT_HZ)
    view_prepare(&chroma.views[1], arena, 0.5 * CHROMA_LONG_S, low_rate, CHROMA_SPLIT_HZ, CHROMA_HIGH_HZ)
    chroma.low_size = 2 * chroma.views[0].window_frames + DECIMATED_MAX_HZ // 100
    chroma.low = arena_floats(arena, chroma.low_size)
    return 0


cdef void chroma_reset(chroma_t* chroma) noexcept nogil:
    cdef int i, pitch_class
    cdef Py_ssize_t k
    chroma.low_end = chroma.views[0].window_frames
    for k in range(chroma.low_size):
        chroma.low[k] = 0.0
    chroma.next_frame = chroma.factor
    chroma.turn = 0
    chroma.tuning = chroma.evidence[0] = chroma.evidence[1] = 0.0
    for i in range(2):
        chroma.views[i].drift[0] = chroma.views[i].drift[1] = 0.0
        for pitch_class in range(12):
            chroma.views[i].chroma[pitch_class] = chroma.views[i].bass[pitch_class] = 0.0
        for k in range(chroma.views[i].fft.m + LANES):
            chroma.views[i].peak_of_bin[k] = -1


cdef void chroma_decimate(chroma_t* chroma, const float* end, int64_t frame) noexcept nogil:
    """Append the decimated samples up to input frame `frame`, which lies at `end`. [worker]"""
    cdef Py_ssize_t keep = chroma.views[0].window_frames
    if chroma.low_end + DECIMATED_MAX_HZ // 100 + 1 > chroma.low_size:
        memmove(chroma.low, chroma.low + chroma.low_end - keep, keep * sizeof(float))
        chroma.low_end = keep
    while chroma.next_frame <= frame:
        chroma.low[chroma.low_end] = dot(
            end - (frame - chroma.next_frame) - chroma.n_taps, chroma.taps, chroma.n_taps)
        chroma.low_end += 1
        chroma.next_frame += chroma.factor


cdef void view_levels(view_t* view) noexcept nogil:
    cdef Py_ssize_t k
    cdef alone_t level = view.level
    cdef input_t power = view.power
    for k in range(view.last_bin + 3):
        level[k] = fast_log2(power[k] + <float>1e-25)


cdef void view_look(view_t* view, const float* end, float tuning, float mezzo_forte) noexcept nogil:
    """Chroma of the window that ends before `end`: energy per pitch class in mezzo-fortes. [worker]"""
    cdef float hz[CHROMA_PEAKS]
    cdef float amplitude[CHROMA_PEAKS]
    cdef float rest[CHROMA_PEAKS]
    cdef Py_ssize_t bins[CHROMA_PEAKS]
    cdef int n = 0, i, j, harmonic, pitch_class
    cdef Py_ssize_t k, near, reach, step
    cdef float loudest = 0.0, least, a, b, c, offset, share, tolerance, pitch, deviation, weight, nearest
    cdef const float* p = view.power
    fft_power(&view.fft, end - view.window_frames, view.window, view.window_frames, view.power, view.last_bin + 3)
    view_levels(view)
    for pitch_class in range(12):
        view.chroma[pitch_class] = view.bass[pitch_class] = 0.0
    view.drift[0] = view.drift[1] = 0.0
    for k in range(view.first_bin, view.last_bin + 1):
        if p[k] > loudest:
            loudest = p[k]
    # peaks within 45 dB of the loudest and within 60 dB of mezzo-forte
    least = max(<float>3e-5 * loudest, <float>1e-6 * mezzo_forte / view.scale)
    for k in range(view.first_bin, view.last_bin + 1):
        if p[k] > least and p[k] > p[k - 1] and p[k] >= p[k + 1] and n < CHROMA_PEAKS:
            a, b, c = view.level[k - 1], view.level[k], view.level[k + 1]
            offset = <float>0.5 * (a - c) / (a - <float>2.0 * b + c - <float>1e-9)
            hz[n] = (k + offset) * view.bin_hz
            amplitude[n] = rest[n] = sqrtf(p[k] * view.scale / mezzo_forte)
            bins[n] = k
            view.peak_of_bin[k] = <short>n
            n += 1
    for i in range(n):
        share = HARMONIC_SHARE * rest[i]
        for harmonic in range(3, CHROMA_HARMONICS + 1):
            share *= HARMONIC_FALL
            if harmonic == 4:  # octaves are the same pitch class
                continue
            near = <Py_ssize_t>(hz[i] * harmonic / view.bin_hz + <float>0.5)
            if near > view.last_bin:
                break
            tolerance = <float>0.02 * hz[i] * harmonic + <float>0.5 * view.bin_hz  # about 35 cents
            reach = <Py_ssize_t>(tolerance / view.bin_hz) + 1
            for step in range(-reach, reach + 1):
                k = near + step
                if k < 0 or k > view.last_bin:
                    continue
                j = view.peak_of_bin[k]
                if j > i and fabsf(hz[j] - hz[i] * harmonic) < tolerance:
                    rest[j] = max(rest[j] - share, HARMONIC_KEEP * amplitude[j])
    for i in range(n):
        view.peak_of_bin[bins[i]] = -1
        pitch = fast_log2(hz[i] / <float>440.0) * <float>12.0 + <float>69.0
        if hz[i] > <float>100.0:
            deviation = pitch - floorf(pitch + <float>0.5)
            view.drift[0] += amplitude[i] * (<float>1.0 - <float>8.0 * deviation * deviation if fabsf(deviation) < <float>0.25
                                             else <float>8.0 * (<float>0.5 - fabsf(deviation)) * (<float>0.5 - fabsf(deviation))
                                             - <float>1.0)
            view.drift[1] += amplitude[i] * <float>8.0 * deviation * (<float>1.0 - <float>2.0 * fabsf(deviation))
        if not view.low_hz <= hz[i] < view.high_hz:
            continue
        pitch -= tuning
        nearest = floorf(pitch + <float>0.5)
        deviation = pitch - nearest
        weight = <float>1.0 - <float>4.0 * deviation * deviation  # 1 in tune, 0 a quarter tone off
        weight *= rest[i] * rest[i]
        view.chroma[<int>nearest % 12] += weight
        share = min(BASS_HZ / hz[i], <float>1.0)
        view.bass[<int>nearest % 12] += share * share * weight


cdef void chroma_tune(chroma_t* chroma, view_t* view) noexcept nogil:
    """Follow the player's tuning: circular mean of the peaks' deviations over some seconds."""
    cdef float towards
    chroma.evidence[0] = flush(<float>0.996 * chroma.evidence[0] + view.drift[0])
    chroma.evidence[1] = flush(<float>0.996 * chroma.evidence[1] + view.drift[1])
    if chroma.evidence[0] == 0 and chroma.evidence[1] == 0:
        return
    towards = <float>(atan2(chroma.evidence[1], chroma.evidence[0]) / (2.0 * M_PI)) - chroma.tuning
    towards -= floor(towards + <float>0.5)
    chroma.tuning += <float>0.05 * towards
    if chroma.tuning > <float>0.6:  # past the quarter tone by enough not to flip back and forth
        chroma.tuning -= 1
    elif chroma.tuning < <float>-0.6:
        chroma.tuning += 1


cdef void chroma_step(chroma_t* chroma, float mezzo_forte) noexcept nogil:
    """Look through one of the two windows. [worker]"""
    cdef view_t* view = &chroma.views[chroma.turn]
    view_look(view, chroma.low + chroma.low_end, chroma.tuning, mezzo_forte)
    chroma_tune(chroma, view)
    chroma.turn = 1 - chroma.turn
