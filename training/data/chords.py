"""Chord annotations: lines of (start, end, Harte chord), folded onto kelly's qualities.

source  Harte et al. 2005, "Symbolic representation of musical chords"
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from kelly.errors import ConfigError
from kelly.music.chord import DIM, DOMINANT, MAJ, MIN, MINOR_SEVENTH, POWER, SUS4, Chord
from kelly.music.pitch import parse_pitch_class
from training.data.errors import LabelError
from training.data.tables import number, read_fields, rising

# Harte's shorthands -> the quality that holds their character.
SHORTHANDS = {
    "maj": MAJ, "maj6": MAJ, "6": MAJ, "maj7": MAJ, "maj9": MAJ, "maj11": MAJ, "maj13": MAJ, "aug": MAJ, "maj(9)": MAJ, "": MAJ,
    "min": MIN, "min6": MIN, "minmaj7": MIN, "7": DOMINANT, "9": DOMINANT, "11": DOMINANT, "13": DOMINANT,
    "min7": MINOR_SEVENTH, "min9": MINOR_SEVENTH, "min11": MINOR_SEVENTH, "min13": MINOR_SEVENTH,
    "dim": DIM, "dim7": DIM, "hdim7": DIM, "sus4": SUS4, "sus2": SUS4, "5": POWER, "1": POWER,
}  # fmt: skip

Span = tuple[float, float, Chord | None]


@lru_cache(maxsize=4096)
def parse_harte(text: str) -> Chord | None:
    """``Gb:maj7/3`` -> Chord(6, maj); None for N (no chord) and X (unknown to the annotator).

    Additions in parentheses and the bass are dropped; a chord of intervals alone is read by its thirds.
    raises  ConfigError naming what was not understood
    """
    if text in ("N", "X"):
        return None
    root, _, kind = text.partition("/")[0].partition(":")
    body, _, added = kind.partition("(")
    quality = SHORTHANDS.get(body) if body or not added else _by_thirds(added)
    if quality is None:
        raise ConfigError(f"{text!r}: chord type {body!r} is not known")
    return Chord(parse_pitch_class(root), quality)


def _by_thirds(intervals: str) -> int:
    names = set(re.split(r"[,)\s]+", intervals))
    if "b3" in names:
        return DIM if "b5" in names else MINOR_SEVENTH if "b7" in names else MIN
    if "3" not in names:
        return SUS4 if "4" in names else POWER
    return DOMINANT if "b7" in names else MAJ


def read_spans(path: Path, fix: str) -> list[Span]:
    """(start, end, chord) in seconds and in order.

    raises  LabelError for an unknown chord or a time that runs backwards
    """
    spans: list[Span] = []
    for line, (start, end, name, *_) in read_fields(path, 3, fix):
        try:
            chord = parse_harte(name)
        except ConfigError as error:
            raise LabelError(path, f"line {line}: {error}", fix) from error
        low = number(start, path, f"line {line}", fix)
        spans.append((low, number(end, path, f"line {line}", fix, low), chord))
    if not spans:
        raise LabelError(path, "holds no chord", fix)
    rising([span[0] for span in spans], path, fix)
    return spans
