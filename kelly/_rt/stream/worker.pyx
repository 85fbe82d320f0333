# cython: boundscheck=False, wraparound=False, cdivision=True
"""The loop that listens: audio -> features -> tracker -> nets -> ticks.

[worker] One thread runs ``run`` without the GIL.  Nothing in the loop locks, allocates or calls
Python; it sleeps 4 ms, with the reflex voice half of one, when there is nothing to hear.  Everything it decides depends on
the samples, their frames and the commands, never on the wall clock, so the same stream gives the
same ticks whatever the block sizes.

The recognizer is asked each network hop (40 ms), harmony before each beat, groove before each bar.
Where a net is missing or off its rule answers, and going from one to the other takes half a second.
Silence holds the nets; after four seconds of it the recognizer starts from reset.

A new network comes by a mailbox and is told by a command; it takes over within half a second and the
old one goes back by a ring, to be freed by Python.  A worker that falls behind a device asks less: the
recognizer every second hop, then groove, harmony and recognizer not at all, until it has caught up.

The parts: ``worker_voice`` (the reflex voice), ``worker_nets`` (who answers for a net), ``worker_mood`` (the embedding of a
hop), ``worker_commands``, ``worker_hooks`` (the user's functions), ``worker_loop``; here is what Python sees of it.
"""

from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from kelly._rt._contract cimport (
    EMBEDDING_AROUSAL,
    EMBEDDING_TENSION,
    EMBEDDING_VALENCE,
    N_EMBEDDING,
    N_FEATURES,
    N_GROOVE,
    N_HARMONY,
    N_NETS,
    NET_DYNAMICSENGINE,
    NET_EMOTIONRECOGNIZER,
    NET_GROOVEPREDICTOR,
    NET_HARMONYPREDICTOR,
    NET_MELODYTRANSFORMER,
)
from kelly._rt._layout cimport (
    COMMAND_CLOCK,
    COMMAND_CONTROL,
    COMMAND_DISABLE,
    COMMAND_EMBEDDING,
    COMMAND_ENABLE,
    COMMAND_FREEZE,
    COMMAND_HOLD_CHORD,
    COMMAND_LEVEL,
    COMMAND_NO_CLOCK,
    COMMAND_RELEASE_EMBEDDING,
    COMMAND_RELOAD,
    COMMAND_RESET,
    COMMAND_TAP,
    CONTROL_AROUSAL,
    CONTROL_BLEND,
    CONTROL_BLEND_EMOTION,
    CONTROL_TENSION,
    CONTROL_VALENCE,
    MAX_HOOKS,
    N_CONTROLS,
    SLOT_BEAT,
    SLOT_BEAT_IN_BAR,
    SLOT_CHORD_QUALITY,
    SLOT_CHORD_ROOT,
    SLOT_CHROMA_0,
    SLOT_KEY_MODE,
    SLOT_KEY_TONIC,
    SLOT_LEVEL_DB,
    SLOT_ONSET,
    SLOT_PLAYING,
    SLOT_TEMPO_BPM,
    SLOT_TIME_S,
    SLOTS_CONTROLS,
    SOURCE_FALLBACK,
    SOURCE_MODEL,
    SOURCE_OFF,
    command_t,
    event_t,
)
from kelly._rt.net.network cimport Network
from kelly._rt.stream.capture cimport Capture, kelly_capture_done, kelly_capture_next
from kelly._rt.stream.features cimport FeatureExtractor
from kelly._rt.stream.histogram cimport histogram_add, histogram_buckets, histogram_summary
from kelly._rt.stream.ring cimport (
    Ring,
    kelly_add,
    kelly_get,
    kelly_now_ns,
    kelly_ring,
    kelly_ring_pop,
    kelly_ring_push,
    kelly_ring_write,
    kelly_set,
    kelly_sleep_ns,
    kelly_take,
)
from kelly._rt.stream.rules cimport rule_embedding, rule_fill, rule_for, rule_out_size, rule_reset
from kelly._rt.stream.tracker cimport Tracker

import numpy as np

from kelly._rt.contract import NET_NAMES, NETS
from kelly._rt.layout import CONTROLS, dtype

WORKER_NETS = ("emotionrecognizer", "harmonypredictor", "groovepredictor")
"""The nets that the worker asks; the other two are the conductor's."""


def receipt_dtype():
    """NumPy dtype of a receipt: a command and the index of the tick that first knew of it."""
    return np.dtype([("tick", "i8"), ("command", dtype("command"))], align=True)


cdef enum:
    POLL_NS = 4_000_000             # nobody waits for a tick that closely; each look costs 15 us of a core


cdef bint finite(const float* y, int n) noexcept nogil:
    cdef int i
    for i in range(n):
        if not isfinite(y[i]):
            return False
    return True


cdef void hand_over(const worker_t* w, kelly_ring* ring, const void* item) noexcept nogil:
    """Devices drop what finds no room; whoever plays a file waits for it."""
    if not w.lossless:
        kelly_ring_push(ring, item, 1)
        return
    while kelly_ring_write(ring, item, 1) != 1:
        if kelly_get(&w.capture.stopping):
            return
        kelly_sleep_ns(POLL_NS)


include "worker_voice.pxi"
include "worker_nets.pxi"
include "worker_mood.pxi"
include "worker_commands.pxi"
include "worker_hooks.pxi"
include "worker_loop.pxi"


cdef class Worker:
    """Listens to one stream.

    capture      where the samples come from
    extractor    prepared for the stream's rate
    tracker      made for the stream's rate
    networks     {net name: Network or None}; clones of their own for those the worker asks (WORKER_NETS);
                 of the others only whether there is one is used
    enabled      names of the nets that are on; None for all
    ticks        ring of dtype("tick")
    commands     ring of dtype("command")
    receipts     ring of receipt_dtype()
    strikes      ring of dtype("event") for the reflex voice, or None
    reflex_note  MIDI note struck at each onset, None for none
    reflex_channel  1..16
    path         float32 (K, 64) embeddings that drive the nets in the recognizer's place, evenly spaced over
                 path_bars bars of the grid, the last one from then on; None: the recognizer leads
    controls     float (N,), rows of layout.CONTROLS, at the start; None: their defaults
    personal     float (3, 4): valence, arousal and tension as a player means them, from the recognizer's three and 1;
                 None: as they are
    script       records of receipt_dtype(), by tick: commands that are carried out at the tick they name, as they were
                 when a recording was made; None for none
    tape         ring of float32 that gets every sample the worker hears, or None; a full one ends there for good
    paced        the stream comes in real time: between the ends of network hops nobody looks, unless for a reflex
    raises       ValueError, KeyError
    thread       [main] constructs; ``run`` belongs to one thread of its own
    """

    def __cinit__(self, Capture capture not None, FeatureExtractor extractor not None, Tracker tracker not None,
                  networks, Ring ticks not None, Ring commands not None, Ring receipts not None,
                  enabled=None, Ring strikes=None, reflex_note=None, int reflex_channel=16, path=None, double path_bars=0.0,
                  Ring tape=None, controls=None, script=None, personal=None, bint paced=False):
        cdef int i
        cdef const float[:, ::1] rows
        cdef const unsigned char[::1] lines
        for ring, expected in ((ticks, dtype("tick")), (commands, dtype("command")), (receipts, receipt_dtype()),
                               (strikes, dtype("event")), (tape, np.dtype("f4"))):
            if ring is not None and ring.dtype != expected:
                raise ValueError(f"expected a ring of {expected}, found {ring.dtype}")
        for name in (*networks, *(enabled if enabled is not None else ())):
            if name not in NET_NAMES:
                raise KeyError(f"no net is called {name!r}; the five are {', '.join(NET_NAMES)}")
        for name, network in networks.items():
            self._check(name, network)
        if reflex_note is not None and not (0 <= reflex_note <= 127 and 1 <= reflex_channel <= 16):
            raise ValueError(f"reflex note {reflex_note} on channel {reflex_channel}: expected 0..127 on 1..16")
        self.state = <worker_t*>calloc(1, sizeof(worker_t))
        if self.state == NULL:
            raise MemoryError("no memory for the worker")
        self.capture, self.extractor, self.tracker, self.hooks = capture, extractor, tracker, Hooks()
        self.ticks, self.commands, self.receipts, self.strikes = ticks, commands, receipts, strikes
        self.tape, self.retired, self.lent = tape, Ring(np.int64, 64), {}
        self.state.capture = capture.capture
        self.state.lossless = capture.lossless
        self.state.paced = paced
        self.state.sample_rate_hz = capture.capture.sample_rate_hz
        self.state.ticks = ticks.ring
        self.state.commands = commands.ring
        self.state.receipts = receipts.ring
        self.state.strikes = strikes.ring if strikes is not None else NULL
        self.state.retired = self.retired.ring
        self.state.tape = tape.ring if tape is not None else NULL
        self.state.voice.note = -1 if reflex_note is None or strikes is None else reflex_note
        self.state.voice.channel = reflex_channel - 1
        self.state.voice.off_frame = -1
        self.state.voice.serial = <int64_t>1 << 60            # behind the conductor's within a frame
        if path is not None:
            self.path = np.array(path, np.float32, order="C")
            if self.path.ndim != 2 or self.path.shape[1] != N_EMBEDDING or not len(self.path) or not np.isfinite(self.path).all():
                raise ValueError(f"a path is (K, {N_EMBEDDING}) finite numbers, found {self.path.shape}")
            rows = self.path
            self.state.path, self.state.path_rows, self.state.path_bars = &rows[0, 0], rows.shape[0], path_bars
        for i, (name, low, high, default, _, _) in enumerate(CONTROLS):
            self.state.lowest[i], self.state.highest[i], self.state.neutral[i] = low, high, default
            self.state.controls[i] = default if controls is None else min(max(float(controls[i]), low), high)
        if personal is not None:
            told = np.ascontiguousarray(personal, np.float32)
            if told.shape != (3, 4) or not np.isfinite(told).all():
                raise ValueError(f"personal is (3, 4) finite numbers, found {told.shape}")
            self.state.adapts = True
            for i in range(12):
                self.state.personal[i] = told.flat[i]
        if script is not None and len(script):
            self.script = np.ascontiguousarray(script, receipt_dtype())
            if np.any(np.diff(self.script["tick"]) < 0):
                raise ValueError("a script's commands come in the order of their ticks")
            lines = self.script.view(np.uint8)
            self.state.script, self.state.script_left = <const receipt_t*>&lines[0], len(self.script)
        for i, name in enumerate(NET_NAMES):
            self.state.nets[i].present = networks.get(name) is not None
            self.state.nets[i].wanted = enabled is None or name in enabled
            if self.state.nets[i].present and name in WORKER_NETS:
                self.state.nets[i].network = <void*><uintptr_t>self._lend(networks[name])
            self.state.nets[i].swap = 1.0
            self.state.nets[i].mix = 1.0 if self.state.nets[i].present and self.state.nets[i].wanted else 0.0
        rule_reset(&self.state.rule)

    def __dealloc__(self):
        free(self.state)

    def _check(self, name, network):
        spec = NETS[NET_NAMES.index(name)]
        if network is not None and (network.in_size, network.out_size) != (spec.input.size, spec.output.size):
            raise ValueError(f"{name}: expected {spec.input.size} -> {spec.output.size}, "
                             f"found {network.in_size} -> {network.out_size}")

    def _lend(self, Network network not None):
        """Its address; it lives until ``collect`` finds it retired."""
        address = <uintptr_t><void*>network
        self.lent[address] = network
        return address

    def offer(self, name, network):
        """Put a network into a net's mailbox; the command "reload" makes the worker take it.

        name     of a net
        network  a clone nobody else uses; of a net that the worker does not ask, None
        raises   ValueError, KeyError
        thread   [any Python thread], one at a time
        """
        cdef int net = NET_NAMES.index(name)
        self._check(name, network)
        self.collect()
        if name in WORKER_NETS:
            address = self._lend(network)
            unclaimed = kelly_take(&self.state.nets[net].mailbox)
            kelly_set(&self.state.nets[net].mailbox, <int64_t>address)
            if unclaimed:
                self.lent.pop(unclaimed)

    def collect(self):
        """Free the networks that are not used any more; returns how many are still lent.  As ``offer``."""
        for address in self.retired.pop():
            self.lent.pop(int(address))
        return len(self.lent)

    def run(self):
        """Listen until the stream ends or is stopped; the tick of a stream's end has ``end`` = 1.  [worker]"""
        with nogil:
            listen(self.state, self.extractor, self.tracker, self.hooks)

    def add_hook(self, hook):
        """Call a compiled function each network hop; see Hooks.add.  Also while the loop runs."""
        self.hooks.add(hook, kelly_get(&self.state.hops))

    def remove_hook(self, hook):
        """Call it no more; see Hooks.remove.  Also while the loop runs."""
        self.hooks.remove(hook, kelly_get(&self.state.hops))

    @property
    def done(self):
        """True after ``run`` has returned."""
        return kelly_get(&self.state.done) != 0

    @property
    def torn(self):
        """True once the tape was full: what it holds ends before that."""
        return kelly_get(&self.state.torn) != 0

    def counters(self):
        return {
            "network_hops": kelly_get(&self.state.hops),
            "shed_hops": kelly_get(&self.state.shed_hops),
            "shed_answers": kelly_get(&self.state.shed_answers),
            "reloads": kelly_get(&self.state.reloads),
            "dropped_ticks": self.ticks.refused,
            "recognizer_resets": kelly_get(&self.state.resets),
            "hook_faults": kelly_get(&self.hooks.faults),
            "net_faults": sum(kelly_get(&self.state.nets[i].faults) for i in range(N_NETS)),
        }

    def faults(self):
        """Answers that were not finite, per net the worker asks."""
        return {name: kelly_get(&self.state.nets[NET_NAMES.index(name)].faults) for name in WORKER_NETS}

    def busy(self):
        """From taking the last samples of a network hop to its tick: count, p50_ms, p99_ms, max_ms."""
        return histogram_summary(&self.state.busy)

    def busy_buckets(self):
        """The same as counts: bucket 0 up to 0.5 us, then four per octave."""
        return histogram_buckets(&self.state.busy)
