# The emotion rule: a feature row to valence, arousal, tension, the cues they come from and what follows from them.
#
# source  Eerola, Friberg & Bresin 2013 (doi 10.3389/fpsyg.2013.00487), the regression from musical cues,
#         refitted; the cues are read off the front end's descriptors, all of them relative to the
#         player's own mezzo-forte or free of level, so that the gain knob is not an emotion.

cdef enum:
    ROWS_PER_S = 25
    HOLD_ROWS = 4 * ROWS_PER_S  # of silence through which valence and arousal stay

cdef float SMOOTHING = 1 - expf(-1.0 / ROWS_PER_S)         # time constant 1 s
cdef float SLOW_SMOOTHING = 1 - expf(-1.0 / (3 * ROWS_PER_S))  # 3 s: what the slopes are taken against
cdef float DECAY_SMOOTHING = 1 - expf(-1.0 / (4 * ROWS_PER_S))

# Base anchors (valence, arousal, tension) in contract order: joy, tenderness, sadness, fear, anger, wonder.
cdef float[18] ANCHORS
ANCHORS[:] = [
    0.65, 0.38, -0.24,  0.46, -0.31, -0.54,  -0.03, -0.39, -0.16,
    -0.40, 0.43, 0.74,  -0.41, 0.62, 0.73,   0.40, 0.67, -0.13,
]


cdef void rule_reset(rule_state* state) noexcept nogil:
    memset(state, 0, sizeof(rule_state))


cdef bint is_quiet(const float* x) noexcept nogil:
    """Whether no mel band of the row stands out of a noise at the gate, 40 dB under mezzo-forte."""
    cdef int band
    for band in range(N_MEL):
        if x[FEATURES_MEL + band] > -0.1:
            return False
    return True


cdef float dominance(float valence, float arousal, float tension, float level) noexcept nogil:
    """Pleasant, active, loud and at ease is in command; tense and soft is not."""
    return tanhf(0.5 * valence + 0.3 * arousal - 0.35 * tension + 0.4 * level)


cdef void rule_embedding(const float* x, float* y, rule_state* state) noexcept nogil:
    cdef float level_db = 20 * within(x[FEATURES_SLOW_LEVEL], -1, 1)
    cdef float log2_rate = within(x[FEATURES_LOG2_NOTES_PER_SECOND], -1, 4)
    cdef float centroid = within(x[FEATURES_CENTROID], -4, 3)
    cdef float low = within(x[FEATURES_LOW_ENERGY], -4, 0)
    cdef float tilt = within(x[FEATURES_HIGH_MINUS_LOW], -5, 5)
    cdef float decay = within(x[FEATURES_DECAY], 0, 5)
    cdef float flux = within(x[FEATURES_FLUX], 0, 1)
    cdef float lean = within(x[FEATURES_MAJOR_MINUS_MINOR], -1, 1)
    cdef float third = within(x[FEATURES_THIRD_BALANCE], -1, 1)
    cdef float trust = within(x[FEATURES_KEY_CONFIDENCE], 0, 1)
    cdef float best = fmaxf(within(x[FEATURES_MAJOR_MAXIMUM], -1, 1), within(x[FEATURES_MINOR_MAXIMUM], -1, 1))

    # The cues, as a listener would name them.  The numbers are fits over 150 pieces rendered with 20
    # General MIDI programs: pitch within 7 semitones rms; minor pieces lean to their relative major,
    # so the middle between the modes lies at .11, not at 0.
    cdef float mode = 0
    if best > 0:
        mode = tanhf(6 * (lean - 0.11) + 0.5 * (third - 0.3))
    cdef float pitch = within(62 + 7 * centroid - 3 * low, 36, 96)
    cdef float staccato = within(0.19 + 0.12 * decay, 0.1, 0.8)
    cdef float bright = tanhf((tilt + 0.6) / 2)
    cdef bint quiet = is_quiet(x)

    cdef float[10] cue
    cue[0] = mode
    cue[1] = tanhf((log2_rate - 1.5) / 2)
    cue[2] = tanhf(level_db / 12)
    cue[3] = tanhf((pitch - 66) / 24)
    cue[4] = within((staccato - 0.375) / 0.35, -1, 1)
    cue[5] = bright
    cue[6] = within(2 * (0.85 - best), 0, 1)
    cue[7] = within(5 * flux, 0, 1)  # sharp attacks make a clear pulse
    cue[8] = 0  # harmonic rhythm: the tracker knows it, a feature row doesn't
    cue[9] = trust

    # MUSIC: V = .1938 mode + .0514 log2 nps + .0102 p - .0077 dB + .109 s - .740, over .6, and so on;
    # s = 1 - gate; brightness stands for the fit's two brass timbres, by as much as keeps it a minor cue.
    cdef float valence = 0.1938 * mode + 0.0514 * log2_rate + 0.0102 * pitch - 0.0077 * level_db + 0.109 * staccato - 0.740
    cdef float arousal = 0.1454 * log2_rate - 0.0021 * pitch + 0.0093 * level_db + 0.143 * staccato + 0.06 * bright - 0.225
    cdef float tension = (
        -0.0984 * mode + 0.0939 * log2_rate - 0.0122 * pitch + 0.0170 * level_db + 0.034 * staccato + 0.12 * cue[6] + 0.515
    )
    valence = tanhf(valence / 0.6)
    arousal = tanhf(arousal / 0.6)
    tension = tanhf(tension / 0.8)
    cdef float confidence = 0.3 + 0.7 * trust

    # A second's smoothing; the first rows average, so that the start isn't a slow climb from 0.
    cdef float a = fmaxf(SMOOTHING, 1.0 / (1 + state.rows))
    cdef int k
    if state.rows < HOLD_ROWS:
        state.rows += 1
    if quiet:
        state.quiet_rows += state.quiet_rows < 1000000
        state.confidence -= SMOOTHING * state.confidence
        if state.quiet_rows > HOLD_ROWS:
            state.valence -= DECAY_SMOOTHING * state.valence
            state.arousal -= DECAY_SMOOTHING * state.arousal
            state.tension -= DECAY_SMOOTHING * state.tension
    else:
        state.quiet_rows = 0
        confidence *= 1 - expf(-state.rows / (2.0 * ROWS_PER_S))
        state.confidence += SMOOTHING * (confidence - state.confidence)
        state.valence += a * (valence - state.valence)
        state.arousal += a * (arousal - state.arousal)
        state.tension += a * (tension - state.tension)
        for k in range(10):
            state.cues[k] += a * (cue[k] - state.cues[k])
    a = fmaxf(SLOW_SMOOTHING, 1.0 / (1 + state.rows))
    state.slow_valence += a * (state.valence - state.slow_valence)
    state.slow_arousal += a * (state.arousal - state.slow_arousal)

    embedding_from_cues(state, y)


cdef void embedding_from_cues(const rule_state* state, float* y) noexcept nogil:
    """Fill the embedding from the smoothed state; what isn't known stays 0."""
    cdef float valence = state.valence, arousal = state.arousal, tension = state.tension
    cdef float[6] near
    cdef float total = 0, distance
    cdef int k
    memset(y, 0, N_EMBEDDING * sizeof(float))
    y[EMBEDDING_VALENCE] = valence
    y[EMBEDDING_AROUSAL] = arousal
    y[EMBEDDING_TENSION] = tension
    y[EMBEDDING_DOMINANCE] = dominance(valence, arousal, tension, state.cues[2])
    for k in range(6):  # soft nearness to each anchor; tension counts half
        distance = (valence - ANCHORS[3 * k]) * (valence - ANCHORS[3 * k])
        distance += (arousal - ANCHORS[3 * k + 1]) * (arousal - ANCHORS[3 * k + 1])
        distance += 0.5 * (tension - ANCHORS[3 * k + 2]) * (tension - ANCHORS[3 * k + 2])
        near[k] = expf(-distance / (2 * 0.35 * 0.35))
        total += near[k]
    for k in range(6):
        y[EMBEDDING_JOY + k] = near[k] / total
    cdef float bright = sigmoid(5 * valence), active = sigmoid(5 * arousal)
    y[EMBEDDING_QUADRANTS] = bright * active
    y[EMBEDDING_QUADRANTS + 1] = (1 - bright) * active
    y[EMBEDDING_QUADRANTS + 2] = (1 - bright) * (1 - active)
    y[EMBEDDING_QUADRANTS + 3] = bright * (1 - active)
    y[EMBEDDING_INTENSITY] = fminf(sqrtf(valence * valence + arousal * arousal), 1)
    y[EMBEDDING_CONFIDENCE] = state.confidence
    for k in range(10):
        y[EMBEDDING_MODE + k] = state.cues[k]
    y[EMBEDDING_VALENCE_SLOPE] = tanhf((valence - state.slow_valence) / 3)
    y[EMBEDDING_AROUSAL_SLOPE] = tanhf((arousal - state.slow_arousal) / 3)
    y[EMBEDDING_SWING] = -1  # a feature row doesn't show it
    y[EMBEDDING_LOG_SIGMA_VALENCE] = logf(0.6 - 0.2 * state.confidence)
    y[EMBEDDING_LOG_SIGMA_AROUSAL] = logf(0.55 - 0.15 * state.confidence)
