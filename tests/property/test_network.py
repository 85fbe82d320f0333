"""What holds for any network: found by trying."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelly._rt.net.layers import ACTIVATIONS, EXACT, LAYERS
from kelly.nets.export import document_bytes
from kelly.nets.json import parse_model
from tests.float32 import Float32Network, ulps
from tests.golden.libm import same_bits
from tests.nets import ENGINES, EXACT_ENGINES, ISAS, document_of, network, random_layer, run_steps

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 127, 128, 129, 130, 144, 200]))
SCALES = st.sampled_from([0.01, 1.0, 5.0, 40.0])


@st.composite
def stacks(draw, longest=4):
    """One to four layers of any kind and size, weights of any scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_in, layers = draw(SIZES), []
    for _ in range(draw(st.integers(1, longest))):
        kind = draw(st.sampled_from(list(LAYERS)))
        activation = "" if LAYERS[kind].gates else draw(st.sampled_from(LAYERS[kind].activations))
        layers.append(random_layer(kind, n_in, draw(SIZES), rng, activation, draw(SCALES), draw(st.booleans())))
        n_in = layers[-1].out_size
    return layers, rng


def inputs(layers, rng, steps, scale):
    return (rng.normal(0, scale, (steps, layers[0].in_size))).astype(np.float32)


@settings(max_examples=60)
@given(stack=stacks(), scale=SCALES, arithmetic=st.sampled_from(EXACT))
def test_the_bits_are_those_of_the_rules(stack, scale, arithmetic):
    """One float32 operation after the other gives what the panels give; 0 floats differ."""
    if arithmetic in ("stl", "xsimd") and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    layers, rng = stack
    x = inputs(layers, rng, 4, scale)
    want = Float32Network(layers, arithmetic)(x)
    for isa in ISAS:
        assert ulps(run_steps(network(layers, arithmetic, isa), x), want).max() == 0


@settings(max_examples=40)
@given(stack=stacks())
def test_a_file_keeps_every_bit(stack):
    """Shortest decimals and back: weights, sizes, activations and options are what they were."""
    layers, _ = stack
    model, faults = parse_model(document_bytes(document_of(layers)))
    assert faults == []
    for read, written in zip(model.layers, layers, strict=True):
        assert (read.type, read.in_size, read.out_size, read.activation) == (
            written.type, written.in_size, written.out_size, written.activation)
        assert dict(read.options) == dict(written.options)
        assert all(ulps(a, b).max(initial=0) == 0 for a, b in zip(read.weights, written.weights, strict=True))


@settings(max_examples=40)
@given(stack=stacks(), cuts=st.lists(st.integers(0, 20), max_size=5), engine=st.sampled_from(ENGINES))
def test_the_block_size_never_changes_the_output(stack, cuts, engine):
    """Any cutting of a stream into blocks gives the floats of single steps."""
    layers, rng = stack
    x = inputs(layers, rng, 20, 1.0)
    net = network(layers, *engine)
    steps = run_steps(net, x)
    net.reset()
    edges = [0, *sorted(cuts), 20]
    blocks = [net(x[a:b]) for a, b in itertools.pairwise(edges)]
    assert ulps(np.concatenate(blocks), steps).max() == 0


@settings(max_examples=40)
@given(stack=stacks(), engine=st.sampled_from(ENGINES), step=st.integers(0, 8))
def test_a_clone_is_independent_and_reset_repeats_bits(stack, engine, step):
    layers, rng = stack
    x = inputs(layers, rng, 8, 1.0)
    net = network(layers, *engine)
    first = net(x)
    net.reset()
    net(x[:step])
    twin = net.clone()
    twin(inputs(layers, rng, 3, 1.0))
    assert ulps(net(x[step:]), first[step:]).max(initial=0) == 0
    twin.reset()
    assert ulps(twin(x), first).max() == 0


EDGES = [
    ("dense", 126, 40), ("dense", 127, 40), ("dense", 128, 40), ("dense", 255, 33), ("dense", 254, 1), ("dense", 400, 1),
    ("dense", 160, 7996), ("dense", 160, 7999), ("dense", 160, 8000), ("dense", 160, 8004), ("dense", 100, 8004),
    ("lstm", 86, 40), ("lstm", 87, 40), ("lstm", 88, 40), ("lstm", 20, 1999), ("lstm", 20, 2000), ("lstm", 1, 130),
    ("gru", 126, 40), ("gru", 127, 40), ("gru", 40, 126), ("gru", 40, 127), ("gru", 3, 129), ("gru", 20, 2667), ("gru", 130, 2666),
]  # fmt: skip


@pytest.mark.parametrize("arithmetic", EXACT)
@pytest.mark.parametrize(("kind", "n_in", "n_out"), EDGES)
def test_the_edges_of_eigens_blocks(kind, n_in, n_out, arithmetic):
    """Around 128 columns and 8000 rows the order of the sums changes; columns count the bias, rows all gates."""
    if arithmetic in ("stl", "xsimd") and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    rng = np.random.default_rng(n_in * 10007 + n_out)
    layer = random_layer(kind, n_in, n_out, rng, "" if LAYERS[kind].gates else "tanh")
    x = rng.normal(0, 3, (2, n_in)).astype(np.float32)
    want = Float32Network([layer], arithmetic)(x)
    for isa in ISAS:
        assert ulps(run_steps(network([layer], arithmetic, isa), x), want).max() == 0


@pytest.mark.parametrize(("arithmetic", "isa"), EXACT_ENGINES)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_long_recurrent_runs_stay_on_the_rules_bits(kind, arithmetic, isa):
    """A difference in one bit would have grown in 600 steps; inputs reach far beyond +-1."""
    if arithmetic in ("stl", "xsimd") and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    rng = np.random.default_rng(5)
    layers = [random_layer(kind, 3, 10, rng, scale=2.0), random_layer("dense", 10, 3, rng, "elu")]
    x = rng.normal(0, 1, (600, 3)) * np.exp(rng.normal(0, 2, (600, 1)))
    x = x.astype(np.float32)
    assert ulps(network(layers, arithmetic, isa)(x), Float32Network(layers, arithmetic)(x)).max() == 0


def tcn(rng, channels, depth, groups=1):
    """A deep temporal convolution: each layer looks back twice as far as the one before."""
    layers = [random_layer("conv1d", 1, channels, rng, "tanh", kernel_size=3, dilation=1, groups=1)]
    for level in range(1, depth):
        layers.append(random_layer("conv1d", channels, channels, rng, "", kernel_size=3, dilation=2**level, groups=groups))
        layers.append(random_layer("prelu", channels, channels, rng) if level % 2 else random_layer("batchnorm", channels, channels, rng))
    return [*layers, random_layer("dense", channels, 1, rng)]


CONVOLUTIONS = {
    "deep": lambda rng: tcn(rng, 8, 6),
    "grouped": lambda rng: tcn(rng, 12, 4, 3),
    "each channel alone": lambda rng: tcn(rng, 10, 3, 10),
    "wide": lambda rng: [random_layer("conv1d", 70, 130, rng, "elu", kernel_size=2, dilation=3, groups=1)],
    "wide and grouped": lambda rng: [random_layer("conv1d", 66, 132, rng, "sigmoid", kernel_size=5, dilation=1, groups=2)],
    "image, valid": lambda rng: image(rng, "valid", 1),
    "image, same": lambda rng: image(rng, "same", 2),
    "image, same, even kernel": lambda rng: image(rng, "same", 1, kernel=4),
}


def image(rng, padding, stride, kernel=5):
    first = random_layer(
        "conv2d", 33, 0, rng, "relu", num_filters_in=3, num_features_in=11, num_filters_out=6, kernel_size_feature=kernel,
        kernel_size_time=3, dilation=2, strides=stride, padding=padding,
    )  # fmt: skip
    features = first.out_size // 6
    norm = random_layer("batchnorm2d", first.out_size, 0, rng, num_filters_in=6, num_features_in=features)
    second = random_layer(
        "conv2d", first.out_size, 0, rng, "softmax", num_filters_in=6, num_features_in=features, num_filters_out=17,
        kernel_size_feature=min(3, features), kernel_size_time=2, dilation=1, strides=1, padding="same",
    )  # fmt: skip
    return [first, norm, second]


@pytest.mark.parametrize("arithmetic", EXACT)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_stay_on_the_rules_bits(name, arithmetic):
    """Through the whole of their memory and around its ring more than once; inputs reach far beyond +-1."""
    if arithmetic in ("stl", "xsimd") and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    rng = np.random.default_rng(8)
    layers = CONVOLUTIONS[name](rng)
    x = (rng.normal(0, 1, (150 if name == "deep" else 30, layers[0].in_size)) * np.exp(rng.normal(0, 2, (1, 1)))).astype(np.float32)
    want = Float32Network(layers, arithmetic)(x)
    for isa in ISAS:
        assert ulps(run_steps(network(layers, arithmetic, isa), x), want).max() == 0


def test_the_sizes_cover_every_activation():
    assert set(ACTIVATIONS) == {name for row in LAYERS.values() for name in row.activations}
