# The loop: rings -> heap -> due -> out.  [performer]

cdef bint take_in(performer_t* p, int64_t now) noexcept nogil:
    """Rings -> heap, as far as there is room; True if anything came.

    Only what lies there at the start: a planner that keeps pushing can't fill the heap with its future
    before the other ring was read.
    """
    cdef event_t e
    cdef uint64_t n, waiting
    cdef int i
    cdef bint any = False
    for i in range(2):
        waiting = kelly_ring_size(p.inputs[i]) if p.inputs[i] != NULL else 0
        while waiting > 0 and p.size < p.capacity:
            e = (<const event_t*>kelly_ring_peek(p.inputs[i], 1, &n))[0]
            waiting -= 1
            if e.part != REFLEX:
                e.frame -= p.early_frames
                p.newest_serial = max(p.newest_serial, e.serial)
            if p.capture != NULL and e.part != REFLEX and rank(&e) != 1 and e.frame + p.slack_frames < now:
                kelly_add(&p.late, 1)
            heap_push(p, &e)
            kelly_ring_skip(p.inputs[i], 1)
            any = True
    return any


cdef bint waiting(performer_t* p) noexcept nogil:
    cdef int i
    for i in range(2):
        if p.inputs[i] != NULL and kelly_ring_size(p.inputs[i]) > 0:
            return True
    return p.size > 0


cdef void change_port(performer_t* p, int64_t now) noexcept nogil:
    """Play the newest port that was given; a new one hears programs and controllers before any note."""
    cdef kelly_port* port = <kelly_port*><uintptr_t>kelly_get(&p.port)
    if port != p.playing:
        p.playing = port
        kelly_set(&p.repeat, 1)
    if kelly_take(&p.repeat) and p.playing != NULL:
        repeat_settings(p, now)


cdef bint fall_silent(performer_t* p, int64_t now) noexcept nogil:
    """Drop everything that is planned and release what sounds; False while the sink has no room for it all."""
    while take_in(p, now) or p.size:                    # more may wait than the heap holds
        forget_strikes(p)
    return silence(p, now if now < INT64_MAX else p.last_event_frame)


cdef void write_down(performer_t* p, int64_t now) noexcept nogil:
    """A panic has been carried out: where, for a recording of it."""
    cdef silence_t* s = &p.silences[<uint64_t>kelly_get(&p.silenced) % N_SILENCES]
    s.before, s.at, s.serial = p.performed_to, now, p.newest_serial
    kelly_add(&p.silenced, 1)


cdef bint play_due(performer_t* p, int64_t now) noexcept nogil:
    """Heap -> sink, as far as it is due and finds room; True if anything was played."""
    cdef int64_t limit = now + head_start(p), behind
    cdef event_t* e
    cdef bint any = False
    if p.script_left > 0:
        limit = min(limit, p.script.before)
    while p.size and p.heap[0].frame <= limit:
        e = &p.heap[0]
        if p.stale_frames and rank(e) == 2 and now - e.frame > p.stale_frames:
            kelly_add(&p.stale, 1)                      # after an overload or a hole nobody wants to hear the past
            heap_pop(p)
            continue
        if not emit(p, e):
            break
        if p.capture != NULL and rank(e) != 1:          # notes only: a controller is heard with the next one
            behind = <int64_t>((now - e.frame) / p.frames_per_ns) if now > e.frame else 0
            histogram_add(&p.reflex if e.part == REFLEX else &p.lateness, behind)
        kelly_add(&p.performed, 1)
        p.last_event_frame = e.frame
        heap_pop(p)
        any = True
    if p.capture != NULL and not (p.size and p.heap[0].frame <= limit):
        p.performed_to = limit + p.early_frames
    return any


cdef void perform(performer_t* p) noexcept nogil:
    """Until stop or finish."""
    cdef int64_t now
    cdef bint stopping = False, finishing = False, panicking = False, moved
    while True:
        stopping = stopping or kelly_get(&p.stop) != 0
        # Read before the rings: whatever was planned before `finish` was set is then in them.
        finishing = finishing or kelly_get(&p.finish) != 0
        now = clock_read(p)
        if p.capture == NULL and finishing:
            now = INT64_MAX
        kelly_set(&p.now, now)
        moved = take_in(p, now)
        if kelly_take(&p.panic):
            panicking = True
            kelly_add(&p.panics, 1)
        change_port(p, now)
        if (panicking or stopping) and fall_silent(p, now):
            if stopping:
                break
            write_down(p, now)
            panicking = False
        if play_due(p, now):
            moved = True
        if silence_again(p, now):
            continue
        if finishing and not waiting(p):
            if silence(p, now if now < INT64_MAX else p.last_event_frame):
                break
        if not (moved and p.capture == NULL):           # offline, go on while there is something to do
            kelly_sleep_ns(rest_ns(p, now))
    kelly_set(&p.done, 1)
