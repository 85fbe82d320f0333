"""``kelly train data``: what lies on this disk, what it teaches, and what the nets are shown of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from kelly.cli.checkout import training
from kelly.cli.options import JSON, VOICE, console, options
from kelly.cli.train_make import make

CHECK_SCHEMA, LIST_SCHEMA = "kelly.train.data.check/1", "kelly.train.data.list/1"
FEATURES_SCHEMA = "kelly.train.data.features/1"
SHOWN = 10  # corrupt files named in full without -v


@click.group("data")
def data() -> None:
    """Look at data sets as they lie on disk."""


data.add_command(make)


@data.command("list")
@options(JSON, VOICE)
def list_sets(**flags: Any) -> int:
    """List the data sets that kelly reads, what each teaches and its licence."""
    voice = console(flags)
    rows, teachers = training("data.sets").SETS, training("data.loaders").TEACHERS
    batches = {row.name: [net for net, able in teachers.items() if row.name in able] for row in rows}
    if voice.json:
        keys = ("name", "title", "supervises", "evaluates", "licence", "free", "note")
        voice.report(LIST_SCHEMA, {"sets": [{key: getattr(row, key) for key in keys} | {"batches_for": batches[row.name]} for row in rows]})
        return 0
    for row in rows:
        voice.data(f"{row.name:10} {row.title}; {row.licence}; weights trained on it {'may' if row.free else 'may not'} be shipped")
        for line in teaches(row):
            voice.data(f"{'':10}   {line}")
        if unable := sorted(set(row.supervises) - set(batches[row.name])):
            voice.data(f"{'':10}   not yet batched for {', '.join(unable)}")
    return 0


@data.command("check")
@click.argument("name", metavar="NAME")
@click.argument("path", metavar="PATH")
@click.option("--names-only", is_flag=True, help="Read tables and labels, but open no recording and no score.")
@options(JSON, VOICE)
def check(name: str, path: str, names_only: bool, **flags: Any) -> int:
    """Say what is there of a data set: items, splits, labels, corrupt files, licence.

    NAME is one of `kelly train data list`; PATH is the folder that the publisher's archive makes, or for `table` a CSV.
    A missing file, column or label is an error; unreadable files are counted and named, and would be left out.
    """
    voice = console(flags)
    sets = training("data.sets")
    found = sets.load(name, path)
    row = sets.BY_NAME[name]
    if not names_only:
        with voice.progress(f"opening {len(found.items):,} items", len(found.items)) as advance:
            found = training("data.examine").examine(found, advance)
    labels = Counter(key for item in found.items for key in item.labels)
    if voice.json:
        voice.report(CHECK_SCHEMA, {
            "name": name, "title": row.title, "path": str(found.root), "items": len(found.items), "splits": found.counts(),
            "official_splits": found.official, "songs": len({item.song for item in found.items}), "labels": labels,
            "audio": sum(item.audio is not None for item in found.items), "scores": sum(item.score is not None for item in found.items),
            "opened": not names_only, "corrupt": [{"path": str(one.path), "reason": one.reason} for one in found.corrupt],
            "licence": row.licence, "weights_may_be_shipped": row.free, "supervises": row.supervises, "evaluates": row.evaluates,
        })  # fmt: skip
    else:
        voice.data(page(row, found, labels, not names_only, SHOWN if voice.verbosity < 1 else len(found.corrupt)))
        if not row.free:
            voice.narrate("weights trained on it may not be shipped: its licence is non-commercial")
    return 0 if found.items else sets.DataSetError.exit_code


@data.command("features")
@click.argument("name", metavar="NAME")
@click.argument("path", metavar="PATH")
@click.option("--cache", metavar="FOLDER", default="", help="Where features are kept; default: KELLY_CACHE, or the user's cache.")
@click.option("--scheduler", metavar="ADDRESS", default="local", show_default=True, help="Of a Dask cluster, such as tcp://HOST:8786; local: one of this machine's processors; none: without Dask.")
@options(JSON, VOICE)
def features(name: str, path: str, cache: str, scheduler: str, **flags: Any) -> int:
    """Extract the features of a data set's recordings and the examples of its scores, and keep them for training.

    Runs on every processor of this machine, or on a Dask cluster whose workers see the same disks; interrupted, it goes
    on where it stopped. What is kept already is not made again.
    """
    voice = console(flags)
    extract = training("data.features")
    found = training("data.sets").load(name, path)
    recordings = [item.audio for item in found.items if item.audio]
    nets = {net: able[name] for net, able in training("data.scores").TEACHERS.items() if name in able}
    folder = Path(cache) if cache else extract.cache_folder()
    examples: dict[str, int] = {}
    with training("data.scheduler").executor(scheduler, len(recordings) + len(nets) * len(found.items)) as workers:
        with voice.progress(f"hearing {len(recordings):,} recordings", len(recordings)) as advance:
            kept, corrupt = extract.extract(recordings, folder, advance, workers)
        for net, make in nets.items():
            with voice.progress(f"reading {len(found.items):,} scores for {net}", len(found.items)) as advance:
                made, faults = make(found, folder, advance, workers)
            examples[net] = len(made)
            corrupt |= {one.path: one for one in faults}
    if voice.json:
        left = [{"path": str(one.path), "reason": one.reason} for one in corrupt.values()]
        voice.report(FEATURES_SCHEMA, {"name": name, "cache": str(folder), "recordings": len(kept), "examples": examples, "corrupt": left})
    else:
        counted = "".join(f", {count:,} examples for {net}" for net, count in examples.items())
        lines = [f"{len(kept):,} recordings{counted} in {folder}; {len(corrupt):,} left out"]
        voice.data("\n".join([*lines, *(f"  {one.path}: {one.reason}" for one in corrupt.values())]))
    return 0


def teaches(row: Any) -> list[str]:
    words = [f"{net}: {what}" for net, what in row.supervises.items()]
    return [*words, *([f"for evaluation: {row.evaluates}"] if row.evaluates else []), *([f"({row.note})"] if row.note else [])]


def page(row: Any, found: Any, labels: Counter[str], opened: bool, shown: int) -> str:
    """The report as people read it."""
    splits = ", ".join(f"{split} {count:,}" for split, count in found.counts().items())
    lines = [
        f"{row.title} in {found.root}",
        f"  items    {len(found.items):,}: {splits} ({'as published' if found.official else 'by song'})",
        f"  files    {sum(item.audio is not None for item in found.items):,} recordings, "
        f"{sum(item.score is not None for item in found.items):,} scores",
        f"  labels   {', '.join(labels) or 'none but the notes'}",
        f"  for      {'; '.join(teaches(row))}",
        f"  licence  {row.licence}",
        f"  corrupt  {len(found.corrupt):,}{'' if opened else ' (files were not opened)'}",
    ]
    lines += [f"    {one.path}: {one.reason}" for one in found.corrupt[:shown]]
    if len(found.corrupt) > shown:
        lines.append(f"    and {len(found.corrupt) - shown:,} more; -v names them all")
    return "\n".join(lines)

