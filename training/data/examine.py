"""Open every file of a data set, and leave out those that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from kelly.errors import DataError
from training.data.errors import DataSetError, UnwritableError
from training.data.item import Collection, Corrupt
from training.data.score import read_score

FEW = 48  # files that are sooner read than a second process is started

In, Out = TypeVar("In"), TypeVar("Out")


def examine(collection: Collection, advance: Callable[[int], object] = lambda n: None, executor: Executor | None = None) -> Collection:
    """Open every file: MIDI and scores whole, the head and the first second of sound.

    advance   called with the number of items done since
    executor  any of concurrent.futures' kind, Dask's ``client.get_executor()`` included; None: the processors at hand
    returns   the set without unreadable items, which are in its list ``corrupt``
    """
    work = [(item.name, item.audio, item.score) for item in collection.items if item.audio or item.score]
    corrupt = {}
    for fault in spread(fault_of, work, executor):
        advance(1)
        if fault is not None:
            corrupt[fault[0]] = Corrupt(*fault[1:])
    return collection.without(dict(sorted(corrupt.items())))


def fault_of(work: tuple[str, Path | None, Path | None]) -> tuple[str, Path, str] | None:
    """(item, path, reason) when a file of the item cannot be read."""
    name, audio, score = work
    for path, read in ((audio, open_audio), (score, open_score)):
        if path is not None:
            try:
                read(path)
            except DataError as error:
                return name, path, str(error).removeprefix(f"{path}: ")
    return None


def open_audio(path: Path) -> None:
    from kelly.audio.sources import open_sound
    from kelly.errors import AudioFileError

    with open_sound(path) as file:
        try:
            read = len(file.read(file.samplerate, dtype="float32"))
        except RuntimeError as error:
            raise AudioFileError(f"{path}: not readable as audio: {error}") from error
        if not read:
            raise AudioFileError(f"{path}: the file holds no audio")


def open_score(path: Path) -> None:
    """MIDI is read; of other scores the container and the XML are, but not yet the music."""
    if path.suffix.lower() in (".mid", ".midi"):
        read_score(path)
        return
    try:
        if path.suffix == ".mxl":
            with ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith((".xml", ".musicxml")) and "META-INF" not in name]
                ElementTree.fromstring(archive.read(names[0]))
        elif path.suffix in (".xml", ".musicxml"):
            ElementTree.parse(path)
        elif not path.read_bytes().strip():
            raise ValueError("the file is empty")
    except (OSError, ValueError, IndexError, BadZipFile, ElementTree.ParseError) as error:
        raise DataError(f"{path}: not readable as a score: {error}") from error


def spread(function: Callable[[In], Out], work: Iterable[In], executor: Executor | None = None) -> Iterator[Out]:
    """Answers in the order in which they are ready; in this process when there are few.

    raises  DataSetError where what was made cannot be kept
    """
    try:
        yield from _spread(function, work, executor)
    except UnwritableError as error:
        fix = "make room, or name another folder with --cache or KELLY_CACHE"
        raise DataSetError(error.path, f"cannot be written: {error.reason}", fix) from OSError(error.errno, error.reason, error.path)


def _spread(function: Callable[[In], Out], work: Iterable[In], executor: Executor | None) -> Iterator[Out]:
    rows = list(work)
    if executor is None and len(rows) <= FEW:
        yield from map(function, rows)
        return
    pool = executor or ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
    waiting = []
    try:
        waiting = [pool.submit(function, row) for row in rows]
        for done in as_completed(waiting):
            yield done.result()
    finally:
        for future in waiting:
            future.cancel()
        if executor is None:
            pool.shutdown(wait=True, cancel_futures=True)
