"""The plan of a melodic phrase: which bars repeat which, what line it draws, where it comes to rest.

Everything is a function of the place, so a phrase is planned the same whenever it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .draw import draw
from .grid import Place
from .settings import MELODY

FORMS = ("AABC", "ABAC", "ABAC", "AABC", "AAAC", "ABBC")
"""Bars of a phrase; a letter that comes again repeats the motif, the last bar closes."""

CONTOURS: Mapping[str, Callable[[float], float]] = {
    "arch": lambda t: 2.0 * math.sin(math.pi * t) - 1.0,
    "fall": lambda t: 1.0 - 2.0 * t,
    "rise and fall": lambda t: math.sin(2.0 * math.pi * min(1.0, t * 1.1) - 0.6),
    "dip": lambda t: 1.0 - 2.0 * math.sin(math.pi * t),
}
"""Share of a phrase -> -1 low..1 high."""

THEME_PHRASES = 4  # phrases that share their motifs
_LETTERS = "ABC"


@dataclass(frozen=True, slots=True)
class Plan:
    """One phrase.

    labels      a letter per bar; equal letters are equal motifs
    contour     row of CONTOURS
    theme       phrases of one theme share their motifs
    opening     an opening phrase ends on the fifth or third, a closing one on the tonic
    rest_step   16th of the last bar on which the line comes to rest
    """

    labels: str
    contour: str
    theme: int
    opening: bool
    rest_step: int


def plan_of(place: Place, seed: int) -> Plan:
    """The plan of the phrase that a place belongs to."""
    return _plan(place.phrase_start // place.phrase_beats, place.phrase_beats, place.beats_per_bar, seed)


@lru_cache(maxsize=64)
def _plan(number: int, phrase_beats: int, beats_per_bar: int, seed: int) -> Plan:
    theme = number // THEME_PHRASES
    bars = max(1, phrase_beats // beats_per_bar)
    form = FORMS[int(draw(seed, MELODY, theme, 0, 11) * len(FORMS))]
    labels = (form[:-1] * bars)[: bars - 1] + form[-1]
    contours = tuple(CONTOURS)
    contour = contours[int(draw(seed, MELODY, number, 0, 12) ** 1.3 * len(contours))]
    late = draw(seed, MELODY, number, 0, 13) < 0.55 and beats_per_bar > 2
    rest_step = 4 * ((beats_per_bar + 1) // 2) if late else 0
    return Plan(labels, contour, theme, number % 2 == 0, rest_step)


def height(plan: Plan, place: Place) -> float:
    """Of the contour here, -1..1."""
    return CONTOURS[plan.contour](place.phrase_position)
