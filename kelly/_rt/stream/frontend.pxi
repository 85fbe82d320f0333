# The front end: history, hops and the parts that analyse them, in one struct.
#
# Compiled once per instruction set (frontend_sse2.pyx and so on).  No float sum is reordered and nothing
# is contracted, so every build gives the same bits; its functions leave through a capsule.

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove, memset

from kelly._rt._layout cimport analysis_t
from kelly._rt.stream.frontend_table cimport frontend_table_t, heard_t

include "arena.pxi"
include "vector.pxi"
include "fft.pxi"
include "mel.pxi"
include "level.pxi"
include "onset.pxi"
include "reflex.pxi"
include "chroma.pxi"
include "descriptors.pxi"

cdef struct frontend_t:
    heard_t heard                   # first: what FeatureExtractor reads
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
    memset(&s.heard, 0, sizeof(heard_t))
    s.heard.analysis.onset_frame = s.heard.reflex_frame = -1
    s.heard.analysis.level_db = s.heard.analysis.level_rel_db = -120.0
    s.end = s.keep
    s.hops = s.hop_start_frame = 0
    s.next_hop_frame = s.rate // 100
    level_reset(&s.level)
    s.heard.mezzo_forte_db = decibels(s.level.power)
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
    s.heard.mezzo_forte_db = decibels(s.level.power)
    mezzo_forte = <float>s.level.power
    mel_density(&s.mel, end)
    mel_level(s.mel.density, s.mel.level, <float>1000.0 / mezzo_forte)
    a.frame = frame
    a.level_db = decibels(power)
    a.level_rel_db = a.level_db - s.heard.mezzo_forte_db
    for i in range(MEL_BANDS):
        total += s.mel.density[i] * s.mel.width_hz[i]
        centroid += s.mel.density[i] * s.mel.width_hz[i] * s.mel.centre_hz[i]
    a.centroid_hz = centroid / total if power >= s.level.gate_power and total > 0.0 else 0.0
    a.flux = onset_flux(&s.onset, s.mel.level)
    a.onset = onset_pick(&s.onset, a.flux)
    if a.onset > 0:
        attack = reflex_attack(&s.reflex, frame, max(a.onset_frame + 1, frame - 9 * (s.rate // 100)))
        a.onset_frame = attack
    chroma_decimate(&s.chroma, end, frame)
    chroma_step(&s.chroma, mezzo_forte)
    a.tuning_cents = clip(100 * s.chroma.tuning, -50.0, 50.0)
    for i in range(12):
        a.bass_chroma[i] = s.chroma.views[0].bass[i]
        a.chroma[i] = s.chroma.views[0].chroma[i] + s.chroma.views[1].chroma[i]
    # 40 dB under mezzo-forte a note has died away, whatever the gain: nothing is learned from it
    descriptors_hop(&s.descriptors, a, power, power >= max(s.level.gate_power, 1e-4 * s.level.power))
    s.hops += 1
    s.hop_start_frame = frame
    s.next_hop_frame = (s.hops + 1) * s.rate // 100


cdef void frontend_reflex(frontend_t* s) noexcept nogil:
    """One fast hop; the floor lies 50 dB under mezzo-forte, and never below the gate. [worker]"""
    cdef heard_t* heard = &s.heard
    cdef float least = <float>max(1e-5 * s.level.power, s.level.gate_power)
    cdef float strength = reflex_step(&s.reflex, s.history + s.end, least)
    if strength > 0:
        heard.reflex_ready = True
        heard.reflex_strength = strength
        heard.reflex_frame = max(
            reflex_attack(&s.reflex, heard.frame, heard.frame - 4 * s.reflex.hop_frames), <int64_t>0)


cdef Py_ssize_t consume(void* state, const float* mono, Py_ssize_t n) noexcept nogil:
    """Take samples up to the next event, at most n; returns how many. [worker]"""
    cdef frontend_t* s = <frontend_t*>state
    cdef heard_t* heard = &s.heard
    cdef Py_ssize_t taken = 0, m
    heard.hop_ready = heard.row_ready = heard.reflex_ready = False
    while taken < n and not heard.hop_ready and not heard.reflex_ready:
        m = min(n - taken, <Py_ssize_t>(min(s.next_hop_frame, s.reflex.next_frame) - heard.frame))
        if s.end + m > s.size:
            memmove(s.history, s.history + s.end - s.keep, s.keep * sizeof(float))
            s.end = s.keep
        heard.bad_samples += clean_copy(s.history + s.end, mono + taken, m)
        s.end += m
        taken += m
        heard.frame += m
        if heard.frame == s.reflex.next_frame:
            frontend_reflex(s)
        if heard.frame == s.next_hop_frame:
            frontend_hop(s, heard.frame, &heard.analysis)
            heard.hop_ready = True
            if s.hops % HOPS_PER_ROW == 0:
                heard.row_ready = True
                descriptors_row(&s.descriptors, &s.mel, &heard.analysis, decibels(s.level.power),
                                <float>s.level.power, heard.features)
    return taken


cdef void reset(void* state) noexcept nogil:
    """Forget everything heard. [worker, idle]"""
    frontend_reset(<frontend_t*>state)


cdef void* create(int rate, double gate_db) except NULL:
    """A front end for a sample rate, reset. [main]"""
    cdef frontend_t* s = <frontend_t*>calloc(1, sizeof(frontend_t))
    if s == NULL:
        raise MemoryError("no memory for a front end")
    try:
        frontend_prepare(s, rate, gate_db)
    except MemoryError:
        destroy(s)
        raise
    frontend_reset(s)
    return s


cdef void destroy(void* state) noexcept:
    """Free a front end; NULL is none. [main]"""
    if state != NULL:
        arena_free(&(<frontend_t*>state).arena)
        free(state)


cdef int power_spectrum(const float* frame, Py_ssize_t n, float* out) except -1:
    """|rfft|^2 below Nyquist of n samples, a power of two >= 128. [main]"""
    cdef arena_t arena
    cdef fft_t fft
    cdef Py_ssize_t i
    cdef float* ones
    memset(&arena, 0, sizeof(arena))
    try:
        fft_prepare(&fft, &arena, n)
        ones = arena_floats(&arena, n)
        for i in range(n):
            ones[i] = 1.0
        fft_power(&fft, frame, ones, n, out, n // 2)
    finally:
        arena_free(&arena)
    for i in range(n // 2):
        out[i] *= <float>0.25
    return 0


cdef frontend_table_t table
table.create = create
table.destroy = destroy
table.reset = reset
table.consume = consume
table.power_spectrum = power_spectrum
functions = PyCapsule_New(&table, b"kelly._rt.stream.frontend", NULL)
