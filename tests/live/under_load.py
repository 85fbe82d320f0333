"""kelly in a process whose GIL is burnt by another Python thread; prints its counters as JSON.

    python under_load.py metronome N        N messages 5 ms apart to a native JACK port "Kelly"
    python under_load.py session SECONDS    a session that listens to "stage" and plays a JACK port
    python under_load.py mend               a native JACK port whose listener goes and comes back
    python under_load.py listen             a clock and a pedal from a JACK port to kelly's own input
    python under_load.py wait               a native JACK port; says when its server has gone, then lets go
    python under_load.py kelly ARGS         the command itself
    python under_load.py storm ARGS         the command, and a second thread that makes garbage in circles
"""

import gc
import json
import sys
import threading
import time

import jack

from kelly._rt.stream.native_midi import open_jack
from kelly.config import Config, load_config
from kelly.live.session import Session
from kelly.midi.listener import open_listener


def burn():
    x = 0
    while True:
        x = (x * 31 + 7) % 1_000_003


class Ring:
    """Garbage that only the collector can find."""

    def __init__(self):
        self.own, self.weight = self, [{} for _ in range(20)]


def storm():
    while True:
        for _ in range(5000):
            Ring()
        gc.collect()


def hear_stage():
    """Somebody listens to the stage, so it plays and counts its frames."""
    client = jack.Client("audience", no_start_server=True)
    client.connect("stage:out", "system:playback_1")
    return client


def metronome(n):
    audience, port = hear_stage(), open_jack("Kelly")
    time.sleep(0.7)  # until the stage has connected it and plays
    threading.Thread(target=burn, daemon=True).start()
    for i in range(n):
        port.send((0xB0, i // 128, i % 128), delay_s=0.1 + 0.005 * i)
    while port.waiting:
        time.sleep(0.05)
    time.sleep(0.1)
    audience.close()
    return {**port.counters(), "closed": port.close()}


def session(seconds):
    config: Config = load_config(flags={"audio_in": "stage", "midi_out": "virtual", "tempo": "100", "reflex": "76"})
    with Session(config) as session:
        threading.Thread(target=burn, daemon=True).start()
        time.sleep(seconds)
        row = {**session.counters(), "lateness": session._performer.lateness(), "reflex": session._performer.reflex_latency()}
    return {**row, "priorities": session.priorities, "sink": type(session.sink).__name__, "description": session.sink.description}


def wait():
    port = open_jack("Kelly")
    print("ready", flush=True)
    while port.alive:
        time.sleep(0.01)
    gone = time.monotonic()
    taken = port.send((0x90, 60, 90))
    return {"gone_s": gone, "taken": taken, "closed": port.close(), "closing_s": time.monotonic() - gone, **port.counters()}


def mend():
    def synth():
        client = jack.Client("synth", no_start_server=True)
        client.midi_inports.register("in")
        client.activate()
        return client

    first = synth()
    port = open_jack("Kelly", to="synth:in")
    seen = {"first": port.mend()}
    first.close()
    seen["alone"] = port.mend()
    second = synth()
    seen["back"], seen["again"] = port.mend(), port.mend()
    seen["connected"] = bool(second.get_all_connections("synth:in"))
    second.close()
    port.close()
    return seen


def listen():
    listener = open_listener("virtual:Kelly")
    names = [port.name for port in jack.Client("look", no_start_server=True).get_ports(is_midi=True, is_input=True)]
    port = open_jack("sequencer", to=next(name for name in names if "Kelly" in name))
    time.sleep(0.2)
    port.send((0xFA,))
    port.send((0xB0, 64, 127))
    for i in range(72):
        port.send((0xF8,), delay_s=0.1 + i * 0.5 / 24)
    port.send((0xB0, 123, 0), delay_s=1.7)
    actions, until = [], time.monotonic() + 2.0
    while time.monotonic() < until:
        actions += listener.actions()
        time.sleep(0.02)
    listener.close()
    port.close()
    told = [action.name for action in actions if action.name not in ("tempo", "no_clock")]
    return {"names": told, "tempo": [action.value for action in actions if action.name == "tempo"][-1]}


if __name__ == "__main__":
    what, *number = sys.argv[1:]
    if what in ("kelly", "storm"):
        from kelly.cli.app import run

        if what == "storm":
            threading.Thread(target=storm, daemon=True).start()
        threading.Thread(target=burn, daemon=True).start()
        sys.exit(run(number))
    result = {"metronome": metronome, "session": session, "wait": wait, "mend": mend, "listen": listen}[what](*map(int, number))
    print(json.dumps(result), flush=True)
