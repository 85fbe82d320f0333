"""What the corpus shows each net: TEACHERS has a row per net.

The recognizer is shown features and the embedding's targets.  The nets behind it are shown what the recognizer would
have told them: give ``made_by`` a function ``embedding_of(item)`` that returns its rows (T, 64) for the clip's
features, or leave it out for the targets themselves with errors and gaps like the recognizer's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, N_MOOD, net_spec
from kelly.errors import DataError
from training.data import dynamics, harmony, melody
from training.data.cues.plan import MODES
from training.data.examine import spread
from training.data.features import cache_folder, save
from training.data.item import Collection, Corrupt, Item
from training.data.score import Score, read_score
from training.data.symbols import on_beats

Array = NDArray[np.float32]
Made = tuple[list[tuple[Item, Any]], list[Corrupt]]

ROW_S = 0.04
ERROR_SD, FLICKER_SD = 0.2, 0.08  # of a recognizer about the truth: by clip, and from row to row
MASKED = 0.25  # of the fields behind tension, by clip: what a recognizer would not tell
DYNAMIC_MOOD = ("valence", "arousal", "tension", "intensity")
MOOD = {
    "melodytransformer": tuple(range(N_MOOD)), "harmonypredictor": tuple(range(EMBEDDING.size)),
    "groovepredictor": tuple(range(EMBEDDING.size)), "dynamicsengine": tuple(EMBEDDING[name].start for name in DYNAMIC_MOOD),
}  # fmt: skip
"""Which indices of the embedding an input begins with."""
DUET_NOTES = 12  # that each side of a duet must have
DYNAMICS_TOLD = ("velocity", "velocity_range", "accent", "crescendo", "gate", "velocity_jitter")
"""Answers that a piece composed here can teach; push, rolls and pedals are people's."""
SOURCES = ("cues/teach.py", "dynamics.py", "harmony.py", "melody.py", "score.py", "symbols.py")


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip as the recognizer meets it: .npy of features (T, 128) and targets (T, 64), NaN where unknown."""

    features: Path
    answers: Path
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows

    def window(self, net: str, start: int, steps: int) -> tuple[Array, Array, Array]:
        """x (steps, 128), y (steps, 64), mask (steps, 64) from a row on, zeros after the end."""
        told = np.load(self.answers, mmap_mode="r")[start : start + steps].astype(np.float32)
        x = np.zeros((steps, np.load(self.features, mmap_mode="r").shape[1]), np.float32)
        x[: len(told)] = np.load(self.features, mmap_mode="r")[start : start + steps]
        y, mask = (np.zeros((steps, EMBEDDING.size), np.float32) for _ in range(2))
        mask[: len(told)] = np.isfinite(told)
        y[: len(told)] = np.nan_to_num(told)
        return x, y, mask


@dataclass(frozen=True, slots=True)
class Told:
    """A clip as a net behind the recognizer meets it.

    rows   .npy (T, I + told + 1): input without its mood, class and weight or answers and mask, row of the features
    moods  float32 (T, M): the embedding at each step
    """

    rows: Path
    moods: Array

    def __len__(self) -> int:
        return len(self.moods)

    def window(self, net: str, start: int, steps: int) -> tuple[Array, Array, Array]:
        """x (steps, I), y (steps, O), mask (steps, O) from a step on, zeros after the end."""
        spec = net_spec(net)
        part = np.asarray(np.load(self.rows, mmap_mode="r")[start : start + steps], np.float32)[:, :-1]
        x = np.zeros((steps, spec.input.size), np.float32)
        y, mask = (np.zeros((steps, spec.output.size), np.float32) for _ in range(2))
        x[: len(part)], told = part[:, : spec.input.size], part[:, spec.input.size :]
        x[: len(part), : self.moods.shape[1]] = self.moods[start : start + steps]
        if told.shape[1] == 2:
            y[np.arange(len(part)), told[:, 0].astype(int)] = 1
            mask[: len(part)] = told[:, 1:]
        else:
            y[: len(part)], mask[: len(part)] = np.split(told, 2, axis=1)
        return x, y, mask


def heard(found: Collection, cache: Path | None, advance: Callable[[int], object], executor: Executor | None) -> Made:
    """Every clip for the recognizer; nothing is computed, because features are part of the corpus."""
    made: list[tuple[Item, Any]] = []
    for item in found.items:
        made.append((item, Heard(item.labels["features"], item.labels["answers"], np.load(item.labels["answers"], mmap_mode="r").shape[0])))
        advance(1)
    return made, []


def made_by(net: str, embedding_of: Callable[[Item], Array] | None = None) -> Callable[..., Made]:
    """The row of TEACHERS of a net behind the recognizer.

    embedding_of  the recognizer's answer (T, 64) to the clip's features; None: the targets, with errors and gaps
    """

    def made(found: Collection, cache: Path | None, advance: Callable[[int], object], executor: Executor | None) -> Made:
        folder = str((cache or cache_folder()) / "examples" / f"cues-{example_hash()}")
        by_name, shown, faults = {item.name: item for item in found.items}, {}, []
        for name, target, reason in spread(make_one, [(net, item, folder) for item in found.items], executor):
            advance(1)
            if target:
                at = np.load(target, mmap_mode="r")[:, -1].astype(int)
                mood = noisy(by_name[name], net) if embedding_of is None else embedding_of(by_name[name])
                shown[name] = Told(Path(target), np.asarray(mood[np.clip(at, 0, len(mood) - 1)][:, MOOD[net]], np.float32))
            elif reason:
                faults.append(Corrupt(by_name[name].score or Path(name), reason))
        return [(item, shown[item.name]) for item in found.items if item.name in shown], faults

    return made


@lru_cache(maxsize=1)
def example_hash() -> str:
    """The source that makes the rows."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((Path(__file__).parents[1] / name).read_bytes())
    return digest.hexdigest()[:16]


def make_one(work: tuple[str, Item, str]) -> tuple[str, str, str]:
    """(item, .npy or "", why not); a clip that has nothing for a net is no fault."""
    net, item, folder = work
    try:
        digest = hashlib.sha256(f"{item.name} {item.labels['plan']}".encode())
        digest.update(item.score.read_bytes() if item.score else b"")
        name = digest.hexdigest()
        target = Path(folder) / net / name[:2] / f"{name}.npy"
        if not target.exists():
            parts = list(MAKERS[net](item))
            if not parts:
                return item.name, "", ""
            save(target, np.concatenate(parts).astype(np.float32))
        return item.name, str(target), ""
    except (DataError, OSError) as error:
        return item.name, "", str(error)


def noisy(item: Item, net: str) -> Array:
    """The targets (T, 64) as a recognizer might tell them: off by a constant and a flicker, some fields unknown."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{item.name} {net}".encode()).digest()[:8], "big"))
    truth = np.nan_to_num(np.load(item.labels["answers"]).astype(np.float32))
    out = truth + rng.normal(0, ERROR_SD, EMBEDDING.size) + rng.normal(0, FLICKER_SD, truth.shape)
    for field in EMBEDDING.fields:
        if field.teacher == "rule" or (field.start > EMBEDDING["tension"].start and rng.random() < MASKED):
            out[:, field.start : field.stop] = 0
    return np.clip(out, -1, 1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring sections in one key: quarters of the score (which begins a bar early), seconds."""

    low: float
    high: float
    start_s: float
    end_s: float
    key: tuple[int, int]


def stretches(item: Item) -> list[Stretch]:
    """The clip in stretches of one key and mode; silent sections are none."""
    plan = item.labels["plan"]
    per_bar, quarter, out = plan["meter"][1], float(plan["meter"][1]), []
    for section, (start, end, tonic, mode) in zip(plan["sections"], item.labels["keys"], strict=True):
        low, quarter = quarter, quarter + section["bars"] * per_bar
        if section["texture"] == "silence":
            continue
        before = out[-1] if out else None
        if before and before.high == low and before.key == (tonic, mode):
            out[-1] = Stretch(before.low, quarter, before.start_s, end, before.key)
        else:
            assert mode == (1 if MODES[section["mode"]][1] > 0 else -1)
            out.append(Stretch(low, quarter, start, end, (tonic, mode)))
    return out


def _score(item: Item, stretch: Stretch, unheard: bool) -> Score:
    """Notes of a stretch, its first quarter 0."""
    assert item.score is not None
    whole = read_score(item.score)
    kept = [unheard or "unheard" not in whole.tracks[track] for track in whole.notes["track"]]
    notes = whole.notes[np.array(kept)]
    notes = notes[(notes["onset_beat"] >= stretch.low - 0.1) & (notes["onset_beat"] < stretch.high - 0.1)].copy()
    for edge in ("onset_beat", "end_beat"):
        notes[edge] -= stretch.low
    return Score(notes, whole.tracks, whole.meter, whole.changes, whole.pedal_s)


def melody_rows(item: Item) -> Iterator[Array]:
    """The tune of every stretch, whether or not it is heard."""
    for stretch in stretches(item):
        score = _score(item, stretch, unheard=True)
        tune = melody.melody_of(score) if len(score.notes) else []
        if len(tune) < 8:
            continue
        rows = melody.rows(score, item.labels["chords"], stretch.key)
        rows[:, :N_MOOD] = 0
        per_bar = score.meter[0] * 8 // score.meter[1]
        first = round(2 * tune["onset_beat"][0]) // per_bar * per_bar
        quarters = (first + np.arange(len(rows))) / 2
        share = quarters / (stretch.high - stretch.low)
        times_s = stretch.start_s + share * (stretch.end_s - stretch.start_s)
        yield np.column_stack([rows, rows_before(times_s)]).astype(np.float32)


def harmony_rows(item: Item) -> Iterator[Array]:
    """The chords of every stretch, by what is heard of it."""
    for stretch in stretches(item):
        beats = item.labels["beats"]
        beats = beats[(beats[:, 0] >= stretch.start_s - 1e-3) & (beats[:, 0] < stretch.end_s - 1e-3)]
        score = _score(item, stretch, unheard=False)
        if len(beats) < 4 or not len(score.notes):
            continue
        rows = harmony.beat_rows(on_beats(score, beats), beats, item.labels["chords"], stretch.key)
        rows[:, : EMBEDDING.size] = 0
        asked_s = beats[:, 0] - 0.5 * np.diff(beats[:, 0], prepend=beats[0, 0])
        first = int(np.argmax(beats[:, 1] > 0))  # rows begin on a downbeat, and end with the last note
        yield np.column_stack([rows, rows_before(asked_s[first : first + len(rows)])]).astype(np.float32)


def groove_rows(item: Item) -> Iterator[Array]:
    """The drummer's bars, whether or not they are heard."""
    told = np.load(item.labels["grooves"])
    if len(told):
        x = np.zeros((len(told), EMBEDDING.size), np.float32)
        yield np.column_stack([x, told[:, 1:], rows_before(told[:, 0])]).astype(np.float32)


def dynamics_rows(item: Item) -> Iterator[Array]:
    """A part that nobody heard, or one of those that were: kelly's; the player is all the others that were heard."""
    assert item.score is not None
    whole = read_score(item.score)
    names = np.array([whole.tracks[track] for track in whole.notes["track"]])
    unheard, parts = np.char.endswith(names, "(unheard)"), np.char.partition(names, " ")[:, 0]
    for part, voice in (("melody", 0), ("bass", 1), ("chords", None)):
        mine = parts == part
        player, kelly = whole.notes[~mine & ~unheard & (parts != "effect")], whole.notes[mine]
        if min(len(player), len(kelly)) < DUET_NOTES:
            continue
        duet = dynamics.Duet(player, kelly, item.labels["beats"], np.zeros((1, 4), np.float32), np.zeros(1), voice, tuple(item.labels["chords"]))
        rows = dynamics.rows(duet, DYNAMICS_TOLD)
        yield np.column_stack([rows, rows_before(kelly["onset_s"] - dynamics.AHEAD_S)]).astype(np.float32)


def rows_before(times_s: NDArray[np.floating]) -> NDArray[np.intp]:
    """The newest feature row that ended by then."""
    return np.maximum((np.asarray(times_s) / ROW_S + 1e-6).astype(int) - 1, 0)


MAKERS = {"melodytransformer": melody_rows, "harmonypredictor": harmony_rows, "groovepredictor": groove_rows, "dynamicsengine": dynamics_rows}
TEACHERS: dict[str, Callable[..., Made]] = {"emotionrecognizer": heard, **{net: made_by(net) for net in MAKERS}}
