"""Pitch classes and their names.

A pitch class is an int 0..11 with 0 = C.  Names are spelled by the line of fifths: every name has a
place on it (F = -1, C = 0, G = 1, ... F# = 6, Bb = -2), and of all names of a pitch class the one
nearest to a key is the one a musician writes there.
"""

from __future__ import annotations

from kelly.errors import ConfigError

LETTERS = "FCGDAEB"  # in order of fifths; their place is index - 1
LETTER_CLASSES = {letter: (7 * (i - 1)) % 12 for i, letter in enumerate(LETTERS)}
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "##": 2, "bb": -2}


def fifths_name(place: int) -> str:
    """Name at a place of the line of fifths: 0 is C, 6 is F#, -2 is Bb."""
    accidentals, letter = divmod(place + 1, 7)
    return LETTERS[letter] + ("#" * accidentals if accidentals >= 0 else "b" * -accidentals)


def split_name(text: str) -> tuple[int, str]:
    """Take a note name off the front of ``text``.

    text     such as ``F#m7``; the letter is a capital
    returns  (pitch class 0..11, the rest)
    raises   ConfigError when no note name stands there
    """
    letter, rest = text[:1], text[1:]
    if letter not in LETTER_CLASSES or not letter:
        raise ConfigError(f"{text!r} does not begin with a note name; expected A to G, perhaps with # or b")
    for size in (2, 1):
        if len(rest) >= size and rest[:size] in ACCIDENTALS:
            return (LETTER_CLASSES[letter] + ACCIDENTALS[rest[:size]]) % 12, rest[size:]
    return LETTER_CLASSES[letter], rest


def parse_pitch_class(text: str) -> int:
    """Pitch class of a whole name such as ``Eb``; raises ConfigError for anything else."""
    pitch_class, rest = split_name(text.strip())
    if rest:
        raise ConfigError(f"{text!r} is not a note name: {rest!r} is left over")
    return pitch_class


def spell(pitch_class: int, signature: int = 0, minor: bool = False) -> str:
    """The usual name of a pitch class in a key.

    pitch_class  any int, taken modulo 12
    signature    sharps (positive) or flats (negative) of the key, -7..7
    minor        in minor the raised sixth and seventh are spelled as such (G# in A minor)
    returns      a name such as ``Bb``
    """
    lowest = signature - (3 if minor else 5)  # the window of twelve fifths that such a key draws from
    place = lowest + (7 * pitch_class - lowest) % 12
    return fifths_name(place)


def frequency_hz(pitch: float, a4_hz: float = 440.0) -> float:
    """Equal-tempered frequency of a MIDI pitch, which need not be whole."""
    return float(a4_hz * 2.0 ** ((pitch - 69.0) / 12.0))
