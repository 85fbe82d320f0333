"""The sound of MIDI: finding fluidsynth and a soundfont, and rendering a MIDI file with them.

fluidsynth is a program beside kelly, never a library inside it; kelly plays without it, unheard.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kelly.errors import AudioDeviceError, AudioFileError, MidiFileError, OutputError
from kelly.whole import whole, writable

FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/soundfonts", "/usr/local/share/soundfonts", "/opt/homebrew/share/soundfonts")
GET_IT = {
    "linux": "apt install fluidsynth fluid-soundfont-gm (Debian/Ubuntu), dnf install fluidsynth fluid-soundfont-gm (Fedora)",
    "darwin": "brew install fluid-synth, and a General MIDI soundfont in /usr/local/share/soundfonts",
    "win32": "choco install fluidsynth, and a General MIDI soundfont",
}
GAIN = "0.6"
"""Of fluidsynth; loud enough beside a player, and four parts do not clip."""


def get_it() -> str:
    """How to install what is missing, on this system."""
    return GET_IT.get(sys.platform, "see www.fluidsynth.org")


def find_soundfonts() -> list[str]:
    """General MIDI soundfonts where distributions put them, FluidR3 first; SOUNDFONT names another before all."""
    found = [str(path) for folder in FOLDERS for path in Path(folder).glob("*.sf[23]")]
    found.sort(key=lambda path: ("FluidR3_GM" not in path, path))
    named = os.environ.get("SOUNDFONT", "")
    return [named, *found] if named and Path(named).is_file() else found


def find_synth() -> tuple[str, str]:
    """Paths of fluidsynth and of a soundfont.

    raises  AudioDeviceError, with the command that installs what is missing
    """
    program, fonts = shutil.which("fluidsynth"), find_soundfonts()
    if program is None:
        raise AudioDeviceError(f"fluidsynth is not installed: {get_it()}")
    if not fonts:
        raise AudioDeviceError(f"fluidsynth has no soundfont: {get_it()}; the variable SOUNDFONT may name one")
    return program, fonts[0]


def render_midi(midi: str | os.PathLike[str], audio: str | os.PathLike[str], sample_rate_hz: int = 48000) -> None:
    """Turn a MIDI file into sound.

    midi            a Standard MIDI File
    audio           the file to write, .wav .flac .ogg or .aiff, 16 bit, stereo; it appears whole or not at all
    sample_rate_hz  8000..96000
    raises          AudioDeviceError without fluidsynth; MidiFileError, AudioFileError
    """
    target = Path(audio)
    kind = {".wav": "wav", ".flac": "flac", ".ogg": "oga", ".oga": "oga", ".aiff": "aiff", ".aif": "aiff"}.get(target.suffix.lower())
    if kind is None:
        raise AudioFileError(f"{target}: expected a name ending in .wav, .flac, .ogg or .aiff")
    try:
        writable(target)
    except OutputError as error:
        raise AudioFileError(str(error)) from error
    program, font = find_synth()
    if not Path(midi).is_file():
        raise MidiFileError(f"{midi}: no such file")
    with whole(target) as part:
        words = [program, "-q", "-n", "-i", "-g", GAIN, "-r", str(sample_rate_hz), "-T", kind, "-F", str(part), font, str(midi)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0 or not part.is_file() or part.stat().st_size == 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise AudioFileError(f"{target}: fluidsynth failed: {said[-1] if said else f'exit code {done.returncode}'}")
