# Fast onsets: a 512-sample window every 128 samples (at 48 kHz), for reflexes and for exact attack times.
#
# The window rises over seven eighths and falls over the newest eighth, so that an attack counts as
# soon as it is heard and not when it reaches the middle.  A band rises by what its log energy exceeds
# the loudest of its last 24 ms by: partials that beat within a bass note are no attack.  What rises more
# than usual adds up (a cumulative sum test), so a slow attack is found later and not never.

cdef enum:
    REFLEX_BANDS = 20
    REFLEX_PAST = 64            # hops of rise kept for the attack times, 170 ms
    REFLEX_HOLD = 9             # hops, 24 ms

cdef double REFLEX_LOW_HZ = 100.0
cdef float REFLEX_LEAST = 0.12  # bel of summed rise that make an onset
cdef float REFLEX_DRIFT = 0.025  # bel per hop that never count
cdef float REFLEX_ACTIVE = 0.3  # bel over the floor that make a band count in the mean
cdef double REFLEX_REFRACTORY_S = 0.05

cdef struct reflex_t:
    Py_ssize_t window_frames
    Py_ssize_t hop_frames
    Py_ssize_t n_bins
    int64_t next_frame          # end of the coming hop
    int64_t hops
    int refractory              # hops
    int since                   # hops since it fired
    float mean                  # leaky mean of the rise, 300 ms
    float summed
    float mean_leak
    float scale                 # 4 |X|^2 -> mean square
    fft_t fft
    float* window
    float* power
    int first_bin[REFLEX_BANDS + 1]
    float past[REFLEX_HOLD][REFLEX_BANDS]
    float rise[REFLEX_PAST]


cdef int reflex_prepare(reflex_t* reflex, arena_t* arena, int rate) except -1:
    """Window and bands for a sample rate. [main]"""
    cdef Py_ssize_t i, fall, n
    cdef double top, bin_hz, squares = 0.0
    n = reflex.window_frames = 2 * <Py_ssize_t>(256.0 * rate / 48000.0 + 0.5)
    reflex.hop_frames = <Py_ssize_t>(128.0 * rate / 48000.0 + 0.5)
    fft_prepare(&reflex.fft, arena, next_power_of_two(n))
    reflex.window = arena_floats(arena, n)
    reflex.power = arena_floats(arena, reflex.fft.m + LANES)
    fall = n // 8
    for i in range(n):
        if i < n - fall:
            reflex.window[i] = sin(0.5 * M_PI * (i + 0.5) / (n - fall)) ** 2
        else:
            reflex.window[i] = cos(0.5 * M_PI * (i - (n - fall) + 0.5) / fall) ** 2
        squares += <double>reflex.window[i] * reflex.window[i]
    reflex.scale = 0.5 / (reflex.fft.n * squares)
    bin_hz = <double>rate / reflex.fft.n
    top = min(10000.0, 0.45 * rate)
    for i in range(REFLEX_BANDS + 1):
        reflex.first_bin[i] = <int>(REFLEX_LOW_HZ * (top / REFLEX_LOW_HZ) ** (<double>i / REFLEX_BANDS) / bin_hz + 0.5)
        if i > 0 and reflex.first_bin[i] <= reflex.first_bin[i - 1]:
            reflex.first_bin[i] = reflex.first_bin[i - 1] + 1
    reflex.n_bins = min(reflex.first_bin[REFLEX_BANDS], reflex.fft.m)
    reflex.refractory = <int>(REFLEX_REFRACTORY_S * rate / reflex.hop_frames + 0.5)
    reflex.mean_leak = 1.0 - exp(-<double>reflex.hop_frames / (0.3 * rate))
    return 0


cdef void reflex_reset(reflex_t* reflex) noexcept nogil:
    cdef int i, band
    reflex.next_frame = reflex.hop_frames
    reflex.hops = 0
    reflex.since = 1000000
    reflex.mean = reflex.summed = 0.0
    for i in range(REFLEX_HOLD):
        for band in range(REFLEX_BANDS):
            reflex.past[i][band] = 0.0
    for i in range(REFLEX_PAST):
        reflex.rise[i] = 0.0


cdef float reflex_rise(reflex_t* reflex, const float* newest_end, float floor_power) noexcept nogil:
    """Mean rise of the sounding bands' log energy over a floor, bel. [worker]"""
    cdef int band, hop
    cdef Py_ssize_t k
    cdef float power, level, reference, total = 0.0, active = 0.0, per_floor = reflex.scale / floor_power
    cdef float* oldest = reflex.past[reflex.hops % REFLEX_HOLD]
    cdef float sums[REFLEX_BANDS]
    cdef float loudest[REFLEX_BANDS]
    fft_power(&reflex.fft, newest_end - reflex.window_frames, reflex.window, reflex.window_frames,
              reflex.power, reflex.n_bins)
    for band in range(REFLEX_BANDS):
        power = 0.0
        for k in range(reflex.first_bin[band], min(reflex.first_bin[band + 1], reflex.n_bins)):
            power += reflex.power[k]
        sums[band] = power
        loudest[band] = 0.0
    for hop in range(REFLEX_HOLD):
        for band in range(REFLEX_BANDS):
            loudest[band] = reflex.past[hop][band] if reflex.past[hop][band] > loudest[band] else loudest[band]
    for band in range(REFLEX_BANDS):
        level = <float>0.30102999566398 * fast_log2(<float>1.0 + per_floor * sums[band])
        total += level - loudest[band] if level > loudest[band] else <float>0.0
        active += <float>1.0 if level > REFLEX_ACTIVE else <float>0.0
        oldest[band] = level
    return total / (active if active > <float>6.0 else <float>6.0)


cdef float reflex_step(reflex_t* reflex, const float* newest_end, float floor_power) noexcept nogil:
    """One fast hop: the strength of an onset, else 0. [worker]"""
    cdef float rise = reflex_rise(reflex, newest_end, floor_power)
    cdef float strength = 0.0
    reflex.rise[reflex.hops & (REFLEX_PAST - 1)] = rise
    reflex.hops += 1
    reflex.since += 1
    reflex.summed = max(<float>0.0, reflex.summed + rise - REFLEX_DRIFT - <float>1.5 * reflex.mean)
    if reflex.since >= reflex.refractory and reflex.summed > REFLEX_LEAST:
        strength = reflex.summed
        reflex.since = 0
    if reflex.since < reflex.refractory:  # what still rises belongs to the onset just found
        reflex.summed = 0.0
    reflex.mean = flush(reflex.mean + reflex.mean_leak * (min(rise, REFLEX_LEAST) - reflex.mean))
    reflex.next_frame += reflex.hop_frames
    return strength


cdef int64_t reflex_attack(reflex_t* reflex, int64_t before, int64_t after) noexcept nogil:
    """Frame of the strongest attack in (after, before]: where its rise began. [worker]"""
    cdef int64_t newest = reflex.hops - 1, hop, best, oldest, offset
    cdef float highest
    # hop h ended at (h + 1) * hop_frames
    oldest = max(reflex.hops - REFLEX_PAST, after // reflex.hop_frames, 0)
    newest = min(newest, before // reflex.hop_frames - 1)
    if newest < oldest:
        return before
    best, highest = newest, -1.0
    hop = oldest
    while hop <= newest:
        if reflex.rise[hop & (REFLEX_PAST - 1)] > highest:
            best, highest = hop, reflex.rise[hop & (REFLEX_PAST - 1)]
        hop += 1
    if highest < REFLEX_DRIFT:  # the long window was first: the attack is too young for a fast hop to have ended
        return max(before - reflex.hop_frames, after)
    while best > oldest and reflex.rise[(best - 1) & (REFLEX_PAST - 1)] > <float>0.25 * highest:
        best -= 1
    offset = (best + 1) * reflex.hop_frames - 3 * reflex.hop_frames // 4
    return max(offset, after)
