"""Whoever computes a network: kelly's arithmetics, NumPy, PyTorch, ONNX Runtime, a C++ program, test vectors.

All answer a sequence from reset, (T, in) -> (T, out) float32, so that ``parity`` treats them alike.

thread  [main]
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kelly.errors import BackendUnavailableError, ConfigError, ModelFormatError, ModelShapeError
from kelly.nets.accuracy import ALLOWED, LEAST_COSINE
from kelly.nets.json import Model, read_model
from kelly.nets.load import network_from

Array = NDArray[np.float32]

REFERENCE_VARIABLE = "KELLY_RTNEURAL_REFERENCE"
PROGRAM_TIMEOUT_S = 300.0
TOLERANCES = ALLOWED
COSINES = {"int8": LEAST_COSINE}
"""Least cosine between the answers of 8-bit weights and exact ones: a net that only looks small in error is seen."""
TOLERANCE = 1e-5
"""Largest difference between two float32 engines that add in another order, times the largest output from 1 up."""


class Contestant(Protocol):
    """One engine with one network.

    name       what reports call it
    tolerance  how far it may be from an exact float32 engine
    layers     how many layers ``trace`` counts; 0 where it can't look inside
    """

    name: str
    tolerance: float

    def run(self, x: Array) -> Array:
        """(T, in) -> (T, out), from reset."""

    def stream(self, x: Array, blocks: Sequence[int]) -> Array | None:
        """The same fed in blocks, state going on; None where it carries none."""

    def trace(self, x: Array) -> dict[int, Array]:
        """What each layer answers, by index; {} where it can't look inside."""


class KellyContestant:
    """kelly's engine in one arithmetic."""

    def __init__(self, model: Model, arithmetic: str, name: str = "") -> None:
        self.model, self.arithmetic = model, arithmetic
        self.name, self.tolerance = name or f"kelly {arithmetic}", TOLERANCES.get(arithmetic, TOLERANCE)
        self.cosine = COSINES.get(arithmetic)
        self.network = network_from(model, arithmetic)

    def run(self, x: Array) -> Array:
        self.network.reset()
        answer: Array = self.network(x)
        return answer

    def stream(self, x: Array, blocks: Sequence[int]) -> Array | None:
        self.network.reset()
        out = np.empty((len(x), self.network.out_size), np.float32)
        at = 0
        for size in blocks:
            if size == 1:
                self.network.process(x[at], out[at])
            else:
                self.network.process(x[at : at + size], out[at : at + size])
            at += size
        return out

    def trace(self, x: Array) -> dict[int, Array]:
        return {
            index: network_from(_first_layers(self.model, index + 1), self.arithmetic)(x) for index in range(len(self.model.layers))
        }


def _first_layers(model: Model, count: int) -> Model:
    return Model(model.in_size, model.layers[:count], {}, None, model.path)


class NumpyContestant:
    """The oracle in float64, its answers rounded."""

    name, tolerance = "numpy float64", TOLERANCE

    def __init__(self, model: Model) -> None:
        self.model = model

    def run(self, x: Array) -> Array:
        return self._first(len(self.model.layers), x)

    def stream(self, x: Array, blocks: Sequence[int]) -> Array | None:
        from kelly._rt.net.reference import Reference

        net, at, parts = Reference(self.model.layers), 0, []
        for size in blocks:
            parts.append(net(x[at : at + size]))
            at += size
        return np.concatenate(parts).astype(np.float32)

    def trace(self, x: Array) -> dict[int, Array]:
        return {index: self._first(index + 1, x) for index in range(len(self.model.layers))}

    def _first(self, count: int, x: Array) -> Array:
        from kelly._rt.net.reference import Reference

        return np.asarray(Reference(self.model.layers[:count])(x), np.float32)


class ForeignContestant:
    """PyTorch or ONNX Runtime: a net with __call__, reset and trace.

    carries  False: it gives no state back, so a stream is all of the past at once, block after block
    """

    tolerance = TOLERANCE

    def __init__(self, net: Any, name: str, carries: bool = True) -> None:
        self.net, self.name, self.carries = net, name, carries

    def run(self, x: Array) -> Array:
        self.net.reset()
        answer: Array = self.net(x)
        return answer

    def stream(self, x: Array, blocks: Sequence[int]) -> Array | None:
        if not self.carries:
            return from_the_past(self.run, x, blocks) if getattr(self.net, "any_length", True) else None
        self.net.reset()
        at, parts = 0, []
        for size in blocks:
            parts.append(self.net(x[at : at + size]))
            at += size
        return np.concatenate(parts)

    def trace(self, x: Array) -> dict[int, Array]:
        found: dict[int, Array] = self.net.trace(x)
        return found

    def match(self, x: Array, wanted: dict[int, Array]) -> dict[int, Array]:
        """What in a net of other names is likest to each layer; {} where it can't look inside."""
        found: dict[int, Array] = self.net.match(x, wanted) if hasattr(self.net, "match") else {}
        return found


def from_the_past(run: Callable[[Array], Array], x: Array, blocks: Sequence[int]) -> Array:
    """Block after block from all rows so far: differs from ``run(x)`` where an answer depends on what comes after it."""
    at, parts = 0, []
    for size in blocks:
        at += size
        parts.append(run(x[:at])[-size:])
    return np.concatenate(parts)


class ProgramContestant:
    """A program that runs the C++ library: EXE MODEL.json [RESET_EVERY] < input > output, float32, time-major."""

    def __init__(self, program: str, model: Model, backend: str = "") -> None:
        self.program, self.model, self.backend = program, model, backend
        self.name, self.tolerance = f"RTNeural {backend}".strip(), TOLERANCE
        if not os.access(program, os.X_OK):
            raise BackendUnavailableError(f"{program}: expected a program that runs RTNeural, found none")

    def run(self, x: Array) -> Array:
        return self._ask(self.model.path, x)

    def stream(self, x: Array, blocks: Sequence[int]) -> Array | None:
        """A process begins anew with every call: a few prefixes are enough."""
        edges = sorted({1, len(x) // 2 or 1, len(x)})
        return from_the_past(self.run, x, np.diff([0, *edges]).tolist())

    def rerun(self, x: Array) -> Array:
        """The second of two runs in one process, which resets between them."""
        return self._ask(self.model.path, np.concatenate([x, x]), str(len(x)))[len(x) :]

    def trace(self, x: Array) -> dict[int, Array]:
        document = json.loads(Path(self.model.path).read_bytes())
        found: dict[int, Array] = {}
        with tempfile.TemporaryDirectory(prefix="kelly-parity-") as folder:
            for index in range(len(self.model.layers)):
                path = Path(folder) / f"first_{index + 1}.json"
                path.write_text(json.dumps({"in_shape": document["in_shape"], "layers": document["layers"][: index + 1]}))
                found[index] = self._ask(str(path), x)
        return found

    def _ask(self, path: str, x: Array, *arguments: str) -> Array:
        try:
            done = subprocess.run(
                [self.program, path, *arguments], input=np.ascontiguousarray(x, "<f4").tobytes(), capture_output=True, timeout=PROGRAM_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendUnavailableError(f"{self.program}: {error}") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise BackendUnavailableError(f"{self.program}: exit {done.returncode}{': ' + said[-1] if said else ''}")
        values = np.frombuffer(done.stdout, "<f4")
        if values.size == 0 or values.size % len(x):
            raise BackendUnavailableError(f"{self.program}: expected rows of floats for {len(x)} steps, found {len(done.stdout)} bytes")
        return values.reshape(len(x), -1).astype(np.float32)


class VectorsContestant:
    """The answers that the file's maker embedded; it knows only its own input."""

    name, tolerance = "test vectors", TOLERANCE

    def __init__(self, model: Model) -> None:
        if model.vectors is None:
            raise ModelFormatError(path=model.path, pointer="/kelly/vectors", expected="test vectors", found="none")
        self.vectors = model.vectors

    def run(self, x: Array) -> Array:
        return self.vectors.output

    def stream(self, x: Array, blocks: Sequence[int]) -> Array | None:
        return None

    def trace(self, x: Array) -> dict[int, Array]:
        return {}


def open_contestants(
    text: str, base: Model | None, *, arithmetic: str = "eigen", module: str = "", activations: Sequence[str] | None = None
) -> list[Contestant]:
    """Whoever a word of the command line means.

    text         an arithmetic ("stl"), "numpy", "vectors", "torch", "onnx" or "onnxruntime" (the model's own
                 translation), "reference"
                 (every program of KELLY_RTNEURAL_REFERENCE), BACKEND=PROGRAM, or a file: .json, .onnx, .pt
    base         the model that is compared; what has no structure of its own takes it from there
    arithmetic   for .json files
    module       FILE.py:NAME of the class whose state_dict a .pt holds
    activations  of a .pt without a base
    raises       ConfigError for a word that means nothing, ModelError, BackendUnavailableError
    """
    from kelly.config import ARITHMETICS

    suffix = Path(text).suffix.lower()
    if text in ARITHMETICS:
        return [KellyContestant(_based(base, text), text)]
    if text == "numpy":
        return [NumpyContestant(_based(base, text))]
    if text == "vectors":
        return [VectorsContestant(_based(base, text))]
    if text == "torch":
        return [_torch_of(_based(base, text), "PyTorch")]
    if text in ("onnx", "onnxruntime"):  # bench knows it by the second name
        from kelly.nets.onnx import OnnxNet, to_onnx

        return [ForeignContestant(OnnxNet(to_onnx(_based(base, text).layers), traced=True), "ONNX Runtime")]
    if text == "reference":
        given = os.environ.get(REFERENCE_VARIABLE, "")
        if not given:
            raise ConfigError(f"{REFERENCE_VARIABLE} is not set; it names programs as BACKEND=PATH, with commas between")
        return [_program(word, _based(base, text)) for word in given.split(",")]
    if suffix in (".json", ".aidax"):
        return [KellyContestant(read_model(text), arithmetic, f"{Path(text).name} {arithmetic}")]
    if suffix == ".onnx":
        from kelly.nets.onnx import OnnxNet

        net = OnnxNet(text, traced=True)
        return [ForeignContestant(net, Path(text).name, carries=bool(net.carried))]
    if suffix in (".pt", ".pth", ".ckpt") or ".py:" in text:
        return [checkpoint(text, base, module, activations)]
    if "=" in text:
        return [_program(text, _based(base, text))]
    raise ConfigError(
        f"{text!r}: expected an arithmetic, numpy, torch, onnxruntime, vectors, reference, BACKEND=PROGRAM or a .json, .onnx or .pt file"
    )


def _based(base: Model | None, text: str) -> Model:
    if base is None:
        raise ConfigError(f"{text!r} needs an RTNeural JSON file on the other side")
    return base


def _program(word: str, model: Model) -> ProgramContestant:
    backend, _, path = word.rpartition("=")
    return ProgramContestant(path, model, backend)


def _torch_of(model: Model, name: str) -> ForeignContestant:
    from kelly.nets.pytorch import TorchNet, modules_of_layers

    made = modules_of_layers(model.layers)
    return ForeignContestant(TorchNet([module for module, _ in made], [row for _, row in made]), name)


def checkpoint(text: str, base: Model | None, module: str = "", activations: Sequence[str] | None = None) -> ForeignContestant:
    """A PyTorch network from a .pt with a state_dict, from FILE.py:NAME, or from both together."""
    from kelly.nets import pytorch
    from kelly.nets.export import to_rtneural

    whole: Any = None
    if ".py:" in text:
        whole = pytorch.load_module(text)
    else:
        state = pytorch.load_state(text)
        if module:
            whole = pytorch.state_of(pytorch.load_module(module), state, text)
    if whole is not None:
        modules = pytorch.leaves(whole)
    else:
        modules = pytorch.modules_of_state(state, activations, base.layers if base is not None else None, text)

    def exported(some: Sequence[Any]) -> int:
        return len(to_rtneural(list(some), base.in_size if base is not None else None)["layers"])

    try:
        rows = [max(0, exported(modules[: count + 1]) - 1) for count in range(len(modules))]
    except (ModelFormatError, ModelShapeError, ValueError):
        rows = None
    plain = whole is None or type(whole).__name__ in ("Sequential", "ModuleList") or not list(whole.children())
    net = pytorch.TorchNet(modules, rows, None if plain else whole)
    return ForeignContestant(net, f"PyTorch {Path(text.rpartition(':')[0] or text).name}", carries=plain)
