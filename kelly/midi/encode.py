"""Messages -> bytes, and event records -> bytes.

channel   1..16
returns   bytes as they go down the wire
raises    ValueError when a value does not fit its seven bits or its channel
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .messages import BY_NAME, CHANNELS, CONTROLLERS, message_of


def encode(name: str, channel: int | None = None, *data: int) -> bytes:
    """A message of the table by name; ``channel`` only where it lives on one."""
    message = BY_NAME[name]
    status = message.status
    if message.on_channel:
        if channel is None or channel not in CHANNELS:
            raise ValueError(f"{name}: channel {channel} is not in 1..16")
        status |= channel - 1
    elif channel is not None:
        raise ValueError(f"{name} has no channel, found {channel}")
    if len(data) != message.size - 1:
        raise ValueError(f"{name} takes {message.size - 1} data bytes, found {len(data)}")
    for value in data:
        if not 0 <= value <= 127:
            raise ValueError(f"{name}: data byte {value} is not in 0..127")
    return bytes((status, *data))


def note_on(channel: int, pitch: int, velocity: int) -> bytes:
    """Velocity 1..127: on the wire a note-on of velocity 0 means note-off, so it is refused."""
    if velocity == 0:
        raise ValueError("note_on: velocity 0 means note-off on the wire; say note_off")
    return encode("note_on", channel, pitch, velocity)


def note_off(channel: int, pitch: int, velocity: int = 64) -> bytes:
    return encode("note_off", channel, pitch, velocity)


def control_change(channel: int, controller: int | str, value: int) -> bytes:
    """``controller`` by number, or by a name of CONTROLLERS."""
    number = CONTROLLERS[controller] if isinstance(controller, str) else controller
    return encode("control_change", channel, number, value)


def program_change(channel: int, program: int) -> bytes:
    """Program 0..127 as on the wire; General MIDI lists print it plus one."""
    return encode("program_change", channel, program)


def pitchwheel(channel: int, value: int) -> bytes:
    """-8192..8191, 0 at rest."""
    if not -8192 <= value <= 8191:
        raise ValueError(f"pitchwheel: {value} is not in -8192..8191")
    return encode("pitchwheel", channel, (value + 8192) & 0x7F, (value + 8192) >> 7)


def panic(channels: Iterable[int]) -> tuple[bytes, ...]:
    """Per channel: pedal up, all notes off; what silences a synthesiser that missed its note-offs."""
    return tuple(
        message
        for channel in sorted(set(channels))
        for message in (control_change(channel, "sustain", 0), control_change(channel, "all_notes_off", 0))
    )


def event_bytes(event: Any) -> bytes:
    """The message inside one record of ``layout.dtype("event")``."""
    size = int(event["size"])
    return bytes((int(event["status"]), int(event["data1"]), int(event["data2"])))[:size]


def is_note_on(data: bytes) -> bool:
    """True for a sounding note-on, so not for one of velocity 0."""
    message = message_of(data[0]) if data else None
    return message is not None and message.name == "note_on" and data[2] > 0


def is_note_off(data: bytes) -> bool:
    """True for a note-off, also when it is written as a note-on of velocity 0."""
    message = message_of(data[0]) if data else None
    return message is not None and (message.name == "note_off" or (message.name == "note_on" and data[2] == 0))
