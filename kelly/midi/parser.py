"""Bytes from a MIDI input -> whole messages: running status, real-time bytes anywhere, sysex skipped.

What is not MIDI is counted and skipped; nothing a cable delivers can raise or grow without bound.
"""

from __future__ import annotations

from collections.abc import Iterable

from kelly.midi.messages import message_of

REALTIME = 0xF8
SYSEX, SYSEX_END = 0xF0, 0xF7


class Parser:
    """Remembers an unfinished message between calls.

    skipped  bytes that belong to no message kelly knows: strays, cut messages, undefined statuses
    sysex    system exclusive messages that were passed over
    thread   [input]
    """

    def __init__(self) -> None:
        self.skipped = self.sysex = 0
        self._status = 0  # running status; 0 when there is none
        self._data: list[int] = []
        self._exclusive = False

    def feed(self, data: Iterable[int]) -> list[tuple[int, ...]]:
        """The messages that ``data``, bytes 0..255, completes, in order; each (status, data...)."""
        messages: list[tuple[int, ...]] = []
        for byte in data:
            if byte >= REALTIME:  # one byte, allowed in the middle of anything
                if message_of(byte) is None:
                    self.skipped += 1
                else:
                    messages.append((byte,))
            elif byte >= 0x80:
                self._begin(byte, messages)
            elif self._exclusive:
                continue
            elif not self._status:
                self.skipped += 1
            else:
                self._data.append(byte)
                self._complete(messages)
        return messages

    def _begin(self, status: int, messages: list[tuple[int, ...]]) -> None:
        if self._data:  # a message was cut short; its status byte is lost with it
            self.skipped += len(self._data) + 1
            self._data.clear()
        exclusive, self._exclusive = self._exclusive, status == SYSEX
        if exclusive:
            self.sysex += 1
        if status in (SYSEX, SYSEX_END):
            self._status = 0
            if status == SYSEX_END and not exclusive:
                self.skipped += 1
            return
        if message_of(status) is None:
            self._status = 0
            self.skipped += 1
            return
        self._status = status
        self._complete(messages)

    def _complete(self, messages: list[tuple[int, ...]]) -> None:
        kind = message_of(self._status)
        if kind is None or len(self._data) + 1 < kind.size:
            return
        messages.append((self._status, *self._data))
        self._data.clear()
        if not kind.on_channel:  # system common messages end running status
            self._status = 0
