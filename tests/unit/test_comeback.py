"""A PortAudio device that was unplugged: found by its own name, at its own rate, or not at all."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from kelly.audio import sources
from kelly.audio.devices import AudioInput
from kelly.audio.sources import LiveSource
from kelly.errors import AudioDeviceError
from tests.patience import PATIENCE_S

RATE = 48000.0


class Stream:
    """What sounddevice would open."""

    def __init__(self, **options):
        self.samplerate, self.active, self.closed = options["samplerate"], True, False
        self.returns = threading.Event()
        self.returns.set()

    def start(self):
        pass

    def abort(self):
        self.returns.wait(PATIENCE_S)

    def close(self):
        self.closed = True


def device(name="Scarlett", rate=RATE, index=0):
    return AudioInput(index, name, "ALSA", 2, rate, False)


@pytest.fixture
def system(monkeypatch):
    """PortAudio, and the devices it will list next time."""
    module = SimpleNamespace(
        _ffi=SimpleNamespace(cast=lambda kind, value: value), _StreamBase=Stream, PortAudioError=OSError, _exit_handler=print
    )
    plugged: list[AudioInput] = []
    monkeypatch.setattr(sources, "portaudio", lambda: module)
    monkeypatch.setattr(sources, "audio_inputs", lambda refresh=False: tuple(plugged))
    return plugged


def unplugged(system):
    source = LiveSource(device())
    source.capture.deliver(np.zeros((4800, 2), np.float32))
    source._stream.active = False
    assert not source.alive
    return source


def test_it_comes_back_under_its_name_and_what_was_missed_is_silence(system):
    source = unplugged(system)
    old = source._stream
    assert not source.reopen(4800)
    assert old.closed
    system += [device("Webcam", index=0), device(index=3)]
    assert source.reopen(9600)
    assert source.alive
    assert source.capture.frames == 4800 + 9600
    assert source.capture.counters()["gap_frames"] == 9600
    source.stop()


def test_another_device_is_never_taken(system):
    source = unplugged(system)
    system += [device("Webcam"), device("Scarlett 2i2", index=1)]
    assert not source.reopen(4800)
    assert source.capture.frames == 4800


def test_another_rate_is_refused_in_words(system):
    source = unplugged(system)
    system.append(device(rate=44100.0))
    with pytest.raises(AudioDeviceError, match="came back at 44100 Hz instead of 48000"):
        source.reopen(4800)


def test_a_driver_that_never_returns_is_left_alone(system, monkeypatch):
    monkeypatch.setattr(sources, "CLOSE_S", 0.1)
    source = unplugged(system)
    stream = source._stream
    stream.returns.clear()
    system.append(device())
    assert not source.reopen(4800)
    assert not source.reopen(4800)
    assert not source.alive
    stream.returns.set()


def test_a_server_that_dies_while_it_is_started_is_an_error(system, monkeypatch):
    """Pa_StartStream then waits for ever, and the main thread with it, signals and all."""
    monkeypatch.setattr(sources, "START_S", 0.1)
    source = LiveSource(device())
    stream = source._stream
    monkeypatch.setattr(stream, "start", stream.returns.wait)
    stream.returns.clear()
    with pytest.raises(AudioDeviceError, match="it has not answered for"):
        source.start()
    assert not source.alive
    source.stop()
    stream.returns.set()


def test_what_a_driver_says_when_it_is_started_is_told(system, monkeypatch):
    source = LiveSource(device())

    def refuse():
        raise OSError("device unavailable", -9985)

    monkeypatch.setattr(source._stream, "start", refuse)
    with pytest.raises(AudioDeviceError, match="another program may hold it"):
        source.start()
