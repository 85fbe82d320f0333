"""Models as others write them: what RTNeural reads rightly, kelly reads too."""

import json

import pytest

import kelly
from kelly.nets.json import parse_model
from tests.unit.model_material import (
    GOOD,
    KERNEL,
    TEXT,
    as_bytes,
    batchnorm,
    chain,
    conv1d,
    conv2d,
    dense,
    gru,
    image,
    lstm,
    number_case,
    prelu,
    weights_case,
    without,
    zeros,
)


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
