"""``kelly export``: what PyTorch computed is what the file computes, or there is no file."""

import json
import sys
import textwrap

import numpy as np
import pytest

import kelly
from kelly.cli.app import run
from kelly.errors import BackendUnavailableError, ModelFormatError, UnknownLayerError
from kelly.nets import pytorch
from kelly.nets.convert import export_onnx, export_pytorch
from kelly.nets.json import read_model

NETS = '''
    import torch
    from torch import nn

    class Amp(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(7)
            self.rnn = nn.LSTM(1, 6, num_layers=2, batch_first=True)
            self.head = nn.Linear(6, 1)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    class Skipping(Amp):
        def forward(self, x):
            return super().forward(x) + x

    def plain():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.GRU(8, 5, batch_first=True), nn.Linear(5, 2), nn.Softmax(-1))

    normed = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
'''


@pytest.fixture
def nets(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(textwrap.dedent(NETS))
    return path


def saved(path, module):
    import torch

    torch.save(module.state_dict(), path)
    return str(path)


def test_a_users_module_is_exported_with_proof_and_vectors(nets, tmp_path):
    """Its own forward is the judge; a stack of LSTMs becomes two layers."""
    done = export_pytorch(f"{nets}:Amp", tmp_path / "m.json", taught_by="nobody")
    assert done.difference.max_abs < 1e-6
    assert done.layers == ("lstm 1 -> 6", "lstm 6 -> 6", "dense 6 -> 1")
    report = kelly.validate_model(done.path)
    assert report.ok
    assert report.vector_error < 1e-6
    assert report.taught_by == "nobody"


def test_a_forward_that_does_more_than_its_layers_is_refused(nets, tmp_path):
    """A residual connection can't be said, and the numbers tell; no file is left."""
    with pytest.raises(ModelFormatError, match="forward does something"):
        export_pytorch(f"{nets}:Skipping", tmp_path / "m.json")
    assert not (tmp_path / "m.json").exists()


def test_a_layer_the_format_lacks_is_refused_by_name(nets, tmp_path):
    with pytest.raises(UnknownLayerError, match="LayerNorm"):
        export_pytorch(f"{nets}:normed", tmp_path / "m.json")


def test_a_sequential_with_gru_and_softmax_survives(nets, tmp_path):
    """Dropout is left out, the gates are turned round."""
    done = export_pytorch(f"{nets}:plain", tmp_path / "m.json")
    assert done.layers == ("dense 4 -> 8 tanh", "gru 8 -> 5", "dense 5 -> 2 softmax")


def test_a_state_dict_needs_to_be_told_its_activations(nets, tmp_path):
    """By hand, by a file of the same shape, or by its class; each gives the same layers."""
    checkpoint = saved(tmp_path / "net.pt", pytorch.load_module(f"{nets}:plain"))
    with pytest.raises(ModelFormatError, match="--activations"):
        export_pytorch(checkpoint, tmp_path / "m.json")
    by_hand = export_pytorch(checkpoint, tmp_path / "a.json", activations=["tanh", "", "softmax"])
    by_file = export_pytorch(checkpoint, tmp_path / "b.json", like=str(tmp_path / "a.json"))
    by_class = export_pytorch(checkpoint, tmp_path / "c.json", module=f"{nets}:plain")
    assert by_hand.layers == by_file.layers == by_class.layers
    with pytest.raises(ModelFormatError, match="one activation per layer"):
        export_pytorch(checkpoint, tmp_path / "m.json", activations=["tanh"])


def test_one_of_the_five_is_checked_and_named(tmp_path):
    """Its activations come from the catalog, its metadata go into the file."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    sizes = ((64, 128), (128, 64), (64, 32))
    checkpoint = saved(tmp_path / "groove.pt", nn.Sequential(*(nn.Linear(a, b) for a, b in sizes)))
    done = export_pytorch(checkpoint, tmp_path / "m.json", net="groovepredictor")
    assert read_model(done.path).metadata["net"] == "groovepredictor"
    assert kelly.validate_model(done.path, check_specs="all").ok
    wrong = saved(tmp_path / "wrong.pt", nn.Sequential(nn.Linear(64, 100), nn.Linear(100, 64), nn.Linear(64, 32)))
    with pytest.raises(kelly.ModelShapeError, match="128 outputs"):
        export_pytorch(wrong, tmp_path / "n.json", net="groovepredictor")


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_that_would_run_code_is_refused_unrun(tmp_path):
    """Only tensors are read."""
    import torch

    victim = tmp_path / "victim"
    torch.save({"weight": torch.zeros(2, 2), "trap": Trap(str(victim))}, tmp_path / "evil.pt")
    with pytest.raises(ModelFormatError, match="pickled modules are not opened"):
        export_pytorch(str(tmp_path / "evil.pt"), tmp_path / "m.json")
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x80\x02}q\x00.", b"hello"])
def test_a_file_that_is_no_checkpoint_is_a_typed_error(content, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError):
        export_pytorch(str(path), tmp_path / "m.json")


def test_without_pytorch_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match="pip install"):
        export_pytorch(str(tmp_path / "x.pt"), tmp_path / "m.json")


def test_without_onnx_runtime_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendUnavailableError, match="pip install onnxruntime"):
        export_onnx("models/groovepredictor/model.json", tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08"])
def test_a_file_that_is_no_onnx_is_a_typed_error(content, tmp_path):
    from kelly.nets.onnx import OnnxNet

    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError):
        OnnxNet(path, traced=True)


def test_the_command_writes_both_formats_and_parity_agrees(nets, tmp_path, capsys, monkeypatch):
    """PyTorch -> JSON -> ONNX, then all three in one table."""
    monkeypatch.chdir(tmp_path)
    assert run(["export", f"{nets}:Amp", "-o", "amp.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "kelly.export/1"
    assert run(["export", "amp.json", "--to", "onnx"]) == 0
    checkpoint = saved(tmp_path / "amp.pt", pytorch.load_module(f"{nets}:Amp"))
    assert run(["parity", "amp.json", "--against", f"amp.onnx,{checkpoint},{nets}:Amp,vectors", "--steps", "48"]) == 0
    assert run(["parity", "amp.onnx", "--against", "amp.json", "--steps", "48"]) == 0
    assert run(["export", "nothing.xyz"]) == 4


def test_vectors_are_repeatable(nets, tmp_path):
    """The same network and seed give the same file."""
    files = [export_pytorch(f"{nets}:Amp", tmp_path / f"{i}.json", seed=5).path.read_bytes() for i in range(2)]
    assert files[0] == files[1]
    assert np.isfinite(read_model(tmp_path / "0.json").vectors.output).all()
