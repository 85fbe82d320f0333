"""Small pieces of every mood, synthesised: what the recognizer is shown.

A piece is a chord progression, a bass and a line over it, played by a made-up instrument; mode,
tempo, density, register, level and articulation are drawn independently of each other and drift
within the piece, so that no cue stands in for another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
RATE_HZ = 22050

PROGRESSIONS = {
    1: ((0, 5, 7, 0), (0, 9, 5, 7), (0, 7, 9, 5), (0, 2, 7, 0), (0, 5, 2, 7), (9, 5, 0, 7)),
    -1: ((0, 5, 7, 0), (0, 8, 3, 10), (0, 10, 8, 7), (0, 3, 10, 5), (0, 5, 0, 7), (8, 10, 0, 0)),
}
SCALES = {1: (0, 2, 4, 5, 7, 9, 11), -1: (0, 2, 3, 5, 7, 8, 10)}


def piece(rng: np.random.Generator, seconds: float = 24.0) -> Array:
    """Mono float32 samples at RATE_HZ, peak below 1."""
    mode = 1 if rng.random() < 0.5 else -1
    tonic = int(rng.integers(12))
    tempo_bpm = float(2 ** rng.uniform(np.log2(55), np.log2(180)))
    beat_s = 60 / tempo_bpm
    timbre = _timbre(rng)
    centre = rng.uniform(52, 80)
    density = rng.choice([0.5, 1, 2, 2, 4])  # line notes per beat
    gate = rng.uniform(0.25, 1.05)
    level_db = rng.uniform(-9, 6) + np.cumsum(rng.normal(0, 2.5, int(seconds / beat_s) + 2))
    style = rng.choice(["line", "chords", "both", "arpeggio", "both"])
    progression = PROGRESSIONS[mode][int(rng.integers(6))]
    scale = SCALES[mode]
    out = np.zeros(int(seconds * RATE_HZ) + RATE_HZ, np.float32)
    degree = 0
    rest = rng.uniform(0, 0.15)  # of the bars
    for beat in range(int(seconds / beat_s)):
        if beat % 4 == 0:
            silent = rng.random() < rest
            if rng.random() < 0.12:  # another density from here on
                density = rng.choice([0.5, 1, 2, 4])
            if rng.random() < 0.12:
                gate = rng.uniform(0.25, 1.05)
        if silent:
            continue
        gain = 10 ** (np.clip(level_db[beat], -22, 12) / 20)
        root = progression[(beat // 4) % 4]
        chord = [root, root + (4 if (root + 4) % 12 in scale or root == 7 else 3), root + 7]  # minor has a major dominant
        start_s = beat * beat_s
        if style in ("chords", "both") and (beat % 2 == 0 or density >= 2):
            low = int(centre) - 12 - (int(centre) - 12 - tonic) % 12
            for tone in chord:
                _add(out, timbre, low + tone, start_s, beat_s * gate * (2 if density < 2 else 1), 0.5 * gain)
            if beat % 4 == 0:
                _add(out, timbre, low - 12 + root, start_s, beat_s * 2, 0.6 * gain)
        if style == "chords":
            continue
        if density < 1 and beat % 2:
            continue
        for k in range(max(1, int(density))):
            if style == "arpeggio":
                pitch = int(centre) - (int(centre) - tonic) % 12 + chord[(beat * int(max(1, density)) + k) % 3]
            else:
                degree = int(np.clip(degree + rng.integers(-2, 3), -5, 8))
                if k == 0 and rng.random() < 0.6:  # strong beats like chord tones
                    degree += (0 if scale[degree % 7] in {c % 12 for c in chord} else 1)
                pitch = int(centre) - (int(centre) - tonic) % 12 + 12 * (degree // 7) + scale[degree % 7]
            step_s = beat_s / max(1, density) if density >= 1 else 2 * beat_s
            _add(out, timbre, pitch, start_s + k * step_s, step_s * gate, gain)
    out += rng.normal(0, 10 ** (rng.uniform(-80, -60) / 20), out.shape).astype(np.float32)
    peak = float(np.abs(out).max())
    return out[: int(seconds * RATE_HZ)] * np.float32(10 ** (rng.uniform(-24, -1) / 20) / max(peak, 1e-6))


def _timbre(rng: np.random.Generator) -> dict[str, float]:
    """A made-up instrument: partials, how fast they fall, attack, decay, noise."""
    return {
        "partials": int(rng.integers(2, 14)),
        "fall": rng.uniform(0.6, 2.2),
        "odd": rng.uniform(0.1, 1.0) if rng.random() < 0.3 else 1.0,
        "attack_s": float(10 ** rng.uniform(-2.7, -1.0)),
        "decay_s": float(10 ** rng.uniform(-0.7, 0.9)),
        "release_s": float(10 ** rng.uniform(-1.6, -0.5)),
        "stretch": rng.uniform(0, 3e-4),
    }


def _add(out: Array, timbre: dict[str, float], pitch: float, start_s: float, length_s: float, gain: float) -> None:
    """Add one note."""
    n = int((length_s + 3 * timbre["release_s"]) * RATE_HZ)
    begin = int(start_s * RATE_HZ)
    n = min(n, out.shape[0] - begin)
    if n <= 0:
        return
    t = np.arange(n, dtype=np.float32) / RATE_HZ
    envelope = np.minimum(t / timbre["attack_s"], 1) * np.exp(-t / timbre["decay_s"])
    envelope *= np.where(t < length_s, 1, np.exp(-(t - length_s) / timbre["release_s"]))
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    wave = np.zeros(n, np.float32)
    for k in range(1, int(timbre["partials"]) + 1):
        f = f0 * k * (1 + timbre["stretch"] * k * k)
        if f > 0.45 * RATE_HZ:
            break
        wave += (timbre["odd"] if k % 2 == 0 else 1) * k ** -timbre["fall"] * np.sin(2 * np.pi * f * t)
    out[begin : begin + n] += np.float32(0.2 * gain) * envelope.astype(np.float32) * wave
