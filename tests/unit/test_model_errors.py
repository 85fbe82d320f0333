"""Every fault of a model file is a typed error that names its place."""

import json
import os

import pytest

import kelly
from kelly.errors import ModelError, ModelFormatError
from kelly.nets.json import inspect_model, parse_model
from tests.unit.model_faults import FAULTS, F, S, U
from tests.unit.model_material import TEXT, as_bytes, chain, changed, dense, gru, lstm, zeros


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_a_typed_error_with_its_place(name, tmp_path):
    """Path, JSON pointer, expected and found, and the likely cause where there is one."""
    document, kind, pointer, part = FAULTS[name]
    path = tmp_path / "model.json"
    path.write_bytes(as_bytes(document))
    with pytest.raises(ModelError) as caught:
        kelly.load_network(path)
    error = caught.value
    assert type(error) is kind, error
    assert error.path == str(path)
    assert error.pointer == pointer or (len(pointer) > 3 and error.pointer.startswith(pointer) and "deep" in name), error
    assert part in str(error)
    assert error.expected
    assert error.found
    assert len(str(error)) < 1000
    assert str(error).startswith(str(path))


def test_each_of_the_files_made_by_hand_is_refused(reliability):
    """Counted for the table; the tests above and below say how each is refused."""
    sound = [name for name, fault in FAULTS.items() if parse_model(as_bytes(fault[0]), "x.json")[0] is not None]
    reliability("model files by hand and spoilt", f"{len(FAULTS)} made by hand: {len(FAULTS) - len(sound)} typed errors", not sound)
    assert not sound
    assert len(FAULTS) >= 40


@pytest.mark.parametrize("layer", [dense(3, 2), lstm(3, 2), gru(3, 2)], ids=lambda layer: layer["type"])
def test_truncated_at_any_byte(layer):
    """No prefix of a model is a model."""
    data = as_bytes(chain(3, layer, name="ünïcode \U0001f3b5"))
    for size in range(len(data)):
        model, faults = parse_model(data[:size], "cut.json")
        assert model is None, size
        assert isinstance(faults[0], ModelFormatError), size
        assert faults[0].found in ("the end of the file", "an empty file") or "UTF-8" in str(faults[0]), str(faults[0])


def test_all_faults_of_a_file_are_collected_in_its_order():
    document = chain(
        3,
        dense(3, 2, activation="gelu"),
        dense(2, 4, type="conv3d"),
        dense(4, 2, weights=[changed(zeros(4, 2), True, 1, 0), zeros(3)]),
    )  # fmt: skip
    model, faults = parse_model(as_bytes(document))
    assert model is None
    assert [(type(fault), fault.pointer) for fault in faults] == [
        (U, "/layers/0/activation"),
        (U, "/layers/1/type"),
        (F, "/layers/2/weights/0/1/0"),
        (S, "/layers/2/weights/1"),
    ]


def test_pointers_are_escaped():
    """RFC 6901: ~ is ~0 and / is ~1."""
    _, faults = parse_model(b'{"a/b": {"c~d": [nope]}}')
    assert faults[0].pointer == "/a~1b/c~0d/0"


def test_the_message_names_line_and_column():
    _, faults = parse_model(b'{\n  "in_shape": [3],\n  "layers": !\n}')
    assert "'!' at line 3, column 13" in str(faults[0])


@pytest.mark.parametrize("what", ["directory", "missing", "unreadable", "nul in the name"])
def test_no_file_is_a_model_error_too(what, tmp_path):
    """A missing or unreadable model exits 4, like a wrong one."""
    path = tmp_path / "model.json"
    if what == "directory":
        path.mkdir()
    elif what == "unreadable":
        path.write_text(TEXT)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
    elif what == "nul in the name":
        path = "a\0b.json"
    with pytest.raises(ModelFormatError) as caught:
        kelly.load_network(path)
    assert caught.value.exit_code == 4
    assert caught.value.path == str(path)
    assert isinstance(caught.value, ValueError)


def test_long_keys_are_shortened_in_the_message():
    """Found by the fuzzer: a key of 1,800 digits stood whole in "the keys ..."."""
    long = "1" * 5000
    for text in ({long: 1}, {"in_shape": [3], "layers": [{long: 1}]}, {"in_shape": [3], "layers": [{"type": "conv1d", "shape": [3], "weights": [], long: 1}]}):
        _, faults = parse_model(json.dumps(text).encode())
        assert faults
        assert max(len(str(fault)) for fault in faults) < 300


def test_inspect_never_raises(tmp_path):
    model, faults = inspect_model(tmp_path / "missing.json")
    assert model is None
    assert len(faults) == 1
