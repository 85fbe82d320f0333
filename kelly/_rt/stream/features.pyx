# cython: cdivision=True
"""The streaming front end: samples in, 10 ms analyses and 40 ms feature rows out.

One compiled class serves training, ``render`` and ``live``.  Analysis hop k ends at frame
floor(k * rate / 100); four of them are a network hop, so row t covers the samples before (t + 1) * 40 ms.
Everything is expressed in seconds, hertz and power density, so 44.1, 48 and 96 kHz give the same features.

The parts, one noun per file: ``fft``, ``mel`` (log-mel bands), ``level`` (the player's own mezzo-forte),
``onset``, ``reflex`` (fast onsets), ``chroma``, ``descriptors`` (features 108 to 127).

Levels are relative to mezzo-forte = the mean power of the player's first ten seconds of playing.  From the
first audible hop on there is a running estimate: the very first note counts as mezzo-forte, and the estimate
moves quickly during the first second, then ever more slowly, and after ten seconds by less than 1 dB per minute.
"""

from libc.stdint cimport int64_t
from libc.string cimport memmove, memset

from kelly.errors import ConfigError, NotPreparedError

include "arena.pxi"
include "vector.pxi"
include "fft.pxi"
include "mel.pxi"
include "level.pxi"
include "onset.pxi"
include "reflex.pxi"
include "chroma.pxi"
include "descriptors.pxi"

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 384_000

cdef struct frontend_t:
    arena_t arena
    int rate
    int64_t hops                    # analysis hops since reset
    int64_t next_hop_frame
    Py_ssize_t keep                 # samples of history that any window needs
    Py_ssize_t size
    Py_ssize_t end                  # history's fill
    float* history
    int64_t hop_start_frame
    level_t level
    mel_t mel
    onset_t onset
    reflex_t reflex
    chroma_t chroma
    descriptors_t descriptors


cdef int frontend_prepare(frontend_t* s, int rate, double gate_db) except -1:
    """Allocate and fill every table. [main]"""
    s.rate = rate
    s.level.gate_power = pow(10.0, 0.1 * gate_db)
    mel_prepare(&s.mel, &s.arena, rate)
    reflex_prepare(&s.reflex, &s.arena, rate)
    chroma_prepare(&s.chroma, &s.arena, rate)
    descriptors_prepare(&s.descriptors, &s.mel, rate)
    s.keep = max(s.mel.window_frames, s.reflex.window_frames, s.chroma.n_taps + rate // 100 + 1)
    s.size = 4 * s.keep + rate // 100 + 2
    s.history = arena_floats(&s.arena, s.size)
    return 0


cdef void frontend_reset(frontend_t* s) noexcept nogil:
    """Forget everything heard; tables stay."""
    memset(s.history, 0, s.size * sizeof(float))
    s.end = s.keep
    s.hops = s.hop_start_frame = 0
    s.next_hop_frame = s.rate // 100
    level_reset(&s.level)
    mel_reset(&s.mel)
    onset_reset(&s.onset)
    reflex_reset(&s.reflex)
    chroma_reset(&s.chroma)
    descriptors_reset(&s.descriptors)


cdef void frontend_hop(frontend_t* s, int64_t frame, analysis_t* a) noexcept nogil:
    """Analyse the 10 ms that end at `frame`. [worker]"""
    cdef const float* end = s.history + s.end
    cdef Py_ssize_t n = <Py_ssize_t>(frame - s.hop_start_frame)
    cdef double power = <double>energy(end - n, n) / n, centroid = 0.0, total = 0.0
    cdef float mezzo_forte
    cdef int64_t attack
    cdef int i
    level_learn(&s.level, power)
    mezzo_forte = <float>s.level.power
    mel_density(&s.mel, end)
    mel_level(s.mel.density, s.mel.level, <float>1000.0 / mezzo_forte)
    a.frame = frame
    a.level_db = decibels(power)
    a.level_rel_db = a.level_db - decibels(s.level.power)
    for i in range(MEL_BANDS):
        total += s.mel.density[i] * s.mel.width_hz[i]
        centroid += s.mel.density[i] * s.mel.width_hz[i] * s.mel.centre_hz[i]
    a.centroid_hz = centroid / total if power >= s.level.gate_power and total > 0.0 else 0.0
    a.flux = onset_flux(&s.onset, s.mel.level)
    a.onset = onset_pick(&s.onset, a.flux)
    if a.onset > 0:
        attack = reflex_attack(&s.reflex, frame, max(a.onset_frame + 1, frame - 8 * (s.rate // 100)))
        a.onset_frame = attack
    chroma_decimate(&s.chroma, end, frame)
    chroma_step(&s.chroma, mezzo_forte)
    a.tuning_cents = clip(100 * s.chroma.tuning, -50.0, 50.0)
    for i in range(12):
        a.bass_chroma[i] = s.chroma.views[0].chroma[i]
        a.chroma[i] = s.chroma.views[0].chroma[i] + s.chroma.views[1].chroma[i]
    descriptors_hop(&s.descriptors, a, power, power >= s.level.gate_power)
    s.hops += 1
    s.hop_start_frame = frame
    s.next_hop_frame = (s.hops + 1) * s.rate // 100


cdef class FeatureExtractor:
    """Streaming features of one mono signal.

    Construct, ``prepare``, then feed samples: from C with ``consume``, from Python with ``push``.
    The result never depends on the sizes of the blocks.

    frame        samples taken since reset
    bad_samples  NaN and infinities among them; they are read as 0
    thread       prepare, reset [main, idle]; consume [worker], push [owner]
    """

    def __cinit__(self):
        self._state = <frontend_t*>calloc(1, sizeof(frontend_t))
        if self._state == NULL:
            raise MemoryError("no memory for a FeatureExtractor")

    def __dealloc__(self):
        if self._state != NULL:
            arena_free(&self._state.arena)
            free(self._state)

    def prepare(self, sample_rate_hz, double gate_db=-60.0):
        """Build all tables for a sample rate and reset; the only call that allocates.

        sample_rate_hz  a whole number, 8,000 to 384,000
        gate_db         dBFS; hops below are silence and teach nothing
        raises          ConfigError
        thread          [main, idle]
        """
        if not (sample_rate_hz == int(sample_rate_hz) and MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ):
            raise ConfigError(
                f"sample_rate_hz: expected a whole number from {MIN_RATE_HZ} to {MAX_RATE_HZ}, found {sample_rate_hz}")
        if not -120.0 <= gate_db <= 0.0:
            raise ConfigError(f"gate_db: expected -120 to 0 dBFS, found {gate_db}")
        arena_free(&self._state.arena)
        memset(self._state, 0, sizeof(frontend_t))
        frontend_prepare(self._state, int(sample_rate_hz), gate_db)
        self.clear()

    def reset(self):
        """Forget everything heard, the player's mezzo-forte too. [main, idle]"""
        self._check()
        self.clear()

    def _check(self):
        if self._state.rate == 0:
            raise NotPreparedError("FeatureExtractor: call prepare(sample_rate_hz) first")

    @property
    def sample_rate_hz(self):
        """0 before prepare."""
        return self._state.rate

    @property
    def mezzo_forte_db(self):
        """The player's own mezzo-forte as learned so far, dBFS."""
        self._check()
        return decibels(self._state.level.power)

    cdef void clear(self) noexcept nogil:
        """reset() without Python, for the worker."""
        frontend_reset(self._state)
        memset(&self.analysis, 0, sizeof(analysis_t))
        memset(self.features, 0, sizeof(self.features))
        self.analysis.onset_frame = -1
        self.analysis.level_db = self.analysis.level_rel_db = -120.0
        self.hop_ready = self.row_ready = self.reflex_ready = False
        self.reflex_strength = 0.0
        self.reflex_frame = -1
        self.frame = self.bad_samples = 0

    cdef Py_ssize_t consume(self, const float* mono, Py_ssize_t n) noexcept nogil:
        """Take samples up to the next event, at most n; returns how many.

        Stops after the sample that ends an analysis hop (hop_ready, row_ready) or at which the fast
        onset path fires (reflex_ready); both may happen at once.
        """
        cdef frontend_t* s = self._state
        cdef Py_ssize_t taken = 0, m
        self.hop_ready = self.row_ready = self.reflex_ready = False
        while taken < n and not self.hop_ready and not self.reflex_ready:
            m = min(n - taken, <Py_ssize_t>(min(s.next_hop_frame, s.reflex.next_frame) - self.frame))
            if s.end + m > s.size:
                memmove(s.history, s.history + s.end - s.keep, s.keep * sizeof(float))
                s.end = s.keep
            clean_copy(s.history + s.end, mono + taken, m)
            self.bad_samples += count_bad(mono + taken, m)
            s.end += m
            taken += m
            self.frame += m
            if self.frame == s.reflex.next_frame:
                self._reflex()
            if self.frame == s.next_hop_frame:
                frontend_hop(s, self.frame, &self.analysis)
                self.hop_ready = True
                if s.hops % HOPS_PER_ROW == 0:
                    self.row_ready = True
                    descriptors_row(&s.descriptors, &s.mel, &self.analysis, decibels(s.level.power),
                                    <float>s.level.power, self.features)
        return taken

    cdef void _reflex(self) noexcept nogil:
        """One fast hop. The floor lies 50 dB under mezzo-forte, and never below the gate."""
        cdef frontend_t* s = self._state
        cdef float least = <float>max(1e-5 * s.level.power, s.level.gate_power)
        cdef float strength = reflex_step(&s.reflex, s.history + s.end, least)
        if strength > 0:
            self.reflex_ready = True
            self.reflex_strength = strength
            self.reflex_frame = max(reflex_attack(&s.reflex, self.frame, self.frame - 4 * s.reflex.hop_frames), 0)

    def push(self, const float[::1] samples not None):
        """Feed a block and return the rows that it completed.

        samples  float32 (n,), C-contiguous, any n
        returns  float32 (rows, 128)
        raises   NotPreparedError
        thread   [owner]; releases the GIL
        """
        return self._push(samples, None, None)

    def _push(self, const float[::1] samples, analyses, reflexes):
        """push; appends every 10 ms analysis (dict) and every reflex (decided frame, attack frame, strength)."""
        import numpy as np

        self._check()
        cdef Py_ssize_t n = samples.shape[0], taken = 0, row = 0
        cdef int64_t rate = self._state.rate, hops = self._state.hops
        cdef Py_ssize_t n_rows = (self.frame + n) * 25 // rate - hops // HOPS_PER_ROW + 1
        rows = np.empty((n_rows, N_FEATURES), dtype=np.float32)
        cdef float[:, ::1] out = rows
        cdef bint watched = analyses is not None
        cdef const float* x = &samples[0] if n > 0 else NULL
        cdef float* to = &out[0, 0]
        with nogil:
            while taken < n:
                taken += self.consume(x + taken, n - taken)
                if self.row_ready:
                    memmove(to + row * N_FEATURES, self.features, sizeof(self.features))
                    row += 1
                if watched and (self.hop_ready or self.reflex_ready):
                    with gil:
                        if self.hop_ready:
                            analyses.append(self.analysis)
                        if self.reflex_ready:
                            reflexes.append((self.frame, self.reflex_frame, self.reflex_strength))
        return rows[:row].copy()

    def analyze(self, const float[::1] samples not None):
        """Feed a block and return everything that it completed; for tests and plots.

        samples  float32 (n,), C-contiguous
        returns  (rows float32 (T, 128), analyses list of dict with the fields of the record "analysis",
                 reflexes list of (frame of the decision, frame of the attack, strength))
        """
        analyses, reflexes = [], []
        rows = self._push(samples, analyses, reflexes)
        return rows, analyses, reflexes


def power_spectrum(const float[::1] frame not None):
    """|rfft|^2 of a real frame by the front end's own transform, all bins below Nyquist; for tests.

    frame    float32 (n,), n a power of two >= 32
    returns  float32 (n / 2,)
    """
    import numpy as np

    cdef arena_t arena
    cdef fft_t fft
    cdef Py_ssize_t n = frame.shape[0]
    if n < 32 or n & (n - 1):
        raise ValueError(f"frame: expected a power of two >= 32 samples, found {n}")
    power = np.empty(n // 2, dtype=np.float32)
    cdef float[::1] out = power
    cdef float[::1] ones = np.ones(n, dtype=np.float32)
    memset(&arena, 0, sizeof(arena))
    try:
        fft_prepare(&fft, &arena, n)
        fft_power(&fft, &frame[0], &ones[0], n, &out[0], n // 2)
    finally:
        arena_free(&arena)
    return power * np.float32(0.25)
