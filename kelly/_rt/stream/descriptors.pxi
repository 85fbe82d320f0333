# The 20 causal descriptors behind the mel bands, contract order.
#
# Every one follows the player with its own time constant, keeps its value while the gate is closed
# (only the level falls), is 0 where nothing is known yet, and is in an everyday unit scaled to a few ones:
#   slow_level             level over 3 s, 20 dB relative to mezzo-forte, -2..2
#   centroid               octaves above 1 kHz over 1 s, -5..3.5
#   flux                   mean flux over 1 s, bel, 0..4
#   onset_fraction         share of the 40 ms rows that hold an onset, over 4 s, 0..1
#   log2_notes_per_second  onsets of the last 4 s, log2, -2 (none) .. 4
#   decay                  how fast the level falls while it falls, 20 dB per s, over 2 s, 0..5
#   major_minus_minor, major_maximum, minor_maximum   correlations -1..1 of the 6 s chroma with the key profiles
#   high_energy, low_energy   above 2 kHz and below 250 Hz, share of all, bel, -5..0, over 1 s
#   high_minus_low         bel, -5..5
#   third_balance          (major - minor) / (major + minor) third above the best key's tonic, -1..1
#   mode_sign              +1 the best key is major, -1 minor
#   key_confidence         5 times the lead of the best key over the next, times the evidence, 0..1
#   inter_onset_interval   log2 of the usual interval over half a second, -3..3
#
# source  key profiles: Temperley, Music and Probability (2007), from the Kostka-Payne corpus;
#         correlation over 24 rotations: Krumhansl & Schmuckler (Krumhansl 1990).

from kelly._rt._contract cimport (
    FEATURES_CENTROID, FEATURES_DECAY, FEATURES_FLUX, FEATURES_HIGH_ENERGY, FEATURES_HIGH_MINUS_LOW,
    FEATURES_INTER_ONSET_INTERVAL, FEATURES_KEY_CONFIDENCE, FEATURES_LOG2_NOTES_PER_SECOND, FEATURES_LOW_ENERGY,
    FEATURES_MAJOR_MAXIMUM, FEATURES_MAJOR_MINUS_MINOR, FEATURES_MEL, FEATURES_MINOR_MAXIMUM, FEATURES_MODE_SIGN,
    FEATURES_ONSET_FRACTION, FEATURES_SLOW_LEVEL, FEATURES_SPARE, FEATURES_THIRD_BALANCE, N_FEATURES, N_MEL,
)

cdef enum:
    ONSETS_KEPT = 64
    HOPS_PER_ROW = 4

cdef double ROW_S = 0.04
cdef double KOSTKA_PAYNE_MAJOR[12]
cdef double KOSTKA_PAYNE_MINOR[12]
KOSTKA_PAYNE_MAJOR[:] = [.748, .060, .488, .082, .670, .460, .096, .715, .104, .366, .057, .400]
KOSTKA_PAYNE_MINOR[:] = [.712, .084, .474, .618, .049, .460, .105, .747, .404, .067, .133, .330]

cdef struct descriptors_t:
    int rate
    int high_band, low_band         # first band above 2 kHz, first not below 250 Hz
    float profile[2][12]            # zero mean, unit length
    float leak_1s, leak_2s, leak_3s, leak_4s, leak_6s
    float level, flux, onset_fraction, decay, evidence, interval
    float row_flux                  # sum over the row's hops
    float row_power
    float previous_level            # of the row before, dB
    float energy_all, energy_high, energy_low, energy_moment
    float chroma[12]
    bint row_onset, row_playing
    int64_t onsets[ONSETS_KEPT]
    int64_t n_onsets
    int64_t first_playing           # frame; -1 before


cdef void descriptors_prepare(descriptors_t* d, const mel_t* mel, int rate) noexcept:
    """Constants for a sample rate. [main]"""
    cdef int i, mode
    cdef double* profile
    cdef double mean, length
    d.rate = rate
    d.high_band = d.low_band = 0
    for i in range(MEL_BANDS):
        d.high_band += mel.centre_hz[i] < 2000.0
        d.low_band += mel.centre_hz[i] < 250.0
    for mode in range(2):
        profile = &KOSTKA_PAYNE_MINOR[0] if mode else &KOSTKA_PAYNE_MAJOR[0]
        mean = length = 0.0
        for i in range(12):
            mean += profile[i] / 12.0
        for i in range(12):
            length += (profile[i] - mean) ** 2
        for i in range(12):
            d.profile[mode][i] = (profile[i] - mean) / sqrt(length)
    d.leak_1s, d.leak_2s = 1.0 - exp(-ROW_S / 1.0), 1.0 - exp(-ROW_S / 2.0)
    d.leak_3s, d.leak_4s = 1.0 - exp(-ROW_S / 3.0), 1.0 - exp(-ROW_S / 4.0)
    d.leak_6s = 1.0 - exp(-ROW_S / 6.0)


cdef void descriptors_reset(descriptors_t* d) noexcept nogil:
    cdef int i
    d.level = -2.0
    d.flux = d.onset_fraction = d.decay = d.evidence = d.interval = d.row_flux = d.row_power = 0.0
    d.previous_level = -120.0
    d.energy_all = d.energy_high = d.energy_low = d.energy_moment = 0.0
    for i in range(12):
        d.chroma[i] = 0.0
    d.row_onset = d.row_playing = False
    d.n_onsets = 0
    d.first_playing = -1


cdef void descriptors_hop(descriptors_t* d, const analysis_t* a, double power, bint playing) noexcept nogil:
    """Gather one analysis hop. [worker]"""
    cdef float interval
    d.row_flux += a.flux
    d.row_power += power
    if playing:
        d.row_playing = True
        if d.first_playing < 0:
            d.first_playing = a.frame
    if a.onset > 0:
        d.row_onset = True
        if d.n_onsets > 0:
            interval = <float>(a.onset_frame - d.onsets[(d.n_onsets - 1) % ONSETS_KEPT]) / d.rate
            interval = clip(fast_log2(<float>2.0 * (interval if interval > <float>1e-3 else <float>1e-3)), -3.0, 3.0)
            d.interval += (interval - d.interval) * (<float>1.0 if d.n_onsets == 1 else <float>0.3)
        d.onsets[d.n_onsets % ONSETS_KEPT] = a.onset_frame
        d.n_onsets += 1


cdef void descriptors_energies(descriptors_t* d, const mel_t* mel, float mezzo_forte) noexcept nogil:
    """Leaky sums of energy, in all bands, high, low, and weighted by frequency."""
    cdef int band
    cdef float energy_, all_ = 0.0, high = 0.0, low = 0.0, moment = 0.0
    for band in range(MEL_BANDS):
        energy_ = mel.density[band] * mel.width_hz[band]
        all_ += energy_
        moment += energy_ * mel.centre_hz[band]
        if band < d.low_band:
            low += energy_
        elif band >= d.high_band:
            high += energy_
    d.energy_all = flush(d.energy_all + d.leak_1s * (all_ / mezzo_forte - d.energy_all))
    d.energy_high = flush(d.energy_high + d.leak_1s * (high / mezzo_forte - d.energy_high))
    d.energy_low = flush(d.energy_low + d.leak_1s * (low / mezzo_forte - d.energy_low))
    d.energy_moment = flush(d.energy_moment + d.leak_1s * (moment / mezzo_forte - d.energy_moment))


cdef float notes_per_second(const descriptors_t* d, int64_t frame) noexcept nogil:
    """Onsets of the last 4 s per second; in the first four, per second played, at least one."""
    cdef int64_t i, n = 0, past = frame - 4 * d.rate
    cdef float seconds
    if d.first_playing < 0:
        return 0.0
    for i in range(max(0, d.n_onsets - ONSETS_KEPT), d.n_onsets):
        n += d.onsets[i % ONSETS_KEPT] > past
    seconds = clip(<float>(frame - d.first_playing) / d.rate, 1.0, 4.0)
    return n / seconds


cdef void descriptors_key(descriptors_t* d, float* out) noexcept nogil:
    """Correlate the slow chroma with the 24 keys."""
    cdef float centred[12]
    cdef float best[2]
    cdef float mean = 0.0, length = 0.0, r, first = -2.0, second = -2.0, major, minor
    cdef int i, tonic, mode, best_tonic = 0
    for i in range(12):
        mean += d.chroma[i] * <float>(1.0 / 12.0)
    for i in range(12):
        centred[i] = d.chroma[i] - mean
        length += centred[i] * centred[i]
    if length <= <float>1e-12:
        return
    length = <float>1.0 / sqrtf(length)
    best[0] = best[1] = -2.0
    for mode in range(2):
        for tonic in range(12):
            r = 0.0
            for i in range(12):
                r += d.profile[mode][i] * centred[(tonic + i) % 12]
            r *= length
            if r > best[mode]:
                best[mode] = r
            if r > first:
                first, second, best_tonic = r, first, tonic
            elif r > second:
                second = r
    out[FEATURES_MAJOR_MAXIMUM], out[FEATURES_MINOR_MAXIMUM] = best[0], best[1]
    out[FEATURES_MAJOR_MINUS_MINOR] = best[0] - best[1]
    major, minor = d.chroma[(best_tonic + 4) % 12], d.chroma[(best_tonic + 3) % 12]
    out[FEATURES_THIRD_BALANCE] = (major - minor) / (major + minor + <float>1e-6)
    out[FEATURES_MODE_SIGN] = 1.0 if best[0] >= best[1] else -1.0
    out[FEATURES_KEY_CONFIDENCE] = clip(<float>5.0 * (first - second), 0.0, 1.0) * d.evidence


cdef float bels(float energy_, float all_) noexcept nogil:
    return clip(<float>0.30102999566398 * fast_log2((energy_ + <float>1e-20) / (all_ + <float>1e-20)), -5.0, 5.0)


cdef void descriptors_row(
    descriptors_t* d, const mel_t* mel, const analysis_t* a, float mezzo_forte_db, float mezzo_forte, float* out,
) noexcept nogil:
    """Write the row that ends with this hop. [worker]"""
    cdef int i
    cdef float level = <float>decibels(d.row_power / HOPS_PER_ROW), fall, rate, waited, leak
    cdef bint playing = d.row_playing
    for i in range(N_MEL):
        out[FEATURES_MEL + i] = mel.level[i]
    for i in range(N_MEL, N_FEATURES):
        out[i] = 0.0
    d.level += d.leak_3s * (clip((level - mezzo_forte_db) * <float>0.05, -2.0, 2.0) - d.level)
    if playing:
        if d.evidence == 0:
            d.level = clip((level - mezzo_forte_db) * <float>0.05, -2.0, 2.0)
        d.flux = flush(d.flux + d.leak_1s * (d.row_flux / HOPS_PER_ROW - d.flux))
        d.onset_fraction = flush(d.onset_fraction + d.leak_4s * ((1 if d.row_onset else 0) - d.onset_fraction))
        fall = clip(d.previous_level - level, 0.0, 10.0) / <float>(20.0 * ROW_S)
        d.decay = flush(d.decay + d.leak_2s * (fall - d.decay))
        d.evidence += d.leak_4s * (1 - d.evidence)
        descriptors_energies(d, mel, mezzo_forte)
        for i in range(12):
            d.chroma[i] = flush(d.chroma[i] + d.leak_6s * (sqrtf(a.chroma[i]) - d.chroma[i]))
    d.previous_level = level
    d.row_flux = d.row_power = 0.0
    d.row_onset = d.row_playing = False
    out[FEATURES_SLOW_LEVEL] = d.level
    out[FEATURES_FLUX] = d.flux
    out[FEATURES_ONSET_FRACTION] = d.onset_fraction
    rate = notes_per_second(d, a.frame)
    out[FEATURES_LOG2_NOTES_PER_SECOND] = fast_log2(clip(rate, 0.25, 16.0))
    out[FEATURES_DECAY] = d.decay
    out[FEATURES_INTER_ONSET_INTERVAL] = d.interval
    if d.energy_all > 0:
        out[FEATURES_CENTROID] = clip(fast_log2(d.energy_moment / d.energy_all * <float>0.001 + <float>1e-6), -5.0, 3.5)
        out[FEATURES_HIGH_ENERGY] = bels(d.energy_high, d.energy_all)
        out[FEATURES_LOW_ENERGY] = bels(d.energy_low, d.energy_all)
        out[FEATURES_HIGH_MINUS_LOW] = bels(d.energy_high, d.energy_low)
    descriptors_key(d, out)
