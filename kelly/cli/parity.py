"""``kelly parity``: several engines, one network, one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kelly.cli.console import Console, table
from kelly.cli.options import JSON, VOICE, console, options
from kelly.config import ARITHMETICS

SCHEMA = "kelly.parity/1"
FAILED = 5


@click.command("parity")
@click.argument("first", metavar="A")
@click.option(
    "--against", metavar="B[,C]", required=True,
    help="Arithmetics, numpy, torch, onnxruntime, vectors, reference, BACKEND=PROGRAM, or .json, .onnx and .pt files.",
)
@click.option("--arithmetic", type=click.Choice(ARITHMETICS), default="eigen", help="Whose rounding kelly follows for .json files.")
@click.option("--module", metavar="FILE.py:NAME", default="", help="The class whose state_dict a .pt holds; its code is run.")
@click.option("--activations", metavar="A,B,-", default=None, help="One per layer of a .pt, - for none, where nothing else tells.")
@click.option(
    "--input", "input_path", metavar="FILE.f32", default=None,
    help="Raw little-endian float32, step by step, or demo: what one of the five nets hears there; default: noise.",
)
@click.option("--steps", metavar="N", type=click.IntRange(2), default=256, help="Steps of noise; default 256.")
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of the noise; default 0.")
@click.option("--scale", metavar="X", type=float, default=1.0, help="Loudness of the noise; default 1.")
@click.option("--tolerance", metavar="X", type=click.FloatRange(0), default=None, help="Largest error allowed; default depends on B.")
@options(JSON, VOICE)
def command(first: str, against: str, **flags: Any) -> int:
    """Compare engines on one network and name the first layer where they part.

    A is an RTNeural JSON file, a PyTorch checkpoint or FILE.py:NAME, or an ONNX file. Errors are measured against the
    tolerance times the largest answer, where that is above 1: 1e-5 for float32 engines, 1e-6 for fast, 1e-4 for int16,
    2e-2 for int8. For int8 the cosine between the answers has to be 0.999 too. Exits 5 when an engine is beyond it,
    loses its state between blocks, or does not start afresh after a reset.
    """
    own = {name: flags.pop(name) for name in ("arithmetic", "module", "activations", "input_path", "steps", "seed", "scale", "tolerance")}
    voice = console(flags)
    from kelly.nets.contestants import KellyContestant, open_contestants
    from kelly.nets.json import read_model
    from kelly.nets.parity import carries_state, compare, noise, same_bits

    words = [word for word in against.split(",") if word]
    base_path = next((word for word in (first, *words) if Path(word).suffix.lower() in (".json", ".aidax")), None)
    base = read_model(base_path) if base_path else None
    named = split_activations(own["activations"])
    how = {"arithmetic": own["arithmetic"], "module": own["module"], "activations": named}
    if base is not None and first == base_path:
        left: Any = KellyContestant(base, own["arithmetic"])
    else:
        left = open_contestants(first, base, **how)[0]
    others = [engine for word in words for engine in open_contestants(word, base, **how)]
    if base is None:
        raise click.UsageError("one side has to be an RTNeural JSON file; `kelly export` makes one")
    if own["input_path"] == "demo":
        x = heard_by(base)
    elif own["input_path"]:
        x = read_input(own["input_path"], base.in_size)
    else:
        x = noise(base.in_size, own["steps"], own["seed"], own["scale"])
    verdicts = compare(left, others, x, own["tolerance"], [layer.type for layer in base.layers])
    wanted = left.run(x)
    state, resets = carries_state(left, x, wanted), same_bits(left.run(x), wanted)
    ok = state is not False and resets and all(verdict.ok for verdict in verdicts)
    if voice.json:
        itself = {"name": left.name, "carries_state": state, "resets": resets}
        voice.report(SCHEMA, {"ok": ok, "first": itself, "steps": len(x), "against": [verdict.as_dict() for verdict in verdicts]})
    else:
        show(voice, left.name, len(x), verdicts)
        if state is False or not resets:
            voice.data(f"{left.name}: {'loses its state between blocks' if state is False else 'does not start afresh after a reset'}")
    return 0 if ok else FAILED


def split_activations(text: str | None) -> list[str] | None:
    """ "tanh,-,relu" -> names, "" for none."""
    return None if text is None else ["" if word.strip() == "-" else word.strip() for word in text.split(",")]


def heard_by(model: Any) -> Any:
    """A thousand steps of real input of one of the five nets."""
    from kelly.cli.heard import heard_in_the_demo

    x = heard_in_the_demo().get(str(model.metadata.get("net", "")))
    if x is None or x.shape[1] != model.in_size:
        raise click.UsageError("--input demo is for the five nets; give a file of float32 values, or none for noise")
    return x


def read_input(path: str, in_size: int) -> Any:
    """A raw float32 file as (T, in_size)."""
    import numpy as np

    from kelly.errors import DataError

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    if not data or len(data) % (4 * in_size):
        raise DataError(f"{path}: expected rows of {in_size} float32 values, found {len(data)} bytes")
    return np.frombuffer(data, "<f4").astype(np.float32).reshape(-1, in_size)


def show(voice: Console, first: str, steps: int, verdicts: list[Any]) -> None:
    rows = []
    for verdict in verdicts:
        d = verdict.difference
        rows.append(
            (
                verdict.name, "ok" if verdict.ok else "FAILED", f"{d.max_abs:.3g}", f"{d.mean_abs:.3g}", f"{verdict.tolerance:.3g}",
                "-" if d.max_ulp is None else d.max_ulp, "-" if d.mean_ulp is None else f"{d.mean_ulp:.3g}", f"{d.differing}/{d.values}",
                "-" if d.cosine is None else f"{d.cosine:.6f}", {None: "-", True: "yes", False: "NO"}[verdict.carries_state],
                "yes" if verdict.resets else "NO",
            )
        )  # fmt: skip
    voice.data(f"{first}, {steps} steps, against:")
    voice.data(table(("engine", "parity", "max", "mean", "allowed", "max ULP", "mean ULP", "differ", "cosine", "state", "reset"), rows))
    for verdict in verdicts:
        if verdict.first_layer is not None and not verdict.ok:
            row = verdict.layers[[layer.index for layer in verdict.layers].index(verdict.first_layer)]
            voice.data(f"{verdict.name}: parts at layer {row.index} ({row.type}), error {row.max_abs:.3g}")
        elif verdict.difference.differing and verdict.first_bits is not None and voice.verbosity >= 1:
            voice.data(f"{verdict.name}: the first bits differ in layer {verdict.first_bits}")
        if not verdict.ok:
            d = verdict.difference
            voice.data(f"{verdict.name}: largest error at step {d.step}, output {d.output}")
        if voice.verbosity >= 1 and verdict.layers:
            layers = [(row.index, row.type, f"{row.max_abs:.3g}", "-" if row.max_ulp is None else row.max_ulp, row.within) for row in verdict.layers]
            voice.data(table(("layer", "type", "max", "max ULP", "within"), layers))
