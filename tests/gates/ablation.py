"""A net that knows nothing and says as much: a copy of the models in which one net's outputs have changed places."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kelly._rt.contract import NET_NAMES

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
