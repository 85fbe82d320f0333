# The mood of a network hop: whose embedding leads, and how far it is bent.  [worker]
#
# The recognizer's answer, as this player means it; a path in its place where one was planned; what Python pushed or
# froze over both, within half a second; last the three controls that move it.

cdef double FORGET_S = 4.0          # of silence, after which the recognizer starts from reset


cdef void adapt(worker_t* w) noexcept nogil:
    """The recognizer's answer with valence, arousal and tension as this player means them."""
    cdef const float* row
    cdef float v = w.embedding[EMBEDDING_VALENCE], a = w.embedding[EMBEDDING_AROUSAL], t = w.embedding[EMBEDDING_TENSION]
    cdef int i
    memcpy(w.adapted, w.embedding, sizeof(w.adapted))
    for i in range(3):
        row = w.personal + 4 * i
        w.adapted[EMBEDDING_VALENCE + i] = min(max(row[0] * v + row[1] * a + row[2] * t + row[3], <float>-1.0), <float>1.0)


cdef void follow_path(worker_t* w, int64_t frame) noexcept nogil:
    """Where the path stands on the player's grid, as the tick before knew it; its first row until there is one."""
    cdef double place = 0.0
    cdef int row, i
    cdef float share
    cdef const float* here
    if w.tick.beat_frames > 0.0 and w.tick.beat_count >= 0 and w.tick.beats_per_bar > 0:
        place = w.tick.beat_count + (frame - w.tick.beat_frame) / w.tick.beat_frames
        place = place / (w.tick.beats_per_bar * w.path_bars) if w.path_bars > 0.0 else 1.0
    place = min(max(place, 0.0), 1.0) * (w.path_rows - 1)
    row = min(<int>place, w.path_rows - 1)
    share = <float>(place - row)
    here = w.path + row * N_EMBEDDING
    for i in range(N_EMBEDDING):
        w.planned[i] = here[i] + (share * (here[N_EMBEDDING + i] - here[i]) if share > 0.0 else <float>0.0)


cdef void bend(worker_t* w, int row, float by) noexcept nogil:
    """Move one number of the mood, within -1..1."""
    if by != 0.0:
        w.tick.embedding[row] = min(max(w.tick.embedding[row] + by, <float>-1.0), <float>1.0)


cdef void feel(worker_t* w, FeatureExtractor extractor, Tracker tracker) noexcept nogil:
    """The embedding of this hop, into the tick."""
    cdef const float* led = w.embedding
    cdef int i
    if tracker.level.open or w.index == 0:
        w.forgot = False
        rule_embedding(extractor.features, w.ruled, &w.rule)            # every hop: it must be warm when it is needed
        net_ask(w, NET_EMOTIONRECOGNIZER, extractor.features, w.embedding)
    elif tracker.level.silence_s >= FORGET_S and not w.forgot:
        w.forgot = True
        forget(w)
        kelly_add(&w.resets, 1)
    if w.adapts:
        adapt(w)
        led = w.adapted
    if w.path_rows > 0:
        follow_path(w, extractor.frame)
        led = w.planned
    w.steer = towards(w.steer, 1.0 if w.steered else 0.0)
    for i in range(N_EMBEDDING):
        w.felt[i] = led[i] + w.steer * (w.steering[i] - led[i])
    memcpy(w.tick.embedding, w.felt, sizeof(w.felt))
    bend(w, EMBEDDING_VALENCE, w.controls[CONTROL_VALENCE])
    bend(w, EMBEDDING_AROUSAL, w.controls[CONTROL_AROUSAL])
    bend(w, EMBEDDING_TENSION, w.controls[CONTROL_TENSION])
