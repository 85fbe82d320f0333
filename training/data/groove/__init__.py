"""Groove MIDI: 1,150 takes of ten drummers, played to a click.

Labels: ``style``, ``bpm`` float, ``kind`` beat or fill, ``meter`` such as 4-4.  The splits are the publisher's.

source  Gillick et al. 2019, https://magenta.tensorflow.org/datasets/groove
"""

from __future__ import annotations

from pathlib import Path

from training.data.errors import need_all
from training.data.item import Collection, Item
from training.data.tables import inside, number, official, read_csv

FIX = "unpack groove-v1.0.0.zip or groove-v1.0.0-midionly.zip of https://magenta.tensorflow.org/datasets/groove"
COLUMNS = (
    "drummer", "session", "id", "style", "bpm", "beat_type", "time_signature", "midi_filename", "audio_filename",
    "duration", "split",
)  # fmt: skip


def load(root: Path) -> Collection:
    """Read the table and find the takes."""
    table, items = root / "info.csv", []
    for row in read_csv(table, COLUMNS, FIX):
        name = row["id"]
        audio = root / row["audio_filename"]
        labels = {
            "style": row["style"], "bpm": number(row["bpm"], table, name, FIX, 20, 400), "kind": row["beat_type"],
            "meter": row["time_signature"],
        }  # fmt: skip
        items.append(Item(
            name, official(row["split"], table, name, FIX), f"groove:{name}",
            audio=audio if row["audio_filename"] and audio.is_file() else None,
            score=inside(root, row["midi_filename"], table, name, FIX),
            end_s=number(row["duration"], table, name, FIX, 0), labels=labels,
        ))  # fmt: skip
    need_all([item.score for item in items if item.score], FIX)
    return Collection("groove", root, tuple(items), official=True)
