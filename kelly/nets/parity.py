"""Do two engines compute the same?  Errors in ULP, the first layer where they part, state and reset.

thread  [main]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.net.layers import EXACT
from kelly.errors import ModelShapeError
from kelly.nets.contestants import Contestant, VectorsContestant

Array = NDArray[np.float32]

BLOCKS = (1, 2, 3, 1, 7, 16, 64)
"""Sizes of the blocks in which the state check feeds a sequence, over and over."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two sequences are apart.

    max_abs, mean_abs  of the values; inf where only one side is finite
    max_ulp, mean_ulp  in floats that lie between them; None where a side is NaN
    differing          values whose bits differ, -0 and +0 included
    values             values compared
    step, output       where the largest error is
    cosine             of all values of both sides, 1 where both are zero; None where a value is not finite
    """

    max_abs: float
    mean_abs: float
    max_ulp: int | None
    mean_ulp: float | None
    differing: int
    values: int
    step: int
    output: int
    cosine: float | None


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """One layer on both sides; ``within`` says whether the tolerance holds."""

    index: int
    type: str
    max_abs: float
    max_ulp: int | None
    within: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """One engine against the first.

    tolerance       largest error allowed, already times the largest answer
    layers          one row per layer where both sides can look inside, else ()
    first_layer     index of the first layer beyond the tolerance; None where all are within, or unknown
    first_bits      index of the first layer whose bits differ
    carries_state   feeding in blocks gives the same as at once; None where the engine has no blocks
    resets          a second run from reset gives the same bits
    least_cosine    how alike the answers have to be; None where only errors count
    """

    name: str
    tolerance: float
    difference: Difference
    layers: tuple[LayerDifference, ...]
    first_layer: int | None
    first_bits: int | None
    carries_state: bool | None
    resets: bool
    least_cosine: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the two are at parity."""
        near = self.difference.max_abs <= self.tolerance and self.carries_state is not False and self.resets
        return near and (self.least_cosine is None or (self.difference.cosine or 0.0) >= self.least_cosine)

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def ordered(x: Array) -> NDArray[np.int64]:
    """Floats as whole numbers in the same order, neighbours one apart; -0 and +0 are both 0."""
    bits = np.ascontiguousarray(x, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def difference(a: Array, b: Array) -> Difference:
    """Two float32 (T, O) of one shape."""
    same_bits = np.ascontiguousarray(a).view(np.uint32) == np.ascontiguousarray(b).view(np.uint32)
    both_nan = np.isnan(a) & np.isnan(b)
    with np.errstate(invalid="ignore"):
        error = np.abs(a.astype(np.float64) - b.astype(np.float64))
    error = np.where(same_bits | both_nan, 0.0, np.where(np.isnan(error), np.inf, error))
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    ulp = np.abs(ordered(a) - ordered(b))
    known = not (np.isnan(a) ^ np.isnan(b)).any()
    ulp = np.where(both_nan, 0, ulp)
    return Difference(
        max_abs=float(error.max()), mean_abs=float(error.mean()), max_ulp=int(ulp.max()) if known else None,
        mean_ulp=float(ulp.mean()) if known else None, differing=int((~(same_bits | both_nan)).sum()), values=int(error.size),
        step=int(worst[0]), output=int(worst[1]), cosine=cosine(a, b),
    )  # fmt: skip


def cosine(a: Array, b: Array) -> float | None:
    """Of two sequences as two vectors."""
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    length = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / length if length else float(np.array_equal(x, y))


def noise(in_size: int, steps: int, seed: int = 0, scale: float = 1.0) -> Array:
    """A repeatable sequence: normal noise with a silence in its middle, so that states decay and come back."""
    x = np.random.default_rng(seed).standard_normal((steps, in_size)).astype(np.float32) * np.float32(scale)
    x[steps // 2 : steps // 2 + steps // 16] = 0
    return x


def compare(first: Contestant, others: Sequence[Contestant], x: Array, tolerance: float | None = None, layer_types: Sequence[str] = ()) -> list[Verdict]:
    """Hold every other engine against the first on one sequence.

    x            float32 (T, in), T >= 1
    tolerance    None: each engine's own; errors are measured against it times max(1, largest answer)
    layer_types  names for the rows of the layer tables
    raises       ModelShapeError where an engine answers in another shape
    """
    verdicts = []
    answers: dict[int, Array] = {}
    for other in others:
        given = other.vectors.input if isinstance(other, VectorsContestant) else x
        key = id(other) if given is not x else 0
        if key not in answers:
            answers[key] = first.run(given)
        verdicts.append(_against(first, other, given, answers[key], tolerance, layer_types))
    return verdicts


def _against(first: Contestant, other: Contestant, x: Array, wanted: Array, tolerance: float | None, layer_types: Sequence[str]) -> Verdict:
    found = other.run(x)
    if found.shape != wanted.shape:
        raise ModelShapeError(path=other.name, expected=f"{wanted.shape} like {first.name}", found=str(found.shape))
    own = [engine.tolerance for engine in (first, other) if getattr(engine, "arithmetic", "") not in EXACT]  # exact ones err by nothing
    allowed = tolerance if tolerance is not None else max(own or [first.tolerance])
    finite = np.abs(wanted[np.isfinite(wanted)])
    bound = allowed * max(1.0, float(finite.max()) if finite.size else 1.0)
    layers: list[LayerDifference] = []
    inside = first.trace(x) if not isinstance(other, VectorsContestant) else {}
    seen = other.trace(x) if inside else {}
    if inside and not seen and hasattr(other, "match"):
        seen = other.match(x, inside)
    for index in sorted(inside.keys() & seen.keys()):
        if inside[index].shape != seen[index].shape:
            break
        row = difference(inside[index], seen[index])
        scale = max(1.0, float(np.abs(inside[index][np.isfinite(inside[index])]).max(initial=0.0)))
        kind = layer_types[index] if index < len(layer_types) else ""
        layers.append(LayerDifference(index, kind, row.max_abs, row.max_ulp, row.max_abs <= allowed * scale))
    return Verdict(
        name=other.name, tolerance=bound, difference=difference(wanted, found), layers=tuple(layers),
        first_layer=next((row.index for row in layers if not row.within), None),
        first_bits=next((row.index for row in layers if row.max_abs > 0 or row.max_ulp is None), None),
        carries_state=carries_state(other, x, found), resets=same_bits(again(other, x), found), least_cosine=_cosine(first, other),
    )  # fmt: skip


def _cosine(*engines: Contestant) -> float | None:
    needed = [float(value) for engine in engines if (value := getattr(engine, "cosine", None)) is not None]
    return max(needed, default=None)


def again(engine: Contestant, x: Array) -> Array:
    """A second run after a reset, within one process where the engine is a program."""
    answer: Array = engine.rerun(x) if hasattr(engine, "rerun") else engine.run(x)
    return answer


def same_bits(a: Array, b: Array) -> bool:
    """Equal shapes and bits, any NaN equal to any."""
    return a.shape == b.shape and difference(a, b).differing == 0


def block_sizes(steps: int) -> list[int]:
    """BLOCKS, repeated until they make ``steps``."""
    sizes: list[int] = []
    left = steps
    while left:
        size = min(BLOCKS[len(sizes) % len(BLOCKS)], left)
        sizes.append(size)
        left -= size
    return sizes


def carries_state(engine: Contestant, x: Array, whole: Array) -> bool | None:
    """Whether feeding in blocks answers as feeding at once does: kelly's engines to the bit, others within 1e-6."""
    answer = engine.stream(x, block_sizes(len(x)))
    if answer is None:
        return None
    if engine.name.startswith("kelly"):
        return same_bits(answer, whole)
    return difference(answer, whole).max_abs <= 1e-6 * max(1.0, float(np.abs(whole[np.isfinite(whole)]).max(initial=0.0)))
