"""Kept models: the same bits, never believed when damaged, never in the way."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import kelly
from kelly.errors import ModelError
from kelly.nets import cache
from kelly.nets.cache import cached_model
from kelly.nets.export import document_bytes
from kelly.nets.json import read_model
from tests.float32 import ulps
from tests.nets import document_of, random_layer

ROOT = Path(__file__).resolve().parents[2]


def write_model(path, seed=1):
    """A net of 90 kB with options, vectors and metadata of its own."""
    rng = np.random.default_rng(seed)
    layers = [
        random_layer("conv1d", 6, 40, rng, "tanh", kernel_size=3, dilation=2, groups=2),
        random_layer("batchnorm", 40, 40, rng),
        random_layer("lstm", 40, 30, rng),
        random_layer("dense", 30, 5, rng, bias=False),
    ]
    document = document_of(layers)
    document["kelly"] = {"seed": seed, "about": {"a": [1, 2.5, None, "ä"]}, "vectors": {"input": [[0.5] * 6], "output": [[0.25] * 5]}}
    path.write_bytes(document_bytes(document))
    old = time.time() - 60
    os.utime(path, (old, old))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache; changes of the last two seconds count as settled."""
    monkeypatch.setenv("KELLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(cache.SWITCH, raising=False)
    monkeypatch.setattr(cache, "SETTLED_S", -1.0)
    return tmp_path / "cache"


@pytest.fixture
def path(folder, tmp_path):
    return write_model(tmp_path / "model.json")


def entries(folder):
    return sorted(folder.rglob("*.net"))


def same(a, b):
    assert (a.in_size, a.out_size, a.metadata, a.path) == (b.in_size, b.out_size, b.metadata, b.path)
    for one, other in zip(a.layers, b.layers, strict=True):
        assert (one.type, one.in_size, one.out_size, one.activation, dict(one.options)) == (
            other.type, other.in_size, other.out_size, other.activation, dict(other.options))
        for x, y in zip(one.weights, other.weights, strict=True):
            assert x.shape == y.shape
            assert x.dtype == y.dtype
            assert x.tobytes() == y.tobytes()
    for x, y in ((a.vectors.input, b.vectors.input), (a.vectors.output, b.vectors.output)):
        assert x.tobytes() == y.tobytes()


def test_a_kept_model_is_the_model_of_the_file(path, folder):
    """Every bit, option and word, the first time, the second, and by the hash alone."""
    first, second = cached_model(path), cached_model(path)
    assert (first.parsed, second.parsed) == (True, False)
    assert first.sha256 == second.sha256
    for seen in folder.rglob("seen/*"):
        seen.unlink()
    third = cached_model(path)
    assert not third.parsed
    for found in (first, second, third):
        same(found.model, read_model(path))
    assert len(entries(folder)) == 1


def test_networks_from_the_cache_give_the_same_bits(path):
    x = np.random.default_rng(0).normal(0, 1, (50, 6)).astype(np.float32)
    for arithmetic in ("eigen", "int8"):
        wanted = kelly.load_network(path, arithmetic, cache=False)(x)
        for _ in range(2):
            assert ulps(kelly.load_network(path, arithmetic)(x), wanted).max() == 0


def test_a_changed_file_is_read_again(path):
    """Also with the same size and the old time of modification put back."""
    before = cached_model(path)
    stat = path.stat()
    text = path.read_bytes()
    path.write_bytes(text.replace(b'"seed":1', b'"seed":2') if b'"seed":1' in text else text.replace(b'"seed": 1', b'"seed": 2'))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = cached_model(path)
    assert after.model.metadata["seed"] == 2
    assert after.sha256 != before.sha256
    assert after.parsed


def test_a_file_changed_a_moment_ago_is_not_known_by_its_times(path, monkeypatch, folder):
    """Two writes within one tick of the file system's clock would look the same."""
    monkeypatch.setattr(cache, "SETTLED_S", 1e9)
    cached_model(path)
    assert not list(folder.rglob("seen/*"))
    assert not cached_model(path).parsed  # by its hash


@pytest.mark.parametrize("damage", ["cut", "one bit", "head", "empty", "another's", "longer", "garbage", "seen"])
def test_a_damaged_entry_is_made_again_and_never_believed(path, folder, tmp_path, damage):
    cached_model(path)
    (entry,) = entries(folder)
    data = entry.read_bytes()
    if damage == "cut":
        entry.write_bytes(data[: len(data) // 2])
    elif damage == "one bit":
        at = len(data) - 1000
        entry.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
    elif damage == "head":
        entry.write_bytes(data[:41] + b"\xff\xff\xff" + data[44:])
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "another's":
        other = write_model(tmp_path / "other.json", 5)
        cached_model(other)
        (foreign,) = set(entries(folder)) - {entry}
        entry.write_bytes(foreign.read_bytes())
    elif damage == "longer":
        entry.write_bytes(data + b"\0" * 64)
    elif damage == "garbage":
        entry.write_bytes(os.urandom(5000))
    else:
        (seen,) = folder.rglob("seen/*")
        seen.write_text("0" * 64 + " " + "0" * 32)
    found = cached_model(path)
    same(found.model, read_model(path))
    assert found.parsed == (damage != "seen")
    assert not cached_model(path).parsed


def test_an_entry_with_a_right_checksum_and_wrong_shapes_cannot_reach_outside(path, folder):
    """Layers of an entry pass the plan's checks; offsets outside the entry are no arrays."""
    cached_model(path)
    (entry,) = entries(folder)
    data = entry.read_bytes()
    length = int.from_bytes(data[40:48], "little")
    for place in ([len(data), [3, 3, 40]], [0, [3, 3, 20]], [-64, [3, 3, 40]], [0, "x"]):
        head = json.loads(data[48 : 48 + length])
        head["layers"][0]["weights"][0] = place
        text = json.dumps(head).encode().ljust(length)
        body = len(text).to_bytes(8, "little") + text + data[48 + length :]
        entry.unlink()
        entry.write_bytes(data[:8] + hashlib.sha256(body).digest() + body)
        found = cached_model(path)
        assert found.parsed
        same(found.model, read_model(path))


@pytest.mark.parametrize("switch", ["off", "0", "argument"])
def test_the_switch(path, folder, monkeypatch, switch):
    if switch != "argument":
        monkeypatch.setenv(cache.SWITCH, switch)
    for _ in range(2):
        assert cached_model(path, use=switch != "argument").parsed
    assert not folder.exists()


@pytest.mark.parametrize("obstacle", ["a file", "full", "no home"])
def test_a_cache_that_cannot_be_written_stops_nobody(path, folder, tmp_path, monkeypatch, obstacle):
    if obstacle == "a file":
        folder.write_text("in the way")
    elif obstacle == "full":
        real = open

        def opener(file, mode="r", *more, **options):
            if mode == "wb":
                raise OSError(28, "No space left on device")
            return real(file, mode, *more, **options)

        monkeypatch.setattr(cache, "open", opener, raising=False)
    else:
        monkeypatch.delenv("KELLY_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    for _ in range(2):
        same(cached_model(path).model, read_model(path))
    assert obstacle == "a file" or not folder.exists() or not [p for p in folder.rglob("*") if p.is_file()]


def test_a_bad_file_is_refused_as_ever_and_not_kept(path, folder):
    path.write_bytes(path.read_bytes()[:-20])
    for _ in range(2):
        with pytest.raises(ModelError):
            cached_model(path)
    with pytest.raises(ModelError, match="a readable model file"):
        cached_model(path.parent)
    assert entries(folder) == []


def test_the_cache_stays_within_its_room_and_drops_what_was_used_longest_ago(folder, tmp_path, monkeypatch):
    paths = [write_model(tmp_path / f"{seed}.json", seed) for seed in range(5)]
    cached_model(paths[0])
    (first,) = entries(folder)
    monkeypatch.setattr(cache, "MOST_BYTES", 3 * first.stat().st_size + 1000)
    monkeypatch.setattr(cache, "LARGEST_SHARE", 1)
    for path in paths[1:]:
        for entry in entries(folder):
            os.utime(entry, (1e9, entry.stat().st_mtime - 1e6))
        cached_model(path)
    assert len(entries(folder)) == 3
    assert first not in entries(folder)
    assert not cached_model(paths[4]).parsed
    monkeypatch.setattr(cache, "LARGEST_SHARE", 1000)
    cached_model(write_model(tmp_path / "too large.json", 99))
    assert len(entries(folder)) == 3


def test_leftovers_of_a_killed_process_go_away(path, folder, tmp_path):
    cached_model(path)
    left = entries(folder)[0].with_suffix(".net.1.2.part")
    left.write_bytes(b"half")
    os.utime(left, (1e9, 1e9))
    cached_model(write_model(tmp_path / "other.json", 2))
    assert not left.exists()


def test_small_files_are_not_kept(folder, tmp_path):
    small = tmp_path / "small.json"
    small.write_bytes(document_bytes(document_of([random_layer("dense", 3, 2, np.random.default_rng(0))])))
    assert cached_model(small).parsed
    assert cached_model(small).parsed
    assert not folder.exists()


def test_many_readers_and_writers_at_once(path, folder):
    """Four processes and threads within, on an empty cache that is emptied again and again."""
    code = (
        "import sys, threading; from kelly.nets import cache; cache.SETTLED_S = -1.0\n"
        "sums = set()\n"
        "def go():\n"
        "    for _ in range(15):\n"
        "        found = cache.cached_model(sys.argv[1])\n"
        "        sums.add(sum(w.tobytes().__hash__() for layer in found.model.layers for w in layer.weights))\n"
        "threads = [threading.Thread(target=go) for _ in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "assert len(sums) == 1; print('same')\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    stop = threading.Event()

    def empty():
        while not stop.wait(0.005):
            for entry in entries(folder):
                entry.unlink(missing_ok=True)

    thread = threading.Thread(target=empty)
    thread.start()
    answers = [child.communicate(timeout=600)[0].strip() for child in children]
    stop.set()
    thread.join()
    assert answers == ["same"] * 3


def test_a_replaced_entry_does_not_pull_the_weights_away(path, folder):
    """The arrays lie in the mapped entry: whoever unlinks or replaces it leaves the map alone."""
    cached_model(path)
    held = cached_model(path).model
    for entry in entries(folder):
        entry.unlink()
    cached_model(write_model(path.parent / "other.json", 2))
    same(held, read_model(path))
