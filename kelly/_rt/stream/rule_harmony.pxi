# The harmony rule: a functional progression prior, times how well each chord fits what is heard.
#
# Chords change at bar lines more than inside the bar, the longer they have lasted the more so; phrases
# open on the tonic and close on a cadence.

cdef int[7] MAJOR_ROOTS
cdef int[7] MINOR_ROOTS
MAJOR_ROOTS[:] = [0, 2, 4, 5, 7, 9, 11]
MINOR_ROOTS[:] = [0, 2, 3, 5, 7, 8, 10]

# Where each scale step goes when it moves: rows from, columns to; the last row opens a phrase from nothing.
cdef float[56] MAJOR_MOVES
cdef float[56] MINOR_MOVES
MAJOR_MOVES[:] = [
    # I    ii    iii    IV    V    vi   vii
    0.00, 0.12, 0.05, 0.33, 0.28, 0.21, 0.01,  # I
    0.12, 0.00, 0.05, 0.12, 0.60, 0.08, 0.03,  # ii
    0.05, 0.10, 0.00, 0.35, 0.05, 0.44, 0.01,  # iii
    0.32, 0.11, 0.05, 0.00, 0.38, 0.13, 0.01,  # IV
    0.55, 0.04, 0.04, 0.15, 0.00, 0.21, 0.01,  # V
    0.08, 0.21, 0.10, 0.38, 0.22, 0.00, 0.01,  # vi
    0.68, 0.01, 0.14, 0.01, 0.02, 0.14, 0.00,  # vii
    0.60, 0.06, 0.02, 0.12, 0.08, 0.12, 0.00,  # from nothing
]
MINOR_MOVES[:] = [
    # i    ii   bIII   iv    V    bVI  bVII
    0.00, 0.04, 0.12, 0.22, 0.20, 0.22, 0.20,  # i
    0.15, 0.00, 0.01, 0.09, 0.73, 0.01, 0.01,  # ii
    0.15, 0.02, 0.00, 0.19, 0.02, 0.33, 0.29,  # bIII
    0.30, 0.04, 0.06, 0.00, 0.34, 0.13, 0.13,  # iv
    0.64, 0.01, 0.02, 0.08, 0.00, 0.23, 0.02,  # V
    0.11, 0.04, 0.19, 0.13, 0.20, 0.00, 0.33,  # bVI
    0.36, 0.01, 0.31, 0.10, 0.03, 0.19, 0.00,  # bVII
    0.62, 0.02, 0.06, 0.12, 0.06, 0.08, 0.04,  # from nothing
]
# Qualities (maj, min, 7, m7, dim) that each scale step takes.
cdef float[35] MAJOR_QUALITIES
cdef float[35] MINOR_QUALITIES
MAJOR_QUALITIES[:] = [
    0.95, 0.01, 0.03, 0.00, 0.01,  0.02, 0.68, 0.02, 0.28, 0.00,  0.02, 0.84, 0.01, 0.13, 0.00,
    0.94, 0.04, 0.02, 0.00, 0.00,  0.65, 0.02, 0.33, 0.00, 0.00,  0.01, 0.80, 0.01, 0.18, 0.00,
    0.02, 0.02, 0.01, 0.01, 0.94,
]
MINOR_QUALITIES[:] = [
    0.03, 0.86, 0.00, 0.11, 0.00,  0.00, 0.05, 0.00, 0.15, 0.80,  0.98, 0.00, 0.02, 0.00, 0.00,
    0.05, 0.77, 0.02, 0.16, 0.00,  0.42, 0.22, 0.34, 0.02, 0.00,  0.97, 0.01, 0.02, 0.00, 0.00,
    0.85, 0.00, 0.14, 0.00, 0.01,
]
# Tones of each quality above the root; -1 ends a triad.
cdef int[20] CHORD_STEPS
CHORD_STEPS[:] = [0, 4, 7, -1, 0, 3, 7, -1, 0, 4, 7, 10, 0, 3, 7, 10, 0, 3, 6, -1]
# A chord from outside the key is possible, and more so as a dominant of something.
cdef float[5] FOREIGN
FOREIGN[:] = [0.004, 0.003, 0.004, 0.001, 0.001]
# How much a chord prefers to stay, by the beat being decided (log odds of hold).
cdef float[4] STAY
STAY[:] = [-0.6, 3.0, 1.2, 2.6]


cdef float chord_fit(const float* chroma, float norm, int quality, int root) noexcept nogil:
    """Cosine between a chroma (its length given) and the chord's tones, 0..1."""
    cdef int k, step, tones = 0
    cdef float total = 0
    for k in range(4):
        step = CHORD_STEPS[4 * quality + k]
        if step >= 0:
            total += chroma[(root + step) % 12]
            tones += 1
    return total / (norm * sqrtf(tones))


cdef void add_mode(
    float* chords, float share, const float* moves, const float* qualities, const int* roots, int previous,
    float opening, float closing, float colour
) noexcept nogil:
    """Add ``share`` of one mode's progression prior to the 60 chords."""
    cdef int row = 7, step, quality, k
    cdef float weight, row_total = 0, kind
    cdef float[7] to
    for k in range(7):
        if roots[k] == previous:
            row = k
    for step in range(7):
        weight = moves[7 * row + step]
        if row == 7 and previous >= 0:
            weight = 0.6 * weight + 0.06  # from a foreign chord: back home, or anywhere
        if step == 0:
            weight *= 1 + 1.5 * opening
        elif step == 4:
            weight *= 1 + 0.8 * closing
        to[step] = weight
        row_total += weight
    for step in range(7):
        for quality in range(5):
            kind = qualities[5 * step + quality]
            if quality == 2 or quality == 3:
                kind *= colour
            chords[12 * quality + roots[step]] += share * to[step] / row_total * kind


cdef void rule_harmony(const float* x, float* y) noexcept nogil:
    cdef float tension = within(x[EMBEDDING_TENSION], -1, 1)
    cdef float dissonance = within(x[EMBEDDING_DISSONANCE], 0, 1)
    cdef float mode = within(x[HARMONY_IN_MODE], -1, 1)
    cdef float trust = within(x[HARMONY_IN_KEY_CONFIDENCE], 0, 1)
    cdef float age = within(x[HARMONY_IN_CHORD_AGE], 0, 1)
    cdef float rhythm = within(x[HARMONY_IN_HARMONIC_RHYTHM], 0, 1)
    cdef float phrase_sin = within(x[HARMONY_IN_PHRASE_SIN], -1, 1)
    cdef float phrase_cos = within(x[HARMONY_IN_PHRASE_COS], -1, 1)
    cdef int previous = hottest(x + HARMONY_IN_PREVIOUS_ROOT, 12)
    cdef int previous_quality = hottest(x + HARMONY_IN_PREVIOUS_QUALITY, 5)
    cdef int before = hottest(x + HARMONY_IN_ROOT_BEFORE, 12)
    cdef int beat = hottest(x + HARMONY_IN_BEAT_IN_BAR, 4)
    cdef float opening = fmaxf(phrase_cos, 0), closing = 2 * fmaxf(-phrase_sin, 0) * fmaxf(phrase_cos, 0)
    opening *= opening * opening * opening
    cdef float[12] chroma
    cdef float norm = 0, amount = 0
    cdef int k, chord
    for k in range(12):
        chroma[k] = 0.6 * within(x[HARMONY_IN_CHROMA_2S + k], 0, 1) + 0.4 * within(x[HARMONY_IN_CHROMA_8S + k], 0, 1)
        amount += chroma[k]
        norm += chroma[k] * chroma[k]
    norm = fmaxf(sqrtf(norm), 1e-6)
    amount = fminf(amount, 1)

    # The prior over the 60 chords, both modes by how sure the mode is.
    cdef float major = sigmoid(4 * mode), colour = 1 + 0.6 * tension + 0.5 * dissonance
    for chord in range(60):
        y[chord] = FOREIGN[chord // 12]
    add_mode(y, major, MAJOR_MOVES, MAJOR_QUALITIES, MAJOR_ROOTS, previous, opening, closing, colour)
    add_mode(y, 1 - major, MINOR_MOVES, MINOR_QUALITIES, MINOR_ROOTS, previous, opening, closing, colour)
    if before >= 0 and before != previous:
        for k in range(5):
            y[12 * k + before] *= 1.15  # a loop comes back

    # Times the fit to what is heard.
    cdef float best = 0, fit, stay_fit = 0, total = 0
    cdef int same = -1
    if previous >= 0:
        if previous_quality < 0:
            previous_quality = 0
        same = 12 * previous_quality + previous
    for chord in range(60):
        fit = chord_fit(chroma, norm, chord // 12, chord % 12)
        if fit > best:
            best = fit
        if chord == same:
            stay_fit = fit
            y[chord] = 0  # staying is called hold
        y[chord] *= expf(6 * amount * (fit - 0.8))
        total += y[chord]

    # Whether to move at all.
    cdef float stay = 1.5 if beat < 0 else STAY[beat]
    cdef float hold = 0, nothing, sus, power
    if same >= 0:
        stay -= 2 * (age - 0.25) + 3 * (rhythm - 0.25) - 5 * amount * (stay_fit - best + 0.1) + 0.4 * closing
        hold = sigmoid(stay)
    nothing = (1 - hold) * (0.6 * (1 - amount) * (1 - trust) + 0.01)
    sus = (1 - hold) * (0.02 + 0.05 * closing)
    power = (1 - hold) * (0.01 + 0.03 * fmaxf(tension, 0) * (1 - 0.5 * trust))
    fit = (1 - hold - nothing - sus - power) / total
    for chord in range(60):
        y[chord] *= fit
    y[HARMONY_NO_CHORD] = nothing
    y[HARMONY_HOLD] = hold
    y[HARMONY_DOMINANT_SUS4] = sus
    y[HARMONY_TONIC_POWER] = power
