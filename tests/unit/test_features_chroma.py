"""Chroma, tuning and key descriptors on notes and chords of known content."""

from __future__ import annotations

import numpy as np
import pytest
from feature_material import RATES, chords, hertz, note, prepared


def chroma_of(x, rate=48_000, field="chroma", after_s=0.4):
    """Mean amplitude per pitch class from after_s on."""
    _, analyses, _ = prepared(rate).analyze(x)
    return np.sqrt(np.array([a[field] for a in analyses if a["frame"] > after_s * rate])).mean(axis=0)


@pytest.mark.parametrize(("rate", "root"), [(48_000, root) for root in range(12)] + [(rate, 4) for rate in RATES if rate != 48_000])
def test_a_triads_chroma_is_the_triad(rate, root):
    """Every chord tone is at least twice as strong as any other pitch class, overtones included."""
    for third in (3, 4):
        tones = [(root + step) % 12 for step in (0, third, 7)]
        chroma = chroma_of(chords(rate, [[48 + root, 48 + root + third, 48 + root + 7]], 0.7, decay_per_s=1.0), rate)
        assert min(chroma[tones]) > 2 * max(np.delete(chroma, tones))


@pytest.mark.parametrize("pitch", range(40, 84, 3))
def test_single_notes_from_low_e_up(pitch):
    """The strongest class is the note, by a factor of three over its neighbours a semitone away."""
    chroma = chroma_of(chords(48_000, [[pitch]], 0.8, decay_per_s=1.0))
    assert chroma.argmax() == pitch % 12
    assert chroma[pitch % 12] > 3 * max(chroma[(pitch + 1) % 12], chroma[(pitch - 1) % 12])


def test_neighbouring_semitones_are_told_apart():
    """B2 and C3 together: two peaks, not one between them."""
    chroma = chroma_of(chords(48_000, [[47, 48]], 1.0, decay_per_s=0.5))
    assert set(np.argsort(chroma)[-2:]) == {11, 0}


def test_bass_chroma_hears_the_lowest_note():
    for bass in range(36, 48):
        x = chords(48_000, [[bass, 60, 64, 67]], 1.0, decay_per_s=1.0)
        assert chroma_of(x, field="bass_chroma").argmax() == bass % 12


@pytest.mark.parametrize("cents", [-40, -20, 0, 20, 40])
def test_tuning_is_tracked(cents):
    rate = 48_000
    scale = [hertz(60 + step + cents / 100) for step in (0, 2, 4, 5, 7, 9, 11, 12)] * 3
    x = np.concatenate([note(rate, 0.5, f_hz, decay_per_s=1.0) for f_hz in scale]).astype(np.float32)
    _, analyses, _ = prepared(rate).analyze(x)
    assert analyses[-1]["tuning_cents"] == pytest.approx(cents, abs=6)
    last = np.sqrt(np.array([a["chroma"] for a in analyses[-20:]])).mean(axis=0)
    assert last.argmax() == 0


@pytest.mark.parametrize(("minor", "progression"), [
    (False, [[48, 60, 64, 67], [53, 60, 65, 69], [55, 59, 62, 67], [48, 60, 64, 67]]),
    (True, [[45, 60, 64, 69], [50, 62, 65, 69], [52, 59, 64, 68], [45, 60, 64, 69]]),
])
def test_key_descriptors_know_the_mode(minor, progression):
    rows = prepared().push(chords(48_000, progression * 3, 0.8, decay_per_s=1.5))
    row = rows[-1]
    sign = -1 if minor else 1
    assert row[121] == sign  # mode
    assert row[114] * sign > 0.03  # best major minus best minor correlation
    assert row[120] * sign > 0.1  # third above the tonic
    assert row[115 + minor] > 0.7
    assert 0 < row[122] <= 1


def test_silence_has_no_chroma():
    _, analyses, _ = prepared().analyze(np.zeros(48_000, np.float32))
    assert all(sum(a["chroma"]) == 0 and sum(a["bass_chroma"]) == 0 for a in analyses)
