"""The conductor's two nets: model or rule, and half a second between them.

The worker does the same in C for the nets it asks itself.  Which one is wanted comes with the tick, so
it depends on the stream and not on when a thread looked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import SOURCES
from kelly._rt.stream.rules import Rule
from kelly.music.controls import read_controls
from kelly.nets.processor import MultiModelProcessor
from kelly.nets.slot import Engine, RuledNetwork

Array = NDArray[np.float32]

CONDUCTOR_NETS = ("melodytransformer", "dynamicsengine")
FADE = 0.04 / 0.5  # per tick: half a second
RETRY_TICKS, RETRY_MOST = 25, 1500  # a second, a minute
_MODEL = SOURCES.index("model")
BLENDS = ("blend_emotion", "blend_melody", "blend_harmony", "blend_dynamics", "blend_groove")
"""The control of each net, in NETS order."""


class SwitchedEngine:
    """One net's answer: the model's, the rule's, or a mixture while one gives way to the other.

    name    of the net
    model   its network with the rule indices filled, None where there is none
    wanted  whether it is switched on at the start
    faults  answers that were not finite; each is replaced by the rule's, and the model rests for a while
    thread  [conductor]
    """

    def __init__(self, name: str, model: Engine | None, wanted: bool) -> None:
        self.name, self.model, self.rule = name, model, Rule(name)
        self.in_size, self.out_size = self.rule.in_size, self.rule.out_size
        self.faults = self._failures = self._held = 0
        self._index = NET_NAMES.index(name)
        self._mix = 1.0 if model is not None and wanted else 0.0
        self._blend = 1.0  # the player's hand on rule or net
        self._ruled = np.zeros(self.out_size, np.float32)
        self._next: Engine | None = None
        self._leaving: Engine | None = None
        self._swap = 1.0
        self._other = np.zeros(self.out_size, np.float32)

    def replace(self, model: Engine) -> None:
        """Another network takes over, from the next tick on and over half a second.  [any Python thread]"""
        self._next = model

    def hear(self, tick: Any) -> None:
        """Move towards what this tick wants; once per tick, before it is consumed."""
        self._held = max(0, self._held - 1)
        self._swap = min(1.0, self._swap + FADE)
        if self._swap == 1.0 or self._mix == 0.0:
            self._leaving = None
        if self._next is not None and self._leaving is None:
            self._leaving, self.model, self._next = self.model, self._next, None
            self._swap, self._held, self._failures = 0.0, 0, 0
        on = self.model is not None and self._held == 0 and int(tick["source"][self._index]) == _MODEL
        if on and self._mix == 0.0 and self.model is not None:
            self.model.reset()
        self._mix = min(1.0, self._mix + FADE) if on else max(0.0, self._mix - FADE)
        controls = read_controls(tick)
        self._blend = controls.blend * getattr(controls, BLENDS[self._index])

    def process(self, x: Array, out: Array) -> None:
        """As Network.process, one step."""
        if self.model is not None and self._mix > 0.0:
            self.model.process(x, out)
            if np.isfinite(out).all():
                if self._leaving is not None:
                    self._leaving.process(x, self._other)
                    if np.isfinite(self._other).all():
                        out += np.float32(1.0 - self._swap) * (self._other - out)
                self._failures = 0
                if self._mix * self._blend == 1.0:
                    return
            else:
                self.model.reset()
                self.faults += 1
                self._held = min(RETRY_TICKS << min(self._failures, 10), RETRY_MOST)
                self._failures += 1
                self._mix = 0.0
        self.rule.process(x, self._ruled)
        share = self._mix * self._blend
        if share == 0.0:
            out[:] = self._ruled
        else:
            out += np.float32(1.0 - share) * (self._ruled - out)

    def reset(self) -> None:
        self.rule.reset()
        if self.model is not None:
            self.model.reset()


def conductor_engines(processor: MultiModelProcessor) -> dict[str, SwitchedEngine]:
    """The two engines of a session, with clones of their own."""
    engines = {}
    for name in CONDUCTOR_NETS:
        network = processor.slot(name).network
        model = None if network is None else RuledNetwork(name, network.clone())
        engines[name] = SwitchedEngine(name, model, processor.is_model_enabled(name))
    return engines
