"""A JACK client as a source: joined without PortAudio, so that its server may die and come back."""

from __future__ import annotations

import threading

from kelly import chatter
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.jack_input import JackInput
from kelly.errors import AudioDeviceError

MIXED = 2  # ports that are mixed where no channel is chosen


class JackSource:
    """The outputs of one JACK client.

    name      of the client, such as "system"
    channel   0-based, None for the mean of the first two
    raises    AudioDeviceError where no server answers or nobody of that name plays
    thread    [main]; ``reopen`` and ``alive`` [errand]
    """

    host_api = "JACK"
    total_frames: int | None = None
    error: Exception | None = None

    def __init__(self, name: str, channel: int | None = None) -> None:
        self.name, self._stopped = name, threading.Event()
        self._input = self._join()
        self.sample_rate_hz = self._input.sample_rate_hz
        if channel is not None and channel >= self._input.outputs:
            outputs = self._input.outputs
            self._input.close()
            raise AudioDeviceError(f"{name}: channel {channel + 1} does not exist; the device has {outputs}")
        self.capture = Capture(self.sample_rate_hz, min(self._input.outputs, max(MIXED, (channel or 0) + 1)), channel)

    def _join(self) -> JackInput:
        with chatter.captured():
            return JackInput(self.name)

    def start(self) -> None:
        with chatter.captured():
            self._input.start(self.capture)

    def stop(self) -> None:
        if not self._stopped.is_set():
            self._stopped.set()
            self._input.close()
        self.capture.stop()
        self.capture.end()

    def finish(self) -> None:
        if not self._stopped.is_set():
            self._stopped.set()
            if self._input.close():
                self.capture.end()

    def reopen(self, missed_frames: int) -> bool:
        if self._stopped.is_set():
            return False
        self._input.close()
        try:
            self._input = self._join()
        except AudioDeviceError:
            return False
        if self._stopped.is_set():  # meanwhile, by another thread
            self._input.close()
            return False
        if self._input.sample_rate_hz != self.sample_rate_hz:
            found = self._input.sample_rate_hz
            self._input.close()
            raise AudioDeviceError(f"{self.name}: it came back at {found:g} Hz instead of {self.sample_rate_hz:g}; start kelly again")
        if self._input.outputs < self.capture.channels:
            self._input.close()
            return False
        self.capture.lose(missed_frames)
        try:
            self.start()
        except AudioDeviceError:
            return False
        return True

    @property
    def alive(self) -> bool:
        return self._stopped.is_set() or self._input.connected or self._input.present

    @property
    def server_lost(self) -> bool:
        """Whether the server has said goodbye, and not only the client that was listened to; a flag is all this looks at."""
        return not self._stopped.is_set() and self._input.server_gone
