"""The card beside a trained net: what it learned, from what, how well beside what needs no net, what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kelly._rt.contract import CONTRACT_VERSION, NetSpec
from kelly.whole import whole

CANNOT = {
    "emotionrecognizer": (
        "Valence, arousal and tension are contrasts of four rated emotions (happy, sad, scary, peaceful: V = H + P - S - Sc,"
        " A = H + Sc - S - P, T = Sc - P), as a regression over musical cues tells them (Eerola, Friberg & Bresin 2013); what a"
        " piece means to somebody is not among those cues.",
        "It tells music; speech, noise and a running tap get a mood all the same.",
    ),
    "melodytransformer": (
        "It answers in degrees of the tonic; a wrong key from the tracker is a wrong key here.",
        "It writes one eighth after the other: no shorter notes, no ornaments, and no plan beyond what its memory holds.",
    ),
    "harmonypredictor": (
        "Seven qualities on twelve roots; sixths, ninths and inversions are folded onto them.",
        "It has no memory beyond the two last roots: a loop of more chords is the tracker's business.",
    ),
    "dynamicsengine": (
        "It knows what was played, not why: no words, no structure beyond the phrase.",
        "kelly plays the rule's velocity and accent whatever this net says: its own took the player's stresses out again.",
    ),
    "groovepredictor": ("It knows only 4/4.", "It answers a bar at a time and does not remember the one before."),
}


def write_card(
    path: Path, spec: NetSpec, metadata: Mapping[str, Any], data: Mapping[str, Any], held_out: Mapping[str, Any], vector_error: float
) -> None:
    """Write CARD.md.

    metadata  as in the model file
    data      as in data.json
    held_out  the report; empty: it was not measured
    """
    with whole(path) as place:
        place.write_text("\n".join([*_head(spec, metadata), *_data(metadata, data), *_figures(held_out), *_indices(spec, metadata, data), ""]), encoding="utf-8")


def _head(spec: NetSpec, metadata: Mapping[str, Any]) -> list[str]:
    layers = " -> ".join([str(spec.input.size), *(f"{kind} {size} {act}".strip() for kind, size, act in spec.layers)])
    lines = [f"# {spec.title}", ""]
    if metadata.get("quick"):
        lines += ["**A smoke run: a few steps on little material, to see that everything runs.  Not for playing.**", ""]
    if "beats_baseline" not in metadata:
        lines += ["**Stopped before it was finished: nothing below was measured.**  `kelly train --resume` goes on.", ""]
    elif not metadata["beats_baseline"]:
        lines += [f"**It {metadata['verdict']}.**  So kelly plays by its rule instead, unless this net is switched on by name (`--enable {spec.name}`).", ""]
    if metadata["synthetic"]:
        lines += ["Trained on music that was composed, rendered and labelled by a program (`cues`): no recording of people, no rating by a person.", ""]
    return [
        *lines,
        f"- Layers: {layers}; {spec.parameters:,} parameters",
        f"- In: `{spec.input.name}`; out: `{spec.output.name}` (kelly/_rt/contract.py, contract {CONTRACT_VERSION}; features {metadata['feature_hash']})",
        f"- Made by: `{metadata['created_by']}`, commit {metadata['commit'] or 'unknown'}, {metadata['epochs']} epochs",
        f"- Licence: {metadata['licence']}",
    ]


def _data(metadata: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    rows = ["", "## Learned from", "", "| set | train | validation | test | licence |", "|---|---|---|---|---|"]
    for name, row in data["sets"].items():
        rows.append(f"| {name} | {row['items']['train']:,} | {row['items']['validation']:,} | {row['items']['test']:,} | {row['licence']} |")
    sizes = data["sequences"]
    rows += ["", "Sequences that begin from reset: " + ", ".join(f"{split} {one['pieces']:,} ({one['steps']:,} steps)" for split, one in sizes.items())
             + f"; left out: {len(data['corrupt'])} that cannot be read or do not hold what this net is shown.  No song is in two of them; validation chose the epoch, test nothing."]  # fmt: skip
    if data.get("contrasts"):
        rows[-1] += (f"  Beside them {data['contrasts']['train']} pieces to learn an order from and {data['contrasts']['validation']} to choose by, each played again with one thing changed"
                     " (mode, tempo, level, key, gain): which of two recordings is brighter or more excited, and which are alike.")  # fmt: skip
    return rows


def _figures(held_out: Mapping[str, Any]) -> list[str]:
    if not held_out:
        return []
    names = list(dict.fromkeys(key for row in held_out["measures"] for key, value in row.items() if isinstance(value, list) and key != "gain"))
    lines = [
        "", "## On held-out pieces", "",
        f"{held_out['sequences']:,} sequences of {held_out['songs']:,} songs, {held_out['steps']:,} steps; the file in this folder, run by kelly."
        "  In brackets 95 % intervals, by resampling whole sequences; \"better by\" is paired.", "",
        f"| measure | {' | '.join(names)} | better than | by |", f"|---|{'---|' * len(names)}---|---|",
    ]  # fmt: skip
    for row in held_out["measures"]:
        cells = [_number(row[name], name == "net") if name in row else "" for name in names]
        lines.append(f"| {row['measure']} | {' | '.join(cells)} | {row['against']} | {_number(row['gain'], True)} |")
    gates = [f"- {row['gate']}: {'met' if row['pass'] else '**not met**'}, found {row['found']}" for row in held_out.get("gates", [])]
    return [*lines, "", f"Verdict: {held_out['verdict']}.", *(["", "Gates:", "", *gates] if gates else [])]


def _number(figure: list[float], whole_: bool) -> str:
    return f"{figure[0]:.3f} [{figure[1]:.3f}, {figure[2]:.3f}]" if whole_ else f"{figure[0]:.3f}"


def _indices(spec: NetSpec, metadata: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    names = spec.output.index_names()
    ruled = [f"{i} {names[i]}" for i in metadata["rule_indices"]]
    lines = ["", "## What it cannot do", "", *(f"- {line}" for line in CANNOT[spec.name])]
    lines.append(f"- Filled by the rule, not learned: {', '.join(ruled) if ruled else 'nothing'}.")
    distilled = [f"{i} {names[i]}" for i in metadata.get("distilled_indices", [])]
    if distilled:
        lines.append(f"- Taught by the rule alone (distilled), because no data here knows it: {', '.join(distilled)}.")
    unknown = [f"{i} {names[i]}" for i in metadata.get("unknown_indices", [])]
    if unknown:
        lines.append(f"- Not known, and said to be unknown rather than guessed: {', '.join(unknown)}.")
    return lines
