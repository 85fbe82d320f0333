"""What the player has turned, as one small value: the rows of ``kelly.controls`` by name.

A part reads it from the moment it plans for:

    odds *= moment.controls.factor("density", 3.0)      # a third .. as it is .. three times
    shift = moment.controls.lean("complexity")           # -1 none .. 0 as it is .. 1 many

At their defaults every factor is exactly 1 and every lean exactly 0, so a part that only multiplies by the one
and adds the other plays what it played without them.  Values come with the tick, so they are the same live and
offline; nothing else may be asked for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from kelly.controls import CONTROLS
from kelly.errors import ConfigError

NAMES = tuple(row[0] for row in CONTROLS)
RANGES: Mapping[str, tuple[float, float, float]] = {name: (low, high, default) for name, low, high, default, _, _ in CONTROLS}
"""Name -> lowest, highest, default."""


@dataclass(frozen=True, slots=True)
class Controls:
    """One value per row of ``kelly.controls.CONTROLS``, which says what each means; the defaults are the table's."""

    valence: float = 0.0
    arousal: float = 0.0
    tension: float = 0.0
    intensity: float = 0.5
    complexity: float = 0.5
    density: float = 0.5
    dynamics: float = 0.5
    humanize: float = 0.5
    feel: float = 0.0
    bars: float = 0.0
    bypass: float = 0.0
    blend: float = 1.0
    blend_emotion: float = 1.0
    blend_melody: float = 1.0
    blend_harmony: float = 1.0
    blend_dynamics: float = 1.0
    blend_groove: float = 1.0
    blend_chords: float = 1.0
    blend_bass: float = 1.0
    blend_drums: float = 1.0
    blend_counter: float = 1.0
    blend_pad: float = 1.0

    def lean(self, name: str) -> float:
        """How far a control is turned from its default, -1..1: 0 at the default, -1 or 1 at an end of its range."""
        low, high, default = RANGES[name]
        value = float(getattr(self, name)) - default
        span = high - default if value > 0.0 else default - low
        return value / span if span > 0.0 else 0.0

    def factor(self, name: str, most: float) -> float:
        """A factor for what a control has more or less of: 1/most .. 1 .. most."""
        return float(most ** self.lean(name))

    def nets_of(self, part: str) -> float:
        """How much of a part's own answers are nets', by the hand on it alone; name of a row of the parts table."""
        return float(getattr(self, f"blend_{part}"))

    def turned(self, name: str, value: float) -> Controls:
        """A copy with one value, kept within its range; ConfigError for another name."""
        return replace(self, **{name: within(name, value)})

    @property
    def silent(self) -> bool:
        """Kelly listens and does not play."""
        return self.bypass >= 0.5

    def values(self) -> tuple[float, ...]:
        """In the order of ``kelly.controls.CONTROLS``."""
        return tuple(getattr(self, name) for name in NAMES)


assert tuple(field.name for field in fields(Controls)) == NAMES
NEUTRAL = Controls()


def within(name: str, value: float) -> float:
    """A control's value kept within its range; ConfigError for a name that is none."""
    if name not in RANGES:
        raise ConfigError(f"no control is called {name!r}; there are: {', '.join(NAMES)}")
    low, high, _ = RANGES[name]
    return max(low, min(high, float(value)))


def from_values(values: Iterable[float]) -> Controls:
    """Of numbers in the order of ``kelly.controls.CONTROLS``."""
    return Controls(*(within(name, value) for name, value in zip(NAMES, values, strict=True)))


def read_controls(tick: Any) -> Controls:
    """Of a record of ``layout.dtype("tick")``, which holds each value less its default."""
    return _from_offsets(tick["controls"].tobytes(), tuple(tick["controls"].tolist()))


@lru_cache(maxsize=64)
def _from_offsets(key: bytes, offsets: tuple[float, ...]) -> Controls:
    """A hand rests on the controls far more often than it moves one."""
    if not any(offsets):
        return NEUTRAL
    return from_values(default + offset for (_, _, default), offset in zip(RANGES.values(), offsets, strict=True))


def from_midi(name: str, value: int) -> float:
    """What a controller's 0..127 means for a control: its range from end to end, 64 being exactly its middle."""
    low, high, _ = RANGES[name]
    share = value / 128 if value <= 64 else 0.5 + (value - 64) / 126
    return low + share * (high - low)
