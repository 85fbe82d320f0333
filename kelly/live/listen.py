"""A synthesizer to hear a session by: fluidsynth, started and found again by its port.

It speaks JACK where a JACK server answers, else the system's own sound and MIDI.  It reads commands
from a pipe that kelly holds; so it ends with kelly, however kelly ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import IO, Self

from kelly import chatter
from kelly._rt.stream import native_midi
from kelly.audio.synth import GAIN, find_synth
from kelly.errors import AudioDeviceError, MidiPortError

START_S = 10.0
CLOSE_S = 2.0


def jack_answers() -> bool:
    """Whether a JACK server runs here; none is started."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        with chatter.captured():
            native_midi.jack_outputs()
    except MidiPortError:
        return False
    return True


def arguments(jack: bool, name: str) -> list[str]:
    """fluidsynth's options beside gain and soundfont."""
    if not jack:
        system = {"darwin": ["-a", "coreaudio", "-m", "coremidi"], "win32": []}.get(sys.platform, ["-m", "alsa_seq"])
        return [*system, "-o", f"midi.portname={name}"]
    words = ["-a", "jack", "-m", "jack", "-o", f"audio.jack.id={name}", "-o", f"midi.jack.id={name}", "-o", "audio.jack.autoconnect=1"]
    server = os.environ.get("JACK_DEFAULT_SERVER", "")
    return [*words, "-o", f"audio.jack.server={server}", "-o", f"midi.jack.server={server}"] if server else words


class Listener:
    """fluidsynth as a process of ours.

    raises  AudioDeviceError: not installed (with how to get it), or it does not start (with what it said)
    thread  [main]

    port    name of its MIDI input, for ``--midi-out``
    """

    def __init__(self) -> None:
        program, font = find_synth()
        if sys.platform == "win32":
            raise AudioDeviceError("--listen: Windows has no virtual ports: install loopMIDI, let fluidsynth listen to its port, and name it with --midi-out")
        name = f"kelly-synth-{os.getpid()}"
        self._said: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [program, "-q", "-g", GAIN, *arguments(jack_answers(), name), font],
            stdin=subprocess.PIPE, stdout=self._said, stderr=self._said, text=True,
            start_new_session=True,  # Ctrl-C is kelly's: the last note-offs still have to be heard
        )  # fmt: skip
        try:
            self.port = self._wait_for_port(name)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End it; idempotent, two seconds at most."""
        process, pipe = self._process, self._process.stdin
        if pipe is not None and not pipe.closed:
            try:
                pipe.write("quit\n")
                pipe.close()
            except OSError:  # it has gone by itself
                pass
        try:
            process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._said.close()

    def _wait_for_port(self, name: str) -> str:
        """The name of its MIDI input, once that exists."""
        from kelly.midi import native

        until = time.monotonic() + START_S
        while time.monotonic() < until and self.alive:
            for port in (*native.jack_ports(), *native.system_ports()):
                if name in port:
                    return port
            time.sleep(0.05)
        self._said.seek(0)
        said = [line.strip() for line in self._said if line.strip()]
        why = said[-1] if said else "no MIDI port of its own appeared"
        raise AudioDeviceError(f"fluidsynth does not start: {why}; `kelly render --audio` works without sound devices")
