"""A line that delays, on a JACK server, in a process of its own: so many frames of air and cables.

    python delay.py SERVER FRAMES FROM

Whatever the audio outputs of the client whose name contains FROM play leaves its output "delay:out" FRAMES later.
Ends with stdin.
"""

import sys
import threading
from collections import deque

import jack
import numpy as np


def main(server, frames, source):
    client = jack.Client("delay", servername=server, no_start_server=True)
    into, out = client.inports.register("in"), client.outports.register("out")
    line = deque([np.zeros(int(frames), np.float32)] if int(frames) else [])

    @client.set_process_callback
    def process(count):
        line.append(np.array(into.get_array()))
        waiting = np.concatenate(line)
        out.get_array()[:] = waiting[:count]
        line.clear()
        line.append(waiting[count:])

    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
    with client:
        print("ready", flush=True)
        connected = set()
        while not done.is_set():
            for port in client.get_ports(is_audio=True, is_output=True):
                if source in port.name and port.name not in connected:
                    client.connect(port, into)
                    connected.add(port.name)
            done.wait(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
