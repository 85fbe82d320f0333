"""The pocket: where the foot falls, for the drummer and for the bass player, who listen to each other.

A pattern is drawn for two bars and repeats, so that it is a groove and not dice: probabilities near 1
or 0 always hold, the doubtful steps are decided by the hash.
"""

from __future__ import annotations

from functools import lru_cache

from .draw import draw
from .moment import Moment
from .settings import DRUMS

# Beats per bar -> the beats that a bar of it leans on, and those that answer.
LEANS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    1: ((0,), ()), 2: ((0,), (1,)), 3: ((0,), (1, 2)), 4: ((0, 2), (1, 3)), 5: ((0, 3), (2, 4)),
    6: ((0, 3), (3,)), 7: ((0, 4), (2, 6)),
}  # fmt: skip
_NET_BEATS = 4  # the groove net's bar
HALF = -0.5  # groove.half_double below which the backbeat comes once a bar
TRIPLET_FEEL = 0.58  # swing from which eighths are heard as swung


def half_time(moment: Moment) -> bool:
    return moment.place.beats_per_bar == _NET_BEATS and (moment.heard.groove.half_double < HALF or "half time" in moment.breaks)


def kicks(moment: Moment) -> frozenset[int]:
    """Steps of this bar on which the foot falls."""
    place = moment.place
    if "metric modulation" in moment.breaks:
        return frozenset(range(0, moment.bar_steps, 6))
    low = moment.heard.groove.low if moment.uses("groove") else _PLAIN
    return _kicks(moment.seed, place.bar % 2, place.beats_per_bar, low, half_time(moment))


def backbeats(moment: Moment) -> tuple[int, ...]:
    """Beats of the bar on which the snare answers."""
    if half_time(moment):
        return (2,)
    beats = moment.place.beats_per_bar
    return LEANS[beats][1] if beats in LEANS else tuple(range(1, beats, 2))


_PLAIN = (0.95, *[0.05] * 7, 0.9, *[0.05] * 7)


@lru_cache(maxsize=256)
def _kicks(seed: int, parity: int, beats: int, low: tuple[float, ...], halved: bool) -> frozenset[int]:
    if beats != _NET_BEATS:  # the net thinks in bars of four: elsewhere the metre alone says where the weight lies
        leans = LEANS.get(beats, ((0,), ()))[0]
        return frozenset(4 * beat for beat in leans if beat == 0 or low[8] >= 0.4)
    found = {0}
    for step in range(1, 16):
        if low[step] >= 0.25 + 0.5 * draw(seed, DRUMS, parity, step, 1) and not (halved and step in (4, 12)):
            found.add(step)
    return frozenset(found)
