# The phrase: how many bars it has and where it begins, heard where it can be, else counted in fours.
#
# At every bar line something is remembered: for how long nothing began before it (a rest, a long note), up to an
# upbeat's beat ahead of the line.  Each phrase of 3..8 bars from each of its bars on is a guess; its score is how much more
# than the mean was heard on its lines, so that where all lines are alike nobody earns anything, whoever counts too
# few lines misses some, and whoever counts too many collects what is below the mean.  A loop of that many bars speaks for the
# guess, too, and before anything is heard four bars from the first downbeat lead.  A guess is taken when it leads
# clearly, at a bar line.  The first downbeat is where the player began, counted back in bars of today's length: the grid's own
# first beats may have been twice as fast.  Where the user or a clock has said where the bars are, four are counted from the first.

cdef int PHRASE_COUNTED = 4  # bars, where nothing is heard
cdef double PHRASE_FADE = 0.955  # per bar
cdef double PHRASE_NOTE_BEATS = 1.0  # of nothing new are no pause
cdef double PHRASE_PAUSE_BEATS = 1.5  # and so many more say all that a pause can say
cdef double PHRASE_UPBEAT = 1.15  # beats ahead of the line in which the next phrase may begin
cdef double PHRASE_LATE = 0.3
cdef double PHRASE_MISSED = 1.6  # a line on which less is heard than on most counts for so many on which more is
cdef double PHRASE_LOOP = 1.5  # for a loop of that length, when it is certain
cdef double PHRASE_LEAD = 0.5
cdef double PHRASE_FIRST = 0.5  # for beginning with the first downbeat
cdef double PHRASE_COUNT_BACK_S = 30.0  # farther than that is no longer counted back
cdef double PHRASE_PICKUP = 0.88  # of a bar: what is shorter is a pickup to the next one
cdef double[9] PHRASE_PRIOR = [0.0, 0.0, 0.0, 0.1, 0.6, -0.1, 0.0, -0.3, 0.0]  # by bars


cdef void phrase_clear(phrase_state* s) noexcept nogil:
    memset(s, 0, sizeof(phrase_state))
    s.bars = PHRASE_COUNTED
    s.shift = -1
    s.began = -1.0


cdef int64_t phrase_bar(const grid_state* grid, int64_t beat) noexcept nogil:
    return (beat + grid.bar_shift) // grid.beats_per_bar


cdef int64_t phrase_beat(const phrase_state* s, const grid_state* grid, int64_t beat) noexcept nogil:
    # Beats since the phrase of a beat began.
    cdef int64_t length = s.bars * grid.beats_per_bar
    return ((beat + grid.bar_shift - s.origin * grid.beats_per_bar) % length + length) % length


cdef double phrase_pause(const grid_state* grid, double line) noexcept nogil:
    # line: frame of a bar line.  The longest time in which nothing began, in beats, that ended near it.
    cdef double least = line - PHRASE_UPBEAT * grid.period, most = line + PHRASE_LATE * grid.period
    cdef double longest = 0.0, last = -1.0, frame
    cdef int64_t i
    for i in range(max(<int64_t>0, grid.n_onsets - N_ONSETS), grid.n_onsets):
        frame = grid.onset_frames[i % N_ONSETS]
        if frame > most:
            break
        if last >= 0.0 and frame >= least:
            longest = max(longest, frame - last)
        last = max(last, frame)
    if 0.0 <= last < line:  # nobody plays on the line either
        longest = max(longest, line - last)
    return longest / grid.period


cdef double phrase_loop(const chord_state* chords, int bars) noexcept nogil:
    cdef double odds = chords.loop_odds[bars - 1]
    if bars == 4:
        odds = max(odds, chords.loop_odds[7])  # eight bars are two fours
    return PHRASE_LOOP * clamp(odds / LOOP_CERTAIN, 0.0, 1.0)


cdef double phrase_score(const phrase_state* s, const chord_state* chords, int bars, int64_t origin) noexcept nogil:
    cdef double score = PHRASE_PRIOR[bars] + phrase_loop(chords, bars)
    cdef double weight = 1.0, total = 0.0, whole = 0.0, mean, more
    cdef int64_t i, oldest = max(<int64_t>0, s.heard - N_PHRASE)
    for i in range(s.heard - 1, oldest - 1, -1):
        total += weight * s.pauses[i % N_PHRASE]
        whole += weight
        weight *= PHRASE_FADE
    mean = total / whole if whole > 0.0 else 0.0
    weight = 1.0
    for i in range(s.heard - 1, oldest - 1, -1):
        if (s.lines[i % N_PHRASE] - origin) % bars == 0:
            more = s.pauses[i % N_PHRASE] - mean
            score += weight * (more if more > 0.0 else PHRASE_MISSED * more)
        weight *= PHRASE_FADE
    if (s.first - origin) % bars == 0:
        score += PHRASE_FIRST
    return score


cdef void phrase_relevel(phrase_state* s) noexcept nogil:
    # Bars have another length from now on.
    s.shift = -1


cdef void phrase_count_back(phrase_state* s, const grid_state* grid, double line, int64_t bar) noexcept nogil:
    # line: frame of the bar line that begins `bar`
    cdef double ago = line - s.began
    if ago < PHRASE_COUNT_BACK_S * grid.rate:
        s.first = bar - <int64_t>floor(ago / (grid.period * grid.beats_per_bar) + 1.0 - PHRASE_PICKUP)


cdef void phrase_beat_over(phrase_state* s, const grid_state* grid, const chord_state* chords, int64_t beat) noexcept nogil:
    # Beat `beat` is over; once in each bar, when its first beat is.
    cdef int64_t bar = phrase_bar(grid, beat)
    cdef double best = -1e30, own, score, line = grid.beat - grid.period
    cdef int bars, origin, best_bars = s.bars, best_origin = <int>s.origin
    if grid.n_onsets > 0 and s.began < 0.0:
        s.began = grid.onset_frames[0]
    if grid.bar_fixed:
        s.bars, s.origin, s.shift, s.heard = PHRASE_COUNTED, 0, -1, 0
        return
    if grid_bar_beat(grid, beat) != 0:
        return
    if grid.bar_shift != s.shift or (grid.locked and not s.trusted):
        # the bar line was elsewhere: what was heard on the old ones says nothing of these
        s.shift, s.heard, s.trusted = grid.bar_shift, 0, grid.locked
        phrase_count_back(s, grid, line, bar)
        s.origin = s.first
    if bar <= s.first:
        return
    s.lines[s.heard % N_PHRASE] = bar
    s.pauses[s.heard % N_PHRASE] = clamp((phrase_pause(grid, line) - PHRASE_NOTE_BEATS) / PHRASE_PAUSE_BEATS, 0.0, 1.0)
    s.heard += 1
    own = phrase_score(s, chords, s.bars, s.origin)
    for bars in range(3, MAX_PHRASE + 1):
        for origin in range(bars):
            score = phrase_score(s, chords, bars, origin)
            if score > best:
                best, best_bars, best_origin = score, bars, origin
    if best > own + PHRASE_LEAD:
        s.bars, s.origin = best_bars, best_origin
