"""The scanner against Python's own readers, and against damage."""

import json
import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kelly._rt.net.scan import ScanError, Skipped, scan
from kelly.errors import ModelError
from kelly.nets.json import parse_model
from tests.golden.build import build, to_json

MODEL = to_json(build("gru_1to8", 1)).encode()


def numbers_of(texts):
    """The texts as the scanner reads them: doubles from metadata, float32 from weights."""
    row = "[" + ",".join(texts) + "]"
    document = scan(f'{{"kelly": {row}, "layers": [{{"weights": [{row}]}}]}}'.encode())
    return document["kelly"], document["layers"][0]["weights"][0]


decimals = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    st.one_of(st.integers(0, 9).map(str), st.integers(10, 10**25).map(str)),
    st.one_of(st.just(""), st.integers(0, 10**25).map(lambda n: f".{n}"), st.integers(0, 10**19).map(lambda n: f".0000{n}")),
    st.one_of(st.just(""), st.integers(-70, 12).map(lambda e: f"e{e}"), st.integers(-400, 12).map(lambda e: f"E{e:+}")),
)
doubles = st.floats(allow_nan=False, allow_infinity=False, min_value=-3.4e38, max_value=3.4e38).map(repr)
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda v: repr(float(np.float32(v))))
halfway = st.tuples(st.integers(2**52, 2**53 - 1), st.integers(0, 40)).map(lambda p: f"{(2 * p[0] + 1) * 2 ** p[1]}e0")


@settings(max_examples=400)
@given(st.lists(st.one_of(decimals, doubles, float32s, halfway), min_size=1, max_size=20))
@example(["9007199254740993", "9007199254740993.0", "1e23", "8.5e-46", "7.0064923216240854e-46", "2.2250738585072011e-308"])
@example(["0.000000000000000000000000000000000000000000001", "123456789012345678901234567890", "-0", "-0.0e99"])
def test_numbers_go_decimal_double_float32(texts):
    """Each the double that Python's float() finds, then rounded to float32; -0 keeps its sign."""
    doubles_found, floats_found = numbers_of(texts)
    for text, double, single in zip(texts, doubles_found, floats_found, strict=True):
        assert double == float(text)
        assert np.float32(float(text)).tobytes() == single.tobytes(), text


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(plain, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_kept_is_what_json_reads(value, ascii_only, indent):
    """The scanner builds what the standard library builds, escapes and all."""
    text = json.dumps({"kelly": value, "other": value}, ensure_ascii=ascii_only, indent=indent)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    if "\\ud" in text and any(0xD800 <= ord(c) < 0xE000 for c in json.dumps(value, ensure_ascii=False)):
        return
    found = scan(data)
    assert found["kelly"] == json.loads(text)["kelly"]
    assert isinstance(found["other"], Skipped)


@settings(max_examples=300)
@given(st.binary(max_size=60))
@example(b'{"a":1,"a":2}')
@example(b"[1,]")
def test_any_bytes_are_a_document_or_a_scan_error(data):
    """Whatever the scanner accepts, the strictest standard reader accepts too."""

    def unique(pairs):
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    try:
        scan(data)
    except ScanError:
        return
    json.loads(data.decode(), object_pairs_hook=unique, parse_constant=lambda name: math.inf / 0)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_model_is_a_model_or_a_model_error(data):
    """One to four bytes overwritten, removed or doubled anywhere."""
    damaged = bytearray(MODEL)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        what = data.draw(st.integers(0, 2))
        if what == 0:
            damaged[place] = data.draw(st.integers(0, 255))
        elif what == 1:
            del damaged[place]
        else:
            damaged.insert(place, damaged[place])
    model, faults = parse_model(bytes(damaged), "damaged.json")
    assert (model is None) == bool(faults)
    for fault in faults:
        assert isinstance(fault, ModelError)
        assert fault.expected
        assert fault.found
