"""PyTorch modules to RTNeural JSON, without importing PyTorch.

A layer is either a module (recognised by its class name, read through ``state_dict``) or a pair
``(kind, tensors)`` such as ``("Linear", {"weight": W, "bias": b})`` with PyTorch's own names and
layouts.  Anything the format cannot say is refused by name: a file that plays wrong is worse than none.

source  RTNeural's dynamic JSON loader; PyTorch's documented parameter layouts.  The transpositions and
        the gate order of GRU are tested against PyTorch's own outputs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from kelly.errors import ModelFormatError, ModelShapeError, UnknownLayerError
from kelly.whole import folder_made, whole

Array = NDArray[np.float32]
Document = dict[str, Any]

ACTIVATION_MODULES = {"Tanh": "tanh", "ReLU": "relu", "Sigmoid": "sigmoid", "Softmax": "softmax", "ELU": "elu"}
CONTAINERS = ("Sequential", "ModuleList")
TAKES_ACTIVATION = ("dense", "conv1d")


def to_rtneural(
    layers: Any,
    in_size: int | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    vectors: tuple[Array, Array] | None = None,
) -> Document:
    """The network as an RTNeural document.

    layers    a Sequential, or the layers in the order they run
    in_size   needed only when the first layer doesn't tell it (an activation, a PReLU)
    metadata  goes under "kelly", which RTNeural ignores
    vectors   (input (steps, in), output (steps, out)) float32: a run from reset, outputs as the
              trainer computed them; kept beside the metadata and checked whenever the file is loaded
    returns   a dict for write_document; weights are float32 arrays
    raises    UnknownLayerError for a layer the format can't say, ModelShapeError for sizes that don't
              fit, ModelFormatError for NaN or infinity
    """
    rows: list[Document] = []
    size = in_size
    first_size = in_size
    for index, layer in enumerate(_flatten(layers)):
        where = f"/layers/{index}"
        for row_in, row in _rows(layer, size, where):
            if size is not None and row_in is not None and row_in != size:
                raise ModelShapeError(pointer=where, expected=f"{size} inputs", found=f"{row_in}")
            first_size = row_in if first_size is None else first_size
            if row["type"] == "activation" and rows and _is_open(rows[-1]):
                rows[-1]["activation"] = row["activation"]
                continue
            if row["shape"][-1] is None:
                if size is None:
                    raise ModelShapeError("the input size is unknown", pointer=where, hint="give in_size")
                row["shape"] = [None, size]
            size = row["shape"][-1]
            rows.append(row)
    if not rows or first_size is None:
        raise ModelFormatError("there is no layer to export")
    document: Document = {"in_shape": [None, first_size], "layers": rows}
    extra = dict(metadata or {})
    if vectors is not None:
        given, answered = (_array(block, "/kelly/vectors") for block in vectors)
        if given.ndim != 2 or given.shape[1] != first_size or answered.shape != (given.shape[0], size):
            raise ModelShapeError(
                pointer="/kelly/vectors", expected=f"(steps, {first_size}) and (steps, {size})",
                found=f"{given.shape} and {answered.shape}",
            )  # fmt: skip
        extra["vectors"] = {"input": given, "output": answered}
    if extra:
        document["kelly"] = extra
    return document


def document_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as JSON: every float32 in the fewest digits that read back to the same bits (at most 9)."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def write_document(document: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write the JSON, which appears whole or not at all; folders on the way to it are made."""
    target = folder_made(path)
    with whole(target) as place:
        place.write_bytes(document_bytes(document))
    return target


def export_model(
    layers: Any,
    path: str | os.PathLike[str],
    in_size: int | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    vectors: tuple[Array, Array] | None = None,
) -> Path:
    """``to_rtneural`` and ``write_document`` in one; the same arguments and errors, and OSError."""
    return write_document(to_rtneural(layers, in_size, metadata=metadata, vectors=vectors), path)


def _flatten(layers: Any) -> Iterable[Any]:
    """The layers in order; only containers that run their children in order are opened."""
    if isinstance(layers, Sequence) and not _is_pair(layers):
        for layer in layers:
            yield from _flatten(layer)
    elif type(layers).__name__ in CONTAINERS:
        for layer in layers.children():
            yield from _flatten(layer)
    else:
        yield layers


def _is_open(row: Document) -> bool:
    """Whether an activation can still be written into this row."""
    return row["type"] in TAKES_ACTIVATION and "activation" not in row


def _is_pair(layer: Any) -> bool:
    return isinstance(layer, tuple) and len(layer) == 2 and isinstance(layer[0], str)


def _rows(layer: Any, size: int | None, where: str) -> list[tuple[int | None, Document]]:
    """A layer as (input size if it tells, RTNeural row); a stack of LSTMs gives several."""
    if _is_pair(layer):
        kind, tensors, module = layer[0], dict(layer[1]), None
    else:
        if not hasattr(layer, "state_dict"):
            raise UnknownLayerError(
                pointer=where, expected="a module or a pair (kind, tensors)", found=type(layer).__name__
            )
        kind, tensors, module = type(layer).__name__, dict(layer.state_dict()), layer
    arrays = {name: _array(tensor, f"{where}/{name}") for name, tensor in tensors.items()}
    if kind in ACTIVATION_MODULES:
        _check_activation(kind, module, where)
        row = {"type": "activation", "shape": [None, None], "activation": ACTIVATION_MODULES[kind], "weights": []}
        return [(size, row)]
    if kind not in _WRITERS:
        known = ", ".join((*_WRITERS, *ACTIVATION_MODULES))
        raise UnknownLayerError(
            pointer=where, expected=f"one of {known}", found=kind,
            hint="it does nothing at inference: leave it out" if kind in ("Dropout", "Identity") else "",
        )  # fmt: skip
    try:
        return _WRITERS[kind](arrays, module, where)
    except KeyError as error:
        raise ModelShapeError(
            pointer=where, expected=f"a tensor {error.args[0]!r}", found=", ".join(sorted(arrays)) or "none"
        ) from None


def _array(tensor: Any, where: str) -> Array:
    """A tensor or array as finite float32 in C order."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    array = np.ascontiguousarray(tensor, dtype=np.float32)
    if not np.isfinite(array).all():
        raise ModelFormatError(pointer=where, expected="finite float32", found="NaN or infinity")
    return array


def _option(module: Any, name: str, default: Any) -> Any:
    value = getattr(module, name, default)
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _require(module: Any, where: str, **wanted: Any) -> None:
    """Refuse options that the format can't say."""
    for name, value in wanted.items():
        found = _option(module, name, value)
        if found != value:
            raise UnknownLayerError(
                pointer=where, expected=f"{type(module).__name__} with {name}={value!r}", found=f"{name}={found!r}"
            )


def _check_activation(kind: str, module: Any, where: str) -> None:
    if kind == "ELU":
        _require(module, where, alpha=1.0)
    elif kind == "Softmax" and _option(module, "dim", -1) not in (-1, 1, None):
        raise UnknownLayerError(pointer=where, expected="Softmax over the last axis", found=f"dim={module.dim}")


def _linear(arrays: dict[str, Array], module: Any, where: str) -> list[tuple[int | None, Document]]:
    weight = arrays["weight"]  # (out, in)
    bias = arrays.get("bias", np.zeros(weight.shape[0], np.float32))
    _check_shapes(where, weight, (None, None), bias, (weight.shape[0],))
    row = {"type": "dense", "shape": [None, weight.shape[0]], "weights": [np.ascontiguousarray(weight.T), bias]}
    return [(weight.shape[1], row)]


def _recurrent(
    kind: str, gates: int, combine: Callable[[Array, Array, Array, Array], list[Array]]
) -> Callable[[dict[str, Array], Any, str], list[tuple[int | None, Document]]]:
    """Writer of a stack of recurrent layers, one row each."""

    def write(arrays: dict[str, Array], module: Any, where: str) -> list[tuple[int | None, Document]]:
        _require(module, where, bidirectional=False, proj_size=0)
        if any("reverse" in name for name in arrays) or any(name.startswith("weight_hr") for name in arrays):
            raise UnknownLayerError(pointer=where, expected=f"a plain {kind}", found="bidirectional or projected")
        rows: list[tuple[int | None, Document]] = []
        for level in range(sum(name.startswith("weight_ih_l") for name in arrays) or 1):
            w, u = arrays[f"weight_ih_l{level}"], arrays[f"weight_hh_l{level}"]
            hidden = u.shape[1]
            none = np.zeros(gates * hidden, np.float32)
            b_ih, b_hh = arrays.get(f"bias_ih_l{level}", none), arrays.get(f"bias_hh_l{level}", none)
            _check_shapes(where, w, (gates * hidden, None), u, (gates * hidden, hidden), b_ih, none.shape, b_hh, none.shape)
            weights = [np.ascontiguousarray(array) for array in combine(w, u, b_ih, b_hh)]
            rows.append((w.shape[1], {"type": kind, "shape": [None, hidden], "weights": weights}))
        return rows

    return write


def _combine_lstm(w: Array, u: Array, b_ih: Array, b_hh: Array) -> list[Array]:
    return [w.T, u.T, b_ih + b_hh]  # torch's i, f, g, o is the format's i, f, c, o


def _combine_gru(w: Array, u: Array, b_ih: Array, b_hh: Array) -> list[Array]:
    def swap(block: Array) -> Array:  # torch has r, z, n; the format z, r, h
        r, z, n = np.split(block, 3)
        return np.concatenate([z, r, n])

    return [swap(w).T, swap(u).T, np.stack([swap(b_ih), swap(b_hh)])]


def _conv1d(arrays: dict[str, Array], module: Any, where: str) -> list[tuple[int | None, Document]]:
    _require(module, where, stride=1, padding=0, padding_mode="zeros")
    weight = arrays["weight"]  # (out, in / groups, k)
    groups, dilation = int(_option(module, "groups", 1)), int(_option(module, "dilation", 1))
    bias = arrays.get("bias", np.zeros(weight.shape[0], np.float32))
    _check_shapes(where, weight, (None, None, None), bias, (weight.shape[0],))
    row: Document = {
        "type": "conv1d", "shape": [None, weight.shape[0]], "kernel_size": weight.shape[2], "dilation": dilation,
        "groups": groups, "weights": [np.ascontiguousarray(weight.transpose(2, 1, 0)), bias],
    }  # fmt: skip
    return [(weight.shape[1] * groups, row)]


def _batchnorm(arrays: dict[str, Array], module: Any, where: str) -> list[tuple[int | None, Document]]:
    mean, variance = arrays["running_mean"], arrays["running_var"]
    weights = [mean, variance]
    if "weight" in arrays:
        weights = [arrays["weight"], arrays["bias"], mean, variance]
    size = mean.shape[0]
    epsilon = float(_option(module, "eps", 1e-5))
    return [(size, {"type": "batchnorm", "shape": [None, size], "epsilon": epsilon, "weights": weights})]


def _prelu(arrays: dict[str, Array], module: Any, where: str) -> list[tuple[int | None, Document]]:
    alpha = arrays["weight"].reshape(-1)
    size = None if alpha.size == 1 else alpha.size  # one slope is shared by all features, however many
    return [(size, {"type": "prelu", "shape": [None, size], "weights": [[alpha]]})]


def _check_shapes(where: str, *pairs: Any) -> None:
    """Alternating arrays and wanted shapes; None matches any length."""
    for array, wanted in zip(pairs[::2], pairs[1::2], strict=True):
        if array.ndim != len(wanted) or any(w not in (None, s) for w, s in zip(wanted, array.shape, strict=True)):
            raise ModelShapeError(pointer=where, expected=f"{wanted}", found=f"{array.shape}")


_WRITERS: dict[str, Callable[[dict[str, Array], Any, str], list[tuple[int | None, Document]]]] = {
    "Linear": _linear,
    "LSTM": _recurrent("lstm", 4, _combine_lstm),
    "GRU": _recurrent("gru", 3, _combine_gru),
    "Conv1d": _conv1d,
    "BatchNorm1d": _batchnorm,
    "PReLU": _prelu,
}
