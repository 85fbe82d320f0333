# The melody rule: hold, rest or a pitch for the coming eighth.
#
# A singable line: strong beats carry notes and those notes are chord tones, motion is by step, a leap
# is answered by a step back, mid-phrase lies a little higher, phrases end long and then breathe.

# How gladly a line moves by so many semitones (log weight): repeats are dull, steps sing, tritones and sevenths don't.
cdef float[14] MOTION
MOTION[:] = [-1.6, -0.2, 0.0, -0.5, -0.6, -1.2, -3.2, -1.5, -2.6, -2.4, -4.0, -4.5, -2.2, -6.0]

# Scale degrees that belong (log weight); the minor row keeps both sixths and sevenths, the raised ones rarer.
cdef float[12] MAJOR_DEGREES
cdef float[12] MINOR_DEGREES
MAJOR_DEGREES[:] = [0.3, -6.0, 0.0, -6.0, 0.3, -0.3, -5.5, 0.3, -6.0, 0.0, -5.0, -0.5]
MINOR_DEGREES[:] = [0.3, -5.5, 0.0, 0.3, -6.0, 0.0, -5.5, 0.3, -0.1, -3.0, -0.2, -1.8]


cdef void rule_melody(const float* x, float* y) noexcept nogil:
    cdef float valence = within(x[EMBEDDING_VALENCE], -1, 1)
    cdef float arousal = within(x[EMBEDDING_AROUSAL], -1, 1)
    cdef float mode = within(x[EMBEDDING_MODE], -1, 1)
    cdef float player_density = within(x[EMBEDDING_DENSITY], -1, 1)
    cdef float staccato = within(x[EMBEDDING_ARTICULATION], -1, 1)
    cdef float interval = 12 * within(x[MELODY_IN_INTERVAL], -1, 1)
    cdef float since = within(x[MELODY_IN_SINCE_ONSET], 0, 1)
    cdef float position = within(x[MELODY_IN_PHRASE_POSITION], 0, 1)
    cdef float ending = within(x[MELODY_IN_PHRASE_END], 0, 1)
    cdef float on_beat = 0.5 + 0.5 * within(x[MELODY_IN_BEAT_COS], -1, 1)
    cdef float bar_cos = within(x[MELODY_IN_BAR_COS], -1, 1)
    cdef float downbeat = fmaxf(bar_cos, 0), half_bar = fmaxf(-bar_cos, 0)
    downbeat = downbeat * downbeat * downbeat * downbeat
    half_bar = half_bar * half_bar * half_bar * half_bar
    cdef float strong = on_beat * (0.45 + 0.4 * downbeat + 0.2 * half_bar)  # 0 off the beat, .85 on the downbeat
    cdef int previous = hottest(x + MELODY_IN_PREVIOUS_DEGREE, 12)

    # When: on strong beats, more of them the more is going on, fewer the denser the player is.
    cdef float onset = -1.1 + 2.6 * strong + 1.6 * arousal - 0.5 * player_density + 1.2 * since
    if previous < 0:
        onset += 0.6
    onset = sigmoid(onset - 3 * ending * (1 - 0.6 * strong))
    cdef float silent = 1  # the share of rests in what isn't an onset; with nothing to hold, all of it
    if previous >= 0:
        silent = sigmoid(-1.8 + 3.0 * ending + 1.6 * since + 0.9 * staccato)
    y[MELODY_HOLD] = (1 - onset) * (1 - silent)
    y[MELODY_REST] = (1 - onset) * silent

    # What: scale x chord x register x motion.
    cdef float centre = 68 + 10 * (0.69 * valence - 0.42 * arousal) + 3 * sinf(M_PI * position) - 1.5 * ending
    cdef float major = sigmoid(5 * mode)
    cdef float[12] degree_weight
    cdef float chord_any = 0, tone, weight, distance, total = 0, towards
    cdef int degree, pitch, motion, low, i
    for degree in range(12):
        chord_any = fmaxf(chord_any, within(x[MELODY_IN_CHORD_TONES + degree], 0, 1))
    for degree in range(12):
        tone = within(x[MELODY_IN_CHORD_TONES + degree], 0, 1)
        weight = logf(major * expf(MAJOR_DEGREES[degree]) + (1 - major) * expf(MINOR_DEGREES[degree]))
        weight = fmaxf(weight, -2.0 + 6 * (tone - 1))  # a tone of the sounding chord always belongs
        weight += chord_any * (tone - 0.5) * (0.6 + 3.0 * strong + 1.5 * ending)
        degree_weight[degree] = weight
    if ending > 0:
        degree_weight[0] += 1.5 * ending  # home
    # The octave of the previous note isn't told: both instances around the centre stand in for it.
    low = -1
    if previous >= 0:
        low = <int>floorf(centre) - 6
        low += (previous - low % 12 + 12) % 12  # the instance within an octave around the centre
    for pitch in range(2, 128):
        weight = degree_weight[pitch % 12]
        distance = (pitch - centre) / 6.5
        weight -= 0.5 * distance * distance
        if low >= 0:
            motion = pitch - low
            i = motion if motion >= 0 else -motion
            weight += 1.5 * MOTION[i if i < 13 else 13]
            if i > 13:
                weight -= 0.35 * (i - 13)
            towards = -interval * motion  # above 0: back to where a leap came from
            if interval >= 4.5 or interval <= -4.5:
                if i <= 2 and towards > 0:
                    weight += 1.0
                elif i > 4 and towards < 0:
                    weight -= 1.0
            elif interval != 0 and i <= 2 and towards < 0:
                weight += 0.25  # a line keeps its direction
            if previous == 11 and motion == 1:
                weight += 1.0 * major  # the leading tone rises
        weight = expf(fmaxf(weight, -40))
        y[pitch] = weight
        total += weight
    for pitch in range(2, 128):
        y[pitch] *= onset / total
