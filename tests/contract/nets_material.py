"""Random networks of the five nets' shapes, for tests that need files."""

from __future__ import annotations

import numpy as np

from kelly.nets.catalog import CONTRACT_VERSION, net_spec
from kelly.nets.export import export_model

MODULES = {"tanh": "Tanh", "relu": "ReLU", "sigmoid": "Sigmoid", "softmax": "Softmax"}


def random_layers(name, seed=0):
    """The net's layers as pairs (kind, tensors) in PyTorch's layouts."""
    rng = np.random.default_rng(seed)
    spec = net_spec(name)
    size, layers = spec.input.size, []

    def draw(*shape):
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    for kind, outputs, activation in spec.layers:
        if kind == "dense":
            layers.append(("Linear", {"weight": draw(outputs, size), "bias": draw(outputs)}))
        else:
            tensors = {"weight_ih_l0": draw(4 * outputs, size), "weight_hh_l0": draw(4 * outputs, outputs),
                       "bias_ih_l0": draw(4 * outputs), "bias_hh_l0": draw(4 * outputs)}  # fmt: skip
            layers.append(("LSTM", tensors))
        if activation:
            layers.append((MODULES[activation], {}))
        size = outputs
    return layers


def write_net(folder, name, seed=0, vectors=None, **metadata):
    """Write FOLDER/NAME/model.json with random weights and the usual metadata."""
    block = {"net": name, "contract": CONTRACT_VERSION, "taught_by": "a test", **metadata}
    return export_model(random_layers(name, seed), folder / name / "model.json", metadata=block, vectors=vectors)
