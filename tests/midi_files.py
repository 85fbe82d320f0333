"""What MIDI files hold."""

import mido


def open_notes(path):
    """Notes of a MIDI file that were struck and never released."""
    sounding = set()
    for message in mido.MidiFile(path):
        if message.type == "note_on" and message.velocity:
            sounding.add((message.channel, message.note))
        elif message.type in ("note_on", "note_off"):
            sounding.discard((message.channel, message.note))
    return sounding
