"""Inputs as the engine really meets them, and what the rules answer to them.

Everything is drawn from one seed.  Rows come as sequences (B, T, I): pieces for the recognizer,
phrases for the melody net; the other three nets have no memory and get T = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import DYNAMICS_IN, EMBEDDING, FEATURES, HARMONY_IN, MELODY_IN, N_MEL, N_MOOD
from kelly._rt.stream.features import FeatureExtractor
from kelly._rt.stream.rules import Rule
from training.tunes import PROGRESSIONS, RATE_HZ, SCALES, piece

Array = NDArray[np.float32]

PIECE_S, PIECE_ROWS = 24, 600
PHRASE_STEPS = 64

# Ranges that the front end documents for its descriptors, for walks that go where no piece went.
WALKS = {
    "slow_level": (-1.2, 0.6), "centroid": (-3.5, 2.5), "flux": (0, 0.6), "onset_fraction": (0, 0.4),
    "log2_notes_per_second": (-2, 4), "decay": (0, 5), "major_minus_minor": (-0.5, 0.5),
    "major_maximum": (0.3, 0.98), "minor_maximum": (0.3, 0.98), "high_energy": (-5, 0), "low_energy": (-5, 0),
    "high_minus_low": (-5, 5), "third_balance": (-1, 1), "key_confidence": (0, 1), "inter_onset_interval": (-3, 3),
}  # fmt: skip


@dataclass(frozen=True)
class Material:
    """Inputs (B, T, I) and the rule's answers (B, T, O); a step of weight 0 pads a shorter sequence."""

    x: Array
    y: Array
    weight: Array  # (B, T)

    def part(self, rows: slice) -> Material:
        return Material(self.x[rows], self.y[rows], self.weight[rows])


def features_of(samples: Array, rate_hz: int) -> Array:
    """Feature rows of a recording by the live front end."""
    extractor = FeatureExtractor()
    extractor.prepare(rate_hz)
    return extractor.push(np.ascontiguousarray(samples, np.float32))


def answers(net: str, x: Array) -> Array:
    """The rule's answers to sequences, each from reset."""
    rule = Rule(net)
    out = np.empty((*x.shape[:2], rule.out_size), np.float32)
    for block, answer in zip(x, out, strict=True):
        rule.reset()
        rule.process(block, answer)
    return out


def walk(rng: np.random.Generator, steps: int, low: float, high: float) -> Array:
    """A smooth random walk whose values fill low..high evenly."""
    knots = rng.uniform(low, high, steps // 50 + 3)
    at = np.linspace(0, len(knots) - 1.001, steps)
    return np.interp(at, np.arange(len(knots)), knots).astype(np.float32)


def recognizer(rng: np.random.Generator, n_pieces: int) -> Material:
    """Feature rows: synthesised pieces, some with a silent end, and as many walks through the descriptors."""
    pieces = []
    for _ in range(n_pieces):
        samples = piece(rng, PIECE_S)
        if rng.random() < 0.3:
            samples[int(rng.uniform(6, 20) * RATE_HZ) :] = 0
        pieces.append(features_of(samples, RATE_HZ)[:PIECE_ROWS])
    real = np.stack(pieces)
    walked = real[rng.permutation(n_pieces)].copy()
    walked[:, :, :N_MEL] += rng.normal(0, 0.15, (n_pieces, 1, 1)).astype(np.float32)
    for row in walked:
        for name, (low, high) in WALKS.items():
            row[:, FEATURES[name].start] = walk(rng, PIECE_ROWS, low, high)
        row[:, FEATURES["mode_sign"].start] = np.sign(row[:, FEATURES["major_minus_minor"].start])
    x = np.empty((2 * n_pieces, PIECE_ROWS, FEATURES.size), np.float32)
    x[0::2], x[1::2] = real, walked
    return Material(x, answers("emotionrecognizer", x), np.ones(x.shape[:2], np.float32))


def embeddings(rng: np.random.Generator, material: Material, n: int) -> Array:
    """Embeddings (n, 64) as the recognizer gives them, moved about so that every corner of the mood is met."""
    bank = material.y[:, 50:].reshape(-1, EMBEDDING.size)
    out = bank[rng.integers(len(bank), size=n)].copy()
    for name, spread in (("valence", 0.5), ("arousal", 0.5), ("tension", 0.4), ("mode", 0.4), ("density", 0.4),
                         ("level", 0.4), ("register", 0.3), ("articulation", 0.4), ("brightness", 0.4)):  # fmt: skip
        k = EMBEDDING[name].start
        out[:, k] = np.tanh(np.arctanh(np.clip(out[:, k], -0.98, 0.98)) + rng.normal(0, spread, n))
    for name, low in (("pulse_clarity", 0), ("dissonance", 0), ("key_clarity", 0), ("swing", -1), ("ternary", -1)):
        k = EMBEDDING[name].start
        known = rng.random(n) < 0.5
        out[known, k] = rng.uniform(low, 1, int(known.sum()))
    k = EMBEDDING["harmonic_rhythm"].start
    out[:, k] = rng.uniform(-0.5, 0.5, n)
    return out


def melody(rng: np.random.Generator, moods: Array) -> Material:
    """Phrases sampled from the rule's own process, one per mood, with some steps that it wouldn't take."""
    n = len(moods)
    steps, at = PHRASE_STEPS, {name: MELODY_IN[name].start for name in (field.name for field in MELODY_IN.fields)}
    per_bar = rng.choice([8, 8, 8, 8, 6], n)
    length = per_bar * rng.choice([2, 4, 4, 8], n)
    mode = np.where(moods[:, EMBEDDING["mode"].start] + rng.normal(0, 0.3, n) > 0, 1, -1)
    progressions = np.stack([_progression(rng, int(m)) for m in mode])  # (n, 8 bars, 12)
    progressions[rng.random(n) < 0.08] = 0
    drift = rng.normal(0, 0.004, (n, N_MOOD)).astype(np.float32)
    x = np.zeros((n, steps, MELODY_IN.size), np.float32)
    y = np.zeros((n, steps, 128), np.float32)
    last = np.full(n, -1)
    before = np.full(n, -1)
    since = np.zeros(n)
    rule = Rule("melodytransformer")
    for t in range(steps):
        row = np.zeros((n, MELODY_IN.size), np.float32)
        row[:, :N_MOOD] = np.clip(moods[:, :N_MOOD] + t * drift, -1, 1)
        known = np.flatnonzero(last >= 0)
        row[known, at["previous_degree"] + last[known] % 12] = 1
        row[:, at["chord_tones"] : at["chord_tones"] + 12] = progressions[np.arange(n), (t // per_bar) % 8]
        row[:, at["interval"]] = np.where((last >= 0) & (before >= 0), np.clip((last - before) / 12, -1, 1), 0)
        row[:, at["since_onset"]] = np.where(last >= 0, np.minimum(since / 8, 1), 0)
        row[:, at["beat_cos"]] = np.cos(np.pi * t)
        angle = 2 * np.pi * (t % per_bar) / per_bar
        row[:, at["bar_sin"]], row[:, at["bar_cos"]] = np.sin(angle), np.cos(angle)
        row[:, at["phrase_position"]] = np.minimum(t / length, 1)
        row[:, at["phrase_end"]] = (length - t) <= per_bar / 2
        x[:, t] = row
        answer = rule(row)
        y[:, t] = answer
        drawn = (np.cumsum(answer, axis=1) < rng.random((n, 1)) * answer.sum(1, keepdims=True)).sum(1).clip(0, 127)
        drawn[rng.random(n) < 0.12] = 0  # the player leaves no room
        odd = rng.random(n) < 0.03
        drawn[odd] = rng.integers(52, 88, int(odd.sum()))
        struck = drawn >= 2
        before[struck], last[struck] = last[struck], drawn[struck]
        since = np.where(struck, 1, since + 1)
    weight = (np.arange(steps)[None] < length[:, None]).astype(np.float32)
    return Material(x, y, weight)


def _progression(rng: np.random.Generator, mode: int) -> Array:
    """Chord tones of eight bars, relative to the tonic."""
    scale = set(SCALES[mode])
    roots = PROGRESSIONS[mode][int(rng.integers(6))]
    bars = np.zeros((8, 12), np.float32)
    for bar in range(8):
        root = roots[bar % 4]
        tones = [root, root + (4 if (root + 4) % 12 in scale or root == 7 else 3), root + 7]
        if rng.random() < 0.2:
            tones.append(root + 10)
        bars[bar, [tone % 12 for tone in tones]] = 1
    return bars


def harmony(rng: np.random.Generator, feelings: Array) -> Material:
    """Moments before a chord decision: what is heard fits the chord that sounds, the coming one, or neither."""
    n = len(feelings)
    x = np.zeros((n, HARMONY_IN.size), np.float32)
    x[:, : EMBEDDING.size] = feelings
    at = {field.name: field.start for field in HARMONY_IN.fields}
    kinds = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 3, 6))
    for row in x:
        mode = 1 if rng.random() < 0.5 else -1
        scale = SCALES[mode]
        row[at["mode"]] = mode if rng.random() < 0.9 else 0
        row[at["key_confidence"]] = rng.random()
        root = int(rng.choice(scale)) if rng.random() < 0.8 else int(rng.integers(12))
        quality = int(rng.choice(5, p=(0.42, 0.32, 0.12, 0.09, 0.05)))
        if rng.random() < 0.94:
            row[at["previous_root"] + root] = 1
            row[at["previous_quality"] + quality] = 1
            row[at["chord_age"]] = min(1, rng.integers(1, 10) / 8)
            if rng.random() < 0.9:
                row[at["root_before"] + int(rng.choice(scale))] = 1
        if rng.random() < 0.97:
            row[at["beat_in_bar"] + int(rng.integers(4))] = 1
        angle = 2 * np.pi * rng.integers(32) / 32
        row[at["phrase_sin"]], row[at["phrase_cos"]] = np.sin(angle), np.cos(angle)
        row[at["harmonic_rhythm"]] = rng.beta(1.5, 4)
        row[at["density"]] = rng.beta(1.5, 3)
        if rng.random() < 0.94:
            next_root, next_quality = int(rng.choice(scale)), int(rng.integers(5))
            lean = rng.beta(0.6, 0.6)  # how much of the coming chord is heard already
            near, far = rng.random(12) ** 4 * 0.4, rng.random(12) ** 2 * 0.4
            for tone in kinds[quality]:
                near[(root + tone) % 12] += (1 - lean) * rng.uniform(0.4, 1)
            for tone in kinds[next_quality]:
                near[(next_root + tone) % 12] += lean * rng.uniform(0.4, 1)
            far[list(scale)] += rng.uniform(0.2, 1, 7)
            row[at["chroma_2s"] : at["chroma_2s"] + 12] = near / near.sum()
            row[at["chroma_8s"] : at["chroma_8s"] + 12] = (0.5 * near / near.sum() + 0.5 * far / far.sum())
    return _single(x, "harmonypredictor")


def dynamics(rng: np.random.Generator, feelings: Array) -> Material:
    """Notes that a part is about to play, anywhere in a bar and a phrase, beside a player of any loudness."""
    n = len(feelings)
    at = {field.name: field.start for field in DYNAMICS_IN.fields}
    x = np.zeros((n, DYNAMICS_IN.size), np.float32)
    for name in ("valence", "arousal", "tension", "intensity", "brightness"):
        x[:, at[name]] = feelings[:, EMBEDDING[name].start]
    slow = rng.beta(3, 3, n)
    fast = np.clip(slow + rng.normal(0, 0.18, n), 0, 1)
    x[:, at["level_slow"]], x[:, at["level_fast"]] = slow, fast
    x[:, at["level_trend"]], x[:, at["level_peak"]] = fast - slow, np.maximum(fast, slow) ** rng.uniform(0.6, 1, n)
    for name, low, high in (("onset_strength", 0, 1), ("density", 0, 1), ("player_gate", 0, 1), ("log2_tempo", -1.5, 1.2),
                            ("beat_confidence", 0, 1), ("relative_pitch", -1, 1)):  # fmt: skip
        x[:, at[name]] = rng.uniform(low, high, n)
    beat, step = rng.integers(4, size=n), rng.choice(4, n, p=(0.5, 0.1, 0.3, 0.1))
    x[np.arange(n), at["beat_in_bar"] + beat] = 1
    bar, phrase = 2 * np.pi * (4 * beat + step) / 16, 2 * np.pi * rng.random(n)
    x[:, at["bar_sin"]], x[:, at["bar_cos"]] = np.sin(bar), np.cos(bar)
    x[:, at["phrase_sin"]], x[:, at["phrase_cos"]] = np.sin(phrase), np.cos(phrase)
    on_beat = np.select([beat == 0, beat == 2], [1.0, 0.75], 0.5)
    x[:, at["metrical_weight"]] = np.select([step == 0, step == 2], [on_beat, 0.25], 0)
    x[:, at["interval"]] = np.clip(rng.normal(0, 0.4, n), -1, 1)
    x[:, at["chord_tone"]] = rng.random(n) < 0.7
    x[np.arange(n), at["voice"] + rng.integers(3, size=n)] = 1
    x[:, at["previous_velocity"]] = np.where(rng.random(n) < 0.9, np.clip(rng.normal(0.6, 0.2, n), 0.05, 1), 0)
    x[:, at["since_note"]] = rng.beta(1, 4, n)
    x[:, at["silence"]] = np.where(rng.random(n) < 0.25, rng.random(n), 0)
    return _single(x, "dynamicsengine")


def groove(rng: np.random.Generator, feelings: Array) -> Material:
    """Embeddings as they come."""
    return _single(feelings, "groovepredictor")


def _single(x: Array, net: str) -> Material:
    """Rows without a past as sequences of one step."""
    return Material(x[:, None], Rule(net)(x)[:, None], np.ones((len(x), 1), np.float32))
