"""The Numba engine keeps every promise of the compiled one, down to the bits of the goldens."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kelly._rt.net.layers import LAYERS
from kelly._rt.net.numba_engine import ARITHMETICS, Network
from kelly._rt.net.plan import build_plan
from kelly._rt.net.reference import Reference
from kelly.errors import BackendUnavailableError
from tests.contract.test_engine import (  # noqa: F401
    STEPS,
    TOLERANCE,
    rng,
    test_a_block_is_its_steps,
    test_a_clone_continues_and_then_goes_its_own_way,
    test_a_clone_outlives_its_original,
    test_an_empty_block_is_no_step,
    test_call_converts_and_process_does_not,
    test_nan_passes_and_leaves_no_trace_after_reset,
    test_reset_makes_the_next_run_identical,
    test_wrong_arguments_say_what_was_expected_and_found,
    x,
)
from tests.nets import GOLDEN, RUNNABLE, golden_specs, random_layer
from tests.nets import network as compiled

STEPS_COMPARED = 120


@pytest.fixture(params=ARITHMETICS)
def net(request, rng):  # noqa: F811
    layers = [
        random_layer("dense", 6, 19, rng, "tanh"),
        random_layer("lstm", 19, 9, rng),
        random_layer("gru", 9, 7, rng),
        random_layer("activation", 7, 7, rng, "elu"),
        random_layer("time-distributed-dense", 7, 5, rng, "softmax"),
    ]
    return Network(build_plan(layers, request.param))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", RUNNABLE)
def test_bits_are_those_of_the_compiled_engine(name, arithmetic):
    """Every golden net: all layers, all orders of addition, the same libm."""
    layers = golden_specs(name)
    given = np.fromfile(GOLDEN / name / "input.f32", "<f4").reshape(-1, layers[0].in_size)[:STEPS_COMPARED]
    found = Network(build_plan(layers, arithmetic))(given)
    np.testing.assert_array_equal(found.view(np.uint32), compiled(layers, arithmetic)(given).view(np.uint32))


def test_layers_agree_with_the_reference(rng):  # noqa: F811
    """Float32 against float64, for the layers that need no options."""
    for kind in ("dense", "lstm", "gru"):
        layer = random_layer(kind, 23, 11, rng)
        given = rng.normal(0, 1, (STEPS, 23)).astype(np.float32)
        found = Network(build_plan([layer]))(given)
        np.testing.assert_allclose(found, Reference([layer])(given), rtol=TOLERANCE, atol=TOLERANCE)
    assert set(LAYERS) >= {"dense", "lstm", "gru"}


def test_an_arithmetic_it_has_not_is_refused(rng):  # noqa: F811
    with pytest.raises(BackendUnavailableError, match="eigen, stl"):
        Network(build_plan([random_layer("dense", 3, 2, rng)], "xsimd"))


def test_sizes_are_known(net):
    assert (net.in_size, net.out_size) == (6, 5)
    assert net.parameter_count * 4 < net.nbytes
    assert "numba" in repr(net)
    assert net.read_weights() == net.clone().read_weights()


CODE = """
import numpy as np, kelly
net = kelly.load_network("models/groovepredictor/model.json")
y = net(np.ones((3, 64), np.float32))
print(kelly.backend(), type(net).__module__, y.tobytes().hex())
"""


def ask(code=CODE, **environment):
    env = {name: value for name, value in os.environ.items() if name not in ("KELLY_RT_BACKEND", "KELLY_RT_ISA")} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=GOLDEN.parents[1], env=env, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_environment_chooses_and_without_a_compiled_engine_numba_is_taken():
    """KELLY_RT_BACKEND=numba, and an import that fails as it does where nothing was built."""
    plain, _, answer = ask()
    assert plain.startswith("cython")
    assert ask(KELLY_RT_BACKEND="numba") == ["numba", "kelly._rt.net.numba_engine", answer]
    missing = "import sys; sys.modules['kelly._rt.net.network'] = sys.modules['kelly._rt.net.scan'] = None\n"
    assert ask(missing + CODE) == ["numba", "kelly._rt.net.numba_engine", answer]


def test_a_session_says_that_it_needs_the_compiled_engine(tmp_path):
    """The worker calls C code."""
    code = f"""
import kelly
try:
    kelly.render("kelly/audio/demo.ogg", {str(tmp_path / "x.mid")!r})
except kelly.BackendUnavailableError as error:
    print("refused")
"""
    assert ask(code, KELLY_RT_BACKEND="numba") == ["refused"]


def test_the_five_nets_run_under_numba_and_their_thread_says_why_not():
    code = """
import kelly
five = kelly.MultiModelProcessor("models")
print(len(set(five.run_full_pipeline([0.1] * 128).sources.values())), *[slot.network.isa for slot in five.slots if slot.network])
try:
    kelly.AsyncPipeline(five)
except kelly.BackendUnavailableError as error:
    print("refused" if "Numba" in str(error) else error)
"""
    assert ask(code, KELLY_RT_BACKEND="numba") == ["1", *["numba"] * 5, "refused"]


@pytest.mark.parametrize(("name", "module"), [("MultiModelProcessor", "rules"), ("AsyncPipeline", "pipeline")])
def test_what_needs_compiled_parts_names_them(name, module):
    code = f"""
import sys
sys.modules["kelly._rt.stream.{module}"] = None
import kelly
try:
    kelly.{name}
except kelly.BackendUnavailableError as error:
    print("refused" if "not built" in str(error) and "build_ext" in str(error) else error)
"""
    assert ask(code) == ["refused"]
