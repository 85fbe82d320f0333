"""kelly's floats are RTNeural's floats, bit for bit, on every instruction set of this machine."""

import hashlib
import json

import numpy as np
import pytest

import kelly
from kelly._rt.contract import NET_NAMES
from kelly._rt.net.layers import LayerSpec
from tests.float32 import ulps
from tests.golden.build import NETS, build, inputs, to_json, weights_sha256
from tests.golden.libm import allowed_ulps, bar, same_bits
from tests.nets import CASES, EXACT_ENGINES, GOLDEN, ISAS, RUNNABLE, golden_specs, network, run_steps

SPECIAL = json.loads((GOLDEN / "special" / "manifest.json").read_text())["cases"]
SPECIAL_VALUES = np.fromfile(GOLDEN / "special" / "values.f32", "<f4")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def golden(name, file, columns):
    return np.fromfile(GOLDEN / name / file, "<f4").reshape(-1, columns)


def compare(got, want, allowed):
    """Fails with how many floats differ and by how much."""
    distance = ulps(got, want)
    assert got.shape == want.shape
    assert distance.max() <= allowed, f"{np.count_nonzero(distance)} of {want.size} floats differ, by up to {distance.max()} ULP; {bar()}"


@pytest.mark.parametrize("name", NETS)
def test_the_builder_makes_the_nets_the_goldens_were_made_from(name):
    """Weights, inputs and the JSON text have the hashes that the manifest recorded."""
    case = CASES[name]
    model = build(name, case["weight_seed"])
    assert weights_sha256(model) == case["weights_f32_sha256"]
    assert hashlib.sha256(to_json(model).encode()).hexdigest() == case["model_json_sha256"]
    drawn = inputs(case["input_seed"], case["steps"], case["in_size"], case["input_scale"])
    assert hashlib.sha256(drawn.astype("<f4").tobytes()).hexdigest() == case["input_sha256"]


@pytest.mark.parametrize("name", CASES)
def test_no_golden_is_missing_or_changed(name):
    """A missing golden is a failure, not a reason to make one."""
    case = CASES[name]
    assert sha256(GOLDEN / name / "input.f32") == case["input_sha256"]
    for output in case["outputs"].values():
        assert sha256(GOLDEN / name / output["file"]) == output["sha256"]


def test_the_table_of_nets_is_the_manifest():
    assert list(NETS) == list(CASES)
    assert list(CASES) == RUNNABLE


@pytest.mark.parametrize(("arithmetic", "isa"), EXACT_ENGINES)
@pytest.mark.parametrize("name", RUNNABLE)
def test_every_float_is_rtneurals(name, arithmetic, isa):
    """All steps, one ``process`` each, reset where the library was reset."""
    case = CASES[name]
    net = network(golden_specs(name), arithmetic, isa)
    got = run_steps(net, golden(name, "input.f32", case["in_size"]), case["reset_every"])
    want = golden(name, case["outputs"][arithmetic]["file"], case["out_size"])
    compare(got, want, allowed_ulps(arithmetic, case["layers"]))


@pytest.mark.parametrize("name", [name for name in RUNNABLE if name not in NET_NAMES])
def test_the_file_says_the_same_as_the_builder(name, tmp_path):
    """Through the JSON text: options, nesting and layouts are read as RTNeural reads them."""
    case = CASES[name]
    path = tmp_path / "model.json"
    path.write_text(to_json(build(name, case["weight_seed"])))
    got = run_steps(kelly.load_network(path), golden(name, "input.f32", case["in_size"]), case["reset_every"])
    want = golden(name, case["outputs"]["eigen"]["file"], case["out_size"])
    compare(got, want, allowed_ulps("eigen", case["layers"]))


@pytest.mark.parametrize(("arithmetic", "isa"), EXACT_ENGINES)
@pytest.mark.parametrize("case", SPECIAL, ids=lambda case: f"{case['activation']}_{case['lanes']}")
def test_activations_on_special_values(case, arithmetic, isa):
    """-0, subnormals, saturation, infinities and NaN, in packets and in tails."""
    name, lanes = case["activation"], case["lanes"]
    net = network([LayerSpec("activation", lanes, lanes, name, ())], arithmetic, isa)
    got = run_steps(net, np.repeat(SPECIAL_VALUES[:, None], lanes, axis=1))
    want = np.fromfile(GOLDEN / "special" / f"{name}_{lanes}.{arithmetic}.f32", "<f4").reshape(-1, lanes)
    compare(got, want, allowed_ulps(arithmetic, [("activation", name, None)]))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", RUNNABLE)
def test_fast_stays_near(name, isa):
    """Sums in another order and fused: 1e-6 of outputs around 1, which is eight of their last places."""
    case = CASES[name]
    got = run_steps(network(golden_specs(name), "fast", isa), golden(name, "input.f32", case["in_size"]), case["reset_every"])
    np.testing.assert_allclose(got, golden(name, case["outputs"]["eigen"]["file"], case["out_size"]), rtol=0, atol=1e-6)


def test_the_bar_is_said(record_property):
    """Which libm rule applied stands in the report; Eigen's own tanh is held to 0 ULP everywhere."""
    record_property("libm", bar())
    assert allowed_ulps("eigen", [("dense", "tanh", None)]) == 0
    assert allowed_ulps("stl", [("dense", "tanh", None)]) == (0 if same_bits() else 2)


def test_all_instruction_sets_are_tested():
    assert "sse2" in ISAS
