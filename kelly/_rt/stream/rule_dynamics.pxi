# The dynamics rule: as loud as the player, shaped by metre and phrase.

cdef void rule_dynamics(const float* x, float* y) noexcept nogil:
    cdef float valence = within(x[DYNAMICS_IN_VALENCE], -1, 1)
    cdef float arousal = within(x[DYNAMICS_IN_AROUSAL], -1, 1)
    cdef float tension = within(x[DYNAMICS_IN_TENSION], -1, 1)
    cdef float fast = within(x[DYNAMICS_IN_LEVEL_FAST], 0, 1)
    cdef float slow = within(x[DYNAMICS_IN_LEVEL_SLOW], 0, 1)
    cdef float peak = within(x[DYNAMICS_IN_LEVEL_PEAK], 0, 1)
    cdef float trend = within(x[DYNAMICS_IN_LEVEL_TREND], -1, 1)
    cdef float onset = within(x[DYNAMICS_IN_ONSET_STRENGTH], 0, 1)
    cdef float density = within(x[DYNAMICS_IN_DENSITY], 0, 1)
    cdef float legato = within(x[DYNAMICS_IN_PLAYER_GATE], 0, 1)
    cdef float weight = within(x[DYNAMICS_IN_METRICAL_WEIGHT], 0, 1)
    cdef float trust = within(x[DYNAMICS_IN_BEAT_CONFIDENCE], 0, 1)
    cdef float log2_tempo = within(x[DYNAMICS_IN_LOG2_TEMPO], -2, 2)
    cdef float pitch = within(x[DYNAMICS_IN_RELATIVE_PITCH], -1, 1)
    cdef float interval = within(x[DYNAMICS_IN_INTERVAL], -1, 1)
    cdef float chord_tone = within(x[DYNAMICS_IN_CHORD_TONE], 0, 1)
    cdef float melody = within(x[DYNAMICS_IN_VOICE], 0, 1)
    cdef float bass = within(x[DYNAMICS_IN_VOICE + 1], 0, 1)
    cdef float inner = within(x[DYNAMICS_IN_VOICE + 2], 0, 1)
    cdef float previous = within(x[DYNAMICS_IN_PREVIOUS_VELOCITY], 0, 1)
    cdef float silence = within(x[DYNAMICS_IN_SILENCE], 0, 1)
    # 0 at both ends of the phrase, 1 in its middle; sin < 0 is its second half.
    cdef float arch = 0.5 - 0.5 * within(x[DYNAMICS_IN_PHRASE_COS], -1, 1)
    cdef float second_half = 0.5 - 0.5 * within(x[DYNAMICS_IN_PHRASE_SIN], -1, 1)
    # The player's level now, leaning on the slower one so that one loud note doesn't throw the band.
    cdef float level = 0.65 * fast + 0.25 * slow + 0.1 * peak - 0.5

    cdef float velocity = 0.54 + 0.78 * level + 0.03 * arousal - 0.025 * valence + 0.03 * melody - 0.05 * inner
    velocity += 0.03 * interval * melody + 0.02 * onset * weight  # rising lines grow
    velocity *= 1 - 0.45 * silence  # alone, kelly fades
    if previous > 0:
        velocity = 0.85 * velocity + 0.15 * previous  # no jumps within a voice
    y[DYNAMICS_VELOCITY] = within(velocity, 0.08, 0.97)
    y[DYNAMICS_VELOCITY_RANGE] = within(0.08 + 0.06 * arousal + 0.04 * peak, 0, 1)
    y[DYNAMICS_ACCENT] = within(0.3 + 0.25 * arousal + 0.15 * trust + 0.1 * onset, 0, 1)  # of a downbeat
    y[DYNAMICS_PHRASE_ARCH] = within(0.35 - 0.15 * arousal + 0.25 * legato, 0, 1)
    y[DYNAMICS_CRESCENDO] = within(0.5 + 0.6 * trend + 0.08 * (arch - second_half), 0, 1)
    # Calm lies back, excitement pushes; the bass anchors the beat.
    y[DYNAMICS_PUSH] = within(0.5 + (0.06 * arousal - 0.05) * (1 - 0.6 * bass) * trust, 0, 1)
    y[DYNAMICS_JITTER] = within(0.22 - 0.08 * arousal - 0.1 * weight + 0.04 * inner, 0, 1)
    y[DYNAMICS_RUBATO] = within((0.35 - 0.3 * arousal - 0.15 * log2_tempo) * (1 - 0.6 * trust), 0, 1)
    # Gate 1 - (.375 + .29 (.07 V + .23 A)), drawn towards the player's own; bass long, fast short.
    velocity = 1 - (0.375 + 0.29 * (0.07 * valence + 0.23 * arousal))
    velocity += 0.3 * (legato - 0.6) + 0.15 * bass + 0.08 * inner - 0.05 * log2_tempo
    y[DYNAMICS_GATE] = within((velocity - 0.2) / 0.9, 0, 1)
    y[DYNAMICS_MELODY_LEAD] = within(melody * (0.45 - 0.2 * arousal), 0, 1)
    y[DYNAMICS_ROLL] = within(inner * (0.25 - 0.35 * arousal - 0.2 * tension) * (1 - 0.5 * density), 0, 1)
    y[DYNAMICS_PEDAL] = within(0.5 + 0.5 * (legato - 0.5) - 0.3 * arousal - 0.3 * (density - 0.4), 0, 1)
    y[DYNAMICS_VELOCITY_JITTER] = within(0.3 - 0.1 * arousal - 0.1 * weight, 0, 1)
    y[DYNAMICS_MELODY_BALANCE] = within(0.62 + 0.1 * chord_tone * weight + 0.05 * pitch, 0, 1)
    y[DYNAMICS_BASS_BALANCE] = within(0.52 + 0.12 * arousal + 0.08 * weight, 0, 1)
    y[DYNAMICS_EXPRESSION] = within((0.75 + 0.5 * (slow - 0.5) + 0.08 * arch) * (1 - 0.5 * silence), 0, 1)
