"""The MIDI messages that kelly knows: one table, lookups derived from it.

Channels are numbered 1 to 16, as on every front panel; the byte on the wire holds 0 to 15.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A kind of message.

    status      first byte, with channel 0 where ``on_channel``
    size        bytes in all, 1 to 3; 0 = as long as it says itself (system exclusive)
    on_channel  the low four bits of the status byte hold a channel
    """

    name: str
    status: int
    size: int
    on_channel: bool


MESSAGES = (
    Message("note_off", 0x80, 3, True),
    Message("note_on", 0x90, 3, True),
    Message("polytouch", 0xA0, 3, True),
    Message("control_change", 0xB0, 3, True),
    Message("program_change", 0xC0, 2, True),
    Message("aftertouch", 0xD0, 2, True),
    Message("pitchwheel", 0xE0, 3, True),
    Message("sysex", 0xF0, 0, False),
    Message("quarter_frame", 0xF1, 2, False),
    Message("songpos", 0xF2, 3, False),
    Message("song_select", 0xF3, 2, False),
    Message("tune_request", 0xF6, 1, False),
    Message("clock", 0xF8, 1, False),
    Message("start", 0xFA, 1, False),
    Message("continue", 0xFB, 1, False),
    Message("stop", 0xFC, 1, False),
    Message("active_sensing", 0xFE, 1, False),
    Message("reset", 0xFF, 1, False),
)
BY_NAME = {message.name: message for message in MESSAGES}
_BY_STATUS = {message.status: message for message in MESSAGES}

CONTROLLERS = {
    "bank": 0,
    "modulation": 1,
    "volume": 7,
    "pan": 10,
    "expression": 11,
    "sustain": 64,
    "all_sound_off": 120,
    "reset_controllers": 121,
    "all_notes_off": 123,
}

CHANNELS = range(1, 17)
DRUM_CHANNEL = 10  # General MIDI

NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def message_of(status: int) -> Message | None:
    """The kind that a status byte (0..255) announces; None for data bytes and undefined ones."""
    return _BY_STATUS.get(status & 0xF0 if status < 0xF0 else status)


def note_name(pitch: int) -> str:
    """``C4`` for 60; the octave below is ``C3``."""
    return f"{NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"
