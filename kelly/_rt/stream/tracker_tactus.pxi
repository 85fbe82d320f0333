# The tactus: which of the pulses that fit is the beat?
#
# Equal eighths at 66 and quarters at 132 are the same onsets.  What tells them apart is looked at once in every
# beat: how long a chord lasts (a bar, mostly), whether every second beat is weaker, what lies between the beats, and
# that people tap near 105.  Where that speaks clearly for half or double the tempo - where the meter is ternary,
# for beats of three eighths instead of two - the grid takes it; beats go on counting, no number is skipped.
# What the user asked for stays.

cdef double TACTUS_BPM = 105.0
cdef double TACTUS_OCTAVES = 0.65
cdef double TACTUS_LOW_BPM = 52.0
cdef double TACTUS_HIGH_BPM = 190.0
cdef double TACTUS_FADE = 0.97  # per beat
cdef double TACTUS_CHORD = 8.0  # nats per share of the changes that a longer bar explains
cdef double TACTUS_CHANGES = 1.0
cdef double TACTUS_ACCENT = 2.5  # nats per unit of alternation
cdef double TACTUS_BETWEEN = 2.0  # nats for what lies between the beats
cdef int TACTUS_WAIT = 2
cdef double TACTUS_EVEN = 3.0
cdef double TACTUS_EVEN_LEAST = 0.6  # of the beats' onsets, what lies between them, from which on it speaks for twice the tempo
cdef double TACTUS_BUSY = 4.0  # nats for each change per beat above TACTUS_CALM, where what lies between the beats is as strong
cdef double TACTUS_CALM = 0.5
cdef double TACTUS_STRAY = 16.0  # nats for each share of the changes that a chord of two beats does not explain
cdef double TACTUS_SURE = 1.0  # nats, for two beats in a row
cdef double TACTUS_TURN = 1.5  # and so many more for each time it has changed its mind


cdef void tactus_clear(tactus_state* s) noexcept nogil:
    cdef int turns = s.turns
    memset(s, 0, sizeof(tactus_state))
    s.turns = turns


cdef void tactus_onset(tactus_state* s, const grid_state* grid, double frame, double weight) noexcept nogil:
    # Keep the strongest onset at each beat, half beat and third of a beat.  frame: of the attack
    cdef double position
    cdef int64_t beat
    cdef int place
    if grid.count < 0:
        return
    position = (frame - grid.beat) / (grid.next - grid.beat) + 0.1
    beat = grid.count + <int64_t>floor(position)
    position -= floor(position) + 0.1
    if beat < 0 or beat < grid.count - 1:
        return
    if s.newest[beat % N_TACTUS] != beat:
        s.newest[beat % N_TACTUS] = beat
        s.on[beat % N_TACTUS] = s.half[beat % N_TACTUS] = s.third[beat % N_TACTUS] = 0.0
    place = <int>(beat % N_TACTUS)
    if position < 0.12:
        s.on[place] = max(s.on[place], weight)
    elif fabs(position - 0.5) < 0.085:
        s.half[place] = max(s.half[place], weight)
    elif fabs(position - 1.0 / 3.0) < 0.08 or fabs(position - 2.0 / 3.0) < 0.08:
        s.third[place] = max(s.third[place], weight)


cdef void tactus_beat(tactus_state* s, int64_t beat, bint changed, int beats_per_bar) noexcept nogil:
    # Beat `beat` is over.  changed: whether the harmony did, CHANGE_LAG beats ago
    cdef int place = <int>(beat % N_TACTUS), n = 2 * beats_per_bar, i
    cdef bint heard = s.newest[place] == beat
    for i in range(2):
        s.parity[i] *= TACTUS_FADE * TACTUS_FADE if i == beat % 2 else 1.0
    for i in range(3):
        s.triple[i] *= TACTUS_FADE * TACTUS_FADE * TACTUS_FADE if i == beat % 3 else 1.0
    s.between_half *= TACTUS_FADE
    s.between_third *= TACTUS_FADE
    s.onsets *= TACTUS_FADE
    s.present *= TACTUS_FADE
    for i in range(3):
        s.eighth[i] *= TACTUS_FADE
    for i in range(n):
        s.changes[i] *= TACTUS_FADE
    if beat >= CHANGE_LAG:
        s.changes[(beat - CHANGE_LAG) % n] += changed
    s.beats += 1
    if heard:
        s.parity[beat % 2] += s.on[place]
        s.triple[beat % 3] += s.on[place]
        s.eighth[2 * beat % 3] += s.on[place]
        s.eighth[(2 * beat + 1) % 3] += s.half[place]
        s.present += (1.0 - TACTUS_FADE) * (s.on[place] > 0.0)
        s.onsets += s.on[place]
        s.between_half += s.half[place]
        s.between_third += s.third[place]


cdef double tactus_tempo(double bpm) noexcept nogil:
    cdef double octaves = log2(bpm / TACTUS_BPM) / TACTUS_OCTAVES
    return -0.5 * octaves * octaves


cdef double tactus_share(const double* v, int n) noexcept nogil:
    # Of what lies at the strongest place and half the cycle away, how much at the strongest; less than clear: near 3/4
    cdef int i, best = 0
    cdef double total = 1e-9, both, share, weight
    for i in range(n):
        total += v[i]
        if v[i] > v[best]:
            best = i
    both = v[best] + v[(best + n // 2) % n]
    share = v[best] / (both + 1e-9)
    weight = clamp(both * n / total - 2.0, 0.0, 1.0) * clamp(TACTUS_CHANGES * (total - 0.15), 0.0, 1.0)
    return 0.75 + weight * (share - 0.75)


cdef double tactus_busy(const tactus_state* s, int n) noexcept nogil:
    # Changes of harmony per beat.
    cdef double total = 0.0
    cdef int i
    for i in range(n):
        total += s.changes[i]
    return total * (1.0 - TACTUS_FADE) / (1.0 - pow(TACTUS_FADE, s.beats))


cdef double tactus_stray(const tactus_state* s, int n) noexcept nogil:
    # Share of the changes of harmony that lie on the less usual of odd and even beats, 0..0.5.
    cdef double even = 0.0, odd = 0.0
    cdef int i
    for i in range(0, n, 2):
        even += s.changes[i]
        odd += s.changes[i + 1]
    return min(even, odd) / (even + odd + 1e-9)


cdef double tactus_factor(tactus_state* s, const grid_state* grid, double voices) noexcept nogil:
    # By what the period should be multiplied; 1 mostly.  voices: tones at once
    cdef double bpm = 60.0 * grid.rate / grid.period, score, strongest, even, between
    cdef double folded[2 * MAX_BAR]
    cdef int n = grid.beats_per_bar, i
    cdef double factor = 1.0
    cdef double sure = TACTUS_SURE + TACTUS_TURN * s.turns
    cdef bint sparse = s.present < 0.6 * (1.0 - pow(TACTUS_FADE, s.beats))
    if s.beats < 2 * n + TACTUS_WAIT or (sparse and (grid.ternary or voices < LONG_VOICES)):
        return 1.0
    strongest = max(s.parity[0], s.parity[1]) + 1e-9
    even = min(s.parity[0], s.parity[1]) / strongest
    between = 2.0 * s.between_half / s.onsets
    if grid.ternary:
        if s.between_half > 2.0 * s.between_third and s.between_half > 0.25 * s.onsets and bpm / 1.5 >= 40.0:
            factor = 1.5
        elif bpm >= 160.0 and s.between_half + s.between_third < 0.1 * s.onsets:
            factor = 3.0
    else:
        between = s.between_half / (s.onsets + 1e-9)
        if bpm / 2.0 >= TACTUS_LOW_BPM and not sparse:
            score = tactus_tempo(bpm / 2.0) - tactus_tempo(bpm)
            score += TACTUS_CHORD * (tactus_share(s.changes, 2 * n) - 0.75)
            score += TACTUS_ACCENT * (0.65 - even)
            score += 0.5 - TACTUS_BETWEEN * clamp(between / 0.4, 0.0, 1.0)
            if score > sure:
                factor = 2.0
        if factor == 1.0 and n % 2 == 0 and bpm * 2.0 <= TACTUS_HIGH_BPM:
            for i in range(n):
                folded[i] = s.changes[i] + s.changes[i + n]
            score = tactus_tempo(bpm * 2.0) - tactus_tempo(bpm)
            score += TACTUS_CHORD * (0.75 - tactus_share(folded, n))
            if sparse:  # pads: nothing begins but with a chord, and only the chords can tell
                score -= TACTUS_STRAY * tactus_stray(s, 2 * n)
            else:
                score += TACTUS_EVEN * (min(between, 1.2) - TACTUS_EVEN_LEAST) - TACTUS_ACCENT * (1.0 - even)
                score += TACTUS_BUSY * max(0.0, tactus_busy(s, 2 * n) - TACTUS_CALM) * clamp((between - 0.4) / 0.4, 0.0, 1.0)
            if score > sure:
                factor = 0.5
    if factor != s.wish:
        s.wish, s.wished = factor, 0
    s.wished += 1
    return factor if s.wished >= 2 else 1.0


cdef int tactus_best(const tactus_state* s, const grid_state* grid, int cycle) noexcept nogil:
    # Which beats, modulo `cycle`, go on as beats of a grid that is so much slower.
    cdef double score, top = -1.0
    cdef int i, j, best = 0, n = 2 * grid.beats_per_bar
    for i in range(cycle):
        score = (s.parity[i] if cycle == 2 else s.triple[i]) / (s.onsets + 1e-9)
        if n % cycle == 0:
            for j in range(n):
                score += s.changes[j] if j % cycle == i else 0.0
        if score > top:
            best, top = i, score
    return best


cdef void tactus_relevel(tactus_state* s, grid_state* grid, chord_state* chords, double factor) noexcept nogil:
    # From the running beat on a beat lasts `factor` times as long.  Called as a beat begins.
    cdef int n = grid.beats_per_bar, i, place
    cdef int64_t lag, origin = grid.count
    cdef double period = grid.period
    cdef double accent[MAX_BAR]
    cdef int cycle = <int>(factor + 0.5) if factor in (2.0, 3.0) else 1
    cdef int64_t late = 0  # pulses (where beats grow by half, eighths) until the first beat of the new kind
    cdef int best = 0
    if cycle > 1:
        late = (tactus_best(s, grid, cycle) - grid.count % cycle + cycle) % cycle
    elif factor == 1.5:
        period *= 0.5
        for i in range(3):
            if s.eighth[i] > s.eighth[best]:
                best = i
        late = (best - 2 * grid.count % 3 + 3) % 3
        late += 3 if late == 1 else 0
    grid.period *= factor
    grid.next = grid.beat + (late * period if late > 0 else grid.period)
    if late > 0:
        grid.corrected = 1  # a short beat up to the first one of the new kind; nothing is known of it that could be corrected
        origin += 1
    if grid.given:
        grid.own_period = grid.period
    for i in range(n):
        accent[i] = 0.0
    if cycle > 1:
        for i in range(2 * n):
            # a change on pulse i was counted at pulses i mod 2n; the new beat `origin` is pulse count + late
            lag = ((i - (grid.count + late)) % (2 * n) + 2 * n) % (2 * n)
            if lag % cycle == 0:
                accent[(origin + lag // cycle) % n] += s.changes[i]
        place = 0
        for i in range(n):
            if accent[i] > accent[place]:
                place = i
        if not grid.bar_fixed and accent[place] > 0.0:
            grid.bar_shift = (n - place) % n
    bars_relevel(grid, accent, (1.0 - pow(TACTUS_FADE, s.beats)) / (1.0 - TACTUS_FADE) / factor / n if cycle > 1 else 0.0)
    chords_relevel(chords, grid.count, factor)
    s.turns += 1
    tactus_clear(s)

