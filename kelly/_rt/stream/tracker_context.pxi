# What the harmony net is told: the tracker's state around the coming beat, relative to the tonic.
#
# chord_age       beats since the chord began / 8, at most 1
# harmonic_rhythm chord changes per beat over about the last 8 beats
# density         player's onsets per second / 8, at most 1
# phrase          angle of the coming beat within the phrase

cdef void one_hot(float* x, int size, int index) noexcept nogil:
    cdef int i
    for i in range(size):
        x[i] = 1.0 if i == index else 0.0


cdef void context_chroma(float* x, const double* chroma, int tonic) noexcept nogil:
    cdef double total = 0.0
    cdef int i
    for i in range(12):
        total += chroma[i]
    for i in range(12):
        x[i] = <float>(chroma[(tonic + i) % 12] / total) if total > 1e-3 else 0.0


cdef void context_harmony(float* x, const float* embedding, const level_state* level, double notes_per_s,
                          const key_state* key, const grid_state* grid, const chord_state* chords,
                          const phrase_state* phrase) noexcept nogil:
    cdef int tonic = key.tonic if key.tonic >= 0 else 0
    cdef int64_t coming = grid.count + 1
    cdef int quality = chords.current // 12 if chords.current >= 0 else -1
    cdef double place = <double>phrase_beat(phrase, grid, coming)
    cdef double angle = 2.0 * M_PI * place / (phrase.bars * grid.beats_per_bar)
    cdef int i
    for i in range(N_EMBEDDING):
        x[HARMONY_IN_EMBEDDING + i] = <float>finite(embedding[i], 0.0) if embedding != NULL else 0.0
    context_chroma(x + HARMONY_IN_CHROMA_2S, key.recent, tonic)
    context_chroma(x + HARMONY_IN_CHROMA_8S, key.slow, tonic)
    one_hot(x + HARMONY_IN_PREVIOUS_ROOT, 12, (chords.current % 12 - tonic + 12) % 12 if chords.current >= 0 else -1)
    one_hot(x + HARMONY_IN_PREVIOUS_QUALITY, 5, quality if quality < 5 else 0)  # sus4 and power count as major
    x[HARMONY_IN_CHORD_AGE] = <float>clamp((coming - chords.since_beat) / 8.0, 0.0, 1.0)
    one_hot(x + HARMONY_IN_ROOT_BEFORE, 12, (chords.before % 12 - tonic + 12) % 12 if chords.before >= 0 else -1)
    x[HARMONY_IN_MODE] = <float>key.mode
    x[HARMONY_IN_KEY_CONFIDENCE] = <float>key.confidence
    one_hot(x + HARMONY_IN_BEAT_IN_BAR, 4, <int>min(<int64_t>3, grid_bar_beat(grid, coming)))
    x[HARMONY_IN_PHRASE_SIN] = <float>sin(angle)
    x[HARMONY_IN_PHRASE_COS] = <float>cos(angle)
    x[HARMONY_IN_HARMONIC_RHYTHM] = <float>chords.change_rate
    x[HARMONY_IN_DENSITY] = <float>clamp(notes_per_s / 8.0, 0.0, 1.0)
