"""Pieces that are played again with one thing changed: what the recognizer should follow, and what it should not.

Each is composed for this, in one key, one mode and at one level, with a seed that no clip of the corpus is drawn
from; a file has all its recordings.  Nobody rates them: only their order is known.

    ROOT/contrasts/contrasts.json   what all of them share
    ROOT/contrasts/00012.npz        a piece: float16 (T, 128) features of each recording, and what was changed

thread  [main], and one process per piece while they are made
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

import kelly
from training.data.cues import render
from training.data.cues.composer import LEAD, Piece, compose, lead
from training.data.cues.corpus import FONTS, SOUND, TRAINING_FONTS, source_hash, weighted, write_json
from training.data.cues.counterfactual import counterfactual
from training.data.cues.desk import ROLES
from training.data.cues.plan import Plan, draw
from training.data.errors import DataSetError, MissingFileError
from training.data.features import feature_hash, whole

Array = NDArray[np.float32]

FOLDER, HEAD = "contrasts", "contrasts.json"
SEED = 104_729  # a corpus's own is added; ``training.counterfactuals`` has another
MODES = ("ionian", "aeolian")
LONGEST_S = 27.0  # of a piece that still fits its slot when it is slowest
N_TEMPI, N_LEVELS, N_KEYS = 5, 5, 3
SLOWEST, FASTEST = 0.75, 1.35
SOFTEST_DB, LOUDEST_DB = -14.0, 12.0
CLOSEST_DB = 3.0  # of two levels


def flat(plan: Plan) -> Plan:
    """The same plan at one level from beginning to end."""
    return replace(plan, sections=tuple(replace(section, level_db=(0.0, 0.0)) for section in plan.sections))


def plain(plan: Plan) -> bool:
    """Whether it is one texture in one key, in major or in minor, as music without silences and with pitches."""
    first = plan.sections[0]
    alike = {(s.texture, s.tonic, s.mode, s.rate, s.pitch, s.gate) for s in plan.sections}
    return plan.kind in ("loop", "steps", "pair") and len(alike) == 1 and first.mode in MODES and first.texture not in ("silence", "percussive")


def told(piece: Piece) -> float:
    """``composer.lead`` of a piece in major and in minor: the smaller of the two."""
    leads = []
    for mode in ("major", "minor"):
        notes = counterfactual(piece, mode=mode).heard()
        notes = notes[notes["part"] != ROLES["effect"]]
        leads.append(lead(notes["pitch"], notes["end"] - notes["onset"], piece.plan.sections[0].tonic, mode == "major"))
    return min(leads)


def pieces(seed: int, splits: Sequence[str], longest_s: float = LONGEST_S) -> Iterator[Piece]:
    """All pieces of some splits that lend themselves to it and whose notes say their mode, by index; there is no end of them."""
    index = -1
    while True:
        index += 1
        plan = flat(draw(seed, index))
        if plan.split in splits and plain(plan):
            piece = compose(plan)
            if piece.length_s < longest_s and told(piece) >= LEAD:
                yield piece


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed of a piece, drawn for it.

    tempi      factors, slowest first; the middle one is 1
    levels_db  of as many spans of a take in which the piece was played as it is before
    keys       semitones
    gain_db    of the recording
    """

    tempi: tuple[float, ...]
    levels_db: tuple[float, ...]
    keys: tuple[int, ...]
    gain_db: float

    @classmethod
    def drawn(cls, plan: Plan) -> Changes:
        rng = np.random.default_rng([plan.seed, plan.index, 6])
        half = N_TEMPI // 2
        slower, faster = np.geomspace(SLOWEST, 1, half + 1)[:-1], np.geomspace(1, FASTEST, half + 1)[1:]
        spread = float(rng.uniform(0.7, 1))
        tempi = (*slower**spread, 1.0, *faster**spread)
        room = LOUDEST_DB - SOFTEST_DB - CLOSEST_DB * (N_LEVELS - 1)
        levels = SOFTEST_DB + np.sort(rng.uniform(0, room, N_LEVELS)) + CLOSEST_DB * np.arange(N_LEVELS)
        keys = rng.choice([*range(-6, 0), *range(1, 7)], N_KEYS, replace=False)
        gain = float(rng.choice([-1, 1]) * rng.uniform(6, 12))
        return cls(tuple(map(float, tempi)), tuple(map(float, rng.permutation(levels))), tuple(map(int, keys)), gain)


def recordings(piece: Piece, changes: Changes, font: Path) -> dict[str, Array]:
    """Features (T, 128) by name: as it is, the other mode, tempi, levels of the piece played twice, keys, gain.

    raises  DataError when FluidSynth or the soundfont is missing
    """
    other = "minor" if piece.plan.sections[0].mode == "ionian" else "major"
    played = {
        "plain": piece, "other": counterfactual(piece, mode=other), "level": counterfactual(piece, level_db=changes.levels_db),
        **{f"tempo{k}": counterfactual(piece, tempo_factor=factor) for k, factor in enumerate(changes.tempi) if factor != 1},
        **{f"key{k}": counterfactual(piece, transpose=key) for k, key in enumerate(changes.keys)},
    }  # fmt: skip
    sounds = dict(zip(played, render.render_all(dict(enumerate(played.values())), font).values(), strict=True))
    sounds["level"] = np.concatenate([sounds["plain"], sounds["level"]])  # once as it is, so that mezzo-forte is known
    sounds["gain"] = sounds["plain"] * np.float32(10 ** (changes.gain_db / 20))
    return {name: kelly.extract_features(np.ascontiguousarray(sound, np.float32), render.RATE_HZ) for name, sound in sounds.items()}


def make(root: Path, n: int, seed: int = 0, fonts: Sequence[Path] = TRAINING_FONTS, jobs: int | None = None, advance: Callable[[int], object] = lambda k: None) -> int:
    """Compose and render n pieces with their changes below ``root``; those that are there are left as they are.

    returns  how many were made now
    raises   DataSetError when others are there, MissingFileError for a soundfont that is not there
    """
    for font in fonts:
        if not font.is_file():
            raise MissingFileError(font, "not found", f"install a soundfont (Debian: apt install {FONTS.get(font, 'fluid-soundfont-gm')}) or name another")
    told = root / FOLDER / HEAD
    head = {"front_end": feature_hash(), "sound": source_hash(SOUND), "seed": seed, "soundfonts": [font.name for font in fonts]}
    if told.exists():
        before = json.loads(told.read_text(encoding="utf-8"))
        changed = [f"{key} {before.get(key)} -> {value}" for key, value in head.items() if before.get(key) != value]
        if changed:
            raise DataSetError(root / FOLDER, f"holds other contrasts ({'; '.join(changed)})", "give another folder, or empty this one")
    source = pieces(SEED + seed, ("train", "validation"))
    wanted = [next(source).plan.index for _ in range(n)]
    waiting = [index for index in wanted if not place(root, index).exists()]
    advance(len(wanted) - len(waiting))
    work = [(str(root), SEED + seed, index, [str(font) for font in weighted(fonts)]) for index in waiting]
    jobs = min(jobs or os.cpu_count() or 1, max(1, len(work)))
    if jobs == 1:
        for row in work:
            make_one(row)
            advance(1)
    else:
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
        try:
            for done in as_completed([pool.submit(make_one, row) for row in work]):
                done.result()
                advance(1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    write_json(told, {**head, "pieces": wanted})
    return len(waiting)


def make_one(work: tuple[str, int, int, Sequence[str]]) -> None:
    """One piece, whole or not at all."""
    folder, seed, index, fonts = work
    piece = compose(flat(draw(seed, index)))
    changes = Changes.drawn(piece.plan)
    found = recordings(piece, changes, Path(fonts[piece.plan.soundfont % len(fonts)]))
    first = {"tempi": changes.tempi, "levels_db": changes.levels_db, "keys": changes.keys, "gain_db": changes.gain_db, "major": piece.plan.sections[0].mode == "ionian", "split": piece.plan.split}
    told = np.frombuffer(json.dumps(first).encode(), np.uint8)
    whole(place(Path(folder), index), lambda file: np.savez(file, told=told, **{name: rows.astype(np.float16) for name, rows in found.items()}))


def place(root: Path, index: int) -> Path:
    return root / FOLDER / f"{index:05d}.npz"


@dataclass(frozen=True, slots=True)
class Kept:
    """A piece with its recordings.

    rows   float32 (T, 128) per recording, ``plain`` and ``other`` those in the piece's own mode and in the other
    major  whether its own is major
    """

    name: str
    split: str
    major: bool
    changes: Changes
    rows: Mapping[str, Array]


def kept(root: Path) -> list[Kept]:
    """What was made below ``root``; nothing where nothing was.

    raises  DataSetError where it was made with another front end, or is not whole
    """
    told = root / FOLDER / HEAD
    if not told.exists():
        return []
    fix = "run kelly train data make cues PATH --contrasts N again, in an empty folder if need be"
    try:
        head = json.loads(told.read_text(encoding="utf-8"))
        if head["front_end"] != feature_hash():
            raise DataSetError(told, f"made by another front end ({head['front_end']}, here {feature_hash()})", fix)
        return [_read(place(root, index)) for index in head["pieces"]]
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        if isinstance(error, DataSetError):
            raise
        raise DataSetError(told, f"not readable: {error!r}", fix) from error


def _read(path: Path) -> Kept:
    with open(path, "rb") as raw, np.load(raw) as file:
        told: dict[str, Any] = json.loads(file["told"].tobytes())
        rows = {name: file[name].astype(np.float32) for name in file.files if name != "told"}
    changes = Changes(tuple(told["tempi"]), tuple(told["levels_db"]), tuple(told["keys"]), told["gain_db"])
    return Kept(f"contrast-{path.stem}", told["split"], told["major"], changes, rows)
