"""Notes that sound or will sound: the one place that knows, so no note can hang or be struck twice.

Pedals and expression pass through here, too, so that no pedal stays down.

Note-ons and note-offs wait here until they fall inside the horizon; until then a later note may still
cut an earlier one.  What leaves is ordered by frame, offs before ons.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._rt.layout import dtype

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
EXPRESSION, PEDAL = 11, 64  # controllers
DOWN = 64  # from this value on a pedal is down
RELEASE_VELOCITY = 64
EVENT = dtype("event")

_Row = tuple[int, int, int, int, int, int, int, int]  # frame, rank, order, status, data1, data2, size, part


@dataclass(slots=True)
class _Sounding:
    part: int
    on_frame: int
    off_frame: int


class Ledger:
    """Pending events of all parts.

    horizon  every event before this frame has left; nothing can be added before it
    """

    def __init__(self, shortest_frames: int) -> None:
        self.horizon = 0
        self.serial = 0
        self._shortest = max(1, shortest_frames)
        self._order = 0
        self._pending: list[_Row] = []
        self._sounding: dict[tuple[int, int], _Sounding] = {}
        self._pedals: dict[int, int] = {}  # channel -> part, of pedals that have left here and are down
        self._quieted: dict[int, int] = {}  # the same of channels whose expression is not full

    def _push(self, frame: int, rank: int, status: int, data1: int, data2: int, size: int, part: int) -> None:
        self._order += 1
        heapq.heappush(self._pending, (frame, rank, self._order, status, data1, data2, size, part))

    def program(self, part: int, channel: int, frame: int, program: int) -> None:
        """Choose a part's sound; it stands before the notes of its frame."""
        self._push(max(frame, self.horizon), 1, PROGRAM | (channel - 1), program, 0, 2, part)

    def control(self, part: int, channel: int, frame: int, number: int, value: int) -> None:
        """Move a controller; it stands between the releases and the strikes of its frame."""
        self._push(max(frame, self.horizon), 1, CONTROL | (channel - 1), number, value, 3, part)

    def strike(self, part: int, channel: int, pitch: int, velocity: int, on_frame: int, off_frame: int) -> bool:
        """Plan a note; the same pitch, if it sounds, is released first.

        returns  False when the note cannot be played: its pitch has only just begun
        """
        on_frame = max(on_frame, self.horizon)
        key = (channel, pitch)
        before = self._sounding.get(key)
        if before is not None:
            if before.on_frame + self._shortest > on_frame:
                return False
            self._release(key, before, min(before.off_frame, on_frame))
        self._push(on_frame, 2, NOTE_ON | (channel - 1), pitch, velocity, 3, part)
        self._sounding[key] = _Sounding(part, on_frame, max(off_frame, on_frame + self._shortest))
        return True

    def tie(self, channel: int, pitch: int, frame: int, off_frame: int) -> bool:
        """Let a note that sounds at ``frame`` go on to ``off_frame``; False where none does."""
        note = self._sounding.get((channel, pitch))
        if note is None or not note.on_frame < frame <= note.off_frame:
            return False
        note.off_frame = max(note.off_frame, off_frame)
        return True

    def cut(self, part: int, frame: int, keep: frozenset[int] = frozenset()) -> None:
        """Let no note of a part that has begun before ``frame`` sound beyond it, but for the pitches to ``keep``."""
        for (_, pitch), note in self._sounding.items():
            if note.part == part and note.off_frame > frame > note.on_frame and pitch not in keep:
                note.off_frame = max(frame, self.horizon, note.on_frame + self._shortest)

    def _release(self, key: tuple[int, int], note: _Sounding, frame: int) -> None:
        channel, pitch = key
        self._push(max(frame, self.horizon), 0, NOTE_OFF | (channel - 1), pitch, RELEASE_VELOCITY, 3, note.part)
        del self._sounding[key]

    def advance(self, horizon: int) -> Any:
        """Everything due before ``horizon``, in order.

        returns  records of ``layout.dtype("event")``, perhaps none
        """
        if horizon <= self.horizon:
            return _records([])
        for key, note in list(self._sounding.items()):
            if note.off_frame < horizon:
                self._release(key, note, note.off_frame)
        rows = []
        while self._pending and self._pending[0][0] < horizon:
            row = heapq.heappop(self._pending)
            if row[3] & 0xF0 == CONTROL:
                self._moved(row)
            rows.append(self._number(row))
        self.horizon = horizon
        return _records(rows)

    def _moved(self, row: _Row) -> None:
        """A controller's message leaves."""
        channel, part, number, value = (row[3] & 0x0F) + 1, row[7], row[4], row[5]
        if number not in (PEDAL, EXPRESSION):
            return  # says something and holds nothing
        held, full = {PEDAL: (self._pedals, value < DOWN), EXPRESSION: (self._quieted, value == 127)}[number]
        if full:
            held.pop(channel, None)
        else:
            held[channel] = part

    def finish(self) -> Any:
        """Release what sounds as soon as possible, lift the pedals, and forget what has not begun."""
        unborn = {key for key, note in self._sounding.items() if note.on_frame >= self.horizon}
        for key in unborn:
            del self._sounding[key]
        # Offs that were already decided stay, brought forward; ons do not.
        offs = [row for row in self._pending if row[1] == 0 and not self._belongs_to_the_unborn(row)]
        for key, note in list(self._sounding.items()):
            del self._sounding[key]
            self._order += 1
            offs.append((self.horizon, 0, self._order, NOTE_OFF | (key[0] - 1), key[1], RELEASE_VELOCITY, 3, note.part))
        for number, value, held in ((PEDAL, 0, self._pedals), (EXPRESSION, 127, self._quieted)):
            for channel, part in sorted(held.items()):
                self._order += 1
                offs.append((self.horizon, 1, self._order, CONTROL | (channel - 1), number, value, 3, part))
            held.clear()
        self._pending = []
        rows = [self._number((self.horizon, *row[1:])) for row in sorted(offs, key=lambda row: (row[1], *row))]
        return _records(rows)

    def _belongs_to_the_unborn(self, off: _Row) -> bool:
        """An off whose on is still pending, too, is not needed."""
        return any(
            on[1] == 2 and on[3] & 0x0F == off[3] & 0x0F and on[4] == off[4] and on[0] < off[0] for on in self._pending
        )

    def _number(self, row: _Row) -> tuple[int, ...]:
        frame, _, _, status, data1, data2, size, part = row
        self.serial += 1
        return frame, self.serial, status, data1, data2, size, part


def _records(rows: list[tuple[int, ...]]) -> Any:
    return np.array(rows, dtype=EVENT)
