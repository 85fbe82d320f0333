# The tracker's state: plain structs, so that the worker's thread needs no memory but this.
# Each struct belongs to the .pxi part of the same name, which says what its numbers mean.

from libc.stdint cimport int32_t, int64_t

from kelly._rt._layout cimport analysis_t, tick_t

cdef enum:
    PERIOD_MIN = 32  # hops per beat, 187 bpm
    PERIOD_MAX = 108  # 55 bpm
    N_PERIODS = PERIOD_MAX - PERIOD_MIN + 1
    N_CELLS = N_PERIODS * (PERIOD_MIN + PERIOD_MAX) // 2
    N_PHASES = 48  # bins of the phase histogram
    N_LEVELS = 128  # ticks of level memory, 5.1 s
    N_ONSETS = 64
    N_QUALITIES = 7
    N_CHORDS = 12 * N_QUALITIES
    N_LAG = 4  # beats within which what comes later corrects what was heard
    N_MEMORY = 512  # beats of chord memory, a power of two
    N_LOOPS = 16  # bars
    MAX_BAR = 16  # beats
    N_TACTUS = 4  # beats whose onsets are still being heard
    N_PHRASE = 48  # bars whose beginnings are remembered
    MAX_PHRASE = 8  # bars
    MAX_GIVEN = 1024  # beats of a given progression


cdef struct level_state:
    double gate_db
    int open, heard, quiet_hops
    double silence_s
    double fast, slow, peak
    float loudest_db, onset
    float recent[N_LEVELS]
    int64_t n_recent
    int64_t onset_hops[N_ONSETS]
    int64_t n_onsets, hop, first_hop


cdef struct tone_state:
    double cents
    int turn, off_hops


cdef struct key_state:
    int given
    double recent[12]
    double slow[12]
    double long_term[12]
    double strong[12]
    double opening[12]
    double voices  # tones at once
    double played_s, held_s, confidence
    double chords[N_CHORDS]
    double chord_cost[24]
    int tonic, mode, candidate, first_chord, down_chord
    int first[MAX_BAR]  # chord of each of the first beats, -1 where none was heard


cdef struct pulse_state:
    float belief[N_CELLS]
    float floor_[N_PERIODS]
    float change[N_PERIODS * N_PERIODS]
    float leaving[N_PERIODS]
    int first[N_PERIODS]
    int head[N_PERIODS]
    double peak, mean
    double period_hops, phase, confidence, frame


cdef struct grid_state:
    double rate
    int given, beats_per_bar, bar_fixed
    int ternary  # a beat has three eighths
    int level_kept  # the user chose half or double: nobody else does
    double trusted_period  # of the last beat that was trusted; 0 before the first
    int own_given, own_bar_fixed  # as the constructor was told, for when nobody leads any more
    int led  # a clock gives the tempo
    double own_period, line  # line: frame of one of the clock's beats; -1 while it gives no phase
    double beat, next, period
    int64_t count, bar_shift
    double confidence, trusted_s, away_s
    int locked, astray, corrected
    double error_sum, error_weight, bias
    int settled
    double onset_frames[N_ONSETS]
    double onset_weights[N_ONSETS]
    int64_t n_onsets
    double past[N_LAG]  # frames of the last beats
    double accent[MAX_BAR]
    double accent_bars, stroke
    int accent_beats, accent_votes, accent_best
    int first_known  # beat 0 is the first one played, at today's level


cdef struct tactus_state:
    int64_t newest[N_TACTUS]
    double on[N_TACTUS]
    double half[N_TACTUS]
    double third[N_TACTUS]
    double parity[2]
    double triple[3]
    double changes[2 * MAX_BAR]
    double eighth[3]  # onsets at beats and half beats, counted in threes
    double onsets, between_half, between_third, present
    int beats, wished, turns
    double wish
    double period  # of the beat before


cdef struct beat_memory:
    int64_t beat
    float chroma[12]
    float bass[12]
    int chord
    float confidence


cdef struct chord_state:
    float template_[N_CHORDS * 12]
    double posterior[N_CHORDS]
    double work[N_CHORDS]
    double fit[N_CHORDS]
    double plain[N_CHORDS]
    double filtered[N_LAG * N_CHORDS]
    double predicted[N_LAG * N_CHORDS]
    double stayed[N_LAG]
    double beat_chroma[12]
    double beat_bass[12]
    double open_hops, hops
    beat_memory memory[N_MEMORY]
    double loop_odds[N_LOOPS]
    int current, before
    int64_t since_beat, decided_beat
    double confidence, change_rate
    int changed  # whether the root did, CHANGE_LAG beats before the newest
    int n_given
    int32_t given[MAX_GIVEN]


cdef struct phrase_state:
    int bars
    int trusted  # whether the beat was, when bars were counted back
    double began  # frame of the first onset; -1 before
    int64_t first, origin  # bar that began the music; bar that begins a phrase
    int64_t shift, heard  # the grid's bar_shift at the time; bar lines heard since
    int64_t lines[N_PHRASE]
    double pauses[N_PHRASE]  # 0..1 before each


cdef class Tracker:
    cdef level_state level
    cdef tone_state tone
    cdef key_state key
    cdef pulse_state pulse
    cdef grid_state grid
    cdef tactus_state tactus
    cdef double wanted_level
    cdef chord_state chords
    cdef phrase_state phrase
    cdef int64_t frame, index, asked_beat, groove_beat
    cdef double lead_beats
    cdef bint harmony_due, groove_due, chord_held

    cdef void clear(self) noexcept nogil
    cdef void take_given(self, int64_t beat) noexcept nogil
    cdef void hop(self, const analysis_t* a) noexcept nogil
    cdef void tick(self, const float* features, const float* embedding, tick_t* out) noexcept nogil
    cdef void harmony_context(self, const float* embedding, float* x) noexcept nogil
    cdef void choose_chord(self, const float* harmony, tick_t* out) noexcept nogil
    cdef void lead(self, double bpm, int64_t frame, int64_t beat) noexcept nogil
    cdef void unlead(self) noexcept nogil
    cdef void tap(self, double bpm, int64_t frame) noexcept nogil
    cdef void relevel(self, double tempo_factor) noexcept nogil
