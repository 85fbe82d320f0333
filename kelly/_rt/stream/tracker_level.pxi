# How loud the player is, whether he plays at all, and how many notes.
#
# The gate opens the moment a hop reaches the threshold + 1 dB and closes after 250 ms below the
# threshold: a staccato rest is not silence, and noise that hovers at the threshold does not chatter.

cdef double HOP_S = 0.01
cdef double GATE_RISE_DB = 1.0
cdef int GATE_HOLD_HOPS = 25
cdef double LEVEL_RANGE_DB = 48.0  # pianissimo to fortissimo and a little room on both sides


cdef void level_clear(level_state* s) noexcept nogil:
    cdef double gate_db = s.gate_db
    memset(s, 0, sizeof(level_state))
    s.gate_db = gate_db
    s.loudest_db = -120.0
    s.first_hop = -1


cdef void level_hop(level_state* s, const analysis_t* a) noexcept nogil:
    cdef double level_db = finite(a.level_db, -120.0)
    cdef double target
    s.hop += 1
    s.loudest_db = max(s.loudest_db, <float>level_db)
    if level_db >= s.gate_db + GATE_RISE_DB:
        if not s.heard:
            s.slow = clamp(0.5 + finite(a.level_rel_db, 0.0) / LEVEL_RANGE_DB, 0.0, 1.0)
        s.open, s.heard, s.quiet_hops, s.silence_s = 1, 1, 0, 0.0
    elif level_db >= s.gate_db:
        s.quiet_hops = 0
    else:
        s.quiet_hops += 1
        if s.quiet_hops >= GATE_HOLD_HOPS:
            s.open = 0
    if not s.open:
        s.silence_s += HOP_S
    target = 0.0
    if s.open and level_db >= s.gate_db:
        target = clamp(0.5 + finite(a.level_rel_db, 0.0) / LEVEL_RANGE_DB, 0.0, 1.0)
    s.fast += (target - s.fast) * 0.0952  # 1 - exp(-10 ms / 100 ms)
    s.slow += (target - s.slow) * 0.003328  # 3 s
    if s.open and finite(a.onset, 0.0) > 0.0:
        s.onset = max(s.onset, a.onset)
        s.onset_hops[s.n_onsets % N_ONSETS] = s.hop
        s.n_onsets += 1
        if s.first_hop < 0:
            s.first_hop = s.hop


cdef double level_notes_per_s(level_state* s) noexcept nogil:
    # Onsets of the last 4 s; of the time since the first one while that is shorter.
    cdef int64_t n = min(s.n_onsets, <int64_t>N_ONSETS)
    cdef int64_t i, found = 0
    if s.first_hop < 0:
        return 0.0
    for i in range(n):
        if s.hop - s.onset_hops[i] < 400:
            found += 1
    return found / clamp((s.hop - s.first_hop) * HOP_S, 1.0, 4.0)


cdef void level_tick(level_state* s, double bar_s, tick_t* out) noexcept nogil:
    # bar_s: length of a bar, 2 where there is none
    cdef int64_t i, n = <int64_t>clamp(bar_s / 0.04, 1.0, <double>N_LEVELS)
    s.recent[s.n_recent % N_LEVELS] = <float>s.fast
    s.n_recent += 1
    s.peak = 0.0
    for i in range(max(<int64_t>0, s.n_recent - n), s.n_recent):
        s.peak = max(s.peak, <double>s.recent[i % N_LEVELS])
    out.level_db = s.loudest_db
    out.level_fast = <float>s.fast
    out.level_slow = <float>s.slow
    out.level_trend = <float>clamp(s.fast - s.slow, -1.0, 1.0)
    out.level_peak = <float>s.peak
    out.onset = s.onset
    out.notes_per_s = <float>level_notes_per_s(s)
    out.silence_s = <float>s.silence_s
    out.playing = s.open
    s.loudest_db = -120.0
    s.onset = 0.0
