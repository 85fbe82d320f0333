"""MAESTRO v3: 1,276 piano performances, captured from the keys.

Labels: ``composer``, ``title``, ``year``.  The splits are the publisher's: no composition lies in two of them.
The recordings are optional, because the set is published with and without.

source  Hawthorne et al. 2019, https://magenta.tensorflow.org/datasets/maestro
"""

from __future__ import annotations

from pathlib import Path

from training.data.errors import need_all
from training.data.item import Collection, Item
from training.data.tables import inside, number, official, read_csv

FIX = "unpack maestro-v3.0.0-midi.zip or maestro-v3.0.0.zip of https://magenta.tensorflow.org/datasets/maestro"
TABLE = "maestro-v3.0.0.csv"
COLUMNS = ("canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename", "duration")


def load(root: Path) -> Collection:
    """Read the table and find the performances."""
    table, items = root / TABLE, []
    for row in read_csv(table, COLUMNS, FIX):
        name = row["midi_filename"]
        audio = root / row["audio_filename"]
        labels = {"composer": row["canonical_composer"], "title": row["canonical_title"], "year": int(number(row["year"], table, name, FIX))}
        items.append(Item(
            name, official(row["split"], table, name, FIX), f"maestro:{row['canonical_composer']}:{row['canonical_title']}",
            audio=audio if row["audio_filename"] and audio.is_file() else None,
            score=inside(root, name, table, "midi_filename", FIX),
            end_s=number(row["duration"], table, name, FIX, 0), labels=labels,
        ))  # fmt: skip
    need_all([item.score for item in items if item.score], FIX)
    return Collection("maestro", root, tuple(items), official=True)
