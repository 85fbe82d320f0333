# The pulse: a belief over (beat period, position within the beat), updated every hop.
#
# A forward filter.  A cell is "the beat is p hops long and began j hops ago".  Each hop every cell
# moves one position on; at its end a beat becomes a new one, of nearly the same length.  The onset
# envelope multiplies the cells at the head of their beat: up when something begins, down when
# nothing does.  Each period keeps its cells in a ring, so that moving on is one index.
#
# source  Whiteley, Cemgil & Godsill 2006 (bar pointer); Krebs, Boeck & Widmer 2015 (states per
#         period, tempo changes at beats only).  Ours: one beat instead of a bar, causal, a plain
#         spectral flux, and the octave prior kept alive as the floor of the belief.

# Set on rendered pieces: steady, drifting, syncopated, swung, one voice to a band.
cdef double PULSE_PRIOR_BPM = 115.0
cdef double PULSE_PRIOR_OCTAVES = 0.45
cdef double PULSE_PRIOR_WEIGHT = 0.35  # of the prior, applied again at every beat: octaves stay near it
cdef double PULSE_STIFFNESS = 70.0  # a change of 1 % from beat to beat costs 0.7 nats
cdef double PULSE_FLOOR = 2e-4  # belief kept for every other tempo and phase, so that an error can be left
cdef int PULSE_HEAD = 16  # the head of a beat is a 16th of it
cdef double PULSE_MEAN = 0.03  # per hop: the envelope's mean of 0.3 s is what "nothing begins" means
cdef double PULSE_PEAK = 0.997  # per hop: the peak that counts as one falls in 3.3 s
cdef double PULSE_DEEP = 0.7
cdef double PULSE_LEAST = 0.02  # strength of nothing
cdef double PULSE_UP = 0.55  # below 1: neighbouring hops of an envelope are no independent witnesses


cdef void pulse_prepare(pulse_state* s) noexcept nogil:
    cdef int i, k, p, cell = 0
    cdef double total = 0.0, octaves
    cdef double prior[N_PERIODS]
    for i in range(N_PERIODS):
        p = PERIOD_MIN + i
        octaves = log2(60.0 / (p * HOP_S) / PULSE_PRIOR_BPM) / PULSE_PRIOR_OCTAVES
        prior[i] = exp(-0.5 * octaves * octaves)
        total += prior[i] / p  # equal room per octave
        s.first[i] = cell
        cell += p
    for i in range(N_PERIODS):
        s.floor_[i] = <float>(prior[i] / (PERIOD_MIN + i) / total / (PERIOD_MIN + i))
    for i in range(N_PERIODS):
        total = 0.0
        for k in range(N_PERIODS):
            octaves = exp(-PULSE_STIFFNESS * fabs((PERIOD_MIN + k) / <double>(PERIOD_MIN + i) - 1.0))
            s.change[i * N_PERIODS + k] = <float>octaves
            total += octaves
        for k in range(N_PERIODS):
            s.change[i * N_PERIODS + k] /= <float>total
            s.change[i * N_PERIODS + k] *= <float>pow(prior[k], PULSE_PRIOR_WEIGHT)


cdef void pulse_clear(pulse_state* s) noexcept nogil:
    cdef int i, j
    for i in range(N_PERIODS):
        s.head[i] = 0
        for j in range(PERIOD_MIN + i):
            s.belief[s.first[i] + j] = s.floor_[i]
    s.peak = s.mean = 0.0
    s.period_hops = 60.0 / PULSE_PRIOR_BPM / HOP_S
    s.phase = s.confidence = s.frame = 0.0


cdef void pulse_hop(pulse_state* s, double flux, int open) noexcept nogil:
    cdef int i, k, j, p, cell
    cdef float moved, up
    cdef double strength, ratio
    for i in range(N_PERIODS):
        p = PERIOD_MIN + i
        s.head[i] = s.head[i] - 1 if s.head[i] > 0 else p - 1
        s.leaving[i] = s.belief[s.first[i] + s.head[i]]
        s.belief[s.first[i] + s.head[i]] = 0.0
    for i in range(N_PERIODS):
        moved = s.leaving[i]
        if not open:  # in a rest the pulse goes on as it was: neither wider nor nearer to what is usual
            s.belief[s.first[i] + s.head[i]] += moved
        elif moved > 1e-12:
            for k in range(max(0, i - 20), min(<int>N_PERIODS, i + 21)):
                cell = s.first[k] + s.head[k]
                s.belief[cell] += moved * s.change[i * N_PERIODS + k]
    if not open:
        return
    s.mean += (flux - s.mean) * PULSE_MEAN
    s.peak = max(flux, s.peak * PULSE_PEAK)
    strength = clamp((flux - s.mean) / (s.peak - PULSE_DEEP * s.mean + 1e-9), PULSE_LEAST, 0.95)
    ratio = strength * (PULSE_HEAD - 1) / (1.0 - strength)
    up = <float>pow(ratio, PULSE_UP)
    for i in range(N_PERIODS):
        p = PERIOD_MIN + i
        for j in range((p + PULSE_HEAD // 2) // PULSE_HEAD):
            cell = s.head[i] + j
            s.belief[s.first[i] + (cell if cell < p else cell - p)] *= up


cdef void pulse_tick(pulse_state* s, double frame) noexcept nogil:
    # Normalise, keep the floor, and read period, phase (0..1 since the beat, at `frame`) and confidence.
    cdef int i, j, p, cell, best = 0, bin_
    cdef double total = 0.0, scale, cluster, top = -1.0, near
    cdef double mass[N_PERIODS]
    cdef double phases[N_PHASES]
    cdef double period = 0.0, x = 0.0, y = 0.0, w
    for i in range(N_PERIODS):
        mass[i] = 0.0
        for j in range(PERIOD_MIN + i):
            mass[i] += s.belief[s.first[i] + j]
        total += mass[i]
    scale = (1.0 - PULSE_FLOOR) / total if total > 1e-30 and total < 1e30 else 0.0
    for i in range(N_PERIODS):
        mass[i] = mass[i] * scale + PULSE_FLOOR * s.floor_[i] * (PERIOD_MIN + i)
        for j in range(PERIOD_MIN + i):
            cell = s.first[i] + j
            s.belief[cell] = <float>(s.belief[cell] * scale + (PULSE_FLOOR if scale > 0.0 else 1.0) * s.floor_[i])
    for i in range(N_PERIODS):
        near = 0.0
        for j in range(max(0, i - 2), min(<int>N_PERIODS, i + 3)):
            near += mass[j]
        if near > top:
            top, best = near, i
    memset(phases, 0, sizeof(phases))
    cluster = 0.0
    for i in range(max(0, best - 3), min(<int>N_PERIODS, best + 4)):
        p = PERIOD_MIN + i
        cluster += mass[i]
        period += mass[i] * p
        for j in range(p):
            cell = s.head[i] + j
            w = s.belief[s.first[i] + (cell if cell < p else cell - p)]
            phases[j * N_PHASES // p] += w
    best, top = 0, -1.0
    for bin_ in range(N_PHASES):
        near = 0.0
        for j in range(-3, 4):
            near += phases[(bin_ + j + N_PHASES) % N_PHASES]
        if near > top:
            top, best = near, bin_
    for j in range(-4, 5):  # centre of gravity around the highest bin
        w = phases[(best + j + N_PHASES) % N_PHASES]
        x += w
        y += w * j
    s.period_hops = period / cluster if cluster > 1e-12 else s.period_hops
    s.phase = (best + 0.5 + (y / x if x > 1e-12 else 0.0)) / N_PHASES
    s.phase -= floor(s.phase)
    s.frame = frame
    s.confidence = clamp(top, 0.0, 1.0)  # belief in this period and this phase, of all
