# Chords: what is sounding, what usually comes next here, and what to play from the coming beat.
#
# A chord is quality * 12 + root (absolute pitch class), 84 in all; -1 is none.  At the end of every
# beat a forward filter takes that beat's chroma and bass in and the beat is remembered.  Half a beat
# before a beat the coming chord is chosen:
#     (1 - trust) * [stay with what sounds | change: prior of the key x harmony net]  +  trust * loop
# where the loop (tracker_loop.pxi) is what came at this place one period of bars ago.  Changes are likelier on downbeats and happen on beats only.

# Set on rendered pieces (tests/live/pieces.py and 18 more that never repeat).
cdef double CHORD_SHARPNESS = 15.0  # nats per unit of cosine between the beat's chroma and a chord
cdef double CHORD_CLARITY = 0.15
cdef double BASS_SHARPNESS = 7.0  # nats per unit of the root's share of the bass
cdef double CHROMA_POWER = 0.4  # energies to this power: between energy and magnitude
cdef double CHROMA_LAG_S = 0.3  # the front end's windows still show the beat before
cdef int CHANGE_LAG = 2  # beats after which a change of root is believed
cdef double KEY_PULL = 0.6  # of a chord's distance from the key, taken at every beat
cdef double PARTIAL_FIFTH = 0.15  # what third and fifth partials leave in a chroma
cdef double PARTIAL_THIRD = 0.06
cdef double STAY_DOWN = 0.3  # probability that a chord stays over a bar line,
cdef double STAY_HALF = 0.75  # into the middle of a bar,
cdef double STAY_WEAK = 0.88  # into any other beat
cdef int[7][5] CHORD_TONES = [
    [0, 4, 7, -1, -1], [0, 3, 7, -1, -1], [0, 4, 7, 10, -1], [0, 3, 7, 10, -1], [0, 3, 6, -1, -1],
    [0, 5, 7, -1, -1], [0, 7, -1, -1, -1],
]
cdef bint[2][12] SCALE = [[1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], [1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1]]  # major, minor
cdef double[5] TONE_WEIGHTS = [1.0, 0.7, 0.8, 0.6, 0.0]


cdef void chords_prepare(chord_state* s) noexcept nogil:
    # Templates: the tones' magnitudes with their third and fifth partials, length 1, mean removed.
    cdef int c, q, root, i, tone
    cdef double mean, norm
    cdef double v[12]
    for q in range(N_QUALITIES):
        for root in range(12):
            c = q * 12 + root
            memset(v, 0, sizeof(v))
            for i in range(5):
                tone = CHORD_TONES[q][i]
                if tone >= 0:
                    v[(root + tone) % 12] += TONE_WEIGHTS[i]
                    v[(root + tone + 7) % 12] += PARTIAL_FIFTH * TONE_WEIGHTS[i]
                    v[(root + tone + 4) % 12] += PARTIAL_THIRD * TONE_WEIGHTS[i]
            mean = norm = 0.0
            for i in range(12):
                mean += v[i] / 12.0
            for i in range(12):
                norm += (v[i] - mean) * (v[i] - mean)
            for i in range(12):
                s.template_[c * 12 + i] = <float>((v[i] - mean) / sqrt(norm))


cdef void chords_clear(chord_state* s) noexcept nogil:
    cdef int i
    for i in range(N_CHORDS):
        s.posterior[i] = 1.0 / N_CHORDS
    memset(s.beat_chroma, 0, sizeof(s.beat_chroma))
    memset(s.beat_bass, 0, sizeof(s.beat_bass))
    s.open_hops = s.hops = 0.0
    for i in range(N_MEMORY):
        s.memory[i].beat, s.memory[i].chord = -1, -1
    for i in range(N_LOOPS):
        s.loop_odds[i] = 0.0
    s.current = s.before = -1
    s.since_beat = s.decided_beat = 0
    s.confidence = s.change_rate = 0.0


cdef void chords_hop(chord_state* s, const double* chroma, const double* bass, double since_beat_s, int open) noexcept nogil:
    # since_beat_s: time since the beat began; the chroma's windows show what was CHROMA_LAG_S ago
    cdef double weight = clamp((since_beat_s + 0.01) / (CHROMA_LAG_S + 1e-3), 0.0, 1.0)
    cdef int i
    weight *= weight
    s.hops += 1.0
    if open:
        s.open_hops += 1.0
        for i in range(12):
            s.beat_chroma[i] += weight * pow(chroma[i], CHROMA_POWER)
            s.beat_bass[i] += weight * pow(bass[i], CHROMA_POWER)


cdef double centred(const double* v, float* out) noexcept nogil:
    # Mean removed, length 1.  Returns how clear it was, 0 (even) .. 0.96 (one pitch class).
    cdef double mean = 0.0, norm = 0.0, whole = 0.0
    cdef int i
    for i in range(12):
        mean += v[i] / 12.0
        whole += v[i] * v[i]
    for i in range(12):
        norm += (v[i] - mean) * (v[i] - mean)
    norm = sqrt(norm)
    for i in range(12):
        out[i] = <float>((v[i] - mean) / norm) if norm > 1e-12 else 0.0
    return norm / sqrt(whole) if norm > 1e-12 else 0.0


cdef double dot12(const float* x, const float* y) noexcept nogil:
    cdef double total = 0.0
    cdef int i
    for i in range(12):
        total += x[i] * y[i]
    return total


cdef void chords_turn(chord_state* s, int by) noexcept nogil:
    # What is remembered gets other names; what has been decided to sound does not.
    cdef int i, k
    cdef float chroma[12]
    cdef float bass[12]
    turn12(s.beat_chroma, by)
    turn12(s.beat_bass, by)
    turn_chords(s.posterior, by)
    for k in range(N_LAG):
        turn_chords(s.filtered + k * N_CHORDS, by)
        turn_chords(s.predicted + k * N_CHORDS, by)
    for k in range(N_MEMORY):
        memcpy(chroma, s.memory[k].chroma, sizeof(chroma))
        memcpy(bass, s.memory[k].bass, sizeof(bass))
        for i in range(12):
            s.memory[k].chroma[(i + by + 12) % 12] = chroma[i]
            s.memory[k].bass[(i + by + 12) % 12] = bass[i]
        s.memory[k].chord = turned(s.memory[k].chord, by)


cdef double chord_stay(int64_t place, int beats_per_bar) noexcept nogil:
    # Probability that the chord does not change on this place of the bar.
    if place == 0:
        return STAY_DOWN
    return STAY_HALF if beats_per_bar % 2 == 0 and place == beats_per_bar // 2 else STAY_WEAK


cdef bint chords_evidence(chord_state* s, double weight, const key_state* key) noexcept nogil:
    # s.work *= likelihood of the beat's chroma, normalised.  weight: 0..1, how much of a beat it is.
    # An unclear chroma (noise, drums alone) says little or, below CHORD_CLARITY, nothing: then False.
    cdef float chroma[12]
    cdef float bass[12]
    cdef double total = 0.0, top = -1e30
    cdef int c
    cdef double clarity = centred(s.beat_chroma, chroma)
    if clarity <= CHORD_CLARITY:
        return False
    weight *= min(1.0, (clarity - CHORD_CLARITY) / 0.3)
    centred(s.beat_bass, bass)
    for c in range(N_CHORDS):
        s.fit[c] = CHORD_SHARPNESS * dot12(chroma, s.template_ + c * 12) + BASS_SHARPNESS * max(0.0, <double>bass[c % 12])
        s.plain[c] = s.fit[c] - QUALITY_COST[c // 12]
        s.fit[c] = weight * s.fit[c] - KEY_PULL * weight * chord_cost(c, key)
        top = max(top, s.fit[c])
    for c in range(N_CHORDS):
        s.work[c] *= exp(s.fit[c] - top)
        total += s.work[c]
    for c in range(N_CHORDS):
        s.work[c] = s.work[c] / total if total > 1e-300 else 1.0 / N_CHORDS
    return True


cdef void chords_predict(chord_state* s, const double* now, double stay, const key_state* key,
                         const float* harmony) noexcept nogil:
    # s.work = distribution on the next beat.  harmony: the net's 64 answers or NULL.
    cdef double total = 0.0, odds, hold
    cdef double change[N_CHORDS]
    cdef int c, degree, quality
    for c in range(N_CHORDS):
        change[c] = exp(-0.7 * chord_cost(c, key))
        if harmony != NULL and key.tonic >= 0:
            degree, quality = (c % 12 - key.tonic + 12) % 12, c // 12
            if quality < 5:
                odds = harmony[quality * 12 + degree]
            elif quality == 5:
                odds = harmony[HARMONY_DOMINANT_SUS4] if degree == 7 else 0.0
            else:
                odds = harmony[HARMONY_TONIC_POWER] if degree == 0 else 0.0
            change[c] *= pow(clamp(finite(odds, 0.0), 0.0, 1.0) + 2e-3, 0.7)
        total += change[c]
    if harmony != NULL and key.tonic >= 0:
        hold = clamp(finite(harmony[HARMONY_HOLD], 0.0), 0.0, 1.0)
        odds = stay / (1.0 - stay) * clamp(pow((hold + 0.02) / 0.0356, 0.3), 0.7, 2.5)  # 1 where nothing is said
        stay = odds / (1.0 + odds)
    for c in range(N_CHORDS):
        s.work[c] = stay * now[c] + (1.0 - stay) * change[c] / total


cdef void chords_smooth(chord_state* s, int64_t beat) noexcept nogil:
    # What came later tells what was sounding: correct the memory of the last beats (backward pass).
    cdef double later[N_CHORDS]
    cdef double among, ratio, total
    cdef double* filtered
    cdef double* predicted
    cdef double stay
    cdef int64_t t
    cdef int c, best
    cdef beat_memory* there
    memcpy(later, s.posterior, sizeof(later))
    for t in range(beat - 1, max(<int64_t>-1, beat - N_LAG), -1):
        there = &s.memory[t % N_MEMORY]
        if there.beat != t or there.chord < 0:
            return
        filtered = s.filtered + (t % N_LAG) * N_CHORDS
        predicted = s.predicted + ((t + 1) % N_LAG) * N_CHORDS
        stay = s.stayed[(t + 1) % N_LAG]
        among = 0.0
        for c in range(N_CHORDS):
            ratio = later[c] / max(predicted[c], 1e-30)
            among += (predicted[c] - stay * filtered[c]) * ratio
            later[c] = ratio
        total, best = 0.0, 0
        for c in range(N_CHORDS):
            later[c] = filtered[c] * (stay * later[c] + among)
            total += later[c]
            if later[c] > later[best]:
                best = c
        if not total > 1e-300:
            return
        for c in range(N_CHORDS):
            later[c] /= total
        there.chord, there.confidence = best, <float>later[best]


cdef bint chords_changed(const chord_state* s, int64_t beat) noexcept nogil:
    # Did the root change on a beat, as the beats after it tell?  The single notes of an arpeggio are no changes.
    cdef const beat_memory* here = &s.memory[(beat + N_MEMORY) % N_MEMORY]
    cdef const beat_memory* past = &s.memory[(beat - 1 + N_MEMORY) % N_MEMORY]
    if beat < 1 or here.beat != beat or past.beat != beat - 1 or here.chord < 0 or past.chord < 0:
        return False
    return here.chord % 12 != past.chord % 12


cdef void chords_beat(chord_state* s, int64_t beat, int64_t place, int beats_per_bar, key_state* key) noexcept nogil:
    # A beat is over: filter, remember, look for the loop.
    cdef beat_memory* here = &s.memory[beat % N_MEMORY]
    cdef double weight = s.open_hops / max(s.hops, 1.0)
    cdef int c, best = 0, plain = 0
    cdef bint clear = False
    chords_predict(s, s.posterior, chord_stay(place, beats_per_bar), key, NULL)
    memcpy(s.predicted + (beat % N_LAG) * N_CHORDS, s.work, sizeof(s.work))
    s.stayed[beat % N_LAG] = chord_stay(place, beats_per_bar)
    if weight > 0.15:
        clear = chords_evidence(s, min(1.0, 1.5 * weight), key)
    if clear:
        for c in range(N_CHORDS):
            if s.plain[c] > s.plain[plain]:
                plain = c
        key_chord(key, plain, beat)
    for c in range(N_CHORDS):
        s.posterior[c] = s.work[c]
        if s.posterior[c] > s.posterior[best]:
            best = c
    memcpy(s.filtered + (beat % N_LAG) * N_CHORDS, s.posterior, sizeof(s.posterior))
    here.beat = beat
    centred(s.beat_chroma, here.chroma)
    centred(s.beat_bass, here.bass)
    here.chord = best if clear else -1
    here.confidence = <float>s.posterior[best]
    chords_smooth(s, beat)
    s.changed = chords_changed(s, beat - CHANGE_LAG)
    if beat > 0:
        chords_loop(s, beat - 1, beats_per_bar)  # one beat late: smoothed once
    memset(s.beat_chroma, 0, sizeof(s.beat_chroma))
    memset(s.beat_bass, 0, sizeof(s.beat_bass))
    s.open_hops = s.hops = 0.0


cdef bint outside_key(int chord, const key_state* key) noexcept nogil:
    # Has the chord a tone that a key given by the user does not?  In minor the raised seventh belongs to it.
    cdef int i, tone, degree
    if not key.given:
        return False
    for i in range(5):
        tone = CHORD_TONES[chord // 12][i]
        if tone < 0:
            break
        degree = (chord % 12 + tone - key.tonic + 24) % 12
        if not SCALE[0 if key.mode > 0 else 1][degree]:
            return True
    return False


cdef int chords_choose(chord_state* s, int64_t beat, int64_t place, int beats_per_bar, double beat_hops,
                       const key_state* key, const float* harmony) noexcept nogil:
    # The chord for a coming beat.  beat_hops: length of a beat in hops.
    cdef double weight
    cdef double now[N_CHORDS]
    cdef int c, best = 0
    for c in range(N_CHORDS):
        now[c] = s.posterior[c]
    chords_predict(s, now, chord_stay((place + beats_per_bar - 1) % beats_per_bar, beats_per_bar), key, NULL)
    weight = min(1.0, 1.6 * s.open_hops / max(beat_hops, 1.0))
    if weight > 0.1:
        chords_evidence(s, weight, key)
    for c in range(N_CHORDS):
        now[c] = s.work[c]
    chords_predict(s, now, chord_stay(place, beats_per_bar), key, harmony)
    chords_foretell(s, beat, beats_per_bar)
    for c in range(N_CHORDS):
        if outside_key(c, key):
            s.work[c] = -1.0  # what is heard may leave the key; what kelly plays stays in a key that was given
    for c in range(N_CHORDS):
        if s.work[c] > s.work[best]:
            best = c
    if s.current >= 0 and place != 0 and s.work[best] < 1.3 * s.work[s.current]:
        best = s.current
    s.confidence = s.work[best]
    return best


cdef void chords_relevel(chord_state* s, int64_t now, double factor) noexcept nogil:
    # From beat `now` on a beat lasts `factor` times as long: what is remembered moves to where it was on such beats.
    cdef int64_t i, past, n = min(now, <int64_t>N_MEMORY - 1)
    cdef int k
    cdef beat_memory* there
    cdef beat_memory kept
    for k in range(n + 1):
        i = k if factor > 1.0 else n - k  # so that nothing is overwritten before it is read
        past = now - <int64_t>floor(i * factor)
        there = &s.memory[(now - i) % N_MEMORY]
        if past >= 0 and now - past < N_MEMORY and s.memory[past % N_MEMORY].beat == past:
            kept = s.memory[past % N_MEMORY]
            there[0] = kept
            there.beat = now - i
        else:
            there.beat, there.chord = -1, -1
    if factor == 2.0:
        for k in range(N_LOOPS):
            s.loop_odds[k] = s.loop_odds[2 * k + 1] if 2 * k + 1 < N_LOOPS else 0.0
    elif factor == 0.5:
        for k in range(N_LOOPS - 1, -1, -1):
            s.loop_odds[k] = s.loop_odds[(k - 1) // 2] if k % 2 else 0.0
    else:
        memset(s.loop_odds, 0, sizeof(s.loop_odds))


cdef void chords_take(chord_state* s, int chord, int64_t beat) noexcept nogil:
    # The chord from `beat` on is decided.
    cdef bint changed = chord != s.current
    if changed:
        if s.current >= 0:
            s.before = s.current
        s.current, s.since_beat = chord, beat
    s.change_rate += ((1.0 if changed else 0.0) - s.change_rate) / 8.0
    s.decided_beat = beat


cdef void chords_tick(chord_state* s, double silence_s, tick_t* out) noexcept nogil:
    out.chord_root = s.current % 12 if s.current >= 0 else -1
    out.chord_quality = s.current // 12 if s.current >= 0 else 0
    out.chord_beat = s.decided_beat
    out.chord_confidence = <float>(s.confidence * exp(-silence_s / 4.0)) if s.n_given == 0 else <float>s.confidence
