# The player's level and what it is measured against.
#
# Mezzo-forte is the mean power of the playing heard so far: of the hops above the gate and above
# -30 dB of the estimate itself, so that pauses do not count and the gain knob cancels.  It is a
# running mean from the first such hop on, is finished after 10 s of playing, and then drifts slower
# than 1 dB per minute.  Before anything was played it stands at -20 dBFS.  Two seconds of playing
# entirely below those -30 dB within the first ten mean that it heard a knock, not music: it starts over.

from libc.math cimport log10, pow

cdef enum:
    LEARNING_HOPS = 1000    # 10 s
    KNOCK_HOPS = 200        # 2 s

cdef double UNHEARD_POWER = 0.01
cdef double DRIFT_DB = 0.9 / 6000.0   # per hop: .9 dB per minute

cdef struct level_t:
    double gate_power
    double sum_power
    double power            # mezzo-forte, mean square
    int64_t hops            # of playing
    int64_t ignored         # hops in a row above the gate that were too soft to count


cdef void level_reset(level_t* level) noexcept nogil:
    level.sum_power = 0.0
    level.power = UNHEARD_POWER
    level.hops = level.ignored = 0


cdef double decibels(double power) noexcept nogil:
    """dB of a mean square, floor -120."""
    return 10.0 * log10(power) if power > 1e-12 else -120.0


cdef void level_learn(level_t* level, double power) noexcept nogil:
    """Hear one hop's mean square. [worker]"""
    cdef double excess
    if power < level.gate_power:
        return
    if level.hops > 0 and power < 1e-3 * level.power:
        level.ignored += 1
        if level.hops == LEARNING_HOPS or level.ignored < KNOCK_HOPS:
            return
        level_reset(level)
    level.ignored = 0
    if level.hops < LEARNING_HOPS:
        level.hops += 1
        level.sum_power += power
        level.power = level.sum_power / level.hops
    else:
        excess = 0.5 * (power / level.power - 1.0)  # at least -.5: the drift down is half as fast
        level.power *= pow(10.0, 0.1 * DRIFT_DB * (1.0 if excess > 1.0 else excess))
