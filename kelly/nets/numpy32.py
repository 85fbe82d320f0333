"""A network in plain NumPy float32, one step at a time: what somebody would write in an evening, to be measured against.

thread  [main]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.net.layers import LayerSpec
from kelly.errors import UnknownLayerError

Array = NDArray[np.float32]


def _sigmoid(x: Array) -> Array:
    result: Array = np.reciprocal(1 + np.exp(-x))
    return result


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    result: Array = np.asarray(e / e.sum(), np.float32)
    return result


_FUNCTIONS: dict[str, Any] = {
    "": lambda x: x, "tanh": np.tanh, "relu": lambda x: np.maximum(x, np.float32(0)), "sigmoid": _sigmoid, "softmax": _softmax,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
}  # fmt: skip


class NumpyNet:
    """dense, lstm, gru and activation layers.

    raises  UnknownLayerError for another
    """

    def __init__(self, layers: Sequence[LayerSpec]) -> None:
        known = ("dense", "time-distributed-dense", "lstm", "gru", "activation")
        for index, layer in enumerate(layers):
            if layer.type not in known:
                raise UnknownLayerError(pointer=f"/layers/{index}", expected=f"one of {', '.join(known)}", found=layer.type)
        self.layers = [(layer.type, layer.weights, _FUNCTIONS[layer.activation]) for layer in layers]
        self.h = [np.zeros(layer.out_size, np.float32) for layer in layers]
        self.c = [np.zeros(layer.out_size, np.float32) for layer in layers]

    def step(self, x: Array) -> Array:
        """float32 (in,) -> (out,), state going on."""
        for index, (kind, weights, function) in enumerate(self.layers):
            if kind == "lstm":
                i, f, g, o = np.split(x @ weights[0] + self.h[index] @ weights[1] + weights[2], 4)
                self.c[index] = _sigmoid(f) * self.c[index] + _sigmoid(i) * np.tanh(g)
                x = self.h[index] = _sigmoid(o) * np.tanh(self.c[index])
            elif kind == "gru":
                z_x, r_x, h_x = np.split(x @ weights[0] + weights[2][0], 3)
                z_h, r_h, h_h = np.split(self.h[index] @ weights[1] + weights[2][1], 3)
                z = _sigmoid(z_x + z_h)
                x = self.h[index] = (1 - z) * np.tanh(h_x + _sigmoid(r_x + r_h) * h_h) + z * self.h[index]
            elif weights:
                x = x @ weights[0]
                x = x + weights[1] if len(weights) > 1 else x
            x = function(x)
        return x
