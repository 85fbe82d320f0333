"""Keys and the scales they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from kelly.errors import ConfigError
from kelly.music.pitch import fifths_name, spell, split_name

MAJOR, MINOR = 1, -1
MAJOR_STEPS = (0, 2, 4, 5, 7, 9, 11)
MINOR_STEPS = (0, 2, 3, 5, 7, 8, 10)
MODE_NAMES = {
    "": MAJOR, "major": MAJOR, "maj": MAJOR, "dur": MAJOR,
    "m": MINOR, "minor": MINOR, "min": MINOR, "moll": MINOR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic and a mode.

    tonic  pitch class 0..11, 0 = C
    mode   1 major, -1 minor
    """

    tonic: int
    mode: int = MAJOR

    def __post_init__(self) -> None:
        if not 0 <= self.tonic <= 11 or self.mode not in (MAJOR, MINOR):
            raise ConfigError(f"Key({self.tonic}, {self.mode}): expected a tonic 0..11 and a mode 1 or -1")

    @property
    def signature(self) -> int:
        """Sharps (positive) or flats (negative), -6..5: Gb major rather than F#, Eb minor rather than D#."""
        major_tonic = self.tonic if self.mode == MAJOR else self.tonic + 3
        return (7 * major_tonic + 6) % 12 - 6

    @property
    def tonic_name(self) -> str:
        return fifths_name(self.signature + (0 if self.mode == MAJOR else 3))

    @property
    def short(self) -> str:
        """``Am``, ``Eb``: what ``--key`` takes and what a MIDI key signature is called in mido."""
        return self.tonic_name + ("" if self.mode == MAJOR else "m")

    def __str__(self) -> str:
        return f"{self.tonic_name} {'major' if self.mode == MAJOR else 'minor'}"

    def scale(self) -> tuple[int, ...]:
        """Seven pitch classes from the tonic up; natural minor in minor."""
        return tuple((self.tonic + step) % 12 for step in (MAJOR_STEPS if self.mode == MAJOR else MINOR_STEPS))

    def allowed(self) -> frozenset[int]:
        """Pitch classes heard as belonging to the key: the scale, in minor also the raised seventh."""
        extra = {(self.tonic + 11) % 12} if self.mode == MINOR else set()
        return frozenset(self.scale()) | extra

    def spell(self, pitch_class: int) -> str:
        """Name of a pitch class as it is written in this key."""
        return spell(pitch_class, self.signature, self.mode == MINOR)


def parse_key(text: str) -> Key | None:
    """Read what ``--key`` takes.

    text     ``auto``, ``C``, ``Am``, ``Eb``, ``F#m``, ``A minor``, ``A major``
    returns  the Key, or None for ``auto``
    raises   ConfigError that names the forms understood
    """
    cleaned = text.strip()
    if cleaned.lower() == "auto":
        return None
    try:
        tonic, rest = split_name(cleaned[:1].upper() + cleaned[1:])
    except ConfigError:
        rest = "?"
    mode = MODE_NAMES.get(rest.strip() if rest.strip() == "m" else rest.strip().lower())
    if mode is None or rest.strip() == "M":
        raise ConfigError(f"{text!r} is not a key; expected auto, C, Am, Eb, F#m, 'A minor' or 'A major'")
    return Key(tonic, mode)
