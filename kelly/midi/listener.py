"""A MIDI input: pedals, keys and the clock of other gear.

Where a JACK server answers its own callback queues what comes, with JACK's frames as times; elsewhere
rtmidi does, in C++.  ``actions`` takes it from there.  Nothing of ours runs when a message arrives: on JACK
that would be a real-time thread, which the whole server waits for, waiting for the GIL.  A full queue
drops the newest.

An input that goes is missed, and listened to again by its name when it is back.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

from kelly import chatter
from kelly._rt.stream.midi_input import JackMidiInput
from kelly._rt.stream.native_midi import jack_inputs
from kelly.errors import MidiPortError
from kelly.midi import native, ports
from kelly.midi.inputs import Action, Controls

WAITING = 4096
"""Messages that are taken at once; ten thousand a second fill rtmidi's queue in 0.4 s, and the session asks 100 times a second."""
LATE_S = 0.1
LOOK_S = 1.0  # how often rtmidi, which knows no news, is asked what is there

Message = tuple[Sequence[int], float]


class Listener:
    """An open input; made by ``open_listener``.

    description  for people
    controls     what the messages mean
    on_jack      whether it goes with the JACK server
    thread       one thread asks; ``mend`` and ``let_go`` are [errand]
    """

    on_jack = False

    def __init__(self, description: str, controls: Controls | None = None) -> None:
        self.description, self.controls = description, controls or Controls()
        self._there, self._went = True, False

    def messages(self) -> list[Message]:
        """What came since the last question, in order: bytes, and when by ``time.monotonic``.  [one thread]"""
        raise NotImplementedError

    def actions(self) -> list[Action]:
        """What was asked for since the last question, in order.  [one thread]"""
        actions: list[Action] = []
        for message, time_s in self.messages():
            actions += self.controls.feed(message, time_s)
        now_s = time.monotonic()
        if self.went():
            actions += self.controls.release(now_s)
        return actions + self.controls.idle(now_s)

    def went(self) -> bool:
        """Whether the input has gone since the last question: what was held down then is held no more.  [one thread]"""
        went, self._went = self._went, False
        return went

    @property
    def server_gone(self) -> bool:
        """Whether the JACK server has said goodbye to this input, and ``let_go`` has not been called since."""
        return False

    def mend(self) -> str:
        """Listen again to what had gone and is back; a sentence for people when either has just happened.  [errand]"""
        there = self._listening()
        if there == self._there:
            return ""
        self._there = there
        self._went = self._went or not there
        return f"{self.description}: the MIDI input {'is back' if there else 'is gone; waiting for it'}"

    def _listening(self) -> bool:
        """[errand] Whether it is there, after trying to listen to it."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Close the client of a server that has gone: libjack, asked for another, would free it by itself.  [errand]"""

    def close(self) -> None:
        """Listen no more; idempotent."""
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        """What came and was passed over: messages without room, bytes that are no message, system exclusive messages."""
        return {"midi_lost": 0, "midi_skipped": self.controls.parser.skipped, "midi_sysex": self.controls.parser.sysex}


class JackListener(Listener):
    """A JACK client of our own.

    port    name of its port
    source  full name of the port that is listened to; "" waits for others to connect
    raises  MidiPortError
    """

    on_jack = True

    def __init__(self, port: str, source: str, description: str, controls: Controls | None = None) -> None:
        super().__init__(description, controls)
        self._port, self._source, self._closing = port, source, threading.Event()
        self._before = {"lost": 0, "long": 0}  # of clients that were let go
        self._input = self._open()
        if not self._input.mend():
            self._input.close()
            raise MidiPortError(f"MIDI input {source}: JACK refuses the connection")

    def _open(self) -> JackMidiInput:
        with chatter.captured():
            return JackMidiInput(ports.CLIENT, self._port, self._source)

    def messages(self) -> list[Message]:
        return list(self._input.take(WAITING))

    @property
    def server_gone(self) -> bool:
        return not self._closing.is_set() and self._input.server_gone

    def _listening(self) -> bool:
        if self._closing.is_set():
            return self._there
        if not self._input.alive:
            self.let_go()
            try:
                new = self._open()
            except MidiPortError:
                return False
            self._before, self._input = self._sums(), new
            if self._closing.is_set():  # meanwhile, by another thread
                new.close()
        return self._input.mend()

    def let_go(self) -> None:
        if self._there:
            self._there, self._went = False, True
        with chatter.captured():
            self._input.close()

    def close(self) -> None:
        self._closing.set()
        self.let_go()

    def _sums(self) -> dict[str, int]:
        return {name: count + self._before[name] for name, count in self._input.counters().items()}

    def counters(self) -> dict[str, int]:
        sums, row = self._sums(), super().counters()
        return {**row, "midi_lost": sums["lost"], "midi_sysex": row["midi_sysex"] + sums["long"]}


class MidiListener(Listener):
    """An rtmidi input.

    client  an open rtmidi input
    name    of the port it listens to, None for one of our own
    """

    def __init__(self, client: Any, description: str, controls: Controls | None = None, name: str | None = None) -> None:
        super().__init__(description, controls)
        self._client, self._time_s, self._name, self._asked_s = client, 0.0, name, time.monotonic()
        client.ignore_types(sysex=True, timing=False, active_sense=True)

    def _stamped(self, delta_s: float) -> float:
        """The time of a message: the driver's own distances, which a busy Python does not blur, tied to our clock."""
        now_s = time.monotonic()
        self._time_s += delta_s
        if not -0.001 < now_s - self._time_s < LATE_S:  # the first one, or the driver's clock has wandered
            self._time_s = now_s
        return self._time_s

    def messages(self) -> list[Message]:
        messages: list[Message] = []
        for _ in range(WAITING):
            event = self._client.get_message() if self._client is not None else None
            if event is None:
                break
            messages.append((event[0], self._stamped(event[1])))
        return messages

    def _listening(self) -> bool:
        now_s = time.monotonic()
        if self._client is None or self._name is None or now_s - self._asked_s < LOOK_S:
            return self._there
        self._asked_s = now_s
        try:
            with ports.translated(f"looking for {self._name!r}"):
                names = [stem(str(name)) for name in self._client.get_ports()]
                there = stem(self._name) in names
                if there and not self._there:
                    self._client.close_port()
                    self._client.open_port(names.index(stem(self._name)), name=ports.CLIENT)
        except MidiPortError:
            return False
        return there

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close_port()
            client.delete()


def stem(name: str) -> str:
    """A port's name without ALSA's numbers, which change when a device is plugged in again."""
    return re.sub(r" \d+:\d+$", "", name)


def midi_inputs() -> tuple[str, ...]:
    """Names of the ports that can be listened to, JACK's first; empty where no MIDI system answers."""
    jack = _jack_ports() or ()
    try:
        client, _ = ports.open_client("Kelly probe", listen=WAITING)
    except MidiPortError:
        return jack
    try:
        with ports.translated("listing MIDI inputs"):
            return tuple(dict.fromkeys((*jack, *(str(name) for name in client.get_ports() if not _own(str(name))))))
    finally:
        client.delete()


def _own(name: str) -> bool:
    """Whether a port is one that kelly plays to; who listened to it would hear only kelly."""
    return re.match(rf"{ports.CLIENT}(-\d+)?:", name) is not None


def open_listener(text: str, controls: Controls | None = None) -> Listener:
    """The input that ``--midi-in`` names: "virtual[:NAME]", or an unambiguous part of a port's name; JACK's first.

    raises  MidiPortError
    """
    virtual = text == "virtual" or text.startswith("virtual:")
    own = (text.partition(":")[2] if virtual else "") or ports.CLIENT
    known = _jack_ports()
    if known is not None:
        if virtual:
            return JackListener(own, "", f"virtual input {own!r} (JACK)", controls)
        chosen = native.choose(known, text)
        if chosen is not None:
            return JackListener("in", known[chosen], f"{known[chosen]} (JACK)", controls)
    client, api = ports.open_client(ports.CLIENT, listen=WAITING)
    try:
        if virtual:
            with ports.translated(f"opening the virtual input {own!r}"):
                client.open_virtual_port(own)
            return MidiListener(client, f"virtual input {own!r} ({api})", controls)
        with ports.translated("listing MIDI inputs"):
            names = tuple(str(name) for name in client.get_ports())
        chosen = native.choose(tuple("" if _own(name) else name for name in names), text)
        if chosen is None:
            there = ", ".join(dict.fromkeys((*(known or ()), *(name for name in names if not _own(name)))))
            raise MidiPortError(f"MIDI input {text!r} does not exist; there is: {there or 'none at all'}")
        with ports.translated(f"opening {names[chosen]!r}"):
            client.open_port(chosen, name=ports.CLIENT)
        return MidiListener(client, f"{names[chosen]} ({api})", controls, names[chosen])
    except MidiPortError:
        client.delete()
        raise


def _jack_ports() -> tuple[str, ...] | None:
    """Names of the JACK ports that can be listened to; None where no server answers."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        with chatter.captured():
            return tuple(name for name in jack_inputs() if not _own(name))
    except MidiPortError:
        return None
