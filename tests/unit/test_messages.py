"""What users hit, and what kelly answers: the exact words, and the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mido
import numpy as np
import pytest
import soundfile

from kelly import chatter
from kelly.audio import devices
from kelly.audio.sources import DEMO
from kelly.cli import app, doctor
from kelly.cli.console import Console
from kelly.config import Config
from kelly.errors import AudioDeviceError, MidiPortError
from kelly.live import priority
from kelly.midi import ports

ROOT = Path(__file__).resolve().parents[2]
NO_PORTAUDIO = (
    "kelly: PortAudio library not found: install libportaudio2 (Debian/Ubuntu) or portaudio (Fedora, Arch); "
    "`kelly render`, and `kelly live` on file: and demo, work without it\n"
)


pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
def without_portaudio(tmp_path):
    """A process whose sounddevice finds no library, as on a fresh Linux."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path / 'broken'}{os.pathsep}{ROOT}"}

    def kelly(*words):
        return subprocess.run([sys.executable, "-m", "kelly", *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=600)

    return kelly


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bring PortAudio in the wheel")
def test_without_portaudio_the_package_is_named_and_files_still_play(without_portaudio, tmp_path):
    """Exit 3 for a device; render, file: and demo work."""
    refused = without_portaudio("live", "--audio-in", "Scarlett")
    assert (refused.returncode, refused.stderr) == (3, NO_PORTAUDIO)
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(24000) / 10), 48000)
    assert without_portaudio("render", "a.wav", "-q").returncode == 0
    assert without_portaudio("live", "--audio-in", "file:a.wav", "--midi-out", "file:b.mid", "-q").returncode == 0
    listed = without_portaudio("devices")
    assert listed.returncode == 0
    assert f"no audio input: {NO_PORTAUDIO.removeprefix('kelly: ')}" in listed.stdout


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (-9997, "the device runs at a rate of its own; leave the rate to it"),
        (-9985, "another program may hold it; close that one or choose another device"),
        (-9998, "it has fewer channels; see `kelly devices` and --audio-channel"),
        (-9999, "see `kelly devices`"),
    ],
)
def test_portaudios_codes_are_advice(code, hint):
    """What PortAudio says, then what to do."""
    error = devices.translated(RuntimeError("Error opening InputStream", code), "opening 'USB'")
    assert isinstance(error, AudioDeviceError)
    assert str(error) == f"opening 'USB': Error opening InputStream; {hint}"


def test_windows_has_no_virtual_ports(monkeypatch):
    """loopMIDI makes one; a file needs none."""
    monkeypatch.setattr(ports.sys, "platform", "win32")
    with pytest.raises(MidiPortError) as caught:
        ports.open_virtual()
    assert str(caught.value) == (
        "Windows has no virtual ports: install loopMIDI, and give its port's name; --midi-out file:PATH works without MIDI ports"
    )
    assert caught.value.exit_code == 3
    assert not ports.virtual_ports()


@pytest.mark.parametrize(("version", "wheel"), [((3, 13), "python-rtmidi has no wheel for Python 3.13 on Windows and macOS yet; "), ((3, 11), "")])
def test_without_rtmidi_the_way_round_is_named(monkeypatch, version, wheel):
    """The install, the missing wheel where that is why, and the file sink."""
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    monkeypatch.setattr(ports, "sys", SimpleNamespace(version_info=version, platform="darwin"))
    with pytest.raises(MidiPortError) as caught:
        ports.rtmidi()
    why, _, how = str(caught.value).partition("): ")
    assert why.startswith("python-rtmidi cannot be imported (")
    assert how == f"pip install python-rtmidi; {wheel}--midi-out file:PATH works without MIDI ports"


def test_what_libraries_chatter_is_shown_with_v_only(capfd):
    """ALSA writes to descriptor 2 by itself."""
    chatter.LINES.clear()
    with chatter.captured():
        os.write(2, b"ALSA lib seq_hw.c:466: open /dev/snd/seq failed\n")
    Console(0).chatter()
    assert capfd.readouterr().err == ""
    Console(1).chatter()
    assert capfd.readouterr().err == "  | ALSA lib seq_hw.c:466: open /dev/snd/seq failed\n"
    assert not chatter.LINES


def test_a_refused_priority_is_a_finding_and_no_error(monkeypatch):
    """doctor says what it means and that kelly plays on; granted, it advises nothing."""
    monkeypatch.setattr(priority, "take", lambda wanted: False)
    first = doctor.privileges(Config())[0]
    assert first == ("priority", "refused", "kelly plays all the same, but other programs may hold it up; the lines below say how to get it")
    monkeypatch.setattr(priority, "take", lambda wanted: True)
    assert doctor.privileges(Config())[0] == ("priority", "granted", "")


class Listing:
    """A PortAudio that lists again only after terminate and initialize."""

    PortAudioError = RuntimeError

    def __init__(self):
        self.plugged, self.listed = ["Built-in"], ["Built-in"]
        self.default = SimpleNamespace(device=(0, 0))
        self._initialized = 1

    def _terminate(self):
        self.listed = []

    def _initialize(self):
        self.listed = list(self.plugged)

    def query_devices(self):
        return [{"name": name, "hostapi": 0, "max_input_channels": 2, "default_samplerate": 48000.0} for name in self.listed]

    def query_hostapis(self):
        return [{"name": "ALSA", "default_input_device": 0}]


def test_devices_sees_what_was_plugged_in_meanwhile(monkeypatch, capsys):
    """PortAudio itself would not."""
    listing = Listing()
    monkeypatch.setattr(devices, "portaudio", lambda: listing)
    listing.plugged.append("Scarlett 2i2")
    assert [d.name for d in devices.audio_inputs()] == ["Built-in"]
    assert app.run(["devices"]) == 0
    assert "Scarlett 2i2" in capsys.readouterr().out


def test_an_input_that_does_not_exist_lists_those_that_do(monkeypatch, capsys):
    """Exit 3, by any part of a name; two that fit are both named."""
    listing = Listing()
    listing.listed = ["Scarlett 2i2", "Scarlett 4i4"]
    monkeypatch.setattr(devices, "portaudio", lambda: listing)
    assert app.run(["live", "--audio-in", "Focusrite"]) == 3
    assert capsys.readouterr().err == (
        "kelly: no audio input is called 'Focusrite'; there is: Scarlett 2i2, Scarlett 4i4; file:PATH and demo work without a device\n"
    )
    assert app.run(["live", "--audio-in", "scarlett"]) == 3
    assert capsys.readouterr().err == "kelly: audio input 'scarlett' is ambiguous: Scarlett 2i2, Scarlett 4i4; give more of the name\n"


def notes(path):
    return sum(m.type == "note_on" and m.velocity > 0 for m in mido.MidiFile(path))


def test_the_chosen_channel_alone_is_heard_and_the_gate_decides_what_is_playing(tmp_path, capsys):
    """Music on input 2 at -50 dBFS or so: input 1 is silence; below a gate of -30 nobody plays; channel 3 doesn't exist."""
    sound, rate = soundfile.read(DEMO, dtype="float32")
    sound = (sound.mean(axis=1) if sound.ndim == 2 else sound)[: 8 * rate]
    quiet = sound * (10 ** (-50 / 20) / np.sqrt(np.mean(sound**2)))
    soundfile.write("two.wav", np.stack([np.zeros_like(quiet), quiet], axis=1), rate, subtype="FLOAT")
    for name, words in (("first", ["--audio-channel", "1"]), ("second", ["--audio-channel", "2"]), ("gated", ["--audio-channel", "2", "--gate", "-30"])):
        assert app.run(["render", "two.wav", "-o", f"{name}.mid", "-q", *words]) == 0
    assert notes("first.mid") == notes("gated.mid") == 0
    assert notes("second.mid") > 20
    capsys.readouterr()
    assert app.run(["render", "two.wav", "--audio-channel", "3"]) == 6
    assert capsys.readouterr().err == "kelly: two.wav: channel 3 does not exist; the file has 2\n"
