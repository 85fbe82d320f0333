"""Models written by hand, one layer at a time, for the tests of the reader."""

import json

import numpy as np


def zeros(*shape):
    return np.zeros(shape).tolist()


def dense(n_in, n_out, **keys):
    return {"type": "dense", "activation": "", "shape": [None, None, n_out], "weights": [zeros(n_in, n_out), zeros(n_out)]} | keys


def lstm(n_in, n_out, **keys):
    weights = [zeros(n_in, 4 * n_out), zeros(n_out, 4 * n_out), zeros(4 * n_out)]
    return {"type": "lstm", "activation": "tanh", "shape": [None, None, n_out], "weights": weights} | keys


def gru(n_in, n_out, **keys):
    weights = [zeros(n_in, 3 * n_out), zeros(n_out, 3 * n_out), zeros(2, 3 * n_out)]
    return {"type": "gru", "activation": "tanh", "shape": [None, None, n_out], "weights": weights} | keys


def conv1d(n_in, n_out, **keys):
    """Three taps in two groups."""
    weights = [zeros(3, n_in // 2, n_out), zeros(n_out)]
    layer = {"type": "conv1d", "activation": "", "shape": [None, None, n_out], "weights": weights}
    return layer | {"kernel_size": [3], "dilation": [4], "groups": 2} | keys


def conv2d(**keys):
    """(5 features, 2 filters) -> (3, 4)."""
    weights = [zeros(2, 3, 2, 4), zeros(4)]
    layer = {"type": "conv2d", "activation": "", "shape": [None, None, 3, 4], "weights": weights, "padding": "valid"}
    sizes = {"num_filters_in": [2], "num_features_in": [5], "num_filters_out": [4], "kernel_size_time": [2], "kernel_size_feature": 3}
    return layer | sizes | {"dilation": [1], "strides": [1]} | keys


def prelu(alpha, size=4, **keys):
    return {"type": "prelu", "activation": "", "shape": [None, None, size], "weights": [alpha]} | keys


def batchnorm(*weights, kind="batchnorm", **keys):
    return {"type": kind, "activation": "", "shape": [None, None, 4], "epsilon": 0.001, "weights": list(weights)} | keys


def image(*layers):
    return {"in_shape": [None, None, 5, 2], "layers": list(layers)}


def chain(n_in, *layers, **keys):
    return {"in_shape": [None, None, n_in], "layers": list(layers)} | keys


def without(layer, key):
    return {name: value for name, value in layer.items() if name != key}


def with_weights(layer, index, array):
    weights = list(layer["weights"])
    weights[index] = array
    return layer | {"weights": weights}


def changed(array, value, *place):
    """A copy of nested lists with one value replaced."""
    if not place:
        return value
    return [changed(item, value, *place[1:]) if i == place[0] else item for i, item in enumerate(array)]


KERNEL, BIAS = zeros(3, 2), zeros(2)
GOOD = chain(3, dense(3, 2))
TEXT = json.dumps(GOOD)


def weights_case(*arrays):
    return chain(3, dense(3, 2, weights=list(arrays)))


def number_case(text):
    """The first weight written as ``text``."""
    return TEXT.replace("[[[0.0", "[[[" + text, 1)


def as_bytes(document):
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    return text if isinstance(text, bytes) else text.encode()
