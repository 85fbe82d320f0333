"""Models made to cost much: refusing is cheap, whatever the file is made of."""

import subprocess
import sys
import textwrap
import time

import pytest

from kelly.errors import ModelShapeError
from kelly.nets.json import parse_model
from tests.unit.model_material import GOOD, as_bytes, chain, dense

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
