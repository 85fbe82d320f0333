# The loop: a progression that returns every 1..16 bars is noticed and anticipated.
#
# A chord can be heard half a beat after it began at the earliest; only who expects it plays it on
# its first beat.  Each period is a witness, see chords_loop; together they are one more voice in the
# choice of the coming chord.

cdef double LOOP_MAXIMUM = 0.95
cdef double LOOP_WITNESS = 0.85  # how sure a witness is of itself
cdef double LOOP_GAIN = 2.5  # nats that one surprise foretold may earn
cdef double LOOP_FADE = 0.995  # per beat
cdef double LOOP_CERTAIN = 7.0
# Log odds for a loop of 1..16 bars before any is proved: songs turn around in 2, 4 and 8.
cdef double[N_LOOPS] LOOP_PRIOR = [
    -5.0, -3.5, -5.0, -3.0, -6.0, -5.0, -6.0, -3.5, -6.0, -6.0, -6.0, -4.5, -6.0, -6.0, -6.0, -4.5,
]


cdef bint alike(int x, int y) noexcept nogil:
    # The same root and, as far as the thirds go, the same chord: C and C7, Am and Am7.
    return x % 12 == y % 12 and (x == y or (x // 12 in (0, 2) and y // 12 in (0, 2)) or (x // 12 in (1, 3) and y // 12 in (1, 3)))


cdef void chords_loop(chord_state* s, int64_t beat, int beats_per_bar) noexcept nogil:
    # Every period of 1..16 bars is a witness that foretold this beat's chord.  Its odds against the
    # plain prediction grow when it was right where that one was not: at changes.
    cdef beat_memory* here = &s.memory[beat % N_MEMORY]
    cdef beat_memory* there
    cdef int64_t past
    cdef double gain, sure
    cdef int i
    if here.beat != beat or here.chord < 0:
        return
    for i in range(N_LOOPS):
        past = beat - (i + 1) * beats_per_bar
        if past < 0:
            break
        there = &s.memory[past % N_MEMORY]
        if there.beat != past or there.chord < 0:
            continue
        gain = 1.0 - LOOP_WITNESS
        if alike(here.chord, there.chord):
            gain += LOOP_WITNESS / max(s.predicted[(beat % N_LAG) * N_CHORDS + here.chord], 1e-3)
        gain = min(log(gain), LOOP_GAIN)
        if 0.0 < gain < 0.3:
            gain = 0.0  # what anyone would have said proves nothing
        sure = here.confidence * there.confidence
        s.loop_odds[i] = clamp(LOOP_FADE * s.loop_odds[i] + sure * gain, -4.0, LOOP_CERTAIN)


cdef double chords_foretell(chord_state* s, int64_t beat, int beats_per_bar) noexcept nogil:
    # Mix into s.work what the witnesses foretell for a coming beat; returns how much they count.
    cdef beat_memory* there
    cdef int64_t past
    cdef double weight, total = 0.0
    cdef double voices[N_CHORDS]
    cdef int i, c
    memset(voices, 0, sizeof(voices))
    for i in range(N_LOOPS):
        past = beat - (i + 1) * beats_per_bar
        if past < 0:
            break
        there = &s.memory[past % N_MEMORY]
        if there.beat == past and there.chord >= 0:
            weight = exp(LOOP_PRIOR[i] + s.loop_odds[i]) * there.confidence
            voices[there.chord] += weight
            total += weight
    if total > 0.0:
        weight = min(total / (1.0 + total), LOOP_MAXIMUM)
        for c in range(N_CHORDS):
            s.work[c] = (1.0 - weight) * s.work[c] + weight * voices[c] / total
        return weight
    return 0.0
