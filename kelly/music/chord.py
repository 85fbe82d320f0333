"""Chords: a root and one of seven qualities, their symbols and progressions of them.

**Progressions.**  Bars are separated by ``|``; chords within a bar share its beats evenly (the earlier ones
get the remainder): ``C | Am F | G`` is three bars, the second changes at its middle.  Without any
``|`` every symbol is a bar of its own: ``C Am F G`` is four bars.  ``%`` repeats the bar before.  A
leading or closing ``|`` is decoration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kelly._rt.contract import CHORD_QUALITIES
from kelly.errors import ConfigError
from kelly.music.pitch import split_name
from kelly.music.scale import Key

QUALITIES = (*CHORD_QUALITIES, "sus4", "power")
MAJ, MIN, DOMINANT, MINOR_SEVENTH, DIM, SUS4, POWER = range(7)

INTERVALS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 3, 6), (0, 5, 7), (0, 7))
SUFFIXES = ("", "m", "7", "m7", "dim", "sus4", "5")

# What people write -> the quality that holds its character.  Colour tones that no quality has are dropped.
SYMBOLS = {
    "": MAJ, "M": MAJ, "maj": MAJ, "maj7": MAJ, "M7": MAJ, "6": MAJ, "add9": MAJ, "maj9": MAJ, "aug": MAJ, "+": MAJ,
    "m": MIN, "min": MIN, "-": MIN, "m6": MIN, "madd9": MIN,
    "7": DOMINANT, "dom7": DOMINANT, "9": DOMINANT, "13": DOMINANT,
    "m7": MINOR_SEVENTH, "min7": MINOR_SEVENTH, "-7": MINOR_SEVENTH, "m9": MINOR_SEVENTH, "m11": MINOR_SEVENTH,
    "dim": DIM, "o": DIM, "°": DIM, "dim7": DIM, "o7": DIM, "m7b5": DIM, "ø": DIM,
    "sus4": SUS4, "sus": SUS4, "7sus4": SUS4, "9sus4": SUS4,
    "5": POWER,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chord:
    """A root and a quality.

    root     pitch class 0..11, 0 = C
    quality  index of QUALITIES: 0 maj, 1 min, 2 dominant 7, 3 m7, 4 dim, 5 sus4, 6 power
    """

    root: int
    quality: int = MAJ

    def __post_init__(self) -> None:
        if not 0 <= self.root <= 11 or not 0 <= self.quality < len(QUALITIES):
            raise ConfigError(f"Chord({self.root}, {self.quality}): expected a root 0..11 and a quality 0..6")

    @property
    def tones(self) -> tuple[int, ...]:
        """Pitch classes from the root up."""
        return tuple((self.root + interval) % 12 for interval in INTERVALS[self.quality])

    def symbol(self, key: Key | None = None) -> str:
        """``Am7``; the root is spelled as in ``key`` (C major when there is none)."""
        return (key or Key(0)).spell(self.root) + SUFFIXES[self.quality]

    def __str__(self) -> str:
        return self.symbol()


def parse_chord(text: str) -> Chord:
    """Read a chord symbol such as ``C``, ``Am``, ``G7``, ``Dm7``, ``Bdim``, ``F#``, ``Gsus4``, ``C5``.

    text     richer symbols are folded (``Cmaj7`` -> C, ``G9`` -> G7, ``Bm7b5`` -> Bdim); the bass of ``C/E`` is dropped
    returns  the Chord
    raises   ConfigError naming the part that was not understood
    """
    body, _, bass = text.strip().partition("/")
    root, suffix = split_name(body)
    if suffix not in SYMBOLS:
        raise ConfigError(
            f"{text!r}: chord type {suffix!r} is not known; known are {', '.join(s for s in SYMBOLS if s)}"
        )
    if bass:
        _, rest = split_name(bass)
        if rest:
            raise ConfigError(f"{text!r}: {bass!r} after the slash is not a note name")
    return Chord(root, SYMBOLS[suffix])


def parse_progression(text: str) -> tuple[tuple[Chord, ...], ...]:
    """Read what ``--chords`` takes (the module's docstring has the syntax).

    text     such as ``C | Am F | G`` or ``C Am F G``
    returns  bars of chords, at least one bar, at least one chord in each
    raises   ConfigError for an empty progression, an empty bar, a first bar ``%`` or an unknown symbol
    """
    cleaned = text.strip().strip("|").strip()
    if not cleaned:
        raise ConfigError("the progression is empty; expected chords such as 'C | Am F | G'")
    cells = cleaned.split("|") if "|" in cleaned else cleaned.split()
    bars: list[tuple[Chord, ...]] = []
    for number, cell in enumerate(cells, 1):
        symbols = [symbol for symbol in re.split(r"[\s,]+", cell) if symbol]
        if not symbols:
            raise ConfigError(f"{text!r}: bar {number} is empty; write % to repeat the bar before")
        if symbols == ["%"]:
            if not bars:
                raise ConfigError(f"{text!r}: the first bar cannot repeat one before it")
            bars.append(bars[-1])
        else:
            bars.append(tuple(parse_chord(symbol) for symbol in symbols))
    return tuple(bars)


def chords_by_beat(bars: tuple[tuple[Chord, ...], ...], beats_per_bar: int) -> tuple[Chord, ...]:
    """One chord per beat, bar after bar.

    raises   ConfigError when a bar has more chords than beats
    """
    for number, bar in enumerate(bars, 1):
        if len(bar) > beats_per_bar:
            raise ConfigError(f"bar {number} has {len(bar)} chords but {beats_per_bar} beats; chords change on beats")
    return tuple(bar[beat * len(bar) // beats_per_bar] for bar in bars for beat in range(beats_per_bar))
