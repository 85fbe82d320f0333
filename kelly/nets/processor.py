"""The five nets as one: who answers for each, and a run through all of them.

What is not answered by its model (kelly.nets.slot) is answered by its rule; the slot says why, and the log says it at
WARNING.  Nothing here stops a performance, unless ``strict`` asks for that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kelly._rt.contract import DYNAMICS_IN, EMBEDDING, HARMONY_IN, MELODY_IN, N_MOOD, NET_NAMES, net_spec
from kelly._rt.net.network import give_memory_back
from kelly.nets.load import check_arithmetic
from kelly.nets.slot import Engine, Rule, RuledNetwork, Slot, load_slot
from kelly.nets.store import search_path

Array = NDArray[np.float32]
log = logging.getLogger("kelly.nets")

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
