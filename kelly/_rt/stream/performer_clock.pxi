# The performer's clock: which frame it is now, and when a frame is.  [performer]
#
# Live, it is the source's frame counter, read every turn and smoothed: the counter jumps by whole blocks, so time between
# jumps comes from the monotonic clock, along the earliest arrivals of the last half second, and never runs further ahead
# than one block and LEAD_NS: a block that the system delays delays no note, and frames that were lost unseen are believed
# within that half second.  Offline it is the conductor's published progress.

cdef enum:
    POLL_NS = 500_000           # where something may be due at once: a reflex, or a file's next event
    REST_NS = 8_000_000         # else: planned events come a look-ahead early, a panic may wait this long
    NAP_NS = 50_000
    WINDOW_NS = 250_000_000     # of the earliest arrivals
    ARRIVALS = 8                # at least so many in it
    LEAD_NS = 50_000_000        # so late a block may come without the clock waiting for it


cdef void arrival(performer_t* p, double observed, int64_t now) noexcept nogil:
    """A block has come: the clock follows the earliest of this window and the one before."""
    if p.last_frames == 0 or observed < p.offset - 2.0 * p.largest_step - LEAD_NS * p.frames_per_ns:
        p.before_best = observed                                      # the first, or a stall is over
        p.window_best = observed
        p.window_ns, p.arrivals = now, 0
    if p.arrivals >= ARRIVALS and now - p.window_ns > WINDOW_NS:
        p.before_best, p.window_best = p.window_best, observed
        p.window_ns, p.arrivals = now, 0
    p.arrivals += 1
    p.window_best = max(p.window_best, observed)
    p.offset = max(p.before_best, p.window_best)


cdef int64_t clock_read(performer_t* p) noexcept nogil:
    """The frame that is now."""
    cdef int64_t frames, now, guess, limit
    cdef double observed
    if p.capture == NULL:
        return kelly_get(&p.progress)
    frames = kelly_get(&p.capture.frames)
    now = kelly_now_ns()
    p.now_ns = now
    if kelly_get(&p.capture.ended):
        if p.ended_at_ns == 0:
            p.ended_at_ns = now
            p.last_frames = frames
        return p.last_frames + <int64_t>((now - p.ended_at_ns) * p.frames_per_ns)      # the tail plays on
    if frames != p.last_frames:
        if p.last_frames > 0 and frames - p.last_frames > p.largest_step:
            p.largest_step = min(frames - p.last_frames, <int64_t>(2.5e8 * p.frames_per_ns))     # a quarter second
        observed = frames - now * p.frames_per_ns
        arrival(p, observed, now)
        p.last_frames = frames
    if frames == 0:
        return 0
    guess = <int64_t>(now * p.frames_per_ns + p.offset)
    limit = frames + p.largest_step + <int64_t>(LEAD_NS * p.frames_per_ns)
    if guess > limit:
        guess = limit
    return guess if guess > frames else frames


cdef int64_t time_of(performer_t* p, int64_t frame) noexcept nogil:
    """When a frame is now, on the monotonic clock."""
    if p.ended_at_ns:
        return p.ended_at_ns + <int64_t>((frame - p.last_frames) / p.frames_per_ns)
    if p.last_frames == 0:
        return p.now_ns
    return <int64_t>((frame - p.offset) / p.frames_per_ns)


cdef int64_t head_start(performer_t* p) noexcept nogil:
    """Frames by which a native port wants its events early, to play them exactly on time."""
    return 0 if p.playing == NULL else <int64_t>(kelly_get(&p.playing.ahead_ns) * p.frames_per_ns)


cdef int64_t rest_ns(performer_t* p, int64_t now) noexcept nogil:
    """How long to sleep: until the next event is due, but not so long that a new one would be late."""
    cdef int64_t longest = REST_NS, until
    if p.capture == NULL or p.inputs[1] != NULL:
        longest = POLL_NS
    if p.capture == NULL or p.size == 0:
        return longest
    until = <int64_t>((p.heap[0].frame - head_start(p) - now) / p.frames_per_ns)
    return min(max(until, <int64_t>NAP_NS), longest)
