"""Native ports: played by the performer itself, without the GIL and without this file.

Where a JACK server answers it is played directly, with real frame offsets; else the system's librtmidi
is, where it is installed (ALSA, CoreMIDI).  Where neither works kelly.midi.ports takes python-rtmidi.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kelly import chatter
from kelly._rt.stream import native_midi
from kelly._rt.stream.native_midi import NativePort
from kelly.errors import MidiPortError
from kelly.midi.sink import Events, Score

CLIENT = "Kelly"
SYSTEM = "CoreMIDI" if sys.platform == "darwin" else "ALSA"
"""What librtmidi is asked for; JACK needs no librtmidi."""

DRAIN_S = 0.1


def choose(names: tuple[str, ...], text: str) -> int | None:
    """Index of the one name that contains ``text``, in any case; a whole name wins over a part; None for no such name.

    raises  MidiPortError for several, naming them
    """
    wanted = text.casefold().strip()
    whole = [i for i, name in enumerate(names) if name.casefold() == wanted]
    hits = whole or [i for i, name in enumerate(names) if wanted in name.casefold()]
    if len(hits) > 1:
        raise MidiPortError(f"MIDI port {text!r} is ambiguous: {', '.join(names[i] for i in hits)}")
    return hits[0] if hits else None


def jack_ports() -> tuple[str, ...]:
    """Names of the JACK MIDI ports that can be played to; empty where no server answers."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        with chatter.captured():
            return native_midi.jack_outputs()
    except MidiPortError:
        return ()


def system_ports() -> tuple[str, ...]:
    """Names of the system's own ports, as librtmidi sees them; empty where it sees none."""
    try:
        with chatter.captured():
            return native_midi.rtmidi_outputs(SYSTEM)
    except MidiPortError:
        return ()


def open_virtual(name: str = CLIENT) -> NativePort | None:
    """A port of kelly's own that others can connect to; None where neither library can make one."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    with chatter.captured():
        try:
            return native_midi.open_jack(name, name)
        except MidiPortError:
            pass
        try:
            return native_midi.open_rtmidi(SYSTEM, name, name)
        except MidiPortError:
            return None


def open_named(text: str) -> NativePort | None:
    """The one port whose name contains ``text``, on JACK first; None where neither library knows one.

    raises  MidiPortError for several
    """
    names = jack_ports()
    chosen = choose(names, text)
    with chatter.captured():
        if chosen is not None:
            return native_midi.open_jack(CLIENT, CLIENT, names[chosen])
        chosen = choose(system_ports(), text)
        return None if chosen is None else native_midi.open_rtmidi(SYSTEM, CLIENT, CLIENT, chosen)


class NativeSink:
    """A native port as a session's sink: the performer plays it, this keeps the books.

    port         the session hands it to its performer
    description  for people; the port's own where it is empty
    """

    path: Path | None = None

    def __init__(self, port: NativePort, description: str = "", open_again: Callable[[], NativePort | None] | None = None) -> None:
        self.port, self._open_again = port, open_again
        self.description = description or port.description

    def send(self, events: Events) -> None:
        """The performer has played them already."""

    def let_go(self) -> None:
        """Close the client of a server that has gone: libjack, asked for another, would free it by itself.  [errand]"""
        self.port.close()

    def reopen(self) -> bool:
        """Open the port again after its server has gone.

        thread  [errand]; afterwards the performer must be given ``port`` and repeat its settings
        raises  MidiPortError where the name has become ambiguous
        """
        if self._open_again is None:
            return False
        self.let_go()
        port = self._open_again()
        if port is None:
            return False
        if port.kind != self.port.kind:  # another system answers under that name: not the one that went
            port.close()
            return False
        self.port = port
        return True

    def mend(self) -> bool:
        """True when somebody listens who did not before; a port that had gone and is back is connected again.  [errand]"""
        return self.port.mend()

    def close(self, score: Score | None) -> None:
        """Let the last messages leave, then let go of the port; a dead server costs two seconds at most."""
        until = time.monotonic() + DRAIN_S
        while self.port.alive and self.port.waiting and time.monotonic() < until:
            time.sleep(0.002)
        with chatter.captured():
            self.port.close()

    def counters(self) -> dict[str, int]:
        return self.port.counters()
