"""Every file that RTNeural would misread, crash on or hang over is a typed error that says where."""

import gzip
import json
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import kelly
from kelly.errors import ModelError, ModelFormatError, ModelShapeError, UnknownLayerError
from kelly.nets.json import inspect_model, parse_model


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
F, S, U = ModelFormatError, ModelShapeError, UnknownLayerError


def weights_case(*arrays):
    return chain(3, dense(3, 2, weights=list(arrays)))


def number_case(text):
    """The first weight written as ``text``."""
    return TEXT.replace("[[[0.0", "[[[" + text, 1)


# name: (document or text or bytes, error, pointer, part of the message)
FAULTS = {
    # layers
    "unknown layer": (chain(3, dense(3, 2, type="layernorm")), U, "/layers/0/type", "'layernorm'"),
    "dropout": (chain(3, dense(3, 2), {"type": "dropout", "shape": [2], "weights": []}), U, "/layers/1/type", "leave it out"),
    "misspelt layer": (chain(3, dense(3, 2, type="Dense")), U, "/layers/0/type", "did you mean 'dense'?"),
    "type is a number": (chain(3, dense(3, 2, type=1)), F, "/layers/0/type", "found 1"),
    **{
        f"activation {name}": (chain(3, dense(3, 2, activation=name)), U, "/layers/0/activation", repr(name))
        for name in ("gelu", "linear", "Tanh", "swish", "leaky_relu")
    },
    "activation null": (chain(3, dense(3, 2, activation=None)), F, "/layers/0/activation", "null"),
    "relu on lstm": (chain(3, lstm(3, 2, activation="relu")), F, "/layers/0/activation", "RTNeural would ignore"),
    "sigmoid on gru": (chain(3, gru(3, 2, activation="sigmoid")), F, "/layers/0/activation", "RTNeural would ignore"),
    "gelu on lstm": (chain(3, lstm(3, 2, activation="gelu")), U, "/layers/0/activation", "gelu"),
    "activation layer without a name": (
        chain(3, {"type": "activation", "shape": [3], "weights": []}), F, "/layers/0", "needs a name"),
    "activation layer with an empty name": (
        chain(3, {"type": "activation", "activation": "", "shape": [3], "weights": []}), F, "/layers/0/activation", "tanh"),
    "activation layer of another size": (
        chain(3, {"type": "activation", "activation": "tanh", "shape": [4], "weights": []}), S, "/layers/0/shape", "expected 3"),
    "activation layer with weights": (
        chain(3, {"type": "activation", "activation": "tanh", "shape": [3], "weights": [[1.0]]}), F, "/layers/0/weights/0", "no arrays"),
    "layer is not an object": (chain(3, [1]), F, "/layers/0", "an object, found array"),
    "layers is an object": ({"in_shape": [3], "layers": {}}, F, "/layers", "an object"),
    "no layers": (chain(3), F, "/layers", "at least one layer"),
    # sizes
    "in_shape empty": (GOOD | {"in_shape": []}, F, "/in_shape", "empty"),
    "in_shape a number": (GOOD | {"in_shape": 3}, F, "/in_shape", "an array"),
    **{
        f"in_shape ends in {json.dumps(value)}": (GOOD | {"in_shape": [None, value]}, F, "/in_shape/1", "a whole number from 1")
        for value in (None, True, -3, 0, 2.5, "3", [3], {"a": 1})
    },
    **{
        f"shape ends in {json.dumps(value)}": (chain(3, dense(3, 2, shape=[None, value])), F, "/layers/0/shape/1", "a whole number from 1")
        for value in (None, True, -2, 0, 1.5, "2")
    },
    "shape written as 2.0": (TEXT.replace("[null, null, 2]", "[null, null, 2.0]"), F, "/layers/0/shape/2", "2.0"),
    "leading size false": (GOOD | {"in_shape": [False, 3]}, F, "/in_shape/0", "null or"),
    "shape of 2 000 000 000": (chain(3, dense(3, 2, shape=[2_000_000_000])), S, "/layers/0/shape", "2000000000"),
    "in_shape of 2 000 000 000": (GOOD | {"in_shape": [2_000_000_000]}, S, "/in_shape", "2000000000"),
    "filters times features overflow": (GOOD | {"in_shape": [None, None, 2**31, 2**33]}, S, "/in_shape", "at most"),
    "shape 1e308": (TEXT.replace("[null, null, 2]", "[1e308]"), F, "/layers/0/shape/0", "1e+308"),
    "shape of a thousand digits": (TEXT.replace("[null, null, 2]", f"[{'9' * 1000}]"), F, "/layers/0/shape/0", "whole number"),
    "shape larger than the weights": (chain(3, dense(3, 2, shape=[8])), S, "/layers/0/weights/0", "expected (3, 8) for W, found (3, 2)"),
    "input larger than the weights": (GOOD | {"in_shape": [5]}, S, "/layers/0/weights/0", "expected (5, 2) for W, found (3, 2)"),
    "second layer does not fit the first": (chain(3, dense(3, 2), dense(4, 2)), S, "/layers/1/weights/0", "(2, 2) for W, found (4, 2)"),
    # arrays
    "dense transposed": (weights_case(zeros(2, 3), BIAS), S, "/layers/0/weights/0", "PyTorch stores (out, in)"),
    "rows missing": (weights_case(zeros(2, 2), BIAS), S, "/layers/0/weights/0", "found (2, 2)"),
    "columns missing": (weights_case(zeros(3, 1), BIAS), S, "/layers/0/weights/0", "found (3, 1)"),
    "ragged, short row": (weights_case([[0, 0], [0], [0, 0]], BIAS), F, "/layers/0/weights/0/1", "ragged"),
    "ragged, long row": (weights_case([[0, 0], [0, 0], [0, 0, 0]], BIAS), F, "/layers/0/weights/0/2", "ragged"),
    "ragged, empty row": (weights_case([[0, 0], [], [0, 0]], BIAS), F, "/layers/0/weights/0/1", "ragged"),
    "a number among rows": (weights_case([[0, 0], 0, [0, 0]], BIAS), F, "/layers/0/weights/0/1", "found a number"),
    "a row among numbers": (weights_case(KERNEL, [0, [0]]), F, "/layers/0/weights/1/1", "expected a number"),
    "bias empty": (weights_case(KERNEL, []), S, "/layers/0/weights/1", "leave the bias out"),
    "bias short": (weights_case(KERNEL, [0]), S, "/layers/0/weights/1", "expected (2,) for b, found (1,)"),
    "bias long": (weights_case(KERNEL, zeros(3)), S, "/layers/0/weights/1", "found (3,)"),
    "bias nested": (weights_case(KERNEL, [BIAS]), S, "/layers/0/weights/1", "found (1, 2)"),
    "kernel flat": (weights_case(zeros(6), BIAS), S, "/layers/0/weights/0", "found (6,)"),
    "kernel missing": (weights_case(), F, "/layers/0/weights", "expected 1 arrays (W), found 0"),
    "extra array": (weights_case(KERNEL, BIAS, BIAS), F, "/layers/0/weights/2", "an extra one"),
    "a thousand extra arrays": (weights_case(KERNEL, BIAS, *[BIAS] * 1000), F, "/layers/0/weights/2", "an extra one"),
    "weights a number": (chain(3, dense(3, 2, weights=1)), F, "/layers/0/weights", "found 1"),
    "weights null": (chain(3, dense(3, 2, weights=None)), F, "/layers/0/weights", "null"),
    "weights of numbers": (weights_case(1, 2), F, "/layers/0/weights/0", "an array of numbers, found 1"),
    "array null": (weights_case(KERNEL, None), F, "/layers/0/weights/1", "null"),
    **{
        f"weight {json.dumps(value)}": (
            weights_case(changed(KERNEL, value, 1, 1), BIAS), F, "/layers/0/weights/0/1/1", f"expected a number, found {kind}")
        for value, kind in ((True, "boolean"), (False, "boolean"), ("1.0", "string"), (None, "null"), ({}, "object"))
    },
    "first row boolean": (weights_case(changed(KERNEL, True, 0), BIAS), F, "/layers/0/weights/0/0", "boolean"),
    "lstm without bias": (chain(3, lstm(3, 2, weights=lstm(3, 2)["weights"][:2])), F, "/layers/0/weights", "3 arrays (W, U, b), found 2"),
    "lstm bias empty": (chain(3, with_weights(lstm(3, 2), 2, [])), S, "/layers/0/weights/2", "expected (8,) for b, found (0,)"),
    "lstm with gru weights": (chain(3, lstm(3, 2, weights=gru(3, 2)["weights"])), S, "/layers/0/weights/0", "is this a gru?"),
    "lstm with two biases": (chain(3, lstm(3, 2, weights=[*lstm(3, 2)["weights"], zeros(8)])), F, "/layers/0/weights/3", "the sum of both"),
    "lstm with split gates": (chain(3, lstm(3, 2, weights=[zeros(3, 2)] * 4)), S, "/layers/0/weights/0", "split gates?"),
    "lstm of split-gate keys": (
        chain(3, without(lstm(3, 2), "weights") | {"weight_ih": zeros(8, 3), "bias_hh": zeros(8)}), F, "/layers/0", "PyTorch state_dict"),
    "gru with lstm weights": (chain(3, gru(3, 2, weights=lstm(3, 2)["weights"])), S, "/layers/0/weights/0", "is this an lstm?"),
    "gru bias flat": (chain(3, with_weights(gru(3, 2), 2, zeros(6))), S, "/layers/0/weights/2", "two biases"),
    "gru bias of one row": (chain(3, with_weights(gru(3, 2), 2, zeros(1, 6))), S, "/layers/0/weights/2", "(2, 6) for b, found (1, 6)"),
    "arrays by name": (chain(3, dense(3, 2, weights={"weight": KERNEL})), F, "/layers/0/weights", "object"),
    # convolutions
    **{
        f"conv1d without {key}": (chain(4, without(conv1d(4, 6), key)), F, "/layers/0", f"the key '{key}'")
        for key in ("kernel_size", "dilation")
    },
    **{
        f"kernel_size {json.dumps(value)}": (
            chain(4, conv1d(4, 6, kernel_size=value)), F, "/layers/0/kernel_size", "expected a whole number from 1")
        for value in (0, -1, 2.5, True, "3", None, [], {})
    },
    "kernel_size ends in 0": (chain(4, conv1d(4, 6, kernel_size=[3, 0])), F, "/layers/0/kernel_size/1", "whole number from 1"),
    "kernel_size is not the kernel's": (chain(4, conv1d(4, 6, kernel_size=5)), S, "/layers/0/weights/0", "expected (5, 2, 6) for W"),
    "groups do not divide": (chain(4, conv1d(4, 6, groups=3)), S, "/layers/0/groups", "a divisor of 4 inputs and 6 outputs"),
    "groups 0": (chain(4, conv1d(4, 6, groups=0)), F, "/layers/0/groups", "whole number from 1"),
    "groups forgotten": (chain(4, without(conv1d(4, 6), "groups")), S, "/layers/0/weights/0", "expected (3, 4, 6) for W, found (3, 2, 6)"),
    "conv1d without bias": (
        chain(4, conv1d(4, 6, weights=[zeros(3, 2, 6)])), F, "/layers/0/weights", "expected 2 arrays (W, b), found 1"),
    "conv1d as PyTorch stores it": (chain(4, with_weights(conv1d(4, 6), 0, zeros(6, 2, 3))), S, "/layers/0/weights/0", "(taps, in, out)"),
    "dilation of 2 000 000 000": (chain(4, conv1d(4, 6, dilation=2_000_000_000)), S, "/layers/0/dilation", "values to remember"),
    "gelu on conv1d": (chain(4, conv1d(4, 6, activation="gelu")), U, "/layers/0/activation", "'gelu'"),
    **{
        f"conv2d without {key}": (image(without(conv2d(), key)), F, "/layers/0", f"the key '{key}'")
        for key in ("kernel_size_time", "kernel_size_feature", "dilation", "strides", "num_filters_in", "num_features_in", "padding")
    },
    **{
        f"padding {json.dumps(value)}": (image(conv2d(padding=value)), F, "/layers/0/padding", '"valid" or "same"')
        for value in ("VALID", "causal", "", None, 0, ["valid"])
    },
    "conv2d does not fit its input": (image(conv2d(num_features_in=4)), S, "/layers/0/num_features_in", "filters times features to be 10"),
    "conv2d of another size": (image(conv2d(shape=[3, 5])), S, "/layers/0/shape", "3"),
    "conv2d wider than its row": (image(conv2d(kernel_size_feature=6)), S, "/layers/0/kernel_size_feature", "at most 5"),
    "strides 0": (image(conv2d(strides=0)), F, "/layers/0/strides", "whole number from 1"),
    "conv2d bias too long": (image(with_weights(conv2d(), 1, zeros(12))), S, "/layers/0/weights/1", "expected (4,) for b, found (12,)"),
    # slopes and moments
    "prelu nested once": (chain(4, prelu(zeros(4))), S, "/layers/0/weights/0", "nested twice"),
    "prelu of another length": (chain(4, prelu(zeros(1, 3))), S, "/layers/0/weights/0", "expected (1, 4) for alpha, found (1, 3)"),
    "prelu of another size": (chain(4, prelu(zeros(1, 5), 5)), S, "/layers/0/shape", "expected 4"),
    "tanh on prelu": (chain(4, prelu(zeros(1, 4), activation="tanh")), F, "/layers/0/activation", "a layer of type activation"),
    "batchnorm of three arrays": (
        chain(4, batchnorm(*[[1] * 4] * 3)), F, "/layers/0/weights", "expected 4 arrays (gamma, beta, mean, var), found 3; or 2: mean, var"),
    "batchnorm without epsilon": (chain(4, without(batchnorm(*[[1] * 4] * 4), "epsilon")), F, "/layers/0", "the key 'epsilon'"),
    **{
        f"epsilon {json.dumps(value)}": (
            chain(4, batchnorm(*[[1] * 4] * 4, epsilon=value)), F, "/layers/0/epsilon", "a number from 0")
        for value in (-1, True, "0.001", None)
    },
    "negative variance": (chain(4, batchnorm([0] * 4, [1, 1, -1, 1])), F, "/layers/0/weights/1/2", "are mean and variance swapped?"),
    "no variance at all": (chain(4, batchnorm([0] * 4, [0] * 4, epsilon=0)), F, "/layers/0/weights/1/0", "above 0"),
    "relu on batchnorm": (chain(4, batchnorm(*[[1] * 4] * 4, activation="relu")), F, "/layers/0/activation", "RTNeural would ignore"),
    "batchnorm2d of another size": (
        chain(4, batchnorm([0] * 2, [1] * 2, kind="batchnorm2d", num_filters_in=2, num_features_in=3)),
        S, "/layers/0/num_features_in", "to be 4, found 2 times 3"),
    "batchnorm2d per value": (
        chain(4, batchnorm([0] * 4, [1] * 4, kind="batchnorm2d", num_filters_in=2, num_features_in=2)),
        S, "/layers/0/weights/0", "expected (2,) for mean, found (4,)"),
    # numbers
    "1e39": (number_case("1e39"), F, "/layers/0/weights/0/0/0", "found 1e39"),
    "-3.5e38": (number_case("-3.5e38"), F, "/layers/0/weights/0/0/0", "float32"),
    "1e400": (number_case("1e400"), F, "/layers/0/weights/0/0/0", "found 1e400"),
    "a thousand digits": (number_case("1" * 1000), F, "/layers/0/weights/0/0/0", "float32"),
    "NaN": (number_case("NaN"), F, "/layers/0/weights/0/0/0", "no NaN"),
    "Infinity": (number_case("Infinity"), F, "/layers/0/weights/0/0/0", "no NaN or infinity"),
    "-Infinity": (number_case("-Infinity"), F, "/layers/0/weights/0/0/0", "no NaN or infinity"),
    "nan": (number_case("nan"), F, "/layers/0/weights/0/0/0", "no NaN"),
    "NaN as a size": (TEXT.replace("[null, null, 2]", "[NaN]"), F, "/layers/0/shape/0", "no NaN"),
    **{
        f"number {text}": (number_case(text), F, "/layers/0/weights/0/0/0", "line 1, column")
        for text in ("01", "+1", ".5", "1.", "1.e3", "1e", "1e+", "-", "--1", "0x10", "1_000", "\u0661")
    },
    # text
    "empty file": ("", F, "", "an empty file"),
    "white space": (" \n\t ", F, "", "an empty file"),
    "BOM": (b"\xef\xbb\xbf" + TEXT.encode(), F, "", "byte order mark"),
    "UTF-16": (TEXT.encode("utf-16"), F, "", "UTF-16"),
    "UTF-16 without BOM": (TEXT.encode("utf-16-le"), F, "", "UTF-16"),
    "UTF-32": (TEXT.encode("utf-32-be"), F, "", "UTF-16"),
    "gzip": (gzip.compress(TEXT.encode()), F, "", "gzip"),
    "zip": (b"PK\x03\x04" + bytes(40), F, "", "zip archive"),
    "pickle": (b"\x80\x04\x95" + bytes(40), F, "", "pickle"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), F, "", "HDF5"),
    "not UTF-8": (TEXT.replace("dense", "d\xe9nse").encode("latin-1"), F, "/layers/0/type", "UTF-8"),
    "not UTF-8 in an ignored value": (TEXT.replace("{", '{"name": "\xe9", ', 1).encode("latin-1"), F, "/name", "UTF-8"),
    "lone surrogate": (TEXT.replace("dense", "\\ud800"), F, "/layers/0/type", "UTF-8"),
    "bad escape": (TEXT.replace("dense", "\\x41"), F, "/layers/0/type", "escapes"),
    "line break in a string": (TEXT.replace("dense", "den\nse"), F, "/layers/0/type", "control character"),
    "NUL byte": (TEXT.replace("0.0", "0.\0", 1), F, "/layers/0/weights/0/0/0", "a digit after"),
    "NUL byte in a string": (TEXT.replace("dense", "den\0se"), F, "/layers/0/type", "control character"),
    "NUL after the document": (TEXT + "\0", F, "", "the end of the file"),
    "trailing garbage": (TEXT + "x", F, "", "text after the document"),
    "two documents": (TEXT + TEXT, F, "", "text after the document"),
    "trailing comma in an array": (TEXT.replace("0.0]]", "0.0,]]", 1), F, "/layers/0/weights/0/2/2", "trailing comma"),
    "trailing comma in an object": (TEXT[:-1] + ",}", F, "", "trailing comma"),
    "two commas": (TEXT.replace(", ", ",, ", 1), F, "/in_shape/1", "expected a value"),
    "leading comma": (TEXT.replace("[null", "[,null", 1), F, "/in_shape/0", "expected a value"),
    "comment": ("// made by hand\n" + TEXT, F, "", "JSON has no comments"),
    "comment inside": (TEXT.replace("[null", "/* x */ [null", 1), F, "/in_shape", "JSON has no comments"),
    "single quotes": (TEXT.replace('"', "'"), F, "", "double quotes"),
    "key without quotes": (TEXT.replace('"in_shape"', "in_shape"), F, "", "a key in double quotes"),
    "no colon": (TEXT.replace('"in_shape":', '"in_shape"'), F, "", "':'"),
    "wrong bracket": (TEXT[:-1] + "]", F, "", "'}'"),
    "True": (TEXT.replace("null", "True", 1), F, "/in_shape/0", "a value"),
    "duplicate key": ('{"in_shape": [3], ' + TEXT[1:], F, "/in_shape", "each key once"),
    "duplicate key in a layer": (TEXT.replace('"type"', '"type": "lstm", "type"'), F, "/layers/0/type", "each key once"),
    "duplicate key, escaped": (TEXT.replace('"type"', '"t\\u0079pe": "lstm", "type"'), F, "/layers/0/type", "each key once"),
    "duplicate weights": (TEXT.replace('"weights"', '"weights": [], "weights"'), F, "/layers/0/weights", "each key once"),
    "duplicate unknown key": ('{"a": 1, "a": 2, ' + TEXT[1:], F, "/a", "each key once"),
    "duplicate key deep in an ignored value": ('{"a": [{"b": 1, "c": 2, "b": 3}], ' + TEXT[1:], F, "/a/0", "twice"),
    "deep nesting": ("[" * 100_000, F, "/0/0", "at most 64 levels"),
    "deep objects": ('{"a":' * 100_000, F, "/a/a", "at most 64 levels"),
    "deep ignored value": ('{"x": ' + "[" * 100_000, F, "/x/0", "at most 64 levels"),
    "deep weights": (weights_case(json.loads("[" * 30 + "]" * 30)), F, "/layers/0/weights/0", "at most 4 axes"),
    # document
    "an array": ("[1, 2]", F, "", "a JSON array"),
    "a number": ("3", F, "", "a JSON object"),
    "a string": ('"model"', F, "", "a JSON object"),
    "null": ("null", F, "", "a JSON object"),
    "empty object": ("{}", F, "", "no keys"),
    **{f"{key} missing": (without(GOOD, key), F, "", f"the key {key!r}") for key in ("in_shape", "layers")},
    **{
        f"{key} missing in a layer": (chain(3, without(dense(3, 2), key)), F, "/layers/0", f"the key {key!r}")
        for key in ("type", "shape", "weights")
    },
    "state_dict": ({"0.weight": KERNEL, "0.bias": BIAS}, F, "", "kelly export"),
    "state_dict of an lstm": ({"rnn.weight_ih_l0": KERNEL, "rnn.weight_hh_l0": KERNEL}, F, "", "kelly export"),
    "state_dict wrapped": ({"state_dict": {"0.weight": KERNEL}}, F, "", "kelly export"),
    # metadata
    "kelly is a list": (GOOD | {"kelly": []}, F, "/kelly", "an object"),
    "contract of another version": (GOOD | {"kelly": {"contract": 2}}, S, "/kelly/contract", "expected 1, found 2"),
    "contract true": (GOOD | {"kelly": {"contract": True}}, S, "/kelly/contract", "true"),
    "contract missing": (GOOD | {"kelly": {"net": "groovepredictor"}}, S, "/kelly", "contract version"),
    "net of another size": (GOOD | {"kelly": {"net": "groovepredictor", "contract": 1}}, S, "/in_shape", "expected 64 inputs of groovepredictor"),
    "net is a number": (GOOD | {"kelly": {"net": 5}}, F, "/kelly/net", "a name"),
    "vectors of another size": (
        GOOD | {"kelly": {"vectors": {"input": [[1, 2]], "output": [[1, 2]]}}}, S, "/kelly/vectors/input/0", "a row of 3 numbers"),
    "vectors of two lengths": (
        GOOD | {"kelly": {"vectors": {"input": zeros(2, 3), "output": zeros(1, 2)}}}, S, "/kelly/vectors", "2 rows of output"),
    "vectors without output": (GOOD | {"kelly": {"vectors": {"input": zeros(2, 3)}}}, F, "/kelly/vectors", "input and output"),
    "vectors beyond float32": (
        GOOD | {"kelly": {"vectors": {"input": [[0, 0, 1e39]], "output": zeros(1, 2)}}}, F, "/kelly/vectors/input/0/2", "float32"),
}  # fmt: skip


def as_bytes(document):
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    return text if isinstance(text, bytes) else text.encode()


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


def test_the_good_file_is_good():
    """What the faults above are made from loads."""
    for document in (GOOD, chain(3, lstm(3, 2)), chain(3, gru(3, 2)), chain(3, lstm(3, 2, activation=""))):
        assert parse_model(as_bytes(document))[1] == []


HARMLESS = {
    "unknown keys": GOOD | {"samplerate": 48000, "in_skip": 1, "history": {"loss": [1e400, None, True, {"a": []}]}},
    "unknown layer keys": chain(3, dense(3, 2, name="first", config={"units": 2})),
    "no bias": weights_case(KERNEL),
    "no activation": chain(3, without(dense(3, 2), "activation")),
    "short in_shape": GOOD | {"in_shape": [3]},
    "leading sizes": GOOD | {"in_shape": [1, None, 3]},
    "features times filters": GOOD | {"in_shape": [None, None, 3, 1]},
    "foreign metadata": GOOD | {"kelly": {"net": "of my own", "made": "by hand"}},
    "text beyond ASCII": GOOD | {"name": "Gefühl \U0001f3b5"},
    "white space everywhere": json.dumps(GOOD, indent=3).replace("\n", "\r\n\t"),
    "escapes": TEXT.replace("dense", "d\\u0065nse").replace("in_shape", "in\\u005fshape"),
    "whole numbers": TEXT.replace("0.0", "0"),
    "largest float32": number_case("3.4028235e38"),
    "rounds to the largest float32": number_case("3.40282350000000000000000001e+38"),
    "rounds to zero": number_case("1e-400"),
    "zero with a huge exponent": number_case("-0e999999999999"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_files_load(name, tmp_path):
    """What RTNeural reads rightly, kelly reads too."""
    path = tmp_path / "model.json"
    path.write_bytes(as_bytes(json.dumps(HARMLESS[name]).replace("Infinity", "1e400") if isinstance(HARMLESS[name], dict) else HARMLESS[name]))
    net = kelly.load_network(path)
    assert (net.in_size, net.out_size) == (3, 2)


SOUND = {
    "conv1d": (chain(4, conv1d(4, 6)), 4, 6),
    "conv1d with numbers": (chain(4, conv1d(4, 6, kernel_size=3, dilation=4, strides=7, padding="same")), 4, 6),
    "conv1d with lists": (chain(4, conv1d(4, 6, kernel_size=[9, 3], dilation=[[], 4])), 4, 6),
    "conv2d": (image(conv2d()), 10, 12),
    "conv2d with both sizes in one": (image(conv2d(shape=[None, 12])), 10, 12),
    "conv2d, same": (image(conv2d(padding="same", strides=2)), 10, 12),
    "prelu": (chain(4, prelu(zeros(1, 4))), 4, 4),
    "shared prelu": (chain(4, prelu([[0.5]])), 4, 4),
    "batchnorm": (chain(4, batchnorm(*[[1] * 4] * 4)), 4, 4),
    "short batchnorm": (chain(4, batchnorm([0] * 4, [1] * 4)), 4, 4),
    "batchnorm2d": (chain(4, batchnorm([0] * 2, [1] * 2, kind="batchnorm2d", num_filters_in=[2], num_features_in=[2])), 4, 4),
}


@pytest.mark.parametrize("name", SOUND)
def test_every_way_to_write_an_option_loads(name, tmp_path):
    """A number, or a list whose last element counts; what conv1d does not use is not looked at."""
    document, n_in, n_out = SOUND[name]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    net = kelly.load_network(path)
    assert (net.in_size, net.out_size) == (n_in, n_out)


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


HOSTILE = {
    "empty arrays as weights": lambda n: b'{"in_shape":[3],"layers":[{"type":"dense","shape":[2],"weights":[' + b"[]," * (n // 3) + b"[]]}]}",
    "rows of one": lambda n: b'{"in_shape":[3],"layers":[{"type":"dense","shape":[2],"weights":[[' + b"[1]," * (n // 4) + b"[1]]]}]}",
    "a flat array": lambda n: b'{"in_shape":[3],"layers":[{"type":"dense","shape":[2],"weights":[[' + b"1," * (n // 2) + b"1]]}]}",
    "ragged rows": lambda n: b'{"in_shape":[3],"layers":[{"type":"dense","shape":[2],"weights":[[' + b"[1],[]," * (n // 7) + b"[1]]]}]}",
    "empty layers": lambda n: b'{"in_shape":[3],"layers":[' + b"{}," * (n // 3) + b"{}]}",
    "many keys": lambda n: b"{" + b",".join(b'"%x":0' % i for i in range(n // 9)) + b"}",
    "many ignored keys": lambda n: b'{"x":{' + b",".join(b'"%x":0' % i for i in range(n // 9)) + b"}}",
    "metadata": lambda n: b'{"in_shape":[3],"layers":[],"kelly":{"vectors":[' + b"[]," * (n // 3) + b"[]]}}",
    "one long string": lambda n: b'{"in_shape":[3],"layers":[],"kelly":"' + "\U0001f3b5".encode() + b"a" * n + b'"}',
    "one long number": lambda n: b'{"in_shape":[3],"layers":[{"type":"dense","shape":[2],"weights":[[' + b"1" * n + b"]]}]}",
    "booleans as weights": lambda n: b'{"in_shape":[3],"layers":[{"type":"dense","shape":[2],"weights":[[' + b"true," * (n // 5) + b"1]]}]}",
    "a shape without end": lambda n: b'{"in_shape":[' + b"1," * (n // 2) + b"1]}",
}
HOSTILE_BYTES = 8_000_000

PROBE = """
    import resource, sys, time
    import numpy
    from kelly.nets.json import parse_model
    data = open(sys.argv[1], "rb").read()
    parse_model(b'{"in_shape": []}')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - len(data) // 1024
    begin = time.process_time()
    model, faults = parse_model(data)
    seconds = time.process_time() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert model is None and faults
    print(seconds, grown)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_refusing_is_cheap(name, tmp_path):
    """Under a second, and under 4 x the file + 64 MB with the text itself, whatever the file is made of."""
    path = tmp_path / "model.json"
    path.write_bytes(HOSTILE[name](HOSTILE_BYTES))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROBE), str(path)], capture_output=True, text=True, check=True
    )
    seconds, grown = map(float, done.stdout.split())
    assert seconds < 1
    assert grown < 4 * path.stat().st_size + 64e6


def test_two_thousand_million_are_refused_at_once():
    """Nothing is allocated for a size that no weights back."""
    begin = time.process_time()
    for key in ("in_shape", "shape"):
        document = GOOD | {"in_shape": [2_000_000_000]} if key == "in_shape" else chain(3, dense(3, 2, shape=[2_000_000_000]))
        assert isinstance(parse_model(as_bytes(document))[1][0], ModelShapeError)
    assert time.process_time() - begin < 0.1
