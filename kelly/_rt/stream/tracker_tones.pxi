# What counts as a tone: the analysis' chroma without what only booms.
#
# A kick, a tom, the body of an upright bass: each sounds at some pitch of its own, deep and with nothing above
# it, where a tone has its octave and, mostly, a chord over it.  The bass chroma is the chroma weighted by
# (80 Hz / f)^2: all of what lies below 80 Hz, a tenth of what lies at 250; so the two together tell how deep a
# pitch class lies.  What is deep and nothing else hardly counts, neither in the chroma nor as a bass.
#
# Seen with a sampled upright bass whose body sounds, as loud as the string, a major third below every note of it:
# every chord was named after that tone, and the key with them.

# A quarter tone off is between two names.  The front end's tuning goes 60 cents to either side before it calls
# everything by the other name, so that it does not flip, and a player 45 cents flat may so be heard 55 sharp of the
# semitone below.  Here the nearest name counts: who is farther off for a second is turned by a semitone, with all
# that is remembered of him, and where the front end turns by itself the names stay.

cdef double DEEP_LEFT = 0.02  # of what is deep and nothing else
cdef double DEEP_ABOVE = 0.8  # so much of a bass note's energy again, higher up, makes it a tone
cdef double TURN_CENTS = 49.99  # what the front end says of 50 to 60
cdef double TURN_BACK_CENTS = 60.0  # once turned
cdef int TURN_HOPS = 100
cdef double WRAP_CENTS = 60.0  # from one hop to the next: the front end has turned


cdef void tones_clear(tone_state* s) noexcept nogil:
    memset(s, 0, sizeof(tone_state))


cdef int turned(int tone, int by) noexcept nogil:
    # A chord (or -1, or a pitch class) called by another root.
    return tone - tone % 12 + (tone + by + 12) % 12 if tone >= 0 else tone


cdef void turn12(double* v, int by) noexcept nogil:
    cdef double kept[12]
    cdef int i
    memcpy(kept, v, sizeof(kept))
    for i in range(12):
        v[(i + by + 12) % 12] = kept[i]


cdef void turn_chords(double* v, int by) noexcept nogil:
    cdef double kept[N_CHORDS]
    cdef int c
    memcpy(kept, v, sizeof(kept))
    for c in range(N_CHORDS):
        v[turned(c, by)] = kept[c]


cdef int tones_turn(tone_state* s, double cents) noexcept nogil:
    # By how many semitones (-1, 0, 1) everything remembered is to be renamed.
    cdef double off, most
    cdef int by
    if fabs(cents - s.cents) > WRAP_CENTS:
        s.turn += 1 if cents > s.cents else -1
    s.cents = cents
    off = cents - 100.0 * s.turn
    most = TURN_CENTS if s.turn == 0 else TURN_BACK_CENTS
    s.off_hops = s.off_hops + 1 if fabs(off) > most else 0
    if s.off_hops < TURN_HOPS:
        return 0
    by = 1 if off > 0.0 else -1
    s.off_hops = 0
    s.turn += by
    return by


cdef void tones(const analysis_t* a, int turn, double* chroma, double* bass) noexcept nogil:
    # chroma, bass: double[12], energies as in the record; turn: by which they are renamed, -1..1
    cdef double whole, deep, above
    cdef int i, named
    for i in range(12):
        named = (i + turn + 12) % 12
        whole = max(finite(a.chroma[i], 0.0), 0.0)
        deep = max(finite(a.bass_chroma[i], 0.0), 0.0)
        above = max(whole - deep, 0.0)
        chroma[named] = above + DEEP_LEFT * (whole - above)
        bass[named] = deep * (DEEP_LEFT + (1.0 - DEEP_LEFT) * min(1.0, above / (DEEP_ABOVE * deep + 1e-12)))
