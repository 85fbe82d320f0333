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

cdef enum:
    POLL_NS = 4_000_000             # nobody waits for a tick that closely; each look costs 15 us of a core
    TICK_POLL_NS = 2_000_000        # of a stream in real time, when the last sample of a network hop is due
    TICK_LOOKS = 3                  # so often, for a device with large blocks brings it a block later
    REFLEX_POLL_NS = 500_000        # a reflex does wait
    HOPS_PER_S = 25
    PIECE = 4096                    # samples looked at at a time
    PATCH = 256                     # zeros at a time, in gaps and at the end
    RETRY_TICKS = 25                # one second
    RETRY_MOST = 1500               # one minute
    REFLEX = -1

cdef float FADE = 0.04 / 0.5        # per tick: half a second
cdef double FORGET_S = 4.0
cdef double[4] BEHIND_S = [0.25, 0.5, 0.75, 1.0]       # of the device, at which each step of shedding begins
cdef double CAUGHT_UP_S = 0.1                           # and at which all of it ends
cdef double STRIKE_S = 0.06         # length of a reflex note
cdef float[PATCH] ZEROS
memset(ZEROS, 0, sizeof(ZEROS))

WORKER_NETS = ("emotionrecognizer", "harmonypredictor", "groovepredictor")
"""The nets that the worker asks; the other two are the conductor's."""


def receipt_dtype():
    """NumPy dtype of a receipt: a command and the index of the tick that first knew of it."""
    return np.dtype([("tick", "i8"), ("command", dtype("command"))], align=True)


cdef float towards(float value, float target) noexcept nogil:
    """One tick of a half-second fade."""
    if value < target:
        return min(value + FADE, target)
    return max(value - FADE, target)


cdef bint finite(const float* y, int n) noexcept nogil:
    cdef int i
    for i in range(n):
        if not isfinite(y[i]):
            return False
    return True


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
        self.capture, self.extractor, self.tracker, self.hooks = capture, extractor, tracker, []
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
            self._loop()

    cdef void _loop(self) noexcept nogil:
        cdef worker_t* w = self.state
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
                kelly_sleep_ns(self._rest_ns(looks))
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
            used = self.extractor.consume(x, n)
            if not w.ending:
                if w.tape != NULL and not kelly_get(&w.torn) and kelly_ring_write(w.tape, x, used) != used:
                    kelly_set(&w.torn, 1)                       # a hole would move everything behind it
                kelly_capture_done(w.capture, &w.reader, samples, used)
            if self.extractor.reflex_ready:
                self._strike(self.extractor.reflex_strength)
            if self.extractor.hop_ready:
                self.tracker.hop(&self.extractor.analysis)
                if w.voice.off_frame >= 0 and w.voice.off_frame <= self.extractor.frame:
                    self._release(w.voice.off_frame)
            if self.extractor.row_ready:
                self._network_hop()
                histogram_add(&w.busy, kelly_now_ns() - before)
                kelly_add(&w.hops, 1)
                if w.ending:
                    break
        kelly_set(&w.done, 1)

    cdef int64_t _rest_ns(self, int looks) noexcept nogil:
        """How long until it is worth looking for samples again, after so many looks that found none."""
        cdef int64_t rate = self.extractor.sample_rate_hz, left
        if self.state.voice.note >= 0:
            return REFLEX_POLL_NS
        if not self.state.paced or looks > TICK_LOOKS:
            return POLL_NS
        if looks > 0:
            return TICK_POLL_NS
        left = ((self.extractor.frame * HOPS_PER_S // rate + 1) * rate + HOPS_PER_S - 1) // HOPS_PER_S - self.extractor.frame
        return max(<int64_t>TICK_POLL_NS, left * 1_000_000_000 // rate)         # to the network hop's last sample

    cdef void _network_hop(self) noexcept nogil:
        """Everything that happens every 40 ms."""
        cdef worker_t* w = self.state
        cdef tick_t* t = &w.tick
        cdef net_slot_t* slot
        cdef int i
        self._obey(self.tracker.index)
        self._look_behind()
        for i in range(N_NETS):
            slot = &w.nets[i]
            self._reload(i)
            if slot.held > 0:
                slot.held -= 1
            slot.mix = towards(slot.mix, 1.0 if slot.present and slot.wanted and slot.held == 0 else 0.0)
        w.steer = towards(w.steer, 1.0 if w.steered else 0.0)
        memcpy(w.turned, w.controls, sizeof(w.turned))
        self._listen()
        self.tracker.tick(self.extractor.features, t.embedding, t)
        if kelly_get(&w.n_hooks) > 0:
            self._call_hooks()
        if self.tracker.harmony_due:
            if self.tracker.level.open:
                self.tracker.harmony_context(t.embedding, w.context)
                self._ask(NET_HARMONYPREDICTOR, w.context, t.harmony)
            self.tracker.choose_chord(t.harmony, t)
        if self.tracker.groove_due and self.tracker.level.open:
            self._ask(NET_GROOVEPREDICTOR, t.embedding, t.groove)
        for i in range(N_NETS):
            slot = &w.nets[i]
            t.source[i] = SOURCE_OFF if not slot.wanted else SOURCE_MODEL if slot.present and slot.held == 0 else SOURCE_FALLBACK
        for i in range(N_CONTROLS):
            t.controls[i] = w.turned[i] - w.neutral[i]
        memcpy(t.features, self.extractor.features, sizeof(t.features))
        if w.ending and w.voice.off_frame >= 0:
            self._release(self.extractor.frame)
        t.end = w.ending
        self._hand_over(w.ticks, t)

    cdef void _call_hooks(self) noexcept nogil:
        """The user's compiled functions, in the order in which they were added; each sees what the one before left."""
        cdef worker_t* w = self.state
        cdef tick_t* t = &w.tick
        cdef float* c
        cdef float kept[64]
        cdef int i, k, tonic, mode
        for i in range(kelly_get(&w.n_hooks)):
            if not kelly_get(&w.hooks[i].on):
                continue
            c = w.hooks[i].controls
            c[SLOT_TIME_S] = <float>(t.frame / w.sample_rate_hz)
            c[SLOT_BEAT] = 0.0
            if t.beat_frames > 0.0 and t.beat_count >= 0:
                c[SLOT_BEAT] = <float>(t.beat_count + (t.frame - t.beat_frame) / t.beat_frames)
            c[SLOT_TEMPO_BPM], c[SLOT_LEVEL_DB], c[SLOT_ONSET] = t.tempo_bpm, t.level_db, t.onset
            c[SLOT_BEAT_IN_BAR], c[SLOT_CHORD_ROOT], c[SLOT_CHORD_QUALITY] = t.beat_in_bar, t.chord_root, t.chord_quality
            c[SLOT_PLAYING], c[SLOT_KEY_TONIC], c[SLOT_KEY_MODE] = t.playing, t.key_tonic, t.key_mode
            memcpy(&c[SLOT_CHROMA_0], t.chroma, sizeof(t.chroma))
            memcpy(&c[SLOTS_CONTROLS], w.turned, sizeof(w.turned))
            memcpy(kept, t.embedding, sizeof(kept))
            w.hooks[i].call(self.extractor.features, t.embedding, c)
            if not (finite(t.embedding, N_EMBEDDING) and isfinite(c[SLOT_KEY_TONIC]) and isfinite(c[SLOT_KEY_MODE])):
                memcpy(t.embedding, kept, sizeof(kept))
                kelly_add(&w.hook_faults, 1)
                continue
            for k in range(N_EMBEDDING):
                t.embedding[k] = min(max(t.embedding[k], <float>-1.0), <float>1.0)
            for k in range(N_CONTROLS):
                if isfinite(c[SLOTS_CONTROLS + k]):
                    w.turned[k] = min(max(c[SLOTS_CONTROLS + k], w.lowest[k]), w.highest[k])
            if c[SLOT_PLAYING] == 0.0:
                t.playing = 0
            if -1.0 <= c[SLOT_KEY_TONIC] <= 11.0 and -1.0 <= c[SLOT_KEY_MODE] <= 1.0:
                tonic, mode = <int>c[SLOT_KEY_TONIC], <int>c[SLOT_KEY_MODE]
                if (tonic != t.key_tonic or mode != t.key_mode) and tonic >= 0 and mode != 0:
                    t.key_tonic = self.tracker.key.tonic = tonic
                    t.key_mode = self.tracker.key.mode = mode

    cdef void _listen(self) noexcept nogil:
        """The embedding of this hop, into the tick."""
        cdef worker_t* w = self.state
        cdef const float* led = w.embedding
        cdef int i
        if self.tracker.level.open or self.tracker.index == 0:
            w.forgot = False
            rule_embedding(self.extractor.features, w.ruled, &w.rule)       # every hop: it must be warm when it is needed
            self._ask(NET_EMOTIONRECOGNIZER, self.extractor.features, w.embedding)
        elif self.tracker.level.silence_s >= FORGET_S and not w.forgot:
            w.forgot = True
            self._forget()
            kelly_add(&w.resets, 1)
        if w.adapts:
            self._adapt()
            led = w.adapted
        if w.path_rows > 0:
            self._follow()
            led = w.planned
        for i in range(N_EMBEDDING):
            w.felt[i] = led[i] + w.steer * (w.steering[i] - led[i])
        memcpy(w.tick.embedding, w.felt, sizeof(w.felt))
        self._bend(EMBEDDING_VALENCE, w.controls[CONTROL_VALENCE])
        self._bend(EMBEDDING_AROUSAL, w.controls[CONTROL_AROUSAL])
        self._bend(EMBEDDING_TENSION, w.controls[CONTROL_TENSION])

    cdef void _adapt(self) noexcept nogil:
        """The recognizer's answer with valence, arousal and tension as this player means them."""
        cdef worker_t* w = self.state
        cdef const float* row
        cdef float v = w.embedding[EMBEDDING_VALENCE], a = w.embedding[EMBEDDING_AROUSAL], t = w.embedding[EMBEDDING_TENSION]
        cdef int i
        memcpy(w.adapted, w.embedding, sizeof(w.adapted))
        for i in range(3):
            row = w.personal + 4 * i
            w.adapted[EMBEDDING_VALENCE + i] = min(max(row[0] * v + row[1] * a + row[2] * t + row[3], <float>-1.0), <float>1.0)

    cdef void _bend(self, int row, float by) noexcept nogil:
        """Move one number of the mood, within -1..1."""
        if by != 0.0:
            self.state.tick.embedding[row] = min(max(self.state.tick.embedding[row] + by, <float>-1.0), <float>1.0)

    cdef void _follow(self) noexcept nogil:
        """Where the path stands on the player's grid, as the tick before knew it; its first row until there is one."""
        cdef worker_t* w = self.state
        cdef double place = 0.0
        cdef int row, i
        cdef float share
        cdef const float* here
        if w.tick.beat_frames > 0.0 and w.tick.beat_count >= 0 and w.tick.beats_per_bar > 0:
            place = w.tick.beat_count + (self.extractor.frame - w.tick.beat_frame) / w.tick.beat_frames
            place = place / (w.tick.beats_per_bar * w.path_bars) if w.path_bars > 0.0 else 1.0
        place = min(max(place, 0.0), 1.0) * (w.path_rows - 1)
        row = min(<int>place, w.path_rows - 1)
        share = <float>(place - row)
        here = w.path + row * N_EMBEDDING
        for i in range(N_EMBEDDING):
            w.planned[i] = here[i] + (share * (here[N_EMBEDDING + i] - here[i]) if share > 0.0 else <float>0.0)

    cdef void _ask(self, int net, const float* x, float* y) noexcept nogil:
        """The answer of a net: the model's, the rule's, or a mixture while one gives way to the other."""
        cdef worker_t* w = self.state
        cdef net_slot_t* slot = &w.nets[net]
        cdef int n = rule_out_size(net), i
        cdef float mix = slot.mix, share = 0.0
        if w.shedding and self._held_back(net):
            return
        if mix > 0.0:
            if self._step(net, x, y):
                slot.failures = 0
                rule_fill(net, x, y)
                share = mix * w.turned[CONTROL_BLEND] * w.turned[CONTROL_BLEND_EMOTION + net]
                if share == 1.0:
                    return
            else:
                kelly_add(&slot.faults, 1)
                self._clear(net)
                slot.held = min(RETRY_TICKS << min(slot.failures, 10), RETRY_MOST)
                slot.failures += 1
                slot.mix = mix = share = 0.0
        if net != NET_EMOTIONRECOGNIZER:                            # whose rule has answered already
            rule_for(net, x, w.ruled, &w.rule)
        for i in range(n):
            y[i] = w.ruled[i] if share == 0.0 else w.ruled[i] + share * (y[i] - w.ruled[i])

    cdef bint _step(self, int net, const float* x, float* y) noexcept nogil:
        """The model's answer, the leaving model's still in it; False where it is not finite."""
        cdef worker_t* w = self.state
        cdef net_slot_t* slot = &w.nets[net]
        cdef int n = rule_out_size(net), i
        if (<Network>slot.network).step(x, y) != 0 or not finite(y, n):
            return False
        if slot.leaving != NULL and (<Network>slot.leaving).step(x, w.other) == 0 and finite(w.other, n):
            for i in range(n):
                y[i] = w.other[i] + slot.swap * (y[i] - w.other[i])
        return True

    cdef bint _held_back(self, int net) noexcept nogil:
        """The worker is behind a device: the newest answer has to do."""
        cdef worker_t* w = self.state
        if net == NET_EMOTIONRECOGNIZER:
            if w.shedding < 4 and self.tracker.index % 2 == 0:
                return False
            kelly_add(&w.shed_hops, 1)
            return True
        if w.shedding < (2 if net == NET_GROOVEPREDICTOR else 3):
            return False
        kelly_add(&w.shed_answers, 1)
        return True

    cdef void _look_behind(self) noexcept nogil:
        """How much to leave out; nothing of a file, which waits."""
        cdef worker_t* w = self.state
        cdef double behind_s
        cdef int i
        if w.lossless:
            return
        behind_s = (kelly_get(&w.capture.frames) - self.extractor.frame) / w.sample_rate_hz
        if behind_s < CAUGHT_UP_S:
            w.shedding = 0
        for i in range(4):
            if behind_s > BEHIND_S[i]:
                w.shedding = max(w.shedding, i + 1)

    cdef void _reload(self, int net) noexcept nogil:
        """Once per tick: go on with a change of networks, or begin the one that was asked for."""
        cdef worker_t* w = self.state
        cdef net_slot_t* slot = &w.nets[net]
        cdef int64_t address = <int64_t><uintptr_t>slot.leaving
        if slot.leaving != NULL:
            slot.swap = min(slot.swap + FADE, 1.0)
            if (slot.swap == 1.0 or slot.mix == 0.0) and kelly_ring_write(w.retired, &address, 1) == 1:
                slot.leaving = NULL
        if not slot.due or slot.leaving != NULL:
            return
        slot.due = False
        address = kelly_take(&slot.mailbox)
        if address == 0:
            return
        slot.leaving, slot.network = slot.network, <void*><uintptr_t>address
        slot.swap = 0.0
        slot.present = True
        slot.held = slot.failures = 0
        kelly_add(&w.reloads, 1)

    cdef void _clear(self, int net) noexcept nogil:
        if self.state.nets[net].network != NULL:
            (<Network>self.state.nets[net].network).clear()

    cdef void _forget(self) noexcept nogil:
        """The recognizer and its rule as new."""
        self._clear(NET_EMOTIONRECOGNIZER)
        rule_reset(&self.state.rule)

    cdef void _obey(self, int64_t index) noexcept nogil:
        """Carry out what was asked for; tick ``index`` is the first that knows."""
        cdef worker_t* w = self.state
        cdef command_t c
        while w.script_left > 0 and w.script.tick <= index:
            self._carry_out(&w.script.command, index)
            w.script += 1
            w.script_left -= 1
        while kelly_ring_pop(w.commands, &c, 1) == 1:
            self._carry_out(&c, index)

    cdef void _carry_out(self, const command_t* c, int64_t index) noexcept nogil:
        """One command, and its receipt."""
        cdef worker_t* w = self.state
        cdef receipt_t receipt
        cdef bint a_net = 0 <= c.index < N_NETS
        if c.kind == COMMAND_ENABLE and a_net:
            if not w.nets[c.index].wanted:
                self._clear(c.index)
            w.nets[c.index].wanted = True
            w.nets[c.index].held = w.nets[c.index].failures = 0
        elif c.kind == COMMAND_DISABLE and a_net:
            w.nets[c.index].wanted = False
        elif c.kind == COMMAND_RESET:
            self._forget()
            self._clear(NET_HARMONYPREDICTOR)
            self._clear(NET_GROOVEPREDICTOR)
        elif c.kind == COMMAND_EMBEDDING and finite(c.vector, N_EMBEDDING):
            memcpy(w.steering, c.vector, sizeof(w.steering))
            w.steered = True
        elif c.kind == COMMAND_RELEASE_EMBEDDING or (c.kind == COMMAND_FREEZE and c.value == 0.0):
            w.steered = False
        elif c.kind == COMMAND_FREEZE:
            memcpy(w.steering, w.felt, sizeof(w.steering))
            w.steered = True
        elif c.kind == COMMAND_CONTROL and 0 <= c.index < N_CONTROLS and isfinite(c.value):
            w.controls[c.index] = min(max(<float>c.value, w.lowest[c.index]), w.highest[c.index])
        elif c.kind == COMMAND_RELOAD and a_net:
            w.nets[c.index].due = True
            if w.nets[c.index].network == NULL and kelly_get(&w.nets[c.index].mailbox) == 0:
                w.nets[c.index].present = True                  # one of the conductor's
        elif c.kind == COMMAND_CLOCK:
            self.tracker.lead(c.value, c.frame, c.index)
        elif c.kind == COMMAND_NO_CLOCK:
            self.tracker.unlead()
        elif c.kind == COMMAND_TAP and c.frame >= 0:
            self.tracker.tap(c.value, c.frame)
        elif c.kind == COMMAND_LEVEL:
            self.tracker.relevel(c.value)
        elif c.kind == COMMAND_HOLD_CHORD:
            self.tracker.chord_held = c.value != 0.0
        memset(&receipt, 0, sizeof(receipt))
        receipt.tick, receipt.command = index, c[0]
        kelly_ring_push(w.receipts, &receipt, 1)

    cdef void _strike(self, float strength) noexcept nogil:
        """One note for one onset, at the moment of its detection."""
        cdef worker_t* w = self.state
        if w.voice.note < 0:
            return
        if w.voice.off_frame >= 0:
            self._release(self.extractor.frame)
        self._voice_event(self.extractor.frame, 0x90, <int>(1.0 + 126.0 * strength / (strength + 0.35)))
        w.voice.off_frame = self.extractor.frame + <int64_t>(STRIKE_S * w.sample_rate_hz)

    cdef void _release(self, int64_t frame) noexcept nogil:
        self.state.voice.off_frame = -1
        self._voice_event(frame, 0x80, 64)

    cdef void _voice_event(self, int64_t frame, int status, int velocity) noexcept nogil:
        cdef worker_t* w = self.state
        cdef event_t e
        memset(&e, 0, sizeof(e))
        e.frame, e.serial, e.part, e.size = frame, w.voice.serial, REFLEX, 3
        e.status, e.data1, e.data2 = status | w.voice.channel, w.voice.note, velocity
        w.voice.serial += 1
        self._hand_over(w.strikes, &e)

    cdef void _hand_over(self, kelly_ring* ring, const void* item) noexcept nogil:
        """Devices drop what finds no room; whoever plays a file waits for it."""
        if not self.state.lossless:
            kelly_ring_push(ring, item, 1)
            return
        while kelly_ring_write(ring, item, 1) != 1:
            if kelly_get(&self.state.capture.stopping):
                return
            kelly_sleep_ns(POLL_NS)

    def add_hook(self, hook):
        """Call a compiled function each network hop, after tracking and before the nets are asked.

        hook    anything with ``address``, of a C function (const float features[128], float embedding[64],
                float controls[N_SLOTS]) that neither blocks nor raises; it is kept alive with the worker
        raises  ValueError when there are MAX_HOOKS already
        thread  [one Python thread at a time], also while the loop runs
        """
        cdef int n = <int>kelly_get(&self.state.n_hooks)
        cdef int slot = n, i
        cdef uintptr_t address = hook.address
        if address == 0:
            raise ValueError("the hook has no address")
        if n == MAX_HOOKS:  # one that was taken out gives its place, once nothing can be running in it
            for i in range(n - 1, -1, -1):
                if not kelly_get(&self.state.hooks[i].on) and self.has_left(i):
                    slot = i
        if slot == MAX_HOOKS:
            raise ValueError(f"a session takes {MAX_HOOKS} hooks")
        if slot == n:
            self.hooks.append(hook)
        else:
            self.hooks[slot] = hook
        memset(self.state.hooks[slot].controls, 0, sizeof(self.state.hooks[slot].controls))
        self.state.hooks[slot].call = <hook_f>address
        kelly_set(&self.state.hooks[slot].on, 1)
        if slot == n:
            kelly_set(&self.state.n_hooks, n + 1)

    def remove_hook(self, hook):
        """Call it no more from the next network hop on; the code stays alive until its place is given away.

        raises  ValueError where it does not take part
        thread  [one Python thread at a time], also while the loop runs
        """
        cdef int i
        for i in range(<int>kelly_get(&self.state.n_hooks)):
            if self.hooks[i] is hook and kelly_get(&self.state.hooks[i].on):
                kelly_set(&self.state.hooks[i].on, 0)
                self.state.hooks[i].left_at = kelly_get(&self.state.hops)
                return
        raise ValueError("the hook does not take part")

    cdef bint has_left(self, int i):
        """Whether no call can be going on in a place that was taken out: two hops later, or before the first."""
        cdef int64_t now = kelly_get(&self.state.hops)
        return now == 0 or now >= self.state.hooks[i].left_at + 2

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
            "hook_faults": kelly_get(&self.state.hook_faults),
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
