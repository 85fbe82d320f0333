"""What the worker heard, as plain Python numbers: one tick record, read once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._rt.contract import EMBEDDING, GROOVE_OUT

_V, _A, _T = (EMBEDDING[name].start for name in ("valence", "arousal", "tension"))
_INTENSITY, _BRIGHT, _ARTICULATION, _REGISTER, _SURE = (
    EMBEDDING[name].start for name in ("intensity", "brightness", "articulation", "register", "confidence")
)
_LOW, _HIGH = GROOVE_OUT.slice("low"), GROOVE_OUT.slice("high")
_SWING, _OFFSET, _SPREAD, _DENSITY, _SYNCOPATION, _GHOST, _FILL, _HALF = (
    GROOVE_OUT[name].start
    for name in ("swing", "mean_offset", "offset_spread", "density", "syncopation", "ghost_rate", "fill_probability", "half_double")
)


GATE_S = 0.25  # of quiet, after which the player counts as silent


@dataclass(frozen=True, slots=True)
class Groove:
    """The groove net's answer in musical units.

    low (16), high (8)  onset probability per 16th and per 8th of a bar
    swing               place of the off-eighth within its beat, .5 (even)...75
    offset_s, spread_s  how late, and how loosely, +-.04 and 0...02
    density, syncopation, ghost, fill   0..1
    half_double         -1 half time, 1 double time
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    swing: float
    offset_s: float
    spread_s: float
    density: float
    syncopation: float
    ghost: float
    fill: float
    half_double: float


@dataclass(frozen=True, slots=True)
class Heard:
    """The fields of a tick that planning looks at; see ``_rt/layout.py`` for their units.

    mood_confidence  0..1, how far valence and arousal can be trusted
    nets             per net, in the contract's order: row of layout.SOURCES
    """

    frame: int
    beat_confidence: float
    tempo_bpm: float
    level_fast: float
    level_slow: float
    level_trend: float
    level_peak: float
    onset: float
    notes_per_s: float
    silence_s: float
    key_confidence: float
    chord_confidence: float
    playing: bool
    locked: bool
    tonic: int
    mode: int
    chroma: tuple[float, ...]
    embedding: tuple[float, ...]
    valence: float
    arousal: float
    tension: float
    intensity: float
    brightness: float
    articulation: float
    register: float
    mood_confidence: float
    nets: tuple[int, ...]
    groove: Groove

    def quiet_s(self, ahead_s: float) -> float:
        """How long nothing will have been heard from the player ``ahead_s`` after the tick; 0 while there is."""
        return 0.0 if self.playing else GATE_S + self.silence_s + ahead_s


def _signed(vector: Any) -> Any:
    """Each number pulled into -1..1, NaN to 0; float64."""
    values = np.array(vector, np.float64)
    values[values != values] = 0.0
    return np.maximum(np.minimum(values, 1.0, out=values), -1.0, out=values)


def _finite(value: Any) -> float:
    number = float(value)
    return number if math.isfinite(number) else 0.0


def read_groove(row: Any) -> Groove:
    """``row`` is contract GROOVE_OUT, 32 numbers in -1..1."""
    signed = _signed(row)
    unit = (0.5 + 0.5 * signed).tolist()  # -1..1 -> 0..1
    return Groove(
        low=tuple(unit[_LOW]),
        high=tuple(unit[_HIGH]),
        swing=0.5 + 0.25 * unit[_SWING],
        offset_s=0.04 * float(signed[_OFFSET]),
        spread_s=0.02 * unit[_SPREAD],
        density=unit[_DENSITY],
        syncopation=unit[_SYNCOPATION],
        ghost=unit[_GHOST],
        fill=unit[_FILL],
        half_double=float(signed[_HALF]),
    )


def read_tick(tick: Any) -> Heard:
    """``tick`` is a record of ``layout.dtype("tick")``."""
    embedding = tuple(_signed(tick["embedding"]).tolist())
    return Heard(
        frame=int(tick["frame"]),
        beat_confidence=_finite(tick["beat_confidence"]),
        tempo_bpm=_finite(tick["tempo_bpm"]),
        level_fast=_finite(tick["level_fast"]),
        level_slow=_finite(tick["level_slow"]),
        level_trend=_finite(tick["level_trend"]),
        level_peak=_finite(tick["level_peak"]),
        onset=_finite(tick["onset"]),
        notes_per_s=_finite(tick["notes_per_s"]),
        silence_s=_finite(tick["silence_s"]),
        key_confidence=_finite(tick["key_confidence"]),
        chord_confidence=_finite(tick["chord_confidence"]),
        playing=bool(tick["playing"]),
        locked=bool(tick["locked"]),
        tonic=int(tick["key_tonic"]),
        mode=int(tick["key_mode"]),
        chroma=tuple(tick["chroma"].tolist()),
        embedding=embedding,
        valence=embedding[_V],
        arousal=embedding[_A],
        tension=embedding[_T],
        intensity=embedding[_INTENSITY],
        brightness=embedding[_BRIGHT],
        articulation=embedding[_ARTICULATION],
        register=embedding[_REGISTER],
        mood_confidence=embedding[_SURE],
        nets=tuple(tick["source"].tolist()),
        groove=read_groove(tick["groove"]),
    )
