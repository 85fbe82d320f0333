"""From a mood to the embedding that drives the nets in the recognizer's place."""

from __future__ import annotations

from math import exp, hypot, log, tanh

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, EMOTIONS
from kelly.music.emotion import ANCHORS, Mood, distance, targets_from_mood

NEARNESS = 0.35
"""Width of an emotion's neighbourhood, as the recognizer's own rule has it."""


def embedding_from_mood(mood: Mood, swing: float | None = None) -> NDArray[np.float32]:
    """What the recognizer would say of music in this mood, with full confidence.

    mood     valence, arousal, tension in -1..1
    swing    place of the off-eighth, .5 even.. .75; None: even
    returns  float32 (64,), contract EMBEDDING; instrument family and texture, which a mood does not imply, are 0
    """
    v, a, t = mood.valence, mood.arousal, mood.tension
    targets, out = targets_from_mood(mood), np.zeros(EMBEDDING.size, np.float32)
    level = tanh(targets.level_db / 12)
    near = [exp(-(distance(mood, Mood(*ANCHORS[name])) ** 2) / (2 * NEARNESS**2)) for name in EMOTIONS]
    bright, active = 1 / (1 + exp(-5 * v)), 1 / (1 + exp(-5 * a))
    out[EMBEDDING.slice("quadrants")] = (bright * active, (1 - bright) * active, (1 - bright) * (1 - active), bright * (1 - active))
    for name, value in {
        "valence": v, "arousal": a, "tension": t,
        "dominance": tanh(0.5 * v + 0.3 * a - 0.35 * t + 0.4 * level),
        **{name: share / sum(near) for name, share in zip(EMOTIONS, near, strict=True)},
        "intensity": min(hypot(v, a), 1.0),
        "confidence": 1.0,
        "mode": 2 * targets.p_major - 1,
        "density": tanh((targets.log2_rate - 1.5) / 2),
        "level": level,
        "register": tanh((targets.centre_pitch - 66) / 24),
        "articulation": max(-1.0, min(1.0, (1 - targets.gate - 0.375) / 0.35)),
        "brightness": tanh(targets.brightness),
        "dissonance": max(0.0, 0.5 * t),
        "pulse_clarity": 0.5,
        "key_clarity": 1.0,
        "swing": -1.0 if swing is None else max(-1.0, min(1.0, (swing - 0.5) / (1 / 12) - 1.0)),
        "log_sigma_valence": log(0.4),
        "log_sigma_arousal": log(0.4),
    }.items():  # fmt: skip
        out[EMBEDDING[name].start] = value
    return out
