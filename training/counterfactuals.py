"""Pairs of recordings that differ in one thing: what the recognizer should follow, and what it should not.

Pieces are composed for this with a seed of their own.  Those of ``TEST`` are played by the programs and the soundfont of no
clip that anybody learns from, and judge; those of ``VALIDATION``, by training's soundfont, are what a net is chosen by.
Rendered features lie in the cache under the hashes of composer and front end; another recognizer hears the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kelly
from kelly._rt.contract import EMBEDDING, FEATURES
from kelly.errors import DataError
from training.contrast import SETTLED_ROWS, spans_of
from training.data.cues import contrasts, render
from training.data.cues.composer import Piece, compose
from training.data.cues.corpus import SOUND, TEST_FONT, TRAINING_FONTS, source_hash
from training.data.cues.counterfactual import counterfactual
from training.data.cues.plan import draw
from training.data.examine import spread
from training.data.features import cache_folder, feature_hash, save
from training.sequences import heard_rows

Array = NDArray[np.float32]

TEMPI = (0.75, 0.87, 1.0, 1.15, 1.33)
LEVELS_DB = (0.0, 12.0, -12.0, 6.0, -6.0)  # of five spans of a piece that was heard as it is before, in one take
GAINS_DB = (-12.0, 12.0)
FITS_S = 36.0  # that a piece may last when it is slowest
KEYS = tuple(range(-5, 7))
ROUNDING = 1e-9  # of a rank correlation of exactly .8
AFFECT = ("valence", "arousal", "tension")


@dataclass(frozen=True, slots=True)
class Source:
    """Where pieces come from.

    seed   that no corpus and no contrasts are drawn from
    split  whose programs play them
    font   a soundfont
    """

    seed: int
    split: str
    font: Path


TEST, VALIDATION = Source(7919, "test", TEST_FONT), Source(15_485_863, "validation", TRAINING_FONTS[0])
SOURCES = {source.split: source for source in (TEST, VALIDATION)}


@dataclass(frozen=True, slots=True)
class Variant:
    """One recording of one piece: a kind of TRIALS and the value it has there."""

    index: int
    kind: str
    value: Any = None

    @property
    def plain(self) -> bool:
        """Whether it is the piece as it was composed."""
        return (self.kind, self.value) in (("gain", 0.0), ("key", 0), ("tempo", 1.0))

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.index}-{'again' if self.kind == 'level' else self.kind}-{self.value}"


def variants_of(n: int, source: Source = TEST) -> list[Variant]:
    """n pieces in two modes, at five tempi, at five levels, with three gains and in twelve keys."""
    return [variant for index in suitable(n, source) for variant in variants(index)]


def variants(index: int) -> list[Variant]:
    """All recordings of a piece."""
    kinds: dict[str, Sequence[Any]] = {"mode": ("major", "minor"), "tempo": TEMPI, "level": (None,), "gain": (0.0, *GAINS_DB), "key": KEYS}
    return [Variant(index, kind, value) for kind, values in kinds.items() for value in values]


def suitable(n: int, source: Source = TEST) -> list[int]:
    """The first n pieces, by index, of one key, one mode, one texture and one level, whose other mode has other notes."""
    pieces = contrasts.pieces(source.seed, (source.split,), TEMPI[0] * FITS_S)
    return [next(pieces).plan.index for _ in range(n)]


@lru_cache(maxsize=4)
def composed(index: int, seed: int = TEST.seed) -> Piece:
    """A piece as it is."""
    return compose(contrasts.flat(draw(seed, index)))


def hear(work: tuple[int, int, tuple[Variant, ...], str, str]) -> tuple[dict[Variant, str], str]:
    """All variants of a piece, in one run of the synthesizer: where their features lie, or {} and why not."""
    index, seed, variants, folder, font = work
    piece = composed(index, seed)
    own = {variant: Variant(variant.index, "tempo", 1.0) if variant.plain else variant for variant in variants}
    places = {same: Path(folder) / f"{same.name}.npy" for same in own.values()}
    missing = [same for same, place in places.items() if not place.exists()]
    try:
        if missing:
            pieces = {slot: changed(piece, same) for slot, same in enumerate(missing)}
            if any(same.kind == "level" for same in missing):
                pieces[len(missing)] = piece
            sounds = render.render_all(pieces, Path(font))
            for slot, same in enumerate(missing):
                if same.kind == "level":  # once as it is, so that mezzo-forte is known
                    sounds[slot] = np.concatenate([sounds[len(missing)], sounds[slot]])
                samples = sounds[slot] * np.float32(10 ** (same.value / 20) if same.kind == "gain" else 1)
                save(places[same], kelly.extract_features(np.ascontiguousarray(samples, np.float32), render.RATE_HZ))
        return {variant: str(places[same]) for variant, same in own.items()}, ""
    except (DataError, OSError) as error:
        return {}, str(error)


def changed(piece: Piece, variant: Variant) -> Piece:
    """The piece with one thing changed."""
    if variant.kind == "mode":
        return counterfactual(piece, mode=variant.value)
    if variant.kind == "tempo":
        return counterfactual(piece, tempo_factor=variant.value)
    if variant.kind == "level":
        return counterfactual(piece, level_db=LEVELS_DB)
    if variant.kind == "key":
        return counterfactual(piece, transpose=variant.value)
    return piece


def heard(
    variants: Sequence[Variant], cache: Path | None = None, source: Source = TEST, advance: Callable[[int], object] = lambda n: None, executor: Executor | None = None
) -> dict[Variant, Array]:
    """Features of every variant, rendered in parallel and kept.

    raises  DataError when FluidSynth or the soundfont is missing
    """
    made = source_hash((*SOUND, "contrasts.py"))
    folder = (cache or cache_folder()) / "counterfactuals" / f"{made}-{feature_hash()}-{source.font.stem}"
    mine: dict[int, list[Variant]] = {}
    for variant in variants:
        mine.setdefault(variant.index, []).append(variant)
    out = {}
    for places, reason in spread(hear, [(index, source.seed, tuple(group), str(folder), str(source.font)) for index, group in mine.items()], executor):
        if reason:
            raise DataError(reason)
        advance(len(places))
        out |= {variant: np.load(place) for variant, place in places.items()}
    return out


class FrontEnd:
    """An engine that repeats what its inputs say outright: the mode as valence, notes per second and level as arousal.

    What it misses the descriptors do not tell, and a net has to find elsewhere in a row, or cannot.
    """

    def reset(self) -> None:
        """Nothing is remembered."""

    def __call__(self, x: Array) -> Array:
        out = np.zeros((len(x), EMBEDDING.size), np.float32)
        heard = {name: x[:, FEATURES[name].start] for name in ("mode_sign", "log2_notes_per_second", "slow_level")}
        out[:, EMBEDDING["valence"].start] = 0.3 * heard["mode_sign"]
        out[:, EMBEDDING["arousal"].start] = 0.1 * heard["log2_notes_per_second"] + 0.5 * heard["slow_level"]
        return out


def feelings(engine: Any, features: Array) -> Array:
    """(T, 3) valence, arousal, tension as the engine would publish them; NaN while nobody plays.

    engine  a Network or a Rule: ``reset`` and a call
    """
    out = np.full((len(features), 3), np.nan, np.float32)
    places = [EMBEDDING[name].start for name in AFFECT]
    for rows in heard_rows(features):
        engine.reset()
        out[rows] = engine(np.ascontiguousarray(features[rows]))[:, places]
    return out


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation; 0 where one of the two never changes."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1]) if min(rank.std() for rank in ranks) > 0 else 0.0


def judged(engine: Any, recordings: dict[Variant, Array]) -> dict[str, list[dict[str, Any]]]:
    """Per kind of change, per piece: what the engine said.

    mode   ``major``, ``minor`` valence
    tempo  ``arousal``, ``valence`` at TEMPI; ``rank`` of arousal
    level  ``arousal`` at LEVELS_DB; ``rank``
    gain   ``moved``: the largest of |change| of valence, arousal, tension
    key    ``valence`` in KEYS; ``moved``: |change| of valence in each but the piece's own
    """
    said = {variant: feelings(engine, features) for variant, features in recordings.items()}
    mean = {variant: np.nanmean(rows[SETTLED_ROWS:], axis=0) for variant, rows in said.items()}
    pieces = sorted({variant.index for variant in said})
    out: dict[str, list[dict[str, Any]]] = {kind: [] for kind in ("mode", "tempo", "level", "gain", "key")}
    for index in pieces:
        mine = {(variant.kind, variant.value): value for variant, value in mean.items() if variant.index == index}
        out["mode"].append({"piece": index, "major": float(mine["mode", "major"][0]), "minor": float(mine["mode", "minor"][0])})
        arousal, valence = ([float(mine["tempo", factor][k]) for factor in TEMPI] for k in (1, 0))
        out["tempo"].append({"piece": index, "arousal": arousal, "valence": valence, "rank": spearman(TEMPI, arousal)})
        take = said[Variant(index, "level")][:, 1]
        spans = [float(np.nanmean(take[rows])) for rows in spans_of(len(take), len(LEVELS_DB))]
        out["level"].append({"piece": index, "arousal": spans, "rank": spearman(LEVELS_DB, spans)})
        base = mine["gain", 0.0]
        out["gain"].append({"piece": index, "moved": float(max(np.abs(mine["gain", gain] - base).max() for gain in GAINS_DB))})
        values = [float(mine["key", key][0]) for key in KEYS]
        out["key"].append({"piece": index, "valence": values, "moved": [abs(value - values[KEYS.index(0)]) for key, value in zip(KEYS, values, strict=True) if key]})
    return out


@dataclass(frozen=True, slots=True)
class Gate:
    """What is asked of the recognizer.

    asked  of a piece, or of a pair of the piece and the piece changed
    least  share that passes; None: nobody asks, and it is said
    held   of each piece, whether each of its pairs does as asked
    """

    name: str
    asked: str
    least: float | None
    held: Callable[[dict[str, list[dict[str, Any]]]], list[list[bool]]]


def _each(kind: str, holds: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, list[dict[str, Any]]]], list[list[bool]]]:
    """A gate that asks a piece once."""
    return lambda found: [[holds(row)] for row in found[kind]]


GATES = (
    Gate("valence, major against minor", "higher by .3", 0.9, _each("mode", lambda row: row["major"] - row["minor"] >= 0.3)),
    Gate("valence, major against minor", "higher", 0.9, _each("mode", lambda row: row["major"] > row["minor"])),
    Gate("arousal over 5 tempi", "Spearman .8", 0.85, _each("tempo", lambda row: row["rank"] >= 0.8 - ROUNDING)),
    Gate("valence over 5 tempi", "fastest no lower than slowest, give or take .05", 0.85, _each("tempo", lambda row: row["valence"][-1] >= row["valence"][0] - 0.05)),
    Gate("arousal over 5 levels of one take", "Spearman .8", 0.85, _each("level", lambda row: row["rank"] >= 0.8 - ROUNDING)),
    Gate("input gain of +-12 dB", "moves V, A, T by less than .1", 0.9, _each("gain", lambda row: row["moved"] < 0.1)),
    Gate("transposed, 5 down to 6 up", "valence moves by .1 at most, of pairs", 0.9, lambda found: [[moved <= 0.1 for moved in row["moved"]] for row in found["key"]]),
    Gate("transposed, 5 down to 6 up", "in all 12 keys", None, _each("key", lambda row: max(row["moved"]) <= 0.1)),
)
"""The last has no threshold: the labels' own regression moves by .102 of valence over six semitones, which are register and not key."""
