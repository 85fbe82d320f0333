"""What may be asked of a session while it plays, by any thread of Python.

A command goes into a ring, is taken at the next network hop and comes back as a receipt that names the tick;
so a take can repeat it.  What no command can repeat is remarked in the take.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kelly._rt.contract import NET_NAMES
from kelly._rt.hooks import Hook
from kelly._rt.layout import COMMAND_KINDS, dtype
from kelly.generate.settings import part_row
from kelly.live.chain import Chain
from kelly.live.engines import SwitchedEngine
from kelly.live.recorder import Recorder
from kelly.music.controls import NAMES, within
from kelly.nets.slot import RuledNetwork, load_file


class Steering:
    """The commands of a session.

    chain       whose worker takes them
    nets        the conductor's own, by name
    take        is told what no command can repeat, None where nobody records
    arithmetic  of networks that are loaded
    thread      [any Python thread]
    """

    def __init__(self, chain: Chain, nets: Mapping[str, SwitchedEngine], take: Recorder | None, arithmetic: str) -> None:
        self.take, self._chain, self._nets, self._arithmetic = take, chain, nets, arithmetic
        self._reload_lock = threading.Lock()
        self._command_lock = threading.Lock()  # several callers, one producer; no real-time thread takes it

    def set_model_enabled(self, name: str, enabled: bool) -> None:
        """Switch a net on or off, over half a second; KeyError names the five."""
        if name not in NET_NAMES:
            raise KeyError(f"no net is called {name!r}; the five are {', '.join(NET_NAMES)}")
        self._command("enable" if enabled else "disable", index=NET_NAMES.index(name))

    def reload_model(self, name: str, path: str | os.PathLike[str]) -> None:
        """Let another network answer for a net, over half a second; the old one plays until then.

        name    of a net; KeyError names the five
        path    RTNeural JSON of that net's sizes
        raises  ModelError: the old network plays on
        """
        network = load_file(name, path, self._arithmetic).network
        with self._reload_lock:
            if name in self._nets:
                self._nets[name].replace(RuledNetwork(name, network))
                self._chain.worker.offer(name, None)
            else:
                self._chain.worker.offer(name, network)
            self._command("reload", index=NET_NAMES.index(name))
        if self.take is not None:
            self.take.remark(f"{name} was loaded anew from {path}")

    def push_embedding(self, vector: ArrayLike) -> None:
        """Drive the nets in the recognizer's place, from the next network hop on.

        vector  64 finite numbers, contract EMBEDDING
        raises  ValueError
        """
        embedding = np.asarray(vector, np.float32)
        if embedding.shape != (64,) or not np.isfinite(embedding).all():
            raise ValueError(f"an embedding is 64 finite numbers, found shape {embedding.shape}")
        self._command("embedding", vector=embedding)

    def release_embedding(self) -> None:
        """Give the recognizer its place back."""
        self._command("release_embedding")

    def set_control(self, name: str, value: float) -> None:
        """Turn one of ``layout.CONTROLS``, from the next network hop on.

        value   kept within the control's range
        raises  ConfigError for another name, naming them
        """
        kept = within(name, value)
        self._command("control", index=NAMES.index(name), value=kept)

    def switch_part(self, name: str, on: bool) -> None:
        """A part plays, or not, from the next planned 16th on; ConfigError names the parts."""
        self._command("part", index=part_row(name), value=float(on))

    def lock_part(self, name: str, on: bool) -> None:
        """A part repeats the phrase it has just played, until it is let go."""
        self._command("lock", index=part_row(name), value=float(on))

    def reroll_part(self, name: str) -> None:
        """A part draws anew, as with another seed; a lock is let go."""
        self._command("reroll", index=part_row(name), value=1.0)

    def freeze(self, on: bool) -> None:
        """Keep the mood as it is, or give the recognizer its place back."""
        self._command("freeze", value=float(on))

    def add_hook(self, hook: Hook) -> None:
        """Let a function compiled by ``kelly.hook`` take part: the worker calls it each network hop, without the GIL.

        It is called after the key, beat and chord were tracked and before the nets are asked; several are called in the
        order in which they were added. Before ``start`` it hears the stream from its first hop on, which is what makes a
        render repeatable.

        raises  TypeError for anything that kelly.hook did not make, ValueError for a ninth
        """
        if not isinstance(hook, Hook):
            raise TypeError(f"add_hook: expected a function decorated with @kelly.hook, found {type(hook).__name__}")
        with self._command_lock:
            self._chain.worker.add_hook(hook)
        if self.take is not None:
            self.take.remark(f"a function of Python took part: {hook.name}")

    def remove_hook(self, hook: Hook) -> None:
        """The function takes part no more, from the next network hop on; what it wrote last stays where nobody turns it.

        raises  ValueError for one that does not take part
        """
        with self._command_lock:
            self._chain.worker.remove_hook(hook)
        if self.take is not None:
            self.take.remark(f"a function of Python left: {hook.name}")

    def panic(self) -> None:
        """All notes off now; the music goes on with the next planned note."""
        self._chain.performer.panic()
        self._command("panic")

    def command(self, kind: str, index: int = 0, value: float = 0.0, frame: int = -1) -> None:
        """A row of ``layout.COMMAND_KINDS``, carried out at the next network hop and stamped with it.

        index, value, frame  as the row says
        raises               ValueError for another kind; RuntimeError when the session has ended
        """
        self._command(kind, index, value=value, frame=frame)

    def _command(self, kind: str, index: int = 0, vector: Any = 0.0, value: float = 0.0, frame: int = -1) -> None:
        record = np.zeros(1, dtype("command"))
        record["kind"], record["index"], record["vector"] = COMMAND_KINDS.index(kind), index, vector
        record["value"], record["frame"] = value, frame
        with self._command_lock:
            if self._chain.commands.push(record, timeout_s=0.5) != 1:
                raise RuntimeError("the session takes no commands; has it ended?")
