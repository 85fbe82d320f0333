"""A session whose pedals are a JACK client; prints what it did as JSON.

    python led_session.py WAV
"""

import json
import sys
import threading
import time

import jack

from kelly._rt.stream.native_midi import open_jack
from kelly.config import load_config
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink

PULSE_S = 60 / 132 / 24
DRUMS = 9  # channel, from 0


class Sequencer:
    """24 pulses a beat at 132 bpm to kelly's input, each sent with its own frame."""

    def __init__(self, to):
        self.port = open_jack("sequencer", to=to)
        self.began_s, self._going = None, threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        self._going.wait()
        self.began_s, sent = time.monotonic() + 0.2, 0
        while True:
            while self.began_s + sent * PULSE_S < time.monotonic() + 0.1:
                self.port.send((0xF8,), delay_s=max(0.0, self.began_s + sent * PULSE_S - time.monotonic()))
                sent += 1
            time.sleep(0.02)

    def clock(self):
        self.port.send((0xFA,))
        time.sleep(0.05)
        self._going.set()

    def press(self, controller, value=127):
        self.port.send((0xB0, controller, value))


def roots(session, seconds):
    seen, until = set(), time.monotonic() + seconds
    while time.monotonic() < until:
        seen.add(int(session.snapshot().tick["chord_root"]))
        time.sleep(0.05)
    return sorted(seen)


def played(sink, since, until=1 << 62):
    """Channels (from 0) of the notes that begin between two frames."""
    return [int(e["status"]) & 15 for e in sink.events if e["status"] & 0xF0 == 0x90 and since < e["frame"] < until]


def main(wav):
    sink, row = MemorySink(), {}
    config = load_config(flags={"audio_in": f"file:{wav}", "midi_in": "virtual:Feet", "key": "C"}, env={})
    with Session(config, sink=sink) as session:
        names = [port.name for port in jack.Client("look", no_start_server=True).get_ports(is_midi=True, is_input=True)]
        sequencer = Sequencer(next(name for name in names if "Feet" in name))
        frames = lambda: session.source.capture.frames  # noqa: E731
        time.sleep(6.0)
        row["heard_tempo"] = float(session.snapshot().tick["tempo_bpm"])
        sequencer.clock()
        time.sleep(4.0)
        tick = session.snapshot().tick
        row["tempo"] = float(tick["tempo_bpm"])
        session.pedals._clock.look()
        beats = (float(tick["beat_frame"]) - session.pedals._clock.frame_at(sequencer.began_s)) / (48000 * 60 / 132)
        row["beat_error_ms"] = abs(beats - round(beats)) * 60000 / 132
        sequencer.press(64)
        time.sleep(0.4)
        row["held_roots"] = roots(session, 5.0)
        sequencer.press(64, 0)
        row["free_roots"] = roots(session, 5.0)
        sequencer.press(81)
        time.sleep(1.0)
        out = frames()
        time.sleep(1.5)
        back = frames()
        row["drums_while_out"] = played(sink, out, back).count(DRUMS)
        row["others_while_drums_are_out"] = len(played(sink, out, back))
        sequencer.press(81, 0)
        sequencer.press(81)
        row["open_before_panic"] = sounding(session)
        sequencer.press(123, 0)
        row["open_after_panic"] = least(session, 0.3)
        sequencer.port.send((0xFC,))
        time.sleep(0.8)
        stopped = frames()
        time.sleep(1.0)
        row["notes_while_stopped"] = len(played(sink, stopped))
        sequencer.port.send((0xFA,))
        started = frames()
        time.sleep(2.0)
        row["notes_after_start"] = len(played(sink, started))
        sequencer.press(80)
        row["ended"] = session.wait(12.0)
        row["open_at_the_end"] = session.counters()["open_notes"]
        row["dropped_frames"] = session.counters()["dropped_frames"]
        stamps = [int(receipt["tick"]) for receipt in session.receipts]
        row["stamped"] = len(stamps) > 20 and stamps == sorted(stamps) and stamps[0] > 100
    return row


def sounding(session):
    """Waits up to two seconds for a note to sound; how many then do."""
    return look(session, 2.0, lambda n: n > 0)


def least(session, seconds):
    return look(session, seconds, lambda n: n == 0)


def look(session, seconds, enough):
    until = time.monotonic() + seconds
    while not enough(n := session.counters()["open_notes"]) and time.monotonic() < until:
        time.sleep(0.001)
    return n


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])), flush=True)
