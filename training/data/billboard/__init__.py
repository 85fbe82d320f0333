"""McGill Billboard: the chords of 890 slots of the American charts, 1958 to 1991; no sound, no notes.

Labels: ``chords`` spans of (start, end, Chord or None), from ``full.lab``.  A song that charted twice is in the set
twice: with ``billboard-2.0-index.csv`` beside the folder, splits go by artist, else by slot.

source  Burgoyne, Wild & Fujinaga 2011, https://ddmal.ca/research/The_McGill_Billboard_Project_(Chord_Analysis_Dataset)/
"""

from __future__ import annotations

from pathlib import Path

from training.data.chords import read_spans
from training.data.errors import MissingFileError, need_all
from training.data.item import Collection, Item, split_of
from training.data.tables import read_csv

FIX = "unpack billboard-2.0-lab.tar of the McGill Billboard project, which makes McGill-Billboard/0003/full.lab"
INDEX = "billboard-2.0-index.csv"


def load(root: Path) -> Collection:
    """Read the chords of every slot."""
    parent = root if root.name == "McGill-Billboard" else root / "McGill-Billboard"
    folders = sorted(path for path in parent.glob("[0-9][0-9][0-9][0-9]") if path.is_dir())
    if not folders:
        raise MissingFileError(parent, "holds no slot such as 0003", FIX)
    need_all([folder / "full.lab" for folder in folders], FIX)
    artists = {}
    for path in (root / INDEX, root.parent / INDEX):
        if path.exists():
            artists = {row["id"].zfill(4): row["artist"].casefold() for row in read_csv(path, ("id", "artist"), FIX) if row["artist"]}
            break
    items = []
    for folder in folders:
        song = f"artist:{artists[folder.name]}" if folder.name in artists else f"billboard:{folder.name}"
        items.append(Item(folder.name, split_of(song), song, labels={"chords": read_spans(folder / "full.lab", FIX)}))
    return Collection("billboard", root, tuple(items))
