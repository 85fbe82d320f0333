"""The yard-stick for playing along is straight: full marks to who knows the score, fewer to who does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from kelly.generate.settings import BASS, CHORDS, DRUMS, MELODY
from kelly.generate.why import Reason
from kelly.music.chord import Chord

from . import playing
from .playing import (
    GATES,
    KICK,
    RATE,
    SILENCE_S,
    STOP_S,
    WIDER,
    Played,
    ends_at_home,
    follows_level,
    notes_in_silence,
    stopped,
    swelling,
)
from .scores import TONES, Take, progression

TAKE = Take(progression("pop", "C | Am | F | G", (0, 1), 2, 64), 100, (0, 33))


def reason(part, pitch, on_s, chord):
    return Reason(round(on_s * RATE), part, 1, pitch, 80, 0, 0, 4, 2, 1, Chord(*chord), "", True, "", None, "", 0.0, (), (), "", (0.0, 0.0, 0.0))


def band(take=TAKE, late_s=0.0, shift=0, loose_s=0.0):
    """Somebody who reads the score: chord, root and kick on every beat, and a last chord of the key."""
    random, rows, reasons = np.random.default_rng(0), [], []
    chords = [*take.score.chords, (take.score.key[0], 0)]
    beats = [*take.beats_s(), take.beats_s()[-1] + 60 / take.bpm]
    for beat, (at, chord) in enumerate(zip(beats, chords, strict=True)):
        on = at + late_s + random.normal(0, loose_s) if loose_s else at + late_s
        struck = [(CHORDS, 60 + (chord[0] + tone + shift) % 12) for tone in TONES[chord[1]]] + [(BASS, 36 + (chord[0] + shift) % 12), (MELODY, 72 + chord[0])]
        rows += [(part, pitch, 80, on, on + 0.4) for part, pitch in [*struck, (DRUMS, KICK)]]
        if beat == 0 or chord != chords[beat - 1]:
            reasons += [reason(part, pitch, on, ((chord[0] + shift) % 12, chord[1])) for part, pitch in struck]
    return Played(sorted(rows, key=lambda row: row[3]), sorted(reasons, key=lambda row: row.frame), beats[-1] + 1.0)


def marks(played, take=TAKE):
    return {name: gate.figure(played, take) for name, gate in GATES.items()}


def test_who_knows_the_score_passes_every_gate():
    found = marks(band())
    assert all(GATES[name].passes(value) for name, value in found.items()), found
    assert found["offset, s"] < 1e-6
    assert found["coherence"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        ({"shift": 1}, {"in key", "chord tones", "bass roots", "ends at home"}),
        ({"late_s": 0.07}, {"offset, s"}),
        ({"late_s": 0.3}, {"changes on the bar", "offset, s"}),
        ({"loose_s": 0.08}, {"coherence", "beats hit"}),
    ],
)
def test_each_fault_fails_its_gates(fault, fails):
    found = marks(band(**fault))
    assert fails <= {name for name, value in found.items() if not GATES[name].passes(value)}, found


def test_what_a_listener_forgives_the_gate_does_not():
    """Cymbals on the beats that bass, chords and kick leave out, a change with the player within the bar, a tone of a chord outside the key."""
    played = band()
    beats = TAKE.beats_s()
    sparse = replace(played, notes=sorted([n for n in played.notes if np.abs(beats[::2] - n[3]).min() < 1e-6] + [(DRUMS, 42, 60, t, t + 0.1) for t in beats], key=lambda n: n[3]))
    assert GATES["beats hit"].figure(sparse, TAKE) == pytest.approx(0.5, abs=0.02)
    assert WIDER["beats hit, snare and cymbals too"](sparse, TAKE) == 1.0
    halves = Take(progression("pop", "C F | D G", (0, 1), 2, 64), 100, (0, 33))
    found = band(halves)
    assert GATES["changes on the bar"].figure(found, halves) == pytest.approx(0.5, abs=0.05)
    assert WIDER["changes on a bar line or with the player, from the third pass"](found, halves) == 1.0
    assert GATES["in key"].figure(found, halves) < 1.0  # the third of the supertonic in major
    assert WIDER["in the player's key or chord"](found, halves) == 1.0


def test_a_take_that_breaks_off_is_followed_by_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(playing, "sound", lambda take, folder: tmp_path / "whole.flac")
    rate = 8000
    soundfile.write(tmp_path / "whole.flac", 0.3 * np.sin(np.arange(30 * rate)), rate)
    samples, _ = soundfile.read(stopped(TAKE, folder=tmp_path))
    assert len(samples) == (STOP_S + SILENCE_S) * rate
    assert np.abs(samples[: int(STOP_S * rate) - rate // 50]).max() > 0.2
    assert not samples[int(STOP_S * rate) :].any()


def test_force_that_follows_is_told_from_force_that_does_not(tmp_path):
    wave, rate = swelling(TAKE), 8000
    times = np.arange(int((TAKE.beats_s()[-1] + 1) * rate)) / rate
    span = 8 * TAKE.score.beats_per_bar
    beat = (times - TAKE.beats_s()[0]) * TAKE.bpm / 60
    loud = 0.45 + 0.55 * (0.5 - 0.5 * np.cos(2 * np.pi * beat / span))
    soundfile.write(tmp_path / "wave.wav", 0.3 * loud * np.sin(2 * np.pi * 220 * times), rate)
    plain = band()
    following = replace(plain, notes=[(*n[:2], int(100 * np.interp(n[3], times, loud)), *n[3:]) for n in plain.notes])
    against = replace(plain, notes=[(*n[:2], int(110 - 80 * np.interp(n[3], times, loud)), *n[3:]) for n in plain.notes])
    assert follows_level(following, wave, tmp_path / "wave.wav") > 0.95
    assert follows_level(against, wave, tmp_path / "wave.wav") < 0
    velocities = [note[4] for note in wave.score.notes]
    assert max(velocities) - min(velocities) > 25


def test_notes_after_a_silence_and_an_end_elsewhere_are_seen():
    played = band()
    assert notes_in_silence(played, played.notes[-1][3] - 2.0, 1.0) == 0
    assert notes_in_silence(played, 10.0, 2.4) > 0
    elsewhere = replace(played, reasons=[r for r in played.reasons if r.frame < played.reasons[-1].frame])
    assert ends_at_home(played, TAKE) == 1.0
    assert ends_at_home(elsewhere, TAKE) == 0.0
