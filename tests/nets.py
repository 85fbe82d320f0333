"""Layers and networks for tests: random ones, and those of the golden files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kelly._rt.net.layers import LAYERS, LayerSpec
from kelly._rt.net.network import Network, available_isas
from kelly._rt.net.plan import ARITHMETICS, build_plan
from tests.golden.build import build

GOLDEN = Path(__file__).parent / "golden"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
CASES = {case["name"]: case for case in MANIFEST["cases"]}
RUNNABLE = [name for name, case in CASES.items() if all(layer[0] in LAYERS for layer in case["layers"])]
ISAS = available_isas()
ENGINES = [(arithmetic, isa) for arithmetic in ARITHMETICS for isa in ISAS]


def size_of(shape):
    return shape[2] * shape[3] if len(shape) == 4 else shape[-1]


def specs_of(model):
    """LayerSpecs of a built model, without going through a file."""
    n_in, specs = size_of(model["in_shape"]), []
    for layer in model["layers"]:
        n_out = size_of(layer["shape"])
        gates = LAYERS[layer["type"]].gates
        weights = tuple(np.ascontiguousarray(array, dtype=np.float32) for array in layer["weights"])
        specs.append(LayerSpec(layer["type"], n_in, n_out, "" if gates else layer["activation"], weights))
        n_in = n_out
    return specs


def golden_specs(name):
    return specs_of(build(name, CASES[name]["weight_seed"]))


def random_layer(kind, n_in, n_out, rng, activation="", scale=1.0, bias=True):
    """A layer whose sums stay near unit variance for inputs of unit variance."""
    rules = LAYERS[kind].weights
    shapes = [rule.sizes(n_in, n_out) for rule in rules if bias or not rule.optional]
    weights = tuple((rng.normal(0, scale, shape) / np.sqrt(max(1, shape[0]))).astype(np.float32) for shape in shapes)
    return LayerSpec(kind, n_in, n_out, activation, weights)


def network(layers, arithmetic="eigen", isa=None):
    return Network(build_plan(layers, arithmetic), isa)


def run_steps(net, x, reset_every=0):
    """One ``process`` per row -> (T, out_size)."""
    out = np.empty((len(x), net.out_size), dtype=np.float32)
    for t, row in enumerate(x):
        if reset_every and t % reset_every == 0:
            net.reset()
        net.process(row, out[t])
    return out
