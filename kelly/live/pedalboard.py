"""What comes in over MIDI, carried out by a session: clock, transport, pedals, knobs.

A thread of Python asks the listener a hundred times a second and turns actions into commands.  A time
stamp becomes a frame of the stream here, once; from then on only frames count.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from kelly.audio.sources import Source
from kelly.errors import ConfigError
from kelly.joining import join
from kelly.live.keep import keep
from kelly.live.mailbox import LEVELS
from kelly.live.steering import Steering
from kelly.midi.inputs import Action
from kelly.midi.listener import Listener
from kelly.music.controls import NAMES, from_midi

POLL_S = 0.01
DRIFT = 0.0005  # of the rate, by which two clocks may part before the stream's frames are believed again
LOST_S = 0.25
log = logging.getLogger("kelly.live")


class FrameClock:
    """The monotonic clock's times as frames of a stream.

    frames          () -> frames of the stream so far; they come in blocks
    sample_rate_hz  of the stream
    now_s           the clock

    The frames counted are behind by up to a block; the least delay seen is the truth.
    """

    def __init__(self, frames: Callable[[], int], sample_rate_hz: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._frames, self._rate, self._now_s = frames, sample_rate_hz, now_s
        self._origin_s: float | None = None
        self._looked_s = 0.0

    def look(self) -> None:
        """Compare the two; to be called often."""
        now_s, frames = self._now_s(), self._frames()
        origin_s = now_s - frames / self._rate
        if frames <= 0:
            self._origin_s = None
        elif self._origin_s is None or abs(origin_s - self._origin_s) > LOST_S:
            self._origin_s = origin_s
        else:
            self._origin_s = min(origin_s, self._origin_s + DRIFT * (now_s - self._looked_s))
        self._looked_s = now_s

    def frame_at(self, time_s: float) -> int:
        """The frame of a time; -1 before the stream began."""
        if self._origin_s is None:
            return -1
        return max(-1, round((time_s - self._origin_s) * self._rate))


class Pedalboard:
    """Listens for a session.

    steering  a session's, whose commands are called
    source    the session's, whose frames are the clock
    news      sentences for people are appended
    listener  an open input; closed here
    keep_in   the kelly.toml that gets what is learned; None keeps nothing
    ternary   whether a beat is a dotted quarter; a clock counts plain ones
    thread    [main] constructs, starts, closes; the rest is [pedals]
    """

    def __init__(
        self, steering: Steering, source: Source, news: deque[str], listener: Listener, keep_in: Path | None = None, ternary: bool = False
    ) -> None:
        self.listener, self.keep_in, self._ternary = listener, keep_in, ternary
        self._steering, self._news = steering, news
        self._clock = FrameClock(lambda: source.capture.frames, source.sample_rate_hz)
        self._closing = threading.Event()
        self._beat: int | None = None  # of the clock, the newest told
        self._thread = threading.Thread(target=self._run, name="kelly-pedals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._closing.set()
        join(self._thread, 1.0)
        self.listener.close()

    def _run(self) -> None:
        """[pedals]"""
        while not self._closing.wait(POLL_S):
            try:
                self.look()
            except RuntimeError as error:  # the session has ended
                log.info("the pedals rest: %s", error)
                return

    def look(self) -> None:
        """Everything that was asked for since the last look."""
        self._clock.look()
        for action in self.listener.actions():
            self.obey(action)
        self._follow()

    def obey(self, action: Action) -> None:
        """Carry out one action."""
        steering, name, on = self._steering, action.name, action.value != 0.0
        if name == "panic":
            steering.panic()
        elif name == "tap":
            tempo = self.listener.controls.taps.tempo_bpm
            if tempo is not None:
                steering.command("tap", value=tempo, frame=self._clock.frame_at(action.time_s))
        elif name == "no_clock":
            self._beat = None
            steering.command("no_clock")
            self._news.append("the MIDI clock has stopped; the tempo is heard again")
        elif name in ("start", "continue", "stop"):
            self._beat = None
            steering.command("rest", value=float(name == "stop"))
        elif name == "hold_chord":
            steering.command("hold_chord", value=action.value)
        elif name in LEVELS:
            steering.command("level", value=LEVELS[name])
            self._news.append("half the tempo from the next beat on" if name == "half_tempo" else "twice the tempo from the next beat on")
        elif name.endswith("_out"):
            steering.switch_part(name.removesuffix("_out"), not on)
        elif name.startswith("lock_"):
            steering.lock_part(name.removeprefix("lock_"), on)
        elif name.startswith("reroll_"):
            steering.reroll_part(name.removeprefix("reroll_"))
        elif name == "end":
            steering.command("end")
            self._news.append("ending with this phrase")
        elif name == "freeze":
            steering.freeze(on)
        elif name in NAMES:
            steering.set_control(name, from_midi(name, round(action.value)))
        elif name == "tempo" and self.listener.controls.clock.tempo_bpm is not None:
            self._tell_tempo()
        elif name == "learned":
            self._news.append(f"{action.text}; {self._kept(action)}")

    def _follow(self) -> None:
        """The clock's phase, once in each of its beats."""
        beat = self.listener.controls.clock.newest_beat()
        if beat is not None and beat[1] != self._beat:
            self._tell_tempo()

    def _tell_tempo(self) -> None:
        clock = self.listener.controls.clock
        tempo, beat = clock.tempo_bpm, clock.newest_beat()
        if tempo is None:
            return
        if beat is None:
            self._steering.command("clock", value=tempo / 1.5 if self._ternary else tempo, index=-1)
            return
        self._beat, index = beat[1], beat[1]
        if self._ternary:
            if index % 3:  # a dotted beat begins with every third of the clock's
                return
            tempo, index = tempo / 1.5, index // 3 * 2
        self._steering.command("clock", value=tempo, frame=self._clock.frame_at(beat[0]), index=index)

    def _kept(self, action: Action) -> str:
        """Write what was learned to where it will be read again; says where, or how."""
        name, control = action.learned
        if self.keep_in is not None:
            try:
                line = keep(self.keep_in, "midi", "controls", {name: control, **dict.fromkeys(action.losers)})
            except (ConfigError, OSError) as error:
                return f"not kept: {error}"
            return f"kept in {self.keep_in}:{line}"
        return f'to keep it: kelly.toml, [midi], controls = {{ {name} = "{control}" }}'
