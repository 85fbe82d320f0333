"""The whole instrument on a real server: sound in through PortAudio, notes out through JACK MIDI."""

import json
import signal
import time

import numpy as np
import pytest
import soundfile

from kelly.audio.sources import DEMO
from kelly.music.scale import parse_key
from tests.live.playing import hear
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def demo_wav(tmp_path_factory):
    """The bundled demo's first 14.4 s, six bars of G major at 100 bpm, for minutes."""
    sound, rate = soundfile.read(DEMO, dtype="float32")
    sound = sound.mean(axis=1) if sound.ndim == 2 else sound
    path = tmp_path_factory.mktemp("wav") / "demo.wav"
    soundfile.write(path, np.tile(sound[: round(14.4 * rate)], 10), rate)
    return path


def open_notes(events):
    sounding = set()
    for _, (status, pitch, velocity) in ((f, d) for f, d in events if d[0] & 0xE0 == 0x80):
        (sounding.add if status & 0xF0 == 0x90 and velocity else sounding.discard)((status & 0x0F, pitch))
    return sounding


def strikes(events, drums=False):
    """(frame, pitch) of the note-ons."""
    return [(f, d[1]) for f, d in events if d[0] & 0xF0 == 0x90 and d[2] and (d[0] & 0x0F == 9) == drums]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_notes_in_key_arrive_over_jack_and_a_signal_leaves_none_open(number, code, stage, kelly_process, demo_wav):
    """A WAV through a JACK device of the player's own name; key and tempo are tracked, nothing is told."""
    player = stage(demo_wav)
    kelly = kelly_process("live", "--audio-in", "stage", "--midi-out", "virtual", "--json")
    hear(kelly, 9 if number == signal.SIGINT else 7)
    kelly.send_signal(number)
    out, err = kelly.communicate(timeout=PATIENCE_S)
    events = player.events()
    assert kelly.returncode == code, err
    counters = json.loads(out)["counters"]
    assert counters["dropped_frames"] == 0
    assert counters["open_notes"] == 0
    assert not open_notes(events)
    pitched = strikes(events)
    assert len(pitched) >= 10, err
    assert len(strikes(events, drums=True)) >= 5
    wrong = [pitch for _, pitch in pitched if pitch % 12 not in parse_key("G").allowed()]
    assert len(wrong) <= 0.05 * len(pitched), wrong


def test_what_arrives_over_jack_is_what_is_heard(stage, kelly_process, demo_wav):
    """With the tempo given, drums fall on its 16ths: the spread about the grid stays below a 32nd."""
    player = stage(demo_wav)
    kelly = kelly_process("live", "--audio-in", "stage", "--midi-out", "virtual", "--tempo", "100", "--key", "G")
    hear(kelly, 8)
    kelly.send_signal(signal.SIGINT)
    _, err = kelly.communicate(timeout=PATIENCE_S)
    frames = np.array([frame for frame, _ in strikes(player.events(), drums=True)])
    assert len(frames) >= 10, err
    phase = np.exp(2j * np.pi * frames / (48000 * 60 / 100 / 4))
    spread_16ths = np.sqrt(-2 * np.log(np.abs(phase.mean()))) / (2 * np.pi)
    assert spread_16ths < 0.25


def test_a_server_that_dies_ends_the_session_with_7_and_nothing_hangs(stage, kelly_process, demo_wav, tmp_path, jack_server):
    """PortAudio never returns from its dead server, nor does RtMidi's destructor; the process ends all the same."""
    doomed = type(jack_server)(tmp_path, "-doomed")
    try:
        stage(demo_wav, doomed)
        kelly = kelly_process("live", "--audio-in", "stage", "--midi-out", "virtual", "--patience", "2", server=doomed)
        hear(kelly, 2)
        doomed.kill()
        started = time.monotonic()
        _, err = kelly.communicate(timeout=PATIENCE_S)
        assert kelly.returncode == 7, err
        assert time.monotonic() - started < 10
        assert "the device is gone; no note could be released" in err
    finally:
        doomed.stop()
