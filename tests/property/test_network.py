"""What holds for any network: found by trying."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelly._rt.net.layers import ACTIVATIONS, LAYERS
from kelly._rt.net.plan import ARITHMETICS
from tests.float32 import Float32Network, ulps
from tests.golden.libm import same_bits
from tests.nets import ENGINES, ISAS, network, random_layer, run_steps

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
        n_out = n_in if kind == "activation" else draw(SIZES)
        layers.append(random_layer(kind, n_in, n_out, rng, activation, draw(SCALES), draw(st.booleans())))
        n_in = n_out
    return layers, rng


def inputs(layers, rng, steps, scale):
    return (rng.normal(0, scale, (steps, layers[0].in_size))).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(stack=stacks(), scale=SCALES, arithmetic=st.sampled_from(ARITHMETICS))
def test_the_bits_are_those_of_the_rules(stack, scale, arithmetic):
    """One float32 operation after the other gives what the panels give; 0 floats differ."""
    if arithmetic == "stl" and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    layers, rng = stack
    x = inputs(layers, rng, 4, scale)
    want = Float32Network(layers, arithmetic)(x)
    for isa in ISAS:
        assert ulps(run_steps(network(layers, arithmetic, isa), x), want).max() == 0


@settings(max_examples=40, deadline=None)
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


@settings(max_examples=40, deadline=None)
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


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize(("kind", "n_in", "n_out"), EDGES)
def test_the_edges_of_eigens_blocks(kind, n_in, n_out, arithmetic):
    """Around 128 columns and 8000 rows the order of the sums changes; columns count the bias, rows all gates."""
    if arithmetic == "stl" and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    rng = np.random.default_rng(n_in * 10007 + n_out)
    layer = random_layer(kind, n_in, n_out, rng, "" if LAYERS[kind].gates else "tanh")
    x = rng.normal(0, 3, (2, n_in)).astype(np.float32)
    want = Float32Network([layer], arithmetic)(x)
    for isa in ISAS:
        assert ulps(run_steps(network([layer], arithmetic, isa), x), want).max() == 0


@pytest.mark.parametrize(("arithmetic", "isa"), ENGINES)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_long_recurrent_runs_stay_on_the_rules_bits(kind, arithmetic, isa):
    """A difference in one bit would have grown in 600 steps; inputs reach far beyond +-1."""
    if arithmetic == "stl" and not same_bits():
        pytest.skip("an oracle that calls another libm cannot be held to bits")
    rng = np.random.default_rng(5)
    layers = [random_layer(kind, 3, 10, rng, scale=2.0), random_layer("dense", 10, 3, rng, "elu")]
    x = rng.normal(0, 1, (600, 3)) * np.exp(rng.normal(0, 2, (600, 1)))
    x = x.astype(np.float32)
    assert ulps(network(layers, arithmetic, isa)(x), Float32Network(layers, arithmetic)(x)).max() == 0


def test_the_sizes_cover_every_activation():
    assert set(ACTIVATIONS) == {name for row in LAYERS.values() for name in row.activations}
