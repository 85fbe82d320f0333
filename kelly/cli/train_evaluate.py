"""``kelly train evaluate``: what the nets can do, as a page with pictures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from kelly._rt.contract import NET_NAMES
from kelly.cli.checkout import training
from kelly.cli.console import table
from kelly.cli.options import JSON, VOICE, console, options
from kelly.cli.train_nets import places
from kelly.config import did_you_mean
from kelly.errors import ConfigError
from kelly.whole import folder_made


@click.command("evaluate")
@click.option("--models", metavar="DIR", default="models", show_default=True, help="The nets, each in a folder of its name.")
@click.option("--nets", metavar="A,B", default="", help="Which of the five; default: those that are in --models.")
@click.option("--datasets", metavar="A,B", default="", help="Sets with held-out pieces, by name or NAME=PATH; none: counterfactuals alone.")
@click.option("--datasets-dir", metavar="DIR", default="", help="Where sets lie under their published folder names; default KELLY_DATASETS, or ./datasets.")
@click.option("--use-synthetic", is_flag=True, help="The same as --datasets cues.")
@click.option("--pieces", metavar="N", type=click.IntRange(0), default=48, show_default=True, help="Pieces that are changed in one thing; 0: none.")
@click.option("--split", type=click.Choice(("test", "validation")), default="test", show_default=True, help="Whose pieces: test to judge, validation to choose among runs.")
@click.option("--resamples", metavar="N", type=click.IntRange(100), default=1000, show_default=True, help="Of the pieces, for the intervals.")
@click.option("--cache", metavar="FOLDER", default="", help="Where features are kept; default: KELLY_CACHE, or the user's cache.")
@click.option("-o", "--output", metavar="DIR", default="evaluation", show_default=True, help="The report's folder.")
@options(JSON, VOICE)
def command(models: str, nets: str, pieces: int, split: str, resamples: int, cache: str, output: str, **flags: Any) -> int:
    """Hold the nets against their baselines, and change one thing at a time.

    Writes README.md with tables, pictures and evaluation.json. The same piece in major and minor, at five tempi, five
    levels, two gains and in twelve keys needs FluidSynth and the test soundfont of `kelly train data make cues`.
    """
    voice, folder = console(flags), Path(models)
    names = [name.strip() for name in nets.split(",") if name.strip()] or [name for name in NET_NAMES if (folder / name / "model.json").is_file()]
    for name in names:
        if name not in NET_NAMES:
            raise ConfigError(f"no net is called {name!r}{did_you_mean(name, list(NET_NAMES))}; the five are {', '.join(NET_NAMES)}")
    if not names:
        raise ConfigError(f"--models {models}: holds none of the five nets, such as {NET_NAMES[0]}/model.json")
    folder_made(Path(output) / "README.md")  # a place that is none is better missed before the work
    evaluation = training("evaluate")
    typed = shlex.join(["kelly", *sys.argv[1:]])
    asked = evaluation.Asked(folder, places(flags, voice), names, pieces, resamples, typed, Path(cache) if cache else None, split)
    found = evaluation.evaluate(asked, Path(output), voice.narrate)
    if voice.json:
        voice.report(evaluation.SCHEMA, {"written": output, **found})
        return 0
    if found["counterfactuals"]:
        rows = [(row["what"], row["asked"], f"{row['share']:.0%} of {row['pieces']}", f"{row['interval'][0]:.0%} to {row['interval'][1]:.0%}", *needed(row)) for row in found["counterfactuals"]["net"]["gates"]]
        voice.data(table(("one thing changed", "asked of a piece", "pieces", "95 %", "needed", ""), rows))
    for net, figures in found["held_out"].items():
        voice.data(f"{net}: {figures['verdict']}")
    voice.narrate(f"written: {Path(output) / 'README.md'}")
    return 0


def needed(row: dict[str, Any]) -> tuple[str, str]:
    """What share is asked for, and whether it is there; nothing where nobody asks."""
    return ("", "") if row["least"] is None else (f"{row['least']:.0%}", "pass" if row["pass"] else "FAIL")
