"""The whole circle: audio -> kelly -> MIDI -> fluidsynth -> sound, and the sound is there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from kelly.audio.sources import DEMO
from kelly.cli import app
from tests.live.playing import hear
from tests.patience import PATIENCE_S, until

HERE = Path(__file__).resolve().parent
OVERTONES = (0, 12, 19, 24, 28, 31)  # semitones above a note: where it sounds, too


def envelope_db(sound, rate, hop_s=0.02):
    """RMS per 20 ms, dBFS, of the mean of the channels."""
    mono = sound.mean(axis=1) if sound.ndim == 2 else sound
    hop = int(hop_s * rate)
    pieces = mono[: len(mono) // hop * hop].reshape(-1, hop)
    return 10 * np.log10(np.mean(pieces**2, axis=1) + 1e-12)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The demo's first seventeen seconds, rendered to notes and to sound; both begin with the recording."""
    folder = tmp_path_factory.mktemp("sound")
    sound, rate = soundfile.read(DEMO, dtype="float32")
    soundfile.write(folder / "in.wav", sound[: 17 * rate], rate)
    words = ["render", str(folder / "in.wav"), "-o", str(folder / "out.mid"), "--audio", str(folder / "out.wav"), "-q", "--key", "G", "--tempo", "100"]
    assert app.run(words) == 0
    return folder


def tone_db(sound, rate, pitch, start_s, length_s=0.2):
    """Level at a MIDI pitch's fundamental during a stretch, dB."""
    piece = sound[int(start_s * rate) : int((start_s + length_s) * rate)]
    time_s = np.arange(len(piece)) / rate
    wave = np.exp(-2j * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time_s) * np.hanning(len(piece))
    return 20 * np.log10(abs(np.dot(piece, wave)) / max(len(piece), 1) + 1e-9)


def test_every_struck_note_is_heard_in_the_rendered_sound(rendered):
    """Wherever a pitch begins that did not sound, its fundamental rises by 6 dB; before the first note there is silence.

    Drums have no pitch, the pad's strings take longer to speak than the fifth of a second looked at, and where a lower
    note's overtones sound already nothing need rise.
    """
    stereo, rate = soundfile.read(rendered / "out.wav")
    sound = stereo.mean(axis=1)
    time_s, last, down, strikes, first_s = 0.0, {}, set(), [], None
    for message in mido.MidiFile(rendered / "out.mid"):
        time_s += message.time
        if message.type in ("note_on", "note_off"):
            struck = message.type == "note_on" and message.velocity > 0
            first_s = time_s if struck and first_s is None else first_s
            sounding = {note for _, note in down} | {note for note in last if time_s - last[note] < 0.6}
            if struck and message.channel not in (4, 9) and sounding.isdisjoint(message.note - overtone for overtone in OVERTONES):
                strikes.append((time_s, message.note))
            (down.add if struck else down.discard)((message.channel, message.note))
            last[message.note] = time_s
    assert len(strikes) >= 10
    assert np.all(envelope_db(sound, rate)[: int(first_s / 0.02) - 1] < -70)
    risen = [tone_db(sound, rate, note, s + 0.02) - tone_db(sound, rate, note, s - 0.22) for s, note in strikes if s > 0.3]
    assert np.mean(np.array(risen) > 6.0) > 0.9, risen
    assert 0.02 < np.abs(stereo).max() < 1.0


@pytest.mark.live
def test_listen_starts_a_synthesizer_that_is_heard_and_ends_with_kelly(stage, kelly_process, jack_server, tmp_path, reliability):
    """A WAV into a JACK device; fluidsynth's own output is recorded while kelly plays, and nothing is left behind."""
    sound, rate = soundfile.read(DEMO, dtype="float32")
    soundfile.write(tmp_path / "demo.wav", np.tile(sound[: round(14.4 * rate)].mean(axis=1), 10), rate)
    heard = tmp_path / "heard.wav"
    ear = subprocess.Popen(
        [sys.executable, str(HERE / "ear.py"), jack_server.name, "kelly-synth", str(heard)],
        env=jack_server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert ear.stdout.readline().strip() == "ready"
        stage(tmp_path / "demo.wav")
        kelly = kelly_process("live", "--audio-in", "stage", "--listen", "--key", "G", "--tempo", "100")
        hear(kelly, 7)
        kelly.send_signal(signal.SIGINT)
        _, err = kelly.communicate(timeout=PATIENCE_S)
        assert kelly.returncode == 130, err
        assert f"kelly-synth-{kelly.pid}" in err
        ear.stdin.write("\n")
        ear.stdin.flush()
        assert ear.wait(PATIENCE_S) == 0
    finally:
        if ear.poll() is None:
            ear.kill()
        ear.wait(5)
        ear.stdin.close()
        ear.stdout.close()
    level = envelope_db(*soundfile.read(heard))
    ports = subprocess.run(["jack_lsp"], env=jack_server.env, capture_output=True, text=True, timeout=10).stdout
    sounding_s, gone = float(np.sum(level > -50) * 0.02), "kelly-synth" not in ports
    reliability(
        "audio to sound through fluidsynth", f"{sounding_s:.1f} s of sound, loudest {level.max():.0f} dBFS, {'gone' if gone else 'left'}", sounding_s > 2 and gone
    )
    assert level[:20].max() < -100, "something else was heard before kelly played"
    assert sounding_s > 2.0
    assert gone


@pytest.mark.live
def test_a_synthesizer_ends_even_when_kelly_is_killed(kelly_process, jack_server):
    """It reads from a pipe that kelly holds: nothing to clean up after SIGKILL."""
    kelly = kelly_process("live", "--audio-in", "demo", "--listen")
    name = f"kelly-synth-{kelly.pid}"

    def present():
        ports = subprocess.run(["jack_lsp"], env=jack_server.env, capture_output=True, text=True, timeout=10).stdout
        return name in ports

    until(present, look_s=0.2)
    kelly.kill()
    until(lambda: not present(), look_s=0.2)
