"""A part that is locked repeats what it has played, to the hit and the breath, until it is let go.

What a part plays is remembered by the 16th it was planned for.  A lock takes the newest phrase, or the whole
bars there have been of it, and plays that again: pitches, force, timing and lengths, placed on the grid as it is now.
"""

from __future__ import annotations

from dataclasses import dataclass

_KEPT = 448  # steps remembered: 16 bars of 7/4, the longest phrase there is

_SWEEP = 64  # steps between two looks at what is old


@dataclass(frozen=True, slots=True)
class Struck:
    """A note as it was planned.

    after_beats, length_beats   from the even place of its step, and how long
    tied                        it goes on from the step before, if it still sounds
    """

    pitch: int
    velocity: int
    after_beats: float
    length_beats: float
    tied: bool = False


class Loop:
    """One part's memory.

    thread  [conductor]
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._played: dict[int, tuple[list[Struck], bool]] = {}
        self._first: int | None = None  # the first step that was planned
        self._newest = self._swept = 0  # the last step remembered, and the one at which old ones were forgotten
        self._at: int | None = None
        self._length = 0

    @property
    def locked(self) -> bool:
        return self._length > 0

    def hear(self, step: int, notes: list[Struck], rests: bool) -> None:
        """What was planned for a step; ``rests``: what sounded ended there.  Steps come in order."""
        if self.locked:
            return
        if self._first is None or (self._played and step < self._newest):
            self._played.clear()  # the grid began anew
            self._first = self._swept = step
        if notes or rests:
            self._played[step], self._newest = (notes, rests), step
        if step - self._swept >= _SWEEP:
            self._played = {at: row for at, row in self._played.items() if at > step - _KEPT}
            self._swept = step

    def lock(self, step: int, phrase_steps: int, bar_steps: int) -> bool:
        """Repeat the newest phrase from ``step``, the next to be planned, on; False before a bar has been played."""
        if self.locked or self._first is None:
            return self.locked
        length = min(phrase_steps, _KEPT, (step - self._first) // bar_steps * bar_steps)
        if length <= 0:
            return False
        self._at, self._length = step, length
        return True

    def release(self) -> None:
        """Plan again, from the next step on."""
        self._at, self._length = None, 0
        self._played, self._first = {}, None

    def again(self, step: int) -> tuple[list[Struck], bool]:
        """What a locked part plays at a step, and whether what sounds ends there."""
        assert self._at is not None
        return self._played.get(self._at - self._length + (step - self._at) % self._length, ([], False))
