"""Two engines on one network: same, apart, and where."""

import dataclasses
import json
import stat
import sys
import textwrap

import numpy as np
import pytest

from kelly.cli.app import run
from kelly.errors import BackendUnavailableError, ConfigError, ModelFormatError
from kelly.nets.contestants import KellyContestant, NumpyContestant, open_contestants
from kelly.nets.export import to_rtneural, write_document
from kelly.nets.json import Model, read_model
from kelly.nets.onnx import to_onnx
from kelly.nets.parity import block_sizes, compare, cosine, difference, noise, ordered
from kelly.nets.store import PACKAGE_MODELS
from tests.nets import GOLDEN, random_layer

LSTM = GOLDEN / "lstm_stack" / "model.json"


def small_model(path, seed=0, vectors=True):
    """dense tanh, lstm, dense with test vectors, as the exporter writes it."""
    rng = np.random.default_rng(seed)
    layers = [
        ("Linear", {"weight": rng.normal(0, 0.5, (6, 3)), "bias": rng.normal(0, 0.5, 6)}), ("Tanh", {}),
        ("LSTM", {"weight_ih_l0": rng.normal(0, 0.4, (20, 6)), "weight_hh_l0": rng.normal(0, 0.4, (20, 5))}),
        ("Linear", {"weight": rng.normal(0, 0.5, (2, 5))}),
    ]  # fmt: skip
    document = to_rtneural(layers)
    if vectors:
        write_document(document, path)
        x = noise(3, 16)
        document = to_rtneural(layers, vectors=(x, NumpyContestant(read_model(path)).run(x)))
    return write_document(document, path)


def test_ulp_counts_the_floats_between():
    """Neighbours are one apart, both zeros are none, and the sign does not matter."""
    one = np.float32(1)
    assert ordered(np.nextafter(one, np.float32(2))) - ordered(one) == 1
    assert ordered(np.float32(-0.0)) == ordered(np.float32(0.0)) == 0
    tiny = np.nextafter(np.float32(0), one)
    assert ordered(tiny) - ordered(-tiny) == 2


def test_difference_knows_nan_and_infinity():
    """Two NaN are equal, one is infinitely far."""
    a = np.array([[1, np.nan, np.inf, 2]], np.float32)
    assert difference(a, a).max_abs == 0
    d = difference(a, np.array([[1, 1, np.inf, 2]], np.float32))
    assert d.max_abs == np.inf
    assert d.max_ulp is None
    assert (d.differing, d.step, d.output) == (1, 0, 1)


def test_block_sizes_make_the_whole():
    for steps in (1, 2, 95, 256):
        assert sum(block_sizes(steps)) == steps


def test_engines_of_one_network_are_at_parity_and_a_spoilt_layer_is_named():
    """The first layer that diverges is the one that was changed."""
    model = read_model(LSTM)
    x = noise(model.in_size, 64)
    good = compare(KellyContestant(model, "eigen"), [KellyContestant(model, "stl"), NumpyContestant(model)], x)
    assert [verdict.ok for verdict in good] == [True, True]
    assert all(verdict.first_layer is None and verdict.carries_state and verdict.resets for verdict in good)
    for spoilt in range(len(model.layers)):
        layers = list(model.layers)
        weights = (layers[spoilt].weights[0] + np.float32(0.05), *layers[spoilt].weights[1:])
        layers[spoilt] = dataclasses.replace(layers[spoilt], weights=weights)
        wrong = NumpyContestant(Model(model.in_size, tuple(layers), {}, None, ""))
        verdict = compare(KellyContestant(model, "eigen"), [wrong], x)[0]
        assert not verdict.ok
        assert verdict.first_layer == spoilt


def test_an_engine_that_loses_its_state_or_keeps_it_fails():
    """Blocks must go on, and reset must start afresh."""
    model = read_model(LSTM)
    x = noise(model.in_size, 64)

    class Forgetful(NumpyContestant):
        def stream(self, x, blocks):
            return np.concatenate([self.run(part) for part in np.split(x, 4)])

    class Clinging(NumpyContestant):
        runs = 0

        def run(self, x):
            self.runs += 1
            return super().run(x) + np.float32(1e-7 * self.runs)

    forgetful, clinging = compare(KellyContestant(model, "eigen"), [Forgetful(model), Clinging(model)], x)
    assert forgetful.carries_state is False
    assert not forgetful.ok
    assert clinging.resets is False
    assert not clinging.ok


def test_pytorch_and_onnx_runtime_agree_layer_by_layer(tmp_path):
    """A file with dense, lstm and activations, translated to both, and its own test vectors."""
    model = read_model(small_model(tmp_path / "m.json"))
    others = [open_contestants(word, model)[0] for word in ("torch", "onnx", "vectors")]
    torch, onnx, vectors = compare(KellyContestant(model, "eigen"), others, noise(3, 64))
    assert torch.ok
    assert onnx.ok
    assert vectors.ok
    assert [row.index for row in torch.layers] == [row.index for row in onnx.layers] == [0, 1, 2]
    assert torch.carries_state
    assert onnx.carries_state
    assert vectors.carries_state is None


@pytest.mark.parametrize("name", ["gru_stack", "lstm_stack", "dense_elu", "dense_softmax", "gru_1to8", "tcn", "mixed", "prelu", "prelu_shared", "batchnorm", "batchnorm_nonaffine", "conv1d_k5d2_g2"])
def test_golden_nets_survive_the_way_into_pytorch_and_onnx(name):
    """The gate orders of GRU and LSTM, both biases, every activation."""
    model = read_model(GOLDEN / name / "model.json")
    others = [open_contestants(word, model)[0] for word in ("torch", "onnx")]
    assert all(verdict.ok for verdict in compare(KellyContestant(model, "eigen"), others, noise(model.in_size, 48)))


PROGRAM = """
    #!{python}
    import sys
    sys.path.insert(0, {root!r})
    import numpy as np
    import kelly
    net = kelly.load_network(sys.argv[1])
    x = np.frombuffer(sys.stdin.buffer.read(), "<f4").reshape(-1, net.in_size)
    every = int(sys.argv[2]) if len(sys.argv) > 2 and {resets} else len(x)
    for at in range(0, len(x), every):
        net.reset()
        sys.stdout.buffer.write(net(x[at : at + every]).tobytes())
"""


def reference_program(path, resets=True):
    path.write_text(textwrap.dedent(PROGRAM).lstrip().format(python=sys.executable, root=str(GOLDEN.parents[1]), resets=resets))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_reference_program_is_driven_by_the_protocol(tmp_path, monkeypatch):
    """MODEL.json as argument, floats in, floats out; layers by cutting the file."""
    program = reference_program(tmp_path / "reference")
    model = read_model(small_model(tmp_path / "m.json"))
    monkeypatch.setenv("KELLY_RTNEURAL_REFERENCE", f"eigen={program}")
    (found,) = open_contestants("reference", model)
    verdict = compare(KellyContestant(model, "eigen"), [found], noise(3, 16), tolerance=0.0)[0]
    assert verdict.ok
    assert verdict.name == "RTNeural eigen"
    assert verdict.difference.differing == 0
    assert len(verdict.layers) == 3
    assert verdict.carries_state
    (forgets,) = open_contestants(f"eigen={reference_program(tmp_path / 'forgets', resets=False)}", model)
    assert compare(KellyContestant(model, "eigen"), [forgets], noise(3, 16), tolerance=0.0)[0].resets is False


FORWARD = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.memory, self.last = nn.Linear(3, 6), nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        y = self.last(self.memory(torch.tanh(self.first(x)))[0])
        return y {extra}
"""


@pytest.mark.parametrize(("extra", "carries"), [("", True), ("- y.mean(dim=1, keepdim=True)", False), ("* (1 + 0 * y.flip(1)) + 0.1 * y.flip(1)", False)])
def test_a_forward_of_its_own_is_held_to_its_past(extra, carries, tmp_path, monkeypatch):
    """A network that looks at what is still to come can't be streamed, however near its layers are."""
    import torch

    torch.manual_seed(0)
    (tmp_path / "mynet.py").write_text(FORWARD.format(extra=extra))
    (other,) = open_contestants(f"{tmp_path / 'mynet.py'}:Net", None)
    verdict = compare(other, [other], noise(3, 40))[0]
    assert verdict.carries_state is carries
    assert verdict.resets


@pytest.mark.parametrize("spoilt", [None, 0, 1, 2])
def test_the_first_layer_that_parts_is_found_in_an_onnx_file_of_other_names(spoilt, tmp_path):
    """Its tensors are called anything: they are held against the layers by size and order."""
    model = read_model(small_model(tmp_path / "m.json", vectors=False))
    layers = list(model.layers)
    if spoilt is not None:
        weights = (layers[spoilt].weights[0] + np.float32(0.05), *layers[spoilt].weights[1:])
        layers[spoilt] = dataclasses.replace(layers[spoilt], weights=weights)
    path = tmp_path / "foreign.onnx"
    path.write_bytes(to_onnx(layers).replace(b"layer_", b"hello_"))
    (other,) = open_contestants(str(path), model)
    verdict = compare(KellyContestant(model, "eigen"), [other], noise(3, 32))[0]
    assert len(verdict.layers) == 3
    assert verdict.first_layer == spoilt
    assert verdict.ok == (spoilt is None)


def test_int8_is_held_to_its_cosine_too(tmp_path):
    """Answers that are small everywhere have small errors, however wrong they are."""
    model = read_model(small_model(tmp_path / "m.json", vectors=False))
    int8 = KellyContestant(model, "int8")
    verdict = compare(KellyContestant(model, "eigen"), [int8], noise(3, 64))[0]
    assert verdict.least_cosine == 0.999
    assert verdict.ok
    assert verdict.difference.cosine > 0.999
    tiny = dataclasses.replace(model.layers[2], weights=tuple(w * np.float32(1e-3) for w in model.layers[2].weights))
    wrong = dataclasses.replace(tiny, weights=tuple(-w for w in tiny.weights))
    right, opposite = (Model(3, (*model.layers[:2], last), {}, None, "") for last in (tiny, wrong))
    verdict = compare(KellyContestant(right, "eigen"), [KellyContestant(opposite, "int8")], noise(3, 64))[0]
    assert verdict.difference.max_abs < verdict.tolerance
    assert not verdict.ok
    zero = np.zeros((3, 2), np.float32)
    assert cosine(zero, zero) == 1.0
    assert cosine(zero, zero + 1) == 0.0
    assert cosine(zero, zero + np.nan) is None


@pytest.mark.parametrize("name", ["conv2d_valid", "conv2d_same_s2"])
def test_images_survive_the_way_into_onnx(name):
    """Strides, dilation in time, both paddings, the state of the past rows."""
    model = read_model(GOLDEN / name / "model.json")
    (onnx,) = open_contestants("onnx", model)
    verdict = compare(KellyContestant(model, "eigen"), [onnx], noise(model.in_size, 48))[0]
    assert verdict.ok
    assert verdict.carries_state


@pytest.mark.parametrize("seed", range(12))
def test_random_images_survive_the_way_into_onnx(seed):
    rng = np.random.default_rng(seed)
    first = random_layer("conv2d", 24, 0, rng, "relu")
    filters = first.options["num_filters_out"]
    norm = random_layer("batchnorm2d", first.out_size, 0, rng, num_filters_in=filters, num_features_in=first.out_size // filters, bias=seed % 2 == 0)
    model = Model(24, (first, norm), {}, None, "")
    (onnx,) = open_contestants("onnx", model)
    verdict = compare(KellyContestant(model, "eigen"), [onnx], noise(24, 30))[0]
    assert verdict.ok
    assert verdict.carries_state
    assert [row.index for row in verdict.layers] == [0, 1]


def test_words_that_mean_nothing_and_programs_that_are_not_there_are_refused(tmp_path):
    model = read_model(small_model(tmp_path / "m.json", vectors=False))
    with pytest.raises(ConfigError, match="BACKEND=PROGRAM"):
        open_contestants("eigne", model)
    with pytest.raises(BackendUnavailableError, match="none"):
        open_contestants(f"eigen={tmp_path / 'none'}", model)
    with pytest.raises(ModelFormatError, match="test vectors"):
        open_contestants("vectors", model)
    with pytest.raises(ConfigError, match="other side"):
        open_contestants("numpy", None)


def test_the_command_exits_0_5_and_4(tmp_path, capsys):
    """Parity, none, and a file that is no model."""
    good, other = small_model(tmp_path / "a.json"), small_model(tmp_path / "b.json", seed=1)
    assert run(["parity", str(good), "--against", "stl,numpy,vectors", "--steps", "32", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kelly.parity/1"
    assert report["ok"] is True
    assert report["first"] == {"name": "kelly eigen", "carries_state": True, "resets": True}
    assert [row["name"] for row in report["against"]] == ["kelly stl", "numpy float64", "test vectors"]
    assert run(["parity", str(good), "--against", str(other), "--steps", "32"]) == 5
    assert "parts at layer 0 (dense)" in capsys.readouterr().out
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    assert run(["parity", str(broken), "--against", "numpy"]) == 4


def test_input_comes_from_a_file_too(tmp_path, capsys):
    """Raw float32, and a size that does not fit is exit 6."""
    good = small_model(tmp_path / "a.json")
    (tmp_path / "x.f32").write_bytes(noise(3, 8).tobytes())
    assert run(["parity", str(good), "--against", "numpy", "--input", str(tmp_path / "x.f32")]) == 0
    assert "8 steps" in capsys.readouterr().out
    (tmp_path / "x.f32").write_bytes(b"12345")
    assert run(["parity", str(good), "--against", "numpy", "--input", str(tmp_path / "x.f32")]) == 6


def test_the_five_are_compared_on_what_they_hear_in_the_demo(tmp_path, capsys):
    """fast is held to 1e-6; a file that is none of the five has heard nothing."""
    groove = str(PACKAGE_MODELS / "groovepredictor" / "model.json")
    assert run(["parity", groove, "--against", "fast,int16,int8,onnxruntime", "--input", "demo", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["steps"] == 1000
    allowed = {row["name"]: row["tolerance"] for row in report["against"]}
    assert allowed["kelly fast"] == pytest.approx(1e-6)
    assert allowed["ONNX Runtime"] == pytest.approx(1e-5)
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"in_shape": [1], "layers": [{"type": "dense", "shape": [1], "weights": [[[2.0]], [0.0]]}]}))
    assert run(["parity", str(path), "--against", "stl", "--input", "demo"]) == 2


def test_a_class_with_random_weights_is_the_same_net_in_every_command(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("import torch\nclass Net(torch.nn.Sequential):\n    def __init__(self):\n        super().__init__(torch.nn.Linear(3, 2))\n")
    where, made = f"{tmp_path / 'mine.py'}:Net", str(tmp_path / "net.json")
    assert run(["export", where, "-o", made]) == 0
    assert run(["parity", where, "--against", made]) == 0
    assert "ok" in capsys.readouterr().out


def test_random_layers_of_every_kind_the_table_has_are_at_parity():
    """What the table gains, parity compares without being told."""
    rng = np.random.default_rng(4)
    for kind in ("dense", "lstm", "gru"):
        model = Model(5, (random_layer(kind, 5, 7, rng),), {}, None, "")
        assert compare(KellyContestant(model, "eigen"), [NumpyContestant(model)], noise(5, 32))[0].ok
