"""Which scores are one song: those of one title, of one number with a letter behind it, or of one beginning.

Essen has a song in many variants, tune books print what other tune books print, and Bach set a melody many times;
each of them would tell a net the answer of a test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile, ZipFile

INCIPIT = 12  # notes, whose steps up and down must be alike
STEPS = "CDEFGAB"


@dataclass(frozen=True, slots=True)
class Voice:
    """What tells a song.

    name  of the item
    keys  titles, numbers and the beginning, as strings that equal songs share
    """

    name: str
    keys: tuple[str, ...]

    @classmethod
    def of_abc(cls, name: str, text: str) -> Voice:
        titles = [slug(title) for title in re.findall(r"^T:(.*)$", text, re.M)]
        numbers = re.findall(r"^N:\s*([A-Z]\d{4})[A-Z]?\s*$", text, re.M)
        _, _, body = re.sub(r"^%.*$", "", text, flags=re.M).partition("\nK:")
        body = re.sub(r'"[^"]*"|\{[^}]*\}|![^!]*!|\[?[A-Za-z]:[^\n\]]*', "", body.partition("\n")[2])
        notes = [STEPS.index(note.upper()) + 7 * note.islower() + 7 * (marks.count("'") - marks.count(",")) for note, marks in re.findall(r"([A-Ga-g])([',]*)", body)]
        keys = [f"title {title}" for title in titles if len(title) > 3] + [f"essen {number}" for number in numbers]
        return cls(name, (*keys, *incipit(notes)))

    @classmethod
    def of_file(cls, name: str, path: Path) -> Voice:
        """Its first part's beginning, where it is MusicXML; else nothing but its own name."""
        try:
            if path.suffix == ".mxl":
                with ZipFile(path) as archive:
                    inner = [entry for entry in archive.namelist() if entry.endswith((".xml", ".musicxml")) and "META-INF" not in entry]
                    text = archive.read(inner[0]).decode("utf-8", "replace")
            else:
                text = path.read_text(encoding="utf-8", errors="replace") if path.suffix != ".krn" else ""
        except (OSError, BadZipFile, IndexError, KeyError):
            return cls(name, ())  # an unreadable file shows when it is opened
        part = text.partition("<part id=")[2].partition("</part>")[0]
        notes = [STEPS.index(step) + 7 * int(octave) for step, octave in re.findall(r"<step>([A-G])</step>.*?<octave>(\d)</octave>", part, re.S)]
        return cls(name, incipit(notes))


def incipit(notes: Sequence[int]) -> tuple[str, ...]:
    """The steps between the first notes, whatever the key; nothing for a short tune."""
    if len(notes) < INCIPIT:
        return ()
    return ("incipit " + " ".join(str(b - a) for a, b in pairwise(notes[:INCIPIT])),)


def slug(title: str) -> str:
    """A title without its article, signs and number."""
    words = [word for word in re.split(r"\W+", title.split("--")[0].casefold()) if word not in ("", "the", "a", "der", "die", "das")]
    return " ".join(words)


def same_songs(voices: Sequence[Voice]) -> list[str]:
    """The song of each, named after the first of its keys in order, or after itself when it has none."""
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for voice in voices:
        for key in voice.keys[1:]:
            a, b = sorted((find(voice.keys[0]), find(key)))
            parent[b] = a
    return [f"music21:{find(voice.keys[0]) if voice.keys else voice.name}" for voice in voices]
