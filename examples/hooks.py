"""Three functions that take part in the real-time thread, and a render that hears them.

    python examples/hooks.py take.wav out.mid gate lfo key

They are compiled when this file is loaded and called every 40 ms without Python; controls[32:48] is each
one's own memory.  What the others mean is said in kelly/_rt/layout.py.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import kelly
from kelly._rt.contract import EMBEDDING
from kelly._rt.layout import SLOTS

LEVEL_DB, PLAYING, BEAT = SLOTS["level_db"], SLOTS["playing"], SLOTS["beat"]
KEY_TONIC, KEY_MODE = SLOTS["key_tonic"], SLOTS["key_mode"]
TENSION, CHROMA = EMBEDDING["tension"].start, SLOTS["chroma_0"]
MEMORY = 32


@kelly.hook
def gate(features: Any, embedding: Any, controls: Any) -> None:
    """A gate with hysteresis: open above -35 dBFS, closed below -45; kelly rests while it is closed."""
    if controls[LEVEL_DB] > -35.0:
        controls[MEMORY] = 1.0
    elif controls[LEVEL_DB] < -45.0:
        controls[MEMORY] = 0.0
    if controls[MEMORY] == 0.0:
        controls[PLAYING] = 0.0


@kelly.hook
def lfo(features: Any, embedding: Any, controls: Any) -> None:
    """Tension swings up and down once in sixteen beats."""
    embedding[TENSION] += 0.6 * math.sin(2.0 * math.pi * controls[BEAT] / 16.0)


@kelly.hook
def key(features: Any, embedding: Any, controls: Any) -> None:
    """A key follower of one's own: the pitch class heard most in the last ten seconds is the tonic, always minor."""
    best, most = -1, 0.0
    for pitch in range(12):
        controls[MEMORY + pitch] += 0.004 * (controls[CHROMA + pitch] - controls[MEMORY + pitch])
        if controls[MEMORY + pitch] > most:
            best, most = pitch, controls[MEMORY + pitch]
    if best >= 0:
        controls[KEY_TONIC], controls[KEY_MODE] = float(best), -1.0


HOOKS = {"gate": gate, "lfo": lfo, "key": key}


def main(audio: str, midi: str, *names: str) -> None:
    """Render with the hooks that are named, all of them where none is."""
    from kelly.audio.sources import FileSource
    from kelly.midi.sinks import FileSink

    session = kelly.Session(kelly.load_config(), source=FileSource(audio, realtime=False), sink=FileSink(midi), realtime=False)
    for name in names or HOOKS:
        session.add_hook(HOOKS[name])
    with session:
        session.wait()
    print(session.summary()["played"])


if __name__ == "__main__":
    main(*sys.argv[1:])
