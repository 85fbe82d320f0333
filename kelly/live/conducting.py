"""The conductor's thread: ticks in order, through the conductor, to the performer's ring."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kelly._rt.layout import COMMAND_KINDS, dtype
from kelly.generate.conductor import Conductor
from kelly.live.chain import Chain
from kelly.live.engines import SwitchedEngine
from kelly.live.recorder import Recorder

POLL_S, REST_S = 0.002, 0.034  # live: after a tick the next is 40 ms away, and looking for it costs
EAGER_S = 0.0003
KNOTS = 128  # beats whose frames a session without a file remembers
REASONS = 512  # of notes, that a session without a file remembers: most of a minute, and half a megabyte
RECEIPTS = 256
WOODBLOCK = 115  # General MIDI: the reflex voice is struck


class Conducting:
    """What the conductor's thread does with each tick.

    conductor  plans the notes
    engines    its own nets, by name
    chain      whose ticks and receipts are read, and whose performer is fed
    take       is told what was felt, asked for and why; None where nobody records
    news       sentences for people are appended
    end_frame  where the player is known to end, None where that is not known
    finish     called where the music has ended before the stream has; None: it ends with its stream
    reflex     whether the reflex voice wants its program
    forgets    nobody will read the whole: only the newest knots and reasons stay
    realtime   False: never rests
    stopping   set where it shall return soon
    thread     [conductor] runs; the rest is read by anybody

    newest    the newest tick, None before the first
    receipts  the newest commands, each with the tick that took it
    """

    def __init__(
        self, conductor: Conductor, engines: Mapping[str, SwitchedEngine], chain: Chain, take: Recorder | None, *, news: deque[str],
        end_frame: int | None, finish: Callable[[], None] | None, reflex: bool, forgets: bool, realtime: bool, stopping: threading.Event,
    ) -> None:  # fmt: skip
        self.conductor, self.engines, self._chain, self._take, self._news = conductor, engines, chain, take, news
        self._end_frame, self._finish = end_frame, finish
        self._reflex, self._forgets, self._realtime = reflex, forgets, realtime
        self._stopping = stopping
        self._ending = False
        self.newest: Any | None = None
        self.receipts: deque[Any] = deque(maxlen=RECEIPTS)
        self._switches: deque[Any] = deque()  # receipts the conductor has still to look at

    def run(self) -> None:
        """[conductor] until the stream's last tick, or until ``stopping``."""
        ticks = np.zeros(64, dtype("tick"))
        poll_s, rest_s = (POLL_S, REST_S) if self._realtime else (EAGER_S, 0.0)
        if self._reflex:
            self._announce_reflex()
        while not self._stopping.is_set():
            if not self._chain.ticks.wait(0.1, poll_s, rest_s):
                continue
            came = ticks[: self._chain.ticks.pop_into(ticks)]
            if self._take is not None:
                self._take.ticks(came)
            self._take_receipts()
            for tick in came:
                self._conduct(tick)
                if tick["end"]:
                    self._end(tick)
                    return
            self.newest = came[-1].copy()
            self._remember(int(came[-1]["frame"]))

    def _conduct(self, tick: Any) -> None:
        """One tick: its commands, its nets, its notes."""
        index, frame = int(tick["index"]), int(tick["frame"])
        self._switch(index, frame)
        for engine in self.engines.values():
            engine.hear(tick)
        if self._end_frame is not None and frame >= self._end_frame:
            self._end_frame = None
            self.conductor.end_phrase(leads=False)
            self._ending = True
        self._push(self.conductor.consume(tick))
        self._chain.performer.publish(frame)
        said = self.conductor.breaker.said  # a rule broken on purpose, with its reason
        while said:
            self._news.append(said.pop(0))
        if not self._ending and self.conductor.over(frame):
            self._ending = True
            if self._finish is not None:
                self._finish()

    def _end(self, tick: Any) -> None:
        """The stream's last tick."""
        self._push(self.conductor.finish())
        if self._take is not None:
            self._take.why(self.conductor.settled())
        self.newest = tick.copy()
        self._chain.performer.finish()

    def _remember(self, frame: int) -> None:
        """A take keeps everything; a port needs no tempo map, and a night of it is megabytes."""
        knots, reasons = self.conductor.grid.knots, self.conductor.reasons
        if self._take is not None:
            self._take.why(self.conductor.settled(frame))
        elif self._forgets and len(reasons) > REASONS:
            del reasons[: REASONS // 2]
        if self._forgets and len(knots) > KNOTS:
            del knots[: KNOTS // 2]

    def _take_receipts(self) -> None:
        """What the worker has consumed; a tick's receipts are there before the tick."""
        if len(self._chain.receipts):
            receipts = list(self._chain.receipts.pop())
            self.receipts += receipts
            self._switches += receipts

    def _switch(self, index: int, frame: int) -> None:
        """Carry out the commands that are the conductor's, at the tick that consumed them."""
        while self._switches and self._switches[0]["tick"] <= index:
            receipt = self._switches.popleft()
            if self._take is not None:
                self._take.command(frame, receipt)
            command = receipt["command"]
            kind, on = COMMAND_KINDS[int(command["kind"])], bool(command["value"])
            if kind == "part":
                self.conductor.switch(int(command["index"]), on)
            elif kind == "lock":
                self.conductor.lock(int(command["index"]), on)
            elif kind == "reroll":
                self.conductor.reroll(int(command["index"]), int(command["value"]))
            elif kind == "rest":
                self.conductor.rest(on)
            elif kind == "end":
                self.conductor.end_phrase()

    def _push(self, events: Any) -> None:
        """Events to the performer, as it has room."""
        ring = self._chain.events
        while len(events) and not self._stopping.is_set():
            room = ring.capacity - len(ring)
            if room:
                events = events[ring.push(events[:room]) :]
            else:
                time.sleep(0.001)

    def _announce_reflex(self) -> None:
        program = np.zeros(1, dtype("event"))
        program["status"], program["data1"] = 0xC0 | (self._chain.reflex_channel - 1), WOODBLOCK
        program["size"], program["part"], program["serial"] = 2, -1, -1
        self._push(program)
