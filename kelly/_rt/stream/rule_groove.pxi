# The groove rule: a bar of kick and snare from the mood.
#
# Four patterns, one per corner of the valence-arousal plane, mixed by where the mood lies, so that a
# drifting mood bends the groove instead of switching it.  Probabilities 0..1, answered as 2p - 1.

# Per corner (excited, tense, depressed, calm): kick on 16 sixteenths, then snare on 8 eighths.
cdef float[96] PATTERNS
PATTERNS[:] = [
    # 1                        2                        3                        4                        snare on 1 . 2 . 3 . 4 .
    0.98, 0.02, 0.05, 0.20,  0.20, 0.02, 0.40, 0.05,  0.75, 0.05, 0.70, 0.05,  0.15, 0.05, 0.25, 0.15,
    0.02, 0.05, 0.97, 0.10, 0.02, 0.10, 0.97, 0.15,
    0.98, 0.03, 0.30, 0.05,  0.85, 0.03, 0.15, 0.10,  0.95, 0.03, 0.30, 0.05,  0.85, 0.05, 0.15, 0.10,
    0.05, 0.05, 0.95, 0.05, 0.05, 0.15, 0.95, 0.25,
    0.85, 0.00, 0.00, 0.00,  0.02, 0.00, 0.02, 0.00,  0.35, 0.00, 0.05, 0.00,  0.02, 0.00, 0.02, 0.00,
    0.00, 0.00, 0.12, 0.00, 0.08, 0.00, 0.30, 0.00,
    0.90, 0.00, 0.00, 0.03,  0.03, 0.00, 0.10, 0.02,  0.60, 0.00, 0.15, 0.00,  0.03, 0.00, 0.05, 0.02,
    0.00, 0.02, 0.45, 0.02, 0.02, 0.04, 0.65, 0.04,
]


cdef void rule_groove(const float* x, float* y) noexcept nogil:
    cdef float valence = within(x[EMBEDDING_VALENCE], -1, 1)
    cdef float arousal = within(x[EMBEDDING_AROUSAL], -1, 1)
    cdef float tension = within(x[EMBEDDING_TENSION], -1, 1)
    cdef float density = within(x[EMBEDDING_DENSITY], -1, 1)
    cdef float level = within(x[EMBEDDING_LEVEL], -1, 1)
    cdef float pulse = within(x[EMBEDDING_PULSE_CLARITY], 0, 1)
    cdef float swing = within(x[EMBEDDING_SWING], -1, 1)
    cdef float ternary = within(x[EMBEDDING_TERNARY], -1, 1)
    cdef float bright = sigmoid(4 * valence), active = sigmoid(4 * arousal)
    cdef float[4] share
    cdef float value
    cdef int k, corner
    share[0] = bright * active
    share[1] = (1 - bright) * active
    share[2] = (1 - bright) * (1 - active)
    share[3] = bright * (1 - active)
    for k in range(24):
        value = 0
        for corner in range(4):
            value += share[corner] * PATTERNS[24 * corner + k]
        if k % 2 == 1 and k < 16:
            value *= 1 - 0.5 * fmaxf(ternary, 0)  # a ternary feel has no sixteenths between
        elif k < 16 and k % 4 == 0:
            value += 0.1 * (1 - value) * fmaxf(tension, 0)  # tension drives the beats
        y[GROOVE_LOW + k] = within(2 * value - 1, -1, 1)  # the high voice follows the low one in the vector
    y[GROOVE_SWING] = swing
    y[GROOVE_MEAN_OFFSET] = within(0.1 - 0.25 * arousal, -1, 1)
    y[GROOVE_OFFSET_SPREAD] = within(-0.5 - 0.2 * arousal - 0.2 * pulse, -1, 1)
    # Hats: by arousal; where the player already fills the bar, fewer.
    y[GROOVE_DENSITY] = within(1.1 * arousal - 0.35 * density + 0.15 * level, -1, 1)
    y[GROOVE_SYNCOPATION] = within(-0.3 + 0.5 * valence + 0.3 * arousal - 0.3 * ternary, -1, 1)
    y[GROOVE_GHOST_RATE] = within(-0.6 + 0.4 * valence + 0.3 * arousal, -1, 1)
    y[GROOVE_FILL_PROBABILITY] = within(-0.4 + 0.6 * arousal, -1, 1)
    # Very calm asks for half time, very excited playing over a sparse pulse for double.
    y[GROOVE_HALF_DOUBLE] = tanhf(2.5 * (fmaxf(arousal - 0.6, 0) - fmaxf(-arousal - 0.5, 0)))
