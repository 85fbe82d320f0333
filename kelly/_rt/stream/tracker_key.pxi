# The key: running chromas, a correlation with key profiles, and the chords heard.
#
# source  Temperley 2007, "Music and Probability", the Kostka-Payne profiles; correlation as Krumhansl.
#         Energies enter as magnitudes (square roots), each hop normalised, so that one loud note
#         does not outweigh a bar.

cdef double[24] KEY_PROFILES = [
    0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400,
    0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330,
]
# Songs in minor mostly have the natural seventh: the same profile with the two sevenths changed over.
cdef double[12] KEY_NATURAL = [0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.330, 0.133]
cdef double KEY_FIRST_S = 1.5  # of playing, before the first key is named
cdef double KEY_HYSTERESIS_S = 2.0
cdef double KEY_MARGIN = 0.08  # of the score, that a new key must lead by
cdef double KEY_CHORD_WEIGHT = 0.25
cdef double KEY_FIRST_MODE = 0.08
cdef int[7] FIRST_MODE = [1, -1, 1, -1, -1, 0, 0]
cdef double KEY_CHORD_MEMORY = 0.97  # per beat
cdef double KEY_FIRST_BONUS = 0.16  # for the root of the first chord, and so much more for its third
cdef double KEY_DOWN_SHARE = 0.5  # of that bonus, for the chord on the first downbeat: a pickup opens no piece
# What the profiles leave: weights of the tones of the last 25 s, squared so that the note counts and not what rings
# with it, by degree, major first.  Fitted (logistic regression over the 24 keys, tied by degree) on takes that are not
# held out, the ones alone on 143 of one voice at a time, most of them tunes and folk songs: without them the best key
# is right .63 of the time there, with them .73 (four-fold cross-validation by take).
cdef double[24] KEY_SEVERAL = [
    0.07, -0.01, 0.04, 0.01, -0.07, -0.11, -0.04, 0.03, -0.03, -0.03, -0.15, 0.17,
    0.11, -0.01, -0.02, 0.05, 0.08, -0.11, 0.03, -0.10, 0.01, 0.02, 0.09, 0.06,
]
cdef double[24] KEY_ALONE = [
    -0.03, -0.53, -0.23, -0.42, -0.14, -0.64, -0.70, -0.10, -0.61, -0.43, -0.89, -0.34,
    -0.29, -0.58, -0.15, -0.17, -0.35, -0.65, -0.44, -0.55, -0.56, -0.48, -0.35, -0.31,
]
# One voice begins on the tonic, its third or its fifth.
cdef double[24] KEY_OPENING = [
    0.26, -0.12, 0.04, 0.27, 0.29, -0.32, -0.05, 0.42, -0.09, -0.45, -0.12, -0.13,
    0.21, 0.18, 0.13, 0.26, 0.03, -0.33, -0.04, 0.32, -0.30, -0.09, -0.24, -0.11,
]
cdef double KEY_OPENING_S = 0.8
cdef double KEY_STRONG_S = 25.0
cdef double KEY_ONE_VOICE = 2.2  # tones that sound at once, 1 / sum of squares: so few are one voice,
cdef double KEY_VOICES = 2.8  # so many several
# One tone has its fifth and its major third among its partials: alone it looks like a major chord, and says little of modes.
cdef double KEY_ALONE_CHORDS = 0.4  # of KEY_CHORD_WEIGHT; and nothing of KEY_FIRST_MODE
cdef int KEY_FIRST_BARS = 12  # within which the bar line may still be found


cdef void key_clear(key_state* s) noexcept nogil:
    cdef int given = s.given, tonic = s.tonic, mode = s.mode, i
    memset(s, 0, sizeof(key_state))
    s.given = given
    s.tonic = tonic if given else -1
    s.mode = mode if given else 0
    s.confidence = 1.0 if given else 0.0
    s.candidate = s.first_chord = s.down_chord = -1
    for i in range(MAX_BAR):
        s.first[i] = -1


cdef void key_turn(key_state* s, int by) noexcept nogil:
    # Everything heard was that many semitones higher than it was called.
    cdef int i
    turn12(s.recent, by)
    turn12(s.slow, by)
    turn12(s.long_term, by)
    turn12(s.strong, by)
    turn12(s.opening, by)
    turn12(s.chord_cost, by)
    turn12(s.chord_cost + 12, by)
    turn_chords(s.chords, by)
    for i in range(MAX_BAR):
        s.first[i] = turned(s.first[i], by)
    s.first_chord, s.down_chord = turned(s.first_chord, by), turned(s.down_chord, by)
    if not s.given:
        s.tonic, s.candidate = turned(s.tonic, by), turned(s.candidate, by)


cdef void follow(double* mean, const double* v, double seconds, double scale) noexcept nogil:
    cdef double rate = HOP_S / seconds
    cdef int i
    for i in range(12):
        mean[i] += (v[i] * scale - mean[i]) * rate


cdef void key_hop(key_state* s, const double* chroma, int open) noexcept nogil:
    cdef double v[12]
    cdef double total = 0.0, squares = 0.0
    cdef int i
    for i in range(12):
        v[i] = sqrt(chroma[i])
        total += v[i]
        squares += chroma[i]
    for i in range(12):
        v[i] = v[i] / total if open and total > 0.0 else 0.0
    # A running mean of time constant T weighs as much past as a window of 2 T: these are "2 s" and "8 s".
    follow(s.recent, v, 1.0, 1.0)
    follow(s.slow, v, 4.0, 1.0)
    if open and total > 0.0:  # silence does not fade what is known about the key
        follow(s.long_term, v, clamp(0.5 * s.played_s, 4.0, 12.0), 1.0)
        s.played_s += HOP_S
        for i in range(12):
            v[i] = chroma[i] / squares
        follow(s.strong, v, clamp(s.played_s, HOP_S, KEY_STRONG_S), 1.0)
        if s.played_s <= KEY_OPENING_S:
            follow(s.opening, v, s.played_s, 1.0)
        s.voices += (total * total / squares - s.voices) * HOP_S / clamp(s.played_s, HOP_S, KEY_STRONG_S)


cdef double key_correlation(const double* chroma, int tonic, const double* profile) noexcept nogil:
    cdef double mean = 0.0, centre = 0.0, xy = 0.0, xx = 0.0, yy = 0.0, x, y
    cdef int i
    for i in range(12):
        mean += chroma[i] / 12.0
        centre += profile[i] / 12.0
    for i in range(12):
        x = chroma[(tonic + i) % 12] - mean
        y = profile[i] - centre
        xy += x * y
        xx += x * x
        yy += y * y
    return xy / sqrt(xx * yy) if xx > 1e-18 else 0.0


cdef void key_first(key_state* s, int place) noexcept nogil:
    # place: of the first downbeat among the beats
    cdef int i
    s.down_chord = -1
    for i in range(MAX_BAR):
        if s.first[i] >= 0 and (s.down_chord < 0 or i <= place):
            s.down_chord = s.first[i]


cdef double key_alone(const key_state* s) noexcept nogil:
    # 1: one voice, 0: several.
    return clamp((KEY_VOICES - s.voices) / (KEY_VOICES - KEY_ONE_VOICE), 0.0, 1.0)


cdef double key_opens(int chord, int i, double alone) noexcept nogil:
    # What the first chord says for key i.
    if chord < 0 or chord % 12 != i % 12:
        return 0.0
    return KEY_FIRST_BONUS + ((1.0 - alone) * KEY_FIRST_MODE if FIRST_MODE[chord // 12] == (1 if i < 12 else -1) else 0.0)


cdef void key_chord(key_state* s, int chord, int64_t beat) noexcept nogil:
    # A beat's chord, heard without regard to the key; what it says about all keys.
    cdef int i, c
    cdef double total = 0.0
    if s.first_chord < 0:
        s.first_chord = chord
    if beat < MAX_BAR:
        s.first[beat] = chord
    for c in range(N_CHORDS):
        s.chords[c] *= KEY_CHORD_MEMORY
    s.chords[chord] += 1.0
    for c in range(N_CHORDS):
        total += s.chords[c]
    for i in range(24):
        s.chord_cost[i] = 0.0
        for c in range(N_CHORDS):
            if s.chords[c] > 0.0:
                s.chord_cost[i] += s.chords[c] * min(degree_cost(c, i % 12, 1 if i < 12 else -1), 4.0) / total


cdef double key_tones(const key_state* s, int i) noexcept nogil:
    cdef double alone = key_alone(s)
    cdef double total = 0.0, weight
    cdef int k, tone
    for k in range(12):
        tone = (i + k) % 12
        weight = KEY_SEVERAL[i // 12 * 12 + k]
        weight += alone * (KEY_ALONE[i // 12 * 12 + k] - weight)
        total += s.strong[tone] * weight + alone * s.opening[tone] * KEY_OPENING[i // 12 * 12 + k]
    return total


cdef double key_score(const key_state* s, int i) noexcept nogil:
    # Correlation of the chroma, less what the chords cost in that key; people like to begin on the tonic.
    cdef double alone = key_alone(s)
    cdef double fit = key_correlation(s.long_term, i % 12, KEY_PROFILES + 12 * (i // 12))
    if i >= 12:
        fit = max(fit, key_correlation(s.long_term, i % 12, KEY_NATURAL))
    fit += (1.0 - KEY_DOWN_SHARE) * key_opens(s.first_chord, i, alone) + KEY_DOWN_SHARE * key_opens(s.down_chord, i, alone)
    return fit - KEY_CHORD_WEIGHT * (1.0 + alone * (KEY_ALONE_CHORDS - 1.0)) * s.chord_cost[i] + key_tones(s, i)


cdef void key_tick(key_state* s, int open, double silence_s, tick_t* out) noexcept nogil:
    cdef double best = -2.0, second = -2.0, own = -2.0, r, clarity
    cdef int i, winner = -1
    if not s.given:
        if open and s.played_s >= 0.3:
            for i in range(24):
                r = key_score(s, i)
                if s.tonic >= 0 and i == s.tonic + (0 if s.mode > 0 else 12):
                    own = r
                if r > best:
                    best, second, winner = r, best, i
                elif r > second:
                    second = r
            if winner != s.candidate:
                s.candidate, s.held_s = winner, 0.0
            s.held_s += 4.0 * HOP_S
            if best < 0.3:
                s.held_s = 0.0  # noise or a single chromatic cluster names no key
            if s.tonic < 0:
                if s.played_s >= KEY_FIRST_S and s.held_s >= 0.5:
                    s.tonic, s.mode, own = winner % 12, 1 if winner < 12 else -1, best
            elif own < best - KEY_MARGIN and s.held_s >= KEY_HYSTERESIS_S:
                s.tonic, s.mode, own = winner % 12, 1 if winner < 12 else -1, best
            elif own >= best - KEY_MARGIN:
                s.held_s = min(s.held_s, KEY_HYSTERESIS_S - 1.0)
            # Sure when the profile fits well, leads clearly and some seconds have been heard.
            clarity = clamp((own - 0.45) / 0.4, 0.0, 1.0) * (0.6 + 0.4 * clamp((own - second) / 0.15, 0.0, 1.0))
            clarity *= clamp(s.played_s / 6.0, 0.0, 1.0)
            if s.tonic >= 0:
                s.confidence += (clarity - s.confidence) * 0.08
        elif silence_s > 0.5:
            s.confidence *= 0.99  # 4 s
    out.key_tonic, out.key_mode = s.tonic, s.mode
    out.key_confidence = <float>s.confidence
    r = 0.0
    for i in range(12):
        r += s.recent[i]
    for i in range(12):
        out.chroma[i] = <float>(s.recent[i] / r) if r > 1e-3 and silence_s < 2.0 else 0.0
