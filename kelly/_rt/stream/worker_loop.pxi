# The loop: samples in, a tick each network hop.  [worker]

cdef enum:
    TICK_POLL_NS = 2_000_000        # of a stream in real time, when the last sample of a network hop is due
    TICK_LOOKS = 3                  # so often, for a device with large blocks brings it a block later
    REFLEX_POLL_NS = 500_000        # a reflex does wait
    HOPS_PER_S = 25
    PIECE = 4096                    # samples looked at at a time
    PATCH = 256                     # zeros at a time, in gaps and at the end

cdef float[PATCH] ZEROS             # as C makes them


cdef int64_t rest_ns(const worker_t* w, FeatureExtractor extractor, int looks) noexcept nogil:
    """How long until it is worth looking for samples again, after so many looks that found none."""
    cdef int64_t rate = extractor.sample_rate_hz, left
    if w.voice.note >= 0:
        return REFLEX_POLL_NS
    if not w.paced or looks > TICK_LOOKS:
        return POLL_NS
    if looks > 0:
        return TICK_POLL_NS
    left = ((extractor.frame * HOPS_PER_S // rate + 1) * rate + HOPS_PER_S - 1) // HOPS_PER_S - extractor.frame
    return max(<int64_t>TICK_POLL_NS, left * 1_000_000_000 // rate)         # to the network hop's last sample


cdef void network_hop(worker_t* w, FeatureExtractor extractor, Tracker tracker, Hooks hooks) noexcept nogil:
    """Everything that happens every 40 ms."""
    cdef tick_t* t = &w.tick
    cdef int i
    w.index = tracker.index
    obey(w, tracker)
    look_behind(w, extractor.frame)
    nets_turn(w)
    memcpy(w.turned, w.controls, sizeof(w.turned))
    feel(w, extractor, tracker)
    tracker.tick(extractor.features, t.embedding, t)
    call_hooks(w, hooks, extractor.features, tracker)
    if tracker.harmony_due:
        if tracker.level.open:
            tracker.harmony_context(t.embedding, w.context)
            net_ask(w, NET_HARMONYPREDICTOR, w.context, t.harmony)
        tracker.choose_chord(t.harmony, t)
    if tracker.groove_due and tracker.level.open:
        net_ask(w, NET_GROOVEPREDICTOR, t.embedding, t.groove)
    for i in range(N_NETS):
        t.source[i] = net_source(&w.nets[i])
    for i in range(N_CONTROLS):
        t.controls[i] = w.turned[i] - w.neutral[i]
    memcpy(t.features, extractor.features, sizeof(t.features))
    if w.ending and w.voice.off_frame >= 0:
        voice_release(w, extractor.frame)
    t.end = w.ending
    hand_over(w, w.ticks, t)


cdef void listen(worker_t* w, FeatureExtractor extractor, Tracker tracker, Hooks hooks) noexcept nogil:
    """Until the stream ends or is stopped."""
    cdef const float* samples = NULL
    cdef const float* x
    cdef uint64_t n, used
    cdef bint over = False, gap
    cdef int64_t before
    cdef int looks = 0
    while not kelly_get(&w.capture.stopping):
        over = kelly_get(&w.capture.ended) != 0             # read before the ring: then nothing can follow
        n = kelly_capture_next(w.capture, &w.reader, PIECE, &samples)
        if n == 0 and not over:
            kelly_sleep_ns(rest_ns(w, extractor, looks))
            looks += 1
            continue
        looks = 0
        gap = n > 0 and samples == NULL
        if n == 0:                                          # fill up the last network hop
            w.ending = True
        x = samples
        if samples == NULL or n == 0:
            x = ZEROS
            n = min(n, <uint64_t>PATCH) if gap else PATCH
        before = kelly_now_ns()
        used = extractor.consume(x, n)
        if not w.ending:
            if w.tape != NULL and not kelly_get(&w.torn) and kelly_ring_write(w.tape, x, used) != used:
                kelly_set(&w.torn, 1)                       # a hole would move everything behind it
            kelly_capture_done(w.capture, &w.reader, samples, used)
        if extractor.reflex_ready:
            voice_strike(w, extractor.frame, extractor.reflex_strength)
        if extractor.hop_ready:
            tracker.hop(&extractor.analysis)
            voice_turn(w, extractor.frame)
        if extractor.row_ready:
            network_hop(w, extractor, tracker, hooks)
            histogram_add(&w.busy, kelly_now_ns() - before)
            kelly_add(&w.hops, 1)
            if w.ending:
                break
    kelly_set(&w.done, 1)
