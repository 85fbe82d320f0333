"""From a file to a network; what the choice of engine and arithmetic answers."""

import os
import subprocess
import sys

import numpy as np
import pytest

import kelly
from kelly.errors import BackendUnavailableError
from kelly.nets.json import parse_model, read_model
from kelly.nets.load import network_from
from tests.golden.build import build, to_json
from tests.nets import CASES, GOLDEN, ISAS, run_steps


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arithmetic", ["eigen", "stl", "xsimd"])
def test_a_file_becomes_the_network_it_describes(arithmetic):
    """From JSON to RTNeural's bits; the state is zero at the start."""
    case = CASES["lstm_1to8"]
    net = kelly.load_network(GOLDEN / "lstm_1to8" / "model.json", arithmetic=arithmetic)
    assert (net.in_size, net.out_size, net.arithmetic) == (1, 8, arithmetic)
    assert net.parameter_count == 4 * 8 * (1 + 8 + 2)
    x = np.fromfile(GOLDEN / "lstm_1to8" / "input.f32", "<f4").reshape(-1, 1)
    want = np.fromfile(GOLDEN / "lstm_1to8" / case["outputs"][arithmetic]["file"], "<f4").reshape(-1, 8)
    np.testing.assert_allclose(run_steps(net, x), want, atol=1e-6)


def test_the_five_nets_have_the_parameters_of_the_contract(tmp_path):
    from kelly._rt.contract import NETS

    for spec in NETS:
        path = tmp_path / f"{spec.name}.json"
        path.write_text(to_json(build(spec.name, 1)))
        assert kelly.load_network(path).parameter_count == spec.parameters


def test_an_unknown_arithmetic_is_a_value_error():
    with pytest.raises(ValueError, match="expected one of eigen, stl, xsimd, fast, int16, int8, found 'blas'"):
        kelly.load_network("no-matter.json", arithmetic="blas")


def test_metadata_and_vectors_come_with_the_model():
    text = to_json(build("dense_linear", 1))[:-1] + (
        ', "kelly": {"net": "mine", "seed": 7, "vectors": {"input": [[1, 2, 3, 4, 5]], "output": [[1, 2, 3, 4, 5, 6, 7.5]]}}}'
    )
    model, faults = parse_model(text.encode())
    assert not faults
    assert model.metadata["seed"] == 7
    assert model.vectors.input.dtype == model.vectors.output.dtype == np.float32
    assert model.vectors.output.tolist() == [[1, 2, 3, 4, 5, 6, 7.5]]
    assert network_from(model).out_size == model.out_size == 7


def test_a_model_of_one_of_the_five_nets_keeps_the_contract(tmp_path):
    path = tmp_path / "model.json"
    path.write_text(to_json(build("groovepredictor", 1))[:-1] + ', "kelly": {"net": "groovepredictor", "contract": 1}}')
    assert read_model(path).metadata["net"] == "groovepredictor"


def test_backend_names_engine_and_instruction_set():
    assert kelly.backend() == f"cython/{os.environ.get('KELLY_RT_ISA') or ISAS[-1]}"


@pytest.mark.parametrize("isa", ISAS)
def test_the_instruction_set_can_be_forced(isa):
    path = GOLDEN / "dense_linear" / "model.json"
    code = f"import kelly; print(kelly.backend(), kelly.load_network({str(path)!r}).isa)"
    assert python(code, KELLY_RT_ISA=isa).stdout.split() == [f"cython/{isa}", isa]


def test_only_the_engine_that_runs_is_imported():
    """An AVX-512 module must not even be loaded where the processor lacks it."""
    path = GOLDEN / "dense_linear" / "model.json"
    code = f"import sys, kelly; kelly.load_network({str(path)!r}); print([m for m in sys.modules if 'net.engine_' in m])"
    assert python(code, KELLY_RT_ISA="sse2").stdout.strip() == "['kelly._rt.net.engine_sse2']"


@pytest.mark.parametrize(("variable", "value"), [("KELLY_RT_ISA", "avx1024"), ("KELLY_RT_BACKEND", "fortran")])
def test_a_backend_that_is_not_there_is_said(variable, value, monkeypatch):
    """With what there is instead."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BackendUnavailableError, match=f"{variable}: expected one of .*, found '{value}'"):
        kelly.backend()


def test_what_is_not_built_says_how_to_build_it():
    """Where it was asked for, and where Numba can't stand in for it."""
    code = "import sys; sys.modules['kelly._rt.net.network'] = None; import kelly; kelly.backend()"
    for done in (python(code, KELLY_RT_BACKEND="cython"), python(code.replace("import kelly;", "sys.modules['numba'] = None; import kelly;"))):
        assert "BackendUnavailableError" in done.stderr
        assert "python setup.py build_ext --inplace" in done.stderr


def test_an_engine_that_is_not_built_says_how_to_build_it():
    path = GOLDEN / "dense_linear" / "model.json"
    code = f"import sys; sys.modules['kelly._rt.net.engine_sse2'] = None; import kelly; kelly.load_network({str(path)!r})"
    done = python(code, KELLY_RT_ISA="sse2")
    assert "the sse2 engine is not built" in done.stderr
    assert "build_ext --inplace" in done.stderr
