"""``kelly validate``: every fault of every model file, not just the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kelly.cli.console import Console
from kelly.cli.options import JSON, VOICE, console, options
from kelly.errors import ModelFormatError

SCHEMA = "kelly.validate/1"
INVALID = 4


@click.command("validate")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@options(JSON, VOICE)
def command(paths: tuple[str, ...], **flags: Any) -> int:
    """Check model files and name every fault.

    A PATH is a model file, or a folder that is searched for model.json files, or for any .json files if
    there are none.  Exits 4 when a file has a fault, or when a folder holds no model.
    """
    voice = console(flags)
    import kelly

    reports = [kelly.validate_model(file) for file in files_of(paths)]
    if voice.json:
        voice.report(SCHEMA, {"ok": all(report.ok for report in reports), "files": [as_json(report) for report in reports]})
    else:
        for report in reports:
            show(voice, report)
    return 0 if all(report.ok for report in reports) else INVALID


def files_of(paths: tuple[str, ...]) -> list[Path]:
    """The model files meant by the arguments, each once, in the order given.

    raises  ModelFormatError for a folder without any
    """
    files: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if path.is_dir():
            inside = sorted(path.rglob("model.json")) or sorted(path.rglob("*.json"))
            if not inside:
                raise ModelFormatError("no model in this folder", path=text, hint="models are .json files")
            files.update(dict.fromkeys(inside))
        else:
            files[path] = None
    return list(files)


def show(voice: Console, report: Any) -> None:
    if report.ok and voice.verbosity >= 0:
        voice.data(f"{report.path}: ok ({report.summary})")
    for fault in report.faults:
        voice.data(str(fault))


def as_json(report: Any) -> dict[str, Any]:
    return {
        "path": str(report.path),
        "ok": report.ok,
        "net": report.net,
        "layers": report.layers,
        "parameter_count": report.parameter_count,
        "nbytes": report.nbytes,
        "taught_by": report.taught_by,
        "vector_error": report.vector_error,
        "faults": [
            {
                "error": type(fault).__name__, "pointer": fault.pointer, "expected": fault.expected,
                "found": fault.found, "message": str(fault),
            }
            for fault in report.faults
        ],
    }  # fmt: skip
