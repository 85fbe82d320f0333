"""``kelly train NET``: train one of the five nets, or all."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kelly._rt.contract import NET_NAMES
from kelly.cli.checkout import training
from kelly.cli.console import Console, table
from kelly.cli.options import JSON, VOICE, console, options
from kelly.config import did_you_mean
from kelly.errors import ConfigError
from kelly.folders import cache_folder

SCHEMA = "kelly.train/1"
SYNTHETIC = "cues"
DEVICES = ("auto", "cpu", "cuda", "mps")
INTERRUPTED, TERMINATED = 130, 143

TRAINING = (
    click.option("--datasets", metavar="A,B", default="", help="Sets to learn from, by name (`kelly train data list`), or NAME=PATH."),
    click.option("--datasets-dir", metavar="DIR", default="", help="Where sets lie under their published folder names; default KELLY_DATASETS, or ./datasets."),
    click.option("--use-synthetic", is_flag=True, help="Music that a program composed, rendered and labelled: the set cues, made now where there is none."),
    click.option("--output", "-o", metavar="RUN", default="", help="The run's folder; default runs/NET-DATE."),
    click.option("--resume", metavar="RUN", default="", help="Go on with a run that was stopped; refused when anything was changed."),
    click.option("--config", metavar="FILE", default="", help="Settings in the place of training/configs/NET.toml."),
    click.option("--epochs", metavar="N", type=int, help="At most so many."),
    click.option("--batch-size", metavar="N", type=int, help="Sequences side by side."),
    click.option("--device", type=click.Choice(DEVICES), default="auto", help="auto: a GPU where there is one."),
    click.option("--threads", metavar="N", type=int, help="Of PyTorch on the processor."),
    click.option("--seed", metavar="N", type=int, help="Of initial weights, order and noise: the same seed, the same weights."),
    click.option("--quick", is_flag=True, help="A smoke run: two epochs of everything. Its models say so."),
    click.option("--scheduler", metavar="ADDRESS", default="none", show_default=True, help="Of a Dask cluster that makes features and examples, as in train data features; none: this machine's processors."),
    click.option("--cache", metavar="FOLDER", default="", help="Where features are kept; default: KELLY_CACHE, or the user's cache."),
)


def net_names(ctx: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    """One of the five, or all of them."""
    if value == "all":
        return list(NET_NAMES)
    if value and value not in NET_NAMES:
        words = f"no net is called {value!r}{did_you_mean(value, [*NET_NAMES, 'all'])}; the five are {', '.join(NET_NAMES)}; all trains every one"
        raise click.UsageError(words, ctx)
    return [value] if value else []


@click.command("net", hidden=True)
@click.argument("nets", metavar="NET|all", default="", callback=net_names)
@options(TRAINING, JSON, VOICE)
def command(nets: list[str], **flags: Any) -> int:
    """Train one of the five nets, or all.

    Every figure stands beside a baseline on the same held-out pieces. Ctrl-C at any time leaves a checkpoint, plots and
    a model; --resume RUN goes on. What is made plays with `kelly live --models RUN`.
    """
    settings, run, tells = training("settings"), training("run"), training("parallel").first()
    voice = console(flags if tells else flags | {"quiet": True})
    resume = Path(flags["resume"]) if flags["resume"] else None
    before = run.read_run(resume) if resume else None
    if before is not None:
        nets = nets or before["nets"]
        if nets != before["nets"]:
            raise ConfigError(f"--resume: {resume} trains {', '.join(before['nets'])}, asked for {', '.join(nets)}")
    if not nets:
        raise click.UsageError(f"which net? {', '.join(NET_NAMES)}, or all")
    quick = bool(flags["quick"] or (before and before["quick"]))
    sets = places(flags, voice) or (before["sets"] if before else {})
    if before is not None and {name: str(path) for name, path in sets.items()} != before["sets"]:
        raise ConfigError(f"--resume: {resume} learns from {spoken(before['sets'])}, asked for {spoken(sets)}")
    if not sets:
        raise click.UsageError("--datasets: nothing to learn from; name a set, or say --use-synthetic for music made by a program")
    able = [net for net in nets if run.teaching(net, sets)]
    for name in sets:
        if able and not any(name in run.teaching(net, sets) for net in nets):
            voice.warn(f"{name}: teaches {'none of the nets' if len(nets) > 1 else f'{nets[0]} nothing'}; left out")
    if len(nets) > 1 and able:
        for net in nets:
            if net not in able:
                voice.warn(f"{net}: none of {', '.join(sets)} teaches it; left out")
        nets = able
    changes = {name: flags[name] for name in ("epochs", "batch_size", "threads", "seed")}
    hasty = {name: value for name, value in settings.QUICK.items() if changes.get(name) is None} if quick else {}
    told = {}
    for net in nets:
        own = resume / net / "config.toml" if resume else None
        path = Path(flags["config"]) if flags["config"] else own if own and own.exists() else None
        told[net] = settings.read(net, path, **(changes if path and path == own else changes | hasty))  # a run's own file says how hasty it was
    output = resume or Path(flags["output"] or f"runs/{nets[0] if len(nets) == 1 else 'all'}-{datetime.now():%Y%m%d-%H%M%S}")
    order = run.Order(
        told, sets, output, shlex.join(["kelly", *sys.argv[1:]]), run.chosen_device(before["device"] if before else flags["device"]),
        resume is not None, quick, Path(flags["cache"]) if flags["cache"] else None, flags["scheduler"],
    )  # fmt: skip
    with stopping(voice) as stopped:
        outcomes = run.train(order, run.Ears(lambda: bool(stopped), voice.progress, voice.narrate))
    if tells:  # what it came to, and the model, are the first process's
        say(voice, outcomes)
    return stopped[0] if stopped else 0


def places(flags: dict[str, Any], voice: Console) -> dict[str, Path | str]:
    """Where every named set lies.

    raises  DataSetError naming the folder and the fix
    """
    wanted = [word.strip() for word in flags["datasets"].split(",") if word.strip()]
    base = Path(flags["datasets_dir"] or os.environ.get("KELLY_DATASETS") or "datasets")
    found = {}
    for word in wanted:
        name, _, path = word.partition("=")
        found[name] = Path(path) if path and path != "installed" else path or training("data.sets").place_of(name, base)
    if flags["use_synthetic"] and SYNTHETIC not in found:
        found[SYNTHETIC] = synthetic(base, flags, voice)
    if SYNTHETIC in found:
        voice.narrate(f"{SYNTHETIC}: music that a program composed, rendered and labelled; models and cards will say so")
    return found


def synthetic(base: Path, flags: dict[str, Any], voice: Console) -> Path:
    """The set ``cues``: below the folder of sets, else in kelly's cache, where what is missing of it is made."""
    corpus = training("data.cues.corpus")
    if (base / SYNTHETIC).exists():
        return base / SYNTHETIC
    folder: Path = (Path(flags["cache"]) if flags["cache"] else cache_folder()) / SYNTHETIC
    wanted = corpus.FEW_CLIPS if flags["quick"] else range(corpus.CLIPS)
    if len(corpus.clips_of(folder)) < len(wanted):
        with voice.progress(f"making {len(wanted):,} clips of {SYNTHETIC} in {folder}", len(wanted)) as advance:
            corpus.make(folder, wanted, advance=advance)
    return folder


def spoken(sets: dict[str, Any]) -> str:
    return ", ".join(f"{name} in {path}" for name, path in sets.items())


@contextmanager
def stopping(voice: Console) -> Iterator[list[int]]:
    """A list that gets an exit code when the user, or the system, wants an end; the second time it is no more waited for."""
    codes: list[int] = []

    def handle(number: int, frame: Any) -> None:
        if codes:
            raise KeyboardInterrupt
        codes.append(INTERRUPTED if number == signal.SIGINT else TERMINATED)
        if voice.verbosity >= 0:  # past Python's buffers, in whose middle this may come
            os.write(2, b"\nkelly: stopping, and keeping what was reached; once more: at once\n")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield codes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(voice: Console, outcomes: Sequence[Any]) -> None:
    """What came of it: one row per net, with the figures its verdict rests on."""
    if voice.json:
        keys: tuple[str, ...] = ("net", "finished", "epochs", "held_out")
        voice.report(SCHEMA, {"nets": [{"folder": str(one.folder)} | {key: getattr(one, key) for key in keys} for one in outcomes]})
        return
    for one in outcomes:
        if not one.held_out:
            best = "the best weights are" if one.epochs else "the weights of now are"
            voice.data(f"{one.net}: stopped after {counted(one.epochs, 'epoch')}; {best} in {one.folder / 'model.json'}, kelly train --resume {one.folder.parent} goes on")
            continue
        rows = [(row["measure"], *cells(row)) for row in one.held_out["measures"]]
        voice.data(f"{one.net}: {one.folder / 'model.json'}, {counted(one.epochs, 'epoch')}, {counted(one.held_out['sequences'], 'held-out sequence')}")
        voice.data(table(("measure", "net", "against", "its figure", "better by"), rows))
        voice.data(f"  {'worth more than its baseline' if one.held_out['beats_baseline'] else 'THE RULE STAYS'}: {one.held_out['verdict']}\n")


def counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    figure: Callable[[list[float]], str] = lambda f: f"{f[0]:.3f} [{f[1]:.3f}, {f[2]:.3f}]"  # noqa: E731
    return figure(row["net"]), row["against"], f"{row[row['against']][0]:.3f}", figure(row["gain"])
