"""The pocket: where the foot falls, for the drummer and for the bass player, who listen to each other.

A pattern is drawn for two bars and repeats, so that it is a groove and not dice: probabilities near 1
or 0 always hold, the doubtful steps are decided by the hash.
"""

from __future__ import annotations

from functools import lru_cache

from .draw import draw
from .metres import metre_of, row_of
from .moment import Moment
from .settings import DRUMS

_NET_BEATS = 4  # the groove net's bar
HALF = -0.5  # groove.half_double below which the backbeat comes once a bar
TRIPLET_FEEL = 0.58  # swing from which eighths are heard as swung
_ONE = {"kick": "x", "cymbal": "X", "comping": "x", "bass": "r"}  # of a bar that nobody counts: its first beat
_SALT_BAR = 21
_ANSWERING = 0.4  # complexity from which the last bar of a phrase may differ


def counts_four(moment: Moment) -> bool:
    """Whether the bar is the groove net's: four beats of four sixteenths."""
    return moment.place.beats_per_bar == _NET_BEATS and not moment.place.ternary


def half_time(moment: Moment) -> bool:
    return counts_four(moment) and (moment.heard.groove.half_double < HALF or "half time" in moment.breaks)


def kicks(moment: Moment) -> frozenset[int]:
    """Steps of this bar on which the foot falls."""
    place = moment.place
    if "metric modulation" in moment.breaks:
        if place.ternary:  # twos against threes: every second eighth is a beat, every fourth the foot's
            return frozenset(step for step in range(moment.bar_steps) if step % 4 < 3 and (3 * (step // 4) + step % 4) % 4 == 0)
        return frozenset(range(0, moment.bar_steps, 6))
    low = moment.heard.groove.low if moment.uses("groove") else _PLAIN
    if counts_four(moment):
        return _kicks(moment.seed, place.bar % 2, low, half_time(moment))
    bar = written(moment, "kick")
    return frozenset(step for step, mark in enumerate(bar) if mark == "x" or (mark == "o" and _doubtful(moment.seed, place.bar % 2, step, low)))


def written(moment: Moment, part: str) -> str:
    """The bar that the metre's table has for a part here: one for the piece in each row of energy; a phrase's last may be another."""
    metre = metre_of(moment.place)
    if metre is None:
        return _ONE.get(part, ".").ljust(moment.bar_steps, ".")
    level = row_of(moment.energy)
    row = getattr(metre, part)[level]
    answers = moment.beats_left <= moment.place.beats_per_bar and moment.complexity >= _ANSWERING
    return str(row[int(draw(moment.seed, DRUMS, 0, level, _SALT_BAR + answers) * len(row))])


def _doubtful(seed: int, parity: int, step: int, low: tuple[float, ...]) -> bool:
    """What the net thinks of this place of a beat, wherever in a bar of four it would be likeliest."""
    likely = max(low[step % 4 :: 4])
    return likely >= 0.25 + 0.5 * draw(seed, DRUMS, parity, step, 1)


def backbeats(moment: Moment) -> tuple[int, ...]:
    """Beats of the bar on which the snare answers."""
    if not counts_four(moment):
        return tuple(step // 4 for step, mark in enumerate(written(moment, "snare")) if mark != "." and step % 4 == 0)
    return (2,) if half_time(moment) else (1, 3)


_PLAIN = (0.95, *[0.05] * 7, 0.9, *[0.05] * 7)


@lru_cache(maxsize=32)
def _kicks(seed: int, parity: int, low: tuple[float, ...], halved: bool) -> frozenset[int]:
    found = {0}
    for step in range(1, 16):
        if low[step] >= 0.25 + 0.5 * draw(seed, DRUMS, parity, step, 1) and not (halved and step in (4, 12)):
            found.add(step)
    return frozenset(found)
