"""A player and a listener on a JACK server, in a process of its own: plays a WAV, records MIDI.

    python stage.py SERVER WAV RECORDING.json [loop]

Starts to play once somebody listens to its output, connects the MIDI outputs that appear to its input,
and on a line on stdin (or its end) writes what arrived: [[frame, [bytes]], ...], frames from the first
frame played.
"""

import json
import sys
import threading
import time

import jack
import soundfile


def main(server, wav, recording, loop=""):
    sound, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    sound = sound.mean(axis=1).astype("float32")
    client = jack.Client("stage", servername=server, no_start_server=True)
    assert client.samplerate == rate, (client.samplerate, rate)
    out, into = client.outports.register("out"), client.midi_inports.register("in")
    listened, place, received = threading.Event(), [0, 0], []

    @client.set_process_callback
    def process(frames):
        buffer = out.get_array()
        buffer[:] = 0.0
        for offset, data in into.incoming_midi_events():
            received.append((place[1] + offset, list(bytes(data))))
        if listened.is_set():
            if loop:
                place[0] %= len(sound)
            piece = sound[place[0] : place[0] + frames]
            buffer[: len(piece)] = piece
            place[0] += frames
            place[1] += frames

    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
    with client:
        print("ready", flush=True)
        connected = set()
        while not done.is_set():
            if not listened.is_set() and client.get_all_connections(out):
                time.sleep(0.2)
                listened.set()
            for port in client.get_ports(is_midi=True, is_output=True):
                if port.name not in connected and "Kelly" in port.name:
                    client.connect(port, into)
                    connected.add(port.name)
                    print(f"connected {port.name}", flush=True)
            done.wait(0.02)
    with open(recording, "w", encoding="utf-8") as file:
        json.dump(received, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
