"""kelly in a process whose GIL is burnt by another Python thread; prints its counters as JSON.

    python under_load.py metronome N        N messages 5 ms apart to a native JACK port "Kelly"
    python under_load.py session SECONDS    a session that listens to "stage" and plays a JACK port
    python under_load.py mend               a native JACK port whose listener goes and comes back
    python under_load.py wait               a native JACK port; says when its server has gone, then lets go
"""

import json
import sys
import threading
import time

import jack

from kelly._rt.stream.native_midi import open_jack
from kelly.config import Config, load_config
from kelly.live.session import Session


def burn():
    x = 0
    while True:
        x = (x * 31 + 7) % 1_000_003


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


if __name__ == "__main__":
    what, *number = sys.argv[1:]
    result = {"metronome": metronome, "session": session, "wait": wait, "mend": mend}[what](*map(int, number))
    print(json.dumps(result), flush=True)
