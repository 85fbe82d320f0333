# The bar line: which beats are the first of their bar?
#
# On a bar line rather than elsewhere the harmony changes, most of all to a chord that stays; the bass moves; the key's own
# chord comes; one voice begins its long notes; a stroke is stronger.  Each beat earns for its place in the bar what was
# heard on it, two beats late, when the chords have been corrected by what came after.  The player began with a bar or,
# as often, with an upbeat of one beat.  Another place must lead clearly for a while before the bar is moved; beats keep
# their numbers.
#
# The weights are nats for each unit of a place's mean: a softmax over the places, fitted on takes that are not held out;
# in four-fold cross-validation by take the places of chorales are right in .64 and those of folk songs in .70, where changes
# of harmony and long notes alone have .42 and .51.

cdef double BAR_CHANGE = 1.7  # another root
cdef double BAR_STAYS = 1.9  # and it stays for a beat or more
cdef double BAR_NEW = 1.0  # how unlike the tones are to those of the beat before
cdef double BAR_BASS = 1.0  # the same of the bass
cdef double BAR_HOME = 1.2  # a chord on the tonic
cdef double BAR_STROKE = 1.2  # an onset as strong as most
cdef double BAR_LONG = 1.3  # for each beat that a note is longer than LONG_LEAST beats, up to LONG_MOST of them
cdef double BAR_FIRST = 0.8  # for the first beat, and as much for the second; less, the more bars have been heard
cdef double BAR_FADE = 0.985  # per beat
cdef double BAR_LEAST = 3.0  # bars, as whose mean fewer count
cdef double BAR_LEAD = 0.25
cdef int BAR_WAIT = 2  # bars, before anything is moved
cdef int BAR_VOTES = 1  # bars, for which another place must lead
cdef double BAR_STROKE_MEAN = 0.05  # per beat
cdef double LONG_LEAST = 0.75
cdef double LONG_MOST = 1.25
cdef double LONG_VOICES = 2.8  # tones at once, from which on lengths say nothing; below by LONG_FADE they say all they can
cdef double LONG_FADE = 0.6


cdef double bars_harmony(const chord_state* s, const key_state* key, int64_t beat) noexcept nogil:
    # What the chords of a beat, of the one before and of the one after say.
    cdef const beat_memory* here = &s.memory[beat % N_MEMORY]
    cdef const beat_memory* past = &s.memory[(beat - 1 + N_MEMORY) % N_MEMORY]
    cdef const beat_memory* next = &s.memory[(beat + 1) % N_MEMORY]
    cdef double total = 0.0
    if here.beat != beat or here.chord < 0:
        return 0.0
    if here.chord % 12 == key.tonic:
        total += BAR_HOME
    if beat > 0 and past.beat == beat - 1 and past.chord >= 0:
        total += BAR_NEW * (1.0 - max(0.0, dot12(here.chroma, past.chroma)))
        total += BAR_BASS * (1.0 - max(0.0, dot12(here.bass, past.bass)))
        if here.chord % 12 != past.chord % 12:
            total += BAR_CHANGE
            if next.beat == beat + 1 and next.chord >= 0 and next.chord % 12 == here.chord % 12:
                total += BAR_STAYS
    return total


cdef double bars_notes(grid_state* s, double frame, double voices) noexcept nogil:
    # How strong and how long is what begins on a beat?  frame: of the beat; voices: tones at once
    cdef double began = 0.0, after = 2.5 * s.period, at, strength = 0.0, total
    cdef bint found = False
    cdef int64_t i
    for i in range(max(<int64_t>0, s.n_onsets - N_ONSETS), s.n_onsets):
        at = s.onset_frames[i % N_ONSETS] - frame
        if fabs(at) < NEAR_BEATS * s.period:
            strength = max(strength, s.onset_weights[i % N_ONSETS])
            if not found:
                began, found = at, True
        elif found and at > 0.0:
            after = at
            break
    if not found:
        return 0.0
    s.stroke += (strength - s.stroke) * (BAR_STROKE_MEAN if s.stroke > 0.0 else 1.0)
    total = BAR_STROKE * clamp(strength / (s.stroke + 1e-9), 0.0, 2.0)
    return total + (BAR_LONG * clamp((LONG_VOICES - voices) / LONG_FADE, 0.0, 1.0)
                    * clamp((after - began) / s.period - LONG_LEAST, 0.0, LONG_MOST))


cdef double bars_score(const grid_state* s, int place) noexcept nogil:
    cdef double score = s.accent[place] / max(s.accent_bars, BAR_LEAST)
    if s.first_known and (place == 0 or place == 1):
        score += BAR_FIRST * sqrt(BAR_LEAST / max(s.accent_bars, BAR_LEAST))
    return score


cdef void bars_beat(grid_state* s, const chord_state* chords, const key_state* key) noexcept nogil:
    # A beat is over: weigh the one that was CHANGE_LAG beats before it.
    cdef int64_t beat = s.count - 1 - CHANGE_LAG
    cdef int i, best = 0, n = s.beats_per_bar, own = grid_first_downbeat(s)
    cdef double score, top = -1e30
    if s.count == 1:
        s.past[0] = s.beat - s.period
    s.past[s.count % N_LAG] = s.beat
    if s.bar_fixed or beat < 0:
        return
    for i in range(n):
        s.accent[i] *= BAR_FADE
    s.accent_bars = s.accent_bars * BAR_FADE + 1.0 / n
    s.accent[beat % n] += bars_harmony(chords, key, beat) + bars_notes(s, s.past[beat % N_LAG], key.voices)
    s.accent_beats += 1
    for i in range(n):
        score = bars_score(s, i)
        if score > top:
            best, top = i, score
    if best == own or s.accent_beats < BAR_WAIT * n or top <= bars_score(s, own) + BAR_LEAD:
        s.accent_votes = 0
        return
    s.accent_votes = s.accent_votes + 1 if best == s.accent_best else 1
    s.accent_best = best
    if s.accent_votes >= BAR_VOTES * n:
        s.bar_shift = (n - best) % n
        s.accent_votes = 0


cdef void bars_relevel(grid_state* s, const double* changes, double bars) noexcept nogil:
    # Beats have another length from now on.  changes: of harmony, by place in the bars of the new ones; bars: how many were heard
    cdef int i
    for i in range(s.beats_per_bar):
        s.accent[i] = BAR_CHANGE * changes[i]
    s.accent_bars, s.accent_votes, s.first_known = bars, 0, 0
