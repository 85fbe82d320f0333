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
RESULTS = "validation_results.json"


@click.command("validate")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--check-specs", is_flag=True, help="Every file has to be one of the five nets, with its exact layers and test vectors.")
@click.option("--inference", is_flag=True, help="Also run every sound file on silence, noise, loud and negative input.")
@click.option("--models", metavar="FOLDER", default=None, help="Where the five nets are, for --check-specs without a PATH.")
@click.option("--results", metavar="FILE", default=None, help="Where --inference saves; default: validation_results.json.")
@options(JSON, VOICE)
def command(paths: tuple[str, ...], check_specs: bool, inference: bool, models: str | None, results: str | None, **flags: Any) -> int:
    """Check model files and name every fault.

    A PATH is a model file, or a folder that is searched for model.json files, or for any .json files if
    there are none.  --check-specs without one checks the five nets where the other commands find them.  With -v every layer is shown.  Exits 4 when a file has a fault, when an answer is not finite, or
    when a folder holds no model.
    """
    voice = console(flags)
    if not paths and not check_specs:
        raise click.UsageError("Missing argument 'PATH...'; --check-specs alone checks the five nets.")
    import kelly

    reports = [kelly.validate_model(file, check_specs="all" if check_specs else True) for file in files_of(paths or the_five(models))]
    trials: dict[str, list[Any]] = {}
    if inference:
        from kelly.nets.inference import try_inference

        trials = {report.path: try_inference(report.path) for report in reports if report.ok}
    ok = all(report.ok for report in reports) and all(trial.ok for rows in trials.values() for trial in rows)
    files = [as_json(report) | with_trials(trials.get(report.path)) for report in reports]
    if inference:
        from kelly.nets.inference import save_results

        saved = save_results(results or RESULTS, SCHEMA, {"ok": ok, "files": files})
        voice.narrate(f"results: {saved}")
    if voice.json:
        voice.report(SCHEMA, {"ok": ok, "files": files})
    else:
        for report in reports:
            show(voice, report, trials.get(report.path, []))
    return 0 if ok else INVALID


def the_five(folder: str | None) -> tuple[str, ...]:
    """Paths of the five nets.

    raises  ModelFormatError for the first that is not there
    """
    from kelly._rt.contract import NET_NAMES
    from kelly.nets.store import search_path

    search = search_path(folder)
    found = {name: search.find(name) for name in NET_NAMES}
    for name, path in found.items():
        if path is None:
            raise ModelFormatError(search.why_missing(name), path=name, hint="kelly models says where the nets are looked for")
    return tuple(str(path) for path in found.values())


def with_trials(trials: list[Any] | None) -> dict[str, Any]:
    if trials is None:
        return {}
    from kelly.nets import inference

    return {"inference": inference.as_json(trials)}


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


def show(voice: Console, report: Any, trials: list[Any]) -> None:
    if report.ok and voice.verbosity >= 0:
        voice.data(f"{report.path}: ok ({report.summary})")
    for fault in report.faults:
        voice.data(str(fault))
    if voice.verbosity >= 1:
        for line in report.layers:
            voice.data(f"  {line}")
    for trial in trials:
        if not trial.ok or voice.verbosity >= 0:
            what = "ok" if trial.ok else "NOT FINITE" if not trial.finite else "DIFFERS after a reset"
            span = f"{trial.lowest:.4g} to {trial.highest:.4g}" if trial.lowest <= trial.highest else "nothing finite"
            voice.data(f"  {trial.input}: {what}, {trial.shape[0]} x {trial.shape[1]} values, {span}, {trial.latency_us:.2f} us a step")


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
                "found": fault.found, "hint": fault.hint, "message": str(fault),
            }
            for fault in report.faults
        ],
    }  # fmt: skip
