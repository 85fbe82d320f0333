"""Weights in 16 and 8 bits on the shipped nets: what they cost in accuracy, and what they save.

The bounds are those of the project's goals.  A net's inputs are what it hears from the demo recording:
1000 network steps of real features, and contexts as the pipeline joins them.
"""

import numpy as np
import pytest
import soundfile

import kelly
from kelly._rt.contract import NET_NAMES
from kelly._rt.net.layers import LAYERS
from kelly._rt.net.network import Network
from kelly._rt.net.plan import build_plan, quantised
from kelly._rt.net.reference import Reference
from kelly.audio.sources import DEMO
from kelly.nets.json import read_model
from kelly.nets.store import PACKAGE_MODELS
from tests.nets import ISAS, network, random_layer

STEPS = 1000
WORST = {"int16": 1e-4, "int8": 2e-2, "fast": 1e-6}
LEAST_COSINE = 0.999
MOST_BYTES = {"int8": 2_000_000, "int16": 3_000_000, "eigen": 5_000_000}


@pytest.fixture(scope="module")
def models():
    return {name: read_model(PACKAGE_MODELS / name / "model.json") for name in NET_NAMES}


@pytest.fixture(scope="module")
def heard():
    """name -> float32 (1000, inputs)"""
    samples, rate = soundfile.read(DEMO, dtype="float32", always_2d=True)
    features = np.resize(kelly.extract_features(samples.mean(axis=1), rate), (STEPS, 128))
    rows = {}

    class Listening(kelly.MultiModelProcessor):
        def _ask(self, name, given):
            rows[name] = np.ascontiguousarray(given)
            return super()._ask(name, given)

    Listening(PACKAGE_MODELS, strict=True).run_full_pipeline(features)
    return rows


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("arithmetic", WORST)
@pytest.mark.parametrize("name", NET_NAMES)
def test_a_shipped_net_keeps_its_answers(name, arithmetic, isa, models, heard, record_property):
    """After a thousand recurrent steps: 16 bits err by 1e-4 at most, 8 bits by 2e-2 and point the same way."""
    layers = models[name].layers
    want = Network(build_plan(layers), isa)(heard[name])
    got = Network(build_plan(layers, arithmetic), isa)(heard[name])
    error = np.abs(got - want).max()
    cosine = ((got * want).sum(axis=1) / (np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1))).min()
    record_property("worst error", f"{error:.1e}")
    record_property("least cosine", f"{cosine:.6f}")
    assert error <= WORST[arithmetic]
    assert cosine >= LEAST_COSINE


@pytest.mark.parametrize("arithmetic", MOST_BYTES)
def test_all_five_fit(arithmetic, models):
    """Weights, state and plan together."""
    assert sum(Network(build_plan(model.layers, arithmetic)).nbytes for model in models.values()) < MOST_BYTES[arithmetic]


@pytest.mark.parametrize("name", NET_NAMES)
def test_eight_bits_give_the_same_floats_everywhere(name, models, heard):
    """The sums are integers, and what surrounds them is not fused: no instruction set differs by a bit."""
    plan = build_plan(models[name].layers, "int8")
    outputs = [Network(plan, isa)(heard[name][:100]) for isa in ISAS]
    for output in outputs[1:]:
        np.testing.assert_array_equal(output.view(np.int32), outputs[0].view(np.int32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 5), (4, 16), (127, 70), (128, 64), (129, 68), (1000, 131)])
def test_the_integers_are_the_sums(inputs, outputs, isa):
    """Around every panel and group edge, with weights and activations at their largest; then no digit overflows."""
    rng = np.random.default_rng(inputs)
    weights = np.where(rng.random((inputs, outputs)) < 0.5, -1, 1).astype(np.float32)
    bias = rng.normal(0, 1, outputs).astype(np.float32)
    layer = random_layer("dense", inputs, outputs, rng)
    layer.weights[0][:], layer.weights[1][:] = weights, bias
    x = np.where(rng.random(inputs) < 0.5, -3, 3).astype(np.float32)
    for given in (x, np.abs(x), -np.abs(x)):
        want = given.astype(np.float64) @ weights + bias
        np.testing.assert_allclose(network([layer], "int8", isa)(given), want, rtol=1e-6, atol=1e-4)
        np.testing.assert_allclose(network([layer], "int16", isa)(given), want, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_weight_errs_by_half_a_step(bits):
    matrix = np.random.default_rng(3).normal(0, 1, (50, 9)).astype(np.float32)
    matrix[:, 4] = 0
    integers, scale = quantised(matrix, bits)
    assert np.abs(integers).max() == (1 << (bits - 1)) - 1
    assert np.all(np.abs(integers * scale.astype(np.float64) - matrix) <= 0.501 * scale)
    assert scale[4] == 0


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", [kind for kind, row in LAYERS.items() if row.gates or kind == "dense"])
def test_silence_and_poison(kind, isa):
    """Zero has no largest value to divide by; NaN and infinity have none that is finite, and come out as NaN."""
    layer = random_layer(kind, 9, 6, np.random.default_rng(1))
    zeros = np.zeros((3, 9), np.float32)
    net = network([layer], "int8", isa)
    np.testing.assert_allclose(net(zeros), Reference([layer])(zeros), atol=1e-3)
    net.reset()
    np.testing.assert_allclose(net(zeros + np.float32(1e-40)), Reference([layer])(zeros), atol=1e-3)
    for poison in (np.nan, np.inf, -np.inf):
        net.reset()
        zeros[1, 2] = poison
        assert np.isnan(net(zeros)[1]).all()


def test_a_matrix_too_long_for_eight_bits_takes_sixteen():
    """More than 2^17 products of bytes could leave 32 bits."""
    layer = random_layer("dense", (1 << 17) + 4, 1, np.random.default_rng(2))
    x = np.ones(layer.in_size, np.float32)
    np.testing.assert_allclose(network([layer], "int8")(x), x @ layer.weights[0] + layer.weights[1], atol=1e-3)
