"""What every loader returns: items, and those that had to be left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, performance or score of a data set.

    name     unique within its set
    split    train, validation or test
    song     what must never lie in two splits: items of one song share it, across data sets too
    audio    sound file, or None
    score    MIDI file, or for music21 a score in any format it reads; None where the set has labels only
    start_s  where the item begins in its file, in seconds, and where it ends
    labels   what the set knows; the loader's docstring names the keys, their types and units
    """

    name: str
    split: str
    song: str
    audio: Path | None = None
    score: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A data set as it lies on disk.

    official  the splits are the publisher's; else they come from ``split_of``
    """

    name: str
    root: Path
    items: tuple[Item, ...]
    corrupt: tuple[Corrupt, ...] = ()
    official: bool = False

    def counts(self) -> dict[str, int]:
        """Items per split."""
        return {split: sum(item.split == split for item in self.items) for split in SPLITS}

    def without(self, corrupt: Mapping[str, Corrupt]) -> Collection:
        """The same set less the items whose names are given."""
        kept = tuple(item for item in self.items if item.name not in corrupt)
        return replace(self, items=kept, corrupt=(*self.corrupt, *corrupt.values()))


def split_of(song: str) -> str:
    """The split of a song where nobody published one: 80, 10, 10 percent, by a hash of its name.

    The same name gets the same split everywhere and always, however many other songs there are.
    """
    share = int.from_bytes(hashlib.sha256(song.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"
