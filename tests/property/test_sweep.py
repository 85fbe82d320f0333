"""Nets nobody has chosen, against the rules written out one float32 operation after the other: 0 ULP.

Sizes cross the places where Eigen changes the order of its sums; recurrent nets run for thousands of steps, deep
convolutions look back far; inputs reach from subnormals to 1e30, with NaN and infinities in between.  Each net runs
on every instruction set of the machine by steps and in blocks of any length, and again from a clone and after a reset.

The default run takes seconds; ``-m slow`` draws KELLY_SWEEP_NETS nets of each family (default 150) from KELLY_SWEEP_SEED.
"""

import os

import numpy as np
import pytest

from kelly._rt.net.layers import ACTIVATIONS, EXACT, LAYERS
from tests.float32 import Float32Network, ulps
from tests.golden.libm import same_bits
from tests.nets import ISAS, network, random_layer, run_steps

NETS = int(os.environ.get("KELLY_SWEEP_NETS", "150"))
SEED = int(os.environ.get("KELLY_SWEEP_SEED", "1"))
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 126, 127, 128, 129, 143, 144, 145, 255, 256, 257, 511, 512, 513)
SCALES = (1.0, 1.0, 3.0, 1e-3, 1e3, 1e30, 1e-38, 1e-41)
STEPPED = tuple(kind for kind, row in LAYERS.items() if not row.gates and kind != "activation")


def size(rng, most):
    """An edge, or anything, up to ``most``."""
    if rng.random() < 0.4:
        return int(rng.choice([edge for edge in EDGES if edge <= most]))
    return int(rng.integers(1, most + 1))


def activation(rng, kind):
    return str(rng.choice(LAYERS[kind].activations)) if not LAYERS[kind].gates else ""


def spread(rng):
    return float(rng.choice([0.3, 1.0, 2.0, 20.0]))


def dense(rng):
    """One matrix, 1..700 by 1..700, now and then thousands of rows."""
    if rng.random() < 0.04:
        n_in, n_out = size(rng, 200), int(rng.integers(7950, 8100))
    else:
        n_in, n_out = size(rng, 700), size(rng, 700)
    return [random_layer("dense", n_in, n_out, rng, activation(rng, "dense"), spread(rng), bool(rng.random() < 0.8))], 3


def stack(rng):
    """Dense layers with and without something between them."""
    n, layers = size(rng, 300), []
    for _ in range(int(rng.integers(2, 6))):
        kind = str(rng.choice(["dense", "time-distributed-dense", "prelu", "batchnorm", "activation"]))
        layers.append(random_layer(kind, n, size(rng, 300), rng, activation(rng, kind), spread(rng), bool(rng.random() < 0.8)))
        n = layers[-1].out_size
    return layers, 4


def recurrent(rng):
    """Up to three gated layers, small ones for thousands of steps, wide ones for a few."""
    long = rng.random() < 0.5
    most, n, layers = (24 if long else 300), size(rng, 12 if long else 200), []
    for _ in range(int(rng.integers(1, 4))):
        layers.append(random_layer(str(rng.choice(["lstm", "gru"])), n, size(rng, most), rng, scale=spread(rng)))
        n = layers[-1].out_size
    layers.append(random_layer("dense", n, size(rng, 20), rng, activation(rng, "dense")))
    return layers, 800 if long else 12


def temporal(rng):
    """A deep stack of dilated, grouped convolutions, run around its rings more than once."""
    channels = int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 33, 48, 66]))
    layers = [random_layer("conv1d", size(rng, 8), channels, rng, activation(rng, "conv1d"), groups=1)]
    for level in range(int(rng.integers(1, 6))):
        groups = int(rng.choice([g for g in (1, 1, 2, 3, 4, channels) if channels % g == 0]))
        taps, dilation = int(rng.integers(1, 6)), int(rng.choice([1, 2**level, 3, 5]))
        layers.append(
            random_layer("conv1d", channels, channels, rng, activation(rng, "conv1d"), spread(rng), kernel_size=taps, dilation=dilation, groups=groups)
        )
        between = str(rng.choice(["prelu", "batchnorm", "activation", "none"]))
        if between != "none":
            layers.append(random_layer(between, channels, channels, rng, activation(rng, between)))
    layers.append(random_layer("dense", channels, size(rng, 10), rng))
    return layers, 60


def image(rng):
    """Two-dimensional convolutions: strides, dilations, both paddings, one or many filters."""
    filters, features = int(rng.integers(1, 7)), int(rng.integers(1, 24))
    layers = []
    for _ in range(int(rng.integers(1, 4))):
        kernel, made = int(rng.integers(1, min(features, 7) + 1)), int(rng.choice([1, 2, 3, 4, 5, 8, 16, 17, 33]))
        options = {
            "num_filters_in": filters, "num_features_in": features, "num_filters_out": made, "kernel_size_feature": kernel,
            "kernel_size_time": int(rng.integers(1, 5)), "dilation": int(rng.integers(1, 5)), "strides": int(rng.integers(1, 4)),
            "padding": str(rng.choice(["valid", "same"])),
        }  # fmt: skip
        layers.append(random_layer("conv2d", filters * features, 0, rng, activation(rng, "conv2d"), spread(rng), **options))
        filters, features = made, layers[-1].out_size // made
        if rng.random() < 0.5:
            layers.append(random_layer("batchnorm2d", filters * features, 0, rng, num_filters_in=filters, num_features_in=features))
    return layers, 20


def anything(rng):
    """Any layer after any other."""
    n, layers = size(rng, 40), []
    for _ in range(int(rng.integers(2, 7))):
        kind = str(rng.choice(list(LAYERS)))
        layers.append(random_layer(kind, n, size(rng, 40), rng, activation(rng, kind), spread(rng), bool(rng.random() < 0.8)))
        n = layers[-1].out_size
        if n > 300:
            break
    return layers, 15


FAMILIES = {family.__name__: family for family in (dense, stack, recurrent, temporal, image, anything)}


def signal(rng, steps, n):
    """Noise of one scale or of changing ones; now and then with holes, infinities and NaN late in the run."""
    x = rng.normal(0, 1, (steps, n)) * float(rng.choice(SCALES))
    if rng.random() < 0.3:
        x *= np.exp(rng.normal(0, 3, (steps, 1)))
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if rng.random() < 0.3:
        x[rng.random(x.shape) < 0.2] = rng.choice(np.float32([0.0, -0.0]))
    if rng.random() < 0.15:
        x[steps // 2 :][rng.random(x[steps // 2 :].shape) < 0.1] = rng.choice(np.float32([np.inf, -np.inf, np.nan, 3e38, -3e38]))
    return x


def check(layers, steps, rng, arithmetic):
    """Oracle against engine, in every way of running it."""
    x = signal(rng, steps, layers[0].in_size)
    want = Float32Network(layers, arithmetic)(x)
    cuts = sorted(rng.integers(0, steps + 1, 3).tolist())
    for isa in ISAS:
        net = network(layers, arithmetic, isa)
        what = f"{arithmetic} {isa}: " + ", ".join(f"{layer.type} {layer.in_size}->{layer.out_size} {layer.activation} {dict(layer.options)}" for layer in layers)
        assert ulps(run_steps(net, x), want).max() == 0, what
        net.reset()
        parts, twin = [], None
        for begin, end in zip([0, *cuts], [*cuts, steps], strict=True):
            parts.append(net(x[begin:end]))
            if end == cuts[0]:
                twin = net.clone()
        assert ulps(np.concatenate(parts), want).max() == 0, f"blocks {cuts}, {what}"
        assert ulps(twin(x[cuts[0] :]), want[cuts[0] :]).max(initial=0) == 0, f"clone at {cuts[0]}, {what}"


def sweep(family, arithmetic, nets, seed):
    if arithmetic in ("stl", "xsimd") and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    for number in range(nets):
        rng = np.random.default_rng([seed, number, list(FAMILIES).index(family), EXACT.index(arithmetic)])
        layers, steps = FAMILIES[family](rng)
        check(layers, steps if nets > 10 else min(steps, 40), rng, arithmetic)


@pytest.mark.parametrize("arithmetic", EXACT)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_nets_of_each_family(family, arithmetic):
    sweep(family, arithmetic, 4, 0)


@pytest.mark.slow
@pytest.mark.parametrize("arithmetic", EXACT)
@pytest.mark.parametrize("family", FAMILIES)
def test_many_nets_of_each_family(family, arithmetic):
    sweep(family, arithmetic, NETS, SEED)


def test_every_activation_is_drawn():
    assert set(ACTIVATIONS) == {name for kind in STEPPED for name in LAYERS[kind].activations}
