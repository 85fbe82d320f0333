"""Takes that were cut off: their logs become take.mid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.layout import dtype
from kelly.errors import DataError, TakeError
from kelly.generate.settings import Part
from kelly.live.take import BEATS, NOTE_COLUMNS, NOTES, SCORE, lock, save
from kelly.midi.sink import Events, Score
from kelly.midi.tempo import TempoMap


def unfinished(folder: Path) -> list[Path]:
    """Takes in a folder, or the folder itself, that nobody records and whose take.mid is missing."""
    found = [take for take in (folder, *sorted(folder.glob("*"))) if (take / NOTES).is_file()]
    return [take for take in found if not _in_use(take / NOTES)]


def salvage(take: Path) -> Path:
    """Make take.mid of an unfinished take; every note that sounded at the end is released there.

    returns  its path
    raises   TakeError for a folder that is no unfinished take, or logs that make no sense; OSError
    """
    if not (take / NOTES).is_file():
        raise TakeError(f"{take}: no unfinished take")
    try:
        told = json.loads((take / SCORE).read_text(encoding="utf-8"))
        rows = [list(map(int, line)) for line in _lines(take / NOTES, len(NOTE_COLUMNS))]
        knots = [(int(frame), int(beat)) for frame, beat in _lines(take / BEATS, 2)]
        parts = [_part(row) for row in told["parts"]]
        phrases = (told.get("phrase_beats", 0), told.get("phrase", 0))
        tempo = TempoMap(knots, told["tempo_bpm"], told["beats_per_bar"], told["downbeat"], told.get("ternary", False), *phrases)
        key = tuple(told["key"]) if told["key"] else None
        score = Score(told["sample_rate_hz"], tempo, parts, key)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TakeError(f"{take}: its logs make no sense: {error}") from error
    try:
        save(take, _silenced(rows), score)
    except ValueError as error:
        raise DataError(f"{take}: {error}") from error
    return take / "take.mid"


def _part(row: dict[str, Any]) -> Part:
    return Part(row["name"], row["channel"], row["program"], 0, 127)


def _lines(path: Path, cells: int) -> list[list[str]]:
    """Whole rows of a log; a last line that was cut off is left out."""
    text = path.read_text(encoding="utf-8")
    rows = [line.split(",") for line in text[: text.rfind("\n") + 1].splitlines()[1:]]
    return [row for row in rows if len(row) == cells]


def _silenced(rows: list[list[int]]) -> Events:
    """The events of a log, with note-offs where the log breaks off."""
    sounding: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        kind, channel, note = row[3] & 0xF0, row[3] & 0x0F, row[4]
        if kind == 0x90 and row[5] > 0:
            sounding[channel, note] = row
        elif kind in (0x80, 0x90):
            sounding.pop((channel, note), None)
    end = max((row[0] for row in rows), default=0)
    for serial, ((channel, note), row) in enumerate(sounding.items(), 1 << 61):
        rows.append([end, serial, row[2], 0x80 | channel, note, 64, 3])
    events = np.zeros(len(rows), dtype("event"))
    for column, name in enumerate(NOTE_COLUMNS):
        events[name] = [row[column] for row in rows]
    return events


def _in_use(path: Path) -> bool:
    with open(path, "rb") as file:
        return not lock(file.fileno())
