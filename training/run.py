"""One run: a folder that says by itself what was trained, from what, how, and how well.

    RUN/run.toml                    command, versions, commit, sets, device
    RUN/NET/config.toml             every setting; ``--config`` takes it
    RUN/NET/data.json               pieces, splits, licences, what was left out, hashes
    RUN/NET/metrics.json .csv       every epoch, and the figures on held-out pieces beside their baselines
    RUN/NET/curves.png measures.png
    RUN/NET/checkpoints/latest.pt best.pt
    RUN/NET/model.json CARD.md      what ``--models RUN`` plays
"""

from __future__ import annotations

import csv
import json
import platform
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kelly
from kelly._rt.contract import CONTRACT_VERSION, EMBEDDING, NET_NAMES, net_spec
from kelly.errors import ConfigError, DataError, ModelError
from kelly.nets.export import export_model
from kelly.nets.json import read_model
from kelly.nets.load import load_network
from kelly.nets.slot import RuledNetwork
from kelly.nets.store import search_path
from kelly.nets.validate import validate_model
from kelly.whole import whole
from training import checkpoint, parallel, plots
from training.card import write_card
from training.contrast import Contrast
from training.data.cues import contrasts, teach
from training.data.features import feature_hash
from training.data.item import SPLITS, Item
from training.data.loaders import TEACHERS, collect
from training.data.scheduler import NONE, executor
from training.data.sets import BY_NAME
from training.fit import UNKNOWN, Fit, Progress, silent
from training.report import KNOWN_R2, errors_of, report
from training.sequences import EMOTION, Piece, Scale, fingerprint, pieces_of, summary, taught_by_rule
from training.settings import Settings
from training.settings import read as read_settings
from training.student import Student, run

VECTOR_STEPS = 24
DRAW_S = 20.0
MANY = 1 << 30  # files: a cluster that was asked for is started
QUICK_ITEMS = 16  # per set and split: a smoke run is over in two minutes


class RunError(ConfigError):
    """A run that cannot begin, or not go on, as it was asked for."""


class StoppedError(Exception):
    """Somebody wants an end while a net's sets are being read: nothing of it is learned yet."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained.

    settings    per net, in the order of training
    sets        name -> place, of all of them; each net takes those that teach it
    output      the run's folder
    command     as it was typed
    device      cpu, cuda or mps
    resume      go on with what lies in ``output``
    quick       a smoke run: its models say so
    cache       of features and examples; None: the user's
    scheduler   who makes them, as ``training.data.scheduler`` takes it
    """

    settings: Mapping[str, Settings]
    sets: Mapping[str, Path | str]
    output: Path
    command: str
    device: str = "cpu"
    resume: bool = False
    quick: bool = False
    cache: Path | None = None
    scheduler: str = NONE


@dataclass(slots=True)
class Ears:
    """Who is told what happens, and who says stop."""

    stop: Callable[[], bool] = lambda: False
    progress: Progress = silent
    say: Callable[[str], object] = lambda text: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one net.

    finished  False when it was stopped before its last epoch
    held_out  the report; {} when it was stopped
    """

    net: str
    folder: Path
    finished: bool
    epochs: int
    held_out: Mapping[str, Any] = field(default_factory=dict)


def train(order: Order, ears: Ears) -> list[Outcome]:
    """Train every net of the order, one after the other; the recognizer first, since the others lean on its errors.

    returns  what came of each; of no net by a process that is not the first
    raises   RunError, DataSetError
    """
    plots.ready()
    rank, world = parallel.start(order.device)
    torch.use_deterministic_algorithms(order.device == "cpu")
    if rank == 0:
        _begin(order, world)
    else:
        ears = replace(ears, say=lambda text: None)  # once is enough
    out = []
    try:
        for net, settings in order.settings.items():
            torch.set_num_threads(settings.threads)
            outcome = _net(order, net, settings, ears, rank, world)
            out.append(outcome)
            if not outcome.finished:
                break
            rest = list(order.settings)[len(out) :]
            if rest and world == 1 and ears.stop():
                ears.say(f"stopped before {', '.join(rest)}; kelly train --resume {order.output} goes on")
                break
    except StoppedError:
        ears.say(f"{net}: stopped while its sets were read, before anything was learned; what was read is kept, kelly train --resume {order.output} goes on")
    finally:
        parallel.stop()
    return [] if rank else out


def teaching(net: str, sets: Mapping[str, Path | str]) -> dict[str, Path | str]:
    """Those of the sets that teach a net."""
    return {name: path for name, path in sets.items() if name in TEACHERS.get(net, {})}


def _begin(order: Order, world: int) -> None:
    path = order.output / "run.toml"
    if not order.resume and any((order.output / net / "checkpoints" / "latest.pt").exists() for net in NET_NAMES):
        raise RunError(f"{order.output}: holds a run already; --resume {order.output} goes on with it, --output takes another folder")
    if order.resume:
        return
    try:
        order.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{order.output}: no folder can be made there: {error.strerror}; --output takes another") from error
    _write_toml(path, {
        "command": order.command, "nets": list(order.settings), "device": order.device, "processes": world, "quick": order.quick, "commit": commit(), "contract": CONTRACT_VERSION,
        "feature_hash": feature_hash(), "kelly": kelly.__version__, "torch": torch.__version__, "numpy": np.__version__,
        "python": platform.python_version(), "machine": platform.machine(),
    }, {name: str(place) for name, place in order.sets.items()})  # fmt: skip
    for net, settings in order.settings.items():  # also of nets whose turn has not come when the run is stopped
        _write_settings(order.output / net, settings)


def _write_settings(folder: Path, settings: Settings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / "config.toml") as place:
        place.write_text(settings.as_toml(), encoding="utf-8")


def _write_toml(path: Path, values: Mapping[str, Any], sets: Mapping[str, str]) -> None:
    """JSON's strings, numbers and lists are TOML's."""
    lines = [*(f"{name} = {json.dumps(value)}" for name, value in values.items()), "", "[sets]", *(f"{name} = {json.dumps(value)}" for name, value in sets.items())]
    with whole(path) as place:
        place.write_text("\n".join([*lines, ""]), encoding="utf-8")


def read_run(folder: Path) -> dict[str, Any]:
    """``run.toml`` of a run.

    raises  RunError
    """
    try:
        found = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))
        return {"sets": dict(found["sets"]), "nets": list(found["nets"]), "device": str(found["device"]), "quick": bool(found["quick"]), "command": str(found["command"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder / 'run.toml'}: not readable as a run: {error}; --resume takes the folder that --output made") from error


def _net(order: Order, net: str, settings: Settings, ears: Ears, rank: int, world: int) -> Outcome:
    folder, sets = order.output / net, teaching(net, order.sets)
    if order.resume and (folder / "checkpoints" / "latest.pt").exists():
        _same(folder, read_settings(net, folder / "config.toml").difference(settings))  # before hours of reading
    if sets:
        ears.say(f"{net}: reading {', '.join(sets)}")
    error, instead = (None, {}) if net == EMOTION else recognized(net, sets, order.output)
    try:
        with executor(order.scheduler, MANY) as workers, ears.progress(f"{net}: reading", 0) as advance:

            def heard(n: int) -> None:
                advance(n)
                if world == 1 and ears.stop():  # of several processes none may leave alone
                    raise StoppedError

            shown, counts, corrupt = collect(net, sets or order.sets, cache=order.cache, advance=heard, executor=workers, instead=instead, most=QUICK_ITEMS if order.quick else None)
    except KeyboardInterrupt:  # a process that reads, to whom the terminal said so, too
        if ears.stop():
            raise StoppedError from None
        raise
    pieces = {split: pieces_of(net, shown[split]) for split in SPLITS}
    for split, found in pieces.items():
        if not found:
            raise DataError(f"{', '.join(map(str, sets.values()))}: nothing but silence in {split}; add a set, or items to this one")
    distilled = taught_by_rule(net, pieces)
    scale = Scale.of(net, pieces["train"])
    if net != EMOTION and set(sets) == {"cues"}:
        settings_of_noise = replace(settings, mood_noise=0.0, mood_masking=0.0)  # its moods are as a recognizer tells them already
    else:
        settings_of_noise = settings
    apart = order_of(settings, sets, ears.say) if net == EMOTION else []
    data = {
        "sets": {name: {"items": counts[name], "licence": BY_NAME[name].licence, "free": BY_NAME[name].free} for name in counts},
        "sequences": {split: summary(pieces[split]) for split in SPLITS},
        "hashes": {split: fingerprint(pieces[split]) for split in SPLITS}, "feature_hash": feature_hash(),
        "distilled_indices": distilled, "mood_error": None if error is None else [None if np.isnan(value) else round(float(value), 4) for value in error],
        "corrupt": [{"path": str(one.path), "reason": one.reason} for one in corrupt],
        "contrasts": {split: sum(one.split == split for one in apart) for split in SPLITS[:2]} if apart else None,
    }  # fmt: skip
    fit = Fit(settings_of_noise, pieces["train"], pieces["validation"], scale, error, parallel.own_device(order.device), rank, world, apart)
    if order.resume and (folder / "checkpoints" / "latest.pt").exists():
        _go_on(folder, fit, data, rank)
    elif rank == 0:
        _start(folder, fit, settings, data)
    total = data["sequences"]["train"]
    ears.say(f"{net}: {total['pieces']:,} sequences, {total['steps']:,} steps to learn from; {data['sequences']['test']['pieces']:,} held out")

    drawn: dict[Path, float] = {}

    def after(row: dict[str, float]) -> None:
        if rank == 0:
            _keep(folder, fit, data, drawn)
            kept = ", kept" if fit.best["epoch"] == fit.epoch - 1 else ""
            ears.say(f"  {net} epoch {row['epoch']}: loss {row['loss']:.4f}, validation {row['validation']:.4f}{kept}, {row['seconds']:.0f} s")

    finished = fit.run(ears.stop, ears.progress, after)
    if rank:
        if world > 1 and not finished:
            _own_state(folder, fit, rank)
        return Outcome(net, folder, finished, fit.epoch)
    _keep(folder, fit, data, drawn, last=True)
    return finish(order, fit, pieces, data, finished)


def order_of(settings: Settings, sets: Mapping[str, Path | str], say: Callable[[str], object]) -> list[Contrast]:
    """The pieces with one thing changed that lie beside the corpus, for a recognizer that shall learn from them."""
    if "cues" not in sets or settings.contrast == 0:
        return []
    found = [one for kept in contrasts.kept(Path(sets["cues"])) if (one := Contrast.of(kept))]
    if not found:
        say(f"{settings.net}: no contrasts in {sets['cues']}, so nothing holds modes, tempi and levels apart; kelly train data make cues {sets['cues']} --contrasts 120 makes them")
    return found


def _start(folder: Path, fit: Fit, settings: Settings, data: Mapping[str, Any]) -> None:
    _write_settings(folder, settings)
    write_json(folder / "data.json", data)
    checkpoint.save(folder / "checkpoints" / "latest.pt", fit.content() | {"data": data["hashes"]})


def _go_on(folder: Path, fit: Fit, data: Mapping[str, Any], rank: int) -> None:
    """Stand where the run stopped.

    raises  RunError where its data were others, naming the difference
    """
    before = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    _same(folder, [f"{name}: {before.get(name)} in the run, {data[name]} now" for name in ("hashes", "feature_hash", "mood_error", "contrasts") if before.get(name) != data[name]])
    own = folder / "checkpoints" / f"latest.{rank}.pt"
    fit.resume(checkpoint.load(own if rank and own.exists() else folder / "checkpoints" / "latest.pt"))


def _same(folder: Path, differs: list[str]) -> None:
    """raises  RunError that names what differs"""
    if differs:
        raise RunError(f"{folder}: not the run that was begun:\n  " + "\n  ".join(differs) + "\nbegin another with --output, or leave the changes out")


def _own_state(folder: Path, fit: Fit, rank: int) -> None:
    """What another process than the first has of its own: recurrent state and random numbers."""
    checkpoint.save(folder / "checkpoints" / f"latest.{rank}.pt", fit.content())


def _keep(folder: Path, fit: Fit, data: Mapping[str, Any], drawn: dict[Path, float], last: bool = False) -> None:
    """Write what has been reached; the picture now and then."""
    content = fit.content() | {"data": data["hashes"]}
    checkpoint.save(folder / "checkpoints" / "latest.pt", content)
    if fit.best["epoch"] == fit.epoch - 1 and fit.epoch:
        checkpoint.save(folder / "checkpoints" / "best.pt", {"net": fit.settings.net, **fit.best, "data": data["hashes"]})
    write_metrics(folder, fit.history, {})
    if time.monotonic() - drawn.get(folder, 0.0) > DRAW_S or last:
        drawn[folder] = time.monotonic()
        plots.curves(folder / "curves.png", fit.settings.net, fit.history)


def write_metrics(folder: Path, history: list[dict[str, float]], held_out: Mapping[str, Any]) -> None:
    """metrics.json and, of the epochs and of the held-out figures, CSV."""
    write_json(folder / "metrics.json", {"epochs": history, "held_out": held_out})
    with whole(folder / "metrics.csv") as place, open(place, "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, ["epoch", "loss", "validation", "learning_rate", "seconds"])
        rows.writeheader()
        rows.writerows(history)
    if held_out:
        with whole(folder / "measures.csv") as place, open(place, "w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(("measure", "who", "value", "low", "high"))
            for row in held_out["measures"]:
                lines.writerows((row["measure"], who, *figure) for who, figure in row.items() if isinstance(figure, list))


def write_json(path: Path, content: Any) -> None:
    with whole(path) as place:
        place.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def finish(order: Order, fit: Fit, pieces: Mapping[str, list[Piece]], data: Mapping[str, Any], finished: bool) -> Outcome:
    """Export the best weights, judge the file, draw, write the card.  StoppedError short of the end, nothing is judged."""
    net, settings = fit.settings.net, fit.settings
    folder, spec, student = order.output / net, net_spec(net), fit.chosen().to("cpu")
    metadata: dict[str, Any] = {
        "net": net, "contract": CONTRACT_VERSION, "feature_hash": feature_hash(),
        "taught_by": ", ".join(BY_NAME[name].title for name in data["sets"]) + (" (a smoke run)" if order.quick else ""),
        "sets": sorted(data["sets"]), "synthetic": "cues" in data["sets"], "quick": order.quick,
        "data_licence": {name: row["licence"] for name, row in data["sets"].items()},
        "free": all(row["free"] for row in data["sets"].values()),
        "licence": "MIT" if all(row["free"] for row in data["sets"].values()) else "not to be shipped: a data set's licence is non-commercial",
        "created_by": created_by(order, settings), "seed": settings.seed, "commit": commit(), "epochs": fit.epoch,
        "rule_indices": list(spec.output.rule_indices()), "distilled_indices": data["distilled_indices"],
    }  # fmt: skip
    scale = replace(fit.scale, known=fit.scale.known.copy())
    scale.known[data["distilled_indices"]] = 0  # nobody is measured by them
    if net == EMOTION:
        metadata |= settle_unknown(student, pieces["validation"], fit.scale)
    layers = student.folded()
    vectors = test_vectors(layers, max(pieces["test"], key=lambda piece: piece.n), net)
    path = export_model(layers, folder / "model.json", metadata=metadata | {"finished": finished}, vectors=vectors)
    held_out: dict[str, Any] = {}
    if finished:
        held_out = report(net, load_network(path), pieces["train"], pieces["validation"], pieces["test"], scale, settings.bootstrap)
        metadata |= {
            "beats_baseline": held_out["beats_baseline"], "verdict": held_out["verdict"],
            "metrics": {row["measure"]: row["net"] for row in held_out["measures"]},
            "gates_missed": [row["gate"] for row in held_out["gates"] if not row["pass"]],
        }  # fmt: skip
        export_model(layers, path, metadata=metadata, vectors=vectors)
        plots.measures(folder / "measures.png", net, held_out)
    write_metrics(folder, fit.history, held_out)
    checked = validate_model(path, "all")
    if not checked.ok:
        raise ModelError("\n".join(str(fault) for fault in checked.faults), path=str(path))
    write_card(folder / "CARD.md", spec, metadata, data, held_out, checked.vector_error or 0.0)
    return Outcome(net, folder, finished, fit.epoch, held_out)


def created_by(order: Order, settings: Settings) -> str:
    """What makes these weights again, without anybody's folders."""
    words = ["kelly train", settings.net, "--datasets", ",".join(sorted(teaching(settings.net, order.sets)))]
    words += ["--seed", str(settings.seed), "--epochs", str(settings.epochs), "--batch-size", str(settings.batch_size)]
    return " ".join([*words, *(["--quick"] if order.quick else [])])


def settle_unknown(student: Student, choosing: list[Piece], scale: Scale) -> dict[str, Any]:
    """Make the recognizer say "unknown" for every index that it does not know, and note its errors for those it does.

    An index counts as known when more than KNOWN_R2 of its variance on the choosing pieces is explained; a net that
    answers the mean of a corpus instead would be taken at its word by whoever reads it.
    """
    with torch.no_grad():
        errors, shares = errors_of(_Twin(student), choosing, EMBEDDING.size)
        own = {EMBEDDING[name].start for name in ("confidence", "log_sigma_valence", "log_sigma_arousal")} if scale.known[0] > 0 else set()
        ruled = set(EMBEDDING.rule_indices())
        unknown = [i for i in range(EMBEDDING.size) if i not in own | ruled and not (shares[i] is not None and shares[i] > KNOWN_R2)]
        last = [layer for layer in student.layers if isinstance(layer, torch.nn.Linear)][-1]
        for index in [*unknown, *ruled]:
            last.weight[index] = 0
            last.bias[index] = float(np.arctanh(np.clip(UNKNOWN[index], -0.9999, 0.9999)))
    return {
        "unknown_indices": unknown,
        "errors": [errors[i] if i not in unknown else None for i in range(EMBEDDING.size)],
    }


class _Twin:
    """A student with the face of an engine."""

    def __init__(self, student: Student) -> None:
        self.student = student

    def reset(self) -> None:
        """Each call begins from reset."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.student(torch.from_numpy(x)[None])[0][0].numpy()


def test_vectors(layers: list[torch.nn.Module], piece: Piece, net: str) -> tuple[np.ndarray, np.ndarray]:
    """A run of real inputs from reset, answered by PyTorch."""
    given = np.round(piece.part(0, VECTOR_STEPS)[0], 4)
    with torch.no_grad():
        return given, run(layers, torch.from_numpy(given)[None])[0][0].numpy()


def recognized(net: str, sets: Mapping[str, Path | str], folder: Path) -> tuple[np.ndarray | None, dict[str, Callable[..., Any]]]:
    """How the nets behind the recognizer learn of moods: (its errors, who shows a set with its answers).

    The recognizer is the one in this folder, else the one that is installed, if its file tells its errors: one that was
    distilled does not.  Of ``cues`` it answers the very clips, and stays as it is; sets of scores have no sound, so there its errors
    (64,), NaN for an index that it does not know, are drawn.
    """
    own = folder / EMOTION / "model.json"
    path = own if own.exists() else search_path().find(EMOTION)
    if path is None:
        return None, {}
    errors = read_model(path).metadata.get("errors")
    if not isinstance(errors, list) or len(errors) != EMBEDDING.size:
        return None, {}
    if set(sets) == {"cues"}:
        network = RuledNetwork(EMOTION, load_network(path))

        def embedding_of(item: Item) -> np.ndarray:
            network.reset()
            return network(np.load(item.labels["features"]))

        return None, {"cues": teach.made_by(net, embedding_of)}
    return np.array([np.nan if value is None else value for value in errors], np.float32), {}


def chosen_device(name: str) -> str:
    """A GPU where there is one, unless told otherwise.

    raises  RunError for a device that is not there
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there[name]:
        raise RunError(f"--device {name}: PyTorch finds none here; available: {', '.join(device for device, found in there.items() if found)}")
    return name


def commit() -> str:
    """The commit of this checkout, "+" when files differ from it; "" outside one."""
    root = Path(__file__).resolve().parents[1]
    try:
        head = subprocess.run(["git", "-C", root, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        changed = subprocess.run(["git", "-C", root, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if changed else "")
