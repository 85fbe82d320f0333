"""Files, the demo and devices as sources of one kind."""

import time

import numpy as np
import pytest
import soundfile

from kelly.audio import devices, sources
from kelly.audio.devices import AudioInput
from kelly.audio.sources import DEMO, TAIL_S, FileSource, open_source
from kelly.errors import AudioDeviceError, AudioFileError
from tests.patience import until


def drained(source):
    """Everything a source delivers, as fast as it can."""
    pieces = []

    def over():
        ended = source.capture.ended
        pieces.append(source.capture.drain())
        return ended and len(pieces[-1]) == 0

    source.start()
    until(over, look_s=0.0)
    source.stop()
    return np.concatenate(pieces)


def write(path, sound, rate=8000, **options):
    soundfile.write(path, sound, rate, **options)
    return path


@pytest.mark.parametrize(("rate", "subtype"), [(8000, "PCM_U8"), (44100, "PCM_16"), (96000, "FLOAT"), (384000, "PCM_24")])
def test_a_file_of_any_rate_and_width_comes_whole_and_is_followed_by_two_seconds_of_silence(tmp_path, rate, subtype):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.wav", rng.uniform(-0.9, 0.9, rate // 4).astype(np.float32), rate, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    source = FileSource(path, realtime=False)
    heard = drained(source)
    assert source.total_frames == len(heard) == len(expected) + TAIL_S * rate
    assert np.array_equal(heard[: len(expected)], expected)
    assert not heard[len(expected) :].any()
    assert source.error is None


def test_many_channels_are_mixed_or_one_is_chosen(tmp_path):
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (500, 64)).astype(np.float32)
    path = write(tmp_path / "a.wav", sound, subtype="FLOAT")
    assert np.allclose(drained(FileSource(path, realtime=False))[:500], sound.mean(axis=1), atol=1e-6)
    assert np.array_equal(drained(FileSource(path, 63, realtime=False))[:500], sound[:, 63])
    with pytest.raises(AudioFileError, match="channel 65 does not exist; the file has 64"):
        FileSource(path, 64)


def test_samples_that_are_not_numbers_become_silence_and_are_counted(tmp_path):
    sound = np.full(100, 0.25, np.float32)
    sound[[3, 50]] = np.nan, np.inf
    source = FileSource(write(tmp_path / "a.wav", sound, subtype="FLOAT"), realtime=False)
    heard = drained(source)
    assert heard[3] == heard[50] == 0
    assert source.capture.counters()["repaired_samples"] == 2


def test_in_real_time_a_file_lasts_as_long_as_it_is(tmp_path):
    """100 ms of sound: about 100 ms until it is all there, and not one block earlier than it sounds."""
    source = FileSource(write(tmp_path / "a.wav", np.zeros(800, np.float32)))
    started = time.monotonic()
    source.start()
    while source.capture.frames < 800:
        assert source.capture.frames <= (time.monotonic() - started) * 8000 + 80
        time.sleep(0.001)
    assert time.monotonic() - started >= 0.09
    source.stop()


def test_a_full_ring_makes_a_file_wait_and_stopping_frees_it(tmp_path):
    source = FileSource(write(tmp_path / "a.wav", np.zeros(80_000, np.float32)), realtime=False)
    source.start()
    time.sleep(0.05)
    assert source.capture.counters()["dropped_frames"] == 0
    source.stop()
    assert source.capture.ended


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: p.write_bytes(b""), "the file is empty"),
        (lambda p: p.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt "), "not readable as audio"),
        (lambda p: p.write_text("hello, world" * 50), "not readable as audio"),
        (lambda p: soundfile.write(p, np.zeros(0, np.float32), 8000), "holds no audio"),
    ],
)
def test_a_file_that_cannot_be_heard_says_why(tmp_path, make, message):
    path = tmp_path / "a.wav"
    make(path)
    with pytest.raises(AudioFileError, match=message) as caught:
        FileSource(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 6


def test_a_file_cut_short_plays_what_is_there(tmp_path):
    path = write(tmp_path / "a.wav", np.full(4000, 0.5, np.float32), subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:5000])
    heard = drained(FileSource(path, realtime=False))
    assert np.count_nonzero(heard) == (5000 - 44) // 2


def test_the_demo_is_half_a_minute():
    source, said = open_source("demo", realtime=False)
    assert (source.name, said) == (DEMO.name, "")
    assert 25 < source.total_frames / source.sample_rate_hz < 40
    source.stop()


INPUTS = (
    AudioInput(0, "Built-in Microphone", "ALSA", 2, 48000.0, False),
    AudioInput(3, "Scarlett 2i2 USB", "ALSA", 2, 44100.0, True),
    AudioInput(5, "Scarlett 18i20", "ALSA", 18, 48000.0, False),
    AudioInput(7, "Built-in Microphone", "JACK", 2, 48000.0, False),
)


def test_a_device_is_found_by_an_unambiguous_part_of_its_name(monkeypatch):
    monkeypatch.setattr(devices, "audio_inputs", lambda refresh=False: INPUTS)
    assert devices.find_input("2i2").index == 3
    assert devices.find_input("SCARLETT 18I20").index == 5
    assert devices.find_input("built-in").index == 0
    with pytest.raises(AudioDeviceError, match="ambiguous: Scarlett 2i2 USB, Scarlett 18i20"):
        devices.find_input("scarlett")
    with pytest.raises(AudioDeviceError, match="no audio input is called 'piano'; there is: Built-in Microphone, Scarlett"):
        devices.find_input("piano")
    assert devices.default_input().index == 3


def test_auto_without_a_device_plays_the_demo_and_says_so(monkeypatch):
    monkeypatch.setattr(sources, "default_input", lambda: None)
    source, said = open_source("auto")
    source.stop()
    assert source.name == DEMO.name
    assert said == "no audio input was found: playing the bundled demo"


def test_auto_without_portaudio_plays_the_demo_and_says_how_to_get_it(monkeypatch):
    def missing():
        raise AudioDeviceError("PortAudio library not found: install libportaudio2 (Debian/Ubuntu)")

    monkeypatch.setattr(sources, "default_input", missing)
    source, said = open_source("auto")
    source.stop()
    assert "install libportaudio2" in said


def test_without_portaudio_a_device_says_what_to_install(monkeypatch):
    """sounddevice raises OSError while it is imported; the answer names the package and what works without."""
    import builtins
    import sys

    real = builtins.__import__

    def no_portaudio(name, *args, **kwargs):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", no_portaudio)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(AudioDeviceError, match=r"install libportaudio2 \(Debian/Ubuntu\).*kelly render") as caught:
        open_source("Scarlett")
    assert caught.value.exit_code == 3


def test_a_damaged_mp3_is_not_said_to_be_missing(tmp_path):
    """libsndfile's words for it are "File does not exist or is not a regular file"."""
    path = tmp_path / "cut.mp3"
    whole = tmp_path / "whole.mp3"
    soundfile.write(whole, 0.3 * np.sin(np.arange(200_000) / 7).astype(np.float32), 11025, format="MP3")
    path.write_bytes(whole.read_bytes()[:300])
    with pytest.raises(AudioFileError, match="damaged, or of a kind that is not known"):
        sources.open_sound(path)
