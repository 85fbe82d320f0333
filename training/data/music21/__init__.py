"""The scores that come with the library music21: fiddle tunes, Bach's chorales, and more, less what is not free.

A file of many ABC tunes is many items.  Labels: of an ABC tune ``abc`` its text, ``title``, ``tonic`` pitch class as
its key field says; nothing but the notes of the others.  PATH is the library's ``corpus`` folder, or ``installed``
for that of the music21 which Python finds.  Splits by song: see ``songs.py``.

The Essen folk songs are a set of their own, ``essen``: music21 has them by permission for non-commercial use.
Palestrina's masses are left out: their encoders reserve all derivatives.

source  Cuthbert & Ariza 2010, https://www.music21.org; licences: its corpus/license.txt and those beside the files
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kelly.errors import ConfigError
from kelly.music.pitch import parse_pitch_class
from training.data.errors import MissingFileError
from training.data.item import Collection, Item, split_of
from training.data.music21.songs import Voice, same_songs

FIX = "pip install music21 and give PATH as 'installed', or give the folder music21/corpus of such an installation"
SUFFIXES = (".mxl", ".xml", ".musicxml", ".krn", ".abc")
NON_COMMERCIAL, RESERVED = "essenFolksong", "palestrina"


def load(root: Path) -> Collection:
    """The scores in formats that hold notes, less those that are not free."""
    return collection("music21", root, lambda folder: folder not in (NON_COMMERCIAL, RESERVED))


def collection(name: str, root: Path, wanted: Any) -> Collection:
    """The scores below the folders that are wanted; songs are told apart over all of them.

    raises  MissingFileError without music21, or without a score
    """
    root = place(root)
    found = [item for path in sorted(root.glob("*/**/*")) if path.suffix in SUFFIXES for item in items_of(path, root)]
    found = [(item, voice) for item, voice in found if item.name.split("/")[0] != RESERVED]
    songs = same_songs([voice for _, voice in found])
    items = tuple(
        Item(item.name, split_of(song), song, score=item.score, labels=item.labels)
        for (item, _), song in zip(found, songs, strict=True) if wanted(item.name.split("/")[0])
    )  # fmt: skip
    if not items:
        raise MissingFileError(root, f"holds no score ({', '.join(SUFFIXES)})", FIX)
    return Collection(name, root, items)


def place(root: Path) -> Path:
    """The folder ``corpus``."""
    if str(root) != "installed":
        return root
    spec = find_spec("music21")
    if spec is None or spec.origin is None:
        raise MissingFileError("music21", "not installed", FIX)
    return Path(spec.origin).parent / "corpus"


def items_of(path: Path, root: Path) -> list[tuple[Item, Voice]]:
    """A score, or the tunes of an ABC file, with what tells them apart."""
    name = path.relative_to(root).as_posix()
    if path.suffix != ".abc":
        return [(Item(name, "", "", score=path), Voice.of_file(name, path))]
    tunes = re.split(r"^(?=X:)", path.read_text(encoding="utf-8", errors="replace"), flags=re.M)
    tunes = [text.strip() + "\n" for text in tunes if text.startswith("X:")]
    rows = []
    for k, text in enumerate(tunes):
        labels = {"abc": text, "title": (fields(text, "T") or [""])[0]}
        tonic = tonic_of((fields(text, "K") or [""])[0])
        label = name if len(tunes) == 1 else f"{name}#{k + 1}"
        rows.append((Item(label, "", "", score=path, labels=labels | ({} if tonic is None else {"tonic": tonic})), Voice.of_abc(label, text)))
    return rows


def fields(text: str, letter: str) -> list[str]:
    """Values of an ABC field, ``T:`` or ``K:``."""
    return [value.strip() for value in re.findall(rf"^{letter}:(.*)$", text, re.M) if value.strip()]


def tonic_of(key: str) -> int | None:
    """Pitch class of ``G``, ``Am``, ``Bb dor``; None for a key field that names none."""
    match = re.match(r"[A-G][#b]?", key)
    try:
        return parse_pitch_class(match[0]) if match and not key.startswith("HP") else None
    except ConfigError:
        return None
