"""OSC out: what is felt and heard, to a light desk, a visual, another program; by UDP, one message per change.

A thread of Python looks at the session's newest tick 50 times a second, as a viewer does; no real-time thread and
nothing that plays knows of it.  ADDRESSES is what it says.

source  Open Sound Control 1.0, opensoundcontrol.stanford.edu/spec-1_0.html: address, type tags, big-endian arguments
"""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from kelly._rt.contract import EMBEDDING
from kelly.errors import ConfigError
from kelly.joining import join
from kelly.music.chord import Chord
from kelly.music.emotion import Mood
from kelly.music.scale import Key
from kelly.music.thesaurus import Feeling

LOOPBACK = "127.0.0.1"
LOOK_S = 0.02
STEP = 0.005  # a number that has moved by less is not said again

ADDRESSES = {
    "/kelly/valence": ("f", "-1 sad .. 1 glad"),
    "/kelly/arousal": ("f", "-1 calm .. 1 excited"),
    "/kelly/tension": ("f", "-1 at ease .. 1 on edge"),
    "/kelly/emotion": ("s", 'the nearest of 216 shades, such as "quite happy"'),
    "/kelly/chord": ("s", 'such as "Em7"; "" for none'),
    "/kelly/key": ("s", 'such as "Am"; "" for none'),
    "/kelly/tempo": ("f", "quarter notes per minute; 0 while there is no beat"),
    "/kelly/beat": ("i", "number of the newest beat in its bar, from 1; sent with each beat, 0 while there is none"),
    "/kelly/level": ("f", "of the player, dBFS"),
    "/kelly/playing": ("i", "1 while the player is above the gate"),
}
"""Address -> type tag and meaning."""

log = logging.getLogger("kelly.live")


def read_address(text: str) -> tuple[str, int]:
    """ "HOST:PORT", or "PORT" for this machine's own loopback; IPv6 hosts in brackets.

    raises  ConfigError
    """
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else LOOPBACK
    if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ConfigError(f"expected HOST:PORT, or a port from 1 to 65535, found {text!r}")
    return host, int(port)


def message(address: str, value: float | int | str) -> bytes:
    """One OSC message with one argument: float32, int32 or string."""
    if isinstance(value, str):
        return _padded(address.encode()) + _padded(b",s") + _padded(value.encode())
    tag, form = (b",i", ">i") if isinstance(value, int) else (b",f", ">f")
    return _padded(address.encode()) + _padded(tag) + struct.pack(form, value)


def _padded(text: bytes) -> bytes:
    """Ended by a zero, filled up to a multiple of four."""
    return text + bytes(4 - len(text) % 4)


class OscSender:
    """Sends what changes.

    to      "HOST:PORT" or "PORT"
    newest  () -> the session's newest tick, None before the first
    rate    of the stream, Hz
    raises  ConfigError for an address that is none, or a host nobody knows
    thread  [main] constructs, starts, closes; one daemon thread of Python sends
    """

    def __init__(self, to: str, newest: Callable[[], Any | None], rate: float) -> None:
        self.address = read_address(to)
        try:
            family, kind, _, _, where = socket.getaddrinfo(*self.address, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise ConfigError(f"osc: {self.address[0]}: {error.strerror or error}") from None
        self._socket, self._where = socket.socket(family, kind), where
        self._socket.setblocking(False)  # a full buffer costs a message, never the thread
        self._newest, self._rate = newest, rate
        self._said: dict[str, float | int | str] = {}
        self._feeling, self._index, self._beat = Feeling(), -1, -1
        self.sent = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kelly-osc", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        join(self._thread, 1.0)
        self._socket.close()

    def _run(self) -> None:
        """[osc]"""
        while not self._closing.wait(LOOK_S):
            tick = self._newest()
            if tick is not None and int(tick["index"]) != self._index:
                self.tell(tick)

    def tell(self, tick: Any) -> None:
        """Send what this tick changes."""
        self._index = int(tick["index"])
        for address, value in self.values(tick).items():
            before = self._said.get(address)
            same = before is not None and (abs(value - before) < STEP if isinstance(value, float) and isinstance(before, float) else value == before)
            new_beat = address == "/kelly/beat" and int(tick["beat_count"]) != self._beat
            if same and not new_beat:
                continue
            self._said[address] = value
            try:
                self._socket.sendto(message(address, value), self._where)
                self.sent += 1
            except OSError as error:  # nobody listens there, or the buffer is full
                log.debug("osc: %s", error)
        self._beat = int(tick["beat_count"])

    def values(self, tick: Any) -> dict[str, float | int | str]:
        """Address -> value, of one tick."""
        v, a, t = (_number(tick["embedding"][EMBEDDING[name].start]) for name in ("valence", "arousal", "tension"))
        root, tonic, mode = int(tick["chord_root"]), int(tick["key_tonic"]), int(tick["key_mode"])
        there = int(tick["beat_count"]) >= 0 and float(tick["beat_frames"]) > 0
        return {
            "/kelly/valence": v,
            "/kelly/arousal": a,
            "/kelly/tension": t,
            "/kelly/emotion": self._feeling.update(Mood(v, a, t), int(tick["frame"]) / self._rate).name,
            "/kelly/chord": str(Chord(root, int(tick["chord_quality"]))) if root >= 0 else "",
            "/kelly/key": Key(tonic, mode).short if tonic >= 0 and mode else "",
            "/kelly/tempo": _number(tick["tempo_bpm"]),
            "/kelly/beat": int(tick["beat_in_bar"]) + 1 if there else 0,
            "/kelly/level": _number(tick["level_db"]),
            "/kelly/playing": int(tick["playing"]),
        }


def _number(value: Any) -> float:
    number = float(value)
    return number if number == number else 0.0
