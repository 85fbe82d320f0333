"""The close: from wherever the music is to a last tonic chord, within two bars.

The final chord falls on the next bar line that leaves at least two beats to lead there, and is held for a
bar.  What leads is a dominant, before it (where there is time) a subdominant: unless the player's own chord
does so already.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..music.chord import DIM, DOMINANT, MAJ, MIN, MINOR_SEVENTH, SUS4, Chord
from ..music.scale import MINOR
from .grid import Place
from .moment import FINAL, LEADING

_LEAST_BEATS = 2
_DOMINANT, _SUBDOMINANT = 7, 5  # semitones above the tonic


@dataclass(frozen=True, slots=True)
class Close:
    """Where the end lies, in steps of the grid.

    first  from where the music is led       final  the last chord       end  nothing sounds from here on
    leads  kelly leads with a cadence; False: the player does, or has ended, and kelly goes along
    """

    first: int
    final: int
    end: int
    leads: bool = True

    def at(self, step: int) -> str:
        """What a step is: "" before, then "leading" and "final"."""
        return "" if step < self.first else LEADING if step < self.final else FINAL


def close_from(place: Place, leads: bool = True) -> Close:
    """The close that begins at a place; one that kelly need not lead comes with the next bar line."""
    left = 4 * place.beats_per_bar - place.step_in_bar
    least = 4 * min(_LEAST_BEATS, place.beats_per_bar) if leads else 1
    final = place.step + left + (0 if left >= least else 4 * place.beats_per_bar)
    return Close(place.step, final, final + 4 * place.beats_per_bar, leads)


def closing_chord(close: Close, place: Place, tonic: int, mode: int, chord: Chord | None) -> Chord | None:
    """The chord of a step of the close.

    tonic   pitch class, -1 unknown: then the chord at hand stays to the end
    mode    -1 minor, else major
    chord   what the player's harmony would have here
    """
    if tonic < 0:
        return chord
    kind = close.at(place.step)
    if kind == FINAL:
        return Chord(tonic, MIN if mode == MINOR else MAJ)
    if kind != LEADING or not close.leads:
        return chord
    left = close.final - place.step
    if left <= 2 * 4 or left <= 2 * place.beats_per_bar:
        return Chord((tonic + _DOMINANT) % 12, DOMINANT)
    if chord is not None and _leads(chord, tonic):
        return chord
    return Chord((tonic + _SUBDOMINANT) % 12, MIN if mode == MINOR else MAJ)


def _leads(chord: Chord, tonic: int) -> bool:
    """Whether a chord wants to go to the dominant or home."""
    degree = (chord.root - tonic) % 12
    return (degree, chord.quality) in _LEADING


_LEADING = {
    (2, MIN), (2, MINOR_SEVENTH), (2, DIM), (5, MAJ), (5, MIN), (7, MAJ), (7, DOMINANT), (7, SUS4), (11, DIM),
}  # fmt: skip
