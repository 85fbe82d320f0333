"""Harmonix Set: beats, downbeats and sections of 912 pop songs; no sound, no chords.

Labels: ``beats`` float64 (n, 3): time in seconds, beat in its bar from 1, bar; ``segments`` list of (start in
seconds, name); ``bpm`` float.  Splits by artist.

source  Nieto et al. 2019, https://github.com/urinieto/harmonixset
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.errors import LabelError, need_all
from training.data.item import Collection, Item, split_of
from training.data.tables import number, read_csv, read_fields, rising

FIX = "clone https://github.com/urinieto/harmonixset as it is"


def load(root: Path) -> Collection:
    """Read the table, and beats and sections of every song in it."""
    folder = root / "dataset"
    table, items = folder / "metadata.csv", []
    rows = read_csv(table, ("File", "Title", "Artist", "BPM"), FIX)
    need_all([folder / kind / f"{row['File']}.txt" for row in rows for kind in ("beats_and_downbeats", "segments")], FIX)
    for row in rows:
        name = row["File"]
        labels = {
            "beats": read_beats(folder / "beats_and_downbeats" / f"{name}.txt"),
            "segments": read_segments(folder / "segments" / f"{name}.txt"),
            "bpm": number(row["BPM"], table, name, FIX, 20, 400),
        }  # fmt: skip
        artist = f"artist:{row['Artist'].casefold()}"
        items.append(Item(name, split_of(artist), artist, labels=labels))
    return Collection("harmonix", root, tuple(items))


def read_beats(path: Path) -> np.ndarray:
    """Rows of (time, beat in bar, bar)."""
    rows = [[number(cell, path, f"line {line}", FIX, 0) for cell in cells[:3]] for line, cells in read_fields(path, 3, FIX)]
    if not rows:
        raise LabelError(path, "holds no beat", FIX)
    rising([row[0] for row in rows], path, FIX)
    return np.array(rows)


def read_segments(path: Path) -> list[tuple[float, str]]:
    """Where each section starts, and its name."""
    rows = [(number(cells[0], path, f"line {line}", FIX, 0), " ".join(cells[1:])) for line, cells in read_fields(path, 2, FIX)]
    rising([row[0] for row in rows], path, FIX)
    return rows
