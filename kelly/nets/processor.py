"""The five nets as one: what each was loaded from, what stands in for it, and a run through all of them.

A net whose file is missing, broken, of other sizes or of another contract is answered by its rule, and so is
one whose file says that it does not beat its baseline, until it is switched on by name; its slot says so and why, and
the log says it at WARNING.  Nothing here stops a performance, unless
``strict`` asks for that.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kelly._rt.contract import DYNAMICS_IN, EMBEDDING, HARMONY_IN, MELODY_IN, N_MOOD, NET_NAMES, net_spec
from kelly._rt.net.network import give_memory_back
from kelly.errors import BackendUnavailableError, ModelError, ModelFormatError
from kelly.nets.cache import cached_model
from kelly.nets.catalog import check_place, check_spec
from kelly.nets.json import Model
from kelly.nets.load import check_arithmetic, network_from
from kelly.nets.store import SearchPath, search_path

try:
    from kelly._rt.stream.rules import Rule, fill_rule_indices
except ImportError as _error:  # load_network runs without them, under Numba
    raise BackendUnavailableError(
        f"the five nets' rules are not built ({_error}); run: python setup.py build_ext --inplace"
    ) from _error

Array = NDArray[np.float32]
log = logging.getLogger("kelly.nets")

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


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """One answer of all five nets, float32; a block of steps has (steps, ...) instead.

    embedding (64,)  melody (128,) sums to 1  harmony (64,) sums to 1  dynamics (16,)  groove (32,)
    sources    per net: "model", "fallback" or "off"
    """

    embedding: Array
    melody: Array
    harmony: Array
    dynamics: Array
    groove: Array
    sources: Mapping[str, str]


class MultiModelProcessor:
    """The five nets, loaded or stood in for.

    models      folder with NET/model.json; None: KELLY_MODELS_PATH, ./models, the package's own
    enabled     names of the nets that are on; None: all
    strict      raise ModelError for the first net that can't be loaded, instead of falling back
    arithmetic  as for load_network
    insisted    names of nets that answer even where their file says that the rule is better; None: none
    raises      ModelError when strict; KeyError for a name that is no net; ConfigError for another arithmetic;
                BackendUnavailableError where no engine is built
    thread      [main]; not for two threads at once, take clones
    """

    def __init__(
        self,
        models: str | os.PathLike[str] | None = None,
        enabled: Iterable[str] | None = None,
        strict: bool = False,
        arithmetic: str = "eigen",
        insisted: Iterable[str] | None = None,
    ) -> None:
        check_arithmetic(arithmetic)
        self.search = search_path(models)
        self.arithmetic = arithmetic
        names, chosen = set(NET_NAMES if enabled is None else enabled), set(insisted or ())
        for name in names | chosen:
            net_spec(name)
        self._slots: dict[str, Slot] = {}
        self._rules: dict[str, Rule] = {}
        self._ruled: dict[str, RuledNetwork] = {}
        for name in NET_NAMES:
            slot = load_slot(name, self.search, strict, arithmetic)
            self._slots[name], self._rules[name] = slot, Rule(name)
            if name in chosen:
                slot.insist()
            self._switch(name, name in names)
            log.log(logging.WARNING if slot.source == "fallback" else logging.INFO, "%s", slot.describe())
        give_memory_back()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The five slots in contract order."""
        return tuple(self._slots.values())

    @property
    def sources(self) -> Mapping[str, str]:
        """Per net: "model", "fallback" or "off"."""
        return MappingProxyType({name: slot.source for name, slot in self._slots.items()})

    @property
    def load_log(self) -> tuple[str, ...]:
        """One line per net: where it came from, memory, test vectors, latency, or the reason it fell back."""
        return tuple(slot.describe() for slot in self.slots)

    def slot(self, name: str) -> Slot:
        """The slot of a net; KeyError names the five."""
        net_spec(name)
        return self._slots[name]

    def engine(self, name: str) -> Engine:
        """What answers for a net now: its network with the rule indices filled, or its rule."""
        slot = self.slot(name)
        return self._ruled[name] if slot.source == "model" else self._rules[name]

    def clone_engine(self, name: str) -> Engine:
        """An independent twin of ``engine(name)`` for another thread."""
        twin: Engine = self.engine(name).clone()
        return twin

    def set_model_enabled(self, name: str, enabled: bool) -> None:
        """Switch a net on or off; off, its rule answers, labelled "off".  Both start from reset.

        Switched on, a net answers even where its file says that it does not beat its baseline.
        """
        if enabled:
            self.slot(name).insist()
        self._switch(name, enabled)

    def _switch(self, name: str, enabled: bool) -> None:
        slot = self.slot(name)
        if slot.network is not None and name not in self._ruled:
            self._ruled[name] = RuledNetwork(name, slot.network)
        slot.enabled = bool(enabled)
        source = "off" if not enabled else "model" if slot.network is not None else "fallback"
        if source != slot.source:
            self._rules[name].reset()
            if slot.network is not None:
                slot.network.reset()
        slot.source = source
        slot.reason = "switched off" if source == "off" else slot.load_reason

    def is_model_enabled(self, name: str) -> bool:
        """Whether a net is switched on; a net that fell back is on all the same, see its slot."""
        return self.slot(name).enabled

    def reset(self) -> None:
        """Forget everything heard; weights and switches stay."""
        for name, slot in self._slots.items():
            self._rules[name].reset()
            if slot.network is not None:
                slot.network.reset()

    def run_full_pipeline(
        self,
        features: ArrayLike,
        *,
        melody_context: ArrayLike | None = None,
        harmony_context: ArrayLike | None = None,
        dynamics_context: ArrayLike | None = None,
    ) -> InferenceResult:
        """Ask all five nets once per row; recurrent state advances.

        features          float32 (128,), or (steps, 128)
        melody_context    (32,): MELODY_IN after the mood; default the downbeat of a phrase, no chord
        harmony_context   (64,): HARMONY_IN after the embedding; default a downbeat, nothing known
        dynamics_context  (28,): DYNAMICS_IN after intensity; default a mezzo-forte melody note on the downbeat
        raises            ValueError for another shape
        """
        rows = np.ascontiguousarray(features, dtype=np.float32)
        if rows.ndim not in (1, 2) or rows.shape[-1] != net_spec("emotionrecognizer").input.size:
            raise ValueError(f"features: expected (128,) or (steps, 128), found {rows.shape}")
        embedding = self._ask("emotionrecognizer", rows)
        mood = embedding[..., :N_MOOD]
        feeling = embedding[..., [EMBEDDING[name].start for name in ("valence", "arousal", "tension", "intensity")]]
        return InferenceResult(
            embedding=embedding,
            melody=self._ask("melodytransformer", _joined(mood, melody_context, NEUTRAL_MELODY)),
            harmony=self._ask("harmonypredictor", _joined(embedding, harmony_context, NEUTRAL_HARMONY)),
            dynamics=self._ask("dynamicsengine", _joined(feeling, dynamics_context, NEUTRAL_DYNAMICS)),
            groove=self._ask("groovepredictor", embedding),
            sources=self.sources,
        )

    def _ask(self, name: str, rows: Array) -> Array:
        return self.engine(name)(rows)


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


def _neutral(vector: Any, skip: int, **values: float | tuple[float, ...]) -> Array:
    """A context of zeros but for some fields, without the ``skip`` indices that a net gives."""
    full = np.zeros(vector.size, np.float32)
    for name, value in values.items():
        full[vector.slice(name)] = value
    return full[skip:]


NEUTRAL_MELODY = _neutral(MELODY_IN, N_MOOD, beat_cos=1.0, bar_cos=1.0)
NEUTRAL_HARMONY = _neutral(HARMONY_IN, EMBEDDING.size, beat_in_bar=(1.0, 0.0, 0.0, 0.0), phrase_cos=1.0)
NEUTRAL_DYNAMICS = _neutral(
    DYNAMICS_IN, 4, level_fast=0.5, level_slow=0.5, level_peak=0.5, player_gate=0.5,
    beat_in_bar=(1.0, 0.0, 0.0, 0.0), bar_cos=1.0, phrase_cos=1.0, metrical_weight=1.0, chord_tone=1.0,
    voice=(1.0, 0.0, 0.0),
)  # fmt: skip


def _joined(given: Array, context: ArrayLike | None, neutral: Array) -> Array:
    """The net's own part of its input, then the context, repeated along the steps."""
    tail = neutral if context is None else np.asarray(context, np.float32)
    if tail.shape[-1:] != neutral.shape or tail.ndim > given.ndim:
        raise ValueError(f"context: expected {neutral.shape}, found {tail.shape}")
    tail = np.broadcast_to(tail, (*given.shape[:-1], neutral.shape[0]))
    return np.concatenate([given, tail], axis=-1)
