"""Layers and networks for tests: random ones, and those of the golden files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kelly._rt.net.layers import ARITHMETICS, EXACT, LAYERS, LayerSpec, features_out
from kelly._rt.net.network import Network, available_isas
from kelly._rt.net.plan import build_plan
from tests.golden.build import build

GOLDEN = Path(__file__).parent / "golden"
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
CASES = {case["name"]: case for case in MANIFEST["cases"]}
RUNNABLE = [name for name, case in CASES.items() if all(layer[0] in LAYERS for layer in case["layers"])]
ISAS = available_isas()
ENGINES = [(arithmetic, isa) for arithmetic in ARITHMETICS for isa in ISAS]
EXACT_ENGINES = [(arithmetic, isa) for arithmetic in EXACT for isa in ISAS]


def size_of(shape):
    return shape[2] * shape[3] if len(shape) == 4 else shape[-1]


def last_of(option):
    return option[-1] if isinstance(option, list) else option


def specs_of(model):
    """LayerSpecs of a built model, without going through a file."""
    n_in, specs = size_of(model["in_shape"]), []
    for layer in model["layers"]:
        n_out = size_of(layer["shape"])
        kind = LAYERS[layer["type"]]
        weights = tuple(np.ascontiguousarray(array, dtype=np.float32) for array in layer["weights"])
        options = {option.name: last_of(layer.get(option.name, option.default)) for option in kind.options}
        specs.append(LayerSpec(layer["type"], n_in, n_out, "" if kind.gates else layer["activation"], weights, options))
        n_in = n_out
    return specs


def golden_specs(name):
    return specs_of(build(name, CASES[name]["weight_seed"]))


def random_options(kind, n_in, rng):
    """Options for an input of that size, drawn small; conv2d takes one filter per feature where ``n_in`` is odd."""
    if kind == "conv1d":
        groups = int(rng.choice([g for g in (1, 2, 3, 4) if n_in % g == 0]))
        return {"kernel_size": int(rng.integers(1, 6)), "dilation": int(rng.integers(1, 5)), "groups": groups}
    if kind in ("conv2d", "batchnorm2d"):
        filters = int(rng.choice([f for f in (1, 2, 3, 4, 5) if n_in % f == 0]))
        options = {"num_filters_in": filters, "num_features_in": n_in // filters}
        if kind == "batchnorm2d":
            return options | {"epsilon": 0.001}
        kernel = int(rng.integers(1, min(6, n_in // filters + 1)))
        return options | {
            "kernel_size_time": int(rng.integers(1, 4)), "kernel_size_feature": kernel, "dilation": int(rng.integers(1, 4)),
            "strides": int(rng.integers(1, 4)), "num_filters_out": int(rng.integers(1, 8)), "padding": str(rng.choice(["valid", "same"])),
        }  # fmt: skip
    return {"epsilon": 0.001} if kind == "batchnorm" else {}


def random_layer(kind, n_in, n_out, rng, activation="", scale=1.0, bias=True, **options):
    """A layer whose sums stay near unit variance for inputs of unit variance.

    ``n_out`` is a wish: conv2d's size follows from its options, conv1d's is a multiple of its groups, and
    prelu, batchnorm and activation layers have as many outputs as inputs.
    """
    row = LAYERS[kind]
    options = random_options(kind, n_in, rng) | options
    if row.same_size:
        n_out = n_in
    elif kind == "conv2d":
        n_out = features_out(options) * options["num_filters_out"]
    elif kind == "conv1d":
        n_out = -(-n_out // options["groups"]) * options["groups"]
    rules = row.rules(len(row.short)) if row.short and not bias else row.weights
    shapes = [rule.sizes(n_in, n_out, options) for rule in rules if bias or not rule.optional]
    fan_in = [max(1, int(np.prod(shape[:-1])) if kind.startswith("conv") else shape[0]) for shape in shapes]
    if row.short:
        fan_in = [1] * len(shapes)
    weights = [(rng.normal(0, scale, shape) / np.sqrt(n)).astype(np.float32) for shape, n in zip(shapes, fan_in, strict=True)]
    if row.short:
        weights[-1] = np.abs(weights[-1])  # a variance
    return LayerSpec(kind, n_in, n_out, activation, tuple(weights), options)


def document_of(layers):
    """RTNeural JSON's objects, for kelly.nets.export.document_bytes."""
    rows = []
    for layer in layers:
        row = {"type": layer.type, "activation": "tanh" if LAYERS[layer.type].gates else layer.activation}
        weights = [[array[0]] if layer.type == "prelu" else array for array in layer.weights]
        rows.append(row | {"shape": [None, None, layer.out_size], "weights": weights} | dict(layer.options))
    return {"in_shape": [None, None, layers[0].in_size], "layers": rows}


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
