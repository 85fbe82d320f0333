"""Models read once, kept as the reader left them: checked layers in float32, mapped into memory the next time.

An entry is named by the hash of the model file and lies below the hash of the rules it was checked with, so
neither a changed file nor a changed reader meets an old one.  Where the file's identity (device, inode, size, both
times) is one whose hash was computed before, the file is not even read.  Nothing here is believed: every entry
carries a checksum over all of it, and its layers pass the plan's own checks; whatever is
damaged, missing or of another build is made again from the model file.

    "kellynet" | SHA-256 of the rest | length of the head | head, JSON | float32 arrays, each on its own cache line

Entries appear whole, under their name at once, and are only ever unlinked: another process may have them mapped.  A
folder that cannot be written or is full costs nothing but the time that a kept entry would have saved.
KELLY_MODEL_CACHE=off switches all of this off.

thread  [main]
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

from kelly._rt.net import layers as layer_table
from kelly._rt.net import reader
from kelly._rt.net.layers import LayerSpec
from kelly._rt.net.plan import check_layer
from kelly.folders import cache_folder
from kelly.nets import json as model_json
from kelly.nets import metadata as model_metadata
from kelly.nets.json import Model, parse_model, read_bytes
from kelly.nets.metadata import Vectors

SWITCH = "KELLY_MODEL_CACHE"
OFF = ("off", "0", "no", "false")
LEAST_BYTES = 64_000  # a shorter model file is read as fast as an entry is found
MOST_BYTES = 1 << 30  # of all entries together
LARGEST_SHARE = 4  # an entry above this part of MOST_BYTES is not kept: it would push out all others
MOST_SEEN = 1000  # remembered identities of files
SETTLED_S = 2.0  # a file changed later than this ago may change again without its times showing it
STALE_S = 3600.0  # what was left half written

_MAGIC = b"kellynet"
_ALIGN = 64
_START = len(_MAGIC) + 32
_MAPPING: dict[str, Any] = (  # all of it is read at once for the checksum: one call instead of a fault per page
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_POPULATE, "prot": mmap.PROT_READ} if hasattr(mmap, "MAP_POPULATE") else {"access": mmap.ACCESS_READ}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A model and where it comes from.

    sha256  of the file, in hex
    parsed  whether JSON was read; False: the arrays lie in a mapped entry
    """

    model: Model
    sha256: str
    parsed: bool


def cached_model(path: str | os.PathLike[str], use: bool = True) -> Found:
    """The model in a file, from the cache where it is there.

    use     False: neither look nor keep
    raises  ModelError as ``read_model`` does, at the file's first fault; never because of the cache
    """
    folder = _folder() if use else None
    name = os.fspath(path)
    before = _identity(name) if folder is not None else None
    if folder is not None and before is not None:
        key = _seen(folder, before)
        model = _load(folder, key) if key else None
        if model is not None:
            return Found(replace(model, path=str(name)), key, False)
    data = read_bytes(name)
    key = hashlib.sha256(data).hexdigest()
    model = _load(folder, key) if folder is not None and len(data) >= LEAST_BYTES else None
    made = model is None
    if model is None:
        model, faults = parse_model(data, str(name))
        if model is None:
            raise faults[0]
    if folder is not None and len(data) >= LEAST_BYTES and (not made or _store(folder, key, model)):
        _remember(folder, name, before, key)
    return Found(replace(model, path=str(name)), key, made)


def _folder() -> Path | None:
    """Where entries of these rules lie; None where the cache is off."""
    if os.environ.get(SWITCH, "").lower() in OFF:
        return None
    try:
        return cache_folder() / "models" / _rules()
    except (OSError, RuntimeError):  # no home, or the sources cannot be read
        return None


@lru_cache(maxsize=1)
def _rules() -> str:
    """Hash of what decides how a file is read and kept: an entry of other rules is not found."""
    digest = hashlib.sha256(sys.byteorder.encode())
    for module in (sys.modules[__name__], model_json, model_metadata, layer_table):
        digest.update(Path(str(module.__file__)).read_bytes())
    scanner = os.stat(str(sys.modules[reader.scan.__module__].__file__))
    digest.update(f"{scanner.st_size} {scanner.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


# ------------------------------------------------------------------ identities


def _identity(path: str) -> str | None:
    """What of a file changes whenever its content does; None where the system has no such thing."""
    if os.name != "posix":  # elsewhere st_ctime is the time of creation
        return None
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if found.st_size < LEAST_BYTES:
        return None
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _sealed(identity: str, key: str) -> str:
    return f"{key} {hashlib.sha256(f'{identity} {key}'.encode()).hexdigest()[:32]}"


def _seen(folder: Path, identity: str) -> str:
    """The hash that a file of this identity had; "" if that isn't known."""
    try:
        found = (folder / "seen" / hashlib.sha256(identity.encode()).hexdigest()[:32]).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
    key = found[:64]
    return key if found == _sealed(identity, key) else ""


def _remember(folder: Path, path: str, before: str | None, key: str) -> None:
    """Note the hash of a file that nobody has touched for a while, nor while it was read."""
    if before is None or _identity(path) != before:
        return
    changed_ns = max(int(part) for part in before.split()[3:])
    if time.time() - changed_ns / 1e9 < SETTLED_S:
        return
    target = folder / "seen" / hashlib.sha256(before.encode()).hexdigest()[:32]
    _write(target, [_sealed(before, key).encode("ascii")])


# ------------------------------------------------------------------ entries


def _load(folder: Path, key: str) -> Model | None:
    """The kept model, its arrays lying in the mapped file; None if there is none to be believed."""
    path = folder / f"{key}.net"
    try:
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, **_MAPPING)
    except (OSError, ValueError):  # not there; empty
        return None
    try:
        model = _decoded(mapped, key)
    except Exception:  # whatever a damaged entry does to its reader: it is made again
        model = None
    if model is None:
        _unlink(path)
    elif time.time() - path.stat().st_mtime > STALE_S:
        with contextlib.suppress(OSError):
            os.utime(path)  # what is used stays longest
    return model


def _decoded(mapped: mmap.mmap, key: str) -> Model | None:
    with memoryview(mapped) as view:
        if view[: len(_MAGIC)] != _MAGIC or hashlib.sha256(view[_START:]).digest() != view[len(_MAGIC) : _START]:
            return None
        behind = _START + 8
        length = int.from_bytes(view[_START:behind], "little")
        head = json.loads(bytes(view[behind : behind + length]))
    if head["source"] != key:
        return None
    begin = -(-(behind + length) // _ALIGN) * _ALIGN

    def array(place: list[Any]) -> NDArray[np.float32]:
        offset, shape = place
        if offset < 0:
            raise ValueError("an array before the first")
        return np.frombuffer(mapped, np.float32, int(np.prod(shape, dtype=np.int64)), begin + offset).reshape(shape)

    layers = []
    for index, layer in enumerate(head["layers"]):
        kind, inputs, outputs, activation = layer["is"]
        layers.append(LayerSpec(kind, inputs, outputs, activation, tuple(map(array, layer["weights"])), layer["options"]))
        check_layer(index, layers[-1])
    vectors = None if head["vectors"] is None else Vectors(*map(array, head["vectors"]))
    return Model(head["in_size"], tuple(layers), head["metadata"], vectors, "")


def _store(folder: Path, key: str, model: Model) -> bool:
    """Keep a model; False if it cannot be kept."""
    arrays: list[NDArray[np.float32]] = []
    size = 0

    def place(array: NDArray[np.float32]) -> list[Any]:
        nonlocal size
        offset, size = size, size + -(-array.nbytes // _ALIGN) * _ALIGN
        arrays.append(array)
        return [offset, list(array.shape)]

    head = {
        "source": key,
        "in_size": model.in_size,
        "layers": [
            {
                "is": [layer.type, layer.in_size, layer.out_size, layer.activation],
                "weights": [place(array) for array in layer.weights],
                "options": dict(layer.options),
            }
            for layer in model.layers
        ],
        "vectors": None if model.vectors is None else [place(model.vectors.input), place(model.vectors.output)],
        "metadata": model.metadata,
    }
    if size > MOST_BYTES // LARGEST_SHARE:
        return False
    try:
        text = json.dumps(head).encode()
    except (TypeError, ValueError, RecursionError):  # something that the reader skipped stands in the metadata
        return False
    text += b" " * (-(_START + 8 + len(text)) % _ALIGN)
    parts: list[Any] = [len(text).to_bytes(8, "little"), text]
    for array in arrays:
        parts += [np.ascontiguousarray(array).data.cast("B"), bytes(-array.nbytes % _ALIGN)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    kept = _write(folder / f"{key}.net", [_MAGIC, digest.digest(), *parts])
    _trim(folder.parent)
    return kept


def kept() -> tuple[Path | None, int, int]:
    """(folder, entries of these rules, their bytes); None where the cache is off."""
    folder = _folder()
    sizes = [] if folder is None else [path.stat().st_size for path in folder.glob("*.net")]
    return folder, len(sizes), sum(sizes)


# ------------------------------------------------------------------ files


def _write(target: Path, parts: list[Any]) -> bool:
    """A file that appears whole or not at all; False where it cannot be written."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.writelines(parts)
        os.replace(partial, target)
    except OSError:  # read-only, full: the model was read all the same
        _unlink(partial)
        return False
    return True


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _trim(models: Path) -> None:
    """Unlink what was used longest ago, of all rules, until the rest has room; and what never got its name."""
    kept, seen = [], []
    now = time.time()
    for where, _, names in os.walk(models):
        for name in names:
            path = Path(where) / name
            try:
                found = path.stat()
            except OSError:  # another process was faster
                continue
            if name.endswith(".part"):
                if now - found.st_mtime > STALE_S:
                    _unlink(path)
            elif name.endswith(".net"):
                kept.append((found.st_mtime, found.st_size, path))
            else:
                seen.append((found.st_mtime, path))
    total = 0
    for _, size, path in sorted(kept, reverse=True):
        total += size
        if total > MOST_BYTES:
            _unlink(path)
    for _, path in sorted(seen, reverse=True)[MOST_SEEN:]:
        _unlink(path)
