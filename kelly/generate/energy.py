"""How much should be going on: with the player in force, from half bar to half bar in what is played."""

from __future__ import annotations

from .grid import Place
from .heard import Heard

STRONG = 0.75  # metrical weight of the beats on which figures may change
_LEAP = 0.2  # a difference that does not wait for them


def effort_of(heard: Heard, notes_per_beat: float) -> float:
    """0..1, .5 as usual; the player's level answers within a bar, the mood more slowly."""
    level = 0.5 * heard.level_slow + 0.5 * heard.level_peak - 0.5
    value = 0.5 + 0.28 * heard.arousal + 0.5 * level + 0.05 * (min(notes_per_beat, 4.0) - 1.5)
    return max(0.0, min(1.0, value)) if value == value else 0.5


class Energy:
    """What figures go by: the effort of the last strong beat, so that none breaks off within a half bar; a leap counts at the next beat."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._value: float | None = None

    def at(self, place: Place, effort: float) -> float:
        """Places come in order; 0..1."""
        if self._value is None or (place.sub == 0 and (place.weight >= STRONG or abs(effort - self._value) >= _LEAP)):
            self._value = effort
        return self._value
