"""A MIDI input without a port: what rtmidi calls back becomes actions, at the driver's own times."""

import time
from collections import deque

import pytest

from kelly.errors import MidiPortError
from kelly.midi import listener, ports
from kelly.midi.listener import WAITING, MidiListener, open_listener


class Client:
    """rtmidi's MidiIn, as far as it is used."""

    def __init__(self, names=()):
        self.names, self.opened, self.closed = list(names), None, False
        self.queue = deque()

    def ignore_types(self, sysex, timing, active_sense):
        self.ignored = (sysex, timing, active_sense)

    def get_message(self):
        return self.queue.popleft() if self.queue else None

    def get_ports(self):
        return self.names

    def open_port(self, index, name):
        self.opened = index

    def open_virtual_port(self, name):
        self.opened = name

    def close_port(self):
        self.opened, self.closed = None, True

    def delete(self):
        self.closed = True


def no_server():
    raise MidiPortError("no JACK server answers")


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(listener, "jack_inputs", no_server)
    one = Client(["Midi Through:0", "nanoKONTROL:1", "Pedal:2"])
    monkeypatch.setattr(ports, "open_client", lambda name, listen=0: (one, "ALSA") if listen else None)
    return one


def test_a_pedal_becomes_an_action_and_the_clock_is_not_ignored(client):
    pedal = open_listener("pedal")
    assert (client.opened, pedal.description) == (2, "Pedal:2 (ALSA)")
    assert client.ignored == (True, False, True)
    client.queue.append(([0xB0, 64, 127], 0.0))
    client.queue.append(([0xB0, 64, 0], 0.2))
    assert [(action.name, action.value) for action in pedal.actions()] == [("hold_chord", 1.0), ("hold_chord", 0.0)]
    assert pedal.actions() == []
    pedal.close()
    pedal.close()
    assert client.closed


def test_a_burst_keeps_the_times_at_which_it_was_played(client, monkeypatch):
    """Python was busy for 60 ms: three clock pulses arrive at once, and are still 20 ms apart."""
    now = [100.0]
    monkeypatch.setattr(listener.time, "monotonic", lambda: now[0])
    clock, heard = open_listener("virtual"), []
    monkeypatch.setattr(clock.controls, "feed", lambda message, at_s: heard.append(at_s) or [])
    client.queue.append(([0xF8], 0.0))
    clock.actions()
    now[0] += 0.060
    for _ in range(3):
        client.queue.append(([0xF8], 0.020))
    clock.actions()
    now[0] += 5.0
    client.queue.append(([0xF8], 0.020))  # this driver's distances are wrong: our own clock is taken
    clock.actions()
    assert heard == pytest.approx([100.0, 100.02, 100.04, 100.06, 105.06])


def test_one_look_at_a_flood_is_bounded(client):
    flood = open_listener("nano")
    started = time.process_time()
    for _ in range(10_000):
        client.queue.append(([0xB0, 20, 1], 0.0001))
    assert flood.actions() == []
    assert len(client.queue) == 10_000 - WAITING
    assert time.process_time() - started < 0.5


def test_kelly_does_not_listen_to_itself(client):
    """A session's own output is there before its input is looked for."""
    client.names = ["Kelly:Kelly 128:0", "Kelly-01:Kelly", "Pedal:2"]
    assert listener.midi_inputs() == ("Pedal:2",)
    with pytest.raises(MidiPortError, match=r"'kelly' does not exist; there is: Pedal:2"):
        open_listener("kelly")


def test_a_name_that_is_not_there_is_told_with_those_that_are(client):
    with pytest.raises(MidiPortError, match="'drums' does not exist; there is: Midi Through:0, nanoKONTROL:1, Pedal:2"):
        open_listener("drums")
    assert client.closed


def test_a_device_that_is_plugged_in_again_is_found_under_its_new_number_and_its_pedal_is_up(client, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(listener.time, "monotonic", lambda: now[0])
    client.names = ["Midi Through:Midi Through Port-0 14:0", "Pedal:Pedal MIDI 1 24:0"]
    pedal = open_listener("pedal")
    client.queue.append(([0xB0, 64, 127], 0.0))
    assert [action.name for action in pedal.actions()] == ["hold_chord"]

    def look():
        now[0] += 1.5
        return pedal.mend()

    assert look() == ""
    held = client.names.pop()
    assert look() == "Pedal:Pedal MIDI 1 24:0 (ALSA): the MIDI input is gone; waiting for it"
    assert look() == ""
    assert [(action.name, action.value) for action in pedal.actions()] == [("hold_chord", 0.0)]
    assert pedal.actions() == []
    client.names = [held.replace("24:0", "28:0"), *client.names]
    assert look().endswith("the MIDI input is back")
    assert client.opened == 0
    client.queue.append(([0xB0, 64, 127], 0.0))
    assert [(action.name, action.value) for action in pedal.actions()] == [("hold_chord", 1.0)]


def test_rtmidi_is_asked_once_a_second_and_a_port_of_our_own_never(client):
    asked = []
    client.get_ports = lambda: asked.append(1) or client.names
    for name in ("pedal", "virtual"):
        one = open_listener(name)
        asked.clear()
        for _ in range(50):
            assert one.mend() == ""
        assert not asked


def test_a_listener_needs_no_controls_of_its_own():
    assert MidiListener(Client(), "x").controls.bound
