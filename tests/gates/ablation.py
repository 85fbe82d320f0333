"""What a net is worth: the same takes with its output shuffled, with it off, and with all nets off."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.contract import NET_NAMES

from .playing import measure, measure_level
from .scores import Take

MODELS = Path(__file__).parents[2] / "models"


def shuffled(net: str, folder: Path, models: Path = MODELS, seed: int = 0) -> Path:
    """A copy of the models in which one net's outputs are permuted: same numbers, wrong places.

    The rows of its last layer change places by a fixed draw; its test vectors, which would tell, are left out.
    returns  the folder to give as ``models``
    """
    for name in NET_NAMES:
        target = folder / name / "model.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (models / name / "model.json").read_text(encoding="utf-8")
        if name == net:
            document = json.loads(text)
            kernel, bias = document["layers"][-1]["weights"]
            order = np.random.default_rng(seed).permutation(len(bias))
            document["layers"][-1]["weights"] = [[[row[i] for i in order] for row in kernel], [bias[i] for i in order]]
            document.get("kelly", {}).pop("vectors", None)
            text = json.dumps(document)
        target.write_text(text, encoding="utf-8")
    return folder


def variants(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Name -> settings: kelly as it is, rules only, and each net shuffled."""
    rows: dict[str, Mapping[str, Any]] = {"nets": {}, "rules only": {"disable": list(NET_NAMES)}}
    for net in NET_NAMES:
        rows[f"{net} shuffled"] = {"models": str(shuffled(net, folder / net)), "enable": [net]}
    return rows


def compare(takes: Iterable[Take], settings: Mapping[str, Any]) -> dict[str, float]:
    """Mean of each figure over some takes, and of how force follows the player's level; NaN where no take has one."""
    marks = [{**measure(take, **settings), "force follows level": measure_level(take, **settings)} for take in takes]
    return {name: float(np.nanmean([mark[name] for mark in marks])) if any(mark[name] == mark[name] for mark in marks) else float("nan") for name in marks[0]}
