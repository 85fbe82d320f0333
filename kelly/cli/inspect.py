"""``kelly inspect``: what a model file holds, in numbers."""

from __future__ import annotations

from typing import Any

import click

from kelly.cli.console import Console, table
from kelly.cli.options import JSON, VOICE, console, options
from kelly.config import ARITHMETICS

SCHEMA = "kelly.inspect/1"
CATALOG_SCHEMA = "kelly.catalog/1"


@click.command("inspect")
@click.argument("path", metavar="[MODEL]", required=False)
@click.option("--arithmetic", type=click.Choice(ARITHMETICS), default="eigen", help="Whose rounding to plan for.")
@click.option("--catalog", is_flag=True, help="The five nets as kelly expects them, in the place of a file.")
@options(JSON, VOICE)
def command(path: str | None, arithmetic: str, catalog: bool, **flags: Any) -> int:
    """Show a model's layers, sizes, state, operations, bytes and time.

    The time is the median of one step on this machine; the read floor is the time to read the weights once.
    With -v the plan that the engine runs is shown too.
    """
    if (path is None) == (not catalog):
        raise click.UsageError("give a MODEL, or --catalog")
    voice = console(flags)
    from kelly.nets import sheet

    if catalog:
        nets = sheet.catalog()
        if voice.json:
            voice.report(CATALOG_SCHEMA, nets)
        else:
            for net in nets["nets"]:
                layers = " -> ".join(part for row in net["layers"] for part in [describe(row)])
                voice.data(f"{net['name']}: {net['in_size']} -> {layers}, {net['parameters']:,} parameters")
        return 0
    assert path is not None
    found = sheet.inspect_file(path, arithmetic)
    if voice.json:
        voice.report(SCHEMA, found.as_dict())
    else:
        show(voice, found)
    return 0


def describe(row: dict[str, Any]) -> str:
    return " ".join(str(part) for part in (row["type"], row["outputs"], row["activation"]) if part)


def show(voice: Console, sheet: Any) -> None:
    voice.data(f"{sheet.path}: {sheet.net or 'a network'}, {sheet.in_size} -> {sheet.out_size}, {sheet.arithmetic}, {sheet.isa}")
    headings = ("layer", "in", "out", "activation", "parameters", "state", "flops", "bytes")
    rows: list[tuple[Any, ...]] = [
        (layer.type, layer.inputs, layer.outputs, layer.activation, layer.parameters, layer.state, layer.flops, layer.bytes)
        for layer in sheet.layers
    ]
    voice.data(table(headings, rows))
    voice.data(f"parameters  {sheet.parameters:,}")
    voice.data(f"state       {sheet.state:,} values")
    voice.data(f"operations  {sheet.flops:,} a step")
    voice.data(f"memory      {sheet.nbytes:,} bytes")
    floor = "" if sheet.floor_us is None else f", read floor {sheet.floor_us:.2f} us"
    voice.data(f"time        {sheet.latency_us:.2f} us a step{floor}")
    for name, value in sheet.metadata.items():
        voice.data(f"{name}  {value}")
    if voice.verbosity >= 1:
        names = list(sheet.layers[0].columns)
        voice.data(table(("plan", *names), [(layer.type, *layer.columns.values()) for layer in sheet.layers]))
