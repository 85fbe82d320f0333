"""The streaming front end: samples in, 10 ms analyses and 40 ms feature rows out.

One compiled class serves training, ``render`` and ``live``.  Analysis hop k ends at frame
floor(k * rate / 100); four of them are a network hop, so row t covers the samples before (t + 1) * 40 ms.
Everything is expressed in seconds, hertz and power density, so 44.1, 48 and 96 kHz give the same features.

The parts, one noun per file: ``frontend`` (history and hops) with ``fft``, ``mel`` (log-mel bands), ``level``
(the player's own mezzo-forte), ``onset``, ``reflex`` (fast onsets), ``chroma``, ``descriptors`` (features 108
to 127: their units).  They are built once per instruction set with the same bits; this file picks one.

Levels are relative to mezzo-forte = the mean power of the player's first ten seconds of playing.  From the
first audible hop on there is a running estimate: the very first note counts as mezzo-forte, and the estimate
moves quickly during the first second, then ever more slowly, and after ten seconds by less than 1 dB per minute.
"""

import os
from importlib import import_module

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from kelly._rt._contract cimport N_FEATURES
from kelly._rt.stream.frontend_table cimport frontend_table_t, heard_t

from kelly.errors import BackendUnavailableError, ConfigError, NotPreparedError

cdef extern from "cpu.h":
    int kelly_cpu_level() noexcept nogil

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 384_000

_LEVELS = {"sse2": 1, "avx2": 3, "avx512": 4}
cdef dict _loaded = {}


def available_isas():
    """Names of the builds that this processor runs, narrowest first. [main]"""
    return tuple(name for name, needed in _LEVELS.items() if needed <= kelly_cpu_level())


cdef const frontend_table_t* _functions(str isa) except NULL:
    """The functions of a build, imported on first use."""
    if isa not in available_isas():
        raise BackendUnavailableError(
            f"KELLY_RT_ISA: expected one of {', '.join(available_isas())} (what this processor runs), found {isa!r}")
    if isa not in _loaded:
        try:
            _loaded[isa] = import_module(f"kelly._rt.stream.frontend_{isa}").functions
        except ImportError as error:
            raise BackendUnavailableError(
                f"the {isa} front end is not built ({error}); run: python setup.py build_ext --inplace") from error
    return <const frontend_table_t*>PyCapsule_GetPointer(_loaded[isa], b"kelly._rt.stream.frontend")


cdef class FeatureExtractor:
    """Streaming features of one mono signal.

    Construct, ``prepare``, then feed samples: from C with ``consume``, from Python with ``push``.
    The result never depends on the sizes of the blocks.

    isa          which build: None picks the widest that runs here (or KELLY_RT_ISA); all give the same bits
    frame        samples taken since reset
    bad_samples  NaN and infinities among them; they are read as 0
    raises       BackendUnavailableError for a build that is not there
    thread       prepare, reset [main, idle]; consume [worker]; push, analyze [owner]
    """

    def __cinit__(self, isa=None):
        self.isa = isa or os.environ.get("KELLY_RT_ISA") or available_isas()[-1]
        self._functions = _functions(self.isa)
        self._state = NULL

    def __dealloc__(self):
        if self._state != NULL:
            self._functions.destroy(self._state)

    def prepare(self, sample_rate_hz, double gate_db=-60.0):
        """Build all tables for a sample rate and reset; the only call that allocates.

        sample_rate_hz  a whole number, 8,000 to 384,000
        gate_db         dBFS; hops below are silence and teach nothing
        raises          ConfigError
        thread          [main, idle]
        """
        if not (MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ and sample_rate_hz == int(sample_rate_hz)):
            raise ConfigError(
                f"sample_rate_hz: expected a whole number from {MIN_RATE_HZ} to {MAX_RATE_HZ}, found {sample_rate_hz}")
        if not -120.0 <= gate_db <= 0.0:
            raise ConfigError(f"gate_db: expected -120 to 0 dBFS, found {gate_db}")
        cdef void* state = self._functions.create(int(sample_rate_hz), gate_db)
        if self._state != NULL:
            self._functions.destroy(self._state)
        self._state = state
        self.sample_rate_hz = int(sample_rate_hz)
        self.clear()

    def reset(self):
        """Forget everything heard, the player's mezzo-forte too. [main, idle]"""
        self._check()
        self.clear()

    def _check(self):
        if self._state == NULL:
            raise NotPreparedError("FeatureExtractor: call prepare(sample_rate_hz) first")

    @property
    def mezzo_forte_db(self):
        """The player's own mezzo-forte as learned so far, dBFS."""
        self._check()
        return (<heard_t*>self._state).mezzo_forte_db

    cdef void clear(self) noexcept nogil:
        """reset() without Python, for the worker."""
        self._functions.reset(self._state)
        self._take()
        self.analysis = (<heard_t*>self._state).analysis
        memcpy(self.features, (<heard_t*>self._state).features, sizeof(self.features))

    cdef void _take(self) noexcept nogil:
        """Copy what is new since the last call."""
        cdef heard_t* heard = <heard_t*>self._state
        self.frame, self.bad_samples = heard.frame, heard.bad_samples
        self.hop_ready, self.row_ready, self.reflex_ready = heard.hop_ready, heard.row_ready, heard.reflex_ready
        self.reflex_strength, self.reflex_frame = heard.reflex_strength, heard.reflex_frame
        if heard.hop_ready:
            self.analysis = heard.analysis
        if heard.row_ready:
            memcpy(self.features, heard.features, sizeof(self.features))

    cdef Py_ssize_t consume(self, const float* mono, Py_ssize_t n) noexcept nogil:
        """Take samples up to the next event, at most n; returns how many.

        Stops after the sample that ends an analysis hop (hop_ready, row_ready) or at which the fast
        onset path fires (reflex_ready); both may happen at once.
        """
        cdef Py_ssize_t taken = self._functions.consume(self._state, mono, n)
        self._take()
        return taken

    def push(self, const float[::1] samples not None):
        """Feed a block and return the rows that it completed.

        samples  float32 (n,), C-contiguous, any n
        returns  float32 (rows, 128)
        raises   NotPreparedError
        thread   [owner]; releases the GIL
        """
        return self._push(samples, None, None)

    def _push(self, const float[::1] samples, analyses, reflexes):
        """push; where lists are given, appends every analysis and every reflex to them."""
        import numpy as np

        self._check()
        cdef Py_ssize_t n = samples.shape[0], taken = 0, row = 0
        cdef int64_t rate = self.sample_rate_hz
        cdef Py_ssize_t n_rows = (self.frame + n) * 25 // rate - self.frame * 25 // rate + 1
        rows = np.empty((n_rows, N_FEATURES), dtype=np.float32)
        cdef float[:, ::1] out = rows
        cdef bint watched = analyses is not None
        cdef const float* x = &samples[0] if n > 0 else NULL
        cdef float* to = &out[0, 0]
        with nogil:
            while taken < n:
                taken += self.consume(x + taken, n - taken)
                if self.row_ready:
                    memcpy(to + row * N_FEATURES, self.features, sizeof(self.features))
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
        raises   NotPreparedError
        """
        analyses, reflexes = [], []
        rows = self._push(samples, analyses, reflexes)
        return rows, analyses, reflexes

    def power_spectrum(self, const float[::1] frame not None):
        """|rfft|^2 of a real frame by this build's own transform, all bins below Nyquist; for tests.

        frame    float32 (n,), n a power of two >= 128
        returns  float32 (n / 2,)
        raises   ValueError for another size
        """
        import numpy as np

        cdef Py_ssize_t n = frame.shape[0]
        if n < 128 or n & (n - 1):
            raise ValueError(f"frame: expected a power of two >= 128 samples, found {n}")
        power = np.empty(n // 2, dtype=np.float32)
        cdef float[::1] out = power
        self._functions.power_spectrum(&frame[0], n, &out[0])
        return power
