"""Loudspeakers into the microphone: kelly's own sound, 12 dB under the player's, comes in with it."""

from __future__ import annotations

import mido
import numpy as np
import pytest
import soundfile

from kelly.audio.sources import DEMO, FileSource
from kelly.audio.synth import render_midi
from kelly.config import load_config
from kelly.live.session import Session
from kelly.midi.sinks import FileSink

STOP_S, TAIL_S, BAR_S = 14.4, 8.0, 2.4  # the demo: G major, 100 beats per minute


def played(wav, mid, **flags):
    """Key, tempo, times of the note-ons, and how often it heard itself."""
    session = Session(load_config(flags=flags, env={}), source=FileSource(wav, realtime=False), sink=FileSink(mid), realtime=False)
    with session:
        while not session.wait(0.05):
            pass
    now, times = 0.0, []
    for message in mido.MidiFile(mid):
        now += message.time
        if message.type == "note_on" and message.velocity:
            times.append(now)
    tick = session.snapshot().tick
    return session._conductor.key, float(tick["tempo_bpm"]), np.array(times), session.counters()["echoes"]


@pytest.fixture(scope="module", params=[{}, {"key": "G", "tempo": 100}], ids=["tracked", "told"])
def heard(request, tmp_path_factory):
    """Without the loop; then twice with the sound of the time before mixed in: the second mixes in what
    kelly plays when it hears itself, as a real loop does."""
    folder = tmp_path_factory.mktemp("loop")
    sound, rate = soundfile.read(DEMO, dtype="float32")
    sound = sound.mean(axis=1) if sound.ndim == 2 else sound
    player = np.concatenate([sound[: int(STOP_S * rate)], np.zeros(int(TAIL_S * rate), np.float32)])
    soundfile.write(folder / "0.wav", player, rate)
    runs = []
    for turn in range(3):
        runs.append(played(folder / f"{turn}.wav", folder / f"{turn}.mid", **request.param))
        render_midi(folder / f"{turn}.mid", folder / f"own{turn}.wav", rate)
        own = soundfile.read(folder / f"own{turn}.wav", dtype="float32")[0].mean(axis=1)
        own = np.concatenate([own, np.zeros(len(player), np.float32)])[: len(player)]
        length = int(STOP_S * rate)
        gain = 10 ** (-12 / 20) * np.sqrt(np.mean(player[:length] ** 2) / np.mean(own[:length] ** 2))
        soundfile.write(folder / f"{turn + 1}.wav", player + gain * own, rate)
    return runs


def test_key_and_tempo_are_the_players_all_the_same(heard):
    """The same key, the same tempo within 4 percent."""
    clean, looped = heard[0], heard[2]
    assert looped[0] == clean[0] == (7, 1)
    assert looped[1] == pytest.approx(100.0, rel=0.04)


def test_it_stops_within_a_bar_of_the_player(heard, reliability):
    """No note begins later than 2.4 s after the player's last sound; before, it plays on as without the loop."""
    clean, looped = heard[0], heard[2]
    behind_s, key_kept = looped[2].max() - STOP_S, looped[0] == clean[0] == (7, 1)
    reliability(
        "kelly hears itself 12 dB under the player",
        f"key {'kept' if key_kept else 'lost'}, {looped[1]:.1f} for 100 bpm, last note {behind_s:.1f} s after the player",
        key_kept and abs(looped[1] - 100) <= 4 and behind_s <= BAR_S,
    )
    assert looped[2].max() <= STOP_S + BAR_S
    assert looped[3] == 1
    assert clean[3] == 0
    before = [np.sum(run[2] < STOP_S) for run in (clean, looped)]
    assert before[1] == pytest.approx(before[0], rel=0.15)
