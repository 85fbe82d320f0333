"""A MIDI input: pedals, keys and the clock of other gear, through python-rtmidi.

rtmidi queues what comes by itself, in C++, and ``actions`` takes it from there.  Nothing of ours runs when
a message arrives: on JACK that would be a real-time thread, which the whole server waits for, waiting for
the GIL.  A full queue drops the newest.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any

from kelly.errors import MidiPortError
from kelly.midi import native, ports
from kelly.midi.inputs import Action, Controls

WAITING = 4096
"""Messages that may wait; ten thousand a second fill this in 0.4 s, and the session asks 100 times a second."""
LATE_S = 0.1


class MidiListener:
    """An open input.

    client       an open rtmidi input, from ``open_listener``
    description  for people
    controls     what the messages mean
    """

    def __init__(self, client: Any, description: str, controls: Controls | None = None) -> None:
        self.description, self.controls = description, controls or Controls()
        self._client, self._time_s = client, 0.0
        client.ignore_types(sysex=True, timing=False, active_sense=True)

    def _stamped(self, delta_s: float) -> float:
        """The time of a message: the driver's own distances, which a busy Python does not blur, tied to our clock."""
        now_s = time.monotonic()
        self._time_s += delta_s
        if not -0.001 < now_s - self._time_s < LATE_S:  # the first one, or the driver's clock has wandered
            self._time_s = now_s
        return self._time_s

    def messages(self) -> list[tuple[Sequence[int], float]]:
        """What came since the last question, in order: bytes, and when by ``time.monotonic``.  [one thread]"""
        messages: list[tuple[Sequence[int], float]] = []
        for _ in range(WAITING):
            event = self._client.get_message() if self._client is not None else None
            if event is None:
                break
            messages.append((event[0], self._stamped(event[1])))
        return messages

    def actions(self) -> list[Action]:
        """What was asked for since the last question, in order.  [one thread]"""
        actions: list[Action] = []
        for message, time_s in self.messages():
            actions += self.controls.feed(message, time_s)
        return actions + self.controls.idle(time.monotonic())

    def leave(self) -> None:
        """Listen no more without touching the port, whose server is dead: ending it might never return."""
        client, self._client = self._client, None
        if client is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))  # so that not even the interpreter's end destroys it

    def close(self) -> None:
        """Listen no more; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            client.close_port()
            client.delete()


def open_listener(text: str, controls: Controls | None = None) -> MidiListener:
    """The input that ``--midi-in`` names: "virtual[:NAME]", or an unambiguous part of a port's name.

    raises  MidiPortError
    """
    client, api = ports.open_client(ports.CLIENT, listen=WAITING)
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
