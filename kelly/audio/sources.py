"""Where the sound comes from: a device, a file, the bundled demo.

Every source writes into a Capture (kelly/_rt/stream/capture.pyx), whose frame counter is the clock
of the session.  Only devices drop; whoever plays a file waits for room.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kelly import chatter
from kelly._rt.stream.capture import Capture
from kelly.audio.devices import AudioInput, audio_inputs, default_input, find_input, portaudio, release, translated
from kelly.audio.jack import JackSource
from kelly.audio.tone import PlayedFile
from kelly.errors import AudioDeviceError, AudioFileError
from kelly.joining import join

DEMO = Path(__file__).with_name("demo.ogg")
TAIL_S = 6.0
"""Silence after the end of a file: to the last bar line, and a bar of the last chord."""
"""Silence after the last frame of a file, in which the phrase ends."""

DEVICE_CHANNELS = 2
"""Inputs of a device that are mixed where no channel is chosen; an interface with 18 is not a choir."""

CLOSE_S = 2.0
START_S = 5.0  # some interfaces take seconds to wake
_LEFT: list[Any] = []  # streams that a driver never let go of, and what it may still write into


class Source(Protocol):
    """What a session needs of a source."""

    name: str
    sample_rate_hz: float
    total_frames: int | None
    capture: Capture

    def start(self) -> None:
        """Begin to deliver.  [main]"""

    def stop(self) -> None:
        """Deliver nothing more; idempotent, returns within seconds whatever the driver does.  [main]"""

    def finish(self) -> None:
        """End the stream where it is: what was delivered is still heard to its last frame.  [main]"""

    def reopen(self, missed_frames: int) -> bool:
        """Come back by name under the same capture, in which what was missed is silence; False while it is away.  [errand]

        raises  AudioDeviceError where it is back and cannot be used, such as at another rate
        """

    @property
    def alive(self) -> bool:
        """False when the device has gone; a source that ended by itself is still alive."""

    @property
    def error(self) -> Exception | None:
        """What ended it before its time."""


class FileSource:
    """An audio file, played in real time or as fast as the engine takes it.

    path      anything libsndfile reads, at any rate; or a MIDI file, whose notes become sound (kelly.audio.tone)
    channel   0-based, None for the mean of all
    realtime  True: paced by the monotonic clock, like a device
    tail_s    silence after the last frame, in which the music ends
    raises    AudioFileError for a file that is missing, empty or unreadable
    thread    [main]; reads on a thread of its own, which waits without the GIL
    """

    def __init__(self, path: str | Path, channel: int | None = None, realtime: bool = True, tail_s: float = TAIL_S) -> None:
        self.path, self.realtime, self.tail_s = Path(path), realtime, tail_s
        self._file = open_sound(self.path)
        self.name = self.path.name
        self.sample_rate_hz = float(self._file.samplerate)
        self.sound_frames: int = self._file.frames  # without the silence
        self.total_frames: int | None = self._file.frames + int(tail_s * self._file.samplerate)
        channels = int(self._file.channels)
        if channel is not None and channel >= channels:
            self._file.close()
            raise AudioFileError(f"{self.path}: channel {channel + 1} does not exist; the file has {channels}")
        self.capture = Capture(self.sample_rate_hz, channels, channel, lossless=True)
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kelly-source", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self.capture.hush()
        self.capture.stop()
        if self._thread.ident is not None:
            join(self._thread, CLOSE_S)
        else:
            self._file.close()

    def finish(self) -> None:
        self._stopping.set()
        self.capture.hush()  # the thread ends the stream behind the 10 ms at hand

    def reopen(self, missed_frames: int) -> bool:
        return False

    @property
    def alive(self) -> bool:
        return True

    @property
    def error(self) -> Exception | None:
        return self._error

    def _run(self) -> None:
        """[source] the file, then silence, then the end."""
        fed, started_ns = 0, self.capture.now_ns()
        try:
            for block in self._blocks():
                if self._stopping.is_set():
                    break
                if self.realtime:
                    self.capture.play(block, started_ns, fed)
                else:
                    self.capture.feed(block)
                fed += len(block)
        except Exception as error:
            self._error = AudioFileError(f"{self.path}: reading stopped after {fed / self.sample_rate_hz:.1f} s: {error}")
        finally:
            self.capture.end()
            self._file.close()

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        """A quarter second at a time, of which the capture makes blocks like a device's; or large ones."""
        rate = int(self.sample_rate_hz)
        buffer = np.zeros((max(1, rate // 4) if self.realtime else 16384, self.capture.channels), np.float32)
        while len(block := self._file.read(out=buffer)):
            yield block
        buffer[:] = 0.0
        left = int(self.tail_s * rate)
        while left > 0:
            yield buffer[:left]
            left -= len(buffer)


class LiveSource:
    """An audio input, at its own rate, through a callback that never meets Python.

    device        from kelly.audio.devices
    channel       0-based, None for the mean of the first two
    block_frames  per callback; 0 lets the driver choose
    raises        AudioDeviceError when the device refuses
    thread        [main]
    """

    total_frames: int | None = None

    def __init__(self, device: AudioInput, channel: int | None = None, block_frames: int = 0) -> None:
        if channel is not None and channel >= device.channels:
            raise AudioDeviceError(f"{device.name}: channel {channel + 1} does not exist; the device has {device.channels}")
        channels = min(device.channels, max(DEVICE_CHANNELS, (channel or 0) + 1))
        self.name, self.sample_rate_hz, self.host_api = device.name, device.sample_rate_hz, device.host_api
        self.capture = Capture(self.sample_rate_hz, channels, channel)
        self._block_frames, self._stopped, self._stuck = block_frames, threading.Event(), False
        self._stream: Any = self._open(device)

    def _open(self, device: AudioInput) -> Any:
        sounddevice = portaudio()
        ffi = sounddevice._ffi
        try:
            with chatter.captured():
                stream: Any = sounddevice._StreamBase(
                    kind="input",
                    device=device.index,
                    channels=self.capture.channels,
                    samplerate=self.sample_rate_hz,
                    dtype="float32",
                    latency="low",
                    blocksize=self._block_frames,
                    callback=ffi.cast("void*", self.capture.callback_address),
                    userdata=ffi.cast("void*", self.capture.state_address),
                    wrap_callback=None,
                )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise translated(error, f"opening {device.name!r}") from error
        if stream.samplerate != self.sample_rate_hz:
            rate = stream.samplerate
            stream.close()
            raise AudioDeviceError(f"{device.name}: asked for {self.sample_rate_hz:g} Hz, found {rate:g}")
        return stream

    def start(self) -> None:
        """PortAudio waits for ever for a server that dies meanwhile, so this gets a thread and a limit, too."""
        stream = self._stream
        try:
            with chatter.captured():
                if _answered(stream.start, START_S):
                    return
        except portaudio().PortAudioError as error:
            raise translated(error, f"starting {self.name!r}") from error
        self._stream = None
        self._leave(stream)
        raise AudioDeviceError(f"starting {self.name!r}: it has not answered for {START_S:g} s")

    def stop(self) -> None:
        """A driver whose server has died may never return from here, so it gets a thread and two seconds."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._let_go()
        self.capture.stop()
        self.capture.end()

    def finish(self) -> None:
        if not self._stopped.is_set():
            self._stopped.set()
            if self._let_go():
                self.capture.end()

    def reopen(self, missed_frames: int) -> bool:
        """Only where PortAudio lets go of what was lost; then it lists anew, as a hot-plugged device wants it."""
        if self._stopped.is_set() or not self._let_go():
            return False
        try:
            device = next((d for d in audio_inputs(refresh=True) if d.name == self.name), None)
        except AudioDeviceError:
            return False
        if device is None:
            return False
        if device.sample_rate_hz != self.sample_rate_hz:
            raise AudioDeviceError(f"{self.name}: it came back at {device.sample_rate_hz:g} Hz instead of {self.sample_rate_hz:g}")
        try:
            self._stream = self._open(device)
            if self._stopped.is_set():  # meanwhile, by another thread
                self._let_go()
                return False
            self.capture.lose(missed_frames)
            self.start()
        except AudioDeviceError:
            return False
        return True

    def _let_go(self) -> bool:
        """Close the stream; False where the driver does not return."""
        stream, self._stream = self._stream, None
        if stream is None:
            return not self._stuck
        if "JACK" in self.host_api and not stream.active:  # closing it ends the process: PortAudio asserts that its server answers
            self._leave(stream)
            return False

        def close() -> None:
            with suppress(Exception):
                stream.abort()
                stream.close()

        with chatter.captured():
            if not _answered(close, CLOSE_S):
                self._leave(stream)
        return not self._stuck

    def _leave(self, stream: Any) -> None:
        """Close nothing: Pa_Terminate would not return either, and it is called when Python exits."""
        atexit.unregister(portaudio()._exit_handler)
        _LEFT.append((stream, self.capture))
        self._stuck = True

    @property
    def alive(self) -> bool:
        return self._stopped.is_set() or (self._stream is not None and bool(self._stream.active))

    @property
    def error(self) -> Exception | None:
        return None


def _answered(call: Callable[[], object], within_s: float) -> bool:
    """Whether a driver came back in time from a call on a thread of its own, which is a daemon; raises what it raised."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=run, name="kelly-driver", daemon=True)
    thread.start()
    thread.join(within_s)
    if wrong:
        raise wrong[0]
    return not thread.is_alive()


def left_behind() -> bool:
    """Whether a driver never let go of a stream; then a process had better end without asking its library."""
    return bool(_LEFT)


def open_source(
    text: str, channel: int | None = None, block_frames: int = 0, realtime: bool = True, tail_s: float = TAIL_S
) -> tuple[Source, str]:
    """The source that ``--audio-in`` names.

    text      "auto", "demo", "file:PATH", or a part of a device's name
    channel   1-based, None for the default mix
    returns   the source, and a sentence about what "auto" chose ("" otherwise)
    raises    AudioDeviceError, AudioFileError
    """
    index = None if channel is None else channel - 1
    if text == "demo":
        return FileSource(DEMO, index, realtime, tail_s), ""
    if text.startswith("file:"):
        return FileSource(text.removeprefix("file:"), index, realtime, tail_s), ""
    if text != "auto":
        return _device(find_input(text), index, block_frames), ""
    try:
        device = default_input()
        if device is not None:
            return _device(device, index, block_frames), f"listening to {device.name}"
        why = "no audio input was found"
    except AudioDeviceError as error:
        why = str(error)
    return FileSource(DEMO, None, realtime, tail_s), f"{why}: playing the bundled demo"


def _device(device: AudioInput, channel: int | None, block_frames: int) -> Source:
    """A server that can go and come back is joined directly."""
    if "JACK" in device.host_api and sys.platform != "win32":
        release()
        return JackSource(device.name, channel)
    return LiveSource(device, channel, block_frames)


def open_sound(path: Path) -> Any:
    """An open soundfile; AudioFileError says what is wrong with it."""
    import soundfile

    if not path.exists():
        raise AudioFileError(f"{path}: no such file")
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder, expected an audio file")
    if path.stat().st_size == 0:
        raise AudioFileError(f"{path}: the file is empty")
    if path.suffix.lower() in (".mid", ".midi"):
        return PlayedFile(path)
    try:
        file = soundfile.SoundFile(str(path))
    except (RuntimeError, TypeError, OSError) as error:
        detail = str(getattr(error, "error_string", error)).rstrip(".")
        if detail.startswith("File does not exist"):  # which libsndfile says of every MP3 that is damaged
            detail = "damaged, or of a kind that is not known"
        raise AudioFileError(f"{path}: not readable as audio: {detail}") from error
    if file.frames <= 0:
        file.close()
        raise AudioFileError(f"{path}: the file holds no audio")
    return file
