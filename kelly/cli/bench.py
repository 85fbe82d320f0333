"""``kelly bench``: how long networks take, against the time a block of audio leaves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from kelly.cli.console import Console, table
from kelly.cli.options import JSON, VOICE, console, options
from kelly.config import ARITHMETICS

SCHEMA = "kelly.bench/1"
FAILED = 5


@click.command("bench")
@click.argument("words", metavar="[MODEL]...", nargs=-1)
@click.option("-b", "--block", "blocks", metavar="FRAMES", multiple=True, help="Frames per block, several: -b 64 128 256; default 128.")
@click.option("-r", "--rate", metavar="HZ", type=click.FloatRange(min=1.0), default=48000.0, help="Sample rate; default 48000.")
@click.option("--arithmetic", type=click.Choice(ARITHMETICS), default="eigen", help="Whose rounding kelly follows.")
@click.option("--against", metavar="A,B", default="", help="Measure others too: numpy, torch, onnxruntime.")
@click.option("--models", metavar="FOLDER", default=None, help="Where the five nets are, when no MODEL is given.")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=0.001), default=0.5, help="Time for each measurement; default 0.5.")
@options(JSON, VOICE)
def command(words: tuple[str, ...], blocks: tuple[str, ...], **flags: Any) -> int:
    """Measure networks against the time a block leaves.

    Without a MODEL the five nets, each and as one pipeline. A network with up to three inputs runs once per sample,
    another once per block. Allocations are bytes that Python's allocators gave out in 100 calls. An --arithmetic other than
    eigen is held against it too: the five nets on 1000 steps of what they hear in the demo, other files on noise.
    Exits 5 when a block takes longer than it lasts (p99), when something was allocated, or when one of the five nets errs
    by more than is promised.
    """
    own = {name: flags.pop(name) for name in ("rate", "arithmetic", "against", "models", "seconds")}
    voice = console(flags)
    paths, frames = sort_out(words, blocks)
    from kelly.nets.json import read_model
    from kelly.nets.load import network_from
    from kelly.nets.timing import bench_network, bench_pipeline

    against = [word for word in own["against"].split(",") if word]
    five = not paths
    named = [(path, path) for path in paths] if paths else the_five(own["models"])
    models = {name: read_model(path) for name, path in named}
    networks = {name: network_from(model, own["arithmetic"]) for name, model in models.items()}
    how: dict[str, Any] = {"frames": frames, "sample_rate_hz": own["rate"], "seconds": own["seconds"], "against": against}
    results = [bench_network(name, networks[name], model=models[name], **how) for name in networks]
    if own["arithmetic"] != "eigen":
        results = with_accuracy(results, models, own["arithmetic"], own["models"])
    if five and results:
        results.append(bench_pipeline(networks, models, **how))
    ok = all(result.ok for result in results)
    if voice.json:
        from kelly import backend

        head = {"ok": ok, "engine": backend(), "sample_rate_hz": own["rate"], "blocks": list(frames)}
        voice.report(SCHEMA, {**head, "results": [result.as_dict() for result in results]})
    else:
        show(voice, results, against)
    return 0 if ok else FAILED


def sort_out(words: Sequence[str], blocks: Sequence[str]) -> tuple[list[str], list[int]]:
    """Model files and block sizes; numbers that follow -b count as more sizes.

    raises  UsageError
    """
    paths = [word for word in words if not (blocks and word.isdigit() and not os.path.exists(word))]
    sizes = [part for text in (*blocks, *(word for word in words if word not in paths)) for part in text.split(",") if part]
    for size in sizes:
        if not size.isdigit() or not 1 <= int(size) <= 1 << 20:
            raise click.UsageError(f"--block: expected frames from 1 to {1 << 20}, found {size!r}")
    return paths, [int(size) for size in sizes] or [128]


def with_accuracy(results: list[Any], models: dict[str, Any], arithmetic: str, folder: str | None) -> list[Any]:
    """The same results, each with what its arithmetic costs in accuracy."""
    from kelly._rt.contract import NET_NAMES
    from kelly.cli.heard import STEPS, heard_in_the_demo
    from kelly.nets.accuracy import accuracy
    from kelly.nets.parity import noise

    nets = {name: str(model.metadata.get("net", "")) for name, model in models.items()}
    heard = heard_in_the_demo(folder) if set(nets.values()) & set(NET_NAMES) else {}
    found = []
    for result in results:
        model, x = models[result.name], heard.get(nets[result.name])
        if x is not None and x.shape[1] == model.in_size:
            found.append(replace(result, accuracy=accuracy(model, arithmetic, x, "demo")))
        else:
            found.append(replace(result, accuracy=accuracy(model, arithmetic, noise(model.in_size, STEPS), "noise")))
    return found


def the_five(folder: str | None) -> list[tuple[str, str]]:
    """(net, path) of the five nets that are there."""
    from kelly._rt.contract import NET_NAMES
    from kelly.errors import ModelError
    from kelly.nets.store import search_path

    search = search_path(folder)
    found = [(name, search.find(name)) for name in NET_NAMES]
    there = [(name, str(path)) for name, path in found if path is not None]
    if not there:
        raise ModelError(search.why_missing(NET_NAMES[0]))
    return there


def show(voice: Console, results: list[Any], against: Sequence[str]) -> None:
    headings = ["network", "parameters", "KB", "p50 us", "p99 us", "max us", "allocated"]
    rows = []
    for result in results:
        row = [Path(result.name).parent.name if result.name.endswith("model.json") else result.name, result.parameters]
        row += [round(result.nbytes / 1024), *(round(v, 2) for v in (result.step.p50_us, result.step.p99_us, result.step.max_us))]
        row.append(result.allocations)
        rows.append(row + [f"{result.peers[kind]['p50_us']:.1f} ({result.peers[kind]['times_faster']:.1f} x)" for kind in against])
    voice.data(table([*headings, *against], rows))
    rows, names = [], [row[0] for row in rows]
    for result, name in zip(results, names, strict=True):
        for block in result.blocks:
            share = f"{100 * block.share:.2f} %"
            rows.append([name, block.frames, block.steps, round(block.budget_us), round(block.times.p50_us, 2),
                         round(block.times.p99_us, 2), round(block.times.max_us, 2), round(block.x_real_time, 1), share])  # fmt: skip
    voice.data("")
    voice.data(table(("network", "block", "steps", "budget us", "p50 us", "p99 us", "max us", "x real time", "p99 of budget"), rows))
    measured = [(name, result.accuracy) for result, name in zip(results, names, strict=True) if result.accuracy is not None]
    if measured:
        rows = [
            [name, a.input, a.steps, f"{a.worst_error:.2g}", "-" if a.allowed is None else f"{a.allowed:g}",
             "-" if a.least_cosine is None else f"{a.least_cosine:.6f}"]
            for name, a in measured
        ]  # fmt: skip
        voice.data("")
        voice.data(table(("network", "input", "steps", "worst error", "allowed", "least cosine"), rows))
    for result in results:
        if not result.ok:
            far = result.accuracy is not None and not result.accuracy.ok
            why = "allocates" if result.allocations else "errs by more than is promised" if far else "a block takes longer than it lasts"
            voice.data(f"{result.name}: {why}")
    preempted = sum(result.step.preempted for result in results)
    if preempted:
        voice.narrate(f"{preempted} of {sum(result.step.calls for result in results)} steps were interrupted by the system", level=1)
