"""Notes of a MIDI file, in seconds and in beats."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kelly.errors import MidiFileError

NOTE = np.dtype([
    ("onset_s", "f8"), ("end_s", "f8"), ("onset_beat", "f8"), ("end_beat", "f8"),
    ("pitch", "i2"), ("velocity", "i2"), ("channel", "i2"), ("track", "i2"),
])  # fmt: skip
DRUMS = 9  # channel, from 0
LONGEST_S = 4 * 3600.0  # a file that claims more is broken


@dataclass(frozen=True, slots=True)
class Score:
    """What a MIDI file says.

    notes     NOTE records by onset; a beat is a quarter note
    tracks    names, by index
    meter     the first time signature, 4/4 without one
    changes   whether the time signature changes
    pedal_s   float64 (n, 2): time, value of CC64
    """

    notes: NDArray[np.void]
    tracks: tuple[str, ...]
    meter: tuple[int, int]
    changes: bool
    pedal_s: NDArray[np.float64]

    @property
    def tempo_bpm(self) -> float:
        """Mean tempo from the first onset to the last end."""
        first, last = self.notes[0], self.notes[np.argmax(self.notes["end_s"])]
        return float(60 * (last["end_beat"] - first["onset_beat"]) / max(1e-3, last["end_s"] - first["onset_s"]))


def read_score(path: Path) -> Score:
    """Read a MIDI file of type 0 or 1.

    raises   MidiFileError for whatever is wrong with it, a file without notes included
    """
    import mido

    try:
        file = mido.MidiFile(str(path))
        if file.type == 2 or file.ticks_per_beat <= 0:
            raise ValueError(f"type {file.type} with {file.ticks_per_beat} ticks to the quarter note has no common time")
        return _score(file, path)
    except MidiFileError:
        raise
    except (OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, struct.error, mido.KeySignatureError) as error:
        raise MidiFileError(f"{path}: not readable as MIDI: {str(error) or 'cut short'}") from error


def _score(file, path: Path) -> Score:
    ticks, seconds, signatures = _clock(file)
    rows, names, pedal = [], [], []
    for index, track in enumerate(file.tracks):
        now, sounding = 0, {}
        names.append(track.name)
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                sounding.setdefault((message.channel, message.note), []).append((now, message.velocity))
            elif message.type in ("note_off", "note_on"):
                if waiting := sounding.get((message.channel, message.note)):
                    start, velocity = waiting.pop(0)
                    rows.append((start, now, message.note, velocity, message.channel, index))
            elif message.type == "control_change" and message.control == 64:
                pedal.append((now, message.value))
    if not rows:
        raise MidiFileError(f"{path}: holds no note")
    table = np.array(rows, np.int64)
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    notes = np.zeros(len(table), NOTE)
    for field, column in (("onset", 0), ("end", 1)):
        notes[f"{field}_s"] = np.interp(table[:, column], ticks, seconds)
        notes[f"{field}_beat"] = table[:, column] / file.ticks_per_beat
    for column, field in enumerate(("pitch", "velocity", "channel", "track"), 2):
        notes[field] = table[:, column]
    if notes["end_s"].max() > LONGEST_S:
        raise MidiFileError(f"{path}: claims to last {notes['end_s'].max():.0f} s")
    marks = np.array(sorted(pedal), float).reshape(-1, 2)
    marks[:, 0] = np.interp(marks[:, 0], ticks, seconds)
    return Score(notes, tuple(names), signatures[0] if signatures else (4, 4), len(set(signatures)) > 1, marks)


def _clock(file) -> tuple[list[int], list[float], list[tuple[int, int]]]:
    """Knots (tick, second) of the tempo map, and the time signatures in order."""
    tempi, meters, last = [], [], 0
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "set_tempo":
                tempi.append((now, message.tempo))
            elif message.type == "time_signature":
                meters.append((now, (message.numerator, message.denominator)))
        last = max(last, now)
    ticks, seconds, tempo = [0], [0.0], 500_000
    for tick, value in [*sorted(tempi, key=lambda knot: knot[0]), (last + 1, 500_000)]:
        seconds.append(seconds[-1] + (tick - ticks[-1]) * tempo / 1e6 / file.ticks_per_beat)
        ticks.append(tick)
        tempo = value
    return ticks, seconds, [meter for _, meter in sorted(meters, key=lambda knot: knot[0])]
