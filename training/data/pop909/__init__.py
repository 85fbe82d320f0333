"""POP909: piano arrangements of 909 pop songs, with beats, chords and keys.

Labels: ``beats`` float64 (n, 2): time in seconds, 1 on a downbeat, else 0; ``chords`` spans of (start, end, Chord or
None); ``keys`` list of (start, end, tonic pitch class, 1 major or -1 minor).  Splits by song.
The track MELODY teaches melody, PIANO groove: there are no drums, and beats that follow the playing tell nothing of what
is early or late.

source  Wang et al. 2020, https://github.com/music-x-lab/POP909-Dataset
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kelly.errors import ConfigError
from kelly.music.pitch import parse_pitch_class
from training.data.chords import read_spans
from training.data.errors import LabelError, MissingFileError, need_all
from training.data.item import Collection, Item, split_of
from training.data.tables import number, read_fields, rising

FIX = "clone https://github.com/music-x-lab/POP909-Dataset as it is"
FILES = ("beat_midi.txt", "chord_midi.txt", "key_audio.txt")


def load(root: Path) -> Collection:
    """Read the labels of every song folder."""
    parent = root if root.name == "POP909" else root / "POP909"
    folders = sorted(path for path in parent.glob("[0-9][0-9][0-9]") if path.is_dir())
    if not folders:
        raise MissingFileError(parent, "holds no song folder such as 001", FIX)
    need_all([folder / name for folder in folders for name in (f"{folder.name}.mid", *FILES)], FIX)
    items = []
    for folder in folders:
        song, labels = f"pop909:{folder.name}", {
            "beats": read_beats(folder / "beat_midi.txt"), "chords": read_spans(folder / "chord_midi.txt", FIX),
            "keys": read_keys(folder / "key_audio.txt"),
        }  # fmt: skip
        items.append(Item(folder.name, split_of(song), song, score=folder / f"{folder.name}.mid", labels=labels))
    return Collection("pop909", root, tuple(items))


def read_beats(path: Path) -> np.ndarray:
    """Time and downbeat flag; the last column counts compound meters right."""
    rows = [(number(cells[0], path, f"line {line}", FIX), number(cells[-1], path, f"line {line}", FIX, 0, 1)) for line, cells in read_fields(path, 2, FIX)]
    if len(rows) < 2:
        raise LabelError(path, f"expected beats, found {len(rows)}", FIX)
    rising([row[0] for row in rows], path, FIX)
    return np.array(rows)


def read_keys(path: Path) -> list[tuple[float, float, int, int]]:
    """(start, end, tonic, mode) from lines such as ``0.0 201.3 Gb:maj``."""
    keys = []
    for line, (start, end, name, *_) in read_fields(path, 3, FIX):
        tonic, _, mode = name.partition(":")
        try:
            keys.append((
                number(start, path, f"line {line}", FIX), number(end, path, f"line {line}", FIX),
                parse_pitch_class(tonic), {"maj": 1, "min": -1}[mode],
            ))  # fmt: skip
        except (ConfigError, KeyError) as error:
            raise LabelError(path, f"line {line}: expected a key such as Gb:maj, found {name!r}", FIX) from error
    return keys
