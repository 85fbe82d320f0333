"""Chance without a stream: every draw is a hash of where it is made.

So the same place in the music always draws the same number, whatever was asked before it.

source  Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators" (splitmix64's finalizer)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def draw(seed: int, part: int, bar: int, step: int, salt: int = 0) -> float:
    """Uniform in [0, 1).

    part  row of the parts table     bar   number of the bar, any sign
    step  16th within the bar        salt  tells several draws of one step apart
    """
    h = _mix((seed + _GOLDEN) & _MASK)
    for value in (part, bar, step, salt):
        h = _mix((h + (value & _MASK) * _GOLDEN + _GOLDEN) & _MASK)
    return (h >> 11) * 2.0**-53


def draw_signed(seed: int, part: int, bar: int, step: int, salt: int = 0) -> float:
    """Symmetric around 0 in (-1, 1), triangular: small values are likelier than large ones."""
    return draw(seed, part, bar, step, salt) - draw(seed, part, bar, step, ~salt)


def drift(seed: int, part: int, step: int, salt: int = 0) -> float:
    """A person's unsteadiness around 0 in (-1, 1): what is off at one step is off in the same way at the next.

    step    number of the 16th since the grid began, any sign
    source  the sum of octaves of Voss & Clarke 1978, '"1/f noise" in music', here with four and interpolated
    """
    total = 0.0
    for octave in range(4):
        place, left = divmod(step, 1 << octave + 1)
        share = left / (1 << octave + 1)
        total += (1.0 - share) * _corner(seed, part, octave, place, salt) + share * _corner(seed, part, octave, place + 1, salt)
    return max(-1.0, min(1.0, 0.4 * total))


_corner = lru_cache(maxsize=512)(draw_signed)
"""The same few numbers, for every note of a step and for the steps between."""


def choose(weights: Sequence[float], u: float) -> int:
    """Index drawn in proportion to ``weights`` (>= 0) by a uniform ``u``; -1 when all are 0."""
    total = sum(weights)
    if not total > 0:
        return -1
    target, last = u * total, -1
    for i, weight in enumerate(weights):
        if weight > 0:
            last = i
            target -= weight
            if target < 0:
                break
    return last
