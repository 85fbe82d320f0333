"""Ports, files and memory as sinks of one kind."""

import time

import mido
import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly._rt.stream.performer import SAFETY_PART
from kelly.errors import MidiFileError, MidiPortError
from kelly.generate.settings import PARTS
from kelly.midi import native, ports, sinks
from kelly.midi.sink import Score
from kelly.midi.sinks import FileSink, MemorySink, RtMidiSink, open_sink, released, take_name
from kelly.midi.tempo import TempoMap

SCORE = Score(48000.0, TempoMap(tempo_bpm=120.0), PARTS, (7, 1))


def events(*rows):
    """(frame, part, bytes) -> records."""
    out = np.zeros(len(rows), dtype("event"))
    for i, (frame, part, data) in enumerate(rows):
        out[i]["frame"], out[i]["serial"], out[i]["part"], out[i]["size"] = frame, i, part, len(data)
        for field, value in zip(("status", "data1", "data2"), data, strict=False):
            out[i][field] = value
    return out


NOTES = events((0, 0, (0xC0, 4)), (24000, 0, (0x90, 60, 80)), (48000, 0, (0x80, 60, 64)), (48000, 2, (0x92, 40, 90)))
END = events((60000, SAFETY_PART, (0x82, 40, 64)), (60000, SAFETY_PART, (0xB2, 64, 0)), (60000, SAFETY_PART, (0xB2, 123, 0)))


def test_a_file_appears_when_the_sink_closes_with_every_note_on_its_part_s_track(tmp_path):
    sink = FileSink(tmp_path / "a.mid")
    sink.send(NOTES)
    sink.send(END)
    assert not sink.path.exists()
    sink.close(SCORE)
    sink.close(SCORE)
    tracks = {track.name: [m for m in track if m.type.startswith("note_")] for track in mido.MidiFile(sink.path).tracks}
    assert [(m.type, m.note, m.time) for m in tracks["chords"]] == [("note_on", 60, 480), ("note_off", 60, 480)]
    assert [(m.type, m.note, m.time) for m in tracks["bass"]] == [("note_on", 40, 960), ("note_off", 40, 240)]
    assert sink.counters() == {"sent_events": 7}


def test_a_sink_closed_without_a_score_leaves_no_file(tmp_path):
    sink = FileSink(tmp_path / "a.mid")
    sink.send(NOTES)
    sink.close(None)
    sink.close(SCORE)
    assert list(tmp_path.iterdir()) == []


def test_safety_messages_are_kept_only_where_they_end_something():
    """A release of a note that sounds, a pedal that is down; the rest of a panic says nothing to a file."""
    pedal = events((10, 0, (0xB0, 64, 127)))
    panic = events(
        (20, SAFETY_PART, (0x80, 61, 64)), (20, SAFETY_PART, (0x82, 40, 64)), (20, SAFETY_PART, (0xB0, 64, 0)),
        (20, SAFETY_PART, (0xB2, 64, 0)), (20, SAFETY_PART, (0xB0, 123, 0)),
    )  # fmt: skip
    kept = released(np.concatenate([NOTES, pedal, panic]), PARTS)[len(NOTES) + 1 :]
    assert [(e["part"], e["status"], e["data1"]) for e in kept] == [(2, 0x82, 40), (0, 0xB0, 64)]


@pytest.mark.parametrize(("path", "message"), [("missing/a.mid", "does not exist"), (".", "is a folder")])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_played(tmp_path, path, message):
    with pytest.raises(MidiFileError, match=message):
        FileSink(tmp_path / path)


def test_memory_keeps_the_order_of_performance():
    sink = MemorySink()
    assert len(sink.events) == 0
    for block in (END, NOTES):
        sink.send(block)
    assert np.array_equal(sink.events, np.concatenate([END, NOTES]))


class Port:
    """An rtmidi output that remembers, and fails when it is told to."""

    def __init__(self, broken=False):
        self.sent, self.broken, self.calls = [], broken, []

    def send_message(self, message):
        if self.broken:
            raise OSError("the port is gone")
        self.sent.append(tuple(message))

    def close_port(self):
        self.calls.append("close")

    def delete(self):
        self.calls.append("delete")


def test_a_port_gets_the_bytes_of_each_message():
    port = Port()
    sink = RtMidiSink(port, "virtual port 'Kelly' (ALSA)")
    sink.send(NOTES)
    assert port.sent == [(0xC0, 4), (0x90, 60, 80), (0x80, 60, 64), (0x92, 40, 90)]
    sink.close(SCORE)
    sink.close(SCORE)
    assert port.calls == ["close", "delete"]
    assert sink.counters() == {"sent_events": 4, "unsent_events": 0}


def test_after_a_failed_send_the_port_is_neither_called_nor_destroyed():
    port = Port(broken=True)
    sink = RtMidiSink(port, "virtual port 'Kelly' (JACK)")
    sink.send(NOTES)
    port.broken = False
    sink.send(NOTES)
    sink.close(SCORE)
    assert (port.sent, port.calls) == ([], [])
    assert sink.counters() == {"sent_events": 0, "unsent_events": 8}


def test_a_server_that_stands_still_gets_a_bounded_number_of_bytes():
    """RtMidi spins for ever, holding the GIL, once JACK's ring is full; so never fill it without a sign of life."""
    port, alive = Port(), [True]
    sink = RtMidiSink(port, "virtual port 'Kelly' (JACK)")
    sink.watch(lambda: alive[0])
    many = np.repeat(NOTES[1:2], 6000)
    sink.send(many)
    assert len(port.sent) == 6000
    alive[0] = False
    sink.send(many)
    assert 3 * (len(port.sent) - 6000) <= RtMidiSink.UNCONFIRMED_BYTES
    assert sink.lost


def test_a_server_that_stands_still_long_enough_is_lost_even_to_a_single_note(monkeypatch):
    port, alive = Port(), [True]
    sink = RtMidiSink(port, "virtual port 'Kelly' (JACK)")
    sink.watch(lambda: alive[0])
    sink.send(NOTES)
    alive[0] = False
    sink.send(NOTES[:1])
    now = time.monotonic()
    monkeypatch.setattr(sinks.time, "monotonic", lambda: now + 1.0)
    sink.send(NOTES[:1])
    assert sink.lost
    assert len(port.sent) == 5


@pytest.fixture(autouse=True)
def _no_native_port(monkeypatch):
    """Whatever server this desk has, the portable way is what is tested here."""
    monkeypatch.setattr(native, "open_virtual", lambda name=ports.CLIENT: None)
    monkeypatch.setattr(native, "open_named", lambda text: None)
    monkeypatch.setattr(native, "jack_ports", lambda: ())


def test_the_forms_of_midi_out(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr(ports, "open_virtual", lambda name=ports.CLIENT: (Port(), opened.append(name) or f"virtual port {name!r}"))
    monkeypatch.setattr(ports, "open_named", lambda text: (Port(), f"port {text}"))
    assert open_sink("virtual")[0].description == "virtual port 'Kelly'"
    assert open_sink("virtual:Strings")[0].description == "virtual port 'Strings'"
    assert open_sink("fluid")[0].description == "port fluid"
    assert open_sink("file:x.mid")[0].path.name == "x.mid"
    assert open_sink("auto")[1] == "notes leave through the virtual port 'Kelly'"
    assert opened == ["Kelly", "Strings", "Kelly"]


def test_auto_without_virtual_ports_names_the_file(monkeypatch, tmp_path):
    def none(name=ports.CLIENT):
        raise MidiPortError("no MIDI system answers (ALSA: no; JACK: no); file works")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ports, "open_virtual", none)
    sink, said = open_sink("auto")
    assert said == f"no MIDI system answers: notes go to {sink.path}"
    assert take_name(time.struct_time((2026, 1, 31, 23, 59, 58, 0, 0, 0))) == "kelly-20260131-235958.mid"


class Client(Port):
    def __init__(self, names):
        super().__init__()
        self.names, self.opened = names, None

    def get_ports(self):
        return self.names

    def open_port(self, index, name):
        self.opened = index


def test_a_port_is_found_by_an_unambiguous_part_of_its_name(monkeypatch):
    client = Client(["Midi Through:0", "FLUID Synth (1):0", "Synth"])
    monkeypatch.setattr(ports, "open_client", lambda name=ports.CLIENT: (client, "ALSA"))
    assert ports.open_named("fluid") == (client, "FLUID Synth (1):0 (ALSA)")
    assert client.opened == 1
    assert ports.open_named("synth")[1] == "Synth (ALSA)"
    with pytest.raises(MidiPortError, match="'i' is ambiguous: Midi Through:0, FLUID Synth"):
        ports.open_named("i")
    with pytest.raises(MidiPortError, match="'piano' does not exist; there is: Midi Through:0"):
        ports.open_named("piano")


def test_windows_has_no_virtual_ports(monkeypatch):
    monkeypatch.setattr(ports.sys, "platform", "win32")
    with pytest.raises(MidiPortError, match="loopMIDI"):
        ports.open_virtual()
