"""A listener on a JACK server, in a process of its own: records what a synthesizer plays.

    python ear.py SERVER NAME RECORDING.wav

Connects every audio output whose client's name contains NAME to its input as it appears; on a line on
stdin (or its end) writes what it heard, mono, from its own start.
"""

import sys
import threading

import jack
import numpy as np
import soundfile


def main(server, name, recording):
    client = jack.Client("ear", servername=server, no_start_server=True)
    into, blocks = client.inports.register("in"), []

    @client.set_process_callback
    def process(frames):
        blocks.append(np.array(into.get_array()))

    rate, done = client.samplerate, threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
    with client:
        print("ready", flush=True)
        connected = set()
        while not done.is_set():
            for port in client.get_ports(is_audio=True, is_output=True):
                if name in port.name and port.name not in connected:
                    client.connect(port, into)
                    connected.add(port.name)
            done.wait(0.02)
    soundfile.write(recording, np.concatenate(blocks), rate)


if __name__ == "__main__":
    main(*sys.argv[1:])
