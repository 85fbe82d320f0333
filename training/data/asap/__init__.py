"""ASAP: 1,067 piano performances with every beat and downbeat, most of them cut from MAESTRO.

Labels: ``beats`` float64 (n, 2): time in seconds, 1 on a downbeat, else 0; ``maestro`` the MAESTRO file it was cut
from, or "".  All performances of a piece share a split, which in a mixture with MAESTRO is MAESTRO's.

source  Foscarin et al. 2020, https://github.com/fosfrancesco/asap-dataset
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.errors import LabelError, need_all
from training.data.item import Collection, Item, split_of
from training.data.tables import inside, number, read_csv, read_fields, rising

FIX = "clone https://github.com/fosfrancesco/asap-dataset as it is"
COLUMNS = ("composer", "title", "midi_performance", "performance_annotations", "maestro_midi_performance")


def load(root: Path) -> Collection:
    """Read the table and the beats of every performance."""
    table, items = root / "metadata.csv", []
    rows = read_csv(table, COLUMNS, FIX)
    scores = [inside(root, row["midi_performance"], table, "midi_performance", FIX) for row in rows]
    marks = [inside(root, row["performance_annotations"], table, "performance_annotations", FIX) for row in rows]
    need_all([*scores, *marks], FIX)
    for row, score, mark in zip(rows, scores, marks, strict=True):
        song = f"asap:{row['composer']}:{row['title']}"
        labels = {"beats": read_beats(mark), "maestro": row["maestro_midi_performance"].removeprefix("{maestro}/")}
        items.append(Item(row["midi_performance"], split_of(song), song, score=score, labels=labels))
    return Collection("asap", root, tuple(items))


def read_beats(path: Path) -> np.ndarray:
    """Time and downbeat flag of each beat; ``b``, ``db`` and ``bR`` are beats, other marks are not."""
    beats = []
    for line, (time, _, label, *_) in read_fields(path, 3, FIX):
        kind = label.split(",")[0]
        if kind in ("b", "db", "bR"):
            beats.append((number(time, path, f"line {line}", FIX, 0), float(kind == "db")))
    if len(beats) < 2:
        raise LabelError(path, f"expected beats, found {len(beats)}", FIX)
    rising([time for time, _ in beats], path, FIX)
    return np.array(beats)
