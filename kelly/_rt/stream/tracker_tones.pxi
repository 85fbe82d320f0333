# What counts as a tone: the analysis' chroma without what only booms.
#
# A kick, a tom, the body of an upright bass: each sounds at some pitch of its own, deep and with nothing above
# it, where a tone has its octave and, mostly, a chord over it.  The bass chroma is the chroma weighted by
# (80 Hz / f)^2: all of what lies below 80 Hz, a tenth of what lies at 250; so the two together tell how deep a
# pitch class lies.  What is deep and nothing else hardly counts, neither in the chroma nor as a bass.
#
# Seen with a sampled upright bass whose body sounds, as loud as the string, a major third below every note of it:
# every chord was named after that tone, and the key with them.

cdef double DEEP_LEFT = 0.02  # of what is deep and nothing else
cdef double DEEP_ABOVE = 0.8  # so much of a bass note's energy again, higher up, makes it a tone


cdef void tones(const analysis_t* a, double* chroma, double* bass) noexcept nogil:
    # chroma, bass: double[12], energies as in the record
    cdef double whole, deep, above
    cdef int i
    for i in range(12):
        whole = max(finite(a.chroma[i], 0.0), 0.0)
        deep = max(finite(a.bass_chroma[i], 0.0), 0.0)
        above = max(whole - deep, 0.0)
        chroma[i] = above + DEEP_LEFT * (whole - above)
        bass[i] = deep * (DEEP_LEFT + (1.0 - DEEP_LEFT) * min(1.0, above / (DEEP_ABOVE * deep + 1e-12)))
