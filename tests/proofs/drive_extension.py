"""Run under ThreadSanitizer by test_extension.py: every pair of threads of a session, without the nets.

source -> capture -> reader, planner -> performer -> sink, and a watcher that reads every counter.
"""

import sys
import threading
import time

import numpy as np

sys.path.insert(0, sys.argv[1])
from kelly._rt.layout import dtype
from kelly._rt.stream import capture as capture_module
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.performer import Performer
from kelly._rt.stream.ring import Ring

assert capture_module.__file__.startswith(sys.argv[1]), capture_module.__file__

FRAMES, NOTES, NUMBERS = 480_000, 20_000, 100_000
PATIENCE_S = 600.0  # of each thread: under the sanitizer, beside others, a hand-over of the GIL may take its time
capture = Capture(48000, lossless=True, seconds=0.1)
planned, out = Ring(dtype("event"), 256), Ring(dtype("event"), 4096)
offline, ring = Performer(planned, out), Ring(np.int64, 1024)
live = Performer(Ring(dtype("event"), 64), Ring(dtype("event"), 4096), None, capture)
heard, played, passed = [], [], []
over = threading.Event()


def source():
    for start in range(0, FRAMES, 480):
        capture.feed(np.full((480, 1), start / FRAMES, np.float32))
    capture.end()


def reader():
    left = FRAMES
    while left > 0:
        heard.append(len(capture.drain(1000)))
        left -= heard[-1]
        if not heard[-1]:
            time.sleep(0.0005)  # the GIL to whoever has something to do


def planner():
    for start in range(0, NOTES, 100):
        notes = np.zeros(100, dtype("event"))
        notes["frame"] = np.arange(start, start + 100)
        notes["serial"], notes["status"], notes["data1"], notes["size"] = notes["frame"], 0xB0, 1, 3
        assert planned.push(notes, timeout_s=PATIENCE_S) == 100
        offline.publish(start + 100)
    offline.finish()


def sink():
    while not offline.done or len(out):
        if out.wait(0.05):
            played.extend(out.pop()["frame"].tolist())


def count():
    assert ring.push(np.arange(NUMBERS), timeout_s=PATIENCE_S) == NUMBERS, "timed out"


def check():
    left = NUMBERS
    while left > 0:
        assert ring.wait(PATIENCE_S, 0.0002), "timed out"
        passed.append(ring.pop(700))
        left -= len(passed[-1])


def watcher():
    while not over.is_set():
        _ = capture.counters(), offline.counters(), live.lateness(), live.now_frames, ring.peak, ring.refused, len(ring)
        over.wait(0.002)


threads = [threading.Thread(target=f, daemon=True) for f in (source, reader, planner, sink, count, check, offline.run, live.run)]
watch = threading.Thread(target=watcher, daemon=True)
for thread in [watch, *threads]:
    thread.start()
for thread in threads[:-1]:
    thread.join(PATIENCE_S)
live.panic()
live.stop()
threads[-1].join(PATIENCE_S)
over.set()
watch.join(PATIENCE_S)
assert not any(thread.is_alive() for thread in [watch, *threads])
assert sum(heard) == FRAMES
assert played[:NOTES] == list(range(NOTES))
assert np.array_equal(np.concatenate(passed), np.arange(NUMBERS))
print("all threads met")
