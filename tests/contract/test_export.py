"""What is exported computes what PyTorch computed, and what can't be said is refused by name."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

import kelly
from kelly.nets.export import document_bytes, export_model, to_rtneural
from kelly.nets.json import read_model

# float32 sums of up to 24 products in another order than PyTorch's; nets of this size stay within 1e-6
PARITY = 2e-6


def torch_modules():
    from torch import nn

    return {
        "linear": lambda: [nn.Linear(6, 9)],
        "linear without bias": lambda: [nn.Linear(6, 9, bias=False), nn.Tanh()],
        "activations": lambda: [nn.Linear(6, 9), nn.ELU(), nn.Linear(9, 7), nn.Sigmoid(), nn.Linear(7, 5), nn.Softmax(dim=-1)],
        "activation of its own": lambda: [nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Sigmoid()],
        "lstm": lambda: [nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)],
        "lstm without bias": lambda: [nn.LSTM(6, 8, bias=False, batch_first=True)],
        "stack of lstm": lambda: [nn.Linear(6, 6), nn.LSTM(6, 8, num_layers=3, batch_first=True), nn.Linear(8, 2)],
        "gru": lambda: [nn.GRU(6, 8, batch_first=True), nn.Linear(8, 3)],
        "stack of gru": lambda: [nn.GRU(6, 5, num_layers=2, batch_first=True)],
        "sequential": lambda: nn.Sequential(nn.Linear(6, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2))),
    }


KINDS = ("linear", "linear without bias", "activations", "activation of its own", "lstm", "lstm without bias", "stack of lstm",
         "gru", "stack of gru", "sequential")  # fmt: skip


def run_torch(layers, x):
    import torch

    y = torch.from_numpy(x)[None]
    with torch.no_grad():
        for layer in layers:
            y = layer(y)
            y = y[0] if isinstance(y, tuple) else y
    return y[0].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_exported_file_computes_what_pytorch_computes(kind, tmp_path):
    import torch

    torch.manual_seed(KINDS.index(kind))
    layers = torch_modules()[kind]()
    x = np.random.default_rng(0).standard_normal((24, 6)).astype(np.float32)
    wanted = run_torch(layers, x)
    network = kelly.load_network(export_model(layers, tmp_path / "m.json", 6, vectors=(x, wanted)))
    np.testing.assert_allclose(network(x), wanted, atol=PARITY, rtol=0)
    report = kelly.validate_model(tmp_path / "m.json")
    assert report.ok
    assert report.vector_error is not None
    assert report.vector_error <= PARITY


def test_weights_survive_the_file_bit_by_bit(tmp_path):
    """At most nine digits, and they read back to the same float32."""
    rng = np.random.default_rng(1)
    weight = (rng.standard_normal((40, 30)) * 10.0 ** rng.integers(-30, 30, (40, 30))).astype(np.float32)
    path = export_model([("Linear", {"weight": weight, "bias": np.zeros(40, np.float32)})], tmp_path / "m.json")
    assert read_model(path).layers[0].weights[0].tobytes() == weight.T.tobytes()
    numbers = orjson.loads(path.read_bytes())["layers"][0]["weights"][0]
    digits = [len(f"{value!r}".split("e")[0].replace(".", "").replace("-", "").strip("0")) for row in numbers for value in row]
    assert max(digits) <= 9


def test_metadata_and_vectors_lie_beside_the_format(tmp_path):
    x, y = np.ones((2, 3), np.float32), np.zeros((2, 2), np.float32)
    layers = [("Linear", {"weight": np.zeros((2, 3)), "bias": np.zeros(2)})]
    path = export_model(layers, tmp_path / "m.json", metadata={"taught_by": "nobody", "seed": 3}, vectors=(x, y))
    document = orjson.loads(path.read_bytes())
    assert set(document) == {"in_shape", "layers", "kelly"}
    assert document["kelly"]["taught_by"] == "nobody"
    model = read_model(path)
    assert np.array_equal(model.vectors.input, x)
    assert model.metadata["seed"] == 3


def test_conv_batchnorm_and_prelu_are_written_as_the_format_wants_them():
    """This version's engine doesn't run them yet; the rows are checked against the format's description."""
    weight = np.arange(24, dtype=np.float32).reshape(4, 2, 3)  # (out, in, k)
    document = to_rtneural(
        [
            ("Conv1d", {"weight": weight, "bias": np.arange(4)}),
            ("BatchNorm1d", {"weight": np.ones(4), "bias": np.zeros(4), "running_mean": np.zeros(4), "running_var": np.ones(4)}),
            ("PReLU", {"weight": np.full(1, 0.25)}),
        ]
    )
    conv, norm, prelu = orjson.loads(document_bytes(document))["layers"]
    assert (conv["type"], conv["kernel_size"], conv["dilation"], conv["shape"]) == ("conv1d", 3, 1, [None, 4])
    assert np.array(conv["weights"][0]).tolist() == weight.transpose(2, 1, 0).tolist()
    assert (norm["type"], len(norm["weights"]), norm["epsilon"]) == ("batchnorm", 4, 1e-5)
    assert (prelu["shape"], prelu["weights"]) == ([None, 4], [[[0.25]]])


def test_gru_gates_are_swapped_and_both_biases_kept():
    """PyTorch has r, z, n; the format z, r, h.  One bias or no swap gives plausible, wrong numbers."""
    w, u = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(12, dtype=np.float32).reshape(6, 2) + 100
    b = np.arange(6, dtype=np.float32)
    row = to_rtneural([("GRU", {"weight_ih_l0": w, "weight_hh_l0": u, "bias_ih_l0": b, "bias_hh_l0": b + 10})])["layers"][0]
    assert row["weights"][0].T.tolist() == w[[2, 3, 0, 1, 4, 5]].tolist()
    assert row["weights"][2].tolist() == [[2, 3, 0, 1, 4, 5], [12, 13, 10, 11, 14, 15]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda nn: nn.GELU(), "GELU"),
        (lambda nn: nn.LayerNorm(6), "LayerNorm"),
        (lambda nn: nn.MultiheadAttention(6, 2), "MultiheadAttention"),
        (lambda nn: nn.Dropout(), "leave it out"),
        (lambda nn: nn.LSTM(6, 4, bidirectional=True), "bidirectional"),
        (lambda nn: nn.LSTM(6, 4, proj_size=2), "proj_size"),
        (lambda nn: nn.ELU(alpha=0.5), "alpha"),
        (lambda nn: nn.Softmax(dim=0), "dim=0"),
        (lambda nn: nn.Conv1d(6, 4, 3, padding=1), "padding"),
        (lambda nn: nn.Conv1d(6, 4, 3, stride=2), "stride"),
        (lambda nn: object(), "object"),
    ],
)
def test_what_the_format_cannot_say_is_refused_by_name(make, said):
    from torch import nn

    with pytest.raises(kelly.UnknownLayerError, match=said):
        to_rtneural([nn.Linear(6, 6), make(nn)])


def test_layers_that_do_not_fit_are_refused():
    from torch import nn

    with pytest.raises(kelly.ModelShapeError, match=r"/layers/1: expected 8 inputs, found 9"):
        to_rtneural([nn.Linear(6, 8), nn.Linear(9, 4)])


def test_a_missing_tensor_is_named():
    with pytest.raises(kelly.ModelShapeError, match="weight_hh_l0"):
        to_rtneural([("LSTM", {"weight_ih_l0": np.zeros((8, 3))})])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_weights_that_are_no_float32_are_refused(value):
    weight = np.zeros((2, 3))
    weight[1, 1] = value
    with np.errstate(over="ignore"), pytest.raises(kelly.ModelFormatError, match="finite"):
        to_rtneural([("Linear", {"weight": weight, "bias": np.zeros(2)})])


def test_nothing_is_not_a_network():
    with pytest.raises(kelly.ModelFormatError, match="no layer"):
        to_rtneural([])


def test_test_vectors_of_other_sizes_are_refused():
    layers = [("Linear", {"weight": np.zeros((2, 3)), "bias": np.zeros(2)})]
    with pytest.raises(kelly.ModelShapeError, match="/kelly/vectors"):
        to_rtneural(layers, vectors=(np.zeros((4, 3)), np.zeros((5, 2))))


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "m.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        export_model([("Linear", {"weight": np.zeros((2, 3)), "bias": np.zeros(2)})], path, metadata={"what": object()})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
