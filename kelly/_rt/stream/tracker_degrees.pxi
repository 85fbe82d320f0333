# How far a chord lies from a key, in nats: what both the key and the chords are judged by.
#
# Set by hand from what songs do (I IV V vi lead, then ii, iii, the dominants' dominants, borrowed
# chords); the harmony net is what learns more.

# Nats against a chord in a key, by quality (maj min 7 m7 dim) and degree; 9 is "hardly ever".
cdef double[5][12] MAJOR_COST = [
    [0.0, 3.2, 2.2, 2.4, 2.2, 0.2, 3.6, 0.1, 2.2, 2.2, 1.5, 3.4],
    [3.0, 3.8, 0.4, 3.8, 0.9, 2.2, 3.8, 2.4, 3.8, 0.2, 3.4, 2.8],
    [2.6, 4.2, 2.5, 4.2, 2.6, 3.0, 4.5, 0.8, 4.0, 2.5, 3.0, 3.8],
    [4.0, 4.5, 1.1, 4.5, 1.7, 3.6, 4.5, 3.2, 4.5, 1.2, 4.5, 3.6],
    [4.0, 3.6, 3.6, 4.0, 4.0, 4.0, 3.4, 4.0, 4.0, 4.0, 4.5, 1.6],
]
cdef double[5][12] MINOR_COST = [
    [2.6, 2.4, 3.2, 0.4, 3.6, 2.0, 3.8, 0.6, 0.3, 3.6, 0.4, 3.8],
    [0.0, 3.6, 2.6, 3.2, 4.0, 0.3, 4.0, 1.0, 3.6, 3.6, 2.8, 4.0],
    [2.8, 4.0, 3.4, 3.0, 4.0, 2.6, 4.5, 0.8, 2.8, 4.0, 1.3, 4.0],
    [1.2, 4.5, 2.4, 4.0, 4.5, 1.4, 4.5, 2.2, 4.5, 4.0, 3.6, 4.5],
    [4.0, 4.2, 1.6, 4.5, 4.2, 4.2, 4.2, 3.8, 4.2, 3.6, 4.2, 2.2],
]
cdef double[7] QUALITY_COST = [0.0, 0.2, 1.2, 1.5, 2.2, 2.4, 2.4]


cdef double degree_cost(int chord, int tonic, int mode) noexcept nogil:
    # chord: quality * 12 + root
    cdef int quality = chord // 12, degree = (chord % 12 - tonic + 12) % 12
    if quality == 5:
        return QUALITY_COST[5] if degree == 7 else 4.5
    if quality == 6:
        return QUALITY_COST[6] if degree == 0 else 4.5
    return MAJOR_COST[quality][degree] if mode > 0 else MINOR_COST[quality][degree]


cdef double chord_cost(int chord, const key_state* key) noexcept nogil:
    # The same for the key as it is known; without one, simple chords are likelier.
    cdef double plain = QUALITY_COST[chord // 12]
    if key.tonic < 0:
        return plain
    if chord >= 60:
        return degree_cost(chord, key.tonic, key.mode)
    return degree_cost(chord, key.tonic, key.mode) * key.confidence + plain * (1.0 - key.confidence)
