"""Examples from notes and chords: made once per item, in parallel, and kept like features."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import CONTRACT_VERSION, net_spec
from kelly.errors import DataError
from training.data import accompaniment, drums, dynamics, harmony, melody, templates
from training.data.duets import QUADRANTS, duets_of
from training.data.examine import spread
from training.data.features import cache_folder, save
from training.data.item import Collection, Corrupt, Item
from training.data.music21 import reading
from training.data.score import Score, read_score
from training.data.symbols import key_with_end, mode_of, on_beats, pitched, weights_of

SOURCES = (
    "accompaniment.py", "drums.py", "duets.py", "dynamics.py", "harmony.py", "melody.py", "music21/reading.py", "score.py", "scores.py", "symbols.py", "templates.py",
)  # fmt: skip
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScoreExample:
    """One item as a sequence, in the .npy ``rows``: (input, class, weight) or (input, answers, mask)."""

    rows: Path
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows

    def window(self, net: str, start: int, steps: int) -> tuple[Array, Array, Array]:
        """x (steps, I), y (steps, O), of a class one-hot, mask (steps, O), zeros after the end."""
        spec = net_spec(net)
        part = np.asarray(np.load(self.rows, mmap_mode="r")[start : start + steps], np.float32)
        x = np.zeros((steps, spec.input.size), np.float32)
        y, mask = (np.zeros((steps, spec.output.size), np.float32) for _ in range(2))
        x[: len(part)], told = part[:, : spec.input.size], part[:, spec.input.size :]
        if told.shape[1] == 2:
            y[np.arange(len(part)), told[:, 0].astype(int)] = 1
            mask[: len(part)] = told[:, 1:]
        else:
            y[: len(part)], mask[: len(part)] = np.split(told, 2, axis=1)
        return x, y, mask


def notes_of(item: Item, cache: Path | None = None) -> Score:
    """A MIDI file, or a score that music21 reads; on the beats that people marked, where they did."""
    if item.song.startswith("music21:"):
        return reading.read(item, cache)
    score = read_score(item.score)
    return on_beats(score, item.labels["beats"]) if "beats" in item.labels else score


def melody_rows(item: Item, cache: Path | None = None) -> Array:
    """The melody of a score; chords are annotated, or by template from what sounds beside the melody.

    Of a clip in a quadrant of moods nobody knows the beats: its melody is shown note by note.
    """
    score = notes_of(item, cache)
    if "quadrant" in item.labels:
        return melody.note_rows(score, QUADRANTS[item.labels["quadrant"]])
    keys, tonic, chords = item.labels.get("keys"), item.labels.get("tonic"), item.labels.get("chords")
    key = keys[0][2:] if keys else None if tonic is None else (tonic, mode_of(weights_of(pitched(score)), tonic))
    if chords is None:
        try:
            chords = templates.chords_of(score, templates.beats_of(score), melody.is_tune(score))
        except DataError:
            chords = []  # a tune alone, or one whose beat is no quarter note: nobody tells it a chord
    return melody.rows(score, chords, key)


def harmony_rows(item: Item, cache: Path | None = None) -> Array:
    """Annotated chords per beat where there are beats, else per change; without annotation chords by template per beat."""
    if "chords" not in item.labels:
        score = notes_of(item, cache)
        beats = templates.beats_of(score)
        key = key_with_end(pitched(score))
        return harmony.beat_rows(on_beats(score, beats), beats, templates.chords_of(score, beats), key)
    if "beats" not in item.labels:
        return harmony.change_rows(item.labels["chords"])
    return harmony.beat_rows(notes_of(item), item.labels["beats"], item.labels["chords"], item.labels["keys"][0][2:])


def groove_rows(item: Item, cache: Path | None = None) -> Array:
    """A drummer's take, or the piano of a song with marked beats, bar by bar."""
    if "beats" in item.labels:
        return accompaniment.rows(read_score(item.score), item.labels["beats"], item.labels["keys"][0][3])
    return drums.rows(read_score(item.score), item.labels["meter"])


def dynamics_rows(item: Item, cache: Path | None = None) -> Array:
    """A performance, note by note, each hand in turn beside the other."""
    duets, told = duets_of(item)
    parts, faults = [], []
    for duet in duets:
        try:
            parts.append(dynamics.rows(duet, told))
        except DataError as error:
            faults.append(error)
    if not parts:
        raise faults[0]
    return np.concatenate(parts)


MAKERS = {
    "melodytransformer": melody_rows, "harmonypredictor": harmony_rows, "groovepredictor": groove_rows,
    "dynamicsengine": dynamics_rows,
}  # fmt: skip


@lru_cache(maxsize=1)
def example_hash() -> str:
    """What examples depend on beside their item: the contract's version and the source that makes them."""
    digest = hashlib.sha256(str(CONTRACT_VERSION).encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]


def make_one(work: tuple[str, Item, str]) -> tuple[str, str, int, str]:
    """(item, .npy or "", rows, why not)."""
    net, item, folder = work
    try:
        digest = hashlib.sha256(pickle.dumps((item.name, sorted(item.labels.items()))))
        if item.score and "abc" not in item.labels:
            digest.update(item.score.read_bytes())
        name = digest.hexdigest()
        target = Path(folder) / net / name[:2] / f"{name}.npy"
        if not target.exists():
            save(target, MAKERS[net](item, Path(folder).parents[1]).astype(np.float16))
        return item.name, str(target), np.load(target, mmap_mode="r").shape[0], ""
    except (DataError, OSError) as error:
        return item.name, "", 0, str(error).removeprefix(f"{item.score}: ")


def made_by(net: str, shows: Callable[[Item], bool] = lambda item: True) -> Callable[..., tuple[list[tuple[Item, ScoreExample]], list[Corrupt]]]:
    """The row of TEACHERS for a set of scores; ``shows`` says which items have what the net is shown."""

    def made(found: Collection, cache: Path | None, advance: Callable[[int], object], executor: Executor | None):
        folder = str((cache or cache_folder()) / "examples" / example_hash())
        by_name = {item.name: item for item in found.items if shows(item)}
        shown, faults = {}, []
        for name, target, n_rows, reason in spread(make_one, [(net, item, folder) for item in by_name.values()], executor):
            advance(1)
            if target:
                shown[name] = ScoreExample(Path(target), n_rows)
            else:
                faults.append(Corrupt(by_name[name].score or Path(name), reason))
        return [(item, shown[item.name]) for item in found.items if item.name in shown], faults

    return made


def in_parts(item: Item) -> bool:
    """Whether it can have harmony: an ABC tune is one voice."""
    return "abc" not in item.labels


TEACHERS = {
    "melodytransformer": {name: made_by("melodytransformer") for name in ("lakh", "pop909", "emopia", "music21", "essen")},
    "harmonypredictor": {name: made_by("harmonypredictor", in_parts) for name in ("pop909", "billboard", "music21", "lakh")},
    "dynamicsengine": {name: made_by("dynamicsengine") for name in ("maestro", "asap", "groove", "emopia")},
    "groovepredictor": {name: made_by("groovepredictor") for name in ("groove", "pop909")},
}
