"""Your own recordings and ratings: a CSV of (file, time, valence, arousal).

One row per rated moment; ``file`` is relative to the CSV, ``time`` in seconds, valence and arousal in -1..1.
Optional columns: ``song`` keeps several files in one split (write ``deam:12`` for song 12 of DEAM or EmoMusic),
``split`` is train, validation or test.  Labels: ``times_s``, ``valence_curve``, ``arousal_curve``.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np

from training.data.errors import SplitError, need_all
from training.data.item import Collection, Item, split_of
from training.data.tables import number, official, read_csv, rising

FIX = "write one line per rated moment: file,time,valence,arousal with seconds and values within -1..1"


def load(path: Path) -> Collection:
    """Read the CSV; every file it names must be there."""
    rows = read_csv(path, ("file", "time", "valence", "arousal"), FIX)
    need_all([path.parent / name for name in dict.fromkeys(row["file"] for row in rows)], FIX)
    items = []
    for name, group in groupby(sorted(rows, key=lambda row: row["file"]), key=lambda row: row["file"]):
        block = list(group)
        songs = {row.get("song") or f"table:{name}" for row in block}
        splits = {row.get("split") or split_of(min(songs)) for row in block}
        if len(songs) > 1 or len(splits) > 1:
            raise SplitError(path, f"{name} belongs to {' and '.join(sorted(songs if len(songs) > 1 else splits))}", FIX)
        times = [number(row["time"], path, name, FIX, 0) for row in block]
        rising(times, path, f"{FIX}, in order of time within {name}")
        labels = {"times_s": np.array(times)}
        for what in ("valence", "arousal"):
            labels[f"{what}_curve"] = np.array([number(row[what], path, f"{name}, {what}", FIX, -1, 1) for row in block], np.float32)
        items.append(Item(name, official(splits.pop(), path, name, FIX), songs.pop(), audio=path.parent / name, labels=labels))
    return Collection("table", path, tuple(items))
