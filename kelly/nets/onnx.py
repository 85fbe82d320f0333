"""A network as ONNX: written without the onnx package, run with ONNX Runtime where it is installed.

The graph takes a sequence ``x`` (T, in) and answers ``y`` (T, out).  Every state is an input with a zero
default and an output of the same name with ``_next``, so a stream can be fed in blocks.  What layer i
answers is called ``layer_i``.  GRU is written with ``linear_before_reset``, as RTNeural and PyTorch
compute it.

source  ONNX IR 8 and operator set 17 (onnx.ai specifications); protobuf wire format
thread  [main]
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.net.layers import LayerSpec, features_out, pad_left
from kelly.errors import BackendUnavailableError, ModelFormatError, UnknownLayerError
from kelly.nets.pytorch import layer_option
from kelly.whole import whole

Array = NDArray[np.float32]

IR_VERSION, OPSET = 8, 17
FLOAT, INT64 = 1, 7  # TensorProto.DataType
OPERATORS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "softmax": "Softmax", "elu": "Elu"}
LSTM_GATES = (0, 3, 1, 2)  # i f c o -> i o f c


# Protobuf, as much of it as a model needs.


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field, value) of a message; ValueError where it is none."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise ValueError("not a protobuf message")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = varint() if kind == 2 else {1: 8, 5: 4}.get(kind, -1)
        if size < 0 or at + size > len(data):
            raise ValueError("not a protobuf message")
        yield key >> 3, data[at : at + size]
        at += size


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    kind = INT64 if array.dtype == np.int64 else FLOAT
    raw = np.ascontiguousarray(array, "<i8" if kind == INT64 else "<f4").tobytes()
    return b"".join(_number(1, axis) for axis in array.shape) + _number(2, kind) + _bytes(8, name) + _bytes(9, raw)


def _attribute(name: str, value: int | str | list[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name) + _number(3, value) + _number(20, 2)
    if isinstance(value, str):
        return _bytes(1, name) + _bytes(4, value) + _number(20, 3)
    return _bytes(1, name) + b"".join(_number(8, item) for item in value) + _number(20, 7)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    axes = b"".join(_bytes(1, _number(1, axis) if isinstance(axis, int) else _bytes(2, axis)) for axis in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, axes)))


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self.inputs: list[bytes] = []
        self.outputs: list[bytes] = []

    def node(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | str | list[int]) -> str:
        parts = [_bytes(1, name) for name in inputs] + [_bytes(2, name) for name in outputs] + [_bytes(4, kind)]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        self.nodes.append(b"".join(parts))
        return outputs[0]

    def constant(self, name: str, array: Any, dtype: Any = np.float32) -> str:
        self.tensors.append(_tensor(name, np.asarray(array, dtype)))
        return name

    def state(self, name: str, shape: tuple[int, ...]) -> str:
        """A graph input with a zero default, and its output."""
        self.tensors.append(_tensor(name, np.zeros(shape, np.float32)))
        self.inputs.append(_value(name, shape))
        self.outputs.append(_value(f"{name}_next", shape))
        return name


def to_onnx(layers: Sequence[LayerSpec], name: str = "kelly") -> bytes:
    """The network as an ONNX model.

    layers   of a model that was read
    returns  the file's content
    raises   UnknownLayerError for a layer that is not written here
    """
    graph = _Graph()
    graph.inputs.append(_value("x", ("T", layers[0].in_size)))
    before = "x"
    for index, layer in enumerate(layers):
        writer = _WRITERS.get(layer.type)
        if writer is None:
            raise UnknownLayerError(
                pointer=f"/layers/{index}", expected=f"one of {', '.join(_WRITERS)}", found=layer.type, hint="ONNX export is without it"
            )
        middle = f"sum_{index}" if layer.activation and layer.type != "activation" else f"layer_{index}"
        before = writer(graph, index, layer, before, middle)
        if middle.startswith("sum_"):
            before = _activate(graph, layer.activation, before, f"layer_{index}")
    graph.node("Identity", [before], ["y"])
    graph.outputs.insert(0, _value("y", ("T", layers[-1].out_size)))
    body = b"".join(
        [_bytes(1, node) for node in graph.nodes] + [_bytes(2, name)] + [_bytes(5, tensor) for tensor in graph.tensors]
        + [_bytes(11, value) for value in graph.inputs] + [_bytes(12, value) for value in graph.outputs]
    )  # fmt: skip
    return _number(1, IR_VERSION) + _bytes(2, "kelly") + _bytes(7, body) + _bytes(8, _bytes(1, "") + _number(2, OPSET))


def write_onnx(layers: Sequence[LayerSpec], path: str | os.PathLike[str], name: str = "kelly") -> Path:
    """``to_onnx`` into a file, which appears whole or not at all."""
    with whole(path) as place:
        place.write_bytes(to_onnx(layers, name))
    return Path(path)


def _activate(graph: _Graph, name: str, x: str, y: str) -> str:
    attributes: dict[str, Any] = {"axis": -1} if name == "softmax" else {}
    return graph.node(OPERATORS[name], [x], [y], **attributes)


def _dense(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    weights = [graph.constant(f"{'Wb'[n]}_{index}", array) for n, array in enumerate(layer.weights)]
    return graph.node("Gemm", [x, *weights], [y])


def _activation(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    return _activate(graph, layer.activation, x, y)


def _ordered(array: Array, gates: Sequence[int]) -> Array:
    """(rows, gates * H) -> (1, gates * H, rows), the gate blocks in ONNX's order."""
    blocks = np.split(np.atleast_2d(array), len(gates), axis=1)
    result: Array = np.concatenate([blocks[gate] for gate in gates], axis=1).T[None]
    return result


def _recurrent(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    lstm, hidden = layer.type == "lstm", layer.out_size
    gates = LSTM_GATES if lstm else (0, 1, 2)
    kernel, recurrent, bias = layer.weights
    biases = np.stack([bias, np.zeros_like(bias)]) if lstm else bias
    b = np.concatenate([_ordered(row[None], gates)[..., 0] for row in biases], axis=1)  # (1, 2 * gates * H)
    names = [graph.constant(f"W_{index}", _ordered(kernel, gates)), graph.constant(f"R_{index}", _ordered(recurrent, gates))]
    names += [graph.constant(f"b_{index}", b), "", graph.state(f"h_{index}", (1, 1, hidden))]
    outputs = [f"all_{index}", f"h_{index}_next"]
    if lstm:
        names.append(graph.state(f"c_{index}", (1, 1, hidden)))
        outputs.append(f"c_{index}_next")
    batch = graph.constant(f"batch_{index}", [1], np.int64)
    graph.node("Unsqueeze", [x, batch], [f"x_{index}"])
    extra: dict[str, Any] = {} if lstm else {"linear_before_reset": 1}
    graph.node("LSTM" if lstm else "GRU", [f"x_{index}", *names], outputs, hidden_size=hidden, **extra)
    graph.node("Squeeze", [outputs[0], graph.constant(f"axes_{index}", [1, 2], np.int64)], [y])
    return y


def _with_past(graph: _Graph, index: int, layer: LayerSpec, x: str, past: int) -> str:
    """The sequence behind ``past`` rows of the one before, which are a state."""
    if not past:
        return x
    window = graph.node("Concat", [graph.state(f"past_{index}", (past, layer.in_size)), x], [f"window_{index}"], axis=0)
    bounds = [graph.constant(f"{end}_{index}", [value], np.int64) for end, value in (("from", -past), ("to", 1 << 62), ("axis", 0))]
    graph.node("Slice", [window, *bounds], [f"past_{index}_next"])
    return window


def _conv1d(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    kernel, bias = layer.weights
    dilation, groups = int(layer_option(layer, "dilation", 1)), int(layer_option(layer, "groups", 1))
    window = _with_past(graph, index, layer, x, dilation * (len(kernel) - 1))
    graph.node("Transpose", [window], [f"turned_{index}"], perm=[1, 0])
    batch = graph.constant(f"batch_{index}", [0], np.int64)
    graph.node("Unsqueeze", [f"turned_{index}", batch], [f"x_{index}"])
    weights = [graph.constant(f"W_{index}", kernel.transpose(2, 1, 0)), graph.constant(f"b_{index}", bias)]
    graph.node("Conv", [f"x_{index}", *weights], [f"all_{index}"], dilations=[dilation], group=groups, kernel_shape=[len(kernel)])
    graph.node("Squeeze", [f"all_{index}", batch], [f"one_{index}"])
    return graph.node("Transpose", [f"one_{index}"], [y], perm=[1, 0])


def _conv2d(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    """Rows are [feature][filter]; time is causal, so only the features are padded."""
    kernel, bias = layer.weights  # (taps, features of the kernel, filters in, filters out)
    options = layer.options
    features, stride, dilation = options["num_features_in"], options["strides"], options["dilation"]
    left, made = pad_left(options), features_out(options)
    right = max((made - 1) * stride + kernel.shape[1] - features - left, 0)
    window = _with_past(graph, index, layer, x, dilation * (len(kernel) - 1))
    shape = graph.constant(f"image_{index}", [1, -1, features, options["num_filters_in"]], np.int64)
    graph.node("Reshape", [window, shape], [f"rows_{index}"])
    graph.node("Transpose", [f"rows_{index}"], [f"x_{index}"], perm=[0, 3, 1, 2])
    weights = [graph.constant(f"W_{index}", kernel.transpose(3, 2, 0, 1)), graph.constant(f"b_{index}", bias)]
    graph.node(
        "Conv", [f"x_{index}", *weights], [f"all_{index}"], dilations=[dilation, 1], strides=[1, stride],
        pads=[0, left, 0, right], kernel_shape=list(kernel.shape[:2]),
    )  # fmt: skip
    graph.node("Transpose", [f"all_{index}"], [f"turned_{index}"], perm=[0, 2, 3, 1])
    return graph.node("Reshape", [f"turned_{index}", graph.constant(f"flat_{index}", [-1, layer.out_size], np.int64)], [y])


def _batchnorm(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    """Also of the 2-D kind, whose filters are the fastest axis of a row."""
    epsilon = np.float32(layer_option(layer, "epsilon", 1e-5))
    repeats = layer.out_size // layer.weights[0].size
    arrays = [np.tile(array, repeats) for array in layer.weights]
    gamma, beta = arrays[:2] if len(arrays) == 4 else (np.ones(layer.out_size, np.float32), np.zeros(layer.out_size, np.float32))
    mean, variance = arrays[-2:]
    steps = (("Sub", "mean", mean), ("Mul", "scale", gamma / np.sqrt(variance + epsilon)), ("Add", "beta", beta))
    for turn, (kind, label, array) in enumerate(steps):
        x = graph.node(kind, [x, graph.constant(f"{label}_{index}", array)], [y if turn == 2 else f"{label}ed_{index}"])
    return x


def _prelu(graph: _Graph, index: int, layer: LayerSpec, x: str, y: str) -> str:
    return graph.node("PRelu", [x, graph.constant(f"slope_{index}", layer.weights[0].reshape(-1))], [y])


_WRITERS = {
    "dense": _dense, "time-distributed-dense": _dense, "activation": _activation, "lstm": _recurrent, "gru": _recurrent,
    "conv1d": _conv1d, "conv2d": _conv2d, "batchnorm": _batchnorm, "batchnorm2d": _batchnorm, "prelu": _prelu,
}  # fmt: skip


# Running one.


def with_layers_shown(data: bytes) -> bytes:
    """The model with every tensor called ``layer_i`` as one more output, or every tensor where none is called so.

    Messages of one field merge when appended.
    """
    graph = next((value for field, value in _fields(data) if field == 7), b"")
    names = [
        value.decode("utf-8", "replace") for field, node in _fields(graph) if field == 1 for part, value in _fields(node) if part == 2
    ]
    known = {value.decode("utf-8", "replace") for field, info in _fields(graph) if field == 12 for part, value in _fields(info) if part == 1}
    shown = [name for name in names if re.fullmatch(r"layer_\d+", name)] or [name for name in names if name and name not in known]
    return data + _bytes(7, b"".join(_bytes(12, _bytes(1, name)) for name in shown))


class OnnxNet:
    """An ONNX model run by ONNX Runtime on one thread.

    model   a path, or the content of a file
    traced  also ask for the outputs called ``layer_i``
    raises  BackendUnavailableError where ONNX Runtime is not installed, ModelFormatError
    """

    def __init__(self, model: str | os.PathLike[str] | bytes, traced: bool = False) -> None:
        try:
            library = import_module("onnxruntime")
        except ImportError as error:
            raise BackendUnavailableError("ONNX Runtime is not installed; run: pip install onnxruntime") from error
        path = "" if isinstance(model, bytes) else os.fspath(model)
        settings = library.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = 4
        try:
            data = model if isinstance(model, bytes) else Path(model).read_bytes()
            data = with_layers_shown(data) if traced else data
            self.session = library.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise ModelFormatError(path=path, expected="a readable ONNX file", found=(error.strerror or str(error)).lower()) from None
        except Exception as error:  # ONNX Runtime has an exception type per status, none of them documented
            raise ModelFormatError(path=path, expected="an ONNX model", found=str(error).splitlines()[0][:200]) from None
        inputs = self.session.get_inputs()
        given = [value for value in inputs if not value.name.endswith(("_next",))]
        if not given:
            raise ModelFormatError(path=path, expected="an ONNX model with an input", found="none")
        self.x, self.axes = given[0].name, len(given[0].shape)
        self.any_length = self.axes < 2 or not isinstance(given[0].shape[-2], int)
        self.outputs = [value.name for value in self.session.get_outputs()]
        self.initial = {value.name for value in (*inputs[1:], *self.session.get_overridable_initializers())}
        self.shapes = {value.name: value.shape for value in (*inputs[1:], *self.session.get_overridable_initializers())}
        self.required = [value.name for value in inputs[1:]]
        self.carried = {name: f"{name}_next" for name in self.initial if f"{name}_next" in self.outputs}
        self.reset()

    def reset(self) -> None:
        """State to zero."""
        self.states: dict[str, Any] = {
            name: np.zeros([axis if isinstance(axis, int) else 1 for axis in self.shapes[name]], np.float32)
            for name in (*self.required, *self.carried)
        }

    def __call__(self, x: Array) -> Array:
        """float32 (T, I) -> (T, O); states that the model gives back go on from the call before."""
        names = [self.outputs[0], *self.carried.values()]
        answer, *states = self.session.run(names, {self.x: self._shaped(x), **self.states})
        self.states.update(zip(self.carried, states, strict=True))
        result: Array = np.asarray(answer, np.float32).reshape(len(x), -1)
        return result

    def trace(self, x: Array) -> dict[int, Array]:
        """What each ``layer_i`` answers to (T, I) from reset; {} where the model has none, or wasn't opened for it."""
        self.reset()
        names = [name for name in self.outputs if re.fullmatch(r"layer_\d+", name)]
        if not names:
            return {}
        answers = self.session.run(names, {self.x: self._shaped(x), **self.states})
        return {int(name[6:]): np.asarray(answer, np.float32).reshape(len(x), -1) for name, answer in zip(names, answers, strict=True)}

    def match(self, x: Array, wanted: dict[int, Array]) -> dict[int, Array]:
        """For a model of other names: of all its tensors, in their order, those that are nearest to each wanted layer.

        wanted   layer -> (T, O) of the engine that this one is held against
        returns  layer -> (T, O), up to the first layer that no tensor has the size of
        """
        self.reset()
        answers = self.session.run(self.outputs, {self.x: self._shaped(x), **self.states})
        tensors = [np.asarray(answer) for answer in (*answers[1:], answers[0])]  # in the order of the graph, the answer last
        found: dict[int, Array] = {}
        place = 0
        for layer, rows in sorted(wanted.items()):
            candidates = [
                (float(np.abs(shaped.astype(np.float64) - rows).max()), at, shaped)
                for at in range(place, len(tensors)) for shaped in _as_rows(tensors[at], rows.shape)
            ]  # fmt: skip
            if not candidates:
                break
            _, place, found[layer] = min(candidates, key=lambda candidate: candidate[:2])
        return found

    def _shaped(self, x: Array) -> Array:
        """(T, I), or with a batch of one in front where the model has three axes."""
        return np.ascontiguousarray(x if self.axes == 2 else x[None])


def _as_rows(tensor: NDArray[Any], shape: tuple[int, ...]) -> list[Array]:
    """A tensor as (T, O), read with time in front and with time behind; [] where it has another size."""
    steps, outputs = shape
    if tensor.dtype != np.float32 or tensor.size != steps * outputs or not np.isfinite(tensor).all():
        return []
    axes = tuple(axis for axis in tensor.shape if axis != 1)
    ways: list[Array] = []
    if axes == (steps,) or axes[:1] == (steps,):
        ways.append(tensor.reshape(shape))
    if axes[-1:] == (steps,):
        ways.append(np.ascontiguousarray(tensor.reshape(outputs, steps).T))
    return ways
