"""A MIDI keyboard as the player: its notes become sound here, and kelly hears that sound as any other.

So nothing of listening is made twice: beats, chords, keys and moods come out of the same front end, a take holds the
sound and renders again without the keyboard, and what is true of audio is true of this.

A thread of Python makes 5 ms at a time.  A message sounds 10 ms after its time stamp, to the frame, however
unpunctual the thread was within that time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from kelly._rt.stream.capture import Capture
from kelly.audio.tone import CONTROL, NOTES_OFF, RATE_HZ, Tones
from kelly.joining import join
from kelly.midi.listener import Listener, open_listener

PERIOD_S = 0.005
LATENCY_S = 0.010
CLOSE_S = 1.0
LONGEST_S = 0.25  # after a longer standstill of the machine the stream has a hole, as a device's would

Message = tuple[Sequence[int], float]


class Keys(Protocol):
    """Where the notes come from; ``kelly.midi.listener.Listener`` does."""

    description: str

    def messages(self) -> list[Message]:
        """What came since the last question: bytes, and when by ``time.monotonic``."""

    def went(self) -> bool:
        """Whether the keyboard has gone since the last question."""

    def close(self) -> None: ...


class KeyboardSource:
    """A Source of kelly.audio.sources, played by hand.

    keys    an open MIDI input; closed here
    now_s   the clock of its time stamps
    thread  [main] constructs, starts, stops; one daemon thread of Python plays
    """

    total_frames: int | None = None
    error: Exception | None = None
    alive = True

    def __init__(self, keys: Keys, now_s: Callable[[], float] = time.monotonic) -> None:
        self.name, self.sample_rate_hz = keys.description, float(RATE_HZ)
        self.capture = Capture(self.sample_rate_hz)
        self._keys, self._now_s, self._tones = keys, now_s, Tones(self.sample_rate_hz)
        self._waiting: deque[Message] = deque()
        self._began_s: float | None = None
        self._frames = 0
        self._stopping = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="kelly-keyboard", daemon=True)

    @property
    def listener(self) -> Listener | None:
        """The MIDI input that the session's watch looks after; None for other keys."""
        return self._keys if isinstance(self._keys, Listener) else None

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._end()
        self.capture.end()

    def stop(self) -> None:
        self._end()
        self.capture.stop()
        self.capture.end()

    def reopen(self, missed_frames: int) -> bool:
        return False

    def _end(self) -> None:
        self._stopping.set()
        join(self._thread, CLOSE_S)
        if not self._closed:
            self._closed = True
            self._keys.close()

    def _run(self) -> None:
        """[keyboard]"""
        while not self._stopping.wait(PERIOD_S):
            self.play()

    def play(self) -> None:
        """Sound up to now."""
        now_s = self._now_s()
        if self._began_s is None:
            self._began_s = now_s
        self._waiting.extend(self._keys.messages())
        if self._keys.went():  # nobody is there to release what was held
            self._waiting.extend(((CONTROL | channel, NOTES_OFF, 0), now_s) for channel in range(16))
        end = int((now_s - self._began_s) * self.sample_rate_hz)
        late = end - self._frames - int(LONGEST_S * self.sample_rate_hz)
        if late > 0:
            self.capture.lose(late)
            self._frames += late
        while self._frames < end:
            self._sound_to(min(end, self._frames + int(2 * PERIOD_S * self.sample_rate_hz)))

    def _sound_to(self, end: int) -> None:
        """One block, with every message at its frame."""
        block, at = [], self._frames
        while self._waiting and (due := self._frame_of(self._waiting[0][1])) < end:
            data, _ = self._waiting.popleft()
            if due > at:
                block.append(self._tones.render(due - at))
                at = due
            self._tones.take(data)
        block.append(self._tones.render(end - at))
        for piece in block:
            if len(piece):
                self.capture.deliver(piece.reshape(-1, 1))
        self._frames = end

    def _frame_of(self, time_s: float) -> int:
        assert self._began_s is not None
        return int((time_s - self._began_s + LATENCY_S) * self.sample_rate_hz)


def open_keyboard(text: str) -> KeyboardSource:
    """The keyboard that ``--listen-midi`` names: "virtual[:NAME]", or an unambiguous part of a port's name.

    raises  MidiPortError
    """
    return KeyboardSource(open_listener(text))
