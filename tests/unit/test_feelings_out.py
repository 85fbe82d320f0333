"""What is felt goes out: as controllers among the notes, and by OSC from beside them."""

import contextlib
import socket
import struct

import mido
import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly.config import load_config
from kelly.errors import ConfigError
from kelly.generate.conductor import Conductor
from kelly.generate.feeling import FEELING_PART, NO_CHORD, place_of, seven_bits
from kelly.generate.settings import ConductorSettings
from kelly.live.osc import ADDRESSES, OscSender, message, read_address
from kelly.live.render import render_config
from kelly.music.thesaurus import NODES
from tests.patience import until
from tests.rig import chords
from tests.synthetic import conduct, engines, ticks
from tests.unit.test_take import Device, chords_take, config, session_on


def controllers(events):
    return [(int(e["frame"]), (int(e["status"]) & 15) + 1, int(e["data1"]), int(e["data2"])) for e in events if e["status"] & 0xF0 == 0xB0]


def test_seven_bits_have_a_middle_and_two_ends():
    assert [seven_bits(value) for value in (-2.0, -1.0, 0.0, 1.0, float("nan"))] == [0, 0, 64, 127, 64]
    places = [place_of(node) for node in NODES]
    assert sorted(set(places)) == list(range(36))


def test_controllers_are_sent_when_they_change_and_at_most_once_a_tick():
    """Two chords in turn, a mood that stays: one valence, one emotion, a chord each bar."""
    settings = ConductorSettings(feelings={"valence": (16, 20), "emotion": (16, 23), "chord": (5, 24)})
    events = conduct(Conductor(48000, settings, engines()), ticks(16, chords=((0, 0), (9, 1)), mood=(0.5, 0.1, -0.2)))
    sent = [row for row in controllers(events) if row[2] in (20, 23, 24)]
    assert [row[3] for row in sent if row[2] == 20] == [seven_bits(0.5)]
    assert len([row for row in sent if row[2] == 23]) == 1
    chord = [row for row in sent if row[2] == 24]
    assert {row[1] for row in chord} == {5}
    assert [row[3] for row in chord][:3] == [NO_CHORD, 0, 9 + 12] or [row[3] for row in chord][:2] == [0, 9 + 12]
    assert 8 <= len(chord) <= 10  # eight bars, and before the first
    frames = events["frame"].astype(np.int64)
    assert (np.diff(frames) >= 0).all()
    assert {int(e["part"]) for e in events if e["status"] & 0xF0 == 0xB0 and e["data1"] in (20, 23, 24)} == {FEELING_PART}


def test_controllers_stand_in_a_take_and_in_its_render_on_a_track_of_their_own(tmp_path):
    folder = chords_take(tmp_path, midi_cc=("valence=20", "arousal=21", "chord=CC 24 on channel 5"))
    render_config(folder / "take.wav", tmp_path / "again.mid", load_config(folder / "kelly.toml", alone=True))
    assert (tmp_path / "again.mid").read_bytes() == (folder / "take.mid").read_bytes()
    (track,) = [track for track in mido.MidiFile(folder / "take.mid").tracks if track.name == "feeling"]
    sent = [m for m in track if m.type == "control_change"]
    assert {(m.channel + 1, m.control) for m in sent} == {(16, 20), (16, 21), (5, 24)}
    assert len({m.value for m in sent if m.control == 20}) > 3


@pytest.mark.parametrize(
    ("text", "address"), [("9000", ("127.0.0.1", 9000)), ("10.0.0.5:57120", ("10.0.0.5", 57120)), ("[::1]:7000", ("::1", 7000)), ("desk.local:1", ("desk.local", 1))]
)
def test_an_address_without_a_host_is_this_machine(text, address):
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", ":9000", "host:0", "host:70000", "host:9x"])
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        read_address(text)


def test_messages_are_osc_to_the_byte():
    """Multiples of four, type tags, big-endian: the examples of the specification's own form."""
    assert message("/kelly/beat", 3) == b"/kelly/beat\0,i\0\0\0\0\0\3"
    assert message("/kelly/valence", -0.5) == b"/kelly/valence\0\0,f\0\0" + struct.pack(">f", -0.5)
    assert message("/kelly/chord", "Em7") == b"/kelly/chord\0\0\0\0,s\0\0Em7\0"
    assert message("/kelly/key", "") == b"/kelly/key\0\0,s\0\0\0\0\0\0"


def read(data):
    """(address, value) of a message, read as the specification says."""
    end = data.index(b"\0")
    at = end // 4 * 4 + 4
    tag, body = chr(data[at + 1]), data[at + 4 :]
    assert len(data) % 4 == 0
    value = body[: body.index(b"\0")].decode() if tag == "s" else struct.unpack(">f" if tag == "f" else ">i", body)[0]
    assert ADDRESSES[data[:end].decode()][0] == tag
    return data[:end].decode(), value


def test_a_session_tells_what_it_hears_by_osc(patient):
    """Heard by a socket as any other program would."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("127.0.0.1", 0))
    ear.settimeout(0.2)
    session = session_on(Device(np.tile(chords(8).reshape(-1), 40)), config(osc=f"127.0.0.1:{ear.getsockname()[1]}"))
    said = {address: [] for address in ADDRESSES}

    def everything():
        with contextlib.suppress(TimeoutError):
            address, value = read(ear.recv(512))
            said[address].append(value)
        told = all(said.values()) and set(said["/kelly/beat"]) >= {1, 2, 3, 4} and "Am" in said["/kelly/key"]
        return told and {"C", "G", "Am"} & set(said["/kelly/chord"])

    with session:
        until(everything, look_s=0.0)
        threads = session.osc._thread
    until(lambda: not threads.is_alive())
    ear.close()
    assert any("OSC goes to 127.0.0.1" in notice for notice in session.notices)


def test_a_tick_that_changes_nothing_says_nothing_and_a_beat_says_itself():
    tick = np.zeros((), dtype("tick"))
    tick["beat_frames"], tick["beat_count"] = 100.0, 4
    sender = OscSender("9", lambda: None, 48000.0)
    sender._socket.close()
    sender._socket = type("Ear", (), {"sendto": lambda self, data, where: got.append(read(data)), "close": lambda self: None})()
    got = []
    sender.tell(tick)
    assert {address for address, _ in got} == set(ADDRESSES)
    got.clear()
    tick["index"] = 1
    sender.tell(tick)
    assert got == []
    tick["beat_count"], tick["index"] = 8, 2  # the same place in the next bar
    sender.tell(tick)
    assert got == [("/kelly/beat", 1)]
    sender.close()
