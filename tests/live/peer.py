"""Other people's MIDI gear on a JACK server, in a process of its own, until stdin ends.

    python peer.py pedals NAME            an output; each line on stdin is a message in hex, sent at once
    python peer.py flood NAME SECONDS     an output; ten thousand messages a second, some of them none, then a line of counts
    python peer.py synth NAME             an input; at the end, a line: the messages that came, in hex
"""

import json
import sys
import time

from kelly._rt.stream.midi_input import JackMidiInput
from kelly._rt.stream.native_midi import open_jack

PER_SECOND = 10_000
FLOOD = (
    (0xB0, 20, 1), (0x90, 60, 1), (0x80, 60, 0), (0xB0, 16, 64),  # a knob nobody bound, a key nobody learned, a mood
    (0xF0, 0x7D, 1, 2, 3, 4, 0xF7),  # system exclusive
    (0x40,), (0xB0, 20), (0xF4,),  # a stray, a message that was cut, a status that MIDI does not know
    (0xE0, 0, 64), (0xD0, 5),
)  # fmt: skip


def pedals(name, port=None):
    if port is None:
        port = open_jack(name)
        print("ready", flush=True)
    for line in sys.stdin:
        port.send(bytes.fromhex(line))
    port.close()


def flood(name, seconds):
    port = open_jack(name)
    print("ready", flush=True)
    sys.stdin.readline()
    began, sent = time.monotonic(), 0
    while sent < PER_SECOND * float(seconds):
        ahead_s = began + sent / PER_SECOND - time.monotonic()
        if ahead_s > 0.05:
            time.sleep(0.02)
            continue
        port.send(FLOOD[sent % len(FLOOD)], delay_s=max(0.0, ahead_s))
        sent += 1
    while port.waiting:
        time.sleep(0.01)
    print(json.dumps({**port.counters(), "seconds": time.monotonic() - began}), flush=True)
    pedals(name, port)


def synth(name):
    port = JackMidiInput(name)
    print("ready", flush=True)
    sys.stdin.read()
    print(json.dumps([data.hex() for data, _ in port.take(8192)]), flush=True)
    port.close()


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    {"pedals": pedals, "flood": flood, "synth": synth}[what](*words)
