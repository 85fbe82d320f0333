"""Signals of known content for the front end: additive notes, the same at every sample rate."""

from __future__ import annotations

import functools

import numpy as np

from kelly._rt.stream.features import FeatureExtractor

RATES = (44_100, 48_000, 96_000)


def prepared(rate=48_000, isa=None):
    extractor = FeatureExtractor(isa)
    extractor.prepare(rate)
    return extractor


def hertz(pitch):
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def note(rate, seconds, f_hz, amplitude=0.2, attack_s=0.005, decay_per_s=3.0, harmonics=8, release_s=0.02):
    """One note with 1/h harmonics, all below 9 kHz: a linear attack, an exponential decay, a short release."""
    t = np.arange(round(rate * seconds)) / rate
    envelope = amplitude * np.minimum(t / attack_s, 1.0) * np.exp(-decay_per_s * t)
    envelope *= np.clip((seconds - t) / release_s, 0.0, 1.0)
    turning = np.exp(2j * np.pi * f_hz * t)  # powers of one rotation are cheaper than a sine per harmonic
    partials = [h for h in range(1, harmonics + 1) if f_hz * h < 9000]
    return envelope * np.polyval([*(1 / h for h in reversed(partials)), 0.0], turning).imag


def melody(rate, seconds=4.0, interval_s=0.25):
    """A scale of decaying notes."""
    out = np.zeros(round(rate * seconds) + rate)
    for k in range(round(seconds / interval_s)):
        start = round(k * interval_s * rate)
        played = note(rate, 0.5, hertz(60 + (0, 2, 4, 5, 7, 9, 11, 12)[k % 8]))
        out[start : start + len(played)] += played
    return out[: round(rate * seconds)].astype(np.float32)


def chords(rate, pitches, seconds=1.0, **how):
    """Block chords, one after the other; pitches are lists of MIDI numbers."""
    out = [sum(note(rate, seconds, hertz(pitch), 0.1, **how) for pitch in chord) for chord in pitches]
    return np.concatenate(out).astype(np.float32)


@functools.cache
def separate_notes(rate, attack_s, n=24, seed=0):
    """Notes 0.8 s apart over soft noise, from C3 to B5 at three dynamics; returns the samples and the attacks."""
    rng = np.random.default_rng(seed)
    out = 1e-4 * rng.standard_normal(round(rate * (1.5 + 0.8 * n)))
    attacks = np.array([round(rate * (0.5 + 0.8 * k + rng.uniform(0, 0.01))) for k in range(n)])
    for k, start in enumerate(attacks):
        played = note(rate, 0.7, hertz(rng.integers(48, 84)), (0.2, 0.1, 0.05)[k % 3], attack_s, 8.0)
        out[start : start + len(played)] += played
    return out.astype(np.float32), attacks
