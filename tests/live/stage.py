"""A player and a listener on a JACK server, in a process of its own: plays a WAV, records MIDI.

    python stage.py SERVER LIBRARY WAV RECORDING.json [loop]

LIBRARY is stage.c, compiled. Starts to play once somebody listens to its output, connects the MIDI outputs
that appear to its input, and on a line on stdin (or its end) writes what arrived: [[frame, [bytes]], ...],
frames of the server from the first one played.
"""

import ctypes
import json
import sys
import threading
import time

import jack
import soundfile


class Heard(ctypes.Structure):
    _fields_ = [("frame", ctypes.c_int64), ("size", ctypes.c_uint8), ("bytes", ctypes.c_uint8 * 7)]


class Stage(ctypes.Structure):
    """stage.c's own."""

    _fields_ = [
        ("client", ctypes.c_void_p), ("out", ctypes.c_void_p), ("into", ctypes.c_void_p), ("sound", ctypes.c_void_p),
        ("length", ctypes.c_int64), ("loop", ctypes.c_int32), ("playing", ctypes.c_int32), ("began", ctypes.c_int32),
        ("first", ctypes.c_uint32), ("n", ctypes.c_int64), ("messages", Heard * 65536),
    ]  # fmt: skip


def address(handle):
    return int(jack._ffi.cast("uintptr_t", handle))


def outputs(client):
    """The MIDI outputs that are there; none where one of them left while the list was read."""
    try:
        return client.get_ports(is_midi=True, is_output=True)
    except jack.JackError:
        return []


def main(server, library, wav, recording, loop=""):
    sound, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    sound = sound.mean(axis=1).astype("float32")
    client = jack.Client("stage", servername=server, no_start_server=True)
    assert client.samplerate == rate, (client.samplerate, rate)
    out, into = client.outports.register("out"), client.midi_inports.register("in")
    code, state = ctypes.CDLL(library), Stage(
        client=address(client._ptr), out=address(out._ptr), into=address(into._ptr), sound=sound.ctypes.data, length=len(sound), loop=bool(loop)
    )  # fmt: skip
    assert code.stage_size() == ctypes.sizeof(state)
    process = jack._ffi.cast("JackProcessCallback", ctypes.cast(code.stage_process, ctypes.c_void_p).value)
    assert jack._lib.jack_set_process_callback(client._ptr, process, jack._ffi.cast("void*", ctypes.addressof(state))) == 0

    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), done.set()), daemon=True).start()
    with client:
        print("ready", flush=True)
        connected = set()
        while not done.is_set():
            if not state.playing and client.get_all_connections(out):
                time.sleep(0.2)
                state.playing = 1
            for port in outputs(client):
                if port.name not in connected and "Kelly" in port.name:
                    try:
                        client.connect(port, into)
                    except jack.JackError:
                        continue  # it is there and not active yet: next time
                    connected.add(port.name)
                    print(f"connected {port.name}", flush=True)
            done.wait(0.02)
    with open(recording, "w", encoding="utf-8") as file:
        json.dump([[m.frame, list(m.bytes[: m.size])] for m in state.messages[: state.n]], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
