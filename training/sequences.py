"""Whole pieces as a net meets them, and windows of many side by side with the state carried on.

The engine does not ask the recognizer while nobody plays, and begins it anew after four seconds of silence; so the
same rows are left out here, and a piece with such a silence is several sequences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, EMOTIONS, N_MEL, net_spec
from kelly._rt.stream.rules import Rule
from kelly.music.emotion import ANCHORS, TENSION_WEIGHT
from kelly.music.steering import NEARNESS
from training.data.item import Item

Array = NDArray[np.float32]

EMOTION = "emotionrecognizer"
KEPT_BYTES = 4 << 30
"""Examples up to this size are read once and stay in memory; of larger sets windows are read when they are needed."""
QUIET = -0.1
"""No band above this: the row does not stand out of a noise at the gate, as the engine's rule has it."""
GATE_ROWS = 6  # the gate stays open for 250 ms
FORGET_ROWS = 100  # four seconds


class Shown(Protocol):
    """What ``training.data`` makes of an item."""

    def __len__(self) -> int: ...
    def window(self, net: str, start: int, steps: int) -> tuple[Array, Array, Array]: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A sequence that a net meets from reset.

    item   where it comes from
    rows   of the example that the net is asked about; None: all of them
    n      how many
    """

    net: str
    item: Item
    example: Shown
    rows: NDArray[np.int64] | None
    n: int

    def part(self, start: int = 0, stop: int | None = None) -> tuple[Array, Array, Array]:
        """x (T, I), y (T, O), mask (T, O) of the steps from start to stop."""
        stop = self.n if stop is None else min(stop, self.n)
        if self.rows is None:
            x, y, mask = self.example.window(self.net, start, stop - start)
        else:
            rows = self.rows[start:stop]
            x, y, mask = (block[rows - rows[0]] for block in self.example.window(self.net, int(rows[0]), int(rows[-1] - rows[0]) + 1))
        if self.net == EMOTION:
            derive(y, mask)
        return x, y, mask


def derive(y: Array, mask: Array) -> None:
    """Fill in, in place, what follows from valence, arousal and tension where they are known and it is not given."""
    v, a, t = (y[:, EMBEDDING[name].start] for name in ("valence", "arousal", "tension"))
    plane = np.minimum(mask[:, EMBEDDING["valence"].start], mask[:, EMBEDDING["arousal"].start])
    space = np.minimum(plane, mask[:, EMBEDDING["tension"].start])
    bright, active = 1 / (1 + np.exp(-5 * v)), 1 / (1 + np.exp(-5 * a))
    anchors = np.array([ANCHORS[name] for name in EMOTIONS], np.float32)  # (6, 3)
    squares = (v[:, None] - anchors[:, 0]) ** 2 + (a[:, None] - anchors[:, 1]) ** 2 + TENSION_WEIGHT * (t[:, None] - anchors[:, 2]) ** 2
    near = np.exp(-squares / (2 * NEARNESS**2)) + 1e-9
    told = (
        (slice(EMBEDDING[EMOTIONS[0]].start, EMBEDDING[EMOTIONS[-1]].stop), near / near.sum(1, keepdims=True), space),
        (EMBEDDING.slice("quadrants"), np.stack([bright * active, (1 - bright) * active, (1 - bright) * (1 - active), bright * (1 - active)], 1), plane),
        (EMBEDDING.slice("intensity"), np.minimum(np.hypot(v, a), 1)[:, None], plane),
    )
    for where, values, known in told:
        if not mask[:, where].any():
            y[:, where] = values * known[:, None]
            mask[:, where] = known[:, None]


def heard_rows(x: Array) -> list[NDArray[np.int64]]:
    """Rows at which the engine asks the recognizer, one array per stretch that begins from reset."""
    loud = (x[:, :N_MEL] > QUIET).any(1)
    open_, since = np.zeros(len(x), bool), GATE_ROWS
    for t, sounding in enumerate(loud):
        since = 0 if sounding else since + 1
        open_[t] = since < GATE_ROWS
    rows = np.flatnonzero(open_)
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows) > FORGET_ROWS) + 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """An example in memory."""

    blocks: tuple[Array, Array, Array]

    def __len__(self) -> int:
        return len(self.blocks[0])

    def window(self, net: str, start: int, steps: int) -> tuple[Array, Array, Array]:
        x, y, mask = (block[start : start + steps] for block in self.blocks)
        return x, y.copy(), mask.copy()  # which ``derive`` writes into


def kept(net: str, made: Sequence[tuple[Item, Shown]]) -> Sequence[tuple[Item, Shown]]:
    """The same examples, in memory where they are small enough together."""
    spec = net_spec(net)
    if sum(len(example) for _, example in made) * 4 * (spec.input.size + 2 * spec.output.size) > KEPT_BYTES:
        return made
    return [(item, Kept(example.window(net, 0, len(example)))) for item, example in made]


def pieces_of(net: str, made: Sequence[tuple[Item, Shown]]) -> list[Piece]:
    """Every example as the sequences in which a net meets it."""
    made = kept(net, made)
    if net != EMOTION:
        return [Piece(net, item, example, None, len(example)) for item, example in made if len(example)]
    out = []
    for item, example in made:
        x, _, _ = example.window(net, 0, len(example))
        out += [Piece(net, item, example, None if len(rows) == len(example) else rows, len(rows)) for rows in heard_rows(x)]
    return out


def taught_by_rule(net: str, pieces: dict[str, list[Piece]]) -> list[int]:
    """Let the rule teach, in place, the answers that no piece of training knows, where they are known in no other way.

    Without a teacher such an index would say whatever the weights began with, and a band plays by it.
    returns  those indices; the held-out pieces stay as they are, so that nobody is measured by them
    """
    spec = net_spec(net)
    if net == EMOTION or spec.output.activation == "softmax" or not all(isinstance(piece.example, Kept) for piece in pieces["train"]):
        return []
    known = np.max([piece.example.blocks[2].max(0) for piece in pieces["train"]], axis=0)
    untaught = [i for i in range(spec.output.size) if known[i] == 0 and i not in spec.output.rule_indices()]
    rule = Rule(net)
    for piece in (*pieces["train"], *pieces["validation"]):
        x, y, mask = piece.example.blocks
        y[:, untaught] = rule(np.ascontiguousarray(x))[:, untaught]
        mask[:, untaught] = mask.max(1, keepdims=True)
    return untaught


def fingerprint(pieces: Sequence[Piece]) -> str:
    """A hash of every number that is shown, so that a run does not go on with other data."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.item.name.encode())
        for block in piece.part():
            digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Scale:
    """Means and spreads over the rows of training whose answers are known.

    mean, spread          (I,); an input that never changes has spread 0
    answer, answer_spread  (O,); answers that are never known: 0 and 0
    known                 (O,) share of rows
    """

    mean: Array
    spread: Array
    answer: Array
    answer_spread: Array
    known: Array

    @classmethod
    def of(cls, net: str, pieces: Sequence[Piece]) -> Scale:
        spec = net_spec(net)
        sums = [np.zeros((3, size)) for size in (spec.input.size, spec.output.size)]
        for piece in pieces:
            x, y, mask = piece.part()
            seen = mask.any(1)
            for total, block, weight in ((sums[0], x[seen], np.ones((int(seen.sum()), 1))), (sums[1], y[seen], mask[seen])):
                total[0] += weight.sum(0)
                total[1] += (block * weight).sum(0, dtype=np.float64)
                total[2] += (block.astype(np.float64) ** 2 * weight).sum(0)
        (mean, spread), (answer, answer_spread) = (_moments(total) for total in sums)
        return cls(mean, spread, answer, answer_spread, (sums[1][0] / max(1.0, sums[0][0].max())).astype(np.float32))


def _moments(total: NDArray[np.float64]) -> tuple[Array, Array]:
    n = np.maximum(total[0], 1)
    mean = total[1] / n
    spread = np.sqrt(np.maximum(total[2] / n - mean**2, 0))
    spread[spread < 1e-4] = 0
    return mean.astype(np.float32), spread.astype(np.float32)


Window = list[tuple[int, int] | None]
"""Per slot: (piece, first step), or None where nothing is left."""


def plan(lengths: Sequence[int], slots: int, steps: int, seed: int, epoch: int, rank: int = 0, world: int = 1) -> list[Window]:
    """Every window of an epoch: pieces in random order, each followed through in its slot.

    rank, world  this process's share of the pieces; all processes get as many windows
    """
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch)).tolist()
    shares = [_slots([(piece, lengths[piece]) for piece in order[r::world]], slots, steps) for r in range(world)]
    longest = max(len(share) for share in shares)
    return shares[rank] + [[None] * slots] * (longest - len(shares[rank]))


def _slots(queue: list[tuple[int, int]], slots: int, steps: int) -> list[Window]:
    waiting, playing, out = iter(queue), [None] * slots, []
    while True:
        window: Window = []
        for slot in range(slots):
            here = playing[slot]
            if here is None or here[1] >= here[2]:
                piece = next(waiting, None)
                here = None if piece is None else (piece[0], 0, piece[1])
            window.append(None if here is None else here[:2])
            playing[slot] = None if here is None else (here[0], here[1] + steps, here[2])
        if not any(window):
            return out
        out.append(window)


def batches(pieces: Sequence[Piece], windows: Sequence[Window], steps: int, first: int = 0) -> Iterator[tuple[torch.Tensor, ...]]:
    """(x (B, T, I), y (B, T, O), mask (B, T, O), fresh (B,)) per window from ``first`` on; fresh slots begin from reset."""
    spec = net_spec(pieces[0].net)
    for window in windows[first:]:
        x = np.zeros((len(window), steps, spec.input.size), np.float32)
        y, mask = (np.zeros((len(window), steps, spec.output.size), np.float32) for _ in range(2))
        fresh = np.zeros(len(window), bool)
        for slot, place in enumerate(window):
            if place is not None:
                piece, start = pieces[place[0]], place[1]
                blocks = piece.part(start, start + steps)
                for whole, block in zip((x, y, mask), blocks, strict=True):
                    whole[slot, : len(block)] = block
                fresh[slot] = start == 0
        yield torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(mask), torch.from_numpy(fresh)


def summary(pieces: Sequence[Piece]) -> dict[str, Any]:
    """How much there is."""
    return {"pieces": len(pieces), "steps": sum(piece.n for piece in pieces), "songs": len({piece.item.song for piece in pieces})}
