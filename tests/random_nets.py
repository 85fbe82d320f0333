"""Networks of the five exact shapes with random weights, for tests that need a net and not its music."""

import numpy as np

from kelly._rt.contract import net_spec
from kelly._rt.net.layers import LAYERS, LayerSpec
from kelly._rt.net.network import Network
from kelly._rt.net.plan import build_plan


def random_network(name, seed=1, scale=0.1, poison=False):
    """``poison`` puts a NaN into the last layer, so every answer is one."""
    rng, spec, layers = np.random.default_rng(seed), net_spec(name), []
    inputs = spec.input.size
    for kind, outputs, activation in spec.layers:
        shapes = [rule.sizes(inputs, outputs) for rule in LAYERS[kind].weights]
        weights = [rng.normal(0, scale, shape).astype(np.float32) for shape in shapes]
        layers.append(LayerSpec(kind, inputs, outputs, activation, tuple(weights)))
        inputs = outputs
    if poison:
        layers[-1].weights[0][0, 0] = np.nan
    return Network(build_plan(layers))
