"""The nets behind the golden files, made from seeds.

Random numbers come from PCG64's raw 64-bit output, never from NumPy's distributions, so they are
the same in every version of NumPy: ``k = raw >> 40`` (24 bits), ``v = (k - 2^23) / 2^23`` in [-1, 1),
exact in float32; a weight is ``float32(v) * float32(scale)``, rounded once.

``manifest.json`` holds hashes of every file made here; test_golden.py compares them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Layer = dict[str, Any]
BIAS_SCALE = 0.3


class Draw:
    """A seeded stream of weights; each call takes the next numbers, in C order."""

    def __init__(self, seed: int) -> None:
        self._raw = np.random.PCG64(seed)

    def unit(self, *shape: int) -> F32:
        """Uniform in [-1, 1)."""
        raw = np.asarray(self._raw.random_raw(int(np.prod(shape))), dtype=np.uint64)
        k = (raw >> np.uint64(40)).astype(np.int64) - (1 << 23)
        return (k.astype(np.float32) / np.float32(1 << 23)).reshape(shape)

    def scaled(self, scale: float | np.float32, *shape: int) -> F32:
        """Uniform in [-scale, scale)."""
        return self.unit(*shape) * np.float32(scale)

    def kernel(self, fan_in: int, *shape: int) -> F32:
        """Scaled so that unit variance stays unit variance."""
        return self.scaled(np.sqrt(np.float32(3) / np.float32(fan_in)), *shape)

    def between(self, low: float, high: float, *shape: int) -> F32:
        return np.float32(low) + (self.unit(*shape) + np.float32(1)) * np.float32((high - low) / 2)


def _layer(kind: str, shape: list[int], weights: list[Any], activation: str = "", **keys: Any) -> Layer:
    return {"type": kind, "activation": activation, "shape": [None, None, *shape], **keys, "weights": weights}


def dense(d: Draw, n_in: int, n_out: int, activation: str = "", *, bias: bool = True, kind: str = "dense") -> Layer:
    weights = [d.kernel(n_in, n_in, n_out)]
    if bias:
        weights.append(d.scaled(BIAS_SCALE, n_out))
    return _layer(kind, [n_out], weights, activation)


def lstm(d: Draw, n_in: int, n_out: int) -> Layer:
    gates = 4 * n_out
    weights = [d.kernel(n_in, n_in, gates), d.kernel(n_out, n_out, gates), d.scaled(BIAS_SCALE, gates)]
    return _layer("lstm", [n_out], weights, "tanh")


def gru(d: Draw, n_in: int, n_out: int) -> Layer:
    gates = 3 * n_out
    weights = [d.kernel(n_in, n_in, gates), d.kernel(n_out, n_out, gates), d.scaled(BIAS_SCALE, 2, gates)]
    return _layer("gru", [n_out], weights, "tanh")


def activation(name: str, *shape: int) -> Layer:
    return _layer("activation", list(shape), [], name)


def prelu(d: Draw, size: int, *, shared: bool = False) -> Layer:
    return _layer("prelu", [size], [[d.scaled(0.5, 1 if shared else size)]])


def conv1d(d: Draw, n_in: int, n_out: int, taps: int, dilation: int, groups: int = 1, activation: str = "") -> Layer:
    kernel = d.kernel(taps * n_in // groups, taps, n_in // groups, n_out)
    keys = {"kernel_size": [taps], "dilation": [dilation], "groups": groups}
    return _layer("conv1d", [n_out], [kernel, d.scaled(BIAS_SCALE, n_out)], activation, **keys)


def conv2d(
    d: Draw, filters_in: int, features: int, filters: int, taps: tuple[int, int], dilation: int, stride: int, padding: str, features_out: int
) -> Layer:  # fmt: skip
    time, feature = taps
    kernel = d.kernel(time * feature * filters_in, time, feature, filters_in, filters)
    keys = {
        "kernel_size_time": [time], "kernel_size_feature": [feature], "dilation": [dilation], "strides": [stride],
        "num_filters_in": [filters_in], "num_features_in": [features], "num_filters_out": [filters], "padding": padding,
    }  # fmt: skip
    return _layer("conv2d", [features_out, filters], [kernel, d.scaled(BIAS_SCALE, filters)], **keys)


def _moments(d: Draw, size: int, affine: bool) -> list[F32]:
    gamma_beta = [d.between(0.5, 1.5, size), d.scaled(0.5, size)] if affine else []
    return [*gamma_beta, d.scaled(0.5, size), d.between(0.5, 1.5, size)]


def batchnorm(d: Draw, size: int, *, affine: bool = True) -> Layer:
    return _layer("batchnorm", [size], _moments(d, size, affine), epsilon=0.001)


def batchnorm2d(d: Draw, filters: int, features: int, *, affine: bool = True) -> Layer:
    keys = {"num_filters_in": filters, "num_features_in": features, "epsilon": 0.001}
    return _layer("batchnorm2d", [features, filters], _moments(d, filters, affine), **keys)


def _chain(n_in: int, *layers: Layer) -> dict[str, Any]:
    return {"in_shape": [None, None, n_in], "layers": list(layers)}


def _act_all(d: Draw) -> dict[str, Any]:
    names = ("tanh", "elu", "sigmoid", "relu", "softmax")
    return _chain(9, *(layer for name in names for layer in (dense(d, 9, 9), activation(name, 9))))


def _image(*layers: Layer) -> dict[str, Any]:
    return {"in_shape": [None, None, 11, 2], "layers": list(layers)}


NETS: dict[str, Callable[[Draw], dict[str, Any]]] = {
    "emotionrecognizer": lambda d: _chain(128, dense(d, 128, 512, "tanh"), dense(d, 512, 256, "tanh"), lstm(d, 256, 128), dense(d, 128, 64, "tanh")),
    "melodytransformer": lambda d: _chain(64, dense(d, 64, 256, "relu"), lstm(d, 256, 256), dense(d, 256, 256, "relu"), dense(d, 256, 128, "sigmoid")),
    "harmonypredictor": lambda d: _chain(128, dense(d, 128, 256, "tanh"), dense(d, 256, 128, "tanh"), dense(d, 128, 64, "softmax")),
    "dynamicsengine": lambda d: _chain(32, dense(d, 32, 128, "relu"), dense(d, 128, 64, "relu"), dense(d, 64, 16, "sigmoid")),
    "groovepredictor": lambda d: _chain(64, dense(d, 64, 128, "tanh"), dense(d, 128, 64, "tanh"), dense(d, 64, 32, "tanh")),
    "dense_linear": lambda d: _chain(5, dense(d, 5, 7)),
    "dense_nobias": lambda d: _chain(5, dense(d, 5, 7, bias=False)),
    "dense_1to8": lambda d: _chain(1, dense(d, 1, 8)),
    "dense_8to1": lambda d: _chain(8, dense(d, 8, 1)),
    "dense_130to1": lambda d: _chain(130, dense(d, 130, 1)),
    "dense_130to5": lambda d: _chain(130, dense(d, 130, 5)),
    "dense_127to6": lambda d: _chain(127, dense(d, 127, 6)),
    "dense_tanh": lambda d: _chain(6, dense(d, 6, 11, "tanh")),
    "dense_relu": lambda d: _chain(6, dense(d, 6, 11, "relu")),
    "dense_sigmoid": lambda d: _chain(6, dense(d, 6, 11, "sigmoid")),
    "dense_softmax": lambda d: _chain(6, dense(d, 6, 11, "softmax")),
    "dense_elu": lambda d: _chain(6, dense(d, 6, 11, "elu")),
    "dense_td_tanh": lambda d: _chain(3, dense(d, 3, 8, "tanh", kind="time-distributed-dense")),
    "act_all": _act_all,
    "prelu": lambda d: _chain(6, dense(d, 6, 10), prelu(d, 10)),
    "prelu_shared": lambda d: _chain(6, dense(d, 6, 10), prelu(d, 10, shared=True)),
    "batchnorm": lambda d: _chain(6, dense(d, 6, 10), batchnorm(d, 10)),
    "batchnorm_nonaffine": lambda d: _chain(6, dense(d, 6, 10), batchnorm(d, 10, affine=False)),
    "lstm_1to8": lambda d: _chain(1, lstm(d, 1, 8)),
    "lstm_5to7": lambda d: _chain(5, lstm(d, 5, 7)),
    "lstm_stack": lambda d: _chain(4, lstm(d, 4, 8), lstm(d, 8, 6), dense(d, 6, 2, "tanh")),
    "gru_1to8": lambda d: _chain(1, gru(d, 1, 8)),
    "gru_5to7": lambda d: _chain(5, gru(d, 5, 7)),
    "gru_stack": lambda d: _chain(4, gru(d, 4, 8), gru(d, 8, 6), dense(d, 6, 2, "sigmoid")),
    "conv1d_k3d1": lambda d: _chain(4, conv1d(d, 4, 6, 3, 1)),
    "conv1d_k3d4_tanh": lambda d: _chain(4, conv1d(d, 4, 6, 3, 4, activation="tanh")),
    "conv1d_k1": lambda d: _chain(4, conv1d(d, 4, 6, 1, 1)),
    "conv1d_k5d2_g2": lambda d: _chain(6, conv1d(d, 6, 4, 5, 2, 2, "relu")),
    "tcn": lambda d: _chain(1, conv1d(d, 1, 8, 3, 1, activation="tanh"), batchnorm(d, 8), prelu(d, 8), conv1d(d, 8, 8, 3, 2, activation="elu"), conv1d(d, 8, 8, 3, 4, 2), dense(d, 8, 1)),
    "conv2d_valid": lambda d: _image(conv2d(d, 2, 11, 3, (3, 4), 2, 1, "valid", 8), batchnorm2d(d, 3, 8), activation("relu", 8, 3)),
    "conv2d_same_s2": lambda d: _image(conv2d(d, 2, 11, 3, (2, 5), 1, 2, "same", 6), batchnorm2d(d, 3, 6, affine=False)),
    "mixed": lambda d: _chain(1, dense(d, 1, 8, "tanh"), conv1d(d, 8, 4, 3, 2, activation="tanh"), gru(d, 4, 8), lstm(d, 8, 8), dense(d, 8, 1)),
}  # fmt: skip


def build(name: str, seed: int) -> dict[str, Any]:
    """The net as RTNeural JSON's objects, weights as float32 arrays."""
    return NETS[name](Draw(seed))


def inputs(seed: int, steps: int, size: int, scale: float) -> F32:
    """float32 (steps, size), uniform in [-scale, scale)."""
    return Draw(seed).scaled(scale, steps, size)


def to_json(model: dict[str, Any]) -> str:
    """Every float32 as the shortest decimal of its double, which is exact."""
    return json.dumps(model, default=lambda array: array.astype(np.float64).tolist(), separators=(",", ":"))


def weights_sha256(model: dict[str, Any]) -> str:
    """Hash of all weights' bytes in file order."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                add(item)
        else:
            digest.update(np.ascontiguousarray(value).astype("<f4").tobytes())

    for layer in model["layers"]:
        add(layer["weights"])
    return digest.hexdigest()
