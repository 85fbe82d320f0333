"""A player's MIDI notes as sound: a plain struck tone, so that kelly hears a keyboard as it hears an instrument.

Each note is eight decaying harmonics, brighter where it is struck harder, longer where it is low; a key that is let go
dies away in a quarter of a second unless the pedal holds it.  Nobody needs to listen to it: the front end does.

A block is one product of the partials' phases with a table of their motion, so its cost hardly grows with the notes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly.errors import AudioFileError

HARMONICS = 8
BLOCK = 256  # frames computed at a time
LOUDEST = 0.16  # amplitude of a note's first harmonic at velocity 127: a mezzo-forte triad lies near -20 dBFS
QUIET = 1e-4  # a partial below this is not heard any more
RELEASE_S = 0.25  # to -60 dB
DRUM_CHANNEL = 9  # from 0; its notes have no pitch
RATE_HZ = 48000

NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0
SUSTAIN, SOUND_OFF, NOTES_OFF = 64, 120, 123

Complex = NDArray[np.complex128]


class Tones:
    """Sounding notes.

    rate    Hz
    thread  [owner]
    """

    def __init__(self, rate: float = RATE_HZ) -> None:
        self._rate = rate
        self._tables: dict[tuple[int, bool], Complex] = {}
        self._notes: list[_Note] = []
        self._pedals: set[int] = set()
        self._table: Complex | None = None  # of all partials that sound
        self._phases: Complex = np.zeros(0, np.complex128)

    @property
    def sounding(self) -> int:
        return len(self._notes)

    def take(self, message: Iterable[int]) -> None:
        """A MIDI message: notes, pedal, all notes off; anything else is nothing."""
        data = tuple(message)
        if not data or len(data) < 3:
            return
        kind, channel, number, value = data[0] & 0xF0, data[0] & 0x0F, data[1], data[2]
        if channel == DRUM_CHANNEL:
            return
        if kind == NOTE_ON and value > 0:
            self._release(lambda note: note.place == (channel, number))
            self._strike(channel, number, value)
        elif kind in (NOTE_ON, NOTE_OFF):
            for note in self._notes:
                note.held = note.held and note.place != (channel, number)
            if channel not in self._pedals:
                self._release(lambda note: not note.held and note.place == (channel, number))
        elif kind == CONTROL and number == SUSTAIN:
            (self._pedals.add if value >= 64 else self._pedals.discard)(channel)
            if value < 64:
                self._release(lambda note: not note.held and note.place[0] == channel)
        elif kind == CONTROL and number in (SOUND_OFF, NOTES_OFF):
            self._pedals.discard(channel)
            self._release(lambda note: note.place[0] == channel)

    def render(self, frames: int) -> NDArray[np.float32]:
        """The next frames, float32 (frames,), within -1..1."""
        out = np.zeros(frames, np.float32)
        at = 0
        while at < frames and self._notes:
            n = min(BLOCK, frames - at)
            if self._table is None:
                self._table = np.concatenate([self._motion(note.place[1], note.released) for note in self._notes])
            # einsum and not @: a BLAS that wakes threads for so little costs a thousand times as much on a busy machine
            out[at : at + n] = np.einsum("p,pn->n", self._phases, self._table[:, :n]).imag
            self._phases = self._phases * self._table[:, n]
            self._forget()
            at += n
        return np.clip(out, -1.0, 1.0, out=out)

    def _strike(self, channel: int, pitch: int, velocity: int) -> None:
        amplitude = LOUDEST * (velocity / 127.0) ** 1.5
        brightness = 0.45 + 0.4 * velocity / 127.0
        audible = np.arange(1, HARMONICS + 1) * frequency(pitch) < 0.45 * self._rate
        shape = audible * brightness ** np.arange(HARMONICS) / np.arange(1, HARMONICS + 1) ** 0.7
        self._notes.append(_Note((channel, pitch)))
        self._phases = np.concatenate([self._phases, (amplitude * shape).astype(np.complex128)])
        self._table = None

    def _release(self, which: Any) -> None:
        for note in self._notes:
            if not note.released and which(note):
                note.held, note.released, self._table = False, True, None

    def _forget(self) -> None:
        """Notes that have died away."""
        loudest = np.abs(self._phases).reshape(-1, HARMONICS).max(axis=1)
        if (loudest < QUIET).any():
            keep = loudest >= QUIET
            self._notes = [note for note, kept in zip(self._notes, keep, strict=True) if kept]
            self._phases = self._phases.reshape(-1, HARMONICS)[keep].reshape(-1)
            self._table = None

    def _motion(self, pitch: int, released: bool) -> Complex:
        """(HARMONICS, BLOCK + 1): by what each partial is multiplied after so many frames."""
        key = (pitch, released)
        if key not in self._tables:
            number = np.arange(1, HARMONICS + 1)
            seconds = RELEASE_S if released else max(0.6, min(8.0, 6.0 * 2.0 ** (-(pitch - 48) / 24.0)))
            decay = math.log(1000.0) / (seconds * self._rate) * number**0.7
            motion = -decay + 2j * np.pi * frequency(pitch) / self._rate * number
            self._tables[key] = np.exp(np.outer(motion, np.arange(BLOCK + 1)))
        return self._tables[key]


class _Note:
    """One key: its place (channel from 0, pitch), whether it is down, whether it dies away."""

    __slots__ = ("held", "place", "released")

    def __init__(self, place: tuple[int, int]) -> None:
        self.place, self.held, self.released = place, True, False


def frequency(pitch: int) -> float:
    """Hz of a MIDI note, A4 = 440."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12.0))


class PlayedFile:
    """A MIDI file as sound, with as much of soundfile's interface as a source asks for.

    raises  AudioFileError
    """

    channels = 1

    def __init__(self, path: str | Path, rate: int = RATE_HZ) -> None:
        self.samplerate = rate
        self._sound = play_file(path, rate)
        self.frames, self._at = len(self._sound), 0

    def read(self, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next frames into ``out`` (n, 1); returns the part that was filled."""
        piece = self._sound[self._at : self._at + len(out)]
        out[: len(piece), 0] = piece
        self._at += len(piece)
        return out[: len(piece)]

    def close(self) -> None:
        pass


def play_file(path: str | Path, rate: int = RATE_HZ) -> NDArray[np.float32]:
    """A MIDI file's notes as sound, float32 (frames,), to half a second after its last event.

    raises  AudioFileError for a file that is no MIDI or holds no notes
    """
    import mido

    try:
        file = mido.MidiFile(str(path))
        messages = [(message.time, tuple(message.bytes())) for message in file if not message.is_meta and message.type != "sysex"]
        deltas = [float(delta) for delta, _ in messages]
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise AudioFileError(f"{path}: not readable as MIDI: {error or type(error).__name__}") from error
    if not any(data[0] & 0xF0 == NOTE_ON and data[2] > 0 and data[0] & 0x0F != DRUM_CHANNEL for _, data in messages):
        raise AudioFileError(f"{path}: the file holds no notes")
    seconds = sum(deltas) + 0.5
    if seconds > 4 * 3600:
        raise AudioFileError(f"{path}: lasts {seconds / 3600:.0f} hours")
    tones, pieces, now_s, done = Tones(rate), [], 0.0, 0
    for delta_s, data in messages:
        now_s += delta_s
        pieces.append(tones.render(max(0, round(now_s * rate) - done)))
        done += len(pieces[-1])
        tones.take(data)
    pieces.append(tones.render(round(seconds * rate) - done))
    return np.concatenate(pieces)
