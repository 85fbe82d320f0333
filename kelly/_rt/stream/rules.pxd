"""The five labelled fallbacks as functions on contract vectors: nogil, no allocation, no failure.

Any input, NaN and infinity included, gives finite outputs in the range of the contract.  [worker,
performer-safe] every function but ``rule_embedding`` is stateless.
"""

cdef struct rule_state:
    float valence           # smoothed, and what valence_slope is taken from
    float arousal
    float tension
    float cues[10]          # mode .. pulse_clarity and key_clarity, smoothed
    float slow_valence
    float slow_arousal
    float confidence
    int quiet_rows          # rows without sound in a row
    int rows                # rows since the reset, saturating

cdef void rule_reset(rule_state* state) noexcept nogil
# One 40 ms feature row -> embedding 64, smoothed over about a second.
cdef void rule_embedding(const float* features, float* embedding, rule_state* state) noexcept nogil
# 64 -> 128, sum 1.
cdef void rule_melody(const float* melody_in, float* melody) noexcept nogil
# 128 -> 64, sum 1.
cdef void rule_harmony(const float* harmony_in, float* harmony) noexcept nogil
# 32 -> 16, each 0..1.
cdef void rule_dynamics(const float* dynamics_in, float* dynamics) noexcept nogil
# Embedding 64 -> 32, each -1..1.
cdef void rule_groove(const float* embedding, float* groove) noexcept nogil
# By NET_... number; state is only used (and may only be NULL for others than) the recognizer.
cdef void rule_for(int net, const float* x, float* y, rule_state* state) noexcept nogil
# Overwrite the indices of y that the contract marks "rule": y is a network's answer to x.
cdef void rule_fill(int net, const float* x, float* y) noexcept nogil
cdef int rule_in_size(int net) noexcept nogil
cdef int rule_out_size(int net) noexcept nogil
