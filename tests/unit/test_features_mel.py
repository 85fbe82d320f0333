"""Mel bands against librosa, at three sample rates, and against the gain knob."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from feature_material import RATES, melody, prepared


@pytest.mark.parametrize("rate", RATES)
def test_mel_bands_are_librosas(rate):
    """librosa's own filters and window on the same frames, in float64.

    Tolerance 1e-4 of a 40 dB unit (0.004 dB): float32 transforms of 80 dB of range differ by 3e-5.
    """
    x = melody(rate, 2.0)
    rows, analyses, _ = prepared(rate).analyze(x)
    window_frames = round(0.0427 * rate)
    n_fft = 1 << (max(window_frames, rate // 12) - 1).bit_length()
    filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=108, fmin=30, fmax=10_000, dtype=np.float64)
    window = librosa.filters.get_window("hann", window_frames)
    padded = np.concatenate([np.zeros(window_frames), x])
    for t, row in enumerate(rows):
        end = (t + 1) * 4 * rate // 100
        power = np.abs(np.fft.rfft(padded[end : end + window_frames] * window, n_fft)) ** 2
        density = filters @ power * 2 * (rate / n_fft) / (rate * np.sum(window**2))
        analysis = analyses[4 * t + 3]
        mezzo_forte = 10 ** ((analysis["level_db"] - analysis["level_rel_db"]) / 10)
        np.testing.assert_allclose(row[:108], 1 + np.log10(density * 1000 / mezzo_forte + 1e-8) / 4, rtol=0, atol=1e-4)


def test_sample_rates_agree():
    """The same notes synthesised at 44.1, 48 and 96 kHz.

    44.1 kHz has 10.8 Hz bins, the others 11.7: in the valleys between harmonics single narrow bands differ by
    up to 4 dB (0.1), on average by 0.2 dB (0.005).  Descriptors: keys share their evidence, confidence moves most.
    """
    reference = prepared(48_000).push(melody(48_000, 6.0))
    for rate in (44_100, 96_000):
        difference = np.abs(prepared(rate).push(melody(rate, 6.0)) - reference)
        assert difference[:, :108].mean() < 0.01
        assert difference[:, :108].max() < 0.15
        assert difference[25:, 108:124].max() < 0.12


def test_bands_above_nyquist_hold_the_floor():
    rows = prepared(8_000).push(melody(8_000, 1.0))
    assert (rows[:, 100:108] == -1).all()
    assert rows[:, :60].max() > 0


@pytest.mark.parametrize("gain_db", [-12, 12])
def test_the_gain_knob_changes_nothing_that_was_learned(gain_db):
    """After ten seconds of playing; a unit of mel is 40 dB, so 12 dB unlearned would be 0.3."""
    x = melody(48_000, 13.0)
    plain, turned = prepared(), prepared()
    difference = np.abs(plain.push(x) - turned.push(x * np.float32(10 ** (gain_db / 20))))[250:]
    assert difference[:, :108].max() < 1e-3
    assert difference[:, 108:].max() < 0.02
    assert turned.mezzo_forte_db - plain.mezzo_forte_db == pytest.approx(gain_db, abs=0.01)


@pytest.mark.parametrize("gain", [0.1, 10.0])
def test_mezzo_forte_drifts_slower_than_a_decibel_per_minute(gain):
    extractor = prepared()
    extractor.push(melody(48_000, 12.0))
    before = extractor.mezzo_forte_db
    extractor.push(np.tile(melody(48_000, 2.0), 15) * np.float32(gain))
    moved = extractor.mezzo_forte_db - before
    assert 0.1 < abs(moved) < 0.5  # in half a minute
    assert (moved > 0) == (gain > 1)


def test_a_knock_before_the_music_is_forgotten():
    """A microphone knocked over 40 dB above the playing must not silence the features for good."""
    x = np.float32(0.02) * melody(48_000, 6.0)
    knock = np.zeros(4800, np.float32)
    knock[1000:1480] = 0.9
    extractor = prepared()
    extractor.push(np.concatenate([knock, x]))
    alone = prepared()
    alone.push(x)
    assert extractor.mezzo_forte_db == pytest.approx(alone.mezzo_forte_db, abs=3)


def test_level_is_the_hops_rms():
    t = np.arange(48_000) / 48_000
    analyses = prepared().analyze((0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32))[1]
    assert len(analyses) == 100
    assert analyses[50]["frame"] == 51 * 480
    assert analyses[50]["level_db"] == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.01)
    assert analyses[50]["centroid_hz"] == pytest.approx(1000, rel=0.02)
