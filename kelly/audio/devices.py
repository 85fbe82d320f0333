"""Audio inputs: listing, choosing by name, and PortAudio's errors in kelly's words."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kelly import chatter
from kelly.errors import AudioDeviceError

INSTALL = {
    "linux": "install libportaudio2 (Debian/Ubuntu) or portaudio (Fedora, Arch)",
    "darwin": "reinstall sounddevice, whose wheel brings PortAudio",
    "win32": "reinstall sounddevice, whose wheel brings PortAudio",
}
WITHOUT = "`kelly render`, and `kelly live` on file: and demo, work without it"


@dataclass(frozen=True, slots=True)
class AudioInput:
    """A device that can be listened to.

    index     PortAudio's number, valid until the next listing
    channels  how many inputs it has
    default   True for the one the system prefers
    """

    index: int
    name: str
    host_api: str
    channels: int
    sample_rate_hz: float
    default: bool


def translated(error: BaseException, doing: str) -> AudioDeviceError:
    """A sounddevice error in kelly's words; the only place that knows PortAudio's codes."""
    code = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
    detail = str(error.args[0] if error.args else error)
    hint = {
        -9997: "the device runs at a rate of its own; leave the rate to it",
        -9985: "another program may hold it; close that one or choose another device",
        -9998: "it has fewer channels; see `kelly devices` and --audio-channel",
    }.get(code, "see `kelly devices`")
    return AudioDeviceError(f"{doing}: {detail}; {hint}")


def portaudio() -> Any:
    """The sounddevice module; AudioDeviceError says how to get PortAudio where it is missing."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")  # listing devices must not start a server
    try:
        with chatter.captured():
            import sounddevice
    except ImportError as error:
        raise AudioDeviceError(f"sounddevice is not installed ({error}): pip install sounddevice; {WITHOUT}") from error
    except OSError as error:
        if "library not found" in str(error):
            how = INSTALL.get(sys.platform, "install PortAudio")
            raise AudioDeviceError(f"PortAudio library not found: {how}; {WITHOUT}") from error
        raise AudioDeviceError(f"PortAudio does not start: {error}; {WITHOUT}") from error
    except Exception as error:  # sounddevice raises its own type when PortAudio refuses to initialise
        raise AudioDeviceError(f"PortAudio does not start: {error}; {WITHOUT}") from error
    return sounddevice


def portaudio_version() -> str:
    """Such as "PortAudio V19.6.0-devel"; AudioDeviceError where there is none."""
    return str(portaudio().get_portaudio_version()[1]).partition(",")[0]


def audio_inputs(refresh: bool = False) -> tuple[AudioInput, ...]:
    """Every device with an input.

    refresh  ask the system again; not while a stream is open
    raises   AudioDeviceError where PortAudio is missing or refuses
    """
    sounddevice = portaudio()
    try:
        with chatter.captured():
            if refresh:
                sounddevice._terminate()
                sounddevice._initialize()
            devices, apis = sounddevice.query_devices(), sounddevice.query_hostapis()
            preferred = sounddevice.default.device[0]
    except sounddevice.PortAudioError as error:
        raise translated(error, "listing audio devices") from error
    if preferred < 0:  # none chosen by the user: PortAudio's own
        preferred = next((api["default_input_device"] for api in apis if api["default_input_device"] >= 0), -1)
    return tuple(
        AudioInput(
            index,
            str(device["name"]),
            str(apis[device["hostapi"]]["name"]),
            int(device["max_input_channels"]),
            float(device["default_samplerate"]),
            index == preferred,
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    )


def release() -> None:
    """Let go of PortAudio: its own client would not survive the death of a JACK server.  Not while a stream is open."""
    sounddevice = portaudio()
    with chatter.captured(), suppress(sounddevice.PortAudioError):
        while sounddevice._initialized:
            sounddevice._terminate()


def find_input(text: str) -> AudioInput:
    """The one input whose name contains ``text``, in any case; a whole name wins over a part.

    The same device under two host APIs counts once; the first API is PortAudio's preference.
    raises  AudioDeviceError for none or several, naming them
    """
    inputs = audio_inputs()
    wanted = text.casefold().strip()
    hits = [d for d in inputs if d.name.casefold() == wanted] or [d for d in inputs if wanted in d.name.casefold()]
    names = list(dict.fromkeys(device.name for device in hits))
    if len(names) == 1:
        return hits[0]
    if hits:
        raise AudioDeviceError(f"audio input {text!r} is ambiguous: {', '.join(names)}; give more of the name")
    known = ", ".join(dict.fromkeys(device.name for device in inputs)) or "none at all"
    raise AudioDeviceError(f"no audio input is called {text!r}; there is: {known}; file:PATH and demo work without a device")


def default_input() -> AudioInput | None:
    """The input the system prefers, else None."""
    return next((device for device in audio_inputs() if device.default), None)
