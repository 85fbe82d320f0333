"""The whole way from sound to notes, on the bundled recording: G | Em7 | C | D at 100 bpm, thirteen bars."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

import kelly.audio
from kelly.generate.settings import PARTS
from kelly.live.render import render
from kelly.music.scale import parse_key

DEMO = Path(kelly.audio.__file__).with_name("demo.ogg")
BEAT_S, BAR_S = 0.6, 2.4
G_MAJOR = {7, 9, 11, 0, 2, 4, 6}
CHORDS = ((7, {7, 11, 2}), (4, {4, 7, 11, 2}), (0, {0, 4, 7}), (2, {2, 6, 9}))
CHANNEL = {part.name: part.channel for part in PARTS}


def read(path):
    """(channel 1..16, pitch, velocity, on s, off s) of every note."""
    notes, sounding, now = [], {}, 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on":
            sounding[message.channel + 1, message.note] = message.velocity, now
        elif message.type == "note_off":
            key = message.channel + 1, message.note
            notes.append((*key, *sounding.pop(key), now))
    assert not sounding
    return notes


@pytest.fixture(scope="module", params=["tracked", "given"])
def notes(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "demo.mid"
    given = {"key": "G", "tempo": 100.0} if request.param == "given" else {}
    render(DEMO, path, seed=7, **given)
    return read(path)


def settled(notes, *parts):
    channels = {CHANNEL[part] for part in parts}
    return [n for n in notes if n[0] in channels and 8.0 < n[3] < 30.0]


def chord_at(on_s):
    return CHORDS[int((on_s + 0.04) / BAR_S) % 4]


def test_every_part_plays(notes):
    assert {n[0] for n in notes} == set(CHANNEL.values())


def test_notes_are_in_the_players_key(notes):
    assert np.mean([n[1] % 12 in G_MAJOR for n in settled(notes, "chords", "melody", "bass")]) >= 0.95


@pytest.mark.parametrize("name", ["C", "Eb", "Bbm", "F#m"])
def test_a_given_key_holds_whatever_is_heard(tmp_path, name):
    """The recording is in G; what the user says wins, from the first note to the last."""
    render(DEMO, tmp_path / "demo.mid", seed=7, key=name)
    allowed = parse_key(name).allowed()
    pitched = [n for n in read(tmp_path / "demo.mid") if n[0] != CHANNEL["drums"]]
    assert len(pitched) > 60
    assert [n for n in pitched if n[1] % 12 not in allowed] == []


def test_chords_and_bass_are_the_players(notes):
    chords = [n[1] % 12 in chord_at(n[3])[1] for n in settled(notes, "chords")]
    bass = [n[1] % 12 == chord_at(n[3])[0] for n in settled(notes, "bass")]
    assert np.mean(chords) >= 0.8
    assert np.mean(bass) >= 0.7


def test_the_band_is_together_with_the_player(notes):
    onsets = np.array([n[3] for n in settled(notes, "chords", "bass", "drums")])
    assert abs(np.mean(np.exp(2j * np.pi * onsets / (BEAT_S / 4)))) >= 0.5
    beats = BEAT_S * np.arange(17, 49)
    nearest = np.array([onsets[np.argmin(np.abs(onsets - beat))] - beat for beat in beats])
    assert abs(np.median(nearest)) <= 0.04
    assert np.mean(np.abs(nearest - np.median(nearest)) < 0.025) >= 0.85


def test_the_first_note_comes_within_two_beats_and_the_last_ends_with_the_stream(notes):
    assert min(n[3] for n in notes) < 2 * BEAT_S
    assert max(n[4] for n in notes) <= 31.2 + 2 * BAR_S + 0.1  # the recording's last bar line, the next one, a bar of the last chord


def test_the_music_ends_on_the_tonic_after_the_recording_has_ended(notes):
    last = [n for n in notes if n[3] > 31.2 + BAR_S - 0.1]
    assert last
    assert all(n[1] % 12 in {7, 11, 2} for n in last if n[0] != CHANNEL["drums"])
    assert min(n[1] for n in last if n[0] == CHANNEL["bass"]) % 12 == 7
    assert max(n[3] for n in last) < 31.2 + BAR_S + 0.1


@pytest.mark.parametrize("floor_db", [-120, -66])
def test_silence_and_noise_below_the_gate_give_no_note(tmp_path, floor_db):
    noise = np.random.default_rng(0).normal(0, 10 ** (floor_db / 20), 48000 * 4)
    soundfile.write(tmp_path / "quiet.wav", noise, 48000, subtype="FLOAT")
    render(tmp_path / "quiet.wav", tmp_path / "quiet.mid")
    assert read(tmp_path / "quiet.mid") == []


def test_a_rendered_file_is_the_same_each_time(tmp_path):
    for name in ("a.mid", "b.mid"):
        render(DEMO, tmp_path / name, seed=3)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
