"""Ports that are played without the GIL: what the performer hands over, when, and what happens when nobody takes it."""

import threading
import time

import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly._rt.stream import native_midi
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.native_midi import NativePort, open_idle, open_jack
from kelly._rt.stream.performer import Performer
from kelly._rt.stream.ring import Ring
from kelly.errors import MidiPortError
from kelly.midi.native import choose
from tests.patience import PATIENCE_S, until

ON, OFF = 0x90, 0x80


def events(*rows):
    """(frame, part, bytes) -> records in that order."""
    out = np.zeros(len(rows), dtype("event"))
    for serial, (record, (frame, part, message)) in enumerate(zip(out, rows, strict=True)):
        record["frame"], record["part"], record["serial"], record["size"] = frame, part, serial, len(message)
        record["status"], record["data1"], record["data2"] = (*message, 0, 0)[:3]
    return out


class Stage:
    """A performer at work on a stream that stands at ``frame``, playing an idle port."""

    def __init__(self, frame=4800, ahead_s=0.0, plan=()):
        self.capture, self.port = Capture(48000, lossless=True), open_idle(ahead_s)
        self.planned, self.out = Ring(dtype("event"), 4096), Ring(dtype("event"), 4096)
        self.performer = Performer(self.planned, self.out, None, self.capture)
        self.performer.play_to(self.port)
        self.plan(*plan)
        self.fed_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self.capture.feed(np.zeros((frame, 1), np.float32))
        self.thread = threading.Thread(target=self.performer.run, daemon=True)
        self.thread.start()
        until(lambda: self.performer.now_frames >= frame)

    def plan(self, *rows):
        self.planned.push(events(*rows))

    def stop(self):
        self.performer.stop()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def test_the_performer_plays_the_port_itself_and_the_out_ring_keeps_the_record():
    stage = Stage()
    stage.plan((4000, 0, (ON, 60, 90)), (4100, 0, (0xC0, 5)))
    until(lambda: stage.port.waiting == 2)
    assert [message for _, message in stage.port.take()] == [bytes((ON, 60, 90)), bytes((0xC0, 5))]
    assert stage.out.pop()["frame"].tolist() == [4000, 4100]
    stage.stop()


def test_a_message_is_handed_over_ahead_of_its_time_and_says_when_it_is_due():
    """The stream stands at frame 4800; 20 ms later is due 20 ms after that was reached, 200 ms is not handed over yet."""
    stage = Stage(ahead_s=0.03, plan=[(4800 + 960, 0, (ON, 60, 90)), (4800 + 9600, 0, (ON, 62, 90))])
    reached_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    until(lambda: stage.port.waiting == 1)
    time.sleep(0.01)
    ((due_ns, message),) = stage.port.take()
    assert message == bytes((ON, 60, 90))
    assert stage.fed_ns <= due_ns - 20e6 <= reached_ns
    assert stage.performer.counters()["late_events"] == 0
    stage.stop()


def test_the_reflex_overtakes_what_was_handed_over_for_later():
    stage = Stage(ahead_s=0.03)
    stage.plan((5500, 0, (ON, 60, 90)), (4800, -1, (ON | 15, 76, 100)))
    until(lambda: stage.port.waiting == 2)
    assert [message[0] for _, message in stage.port.take()] == [ON | 15, ON]
    stage.stop()


def test_silence_leaves_after_the_strikes_that_were_handed_over_early():
    """A note-off that overtook its note-on would leave the note hanging."""
    stage = Stage(ahead_s=0.03)
    stage.plan((5500, 0, (ON, 60, 90)))
    until(lambda: stage.port.waiting == 1)
    stage.stop()
    messages = [message for _, message in stage.port.take()]
    assert messages == [bytes((ON, 60, 90)), bytes((OFF, 60, 64)), bytes((0xB0, 64, 0)), bytes((0xB0, 123, 0))]


def test_a_port_that_takes_nothing_holds_nobody_up():
    """20,000 events to a port that stands still: the queue fills, the rest is counted, and it stops when it is told to."""
    stage = Stage()
    for _ in range(10):
        stage.planned.push(events(*[(10, 0, (0xB0, 1, 1))] * 2000), timeout_s=PATIENCE_S)
    until(lambda: stage.performer.counters()["performed_events"] == 20_000)
    stage.stop()
    assert stage.port.waiting == 8192
    assert stage.port.counters()["unsent_events"] >= 20_000 - 8192
    assert not stage.port.send((ON, 60, 90))
    assert stage.port.close()
    assert not stage.port.alive


def test_a_new_listener_is_told_every_program_and_controller():
    stage = Stage()
    stage.plan(
        (1, 0, (0xB1, 0, 8)), (2, 0, (0xC1, 33)), (3, 0, (0xB1, 7, 100)), (4, 0, (0xB1, 7, 90)), (5, 0, (0xC9, 0)), (6, 0, (0x91, 40, 80)),
    )  # fmt: skip
    until(lambda: stage.port.waiting == 6)
    stage.port.take()
    stage.performer.repeat_settings()
    until(lambda: stage.port.waiting == 4)
    assert [message for _, message in stage.port.take()] == [bytes((0xB1, 0, 8)), bytes((0xB1, 7, 90)), bytes((0xC1, 33)), bytes((0xC9, 0))]
    stage.stop()


def test_a_port_that_follows_another_hears_its_programs_before_any_note():
    """A thousand notes are on their way while the port changes; the first two messages are what was set."""
    stage = Stage()
    stage.plan((1, 0, (0xC1, 33)), (2, 0, (0xB1, 7, 90)))
    until(lambda: stage.port.waiting == 2)
    other = open_idle()
    for i in range(500):
        stage.plan((10, 0, (ON, i % 128, 90)), (10, 0, (OFF, i % 128, 64)))
        if i == 250:
            stage.performer.play_to(other)
    until(lambda: stage.port.waiting + other.waiting == 1004)
    assert [message for _, message in other.take()][:2] == [bytes((0xB1, 7, 90)), bytes((0xC1, 33))]
    stage.stop()


def test_a_closed_port_refuses_and_counts():
    port = open_idle()
    assert port.send((ON, 60, 90))
    assert port.close()
    assert not port.send((ON, 60, 90))
    assert port.counters()["unsent_events"] == 1


def test_offline_no_port_is_played():
    performer = Performer(Ring(dtype("event"), 64), Ring(dtype("event"), 4096))
    with pytest.raises(ValueError, match="offline"):
        performer.play_to(open_idle())


def test_messages_have_one_to_seven_bytes():
    port = open_idle()
    for message in (b"", bytes(8)):
        with pytest.raises(ValueError, match="1 to 7"):
            port.send(message)
    with pytest.raises(TypeError, match="open_jack"):
        NativePort()


def test_without_a_server_the_error_says_so(monkeypatch, capfd):
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "kelly-nobody")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    for ask in (lambda: open_jack("Kelly"), native_midi.jack_outputs):
        with pytest.raises(MidiPortError, match=r"no JACK server answers|libjack is not installed"):
            ask()


def test_a_port_is_chosen_by_an_unambiguous_part_of_its_name():
    names = ("system:midi_playback_1", "fluidsynth:midi", "Synth:in", "synth")
    assert choose(names, "fluid") == 1
    assert choose(names, "SYNTH") == 3
    assert choose(names, "piano") is None
    with pytest.raises(MidiPortError, match="'midi' is ambiguous: system:midi_playback_1, fluidsynth:midi"):
        choose(names, "midi")
