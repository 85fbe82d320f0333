"""The watch: a device or a port that goes is noticed, and joined again by its name when it is back.

Whatever asks an audio or MIDI library runs as an errand, for a library whose server has died may never
answer; the watch itself looks at flags and counters only.

One JACK server usually does it all.  libjack, asked for a new client while one of a dead server is still
open, frees that one under its owner's feet; so where any client of ours has heard of the server's end,
all of them are closed before the first is opened anew.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from kelly._rt.stream.performer import Performer
from kelly.audio.jack import JackSource
from kelly.audio.sources import Source
from kelly.errors import AudioDeviceError, DeviceLostError, MidiPortError
from kelly.live.errand import Errand
from kelly.midi.listener import Listener
from kelly.midi.native import NativeSink
from kelly.midi.sink import Sink
from kelly.midi.sinks import RtMidiSink

LOOK_S = 0.1  # how often the watch looks whether the device is still there, and whether it is back
ASK_S = 0.25  # how often a library is asked; each time takes a thread
LOST_S = 2.0  # a device whose callback stands still this long is gone
AGAIN_S = 0.5  # how often a port of another's is looked for, which takes a client of its own on a server that others play on
ANSWER_S = 2.0  # so is one whose library has not answered a question for so long


class Watch:
    """Looks after a session's source and sink.

    source, sink   the session's own
    performer      releases every note when the device goes, and tells a new listener the programs
    patience_s     so long a device may stay away
    news           sentences for people are appended
    inputs         MIDI inputs to look after, too
    failed         called with what ends the session
    thread         ``run`` is a thread of its own, from when the source has started

    losses, returns  how often so far
    """

    def __init__(
        self, source: Source, sink: Sink, performer: Performer, *, patience_s: float, news: deque[str],
        inputs: Sequence[Listener] = (), failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self.source, self.sink, self.performer = source, sink, performer
        self.patience_s, self.news, self.inputs, self.failed = patience_s, news, tuple(inputs), failed
        self.losses = self.returns = 0
        self._closing = threading.Event()
        self._looking: Errand[bool] | None = None
        self._again_s = 0.0

    def close(self) -> None:
        """Look no more.  [any]"""
        self._closing.set()

    def run(self) -> None:
        """[watch] until ``close``, or until what has gone does not come back."""
        capture, frames, moved_s, asked_s = self.source.capture, -1, time.monotonic(), 0.0
        asks = not capture.lossless or isinstance(self.sink, NativeSink) or self.inputs  # a file needs nobody's help
        while not self._closing.wait(LOOK_S):
            now_s = time.monotonic()
            if capture.frames != frames:
                frames, moved_s = capture.frames, now_s
            gone = self.server_lost or (not capture.lossless and now_s - moved_s > LOST_S)
            if asks and not gone and (self._looking is not None or now_s - asked_s > ASK_S):
                if self._looking is None:
                    self._looking, asked_s = Errand(self._look), now_s
                if self._looking.done(LOOK_S):
                    gone, self._looking = self._looking.answer(), None
                else:
                    gone = now_s - asked_s > ANSWER_S
            if gone and not capture.ended:
                if not self._wait(moved_s):
                    return
                frames, moved_s = capture.frames, time.monotonic()

    def _look(self) -> bool:
        """[errand] Has the source gone?  A port that has lost its listener, its sender or its own server is helped."""
        if isinstance(self.sink, NativeSink) and self.sink.mend():
            self.performer.repeat_settings()
        if not self.server_lost:
            if self._notes_lost:
                self._let_go()
            if time.monotonic() > self._again_s:
                self._again_s = time.monotonic() + AGAIN_S
                self._reopen_sink()
            self._mend_inputs()
        return not self.source.alive

    def _wait(self, silent_since_s: float) -> bool:
        """[watch] Release every note and wait for the device, never for another; False when it stays away."""
        self.losses += 1
        if isinstance(self.sink, RtMidiSink):
            self.sink.server_lost()
        self.performer.panic()
        self.news.append(f"{self.source.name}: the device is gone; waiting for it")
        until, why = time.monotonic() + self.patience_s, ""
        heard = self.source.capture.frames
        trying: Errand[bool] | None = None
        while not self._closing.wait(LOOK_S):
            if self._looking is not None:  # two errands never meet inside one library
                if self._looking.done():
                    self._looking = None
            elif trying is None:
                trying = Errand(lambda: self._return(silent_since_s, heard))
            elif trying.done():
                try:
                    if trying.answer():
                        return True
                except AudioDeviceError as error:
                    why = f": {error}"
                trying = None
            if why or time.monotonic() > until:
                break
        if not self._closing.is_set():
            released = "no note could be released, for the MIDI port went with it" if self.sink_lost else "every note was released"
            self.failed(DeviceLostError(f"{self.source.name}: the device is gone; {released}{why}"))
        return False

    def _return(self, silent_since_s: float, heard: int) -> bool:
        """[errand] Try once to get everything back; False while the device is away."""
        capture, server_lost = self.source.capture, self.server_lost
        if server_lost:
            self._let_go()
        missed = round((time.monotonic() - silent_since_s) * capture.sample_rate_hz) - (capture.frames - heard)
        if not self.source.reopen(missed):
            return False
        self.returns += 1
        self.news.append(f"{self.source.name}: the device is back")
        self._reopen_sink()
        self._mend_inputs()
        return True

    def _let_go(self) -> None:
        """[errand] Close what came over the server that went."""
        if isinstance(self.sink, NativeSink) and self.sink.port.kind == "jack":
            self.sink.let_go()
        for one in self.inputs:
            if one.on_jack:
                one.let_go()

    def _mend_inputs(self) -> None:
        """[errand]"""
        self.news.extend(filter(None, (one.mend() for one in self.inputs)))

    def _reopen_sink(self) -> None:
        """[errand] A native port whose server went is opened again by name, programs and controllers first."""
        if isinstance(self.sink, NativeSink) and not self.sink.port.alive:
            with suppress(MidiPortError):
                if self.sink.reopen():
                    self.performer.play_to(self.sink.port)
                    self.news.append(f"{self.sink.description}: the port is back")

    @property
    def server_lost(self) -> bool:
        """Whether the one JACK server of sound and notes has gone, as the first of our clients to hear of it tells."""
        return isinstance(self.source, JackSource) and (self.source.server_lost or self._notes_lost)

    @property
    def _notes_lost(self) -> bool:
        """Whether a client for notes has heard of its JACK server's end."""
        played = isinstance(self.sink, NativeSink) and self.sink.port.kind == "jack" and self.sink.port.server_gone
        return played or any(one.server_gone for one in self.inputs)

    @property
    def sink_lost(self) -> bool:
        """Whether nothing more can be sent."""
        sink = self.sink
        return (isinstance(sink, RtMidiSink) and sink.lost) or (isinstance(sink, NativeSink) and not sink.port.alive)
