"""Literal bytes of MIDI messages."""

from __future__ import annotations

import mido
import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly.midi import encode
from kelly.midi.messages import BY_NAME, MESSAGES, message_of, note_name


@pytest.mark.parametrize(
    ("data", "hexadecimal"),
    [
        (encode.note_on(1, 60, 100), "90 3c 64"),
        (encode.note_on(16, 127, 1), "9f 7f 01"),
        (encode.note_off(10, 36), "89 24 40"),
        (encode.control_change(3, "sustain", 0), "b2 40 00"),
        (encode.control_change(1, 11, 127), "b0 0b 7f"),
        (encode.program_change(2, 11), "c1 0b"),
        (encode.pitchwheel(1, 0), "e0 00 40"),
        (encode.pitchwheel(1, -8192), "e0 00 00"),
        (encode.pitchwheel(1, 8191), "e0 7f 7f"),
        (encode.encode("clock"), "f8"),
    ],
)
def test_messages_are_these_bytes(data, hexadecimal):
    assert data.hex(" ") == hexadecimal


def test_panic_lifts_the_pedal_and_ends_all_notes_on_each_channel_once():
    assert [m.hex(" ") for m in encode.panic([10, 1, 10])] == ["b0 40 00", "b0 7b 00", "b9 40 00", "b9 7b 00"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: encode.note_on(0, 60, 1),
        lambda: encode.note_on(17, 60, 1),
        lambda: encode.note_on(1, 128, 1),
        lambda: encode.note_on(1, 60, 0),
        lambda: encode.note_on(1, 60, 128),
        lambda: encode.pitchwheel(1, 8192),
        lambda: encode.encode("clock", 1),
        lambda: encode.encode("note_on", 1, 60),
        lambda: encode.encode("note_on", None, 60, 1),
    ],
)
def test_values_that_do_not_fit_are_refused(call):
    with pytest.raises(ValueError, match=r"\S"):
        call()


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.size], ids=lambda m: m.name)
def test_the_table_agrees_with_mido(message):
    data = bytes([message.status, *([1] * (message.size - 1))])
    theirs = mido.Message.from_bytes(data)
    assert theirs.type == message.name
    assert len(theirs.bytes()) == message.size
    assert message_of(message.status | (5 if message.on_channel else 0)) is BY_NAME[message.name]


def test_data_bytes_and_undefined_status_are_no_message():
    assert message_of(0x40) is None
    assert message_of(0xF4) is None


def test_an_event_record_holds_its_bytes():
    event = np.zeros((), dtype("event"))
    event["status"], event["data1"], event["size"] = 0xC1, 11, 2
    assert encode.event_bytes(event[()]) == b"\xc1\x0b"


def test_a_note_on_of_velocity_zero_counts_as_note_off():
    assert encode.is_note_off(b"\x90\x3c\x00")
    assert not encode.is_note_on(b"\x90\x3c\x00")
    assert encode.is_note_off(b"\x80\x3c\x40")
    assert encode.is_note_on(b"\x90\x3c\x01")


def test_middle_c_is_c4():
    assert note_name(60) == "C4"
    assert note_name(0) == "C-1"
