"""Features of recordings, extracted once: in parallel over files, and kept.

A file's features lie under a name made of the hash of its bytes and the hash of the front end, so neither a
replaced recording nor a changed front end meets old rows.  Each is written whole or not at all: what was
interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

import kelly
from kelly._rt.contract import CONTRACT_VERSION, FEATURES
from kelly.errors import AudioFileError, DataError
from kelly.folders import cache_folder
from training.data.errors import UnwritableError
from training.data.examine import spread
from training.data.item import Corrupt

FRONT_END = Path(kelly.__file__).parent / "_rt" / "stream"


@lru_cache(maxsize=1)
def feature_hash() -> str:
    """What the features depend on: the contract's names and every source line of the front end."""
    digest = hashlib.sha256(repr((CONTRACT_VERSION, FEATURES.index_names())).encode())
    waiting, seen = ["features.pyx", "frontend_avx2.pyx"], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            text = (FRONT_END / name).read_text(encoding="utf-8")
            waiting += re.findall(r'^include "(\w+\.pxi)"', text, re.M)
    for name in sorted(seen):
        digest.update((FRONT_END / name).read_bytes())
    return digest.hexdigest()[:16]


def extract(
    paths: Iterable[Path], cache: Path | None = None, advance: Callable[[int], object] = lambda n: None, executor: Executor | None = None
) -> tuple[dict[Path, Path], dict[Path, Corrupt]]:
    """Features of every recording, from the cache where they are there.

    cache     folder; None: ``cache_folder()``
    advance   called with the number of files done since
    executor  any of concurrent.futures' kind, Dask's ``client.get_executor()`` included; None: the processors at hand
    returns   recording -> .npy of float32 (T, 128), and the recordings that could not be read
    """
    folder = str((cache or cache_folder()) / "features" / feature_hash())
    kept, corrupt = {}, {}
    for path, target, reason in spread(extract_one, [(path, folder) for path in dict.fromkeys(paths)], executor):
        advance(1)
        if target:
            kept[path] = Path(target)
        else:
            corrupt[path] = Corrupt(path, reason)
    return kept, corrupt


def extract_one(work: tuple[Path, str]) -> tuple[Path, str, str]:
    """(recording, .npy or "", why not)."""
    path, folder = work
    try:
        with open(path, "rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
        target = Path(folder) / name[:2] / f"{name}.npy"
        if not target.exists():
            save(target, features_of(path))
        return path, str(target), ""
    except (DataError, OSError) as error:
        return path, "", str(error).removeprefix(f"{path}: ")


def features_of(path: Path) -> NDArray[np.float32]:
    """float32 (T, 128) of a sound file, by the class that plays live."""
    from kelly.audio.sources import open_sound

    with open_sound(path) as file:
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except RuntimeError as error:
            raise AudioFileError(f"{path}: not readable as audio: {error}") from error
        rows = kelly.extract_features(samples, file.samplerate)
    if not len(rows):
        raise AudioFileError(f"{path}: shorter than one row of features, 40 ms")
    return rows


def save(target: Path, array: NDArray[np.floating]) -> None:
    """An .npy that appears whole or not at all."""
    content = io.BytesIO()  # numpy doesn't say that a disk is full, a file does
    np.save(content, array)
    whole(target, lambda file: file.write(content.getbuffer()))


def whole(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """A file that appears whole or not at all.

    raises  UnwritableError
    """
    partial = target.with_name(f"{target.stem}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, "wb") as file:
                write(file)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableError.at(target, error) from error
