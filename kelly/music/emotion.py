"""Musical cues to valence, arousal and tension, and back.

Valence, arousal and tension are contrasts of four rated emotions (happy + peaceful - sad - scary,
happy + scary - sad - peaceful, scary - peaceful); all three lie in -1..1 here.

source  Eerola, Friberg & Bresin 2013, doi 10.3389/fpsyg.2013.00487 (data doi 10.7910/DVN/IFOBRN,
        CC0), refitted; the fit's mode term of arousal is left out, an artefact of its stimuli.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, tanh

ANCHORS = {
    "joy": (0.65, 0.38, -0.24),
    "tenderness": (0.46, -0.31, -0.54),
    "sadness": (-0.03, -0.39, -0.16),
    "fear": (-0.40, 0.43, 0.74),
    "anger": (-0.41, 0.62, 0.73),
    "wonder": (0.40, 0.67, -0.13),
}
"""Valence, arousal, tension of six emotions, from ratings of 110 film clips."""

TENSION_WEIGHT = 0.5
"""How much of a distance tension makes, beside 1 for valence and for arousal."""


@dataclass(frozen=True, slots=True)
class Mood:
    """A point of the emotion space; each coordinate is in -1..1."""

    valence: float = 0.0
    arousal: float = 0.0
    tension: float = 0.0

    @property
    def name(self) -> str:
        """The nearest of the six emotions; ``neutral`` where neither valence nor arousal passes .12."""
        if abs(self.valence) < 0.12 and abs(self.arousal) < 0.12:
            return "neutral"
        return nearest_emotion(self)


@dataclass(frozen=True, slots=True)
class Cues:
    """What a listener hears of a piece.

    mode        -1 minor .. 1 major
    log2_rate   log2 of notes per second
    pitch       mean MIDI pitch
    level_db    dB around the player's mezzo-forte
    staccato    1 - gate: the silent share of a note's time, 0..1
    bright      share of bright (trumpet-like) timbre, 0..1
    dark        share of dark (horn-like) timbre, 0..1
    """

    mode: float = 0.0
    log2_rate: float = 1.5
    pitch: float = 66.0
    level_db: float = 0.0
    staccato: float = 0.375
    bright: float = 0.0
    dark: float = 0.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What the generator aims at for a mood.

    log2_rate      log2 of notes per second at 120 bpm; a density, tempo belongs to the player
    centre_pitch   MIDI pitch around which a melody lies
    level_db       dB around mezzo-forte
    gate           sounding share of a note's time
    brightness     -1..1
    p_major        probability of major; only where kelly chooses the key, never beside a player
    """

    log2_rate: float
    centre_pitch: float
    level_db: float
    gate: float
    brightness: float
    p_major: float


def mood_from_cues(cues: Cues) -> Mood:
    """The regression, each contrast scaled to unit spread and bounded by tanh."""
    valence = (
        0.1938 * cues.mode + 0.0514 * cues.log2_rate + 0.0102 * cues.pitch - 0.0077 * cues.level_db
        + 0.109 * cues.staccato - 0.091 * cues.bright - 0.076 * cues.dark - 0.740
    )  # fmt: skip
    arousal = (
        0.1454 * cues.log2_rate - 0.0021 * cues.pitch + 0.0093 * cues.level_db + 0.143 * cues.staccato
        + 0.114 * cues.bright + 0.128 * cues.dark - 0.225
    )  # fmt: skip
    tension = (
        -0.0984 * cues.mode + 0.0939 * cues.log2_rate - 0.0122 * cues.pitch + 0.0170 * cues.level_db
        + 0.034 * cues.staccato + 0.205 * max(cues.bright, cues.dark) + 0.515
    )  # fmt: skip
    return Mood(tanh(valence / 0.6), tanh(arousal / 0.6), tanh(tension / 0.8))


def targets_from_mood(mood: Mood) -> Targets:
    """The minimum-norm inverse: the smallest change of cues that says this mood."""
    v, a = mood.valence, mood.arousal
    return Targets(
        log2_rate=1.5 + 0.83 * (-0.12 * v + 0.89 * a),
        centre_pitch=68 + 10 * (0.69 * v - 0.42 * a),
        level_db=7 * (-0.53 * v + 0.65 * a),
        gate=1 - (0.375 + 0.29 * (0.07 * v + 0.23 * a)),
        brightness=-0.44 * v + 0.56 * a,
        p_major=1 / (1 + exp(-2 * (0.88 * v + 0.29 * a))),
    )


def tension_from(valence: float, arousal: float) -> float:
    """Tension of a set that rates valence and arousal only."""
    return max(-1.0, min(1.0, -0.78 * valence + 0.51 * arousal))


def distance(one: Mood, other: Mood) -> float:
    """Weighted Euclidean distance; tension counts half."""
    dv, da, dt = one.valence - other.valence, one.arousal - other.arousal, one.tension - other.tension
    return float((dv * dv + da * da + TENSION_WEIGHT * dt * dt) ** 0.5)


def nearest_emotion(mood: Mood) -> str:
    """The name of the nearest anchor."""
    best, nearest = "", inf
    for name, anchor in ANCHORS.items():
        gap = distance(mood, Mood(*anchor))
        if gap < nearest:
            best, nearest = name, gap
    return best
