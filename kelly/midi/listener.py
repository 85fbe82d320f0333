"""A MIDI input: pedals, keys and the clock of other gear, through python-rtmidi.

rtmidi calls back on a thread of its own, with the GIL; there a message is only stamped and queued, so
a flood costs little and a full queue drops the newest, counted.  ``actions`` is asked by the session.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from kelly.errors import MidiPortError
from kelly.midi import native, ports
from kelly.midi.inputs import Action, Controls

WAITING = 4096
"""Messages that may wait; ten thousand a second fill this in 0.4 s, and the session asks 50 times a second."""


class MidiListener:
    """An open input.

    client       an open rtmidi input, from ``open_listener``
    description  for people
    controls     what the messages mean
    """

    def __init__(self, client: Any, description: str, controls: Controls | None = None) -> None:
        self.description, self.controls = description, controls or Controls()
        self.dropped = 0
        self._client, self._time_s = client, 0.0
        self._queue: deque[tuple[float, list[int]]] = deque()
        client.ignore_types(sysex=True, timing=False, active_sense=True)
        client.set_callback(self._heard)

    def _heard(self, event: tuple[list[int], float], _: object = None) -> None:
        """[rtmidi] Times are the driver's own distances, which a busy Python does not blur, tied to our clock."""
        message, delta_s = event
        now_s = time.monotonic()
        self._time_s += delta_s
        if not -0.001 < now_s - self._time_s < 0.1:  # the first one, or the driver's clock has wandered
            self._time_s = now_s
        if len(self._queue) >= WAITING:
            self.dropped += 1
            return
        self._queue.append((self._time_s, message))

    def actions(self) -> list[Action]:
        """What was asked for since the last question, in order.  [main]"""
        actions: list[Action] = []
        while self._queue:
            at_s, message = self._queue.popleft()
            actions += self.controls.feed(message, at_s)
        return actions + self.controls.idle(time.monotonic())

    def close(self) -> None:
        """Listen no more; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            client.cancel_callback()
            client.close_port()
            client.delete()


def open_listener(text: str, controls: Controls | None = None) -> MidiListener:
    """The input that ``--midi-in`` names: "virtual[:NAME]", or an unambiguous part of a port's name.

    raises  MidiPortError
    """
    client, api = ports.open_client(ports.CLIENT, listen=True)
    try:
        if text == "virtual" or text.startswith("virtual:"):
            name = text.partition(":")[2] or ports.CLIENT
            with ports.translated(f"opening the virtual input {name!r}"):
                client.open_virtual_port(name)
            return MidiListener(client, f"virtual input {name!r} ({api})", controls)
        with ports.translated("listing MIDI inputs"):
            names = tuple(str(name) for name in client.get_ports())
        chosen = native.choose(names, text)
        if chosen is None:
            raise MidiPortError(f"MIDI input {text!r} does not exist; there is: {', '.join(names) or 'none at all'}")
        with ports.translated(f"opening {names[chosen]!r}"):
            client.open_port(chosen, name=ports.CLIENT)
        return MidiListener(client, f"{names[chosen]} ({api})", controls)
    except MidiPortError:
        client.delete()
        raise
