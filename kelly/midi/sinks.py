"""Where the notes go: a port, a file, memory."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.layout import dtype
from kelly._rt.stream.performer import SAFETY_PART
from kelly.errors import MidiFileError, MidiPortError, OutputError
from kelly.midi import native, ports
from kelly.midi.native import NativeSink
from kelly.midi.sink import Events, Score, Sink
from kelly.midi.smf import Track, write_smf
from kelly.whole import writable


class MemorySink:
    """Keeps every event: for tests and for Python callers.

    events  records of dtype("event") in the order performed
    """

    path: Path | None = None

    def __init__(self) -> None:
        self.description = "memory"
        self._blocks: list[Events] = []

    def send(self, events: Events) -> None:
        self._blocks.append(events.copy())

    def close(self, score: Score | None) -> None:
        pass

    @property
    def events(self) -> Events:
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, dtype("event"))

    def counters(self) -> dict[str, int]:
        return {"sent_events": sum(map(len, self._blocks))}


class FileSink(MemorySink):
    """A Standard MIDI File, written whole when the session ends, however it ends.

    path    must lie in a folder that exists and can be written
    raises  MidiFileError
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        target = Path(path)
        self.path, self.description = target, f"file {target}"
        try:
            writable(target)
        except OutputError as error:
            raise MidiFileError(str(error)) from error
        self._closed = False

    def close(self, score: Score | None) -> None:
        if score is not None and self.path is not None and not self._closed:
            write_smf(self.path, released(self.events, score.parts), score.tempo, score.parts, score.sample_rate_hz, key=score.key)
        self._closed = True


def released(events: Events, parts: Sequence[Track]) -> Events:
    """What was performed, as a file should hold it: safety messages only where they end something.

    The performer closes every session with pedal-up and all-notes-off on each channel; a file needs of
    these only the releases of notes that sound and of a pedal that is down, on their own part's track.
    """
    owner = {part.channel - 1: row for row, part in enumerate(parts)}
    sounding: set[tuple[int, int]] = set()
    pedals: set[int] = set()
    keep = np.ones(len(events), bool)
    out = events.copy()
    for i, event in enumerate(events):
        kind, channel, data1, data2 = event["status"] & 0xF0, int(event["status"]) & 0x0F, int(event["data1"]), int(event["data2"])
        safety = event["part"] == SAFETY_PART
        if kind in (0x80, 0x90):
            note = (channel, data1)
            if kind == 0x90 and data2 > 0:
                sounding.add(note)
                continue
            keep[i] = note in sounding or not safety
            sounding.discard(note)
        elif kind == 0xB0 and data1 == 64:
            keep[i] = channel in pedals or not safety
            (pedals.add if data2 >= 64 else pedals.discard)(channel)
        elif safety:
            keep[i] = False
        if safety:
            out[i]["part"] = owner.get(channel, -1)
    return out[keep]


class RtMidiSink:
    """A port, through python-rtmidi.

    client       an open rtmidi output, from kelly.midi.ports
    description  for people

    Sends are bounded where ``watch`` gave it a sign of life to look for: once PATIENCE_S have passed without a sign of life, or a send has raised, nothing
    is sent any more and what is dropped is counted.  After that the rtmidi object is neither called nor
    destroyed: with its server gone, either may never return.
    """

    PATIENCE_S = 0.5
    UNCONFIRMED_BYTES = 8192  # half of RtMidi's JACK ring; while nobody confirms, no more than this is sent

    path: Path | None = None

    def __init__(self, client: Any, description: str) -> None:
        self._client, self.description = client, description
        self._alive: Callable[[], bool] | None = None
        self._confirmed_s, self._unconfirmed_bytes = time.monotonic(), 0
        self._sent = self._dropped = 0
        self.lost = False

    def watch(self, alive: Callable[[], bool]) -> None:
        """``alive`` says whether the server that takes the bytes has done anything since the last question."""
        if "JACK" in self.description:
            self._alive = alive

    def send(self, events: Events) -> None:
        for event in events:
            message = (int(event["status"]), int(event["data1"]), int(event["data2"]))[: int(event["size"])]
            if self.lost or not self._may_send(len(message)):
                self._dropped += 1
                continue
            try:
                self._client.send_message(message)
                self._sent += 1
            except (OSError, ValueError):  # RtMidiError is an OSError
                self._give_up()
                self._dropped += 1

    def _may_send(self, size: int) -> bool:
        if self._alive is None:
            return True
        now = time.monotonic()
        if self._alive():
            self._confirmed_s, self._unconfirmed_bytes = now, 0
            return True
        self._unconfirmed_bytes += size
        if now - self._confirmed_s > self.PATIENCE_S or self._unconfirmed_bytes > self.UNCONFIRMED_BYTES:
            self._give_up()
            return False
        return True

    def server_lost(self) -> None:
        """The server that ``watch`` looked at is known to be gone."""
        if self._alive is not None and not self.lost:
            self._give_up()

    def _give_up(self) -> None:
        self.lost = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._client))  # so that not even the interpreter's end destroys it

    def close(self, score: Score | None) -> None:
        client, self._client = self._client, None
        if client is not None and not self.lost:
            client.close_port()
            client.delete()

    def counters(self) -> dict[str, int]:
        return {"sent_events": self._sent, "unsent_events": self._dropped}


def take_name(now: time.struct_time) -> str:
    """Such as ``kelly-20260131-235959.mid``."""
    return time.strftime("kelly-%Y%m%d-%H%M%S.mid", now)


def open_sink(text: str) -> tuple[Sink, str]:
    """The sink that ``--midi-out`` names.

    text     "auto", "virtual", "virtual:NAME", "file:PATH", or a part of a port's name
    returns  the sink, and a sentence about what "auto" chose ("" otherwise)
    raises   MidiPortError, MidiFileError
    """
    if text.startswith("file:"):
        return FileSink(text.removeprefix("file:")), ""
    if text == "virtual" or text.startswith("virtual:"):
        return _virtual(text.partition(":")[2] or ports.CLIENT), ""
    if text != "auto":
        port = native.open_named(text)
        again = functools.partial(native.open_named, text)
        return NativeSink(port, open_again=again) if port is not None else RtMidiSink(*ports.open_named(text)), ""
    try:
        sink = _virtual(ports.CLIENT)
        return sink, f"notes leave through the {sink.description}"
    except MidiPortError as error:
        path = Path(take_name(time.localtime()))
        return FileSink(path), f"{str(error).partition(' (')[0].partition(';')[0]}: notes go to {path}"


def _virtual(name: str) -> NativeSink | RtMidiSink:
    """A port of kelly's own: without the GIL where that is possible."""
    port = native.open_virtual(name)
    if port is None:
        return RtMidiSink(*ports.open_virtual(name))
    return NativeSink(port, f"virtual port {name!r} ({'JACK' if port.kind == 'jack' else native.SYSTEM})", functools.partial(native.open_virtual, name))
