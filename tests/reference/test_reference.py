"""kelly against RTNeural itself, on nets that nobody has seen: fresh seeds at every run.

    KELLY_RTNEURAL_REFERENCE=eigen=PATH,stl=PATH,xsimd=PATH python -m pytest -m reference

Each PATH is reference.cpp compiled over RTNeural with that backend.  KELLY_REFERENCE_SEED repeats a run.
"""

import os
import subprocess

import numpy as np
import pytest

from kelly._rt.net.layers import EXACT, LAYERS
from kelly.nets.export import document_bytes
from tests.float32 import ulps
from tests.golden.libm import bar, same_bits
from tests.golden.refresh import programs as reference_programs
from tests.nets import ISAS, document_of, network, random_layer, run_steps

pytestmark = pytest.mark.reference
SEED = int(os.environ.get("KELLY_REFERENCE_SEED") or np.random.SeedSequence().entropy % 2**32)
NETS_EACH = 12
STEPS, RESET_EVERY = 300, 170
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 40, 63, 64, 65, 100, 127, 128, 129, 160)


@pytest.fixture(scope="module")
def programs():
    """backend -> path; without one the tests fail, since somebody asked for them."""
    setting = os.environ.get("KELLY_RTNEURAL_REFERENCE", "")
    found = reference_programs(setting)
    if not found:
        pytest.fail(f"KELLY_RTNEURAL_REFERENCE: expected BACKEND=PROGRAM[,...] with {', '.join(EXACT)}, found {setting!r}")
    return found


def ask(program, layers, x, folder):
    """What the program answers."""
    path = folder / "model.json"
    path.write_bytes(document_bytes(document_of(layers)))
    done = subprocess.run(
        [program, str(path), str(RESET_EVERY)], input=x.tobytes(), capture_output=True, check=True, timeout=120
    )
    return np.frombuffer(done.stdout, "<f4").reshape(len(x), layers[-1].out_size)


def random_stack(kind, rng):
    """A few layers, the named kind among them; weights and inputs of any scale."""
    layers, n_in = [], int(rng.choice(SIZES))
    for wanted in (kind, *rng.choice(list(LAYERS), rng.integers(0, 4))):
        if wanted == "conv2d" and n_in < 2:
            wanted = "dense"
        activations = LAYERS[wanted].activations
        activation = "" if LAYERS[wanted].gates else str(rng.choice(activations))
        layers.append(random_layer(str(wanted), n_in, int(rng.choice(SIZES)), rng, activation, float(rng.choice([0.3, 1, 3]))))
        n_in = layers[-1].out_size
    return layers


@pytest.mark.parametrize("backend", EXACT)
@pytest.mark.parametrize("kind", LAYERS)
def test_fresh_nets_agree_with_the_library(kind, backend, programs, tmp_path):
    """Bit for bit on every instruction set; 2 ULP a step where another libm answers."""
    if backend not in programs:
        pytest.skip(f"no program for {backend}")
    for index in range(NETS_EACH):
        rng = np.random.default_rng([SEED, list(LAYERS).index(kind), index])
        layers = random_stack(kind, rng)
        x = (rng.normal(0, 1, (STEPS, layers[0].in_size)) * np.exp(rng.normal(0, 1.5))).astype("<f4")
        want = ask(programs[backend], layers, x, tmp_path)
        for isa in ISAS:
            got = run_steps(network(layers, backend, isa), x, RESET_EVERY)
            what = f"seed {SEED}, net {index}, {isa}: {[(layer.type, layer.in_size, layer.out_size) for layer in layers]}; {bar()}"
            if same_bits():
                assert ulps(got, want).max() == 0, what
            else:
                np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=what)
