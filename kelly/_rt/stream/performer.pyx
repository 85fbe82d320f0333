# cython: boundscheck=False, wraparound=False, cdivision=True
"""The scheduler: planned events in, events when they are due out, and no note left hanging.

[performer] One thread runs ``run`` without the GIL: rings -> heap by (frame, off before on, serial)
-> due -> out ring.  Nothing in the loop locks, allocates or calls Python; one timed sleep per turn.

The clock is the source's frame counter live, and the conductor's progress offline: a file is performed as fast as it is
planned, and in exactly the same order.

The parts: ``performer_heap`` (what is planned), ``performer_clock``, ``performer_sounding`` (what sounds, and silence),
``performer_loop``; here is what Python sees of it.
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

cdef double STALE_S = 0.25      # a device's note that is later than this is not struck any more

SAFETY_PART = SAFETY
"""``part`` of note-offs and controllers that no musician planned."""


include "performer_heap.pxi"
include "performer_clock.pxi"
include "performer_sounding.pxi"
include "performer_loop.pxi"


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
