"""Does the player slow down towards an end?  A ritardando is beats that grow, each longer than the one before."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from .grid import Grid

BEATS = 5  # that must have grown
GROWTH = 1.12  # in all
SETTLED_BEATS = 16  # of a trusted beat, before a change of tempo means anything
STEADY = 1.06  # of the tempo before, where the player is back in time


class Slowing:
    """Follows the beats as the tracker has them.

    steady  the tempo is again what it was before the newest ritardando
    """

    def __init__(self) -> None:
        self._lengths: deque[float] = deque(maxlen=BEATS)
        self._beat = -1
        self._trusted = 0
        self._before = 0.0
        self.steady = True

    def hear(self, grid: Grid, trusted: bool) -> bool:
        """Take every tick; True at the beat that makes it a ritardando."""
        if grid.beat == self._beat:
            return False
        self._beat = grid.beat
        self._trusted = self._trusted + 1 if trusted else 0
        self._lengths.append(grid.beat_frames)
        self.steady = not self._before or grid.beat_frames <= STEADY * self._before
        if self._trusted < SETTLED_BEATS or len(self._lengths) < BEATS:
            return False
        lengths = list(self._lengths)
        grown = all(b >= a * 1.01 for a, b in pairwise(lengths))
        if not (grown and lengths[-1] >= GROWTH * lengths[0]):
            return False
        self._before, self.steady = lengths[0], False
        self._lengths.clear()
        return True
