"""Make the corpus: clips in parallel, each whole or not at all, so that what was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kelly
from kelly._rt.contract import CONTRACT_VERSION
from kelly.whole import folder_made, whole
from training.data.cues import labels, render
from training.data.cues.composer import Piece, compose
from training.data.cues.grooves import grooves
from training.data.cues.plan import MODES, draw
from training.data.errors import DataSetError, MissingFileError
from training.data.features import feature_hash, save

HEAD = "corpus.json"
SOUND = ("cast.py", "plan.py", "progressions.py", "voices.py", "desk.py", "textures.py", "composer.py", "counterfactual.py", "render.py")
LABELS = ("labels.py", "grooves.py")
SF2, SF3 = Path("/usr/share/sounds/sf2"), Path("/usr/share/sounds/sf3")
FONTS = {  # Debian's packages
    SF2 / "FluidR3_GM.sf2": "fluid-soundfont-gm",
    SF2 / "TimGM6mb.sf2": "timgm6mb-soundfont",
    SF2 / "OPL-3_FM_128M.sf2": "opl3-soundfont",
    SF3 / "MuseScore_General_Lite.sf3": "musescore-general-soundfont-small",
}
TRAINING_FONTS = tuple(FONTS)[:3]
TEST_FONT = tuple(FONTS)[3]
CLIPS = 2000
FEW_CLIPS = (*range(10), *range(30, 36), *range(50, 56))  # some of every split
SHARES = (2, 2, 1)  # of the training fonts, as long as they are these: the chip is the odd one


@lru_cache(maxsize=2)
def source_hash(names: tuple[str, ...]) -> str:
    """Of SOUND: what a recording depends on beside its seed and its soundfont; of LABELS: what is said of it."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]


def head_of(seed: int, fonts: Sequence[Path], test_font: Path) -> dict[str, Any]:
    """What all clips of a corpus share."""
    return {
        "corpus": "cues", "version": 1, "contract": CONTRACT_VERSION, "front_end": feature_hash(), "sound": source_hash(SOUND),
        "seed": seed, "soundfonts": [font.name for font in fonts], "test_soundfont": test_font.name,
    }  # fmt: skip


def indices(clips: int | Sequence[int]) -> Sequence[int]:
    """0 .. n - 1, or what was given."""
    return range(clips) if isinstance(clips, int) else clips


def clips_of(root: Path) -> Sequence[int]:
    """The indices of the clips that a corpus has; none where there is no corpus."""
    told = root / HEAD
    return indices(json.loads(told.read_text(encoding="utf-8"))["clips"]) if told.exists() else ()


def place(root: Path, kind: str, index: int, suffix: str) -> Path:
    return root / kind / f"{index:05d}{suffix}"


def make(
    root: Path, clips: int | Sequence[int], seed: int = 0, fonts: Sequence[Path] = TRAINING_FONTS, test_font: Path = TEST_FONT, jobs: int | None = None,
    keep_audio: bool = False, advance: Callable[[int], object] = lambda n: None,
) -> int:
    """Compose, render and label clips below ``root``; those that are there already are left as they are.

    Where only the labels' source has changed since, answers and grooves are made anew and nothing is rendered.

    clips      how many, or the very indices; splits and kinds go by index (``SPLIT_CYCLE``, ``CYCLE``)
    fonts      soundfonts of training and validation clips
    test_font  of test clips, and of no other
    jobs       processes; None: one per processor
    advance    called with the number of clips done since
    returns    how many clips were made now
    raises     DataSetError when the folder holds another corpus, MissingFileError for a soundfont that is not there
    """
    for font in (*fonts, test_font):
        if not font.is_file():
            raise MissingFileError(font, "not found", f"install a soundfont (Debian: apt install {FONTS.get(font, 'fluid-soundfont-gm')}) or name another")
    if test_font.name in {font.name for font in fonts}:
        raise DataSetError(test_font, "is a soundfont of training and of test clips", "name another for one of them")
    head = head_of(seed, fonts, test_font)
    told = root / HEAD
    if told.exists():
        before = json.loads(told.read_text(encoding="utf-8"))
        changed = [f"{key} {before.get(key)} -> {value}" for key, value in head.items() if before.get(key) != value]
        if changed:
            raise DataSetError(root, f"holds another corpus ({'; '.join(changed)})", "give another folder, or empty this one")
        wanted = sorted({*indices(clips), *indices(before["clips"])})
    else:
        wanted = sorted(indices(clips))
        write_json(told, {**head, "clips": 0})
    waiting = [k for k in wanted if labels_of(root, k) != source_hash(LABELS)]
    advance(len(wanted) - len(waiting))
    work = [(str(root), seed, [k for k in wanted if k // 10 == group], [str(f) for f in weighted(fonts)], str(test_font), keep_audio) for group in sorted({k // 10 for k in waiting})]
    jobs = min(jobs or os.cpu_count() or 1, max(1, len(work)))
    if jobs == 1:
        for row in work:
            advance(make_group(row))
    else:
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
        try:
            for done in as_completed([pool.submit(make_group, row) for row in work]):
                advance(done.result())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    write_json(told, {**head, "clips": len(wanted) if wanted == list(range(len(wanted))) else wanted})  # only now, so that a corpus that grows is whole at every moment
    return len(waiting)


def weighted(fonts: Sequence[Path]) -> list[Path]:
    if tuple(fonts) == TRAINING_FONTS:
        return [font for font, share in zip(fonts, SHARES, strict=True) for _ in range(share)]
    return list(fonts)


def make_group(work: tuple[str, int, list[int], list[str], str, bool]) -> int:
    """Ten neighbours, or those of them that are wanted, in one run of the synthesizer; how many were missing."""
    folder, seed, indices, fonts, test_font, keep_audio = work
    root, began = Path(folder), time.perf_counter()
    pieces = {index % 10: compose(draw(seed, index)) for index in indices}
    first = next(iter(pieces.values())).plan
    font = Path(test_font if first.split == "test" else fonts[first.soundfont % len(fonts)])
    made = {index: labels_of(root, index) for index in indices}
    if not all(made.values()):
        sounds = render.render_all(pieces, font)
    for index in indices:
        if not made[index]:
            made_in_s = (time.perf_counter() - began) / len(indices)
            make_clip(root, pieces[index % 10], sounds[index % 10], font, keep_audio, made_in_s)
        elif made[index] != source_hash(LABELS):
            features = np.load(place(root, "features", index, ".npy")).astype(np.float32)
            label_clip(root, pieces[index % 10], features, json.loads(place(root, "clips", index, ".json").read_text(encoding="utf-8")))
    return sum(label != source_hash(LABELS) for label in made.values())


def labels_of(root: Path, index: int) -> str:
    """Of which source a clip's labels are; "" where there is no clip."""
    path = place(root, "clips", index, ".json")
    return json.loads(path.read_text(encoding="utf-8")).get("labels", "none") if path.exists() else ""


def label_clip(root: Path, piece: Piece, features: NDArray[np.float32], rest: dict[str, Any]) -> None:
    """Answers, grooves, and the .json, which is written last and says that all else is there."""
    index = piece.plan.index
    answers = labels.embedding(piece, features)
    save(place(root, "answers", index, ".npy"), answers.astype(np.float16))
    save(place(root, "grooves", index, ".npy"), grooves(piece))
    write_json(place(root, "clips", index, ".json"), {**rest, **describe(piece), "rows": len(answers), "labels": source_hash(LABELS)})


def make_clip(root: Path, piece: Piece, samples: NDArray[np.float32], font: Path, keep_audio: bool, made_in_s: float) -> None:
    """One clip from its recording."""
    index = piece.plan.index
    features = kelly.extract_features(samples, render.RATE_HZ)[: len(labels.rows_of(piece))]
    save(place(root, "features", index, ".npy"), features.astype(np.float16))
    score = place(root, "scores", index, ".mid")
    score.parent.mkdir(exist_ok=True)
    with whole(score) as partial:
        render.write_score(piece, partial)
    if keep_audio:
        import soundfile

        audio = place(root, "audio", index, ".flac")
        audio.parent.mkdir(exist_ok=True)
        with whole(audio) as partial:
            soundfile.write(partial, samples, render.RATE_HZ, format="FLAC")
    features = np.load(place(root, "features", index, ".npy")).astype(np.float32)  # as they are kept, so that labels made later are the same
    label_clip(root, piece, features, {"soundfont": font.name, "made_in_s": round(made_in_s, 2)})


def describe(piece: Piece) -> dict[str, Any]:
    """Labels that are no rows: the plan, beats, chords, keys, sections."""
    plan = piece.plan
    per_bar, step = plan.meter[1], plan.beat_quarters
    beats = [(round(float(piece.seconds(bar + k * step)), 4), int(k == 0)) for bar, _ in piece.bars for k in range(plan.meter[0])]
    firsts = [float(piece.bars[piece.bars[:, 1] == k, 0].min()) for k in range(len(plan.sections))]
    edges = [round(float(piece.seconds(quarter)), 4) for quarter in (*firsts, float(piece.bars[-1, 0]) + per_bar)]
    return {
        "index": plan.index, "song": plan.song, "split": plan.split, "kind": plan.kind, "length_s": round(piece.length_s, 3),
        "meter": "6-8" if step == 1.5 else f"{plan.meter[0]}-4", "beats": beats,
        "chords": [(round(float(piece.seconds(a)), 4), round(float(piece.seconds(b)), 4), *((c.root, c.quality) if c else (None, None))) for a, b, c in piece.chords],
        "keys": [(edges[k], edges[k + 1], s.tonic, 1 if MODES[s.mode][1] > 0 else -1) for k, s in enumerate(plan.sections)],
        "sections": [(edges[k], edges[k + 1], s.texture) for k, s in enumerate(plan.sections)],
        "noise": [round(float(v), 4) for v in labels.noise_of(piece)], "plan": asdict(plan),
    }  # fmt: skip


def write_json(path: Path, value: Any) -> None:
    with whole(folder_made(path)) as partial:
        partial.write_text(json.dumps(value), encoding="utf-8")
