# cython: cdivision=True
# (cdivision: a division that could raise would need the GIL; every divisor here is checked or constant)
"""What the player is doing: level, key, beat, bar and chord, from one analysis record per 10 ms.

One hop in, one tick out every four hops.  Everything is decided by the records and their frames;
no clock, no random numbers, no allocation after the constructor.  Values that are not finite count as
silence.

The parts: ``tracker_level`` (gate, dynamics), ``tracker_key``, ``tracker_pulse`` (belief over tempo and
phase), ``tracker_grid`` (numbered beats), ``tracker_tactus`` (which pulse is the beat), ``tracker_bars`` (which beat begins the bar), ``tracker_chords``,
``tracker_loop`` (what returns), ``tracker_degrees`` (chords in keys), ``tracker_phrase``, ``tracker_context`` (the harmony net's input).
"""

from libc.math cimport M_PI, cos, exp, fabs, floor, isfinite, log, log2, pow, sin, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from kelly._rt._contract cimport (
    HARMONY_DOMINANT_SUS4,
    HARMONY_HOLD,
    HARMONY_IN_BEAT_IN_BAR,
    HARMONY_IN_CHORD_AGE,
    HARMONY_IN_CHROMA_2S,
    HARMONY_IN_CHROMA_8S,
    HARMONY_IN_DENSITY,
    HARMONY_IN_EMBEDDING,
    HARMONY_IN_HARMONIC_RHYTHM,
    HARMONY_IN_KEY_CONFIDENCE,
    HARMONY_IN_MODE,
    HARMONY_IN_PHRASE_COS,
    HARMONY_IN_PHRASE_SIN,
    HARMONY_IN_PREVIOUS_QUALITY,
    HARMONY_IN_PREVIOUS_ROOT,
    HARMONY_IN_ROOT_BEFORE,
    HARMONY_TONIC_POWER,
    N_EMBEDDING,
    N_HARMONY,
    N_HARMONY_IN,
)
from kelly._rt._layout cimport analysis_t, tick_t

import numpy as np

from kelly._rt.layout import dtype
from kelly.errors import ConfigError


cdef inline double finite(double x, double otherwise) noexcept nogil:
    return x if isfinite(x) else otherwise


cdef inline double clamp(double x, double low, double high) noexcept nogil:
    return low if x < low else high if x > high else x


include "tracker_level.pxi"
include "tracker_tones.pxi"
include "tracker_degrees.pxi"
include "tracker_key.pxi"
include "tracker_pulse.pxi"
include "tracker_grid.pxi"
include "tracker_loop.pxi"
include "tracker_chords.pxi"
include "tracker_bars.pxi"
include "tracker_phrase.pxi"
include "tracker_tactus.pxi"
include "tracker_context.pxi"


cdef class Tracker:
    """Level, key, beat, bar and chord of a player.

    sample_rate_hz   8000..384000
    key              None to track it, or (tonic 0..11, mode 1 major / -1 minor): then exact, confidence 1
    tempo_bpm        None to track it, or 30..300: then the period is exact and only the phase is heard
    beats_per_bar    1..16
    ternary          whether a beat has three eighths, as in 6/8 (2 beats per bar), 9/8 (3) and 12/8 (4)
    chords           None to track them, or bars: each a (root, quality) pair or a sequence of such pairs
                     that share the bar's beats; bar i of the grid holds bar i modulo their number
    look_ahead_beats how far ahead the musician plans; chords are decided 0.25 beats before that
    gate_db          dBFS, below which there is silence
    raises           ConfigError
    thread           constructor and reset [main, idle]; hop, tick, harmony_context, choose_chord [worker]
    """

    def __cinit__(self, sample_rate_hz, key=None, tempo_bpm=None, beats_per_bar=4, chords=None,
                  look_ahead_beats=0.25, gate_db=-60.0, ternary=False):
        if not 8000 <= sample_rate_hz <= 384_000:
            raise ConfigError(f"sample rate {sample_rate_hz} Hz: expected 8000 to 384000")
        if not 1 <= beats_per_bar <= MAX_BAR:
            raise ConfigError(f"{beats_per_bar} beats per bar: expected 1 to {MAX_BAR}")
        if tempo_bpm is not None and not 30.0 <= tempo_bpm <= 300.0:
            raise ConfigError(f"tempo {tempo_bpm} bpm: expected 30 to 300")
        if not -120.0 < gate_db < 0.0:
            raise ConfigError(f"gate {gate_db} dBFS: expected between -120 and 0")
        if not 0.0 <= look_ahead_beats <= 0.7:
            raise ConfigError(f"look-ahead {look_ahead_beats} beats: expected 0 to 0.7")
        self.level.gate_db = gate_db
        self.grid.rate = sample_rate_hz
        self.grid.beats_per_bar = beats_per_bar
        self.grid.ternary = bool(ternary)
        self.grid.given = tempo_bpm is not None
        if tempo_bpm is not None:
            self.grid.period = 60.0 * sample_rate_hz / tempo_bpm
        self.grid.own_given, self.grid.own_period = self.grid.given, self.grid.period
        self.lead_beats = max(0.5, look_ahead_beats + 0.25)
        if key is not None:
            tonic, mode = key
            if tonic not in range(12) or mode not in (1, -1):
                raise ConfigError(f"key {key}: expected (tonic 0..11, mode 1 or -1)")
            self.key.given, self.key.tonic, self.key.mode = 1, tonic, mode
        given = _by_beat(chords, beats_per_bar) if chords is not None else []
        if len(given) > MAX_GIVEN:
            raise ConfigError(f"{len(given)} beats of given chords: expected at most {MAX_GIVEN}")
        self.chords.n_given = len(given)
        for i, chord in enumerate(given):
            self.chords.given[i] = chord
        self.grid.bar_fixed = self.grid.own_bar_fixed = len(given) > 0
        pulse_prepare(&self.pulse)
        chords_prepare(&self.chords)
        self.clear()

    cdef void clear(self) noexcept nogil:
        # As new: settings stay, everything heard is forgotten.
        self.frame = self.index = 0
        self.asked_beat = self.groove_beat = -1
        self.harmony_due = self.groove_due = self.chord_held = False
        level_clear(&self.level)
        tones_clear(&self.tone)
        key_clear(&self.key)
        pulse_clear(&self.pulse)
        grid_clear(&self.grid)
        self.tactus.turns = 0
        tactus_clear(&self.tactus)
        self.wanted_level = 1.0
        chords_clear(&self.chords)
        phrase_clear(&self.phrase)

    cdef void hop(self, const analysis_t* a) noexcept nogil:
        # One analysis record, every 10 ms, frames ascending.
        cdef int64_t place
        cdef int by
        cdef double factor, strength = finite(a.onset, 0.0)
        cdef double chroma[12]
        cdef double bass[12]
        cdef double flux = max(finite(a.flux, 0.0), 0.0)
        self.frame = a.frame
        level_hop(&self.level, a)
        by = tones_turn(&self.tone, finite(a.tuning_cents, 0.0))
        if by:
            key_turn(&self.key, by)
            chords_turn(&self.chords, by)
        tones(a, self.tone.turn, chroma, bass)
        key_hop(&self.key, chroma, self.level.open)
        if self.level.heard:
            pulse_hop(&self.pulse, flux, self.level.open)
        if self.level.open and strength > 0.0 and 0 <= a.onset_frame <= a.frame:
            tactus_onset(&self.tactus, &self.grid, <double>a.onset_frame, strength)
            grid_onset(&self.grid, <double>a.onset_frame, strength)
        while grid_advance(&self.grid, &self.pulse, <double>self.frame, self.level.open):
            place = grid_bar_beat(&self.grid, self.grid.count - 1)
            chords_beat(&self.chords, self.grid.count - 1, place, self.grid.beats_per_bar, &self.key)
            bars_beat(&self.grid, &self.chords, &self.key)
            phrase_beat_over(&self.phrase, &self.grid, &self.chords, self.grid.count - 1)
            if self.tactus.turns == 0 and self.grid.count <= KEY_FIRST_BARS * self.grid.beats_per_bar:
                key_first(&self.key, grid_first_downbeat(&self.grid))
            if not self.grid.locked and fabs(self.grid.period / self.tactus.period - 1.0) > OCTAVE:
                tactus_clear(&self.tactus)
            self.tactus.period = self.grid.period
            if not self.grid.locked:
                self.grid.level_kept = 0 if self.wanted_level == 1.0 else self.grid.level_kept
            tactus_beat(&self.tactus, self.grid.count - 1, self.chords.changed, self.grid.beats_per_bar)
            factor = self.wanted_level
            self.wanted_level = 1.0
            if factor == 1.0 and self.grid.locked and not self.grid.given and not self.grid.level_kept:
                factor = tactus_factor(&self.tactus, &self.grid, self.key.voices)
            if factor != 1.0 and not self.grid.led:
                tactus_relevel(&self.tactus, &self.grid, &self.chords, factor)
                phrase_relevel(&self.phrase)
        if self.grid.count >= 0:
            chords_hop(&self.chords, chroma, bass, (self.frame - self.grid.beat) / self.grid.rate, self.level.open)

    cdef void tick(self, const float* features, const float* embedding, tick_t* out) noexcept nogil:
        # After every fourth hop: fill all fields of `out` but features, embedding, harmony, groove, source, end.
        # features, embedding: of this hop, or NULL; not needed by today's tracking
        cdef double position, bar_s = 2.0
        cdef int64_t coming, phrase = self.phrase.bars * self.grid.beats_per_bar
        pulse_tick(&self.pulse, <double>self.frame)
        out.frame, out.index = self.frame, self.index
        self.index += 1
        grid_tick(&self.grid, &self.pulse, <double>self.frame, self.level.open, self.level.silence_s, out)
        if self.grid.locked:
            bar_s = self.grid.beats_per_bar * self.grid.period / self.grid.rate
        level_tick(&self.level, bar_s, out)
        key_tick(&self.key, self.level.open, self.level.silence_s, out)
        out.phrase_bars = self.phrase.bars
        out.phrase_position = 0.0
        self.harmony_due = self.groove_due = False
        if self.grid.count >= 0:
            position = clamp((self.frame - self.grid.beat) / (self.grid.next - self.grid.beat), 0.0, 1.0)
            coming = self.grid.count + 1
            out.phrase_position = <float>((phrase_beat(&self.phrase, &self.grid, self.grid.count) + position) / phrase)
            if self.asked_beat < 0:  # the grid has just begun
                self.asked_beat = self.groove_beat = self.grid.count
                self.groove_due = True
                if self.chords.n_given > 0:
                    self.take_given(self.grid.count)
            if position >= 1.0 - self.lead_beats and self.asked_beat < coming:
                self.asked_beat = coming
                self.harmony_due = True
                if grid_bar_beat(&self.grid, coming) == 0 and self.groove_beat < coming:
                    self.groove_beat = coming
                    self.groove_due = True
                if self.chords.n_given > 0:
                    self.take_given(coming)
        chords_tick(&self.chords, self.level.silence_s, out)

    cdef void take_given(self, int64_t beat) noexcept nogil:
        if self.chord_held and self.chords.current >= 0:
            return
        self.chords.confidence = 1.0
        chords_take(&self.chords, self.chords.given[(beat + self.grid.bar_shift) % self.chords.n_given], beat)

    cdef void harmony_context(self, const float* embedding, float* x) noexcept nogil:
        # The harmony net's input, float[128], for the beat that `harmony_due` announces.
        context_harmony(x, embedding, &self.level, level_notes_per_s(&self.level), &self.key, &self.grid,
                        &self.chords, &self.phrase)

    cdef void choose_chord(self, const float* harmony, tick_t* out) noexcept nogil:
        # harmony: the net's float[64], or NULL; decides the chord of the coming beat and writes it into `out`
        cdef int64_t coming = self.grid.count + 1
        cdef int chord
        if self.chords.n_given == 0 and self.grid.count >= 0:
            if self.level.open and not (self.chord_held and self.chords.current >= 0):
                chord = chords_choose(&self.chords, coming, grid_bar_beat(&self.grid, coming), self.grid.beats_per_bar,
                                      (self.grid.next - self.grid.beat) / (HOP_S * self.grid.rate), &self.key, harmony)
            else:
                chord = self.chords.current  # nobody plays, or a foot is on the pedal: nothing changes
            chords_take(&self.chords, chord, coming)
        chords_tick(&self.chords, self.level.silence_s, out)

    # From outside, between ticks.  frame: of a beat, in the stream; -1 where the phase is unknown.

    cdef void lead(self, double bpm, int64_t frame, int64_t beat) noexcept nogil:
        # A clock's tempo and phase, in the place of what is heard; beat: its number since the start, -1 unknown
        cdef int64_t repeat = PHRASE_COUNTED * self.grid.beats_per_bar
        if self.chords.n_given > 0:
            repeat *= self.chords.n_given
        grid_lead(&self.grid, bpm, <double>self.frame, frame, beat, repeat)

    cdef void unlead(self) noexcept nogil:
        grid_unlead(&self.grid)

    cdef void tap(self, double bpm, int64_t frame) noexcept nogil:
        grid_tap(&self.grid, bpm, <double>self.frame, frame)

    cdef void relevel(self, double tempo_factor) noexcept nogil:
        # 2: twice the tempo, .5: half of it, from the next beat on; the user's choice stays.
        cdef double bpm = 60.0 * self.grid.rate / self.grid.period * tempo_factor
        if tempo_factor in (0.5, 2.0) and not self.grid.led and LED_BPM_MIN <= bpm <= LED_BPM_MAX:
            self.wanted_level = 1.0 / tempo_factor
            self.grid.level_kept = 1

    # Python's face, for tests and `analyze`.

    def follow_clock(self, bpm, frame=-1, beat=-1):
        """Let a clock lead: 20..400 bpm, frame of one of its beats, number of that beat; None gives the lead back.  [main, idle]"""
        if bpm is None:
            self.unlead()
        else:
            self.lead(bpm, frame, beat)

    def take_tap(self, bpm, frame):
        """A beat tapped at ``frame``, and the tempo of the taps.  [main, idle]"""
        self.tap(bpm, frame)

    def take_level(self, tempo_factor):
        """Half (.5) or double (2) the tempo from the next beat on.  [main, idle]"""
        self.relevel(tempo_factor)

    def hold_chord(self, held):
        """The chord stays as it is while held.  [main, idle]"""
        self.chord_held = held

    def reset(self):
        """Forget everything heard; settings stay.  [main, idle]"""
        self.clear()

    def run(self, analyses, features=None, harmony=None):
        """Feed analysis records, get ticks.

        analyses  records of dtype("analysis"), shape (T,); a call goes on where the last one ended
        features  ignored by today's tracking; float32 (T // 4, 128) or None
        harmony   what the harmony net answers each time, float32 (64,); None: nothing is said
        returns   records of dtype("tick"), one per four analysis records ever fed
        raises    TypeError for another dtype
        """
        analyses = np.ascontiguousarray(analyses)
        if analyses.dtype != dtype("analysis"):
            raise TypeError(f"expected records of dtype('analysis'), found {analyses.dtype}")
        cdef int64_t n = len(analyses), i, made = 0
        ticks = np.zeros(n // 4 + 1, dtype("tick"))
        cdef float answer[64]
        cdef const float[::1] said = np.ascontiguousarray(np.zeros(64) if harmony is None else harmony, np.float32)
        if said.shape[0] != N_HARMONY:
            raise ValueError(f"harmony: expected 64 values, found {said.shape[0]}")
        memcpy(answer, &said[0], sizeof(answer))
        cdef const unsigned char[::1] source = analyses.view(np.uint8)
        cdef unsigned char[::1] sink = ticks.view(np.uint8)
        if n == 0:
            return ticks[:0]
        cdef const analysis_t* a = <const analysis_t*>&source[0]
        cdef tick_t* t = <tick_t*>&sink[0]
        cdef const float* said_or_not = NULL if harmony is None else answer
        with nogil:
            for i in range(n):
                self.hop(a + i)
                if self.level.hop % 4 == 0:
                    self.tick(NULL, NULL, t + made)
                    if self.harmony_due:
                        self.choose_chord(said_or_not, t + made)
                    made += 1
        return ticks[:made]

    def context(self, embedding=None):
        """The harmony net's input as it stands: float32 (128,), contract HARMONY_IN."""
        cdef float[::1] x = np.zeros(N_HARMONY_IN, np.float32)
        cdef const float[::1] e = np.ascontiguousarray(np.zeros(64) if embedding is None else embedding, np.float32)
        if e.shape[0] != N_EMBEDDING:
            raise ValueError(f"embedding: expected 64 values, found {e.shape[0]}")
        self.harmony_context(&e[0], &x[0])
        return np.asarray(x)

    @property
    def phrase_bars(self):
        """Length of the phrase, as heard so far, in bars."""
        return self.phrase.bars

    @property
    def loop(self):
        """(length in bars, odds in nats) of the period that foretells the chords best."""
        cdef int i, best = 0
        for i in range(N_LOOPS):
            if self.chords.loop_odds[i] > self.chords.loop_odds[best]:
                best = i
        return best + 1, self.chords.loop_odds[best]


def _by_beat(chords, beats_per_bar):
    """Bars of (root, quality) -> chord index per beat."""
    given = []
    for bar in chords:
        pairs = list(bar)
        if len(pairs) == 2 and not hasattr(pairs[0], "__len__"):
            pairs = [tuple(pairs)]
        if not 1 <= len(pairs) <= beats_per_bar:
            raise ConfigError(f"a bar of {beats_per_bar} beats cannot hold {len(pairs)} chords")
        for root, quality in pairs:
            if root not in range(12) or quality not in range(7):
                raise ConfigError(f"chord ({root}, {quality}): expected a root 0..11 and a quality 0..6")
        for beat in range(beats_per_bar):
            root, quality = pairs[beat * len(pairs) // beats_per_bar]
            given.append(quality * 12 + root)
    if not given:
        raise ConfigError("given chords: expected one bar at least")
    return given
