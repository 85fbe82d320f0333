"""Whatever stands in a model file: a network or typed errors, within a second, without eating the memory.

Small sound files (tests/property/seeds, one per kind of layer) are spoilt in hundreds of ways by a seeded
generator: bytes, words, numbers, structure. Inputs that once broke something belong into that folder.
The default run takes seconds; ``-m slow`` goes on for ten minutes with seeds of its own.
"""

import contextlib
import itertools
import json
import os
import random
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kelly._rt.net.plan import build_plan
from kelly.errors import ModelError
from kelly.nets.json import MAX_FAULTS, parse_model
from kelly.nets.load import network_from

SEEDS = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "seeds").iterdir())}
CASES = int(os.environ.get("KELLY_FUZZ_CASES", "30000"))
ROOM = 200_000  # floats of a network that is also run
MEMORY_KB = 300_000

WORDS = [
    b"null", b"true", b"false", b"NaN", b"Infinity", b"-0", b"1e39", b"1e400", b"-1", b"0", b"1.5", b"2000000000", b"1e-400", b"{}", b"[]",
    b'""', b'"lstm"', b'"conv2d"', b'"tanh"', b'"gelu"', b"[[[[1]]]]", b'"\\ud800"', b'"\\u0000"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"//",
    b",", b":", b"[" * 70, b"{" * 70, b"9" * 400, b"0." + b"1" * 900, b'"type":"gru",', b'"weights":[],', b'"kelly":{},', b"1" + b"0" * 40,
]  # fmt: skip
VALUES = [None, True, False, -1, 0, 1, 2, 3, 7, 1.5, 1e39, 2**31, 2**63, 10**30, "", "x", "dense", "gru", "conv1d", "same", [], [[]], {}, [1], [[1, 2], [3]]]
KEYS = ["type", "shape", "weights", "activation", "kernel_size", "dilation", "groups", "strides", "padding", "epsilon", "in_shape", "layers", "kelly",
        "num_filters_in", "num_features_in", "vectors", "net", "contract", "weight_ih"]  # fmt: skip


def spoil_bytes(data, rng):
    """Cut, repeat, overwrite, insert."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        turn = rng.randrange(6)
        if turn == 0:
            del data[at:]
        elif turn == 1:
            del data[at : at + rng.randint(1, 20)]
        elif turn == 2 and data:
            data[at % len(data)] = rng.randrange(256)
        elif turn == 3:
            data[at:at] = rng.choice(WORDS)
        elif turn == 4:
            data[at:at] = data[at : at + rng.randint(1, 200)]
        else:
            end = at + rng.randint(1, 12)
            data[at:end] = rng.choice(WORDS)
    return bytes(data)


def spoil_structure(document, rng):
    """Replace, drop, double, rename or move values anywhere in the document."""
    for _ in range(rng.randint(1, 3)):
        places = list(itertools.islice(_places(document), 500))  # a document may hold itself by now
        if not places:
            return document
        holder, key = rng.choice(places)
        turn = rng.randrange(6)
        if turn <= 1:
            holder[key] = rng.choice(VALUES)
        elif turn == 2:
            del holder[key]
        elif turn == 3 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif turn == 3:
            holder[rng.choice(KEYS)] = holder[key]
        elif turn == 4:
            other, its = rng.choice(places)
            if isinstance(other, dict) or its < len(other):
                holder[key] = json.loads(json.dumps(other[its])) if not isinstance(other, dict) or its in other else rng.choice(VALUES)
        else:
            value = holder[key]
            holder[key] = [value] if rng.random() < 0.5 else value * 3 if isinstance(value, int | float | list) and not isinstance(value, bool) else value
    return document


def _places(value, depth=0):
    if depth > 12:
        return
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    for key, inner in items:
        yield value, key
        yield from _places(inner, depth + 1)


def spoilt(rng):
    seed = SEEDS[rng.choice(list(SEEDS))]
    if rng.random() < 0.55:
        with contextlib.suppress(RecursionError, ValueError):  # a document that holds itself, or is too deep to be written
            seed = json.dumps(spoil_structure(json.loads(seed), rng)).encode()
        if rng.random() < 0.7:
            return seed
    return spoil_bytes(seed, rng)


def hold(data):
    """The promises, for one file's content; True when it was sound."""
    start = time.process_time()  # others may use this processor too
    model, faults = parse_model(data, "fuzz.json")
    taken_s = time.process_time() - start
    assert taken_s < 1.0, f"{taken_s:.2f} s for {len(data)} bytes"
    assert (model is None) == bool(faults)
    assert len(faults) <= MAX_FAULTS
    for fault in faults:
        assert isinstance(fault, ModelError)
        assert str(fault).startswith("fuzz.json")
        assert fault.expected
        assert fault.pointer == "" or fault.pointer.startswith("/")
        assert len(str(fault)) < 2000
    if model is None:
        return False
    plan = build_plan(model.layers)
    if plan.work_size + plan.weights_size <= ROOM:
        net = network_from(model)
        x = np.random.default_rng(0).standard_normal((3, model.in_size)).astype(np.float32)
        first = net(x)
        net.reset()
        np.testing.assert_array_equal(net(x), first)
    return True


def run(cases, seed, until_s=None):
    """Spoil and hold; the case that fails is printed so that it can become a seed."""
    rng, sound, start = random.Random(seed), 0, time.monotonic()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(cases):
        data = spoilt(rng)
        try:
            sound += hold(data)
        except BaseException:
            print(f"seed {seed}, case {number}: {data!r}", file=sys.stderr)
            raise
        if until_s is not None and time.monotonic() - start > until_s:
            break
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert grown_kb < MEMORY_KB, f"{grown_kb} KB"
    return sound


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_sound_and_run(name):
    """What is spoilt below is whole here."""
    assert hold(SEEDS[name])


@pytest.mark.parametrize("name", SEEDS)
def test_every_truncation_is_a_typed_error(name):
    """Cut at any byte: never a network, never anything but typed errors."""
    data = SEEDS[name].rstrip()
    for at in range(len(data)):
        assert not hold(data[:at])


def test_spoilt_files_are_networks_or_typed_errors(reliability):
    """Thirty thousand cases of one seed, the same in every run; some survive, most don't."""
    sound = run(CASES, seed=1)
    reliability("model files by hand and spoilt", f"{CASES:,} spoilt: {sound:,} still networks, the others typed errors", 0 < sound < CASES / 2)
    assert 0 < sound < CASES / 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck), derandomize=True)
@given(in_shape=JSON, layer=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8), extra=JSON)
def test_documents_of_any_values_are_networks_or_typed_errors(in_shape, layer, extra):
    """The right keys, anything in them."""
    hold(json.dumps({"in_shape": in_shape, "layers": [layer], "kelly": extra}).encode())


@settings(max_examples=150, derandomize=True)
@given(st.binary(max_size=200))
def test_bytes_are_typed_errors(data):
    assert not hold(data)


@pytest.mark.slow
def test_ten_minutes_of_spoilt_files():
    """A seed per day, so that every run looks elsewhere; it is printed with the case that fails."""
    run(100_000_000, seed=int(time.time()) // 86400, until_s=float(os.environ.get("KELLY_FUZZ_SECONDS", "600")))
