"""``kelly export``: PyTorch to RTNeural JSON, a model file to ONNX."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kelly._rt.contract import NET_NAMES
from kelly.cli.options import JSON, VOICE, console, options

SCHEMA = "kelly.export/1"


@click.command("export")
@click.argument("source", metavar="SOURCE")
@click.option("--to", "target", type=click.Choice(("rtneural", "onnx")), default="rtneural", help="The format to write.")
@click.option("-o", "--output", metavar="FILE", help="Where to write; default: SOURCE's name with .json or .onnx, here.")
@click.option("--module", metavar="FILE.py:NAME", default="", help="The class whose state_dict SOURCE holds; its code is run.")
@click.option("--activations", metavar="A,B,-", default=None, help="One per layer with weights, - for none: tanh,-,relu.")
@click.option("--net", type=click.Choice(NET_NAMES), default=None, help="Which of the five it is; checked, and written into the file.")
@click.option("--like", metavar="MODEL", default="", help="A model file of the same layers, which tells what SOURCE does not.")
@click.option("--in-size", metavar="N", type=click.IntRange(1), default=None, help="Inputs, where the first layer does not tell.")
@click.option("--taught-by", metavar="TEXT", default="", help="What it learned from, for the file's metadata.")
@click.option("--steps", metavar="N", type=click.IntRange(2, 4096), default=32, help="Length of the embedded test vectors; default 32.")
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of their input; default 0.")
@options(JSON, VOICE)
def command(source: str, target: str, output: str | None, **flags: Any) -> int:
    """Turn a PyTorch network into RTNeural JSON, or a model into ONNX.

    SOURCE is a checkpoint with a state_dict (.pt, .pth, .ckpt; only tensors are read, never pickled code), a network in
    Python as FILE.py:NAME, or for --to onnx a model file. Linear, LSTM, GRU, Conv1d, BatchNorm1d, PReLU and their
    activations can be said; everything else is refused by name. The file is written only if it computes what SOURCE
    computes.
    """
    names = ("module", "activations", "net", "like", "in_size", "taught_by", "steps", "seed")
    own = {name: flags.pop(name) for name in names}
    voice = console(flags)
    from kelly.cli.parity import split_activations
    from kelly.nets.convert import export_onnx, export_pytorch

    stem = Path(source.rpartition(":")[0] if ".py:" in source else source).stem
    path = Path(output) if output else Path(f"{stem}.{'json' if target == 'rtneural' else 'onnx'}")
    if target == "onnx":
        done = export_onnx(source, path, own["seed"], own["steps"])
    else:
        own["activations"], own["net"] = split_activations(own["activations"]), own["net"] or ""
        done = export_pytorch(source, path, **own)
    if voice.json:
        voice.report(SCHEMA, {**asdict(done), "path": str(done.path)})
    else:
        voice.data(f"{done.path}: {', '.join(done.layers)}; {done.nbytes:,} bytes")
        voice.narrate(f"largest difference to {source}: {done.difference.max_abs:.3g}")
    return 0
