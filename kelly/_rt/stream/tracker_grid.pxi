# The grid: numbered beats on the stream's clock, the one thing everybody plays on.
#
# Beat 0 is the first onset.  From then on the count rises by one per beat and nothing renumbers it:
# tempo and phase are corrected by the length of the beat that runs, once in each beat, when a fifth of
# it has passed.  From then on `beat + beat_frames` in a tick is exactly where the next beat will be.
#
# Tracked: the pulse belief leads, the player's onsets near a beat trim.  While nothing is trusted the
# grid may be bent by half a beat at once; when trusted, only after the pulse has insisted for beats.
# Where the pulse merely counts halves or doubles (or, in a ternary meter, thirds) the grid keeps its own
# level: which one that is, is for the tactus to say (tracker_tactus.pxi).
# Given tempo: the period is exact; the phase is that of the first onset, trimmed by the mean error of
# the onsets of the first SETTLE_BEATS beats (1/n gains), then frozen.  If those onsets show that the
# first one stood beside the beat, the grid moves once.  After REST_S of silence it is heard anew.
# Led by a clock: its period is exact, its beats are the grid's from the next beat on, and where it counts
# them its downbeats are, too.  A tap places one beat and its tempo; from there the player is followed again.

cdef double PULSE_LATENCY_S = 0.012  # from an attack to the head of the pulse's beat
cdef double NEAR_BEATS = 0.13  # an onset this near to a beat means that beat
cdef int SETTLE_BEATS = 16
cdef double CORRECT_BEATS = 0.2  # of a beat, before it is corrected
cdef double PHASE_GAIN = 0.7  # of what the next beat would be off
cdef double PERIOD_GAIN = 0.1  # of the same, into the period
cdef double PERIOD_PULL = 0.3  # of the difference between the pulse's period and the grid's
cdef double OCTAVE = 0.12  # relative difference of periods that is no drift
# Grid's beats as (p, q) of the pulse's: what is the same beat at another level; those from 5 on in ternary meters only.
cdef int[9][2] RATIOS = [[1, 1], [2, 1], [1, 2], [4, 1], [1, 4], [3, 2], [2, 3], [3, 1], [1, 3]]
cdef double ASTRAY = 0.18  # beats off that are no drift
cdef int ASTRAY_BEATS = 4
cdef double TRUST = 0.45  # confidence, for TRUST_S: locked
cdef double TRUST_S = 1.0
cdef double DISTRUST = 0.15  # for 3 s: no longer
cdef double LED_BPM_MIN = 20.0
cdef double LED_BPM_MAX = 400.0
cdef double REST_S = 4.0  # after such a silence nothing is trusted


cdef void grid_clear(grid_state* s) noexcept nogil:
    cdef double rate = s.rate, period = s.own_period
    cdef int given = s.own_given, beats_per_bar = s.beats_per_bar, bar_fixed = s.own_bar_fixed, ternary = s.ternary
    memset(s, 0, sizeof(grid_state))
    s.rate, s.given, s.beats_per_bar, s.bar_fixed, s.ternary = rate, given, beats_per_bar, bar_fixed, ternary
    s.own_given, s.own_period, s.own_bar_fixed = given, period, bar_fixed
    s.period = period if given else 60.0 * rate / PULSE_PRIOR_BPM
    s.line = -1.0
    s.count = -1
    s.first_known = 1


cdef double wrap(double x) noexcept nogil:
    return x - floor(x + 0.5)  # -0.5..0.5


cdef int64_t grid_bar_beat(const grid_state* s, int64_t beat) noexcept nogil:
    # Position of a beat in its bar, 0 the downbeat.
    return (beat + s.bar_shift) % s.beats_per_bar


cdef int grid_first_downbeat(const grid_state* s) noexcept nogil:
    return <int>((s.beats_per_bar - s.bar_shift % s.beats_per_bar) % s.beats_per_bar)


cdef void grid_onset(grid_state* s, double frame, double weight) noexcept nogil:
    # frame: of the attack, some hops ago
    cdef double position, error
    s.onset_frames[s.n_onsets % N_ONSETS] = frame
    s.onset_weights[s.n_onsets % N_ONSETS] = weight
    s.n_onsets += 1
    if s.count < 0:
        s.beat, s.count = frame, 0
        s.next = frame + s.period
        s.locked = s.given
        return
    position = (frame - s.beat) / (s.next - s.beat)
    error = wrap(position)
    if fabs(error) < NEAR_BEATS:
        s.error_sum += weight * error * (s.next - s.beat)
        s.error_weight += weight


cdef double grid_fit(const grid_state* s, double origin, double period) noexcept nogil:
    # How well the remembered onsets sit on a grid: beats count 1, halves .5, quarters .25.
    cdef double total = 0.0, place, d
    cdef int64_t i
    for i in range(min(s.n_onsets, <int64_t>N_ONSETS)):
        place = (s.onset_frames[i] - origin) / period
        d = fabs(wrap(place))
        if d < 0.1:
            total += s.onset_weights[i] * (1.0 - d / 0.1)
        else:
            d = fabs(wrap(place + 0.5))
            if d < 0.1:
                total += 0.5 * s.onset_weights[i] * (1.0 - d / 0.1)
            else:
                d = fabs(wrap(2.0 * place + 0.5)) / 2.0
                total += 0.25 * s.onset_weights[i] * max(0.0, 1.0 - d / 0.1)
    return total


cdef void grid_next_given(grid_state* s) noexcept nogil:
    cdef double best, score, shift = 0.0
    cdef int i, winner = 0
    s.next = s.beat + s.period
    if s.settled >= SETTLE_BEATS or s.n_onsets == 0:
        return
    s.settled += 1
    if s.error_weight > 0.0:
        shift = s.error_sum / s.error_weight / min(s.settled, 6)
    if s.settled in (4, 8, 12) and s.n_onsets >= 6:
        best = 1.3 * grid_fit(s, s.beat, s.period) + 1e-9
        for i in range(1, 24):
            score = grid_fit(s, s.beat + s.period * i / 24.0, s.period)
            if score > best:
                best, winner = score, i
        if winner:
            shift = wrap(winner / 24.0) * s.period
    s.error_sum = s.error_weight = 0.0
    s.next += clamp(shift, -0.5 * s.period, 0.5 * s.period)


cdef void grid_correct(grid_state* s, const pulse_state* pulse) noexcept nogil:
    # Once in every tracked beat, when what began on it has been heard: stretch it towards the pulse.
    cdef double heard = pulse.period_hops * HOP_S * s.rate
    cdef double coming = pulse.frame - PULSE_LATENCY_S * s.rate + (1.0 - pulse.phase) * heard
    cdef double off, trim, limit, step = heard  # step: what the pulse's beats and the grid's have in common
    cdef bint foreign
    cdef double reference = s.period if s.locked else s.trusted_period
    cdef int i
    if reference > 0.0:  # where nothing is trusted any more, the level of the last time is still the likeliest
        for i in range(9 if s.ternary else 5):
            if fabs(heard * RATIOS[i][0] / (RATIOS[i][1] * reference) - 1.0) < OCTAVE:
                step = heard / RATIOS[i][1]
                heard *= RATIOS[i][0] / <double>RATIOS[i][1]
                break
    foreign = s.locked and fabs(heard / s.period - 1.0) > OCTAVE
    if not s.locked:
        s.period = heard
    elif not foreign:
        s.period += PERIOD_PULL * (heard - s.period)
    off = wrap((coming - (s.beat + s.period)) / step) * step
    if s.error_weight > 0.0:
        trim = s.error_sum / s.error_weight
        if fabs(trim - off) < 0.1 * s.period:
            s.bias += 0.1 * (clamp(trim - off, -0.03 * s.rate, 0.03 * s.rate) - s.bias)
    s.error_sum = s.error_weight = 0.0
    off += s.bias
    if not s.locked:
        s.next = s.beat + s.period + pulse.confidence * off
    elif foreign or fabs(off) > ASTRAY * s.period:
        s.astray += 1 if pulse.confidence > TRUST else 0
        s.next = s.beat + s.period
        if s.astray >= ASTRAY_BEATS:  # the player is elsewhere, and surely
            s.period, s.astray = heard, 0
            off = wrap((coming - (s.beat + s.period)) / step) * step + s.bias
            s.next = s.beat + s.period + off
    else:
        s.astray = max(0, s.astray - 1)
        limit = 0.1 * s.period
        s.period += PERIOD_GAIN * clamp(off, -limit, limit)
        s.next = s.beat + s.period + clamp(PHASE_GAIN * off, -limit, limit)


cdef bint grid_advance(grid_state* s, const pulse_state* pulse, double frame, int open) noexcept nogil:
    # Step over the next beat if it has come; True when it has.  open: somebody plays; a rest keeps its tempo
    if s.count < 0:
        return False
    if not s.given and not s.corrected and frame - s.beat >= CORRECT_BEATS * s.period:
        s.corrected = 1
        if open:
            grid_correct(s, pulse)
        s.next = max(s.next, frame + 0.2 * s.period)
    if s.next > frame:
        return False
    s.beat = s.next
    s.count += 1
    s.corrected = 0
    if s.led and s.line >= 0.0:
        s.next = s.beat + s.period
        s.next += wrap((s.line - s.next) / s.period) * s.period
    elif s.given:
        grid_next_given(s)
    else:
        s.next = s.beat + s.period
    return True


cdef bint grid_period(grid_state* s, double bpm) noexcept nogil:
    if not LED_BPM_MIN <= bpm <= LED_BPM_MAX:  # nor what is no number
        return False
    s.period = 60.0 * s.rate / bpm
    return True


cdef void grid_align(grid_state* s, double frame, double line) noexcept nogil:
    # The coming beat is one of those at line + k periods: the running one is stretched, no number is skipped.
    # Where that beat is just over, for word of it takes a while, it is taken at the next hop.
    if s.count < 0:
        s.beat, s.count = line + floor((frame - line) / s.period) * s.period, 0
        if s.beat < 0.0:
            s.beat += s.period
    s.next = s.beat + s.period
    s.next += wrap((line - s.next) / s.period) * s.period
    while s.next < frame - 0.25 * s.period:
        s.next += s.period
    s.corrected = 1
    s.error_sum = s.error_weight = 0.0


cdef void grid_lead(grid_state* s, double bpm, double frame, int64_t line, int64_t beat, int64_t period_beats) noexcept nogil:
    # line: frame of a beat of the clock or -1; beat: its number since start or -1; period_beats: after which bars, phrases and chords repeat
    cdef int64_t shift
    if not grid_period(s, bpm):
        return
    if not s.led and s.count >= 0:
        s.settled = s.n_onsets = 0
    s.led = s.given = s.locked = 1
    if line < 0:
        return
    s.line = <double>line
    grid_align(s, frame, s.line)
    if beat >= 0:
        shift = beat + <int64_t>floor((s.next - s.line) / s.period + 0.5) - (s.count + 1)
        s.bar_shift = (shift % period_beats + period_beats) % period_beats
        s.bar_fixed = 1


cdef void grid_unlead(grid_state* s) noexcept nogil:
    s.led, s.line = 0, -1.0
    s.given, s.bar_fixed = s.own_given, s.own_bar_fixed
    if s.given:
        s.period = s.own_period


cdef void grid_tap(grid_state* s, double bpm, double frame, int64_t line) noexcept nogil:
    if s.led or not grid_period(s, bpm):
        return
    grid_align(s, frame, <double>line)
    s.locked, s.away_s, s.astray = 1, 0.0, 0
    s.confidence = max(s.confidence, TRUST)
    if s.given:
        s.own_period, s.settled = s.period, SETTLE_BEATS


cdef void grid_tick(grid_state* s, const pulse_state* pulse, double frame, int open, double silence_s,
                    tick_t* out) noexcept nogil:
    cdef double target
    if s.count >= 0:
        if s.given:
            target = 1.0 if silence_s < REST_S else 0.0
            if silence_s >= REST_S:  # whoever comes back may come back anywhere
                s.settled, s.n_onsets = 0, 0
                s.error_sum = s.error_weight = 0.0
        else:
            target = pulse.confidence if open else 0.0
        s.confidence += (target - s.confidence) * (0.1 if open else 0.012)  # 0.4 s; 3.3 s in silence
        if s.given:
            s.locked = 1
        elif s.locked:
            s.trusted_period = s.period
            s.away_s = s.away_s + 0.04 if s.confidence < DISTRUST else 0.0
            if s.away_s > 3.0 or silence_s > REST_S:
                s.locked, s.trusted_s = 0, 0.0
        else:
            s.trusted_s = s.trusted_s + 0.04 if open and s.confidence > TRUST else 0.0
            if s.trusted_s >= TRUST_S:
                s.locked, s.away_s, s.astray = 1, 0.0, 0
    out.beat_frame = <int64_t>floor(s.beat + 0.5) if s.count >= 0 else -1
    out.beat_count = s.count
    out.beat_frames = s.next - s.beat if s.count >= 0 else 0.0
    out.beat_confidence = <float>s.confidence
    out.tempo_bpm = <float>(60.0 * s.rate / s.period) if s.count >= 0 else 0.0
    out.beats_per_bar = s.beats_per_bar
    out.ternary = s.ternary
    out.beat_in_bar = <int32_t>grid_bar_beat(s, s.count) if s.count >= 0 else 0
    out.locked = s.locked
