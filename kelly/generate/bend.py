"""What the player's controls do to what was heard, before the parts see it.

What concerns all parts alike is done here, so that no part has to: the groove's answer, energy and room.
At the controls' defaults everything is returned as it came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .._rt.stream.rules import Rule
from ..music.controls import Controls
from .heard import Groove, Heard, read_groove

_RARE, _OFTEN = 1e-4, 1.0 - 1e-4
_PUSHED = 0.7  # power of the odds that complexity gives to the foot between the beats
_NEVER_LEARNED = ("ghost",)
"""The groove net's pieces hold next to no ghost notes: they stay the rule's."""


def bend(heard: Heard, controls: Controls) -> Heard:
    """``heard`` with a groove of more or fewer onsets (density), and of more or fewer figures and strokes between the beats (complexity)."""
    busy, figured = controls.factor("density", 4.0), controls.factor("complexity", 5.0)
    between = busy * figured**_PUSHED
    if busy == 1.0 and figured == 1.0:
        return heard
    groove = heard.groove
    return replace(
        heard,
        groove=replace(
            groove,
            low=tuple(_likelier(p, between if step % 4 else busy) for step, p in enumerate(groove.low)),
            high=tuple(_likelier(p, busy) for p in groove.high),
            density=max(0.0, min(1.0, groove.density + 0.5 * controls.lean("density"))),
            syncopation=_likelier(groove.syncopation, figured),
            ghost=_likelier(groove.ghost, figured),
            fill=_likelier(groove.fill, figured),
        ),
    )


class Drummer:
    """The groove between rule and net, as the hand on the drums wants it; the rule is asked when the net has said something new.

    thread  [conductor]
    """

    def __init__(self) -> None:
        self._rule = Rule("groovepredictor")
        self.reset()

    def reset(self) -> None:
        self._answered: bytes = b""
        self._ruled: Groove | None = None

    def mix(self, heard: Heard, tick: Any, share: float) -> Heard:
        """``heard``, which was read from ``tick``, with ``share`` 0..1 of its groove and the rest the rule's, who alone knows of ghosts."""
        answered = tick["groove"].tobytes()
        if self._ruled is None or answered != self._answered:
            self._answered, self._ruled = answered, read_groove(self._rule(tick["embedding"]))
        groove = heard.groove if share >= 1.0 else _between(self._ruled, heard.groove, share)
        return replace(heard, groove=replace(groove, **{name: getattr(self._ruled, name) for name in _NEVER_LEARNED}))


def _between(ruled: Groove, said: Groove, share: float) -> Groove:
    values: dict[str, Any] = {}
    for name in Groove.__slots__:
        a, b = getattr(ruled, name), getattr(said, name)
        values[name] = tuple(x + share * (y - x) for x, y in zip(a, b, strict=True)) if isinstance(a, tuple) else a + share * (b - a)
    return Groove(**values)


def _likelier(probability: float, odds: float) -> float:
    """A probability whose odds are multiplied; certainties are shaken only by other odds than 1."""
    if odds == 1.0:
        return probability
    p = max(_RARE, min(_OFTEN, probability))
    return odds * p / (1.0 - p + odds * p)


def energy(value: float, controls: Controls) -> float:
    """0..1: how much should be going on, with the hand on intensity."""
    return max(0.0, min(1.0, value + 0.45 * controls.lean("intensity")))


def room(value: float, controls: Controls) -> float:
    """0..3.6: what the player leaves to others, and what a hand on density takes or gives."""
    return value * controls.factor("density", 3.0)


__all__ = ["Drummer", "Groove", "bend", "energy", "room"]
