"""A score in any format of music21 as notes on a grid of eighths, read once and kept.

Reading takes the library 20 ms for a tune and seconds for a movement.  What it found lies in the cache under the
hash of the text and of this file.  Nobody wrote velocities; tempi are few, so each score gets one by its name.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kelly.errors import DataError
from training.data.features import cache_folder, whole
from training.data.item import Item
from training.data.score import NOTE, Score

SLOWEST_BPM, FASTEST_BPM = 72, 132
OFF_GRID = 0.05  # share of the onsets that may lie between eighths
VELOCITY = 64  # a score names none


def read(item: Item, cache: Path | None = None) -> Score:
    """The notes of an item of ``music21`` or ``essen``; beat 0 is a downbeat, a pickup lies before it.

    raises  DataError for what music21 cannot read, and for a piece without notes
    """
    target = (cache or cache_folder()) / "scores" / code_hash() / f"{item_hash(item)}.npz"
    if not target.exists():
        score = parse(item)
        arrays = {"notes": score.notes, "tracks": np.array(score.tracks, str), "meter": np.array([*score.meter, score.changes])}
        whole(target, lambda file: np.savez(file, **arrays))
    with np.load(target) as kept:
        meter, tracks = kept["meter"].tolist(), tuple(kept["tracks"].tolist())
        return Score(kept["notes"], tracks, (meter[0], meter[1]), bool(meter[2]), np.zeros((0, 2)))


@lru_cache(maxsize=1)
def code_hash() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def item_hash(item: Item) -> str:
    """Of what is read, and of the name, which decides the tempo."""
    text = item.labels["abc"].encode() if "abc" in item.labels else item.score.read_bytes()
    return hashlib.sha256(item.name.encode() + b"\0" + text).hexdigest()


def tempo_of(name: str) -> float:
    """Quarter notes per minute, log-uniform by a hash of the name."""
    share = int.from_bytes(hashlib.sha256(f"tempo {name}".encode()).digest()[:4], "big") / 2**32
    return float(SLOWEST_BPM * (FASTEST_BPM / SLOWEST_BPM) ** share)


def parse(item: Item) -> Score:
    """Read it with music21, whose errors are of every kind."""
    from music21 import converter

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what people write, not about us
            if "abc" in item.labels:
                stream = converter.parse(item.labels["abc"], format="abc")
            else:
                stream = converter.parse(item.score, forceSource=True, storePickle=False)
            return _score(stream, item)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{item.score}: music21 cannot read it: {type(error).__name__}: {str(error)[:200]}") from error


def _score(stream: Any, item: Item) -> Score:
    rows, names, starts, meters = [], [], [], []
    for index, part in enumerate(stream.parts or [stream]):
        names.append(str(part.partName or part.id or ""))
        rows += _notes(part, index)
        if index == 0:
            starts = [float(measure.offset) for measure in part.getElementsByClass("Measure")]
            meters = _meters(part)
    if not rows:
        raise DataError(f"{item.score}: holds no note")
    if not meters:
        raise DataError(f"{item.score}: has no metre")
    bar = 4 * meters[0][0] / meters[0][1]
    places = Counter(round(start % bar, 3) for start in starts).most_common(1)
    downbeat = places[0][0] if places else 0.0  # where most bars begin; before the first of them is a pickup
    table = np.array(rows)
    factor, meter = unit(table[:, 0] - downbeat, meters[0])
    notes = np.zeros(len(table), NOTE)
    beat_s = 60 / tempo_of(item.name)
    for edge, column in (("onset", 0), ("end", 1)):
        notes[f"{edge}_beat"] = factor * (table[:, column] - downbeat)
        notes[f"{edge}_s"] = beat_s * (notes[f"{edge}_beat"] + factor * downbeat)
    notes["pitch"], notes["velocity"], notes["track"] = table[:, 2], VELOCITY, table[:, 3]
    return Score(np.sort(notes, order=("onset_s", "pitch")), tuple(names), meter, len(set(meters)) > 1, np.zeros((0, 2)))


def _meters(part: Any) -> list[tuple[int, int]]:
    """Time signatures in order, without that of a pickup or of a first ending cut short, which some readers make up."""
    flat = part.flatten()
    marks = [(float(one.offset), (one.numerator, one.denominator)) for one in flat.getElementsByClass("TimeSignature")]
    if not marks:
        return []
    ends = [*(offset for offset, _ in marks[1:]), float(flat.highestTime)]
    lasts = [end - offset for (offset, _), end in zip(marks, ends, strict=True)]
    longest = marks[lasts.index(max(lasts))][1]
    bar = 4 * longest[0] / longest[1]
    return [meter for (_, meter), length in zip(marks, lasts, strict=True) if length > bar or meter == longest]


def unit(onsets: np.ndarray, meter: tuple[int, int]) -> tuple[float, tuple[int, int]]:
    """(factor, metre) that put a score on kelly's grid, whose shortest step is an eighth.

    Of 2/4 and 4/4 in sixteenths half a bar becomes a bar of 4/4 or less; long bars that move in quarters or slower shrink.
    onsets  in quarter notes from a downbeat
    """

    def off(step: float) -> float:
        return float(np.mean(np.abs(onsets / step - np.rint(onsets / step)) > 0.01))

    bar = 4 * meter[0] / meter[1]
    if bar in (2, 4) and off(0.5) > OFF_GRID and off(0.25) < off(0.5) / 2:
        return 2.0, (4, 4)
    factor = 1.0
    while bar * factor > 4 and off(1 / factor) <= OFF_GRID:
        factor /= 2
    if factor == 1:
        return 1.0, meter
    return factor, (int(bar * factor), 4) if bar * factor % 1 == 0 else (int(bar * factor * 2), 8)


def _notes(part: Any, index: int) -> list[tuple[float, float, int, int]]:
    """(onset, end, pitch, part) in quarter notes, tied notes as one, grace notes and chord symbols left out."""
    rows, tied = [], {}
    for element in part.flatten().notes:
        length = float(element.quarterLength)
        if length <= 0 or "ChordSymbol" in element.classes or not hasattr(element, "pitches") or "PercussionChord" in element.classes:
            continue
        start = float(element.offset)
        for note in element.notes if element.isChord else (element,):
            pitch, tie = int(note.pitch.midi), note.tie.type if note.tie is not None else ""
            if tie in ("continue", "stop") and pitch in tied:
                rows[tied[pitch]] = (rows[tied[pitch]][0], start + length, pitch, index)
            else:
                rows.append((start, start + length, pitch, index))
                tied[pitch] = len(rows) - 1
            if tie not in ("start", "continue"):
                tied.pop(pitch, None)
    return rows
