"""MIDI outputs of the system: listing, choosing by name, and rtmidi's errors in kelly's words.

On Linux the ALSA sequencer is asked first; where there is none, a JACK server may still carry MIDI.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kelly import chatter
from kelly.errors import MidiPortError
from kelly.midi import native

CLIENT = native.CLIENT
WITHOUT = "--midi-out file:PATH works without MIDI ports"
API_NAMES = {
    "API_LINUX_ALSA": "ALSA",
    "API_UNIX_JACK": "JACK",
    "API_MACOSX_CORE": "CoreMIDI",
    "API_WINDOWS_MM": "Windows MM",
}


def rtmidi() -> Any:
    """The python-rtmidi module; MidiPortError where it is missing."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        import rtmidi
    except ImportError as error:
        how = "python-rtmidi has no wheel for Python 3.13 on Windows and macOS yet" if sys.version_info >= (3, 13) else ""
        hint = "; ".join(filter(None, ("pip install python-rtmidi", how, WITHOUT)))
        raise MidiPortError(f"python-rtmidi cannot be imported ({error}): {hint}") from error
    return rtmidi


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """rtmidi's errors as MidiPortError, its chatter captured; the only place that knows its types."""
    try:
        with chatter.captured():
            yield
    except (OSError, TypeError, ValueError, NotImplementedError) as error:  # RtMidiError is an OSError
        raise MidiPortError(f"{doing}: {error}; {WITHOUT}") from error


def _apis() -> list[tuple[int, str]]:
    """(rtmidi's number, name) of what this rtmidi was built with, in order of preference."""
    module = rtmidi()
    built = set(module.get_compiled_api())
    return [(getattr(module, key), name) for key, name in API_NAMES.items() if getattr(module, key, None) in built]


def open_client(name: str = CLIENT, listen: int = 0) -> tuple[Any, str]:
    """An rtmidi output, or an input in which ``listen`` messages may wait, of the first API that works, and that API's name.

    raises  MidiPortError when none does, with each API's own reason
    """
    module, reasons = rtmidi(), []
    for number, api in _apis():
        try:
            with chatter.captured():
                if listen:
                    return module.MidiIn(number, name=name, queue_size_limit=listen), api
                return module.MidiOut(number, name=name), api
        except OSError as error:
            reasons.append(f"{api}: {error}")
    hint = "start a JACK server, or load the kernel's ALSA sequencer (modprobe snd-seq)" if listen else WITHOUT
    raise MidiPortError(f"no MIDI system answers ({'; '.join(reasons) or 'rtmidi was built without any'}); {hint}")


def midi_apis() -> tuple[str, ...]:
    """Names of the MIDI systems that answer, such as ("JACK",); empty where none does."""
    module, names = rtmidi(), []
    for number, name in _apis():
        try:
            with chatter.captured():
                module.MidiOut(number, name="Kelly probe").delete()
            names.append(name)
        except OSError:
            continue
    return tuple(names)


def virtual_ports() -> bool:
    """True where kelly can make a port of its own for others to connect to."""
    return sys.platform != "win32" and bool(midi_apis())


def midi_outputs() -> tuple[str, ...]:
    """Names of the ports that can be played to, JACK's first; empty where no MIDI system answers."""
    jack = native.jack_ports()
    try:
        client, _ = open_client("Kelly probe")
    except MidiPortError:
        return jack
    try:
        with translated("listing MIDI ports"):
            return tuple(dict.fromkeys((*jack, *client.get_ports())))
    finally:
        client.delete()


def open_virtual(name: str = CLIENT) -> tuple[Any, str]:
    """A port of kelly's own; returns the rtmidi output and a description."""
    if sys.platform == "win32":
        raise MidiPortError(f"Windows has no virtual ports: install loopMIDI, and give its port's name; {WITHOUT}")
    client, api = open_client(name)
    with translated(f"opening the virtual port {name!r}"):
        client.open_virtual_port(name)
    return client, f"virtual port {name!r} ({api})"


def open_named(text: str) -> tuple[Any, str]:
    """The one port whose name contains ``text``, in any case; a whole name wins over a part.

    raises  MidiPortError for none or several, naming them
    """
    client, api = open_client()
    with translated("listing MIDI ports"):
        names = [str(name) for name in client.get_ports()]
    try:
        chosen = native.choose(tuple(names), text)
        if chosen is None:
            known = ", ".join(dict.fromkeys((*native.jack_ports(), *names))) or "none at all"
            raise MidiPortError(f"MIDI port {text!r} does not exist; there is: {known}; {WITHOUT}")
    except MidiPortError:
        client.delete()
        raise
    with translated(f"opening {names[chosen]!r}"):
        client.open_port(chosen, name=CLIENT)
    return client, f"{names[chosen]} ({api})"
