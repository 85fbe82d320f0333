# cython: boundscheck=False, wraparound=False, cdivision=True
"""The scheduler: planned events in, events when they are due out, and no note left hanging.

[performer] One thread runs ``run`` without the GIL: rings -> heap by (frame, off before on, serial)
-> due -> out ring.  Nothing in the loop locks, allocates or calls Python; one timed sleep per turn.

The clock.  Live, it is the source's frame counter, read every turn and smoothed: the counter jumps
by whole blocks, so time between jumps comes from the monotonic clock, along the earliest arrivals of
the last half second, and never runs further ahead than one block and LEAD_NS: a block that the system
delays delays no note, and frames that were lost unseen are believed within that half second.  Offline it is the conductor's published progress, so a
file is performed as fast as it is planned and in exactly the same order.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from kelly._rt._layout cimport event_t
from kelly._rt.stream.capture cimport Capture, kelly_capture
from kelly._rt.stream.histogram cimport histogram_add, histogram_buckets, histogram_summary
from kelly._rt.stream.native_midi cimport NativePort, kelly_port, kelly_port_send
from kelly._rt.stream.ring cimport (
    Ring, kelly_add, kelly_get, kelly_now_ns, kelly_ring_peek, kelly_ring_refuse, kelly_ring_room, kelly_ring_size,
    kelly_ring_skip, kelly_ring_write, kelly_set, kelly_sleep_ns, kelly_take,
)

import numpy as np

from kelly._rt.layout import dtype

cdef enum:
    POLL_NS = 500_000           # where something may be due at once: a reflex, or a file's next event
    REST_NS = 8_000_000         # else: planned events come a look-ahead early, a panic may wait this long
    NAP_NS = 50_000
    WINDOW_NS = 250_000_000     # of the earliest arrivals
    ARRIVALS = 8                # at least so many in it
    LEAD_NS = 50_000_000        # so late a block may come without the clock waiting for it
    SAFETY = -2                 # part of the messages that a panic or the end sends by itself
    REFLEX = -1

cdef double STALE_S = 0.25      # a device's note that is later than this is not struck any more

SAFETY_PART = SAFETY
"""``part`` of note-offs and controllers that no musician planned."""


cdef int rank(const event_t* e) noexcept nogil:
    """Within one frame: releases, then controllers and programs, then strikes."""
    cdef uint8_t kind = e.status & 0xF0
    if kind == 0x80 or (kind == 0x90 and e.data2 == 0):
        return 0
    return 2 if kind == 0x90 else 1


cdef bint before(const event_t* a, const event_t* b) noexcept nogil:
    if a.frame != b.frame:
        return a.frame < b.frame
    cdef int ra = rank(a), rb = rank(b)
    if ra != rb:
        return ra < rb
    return a.serial < b.serial


cdef void heap_push(performer_t* p, const event_t* e) noexcept nogil:
    cdef int32_t at = p.size, parent
    p.size += 1
    while at > 0:
        parent = (at - 1) // 2
        if not before(e, &p.heap[parent]):
            break
        p.heap[at] = p.heap[parent]
        at = parent
    p.heap[at] = e[0]


cdef void heap_pop(performer_t* p) noexcept nogil:
    """Remove the first event; the caller has read it at heap[0]."""
    p.size -= 1
    if p.size == 0:
        return
    cdef event_t last = p.heap[p.size]
    cdef int32_t at = 0, child
    while True:
        child = 2 * at + 1
        if child >= p.size:
            break
        if child + 1 < p.size and before(&p.heap[child + 1], &p.heap[child]):
            child += 1
        if not before(&p.heap[child], &last):
            break
        p.heap[at] = p.heap[child]
        at = child
    p.heap[at] = last


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


cdef kelly_port* native_port(performer_t* p) noexcept nogil:
    return p.playing


cdef int64_t time_of(performer_t* p, int64_t frame) noexcept nogil:
    """When a frame is now, on the monotonic clock."""
    if p.ended_at_ns:
        return p.ended_at_ns + <int64_t>((frame - p.last_frames) / p.frames_per_ns)
    if p.last_frames == 0:
        return p.now_ns
    return <int64_t>((frame - p.offset) / p.frames_per_ns)


cdef int64_t head_start(performer_t* p) noexcept nogil:
    """Frames by which a native port wants its events early, to play them exactly on time."""
    cdef kelly_port* port = native_port(p)
    return 0 if port == NULL else <int64_t>(kelly_get(&port.ahead_ns) * p.frames_per_ns)


cdef int64_t rest_ns(performer_t* p, int64_t now) noexcept nogil:
    """How long to sleep: until the next event is due, but not so long that a new one would be late."""
    cdef int64_t longest = REST_NS, until
    if p.capture == NULL or p.inputs[1] != NULL:
        longest = POLL_NS
    if p.capture == NULL or p.size == 0:
        return longest
    until = <int64_t>((p.heap[0].frame - head_start(p) - now) / p.frames_per_ns)
    return min(max(until, <int64_t>NAP_NS), longest)


cdef bint emit(performer_t* p, const event_t* e) noexcept nogil:
    """Hand one event to the sink and keep the table of sounding notes; False while there is no room.

    A native port is played from here and never waited for; the out ring is then the record only.
    """
    cdef uint8_t kind = e.status & 0xF0, channel = e.status & 0x0F
    cdef uint8_t* note
    cdef kelly_port* port = native_port(p)
    cdef event_t written = e[0]
    if e.part != REFLEX and e.part != SAFETY:
        written.frame += p.early_frames                     # a file is written as it is meant to sound
    if kelly_ring_write(p.out, &written, 1) != 1:
        if port == NULL:
            return False
        kelly_ring_refuse(p.out, 1)
    if port != NULL:
        # A safety message follows, in the port's queue, whatever was handed over ahead of its time.
        kelly_port_send(port, p.now_ns if e.part == SAFETY else time_of(p, e.frame), &e.status, e.size, e.part == REFLEX)
    if kind < 0xF0:
        p.used_channels |= 1 << channel
    if kind == 0xB0:
        p.control[channel][e.data1 & 0x7F] = (e.data2 & 0x7F) + 1
    elif kind == 0xC0:
        p.program[channel] = (e.data1 & 0x7F) + 1
    if kind == 0x90 or kind == 0x80:
        note = &p.open[channel][e.data1 & 0x7F]
        if kind == 0x90 and e.data2 > 0:
            if note[0] == 0:
                kelly_add(&p.open_notes, 1)
            note[0] = 1
        else:
            if note[0]:
                kelly_add(&p.open_notes, -1)
            note[0] = 0
    return True


cdef bint emit_bytes(performer_t* p, int64_t frame, int status, int data1, int data2) noexcept nogil:
    cdef event_t e
    memset(&e, 0, sizeof(event_t))
    e.frame = frame
    e.serial = <int64_t>1 << 61             # after whatever was planned for that frame
    e.status, e.data1, e.data2, e.part = <uint8_t>status, <uint8_t>data1, <uint8_t>data2, SAFETY
    e.size = 2 if status & 0xF0 == 0xC0 else 3
    return emit(p, &e)


cdef void repeat_settings(performer_t* p, int64_t frame) noexcept nogil:
    """Every controller that was ever set, and each channel's program: banks, the first of them, come before it."""
    cdef int channel, number
    for channel in range(16):
        for number in range(120):                           # from 120 on they are commands, not settings
            if p.control[channel][number]:
                emit_bytes(p, frame, 0xB0 | channel, number, p.control[channel][number] - 1)
        if p.program[channel]:
            emit_bytes(p, frame, 0xC0 | channel, p.program[channel] - 1, 0)


cdef bint silence(performer_t* p, int64_t frame) noexcept nogil:
    """Release every sounding note, lift the pedal, all notes off; False while the sink has no room for it all."""
    cdef int channel, note
    if kelly_ring_room(p.out) < 16 * 130 and native_port(p) == NULL:
        return False
    for channel in range(16):
        if not p.used_channels >> channel & 1:
            continue
        for note in range(128):
            if p.open[channel][note]:
                emit_bytes(p, frame, 0x80 | channel, note, 64)
        emit_bytes(p, frame, 0xB0 | channel, 64, 0)
        emit_bytes(p, frame, 0xB0 | channel, 123, 0)
    return True


cdef void forget_strikes(performer_t* p) noexcept nogil:
    """Drop every planned event: their notes are being released anyway."""
    p.size = 0


cdef void forget_planned(performer_t* p, const silence_t* s) noexcept nogil:
    """Drop what a panic of a recording dropped: what was planned by then, and reflexes before it."""
    cdef int32_t i, n = p.size
    cdef event_t e
    p.size = 0
    for i in range(n):
        e = p.heap[i]                                       # pushed again at or before its place: none is overwritten unread
        if (e.frame > s.at) if e.part == REFLEX else (e.serial > s.serial):
            heap_push(p, &e)


cdef bint silence_again(performer_t* p, int64_t now) noexcept nogil:
    """The next panic of a recording, where everything before it has been performed; False while it is not due."""
    if p.script_left == 0 or now < p.script.at or (p.size and p.heap[0].frame <= p.script.before):
        return False
    if kelly_ring_room(p.out) < 16 * 130:
        return False
    forget_planned(p, p.script)
    silence(p, p.script.at)
    p.script += 1
    p.script_left -= 1
    return True


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


cdef void perform(performer_t* p) noexcept nogil:
    """[performer] until stop or finish."""
    cdef int64_t now, behind, limit
    cdef uint64_t place
    cdef event_t* e
    cdef kelly_port* port
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
        port = <kelly_port*><uintptr_t>kelly_get(&p.port)
        if port != p.playing:                               # a new port hears programs and controllers before any note
            p.playing = port
            kelly_set(&p.repeat, 1)
        if kelly_take(&p.repeat) and native_port(p) != NULL:
            repeat_settings(p, now)
        if panicking or stopping:
            while take_in(p, now) or p.size:            # more may wait than the heap holds
                forget_strikes(p)
            if silence(p, now if now < INT64_MAX else p.last_event_frame):
                if panicking and not stopping:
                    place = <uint64_t>kelly_get(&p.silenced) % N_SILENCES
                    p.silences[place].before, p.silences[place].at = p.performed_to, now
                    p.silences[place].serial = p.newest_serial
                    kelly_add(&p.silenced, 1)
                panicking = False
                if stopping:
                    break
        limit = now + head_start(p)
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
            moved = True
        if p.capture != NULL and not (p.size and p.heap[0].frame <= limit):
            p.performed_to = limit + p.early_frames
        if silence_again(p, now):
            continue
        if finishing and not waiting(p):
            if silence(p, now if now < INT64_MAX else p.last_event_frame):
                break
        if not (moved and p.capture == NULL):           # offline, go on while there is something to do
            kelly_sleep_ns(rest_ns(p, now))
    kelly_set(&p.done, 1)


cdef class Performer:
    """Plays planned events when they are due.

    planned    ring of events from the conductor
    out        ring of events to the sink, at least 4096
    reflex     ring of events from the worker's reflex voice, or None
    capture    the stream whose frames are the clock; None: the conductor's progress is (offline)
    capacity   events that may be planned ahead; beyond that they wait in their ring
    early_s    with a capture: planned events leave so much before their frame, for the way from the player's
               instrument to here and from here to the listener's ear takes that long
    script     without a capture: int64 (N, 3), rows of ``silences`` of a recording, by frame: silence falls again where it fell
    raises     ValueError for a ring of something else than events, or one that is too small
    thread     [main] constructs; ``run`` belongs to one thread of its own
    """

    def __cinit__(self, Ring planned not None, Ring out not None, Ring reflex=None, Capture capture=None,
                  int capacity=16384, double early_s=0.0, script=None):
        cdef const int64_t[:, ::1] rows
        for ring in (planned, out, reflex):
            if ring is not None and ring.dtype != dtype("event"):
                raise ValueError(f"expected a ring of events, found {ring.dtype}")
        if not 0.0 <= early_s <= 1.0:
            raise ValueError(f"notes leave 0 to 1 s early, not {early_s}")
        if out.capacity < 4096 or capacity < 1:
            raise ValueError("the out ring must hold all notes off on every channel: 4096 events or more")
        self.state = <performer_t*>calloc(1, sizeof(performer_t))
        if self.state == NULL:
            raise MemoryError("no memory for the performer")
        self.state.heap = <event_t*>calloc(capacity, sizeof(event_t))
        if self.state.heap == NULL:
            raise MemoryError("no memory for the performer's heap")
        self.inputs, self.out, self.capture, self.ports = (planned, reflex), out, capture, []
        self.state.capacity = capacity
        self.state.inputs[0] = planned.ring
        self.state.inputs[1] = reflex.ring if reflex is not None else NULL
        self.state.out = out.ring
        kelly_set(&self.state.progress, -1)
        if capture is not None:
            self.state.capture = capture.capture
            self.state.frames_per_ns = capture.capture.sample_rate_hz / 1e9
            self.state.early_frames = <int64_t>(early_s * capture.capture.sample_rate_hz + 0.5)
            self.state.slack_frames = <int64_t>(capture.capture.sample_rate_hz * 0.001)
            if not capture.lossless:
                self.state.stale_frames = <int64_t>(capture.capture.sample_rate_hz * STALE_S)

        elif script is not None and len(script):
            self.script = np.ascontiguousarray(script, np.int64)
            if self.script.ndim != 2 or self.script.shape[1] != 3:
                raise ValueError(f"a script is (N, 3) numbers, found {self.script.shape}")
            rows = self.script
            self.state.script, self.state.script_left = <const silence_t*>&rows[0, 0], len(self.script)

    def __dealloc__(self):
        if self.state != NULL:
            free(self.state.heap)
            free(self.state)

    def run(self):
        """Perform until ``stop`` or ``finish``; returns when the last message lies in the out ring.  [performer]"""
        with nogil:
            perform(self.state)

    def play_to(self, NativePort port):
        """Play a native port from the performer's own thread, from now on; None for the out ring only.

        A port that follows another is told every program and controller first.

        raises  ValueError offline, where nothing happens at its time
        thread  [main], also while the performer runs
        """
        if self.state.capture == NULL:
            raise ValueError("a port is played live; offline there is no time")
        self.ports.append(port)
        kelly_set(&self.state.port, 0 if port is None else <int64_t><uintptr_t>port.port)

    def publish(self, int64_t frame):
        """Every event due at or before ``frame`` has been pushed.  [conductor]"""
        kelly_set(&self.state.progress, frame)

    def panic(self):
        """All notes off now; what was planned is dropped.  [any]"""
        kelly_set(&self.state.panic, 1)

    def silences(self, int64_t since=0):
        """The panics so far from number ``since`` on, the newest 64 at most: rows of (frame up to which planned events had
        been performed, frame at which every note was released, serial up to which planned events were dropped).  [any]"""
        cdef int64_t n = kelly_get(&self.state.silenced), i
        cdef silence_t* s
        rows = []
        for i in range(max(since, n - N_SILENCES), n):
            s = &self.state.silences[i % N_SILENCES]
            rows.append((s.before, s.at, s.serial))
        return rows

    def repeat_settings(self):
        """Tell a native port's new listener every program and controller again.  [any]"""
        kelly_set(&self.state.repeat, 1)

    def stop(self):
        """All notes off now, then return.  [any]"""
        kelly_set(&self.state.stop, 1)

    def finish(self):
        """Perform everything that was pushed before this call, then all notes off and return.  [conductor]"""
        kelly_set(&self.state.finish, 1)

    @property
    def now_frames(self):
        """The performer's clock."""
        return kelly_get(&self.state.now)

    @property
    def done(self):
        """True after ``run`` has returned."""
        return kelly_get(&self.state.done) != 0

    @property
    def open_notes(self):
        """Notes that were struck and not released."""
        return kelly_get(&self.state.open_notes)

    def counters(self):
        return {
            "performed_events": kelly_get(&self.state.performed),
            "late_events": kelly_get(&self.state.late),
            "stale_notes": kelly_get(&self.state.stale),
            "panics": kelly_get(&self.state.panics),
            "open_notes": self.open_notes,
        }

    def lateness(self):
        """How far behind its frame an event was handed to the sink: count, p50_ms, p99_ms, max_ms (live only)."""
        return histogram_summary(&self.state.lateness)

    def lateness_buckets(self):
        """The same as counts: bucket 0 up to 0.5 us, then four per octave."""
        return histogram_buckets(&self.state.lateness)

    def reflex_latency(self):
        """The same for the reflex voice, whose frame is the moment of detection."""
        return histogram_summary(&self.state.reflex)
