"""The oracle: every layer in NumPy float64, as short and as readable as it goes.

It knows nothing of plans, panels or rounding; engines are compared with it within a tolerance that
their float32 sums explain.  Bits are the goldens' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

from kelly._rt.net.layers import LayerSpec, features_out, pad_left

F64: TypeAlias = "NDArray[np.float64]"


def sigmoid(x: F64) -> F64:
    """1 / (1 + e^-x) without overflow."""
    result: F64 = 0.5 * (1 + np.tanh(0.5 * x))
    return result


def softmax(x: F64) -> F64:
    e = np.exp(x - x.max())  # the maximum cancels; RTNeural leaves it in and overflows above 88
    result: F64 = e / e.sum()
    return result


def elu(x: F64) -> F64:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _past(layer: LayerSpec) -> F64:
    """As many inputs as a convolution looks back, all zero."""
    taps = layer.options.get("kernel_size", layer.options.get("kernel_size_time", 1))
    return np.zeros(((taps - 1) * layer.options.get("dilation", 1) + 1, layer.in_size))


def _conv1d(past: F64, layer: LayerSpec, kernel: F64, bias: F64) -> F64:
    """kernel (taps, I / groups, O), the last tap for the newest input."""
    groups = layer.options["groups"]
    taps = past[:: layer.options["dilation"]][::-1]  # (taps, I), the newest last
    channels = np.split(taps, groups, axis=1)
    return np.concatenate(
        [np.einsum("ti,tio->o", x, k) for x, k in zip(channels, np.split(kernel, groups, axis=2), strict=True)]
    ) + bias  # fmt: skip


def _conv2d(past: F64, layer: LayerSpec, kernel: F64, bias: F64) -> F64:
    """kernel (taps, features, filters in, filters out); a row is (features, filters), "same" pads it with zeros."""
    options = layer.options
    taps = past[:: options["dilation"]][::-1].reshape(len(kernel), options["num_features_in"], options["num_filters_in"])
    padded = np.pad(taps, ((0, 0), (pad_left(options), kernel.shape[1]), (0, 0)))
    starts = [f * options["strides"] for f in range(features_out(options))]
    return np.concatenate([np.einsum("tfi,tfio->o", padded[:, s : s + kernel.shape[1]], kernel) + bias for s in starts])


def _batchnorm(x: F64, layer: LayerSpec, weights: Sequence[F64]) -> F64:
    mean, variance = weights[-2:]
    gamma, beta = weights[:2] if len(weights) == 4 else (np.ones_like(mean), np.zeros_like(mean))
    rows = x.reshape(-1, len(mean))  # (features, filters), or one row
    result: F64 = (gamma * (rows - mean) / np.sqrt(variance + layer.options["epsilon"]) + beta).ravel()
    return result


ACTIVATION: dict[str, Callable[[F64], F64]] = {
    "": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "softmax": softmax,
    "elu": elu,
}


class Reference:
    """A network that remembers its state; same face as Network, float64 throughout.

    layers  checked LayerSpecs
    """

    def __init__(self, layers: Sequence[LayerSpec]) -> None:
        self.layers = tuple(layers)
        self.in_size, self.out_size = self.layers[0].in_size, self.layers[-1].out_size
        self.reset()

    def reset(self) -> None:
        """State to zero."""
        self._h = [np.zeros(layer.out_size) for layer in self.layers]
        self._c = [np.zeros(layer.out_size) for layer in self.layers]
        self._past = [_past(layer) for layer in self.layers]

    def __call__(self, x: ArrayLike) -> F64:
        """(in_size,) -> (out_size,) or (T, in_size) -> (T, out_size)."""
        rows = np.asarray(x, dtype=np.float64)
        if rows.ndim == 1:
            return self._step(rows)
        return np.array([self._step(row) for row in rows]).reshape(len(rows), self.out_size)

    def _step(self, x: F64) -> F64:
        for index, layer in enumerate(self.layers):
            weights = [array.astype(np.float64) for array in layer.weights]
            if layer.type == "lstm":
                x = self._lstm(index, x, *weights)
            elif layer.type == "gru":
                x = self._gru(index, x, *weights)
            elif layer.type in ("conv1d", "conv2d"):
                self._past[index] = np.vstack([x, self._past[index][:-1]])  # (history, I), the newest first
                x = (_conv1d if layer.type == "conv1d" else _conv2d)(self._past[index], layer, *weights)
            elif layer.type == "prelu":
                x = np.where(x >= 0, x, x * weights[0][0])
            elif layer.type.startswith("batchnorm"):
                x = _batchnorm(x, layer, weights)
            elif weights:
                x = x @ weights[0] + (weights[1] if len(weights) > 1 else 0)
            x = ACTIVATION[layer.activation](x)
        return x

    def _lstm(self, index: int, x: F64, kernel: F64, recurrent: F64, bias: F64) -> F64:
        i, f, candidate, o = np.split(x @ kernel + self._h[index] @ recurrent + bias, 4)
        self._c[index] = sigmoid(f) * self._c[index] + sigmoid(i) * np.tanh(candidate)
        self._h[index] = sigmoid(o) * np.tanh(self._c[index])
        return self._h[index]

    def _gru(self, index: int, x: F64, kernel: F64, recurrent: F64, bias: F64) -> F64:
        z_in, r_in, candidate_in = np.split(x @ kernel + bias[0], 3)
        z_h, r_h, candidate_h = np.split(self._h[index] @ recurrent + bias[1], 3)
        z = sigmoid(z_in + z_h)
        candidate = np.tanh(candidate_in + sigmoid(r_in + r_h) * candidate_h)  # reset after the product
        self._h[index] = (1 - z) * candidate + z * self._h[index]
        return self._h[index]
