"""Everything that can be said of five nets, as a page with pictures: counterfactuals, and held-out figures beside baselines.

    OUT/README.md            the page
    OUT/counterfactuals.png  what moves the recognizer, and what does not
    OUT/NET.png              a net beside its baselines
    OUT/evaluation.json      every number
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.contract import NET_NAMES
from kelly._rt.stream.rules import Rule
from kelly.nets.json import read_model
from kelly.nets.load import load_network
from kelly.whole import whole
from training import counterfactuals, plots
from training.data.item import SPLITS
from training.data.loaders import TEACHERS, collect
from training.report import report
from training.run import recognized
from training.sequences import EMOTION, Scale, pieces_of

SCHEMA = "kelly.train.evaluate/1"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is evaluated.

    models     folder of the nets, each in a folder of its name
    sets       name -> place; a net is held against those that teach it
    nets       names
    pieces     of counterfactuals; 0 leaves them out
    resamples  of the bootstrap
    command    as it was typed
    split      whose pieces judge: ``test``, or ``validation`` to choose by
    """

    models: Path
    sets: Mapping[str, Path | str]
    nets: Sequence[str]
    pieces: int
    resamples: int
    command: str
    cache: Path | None = None
    split: str = "test"


def evaluate(asked: Asked, output: Path, say: Callable[[str], object] = lambda text: None) -> dict[str, Any]:
    """Judge, write the page, and return what it says.

    raises  ModelError for a net that is missing or broken, DataError for a set that is
    """
    found: dict[str, Any] = {"command": asked.command, "split": asked.split, "models": {}, "held_out": {}, "counterfactuals": {}}
    for net in asked.nets:
        path = asked.models / net / "model.json"
        engine, metadata = load_network(path), read_model(path).metadata
        found["models"][net] = {"taught_by": metadata.get("taught_by", metadata.get("data", "not said")), "sha256": digest(path)}
        sets = {name: place for name, place in asked.sets.items() if name in TEACHERS.get(net, {})}
        if sets:
            say(f"{net}: {'held-out' if asked.split == 'test' else asked.split} pieces of {', '.join(sets)}")
            found["held_out"][net] = held_out(net, engine, sets, asked) | {"sets": sorted(sets)}
        if net == EMOTION and asked.pieces:
            say(f"{net}: counterfactuals of {asked.pieces} pieces")
            source = counterfactuals.SOURCES[asked.split]
            recordings = counterfactuals.heard(counterfactuals.variants_of(asked.pieces, source), asked.cache, source)
            found["counterfactuals"] = {"pieces": asked.pieces} | {
                who: (cases := counterfactuals.judged(judge, recordings)) | {"gates": gates(cases)} for who, judge in (("net", engine), ("rule", Rule(EMOTION)), ("front end", counterfactuals.FrontEnd()))
            }
    write(found, output)
    return found


def held_out(net: str, engine: Any, sets: Mapping[str, Path | str], asked: Asked) -> dict[str, Any]:
    """The figures of one net on pieces that it never saw, beside baselines that were fitted on the pieces of training."""
    instead = {} if net == EMOTION else recognized(net, sets, asked.models)[1]  # moods as the recognizer tells them, as in training
    shown, _, _ = collect(net, sets, cache=asked.cache, instead=instead)
    told, choosing, held = (pieces_of(net, shown[split]) for split in (*SPLITS[:2], asked.split))
    return report(net, engine, told, choosing, held, Scale.of(net, told), asked.resamples)


def gates(cases: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per gate: the share of pieces that pass, with its 95 % interval, and whether that is enough."""
    rows = []
    for gate in counterfactuals.GATES:
        held = gate.held(dict(cases))
        pairs = [one for piece in held for one in piece]
        share = float(np.mean(pairs)) if pairs else 0.0
        row = {"what": gate.name, "asked": gate.asked, "pieces": len(held), "share": share, "interval": interval(share, len(held)), "least": gate.least}
        rows.append(row | {"pass": None if gate.least is None else bool(pairs) and share >= gate.least})
    return rows


def interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n pieces; many pairs of one piece count as one, since they fail together.

    source  Wilson 1927, doi 10.1080/01621459.1927.10502953
    """
    if not n:
        return 0.0, 1.0
    z = 1.96
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def write(found: Mapping[str, Any], output: Path) -> None:
    """The page, its pictures and its numbers."""
    output.mkdir(parents=True, exist_ok=True)
    with whole(output / "evaluation.json") as place:
        place.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["counterfactuals"]:
        plots.counterfactuals(output / "counterfactuals.png", found["counterfactuals"]["net"])
    for net, figures in found["held_out"].items():
        plots.measures(output / f"{net}.png", net, figures)
    with whole(output / "README.md") as place:
        place.write_text(page(found), encoding="utf-8")


def page(found: Mapping[str, Any]) -> str:
    """Markdown."""
    heard = "music that they never heard" if found["split"] == "test" else "the music that they are chosen by: a better look is at pieces of the split test"
    lines = ["# Evaluation", "", f"What the nets can do, on {heard}. Made by", "", "```", found["command"], "```", ""]
    lines += ["| net | taught by | file |", "|---|---|---|"]
    lines += [f"| {net} | {_words(about['taught_by'])} | `{about['sha256']}` |" for net, about in found["models"].items()]
    if found["counterfactuals"]:
        lines += ["", *_changes(found["counterfactuals"], found["split"])]
    for net in NET_NAMES:
        if net in found["held_out"]:
            lines += ["", *_figures(net, found["held_out"][net])]
    return "\n".join([*lines, ""])


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | dict) else str(value)


def _changes(found: Mapping[str, Any], split: str) -> list[str]:
    players = "instruments and a soundfont that no training clip has" if split == "test" else "training's own soundfont"
    lines = [
        "## One thing changed", "",
        f"{found['pieces']} pieces that a program composed for this, played by {players}; each again with one thing",
        "changed. Their notes fit their own key better than any of the other mode, in major and in minor: else there would be nothing to hear.",
        "Behind each share its 95 % interval. A piece is transposed by as little as a key takes, five semitones down to six up; the labels' own",
        "formula gives valence .017 per semitone, so .102 for six, which is register and not key: what is asked for is asked of pairs, the piece",
        "as it is and in one other key. The last column repeats what the net's inputs say outright: the mode that the key finder hears as valence,",
        "notes per second and level as arousal. Where that fails, the net has little to go by.", "",
        "| what | asked of a piece | net: pieces | needed | | rule: pieces | inputs: pieces |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for net, rule, inputs in zip(found["net"]["gates"], found["rule"]["gates"], found["front end"]["gates"], strict=True):
        low, high = net["interval"]
        needed = "| " if net["least"] is None else f"{net['least']:.0%} | {'pass' if net['pass'] else '**fail**'}"
        shares = f"{net['share']:.0%} [{low:.0%}, {high:.0%}] | {needed} | {rule['share']:.0%} | {inputs['share']:.0%}"
        lines.append(f"| {net['what']} | {net['asked']} | {shares} |")
    return [*lines, "", "![What moves the recognizer](counterfactuals.png)"]


def _figures(net: str, found: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## {net}", "",
        f"{found['sequences']} sequences of {found['songs']} songs, {found['steps']:,} steps of {', '.join(found['sets'])} that nobody was taught or fitted on; 95 % intervals over "
        f"sequences, the same resamples for everybody. {found['verdict'][:1].upper()}{found['verdict'][1:]}.", "",
    ]  # fmt: skip
    names = list(dict.fromkeys(key for row in found["measures"] for key in row if isinstance(row[key], list) and key != "gain"))
    lines += [f"| measure | {' | '.join(names)} | net better by |", "|---|" + "---|" * (len(names) + 1)]
    for row in found["measures"]:
        cells = [f"{row[name][0]:.3f}" + (f" [{row[name][1]:.3f}, {row[name][2]:.3f}]" if name == "net" else "") if name in row else "" for name in names]
        gain = row["gain"]
        lines.append(f"| {row['measure']} | {' | '.join(cells)} | {gain[0]:+.3f} [{gain[1]:+.3f}, {gain[2]:+.3f}] than {row['against']} |")
    return [*lines, "", f"![{net} beside its baselines]({net}.png)"]
