# Onsets of the 10 ms hops: log-mel flux against an adaptive threshold.
#
# source  half-wave rectified flux of log-mel bands with a lag of two hops (Boeck & Widmer 2013, without their
#         maximum over neighbouring bands: in bands of 29 Hz it hides every step of a bass line);
#         threshold from median and mean of the last half second (Dixon 2006, causal).

cdef enum:
    ONSET_LAG = 2
    ONSET_PAST = 48             # hops the threshold looks back
    ONSET_REFRACTORY = 5        # hops

cdef float ONSET_FLOOR = -0.25  # level of -50 dB under mezzo-forte per kHz: softer is no onset
cdef float ONSET_LEAST = 0.07   # bel, mean over the bands

cdef struct onset_t:
    float past[ONSET_LAG][MEL_BANDS]
    int newest                  # row of past
    float ring[ONSET_PAST]
    float ordered[ONSET_PAST]   # the ring, ascending
    int at
    float noticed               # flux of the onset that the coming hop declares, else 0
    float lowest                # flux since the last attack: it must fall before it can rise again
    int since                   # hops since an onset was noticed


cdef void onset_reset(onset_t* onset) noexcept nogil:
    cdef int i, band
    for i in range(ONSET_LAG):
        for band in range(MEL_BANDS):
            onset.past[i][band] = ONSET_FLOOR
    for i in range(ONSET_PAST):
        onset.ring[i] = onset.ordered[i] = 0.0
    onset.newest = onset.at = 0
    onset.noticed = onset.lowest = 0.0
    onset.since = 1000000


cdef float onset_flux(onset_t* onset, input_t level) noexcept nogil:
    """Mean rise of the bands over two hops, bel; remembers the level. [worker]"""
    cdef int band
    cdef int row = (onset.newest + 1) % ONSET_LAG  # written two hops ago
    cdef float* old = onset.past[row]
    cdef float now[MEL_BANDS]
    cdef float total = 0.0
    for band in range(MEL_BANDS):
        now[band] = level[band] if level[band] > ONSET_FLOOR else ONSET_FLOOR
    for band in range(MEL_BANDS):
        total += now[band] - old[band] if now[band] > old[band] else <float>0.0
        old[band] = now[band]
    onset.newest = row
    return total * <float>(4.0 / MEL_BANDS)  # 4 bel per unit of level


cdef void onset_remember(onset_t* onset, float flux) noexcept nogil:
    """Replace the oldest flux in the ring and in the ordered copy."""
    cdef int i = 0
    cdef float gone = onset.ring[onset.at]
    while onset.ordered[i] != gone:
        i += 1
    while i + 1 < ONSET_PAST and onset.ordered[i + 1] < flux:
        onset.ordered[i] = onset.ordered[i + 1]
        i += 1
    while i > 0 and onset.ordered[i - 1] > flux:
        onset.ordered[i] = onset.ordered[i - 1]
        i -= 1
    onset.ordered[i] = flux
    onset.ring[onset.at] = flux
    onset.at = (onset.at + 1) % ONSET_PAST


cdef float onset_pick(onset_t* onset, float flux) noexcept nogil:
    """Strength of an onset declared in this hop, else 0: one hop after it was noticed, so that it is known. [worker]"""
    cdef int i
    cdef float mean = 0.0, threshold, strength = 0.0
    for i in range(ONSET_PAST):
        mean += onset.ring[i]
    mean /= ONSET_PAST
    threshold = ONSET_LEAST + onset.ordered[ONSET_PAST // 2] + mean
    onset.since += 1
    if onset.noticed > 0:
        strength = flux if flux > onset.noticed else onset.noticed
        onset.noticed = 0.0
    elif onset.since >= ONSET_REFRACTORY and flux > threshold and flux > <float>2.0 * onset.lowest + ONSET_LEAST:
        onset.noticed = flux
        onset.since = 0
    if onset.since < ONSET_REFRACTORY or flux < onset.lowest:
        onset.lowest = flux  # while the attack lasts, follow it up as well
    onset_remember(onset, flux)
    return strength
