"""Which rules are broken where: asked for by an intent, or chosen by tension; and what that does to a chord."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..music.breaks import BREAK_NAMES, BREAKS, fitting
from ..music.chord import DIM, DOMINANT, MAJ, MIN, MINOR_SEVENTH, Chord
from ..music.emotion import Mood
from ..music.scale import MAJOR, MINOR
from .draw import draw
from .grid import Place
from .heard import Heard
from .moment import NO_BREAKS
from .settings import ConductorSettings

_ROW = 100  # of the draws, behind the parts'
TENSE, RELAXED = 0.4, 0.3  # tension from which a rule may be broken unasked: hysteresis
WILD = 0.75  # from which a break may leave a key that was not given
SURE = 0.3  # confidence in the mood below which nothing is chosen by it
AUTOMATIC = 0.5  # chance at full tension, for a phrase
ABSENT = 0.08  # share of the player's chroma below which a tone is left alone

# Breaks of a moment: at the end of a phrase, or for a bar here and there.
_AT_THE_END = ("dropped beat", "metric modulation")
_BY_BAR = ("displacement", "metric modulation")

# (mode, degree, quality) -> (degree, quality) of the parallel mode, and the tones replaced and brought, from the tonic.
BORROWED: Mapping[tuple[int, int, int], tuple[int, int, int, int]] = {
    (MAJOR, 5, MAJ): (5, MIN, 9, 8),
    (MAJOR, 2, MIN): (2, DIM, 9, 8),
    (MAJOR, 2, MINOR_SEVENTH): (2, DIM, 9, 8),
    (MAJOR, 7, MAJ): (7, MIN, 11, 10),
    (MINOR, 5, MIN): (5, MAJ, 8, 9),
    (MINOR, 7, MIN): (7, MAJ, 10, 11),
    (MINOR, 0, MIN): (0, MAJ, 3, 4),
}


class Breaker:
    """Remembers what is broken in the present phrase.

    said    sentences about the breaks begun, in order, for whoever takes them
    """

    def __init__(self, settings: ConductorSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        self.said: list[str] = []
        self._phrase: int | None = None
        self._tense = False
        self._chosen: tuple[str, float] | None = None
        self._bar: int | None = None
        self._active: Mapping[str, float] = NO_BREAKS

    def at(self, place: Place, heard: Heard, complexity: float) -> Mapping[str, float]:
        """Breaks in force at a place: name -> severity; places come in order."""
        phrase = place.phrase_start
        if phrase != self._phrase:
            self._phrase, self._chosen = phrase, self._choose(place, heard, complexity)
        if place.bar != self._bar:
            before, self._bar = self._active, place.bar
            self._active = MappingProxyType(self._in_bar(place)) if self._settings.breaks or self._chosen else NO_BREAKS
            for name, severity in self._active.items():
                if name not in before:
                    self.said.append(self._sentence(name, severity, place, heard))
        return self._active

    def _choose(self, place: Place, heard: Heard, complexity: float) -> tuple[str, float] | None:
        """Unasked: one break for a phrase, when the music is tense and the mood is clear."""
        self._tense = heard.tension >= (RELAXED if self._tense else TENSE)
        if not self._tense or heard.mood_confidence < SURE or "breaks" in self._settings.without:
            return None
        severity = min(1.0, (heard.tension - RELAXED) / (1.0 - RELAXED) + 0.2)
        chance = AUTOMATIC * severity * 2.0 * complexity
        if draw(self._settings.seed, _ROW, place.phrase_start, 0) >= chance:
            return None
        inside = self._settings.key_given or heard.tension < WILD
        return fitting(Mood(heard.valence, heard.arousal, heard.tension), within_key=inside), severity

    def _in_bar(self, place: Place) -> dict[str, float]:
        wanted = [(item.name, item.severity, True) for item in self._settings.breaks]
        if self._chosen is not None:
            wanted.append((*self._chosen, False))
        last = place.phrase_beats - place.phrase_beat <= place.beats_per_bar
        active: dict[str, float] = {}
        for name, severity, asked in wanted:
            row = _ROW + 1 + BREAK_NAMES.index(name)
            chance = severity if asked else 1.0
            if name in _AT_THE_END and not last:
                chance *= 0.0 if name == "dropped beat" else 0.35
            elif name in _BY_BAR:
                chance *= 0.5
            if draw(self._settings.seed, row, place.bar // 2 if name not in _AT_THE_END + _BY_BAR else place.bar, 0) < chance:
                active[name] = max(severity, active.get(name, 0.0))
        return active if "breaks" not in self._settings.without else {}

    def _sentence(self, name: str, severity: float, place: Place, heard: Heard) -> str:
        row = BREAKS[name]
        asked = any(item.name == name for item in self._settings.breaks)
        why = "the intent asks for it" if asked else f"tension is {heard.tension:+.2f}"
        return f"bar {place.bar + 1 - self._settings.count_in_bars}: {name} ({severity:.1f}): {row.changes}, for {why}: {row.feeling}"


def broken_chord(chord: Chord | None, breaks: Mapping[str, float], heard: Heard) -> tuple[Chord | None, str]:
    """The chord that the band plays in place of ``chord``, and the break that made it so ("" for none)."""
    if chord is None or not breaks or heard.tonic < 0 or heard.mode not in (MAJOR, MINOR):
        return chord, ""
    degree = (chord.root - heard.tonic) % 12
    if "modal interchange" in breaks:
        borrowed = BORROWED.get((heard.mode, degree, MAJ if (degree, chord.quality) == (7, DOMINANT) else chord.quality))
        if borrowed is not None and heard.chroma[(heard.tonic + borrowed[2]) % 12] < ABSENT:
            return Chord((heard.tonic + borrowed[0]) % 12, borrowed[1]), "modal interchange"
    if "tonic avoidance" in breaks and degree == 0:
        root, quality = (9, MIN) if heard.mode == MAJOR else (8, MAJ)
        return Chord((heard.tonic + root) % 12, quality), "tonic avoidance"
    return chord, ""
