"""What a recognizer shall say of the same piece with one thing changed: an order, and how far apart at least.

Means over the rows in which the key is found and the level known, of whole recordings from reset; a hinge on each pair
that stands in a relation.  The differences asked for are about what the labels' own regression says, and more than the gates of
``training.counterfactuals`` want: there a mode is worth .6 of valence, a tempo twice as fast .24 of arousal, a decibel .016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kelly._rt.contract import EMBEDDING
from training.data.cues.contrasts import N_LEVELS, Changes, Kept
from training.sequences import heard_rows

Array = NDArray[np.float32]

AFFECT = tuple(EMBEDDING[name].start for name in ("valence", "arousal", "tension"))
SETTLED_ROWS = 200  # eight seconds, in which the key is found and the level learned
SPAN_ROWS = 50  # two seconds, after which a new level is heard
TAIL_ROWS = 20  # .8 s in which a piece dies away, which belong to no level
MODE = 0.5  # of valence, major above minor
KEY = 0.04  # of valence, that a key may move it
GAIN = 0.03  # of each, that a gain may move it
PER_OCTAVE = 0.3  # of arousal, for a tempo twice as fast
PER_DB = 0.018  # of arousal
UNIT = 0.1  # a gap of this size costs 1
WEIGHTS = {"mode": 3.0, "key": 4.0, "gain": 2.0, "tempo": 1.5, "level": 5.0}  # levels follow each other within one take, and what was heard before weighs most there


@dataclass(frozen=True, slots=True)
class Take:
    """Recordings side by side.

    x         float32 (B, T, 128), zeros after the end; rows that the engine would not show are left out
    readings  which rows of which recording are averaged: (recording, rows)
    """

    x: Tensor
    readings: tuple[tuple[int, Tensor], ...]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A piece as the loss meets it.

    takes  its recordings of one length about, and the take in several levels
    names  of the readings of the first
    """

    name: str
    split: str
    major: bool
    changes: Changes
    takes: tuple[Take, Take]
    names: tuple[str, ...]

    @classmethod
    def of(cls, kept: Kept) -> Contrast | None:
        """None where a recording has nothing to read."""
        names = tuple(name for name in kept.rows if name != "level")
        first = [(kept.rows[name], [np.arange(SETTLED_ROWS, len(kept.rows[name]))]) for name in names]
        level = kept.rows["level"]
        spans = spans_of(len(level), N_LEVELS)
        takes = (_take(first), _take([(level, spans)]))
        if any(not len(rows) for take in takes for _, rows in take.readings):
            return None
        return cls(kept.name, kept.split, kept.major, kept.changes, takes, names)


def spans_of(n: int, levels: int) -> list[NDArray[np.int64]]:
    """Rows of each level of a take of n rows, in the second half of which a piece is played again in so many levels."""
    return [span[SPAN_ROWS:] for span in np.array_split(np.arange(n // 2, n - TAIL_ROWS), levels)]


def _take(recordings: Sequence[tuple[Array, Sequence[NDArray[np.int64]]]]) -> Take:
    """Recordings with the rows of each that are averaged, before those that nobody hears are left out."""
    heard = [np.concatenate([np.zeros(0, np.int64), *heard_rows(rows)]) for rows, _ in recordings]
    x = np.zeros((len(recordings), max(1, *map(len, heard)), recordings[0][0].shape[1]), np.float32)
    readings = []
    for k, ((rows, wanted), here) in enumerate(zip(recordings, heard, strict=True)):
        x[k, : len(here)] = rows[here]
        readings += [(k, torch.from_numpy(np.flatnonzero(np.isin(here, span)))) for span in wanted]
    return Take(torch.from_numpy(x), tuple(readings))


def means(take: Take, answer: Tensor) -> Tensor:
    """(readings, 3) valence, arousal, tension of answers (B, T, O)."""
    return torch.stack([answer[k, rows.to(answer.device)][:, AFFECT].mean(0) for k, rows in take.readings])


def cost(contrast: Contrast, first: Tensor, levels: Tensor) -> dict[str, Tensor]:
    """How far what was said falls short of what was asked, per kind of change, in UNITs.

    first   (n, 3) of the readings of the first take
    levels  (N_LEVELS, 3)
    """
    at = {name: k for k, name in enumerate(contrast.names)}
    plain, sign = first[at["plain"]], 1.0 if contrast.major else -1.0
    tempi = torch.stack([first[at["plain"]] if factor == 1 else first[at[f"tempo{k}"]] for k, factor in enumerate(contrast.changes.tempi)])
    octaves = torch.log2(torch.tensor(contrast.changes.tempi))
    keys = torch.stack([first[at[f"key{k}"]] for k in range(len(contrast.changes.keys))])
    short = {
        "mode": torch.relu(MODE - sign * (plain[0] - first[at["other"], 0])),
        "key": torch.relu((keys[:, 0] - plain[0]).abs() - KEY).mean(),
        "gain": torch.relu((first[at["gain"]] - plain).abs() - GAIN).mean(),
        "tempo": _ordered(tempi[:, 1], octaves, PER_OCTAVE),
        "tempo's valence": _ordered(tempi[:, 0], octaves, 0.0),
        "level": _ordered(levels[:, 1], torch.tensor(contrast.changes.levels_db), PER_DB),
    }
    return {kind: WEIGHTS.get(kind, 1.0) * value / UNIT for kind, value in short.items()}


def _ordered(said: Tensor, of: Tensor, slope: float) -> Tensor:
    """Mean shortfall over all pairs: where one is above, what is said shall be higher by ``slope`` per unit at least."""
    above = of.to(said.device)[:, None] - of.to(said.device)[None]
    gap = said[:, None] - said[None]
    pairs = above > 0
    return torch.relu(slope * above - gap)[pairs].mean()
