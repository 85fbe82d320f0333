"""The scheduler: order, time, panic, no note left hanging."""

import threading
import time

import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.performer import SAFETY_PART, Performer
from kelly._rt.stream.ring import Ring
from tests.patience import PATIENCE_S, until


def events(*rows):
    """(frame, serial, bytes) -> records."""
    out = np.zeros(len(rows), dtype("event"))
    for record, (frame, serial, (status, data1, data2)) in zip(out, rows, strict=True):
        record["frame"], record["serial"], record["size"] = frame, serial, 3
        record["status"], record["data1"], record["data2"] = status, data1, data2
    return out


def messages(ring):
    return [(int(e["frame"]), int(e["status"]), int(e["data1"]), int(e["data2"])) for e in ring.pop()]


class Stage:
    """A performer on its thread."""

    def __init__(self, capture=None, reflex=None, early_s=0.0):
        self.planned, self.out = Ring(dtype("event"), 4096), Ring(dtype("event"), 8192)
        self.performer = Performer(self.planned, self.out, reflex, capture, early_s=early_s)
        self.thread = threading.Thread(target=self.performer.run, daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return messages(self.out)


ON, OFF, CC = 0x90, 0x80, 0xB0


def closing(frame, channel=0):
    return [(frame, CC | channel, 64, 0), (frame, CC | channel, 123, 0)]


def test_events_leave_in_order_of_frame_then_release_before_strike_then_serial():
    stage = Stage()
    stage.planned.push(
        events(
            (20, 0, (ON, 60, 90)),
            (20, 1, (OFF, 60, 0)),
            (10, 2, (ON, 60, 80)),
            (20, 3, (CC, 1, 7)),
            (10, 5, (ON, 64, 80)),
            (10, 4, (ON, 62, 80)),
            (30, 6, (ON, 60, 0)),
            (30, 7, (OFF, 64, 0)),
            (30, 8, (OFF, 62, 0)),
        )
    )
    stage.performer.finish()
    assert stage.join() == [
        (10, ON, 60, 80), (10, ON, 62, 80), (10, ON, 64, 80),
        (20, OFF, 60, 0), (20, CC, 1, 7), (20, ON, 60, 90),
        (30, ON, 60, 0), (30, OFF, 64, 0), (30, OFF, 62, 0), *closing(30),
    ]  # fmt: skip
    assert stage.performer.open_notes == 0


def test_offline_nothing_is_performed_before_the_conductor_has_passed_it():
    stage = Stage()
    stage.planned.push(events((100, 0, (ON, 60, 90)), (50, 1, (ON, 64, 90))))
    time.sleep(0.01)
    assert len(stage.out) == 0
    stage.performer.publish(60)
    assert stage.out.wait(PATIENCE_S)
    assert messages(stage.out) == [(50, ON, 64, 90)]
    stage.planned.push(events((70, 2, (OFF, 64, 0))))
    stage.performer.publish(100)
    until(lambda: len(stage.out) >= 2)
    assert messages(stage.out) == [(70, OFF, 64, 0), (100, ON, 60, 90)]
    stage.performer.stop()
    assert stage.join() == [(100, OFF, 60, 64), *closing(100)]


def test_stop_releases_every_sounding_note_and_drops_what_is_planned():
    stage = Stage()
    stage.planned.push(events((1, 0, (ON, 60, 90)), (1, 1, (ON | 9, 36, 90)), (2, 2, (CC, 64, 127)), (99, 3, (ON, 72, 90))))
    stage.performer.publish(5)
    until(lambda: len(stage.out) >= 3)
    assert stage.performer.open_notes == 2
    stage.out.pop()
    stage.performer.stop()
    assert stage.join() == [(5, OFF, 60, 64), *closing(5), (5, OFF | 9, 36, 64), *closing(5, 9)]
    assert stage.performer.open_notes == 0


def test_panic_silences_and_the_music_goes_on():
    stage = Stage()
    stage.planned.push(events((1, 0, (ON, 60, 90)), (50, 1, (ON, 62, 90))))
    stage.performer.publish(1)
    assert stage.out.wait(PATIENCE_S)
    stage.out.pop()
    stage.performer.panic()
    until(lambda: len(stage.out) >= 3)
    released = stage.out.pop()
    assert (released["part"] == SAFETY_PART).all()
    stage.planned.push(events((80, 2, (ON, 67, 90))))
    stage.performer.finish()
    assert stage.join() == [(80, ON, 67, 90), (80, OFF, 67, 64), *closing(80)]
    assert stage.performer.counters()["panics"] == 1


def test_a_sink_that_stands_still_delays_and_loses_nothing():
    stage = Stage()
    rows = [(i, i, (CC, 1, i % 128)) for i in range(4000)]
    for start in range(0, 24_000, 4000):
        stage.planned.push(events(*((start + f, start + s, m) for f, s, m in rows)), timeout_s=PATIENCE_S)
        stage.performer.publish(start + 4000)
    stage.performer.finish()
    got = []
    while stage.thread.is_alive() or len(stage.out):
        got += messages(stage.out)
    assert [frame for frame, *_ in got[:-2]] == list(range(24_000))


def test_the_two_voices_are_merged_by_frame():
    reflex = Ring(dtype("event"), 64)
    stage = Stage(reflex=reflex)
    reflex.push(events((10, 1 << 62, (ON | 10, 40, 90)), (30, (1 << 62) + 1, (OFF | 10, 40, 0))))
    stage.planned.push(events((20, 0, (ON, 60, 90)), (30, 1, (OFF, 60, 0))))
    stage.performer.finish()
    assert [m[:2] for m in stage.join()[:4]] == [(10, ON | 10), (20, ON), (30, OFF), (30, OFF | 10)]


# How far the performer's clock may run ahead of the blocks it has seen: by the largest of them, and by 50 ms.
LEAD = 2400


def feed(stage, capture, frames):
    """The stream goes on to ``frames`` at once, and the performer sees it."""
    capture.feed(np.zeros((frames - capture.frames, 1), np.float32))
    capture.drain()
    until(lambda: stage.performer.now_frames >= frames)


def test_an_event_waits_until_the_stream_has_come_to_its_frame():
    """However much time passes; and each leaves without another block."""
    capture = Capture(48000, lossless=True)
    stage = Stage(capture=capture)
    block = 4800
    first, second = 2 * block, 4 * block
    assert 2 * block + block + LEAD < second
    stage.planned.push(events((first, 0, (ON, 60, 90)), (second, 1, (OFF, 60, 0))))
    feed(stage, capture, block)
    for frame in (first, second):
        time.sleep(0.06)
        assert len(stage.out) == 0
        feed(stage, capture, frame)
        assert stage.out.wait(PATIENCE_S)
        assert stage.out.pop()["frame"].tolist() == [frame]
    stage.performer.finish()
    stage.join()
    assert stage.performer.counters()["late_events"] == 0
    assert stage.performer.lateness()["count"] == 2


@pytest.mark.live
def test_live_an_event_waits_for_its_frame_and_the_lateness_is_measured():
    """A paced stream of 5 ms blocks: each event leaves within a block and a half of its frame."""
    rate, capture = 48000, Capture(48000, lossless=True)
    stage = Stage(capture=capture)
    stage.planned.push(events((4800, 0, (ON, 60, 90)), (9600, 1, (OFF, 60, 0))))
    start, arrivals = time.monotonic(), []
    for block in range(60):
        capture.feed(np.zeros((240, 1), np.float32))
        capture.drain()
        while time.monotonic() < start + (block + 1) * 240 / rate:
            arrivals += [(int(e["frame"]), capture.frames) for e in stage.out.pop()]
            time.sleep(0.0005)
    stage.performer.finish()
    stage.join()
    assert [frame for frame, _ in arrivals] == [4800, 9600]
    assert all(seen >= frame - 240 for frame, seen in arrivals)
    assert stage.performer.counters()["late_events"] == 0
    assert stage.performer.lateness()["count"] == 2


def test_live_an_event_that_comes_after_its_frame_is_counted_and_still_played():
    capture = Capture(48000, lossless=True)
    stage = Stage(capture=capture)
    capture.feed(np.zeros((4800, 1), np.float32))
    time.sleep(0.01)
    stage.planned.push(events((100, 0, (ON, 60, 90))))
    assert stage.out.wait(PATIENCE_S)
    stage.performer.stop()
    assert stage.join()[0] == (100, ON, 60, 90)
    assert stage.performer.counters()["late_events"] == 1
    assert stage.performer.lateness()["max_ms"] >= 90


def test_planned_notes_leave_early_by_the_latency_and_a_reflex_does_not():
    """A quarter second early: 12,000 frames before 24,000 the note leaves."""
    capture, reflex = Capture(48000, lossless=True), Ring(dtype("event"), 64)
    stage = Stage(capture=capture, reflex=reflex, early_s=0.25)
    strike = events((24000, 1 << 60, (ON | 15, 37, 90)))
    strike["part"] = -1
    stage.planned.push(events((24000, 0, (ON, 60, 90))))
    reflex.push(strike)
    left = []
    for stands in (4800, 12000, 14400, 24000):
        feed(stage, capture, stands)
        if stands in (12000, 24000):
            assert stage.out.wait(PATIENCE_S)
        time.sleep(0.06)
        left.append([(int(e["status"]), int(e["frame"])) for e in stage.out.pop()])
    assert left == [[], [(ON, 24000)], [], [(ON | 15, 24000)]]
    stage.performer.stop()
    stage.join()
    assert stage.performer.counters()["late_events"] == 0
    with pytest.raises(ValueError, match="0 to 1 s early"):
        Performer(stage.planned, stage.out, early_s=-0.1)


@pytest.mark.live
def test_planned_notes_leave_early_by_the_latency_and_are_written_at_their_own_frame():
    """50 ms early: 2400 frames before 9600 the note leaves; a reflex, which nobody planned, is not early."""
    rate, capture, reflex = 48000, Capture(48000, lossless=True), Ring(dtype("event"), 64)
    stage = Stage(capture=capture, reflex=reflex, early_s=0.05)
    strike = events((9600, 1 << 60, (ON | 15, 37, 90)))
    strike["part"] = -1
    stage.planned.push(events((9600, 0, (ON, 60, 90))))
    reflex.push(strike)
    start, arrivals = time.monotonic(), {}
    for block in range(60):
        capture.feed(np.zeros((240, 1), np.float32))
        capture.drain()
        while time.monotonic() < start + (block + 1) * 240 / rate:
            for e in stage.out.pop():
                arrivals[int(e["status"])] = (int(e["frame"]), capture.frames)
            time.sleep(0.0005)
    stage.performer.stop()
    stage.join()
    assert arrivals[ON][0] == arrivals[ON | 15][0] == 9600
    assert 7200 - 240 <= arrivals[ON][1] < 9600
    assert arrivals[ON | 15][1] >= 9600 - 240
    assert stage.performer.counters()["late_events"] == 0


def test_rings_of_something_else_are_refused():
    with pytest.raises(ValueError, match="ring of events"):
        Performer(Ring(np.int64, 64), Ring(dtype("event"), 4096))
    with pytest.raises(ValueError, match="4096"):
        Performer(Ring(dtype("event"), 64), Ring(dtype("event"), 64))
