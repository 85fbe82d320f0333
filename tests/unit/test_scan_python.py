"""The reader of machines without a compiler says what the compiled one says."""

import json

import numpy as np
import pytest

import kelly.nets.json
import kelly.nets.metadata
from kelly._rt.net import scan_python
from kelly._rt.net.scan import scan
from tests.golden.build import build, to_json
from tests.unit.model_faults import FAULTS


@pytest.fixture
def python_reader(monkeypatch):
    """kelly.nets.json reads by the standard library."""
    for name in ("scan", "ScanError", "BrokenArray", "Skipped"):
        monkeypatch.setattr(kelly.nets.json, name, getattr(scan_python, name))
    for name in ("BrokenArray", "Skipped"):
        monkeypatch.setattr(kelly.nets.metadata, name, getattr(scan_python, name))


def as_bytes(case):
    return case if isinstance(case, bytes) else case.encode() if isinstance(case, str) else json.dumps(case).encode()


@pytest.mark.parametrize("name", FAULTS)
def test_every_faulty_file_is_faulty_here_too(name, python_reader):
    """The same type of error; where the text is JSON also the same place."""
    document, error, pointer, _ = FAULTS[name]
    model, faults = kelly.nets.json.parse_model(as_bytes(document), "x.json")
    assert model is None
    assert isinstance(faults[0], error)
    if not isinstance(document, bytes | str):
        assert faults[0].pointer == pointer


@pytest.mark.parametrize("name", ["gru_1to8", "conv2d_valid", "dense_td_tanh", "prelu"])
def test_sound_files_give_the_same_floats(name):
    """Bit for bit, and the same values outside of weights."""
    data = to_json(build(name, 3))
    data = data.encode() if isinstance(data, str) else data
    ours, theirs = scan_python.scan(data), scan(data)
    assert ours["in_shape"] == theirs["in_shape"]
    for mine, other in zip(ours["layers"], theirs["layers"], strict=True):
        assert {key: mine[key] for key in ("type", "shape")} == {key: other[key] for key in ("type", "shape")}
        for a, b in zip(mine["weights"], other["weights"], strict=True):
            np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))
