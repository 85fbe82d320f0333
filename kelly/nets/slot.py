"""One of the five nets: what was loaded for it, or why its rule stands in.

A net whose file is missing, broken, of other sizes or of another contract is answered by its rule, and so is one
whose file says that it does not beat its baseline, until it is switched on by name.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kelly._rt.contract import net_spec
from kelly.errors import BackendUnavailableError, ModelError, ModelFormatError
from kelly.nets.cache import cached_model
from kelly.nets.catalog import check_place, check_spec
from kelly.nets.json import Model
from kelly.nets.load import network_from
from kelly.nets.store import SearchPath

try:
    from kelly._rt.stream.rules import Rule as Rule
    from kelly._rt.stream.rules import fill_rule_indices
except ImportError as _error:  # load_network runs without them, under Numba
    raise BackendUnavailableError(
        f"the five nets' rules are not built ({_error}); run: python setup.py build_ext --inplace"
    ) from _error

Array = NDArray[np.float32]

VECTOR_TOLERANCE = 1e-5
"""Largest difference allowed between a file's embedded test vectors and this engine: float32 sums in
another order differ by about 1e-6 on these nets; a transposed matrix or swapped gate by 1e-2 and more."""

LATENCY_STEPS = 32


class Engine(Protocol):
    """What answers for a net: a Network, a Rule, or a Network whose rule indices are filled."""

    @property
    def in_size(self) -> int: ...
    @property
    def out_size(self) -> int: ...
    def process(self, x: Array, out: Array) -> Any: ...
    def __call__(self, x: ArrayLike) -> Array: ...
    def reset(self) -> None: ...
    def clone(self) -> Any: ...


class RuledNetwork:
    """A Network whose ``rule`` indices are filled by the rule; the same face as Network.

    thread  [owner]
    """

    def __init__(self, name: str, network: Any) -> None:
        self.name, self.network = name, network
        self.in_size: int = network.in_size
        self.out_size: int = network.out_size

    def process(self, x: Array, out: Array) -> None:
        """As Network.process: one step or a block, into the caller's buffer."""
        self.network.process(x, out)
        if x.ndim == 1:
            fill_rule_indices(self.name, x, out)
        else:
            for row, answer in zip(x, out, strict=True):
                fill_rule_indices(self.name, row, answer)

    def __call__(self, x: ArrayLike) -> Array:
        block = np.ascontiguousarray(x, dtype=np.float32)
        out = np.empty((*block.shape[:-1], self.out_size), np.float32)
        self.process(block, out)
        return out

    def reset(self) -> None:
        self.network.reset()

    def clone(self) -> RuledNetwork:
        return RuledNetwork(self.name, self.network.clone())


@dataclass(slots=True)
class Slot:
    """One net: what answers for it and how that came to be.

    source        "model", "fallback" (no usable file) or "off" (disabled; the rule answers)
    reason        why it isn't the model; "" when it is
    network       the raw Network, for the worker, which fills the rule indices itself; None without a file
    path          the file that was tried, None when none was found
    nbytes        memory of the network's weights and state
    sha256        of the file, "" without one
    latency_us    median time of one step, measured at load
    vector_error  largest difference to the embedded test vectors; None when the file has none
    taught_by     what the file says it learned from
    missed        gates of this project that the file says it does not pass
    beaten        what is said of a file that says it does not beat its baseline; "" of another
    spare         the Network of such a file, while it is not switched on by name
    """

    name: str
    source: str = "fallback"
    reason: str = ""
    network: Any = None
    path: Path | None = None
    nbytes: int = 0
    sha256: str = ""
    latency_us: float = 0.0
    vector_error: float | None = None
    taught_by: str = ""
    missed: tuple[str, ...] = ()
    enabled: bool = True
    beaten: str = ""
    spare: Any = None
    load_reason: str = field(default="", repr=False)

    def insist(self) -> None:
        """Take the spare network."""
        if self.spare is not None:
            self.network, self.spare, self.load_reason = self.spare, None, ""

    def describe(self) -> str:
        """The slot's line of the load log."""
        if self.network is None:
            return f"{self.name}: {self.source} ({self.reason})"
        vectors = "no test vectors" if self.vector_error is None else f"test vectors within {self.vector_error:.1e}"
        text = f"{self.nbytes / 1e6:.2f} MB, {vectors}, {self.latency_us:.1f} us a step, {self.path}"
        return f"{self.name}: {self.source} ({self.reason}; {text})" if self.reason else f"{self.name}: {self.source}, {text}"


def load_slot(name: str, search: SearchPath, strict: bool = False, arithmetic: str = "eigen") -> Slot:
    """Load one net, or make a slot that says why not.

    raises  ModelError when strict; BackendUnavailableError where no engine is built
    """
    slot = Slot(name, path=search.find(name))
    try:
        if slot.path is None:
            raise ModelError(search.why_missing(name))
        _fill_slot(slot, arithmetic)
        if slot.beaten:
            slot.network, slot.spare, slot.source, slot.load_reason = None, slot.network, "fallback", slot.beaten
    except BackendUnavailableError:
        raise
    except Exception as error:  # on a stage, whatever a file does to the loader ends in the fallback
        if strict:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{type(error).__name__}: {error}", path=str(slot.path)) from error
        slot.network, slot.source = None, "fallback"
        slot.load_reason = str(error) if isinstance(error, ModelError) else f"{slot.path}: {type(error).__name__}: {error}"
    slot.reason = slot.load_reason
    return slot


def load_file(name: str, path: str | os.PathLike[str], arithmetic: str = "eigen") -> Slot:
    """One net from a file of one's own choice.

    raises  ModelError for whatever the file does to the loader; KeyError for a name that is no net
    """
    slot = Slot(name, path=Path(path))
    net_spec(name)
    try:
        _fill_slot(slot, arithmetic)
    except (ModelError, BackendUnavailableError):
        raise
    except Exception as error:
        raise ModelError(f"{type(error).__name__}: {error}", path=str(path)) from error
    return slot


def _fill_slot(slot: Slot, arithmetic: str) -> None:
    """Read, check, build, prove, time."""
    path = str(slot.path)
    found = cached_model(path)
    model, slot.sha256 = found.model, found.sha256
    for fault in (*check_place(model, slot.name, path), *check_spec(model, slot.name, path)):
        raise fault
    network = network_from(model, arithmetic)
    slot.vector_error = vector_error(network, model)
    if slot.vector_error is not None and not slot.vector_error <= VECTOR_TOLERANCE:
        raise vector_fault(slot.vector_error, path)
    slot.latency_us = step_latency_us(network)
    slot.nbytes, slot.taught_by = network.nbytes, str(model.metadata.get("taught_by", ""))
    slot.missed = tuple(str(gate) for gate in model.metadata.get("gates_missed", ()))
    slot.network, slot.source = network, "model"
    if model.metadata.get("beats_baseline") is False:
        slot.beaten = f"{path}: does not beat its baseline, so the rule answers; --enable {slot.name} takes it all the same"


def vector_error(network: Any, model: Model) -> float | None:
    """Largest absolute difference to the embedded test vectors, run from reset; None without vectors."""
    if model.vectors is None:
        return None
    network.reset()
    found = network(model.vectors.input)
    network.reset()
    error = np.abs(found - model.vectors.output)
    return float(np.max(np.where(np.isnan(error), np.inf, error), initial=0.0))


def vector_fault(error: float, path: str) -> ModelError:
    """What is said about a network that fails its own test vectors."""
    return ModelFormatError(
        "the network doesn't compute what its maker saw", path=path, pointer="/kelly/vectors",
        expected=f"a difference up to {VECTOR_TOLERANCE:g}", found=f"{error:.3g}",
        hint="weights and test vectors are of different runs, or a matrix is transposed",
    )  # fmt: skip


def step_latency_us(network: Any) -> float:
    """Median wall time of one ``process`` call on zeros, in microseconds; leaves the network reset."""
    x, y = np.zeros(network.in_size, np.float32), np.empty(network.out_size, np.float32)
    times = []
    for _ in range(LATENCY_STEPS):
        start = time.perf_counter_ns()
        network.process(x, y)
        times.append(time.perf_counter_ns() - start)
    network.reset()
    return float(np.median(times)) / 1e3
