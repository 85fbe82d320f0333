"""Models that are wrong in one place each: what is raised, where, and a part of the message."""

import gzip
import json

from kelly.errors import ModelFormatError, ModelShapeError, UnknownLayerError
from tests.unit.model_material import (
    BIAS,
    GOOD,
    KERNEL,
    TEXT,
    batchnorm,
    chain,
    changed,
    conv1d,
    conv2d,
    dense,
    gru,
    image,
    lstm,
    number_case,
    prelu,
    weights_case,
    with_weights,
    without,
    zeros,
)

F, S, U = ModelFormatError, ModelShapeError, UnknownLayerError

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
