"""The streaming front end against NumPy, librosa and itself."""

from __future__ import annotations

import numpy as np
import pytest

from kelly._rt.stream.features import FeatureExtractor, available_isas
from kelly.audio.extract import extract_features
from kelly.errors import ConfigError, DataError, NotPreparedError

RATES = (44_100, 48_000, 96_000)


def tone(rate, seconds, f_hz, amplitude=0.2, attack_s=0.005, decay_per_s=3.0, harmonics=8):
    """One note with 1/h harmonics, all below 9 kHz, and an exponential decay."""
    t = np.arange(round(rate * seconds)) / rate
    envelope = amplitude * np.minimum(t / attack_s, 1.0) * np.exp(-decay_per_s * t)
    return envelope * sum(np.sin(2 * np.pi * f_hz * h * t) / h for h in range(1, harmonics + 1) if f_hz * h < 9000)


def melody(rate, seconds=4.0, interval_s=0.25):
    """A scale of decaying notes; the same analytic signal at every rate."""
    out = np.zeros(round(rate * seconds) + rate)
    for k in range(round(seconds / interval_s)):
        start = round(k * interval_s * rate)
        note = tone(rate, 0.5, 261.63 * 2 ** ((0, 2, 4, 5, 7, 9, 11, 12)[k % 8] / 12))
        out[start : start + len(note)] += note
    return out[: round(rate * seconds)].astype(np.float32)


def prepared(rate=48_000):
    extractor = FeatureExtractor()
    extractor.prepare(rate)
    return extractor


@pytest.mark.parametrize("n", [128, 256, 512, 1024, 2048, 4096, 8192, 16384])
def test_power_spectrum_is_numpys(n):
    """Tolerance: float32 rounding grows with log2 n; 5e-7 of the largest bin."""
    x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    exact = np.abs(np.fft.rfft(x.astype(np.float64)))[:-1] ** 2
    np.testing.assert_allclose(FeatureExtractor().power_spectrum(x), exact, rtol=0, atol=5e-7 * exact.max())


@pytest.mark.parametrize("n", [0, 64, 1000])
def test_power_spectrum_refuses_other_sizes(n):
    with pytest.raises(ValueError, match="power of two"):
        FeatureExtractor().power_spectrum(np.zeros(n, np.float32))


@pytest.mark.parametrize("rate", RATES)
def test_rows_are_whole_network_hops(rate):
    """T = floor(n / 40 ms), also one sample before and after a boundary."""
    for hops in (1, 7, 25):
        boundary = hops * rate // 25
        assert extract_features(np.zeros(boundary, np.float32), rate).shape == (hops, 128)
        assert extract_features(np.zeros(boundary - 1, np.float32), rate).shape == (hops - 1, 128)
        assert extract_features(np.zeros(boundary + 1, np.float32), rate).shape == (hops, 128)


@pytest.mark.parametrize("rate", RATES)
def test_block_sizes_never_change_a_bit(rate):
    x = melody(rate, 2.0)
    whole = prepared(rate).push(x)
    rng = np.random.default_rng(5)
    split, extractor, at = [], prepared(rate), 0
    while at < len(x):
        n = int(rng.choice([1, 2, 63, 128, 441, 480, 1000, 5000]))
        split.append(extractor.push(x[at : at + n]))
        at += n
    assert extractor.frame == len(x)
    assert np.concatenate(split).tobytes() == whole.tobytes()


@pytest.mark.parametrize("isa", available_isas())
def test_every_instruction_set_gives_the_same_bits(isa):
    x, extractor = melody(48_000, 2.0), FeatureExtractor(isa)
    extractor.prepare(48_000)
    assert extractor.isa == isa
    assert extractor.push(x).tobytes() == prepared().push(x).tobytes()


def test_reset_makes_the_next_run_identical():
    x, extractor = melody(48_000, 1.0), prepared()
    first = extractor.push(x)
    extractor.reset()
    assert extractor.push(x).tobytes() == first.tobytes()


def test_silence_is_finite_and_on_the_floor():
    rows = extract_features(np.zeros(48_000, np.float32), 48_000)
    assert np.isfinite(rows).all()
    assert (rows[:, :108] == -1).all()
    assert (rows[:, 124:] == 0).all()


def test_bad_samples_are_silence_and_counted():
    x = melody(48_000, 1.0)
    x[1000:1010] = 0
    bad = x.copy()
    bad[1000:1010:2], bad[1001:1010:2] = np.nan, -np.inf
    extractor = prepared()
    assert extractor.push(bad).tobytes() == extract_features(x, 48_000).tobytes()
    assert extractor.bad_samples == 10


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-3, 1e3, 1e30])
def test_any_level_gives_finite_features(scale):
    rows = extract_features(melody(48_000, 1.0) * np.float32(scale), 48_000)
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() < 10


def test_not_prepared_is_said():
    with pytest.raises(NotPreparedError):
        FeatureExtractor().push(np.zeros(4, np.float32))


@pytest.mark.parametrize("rate", [0, -48_000, 4_000, 1e6, 44_100.5])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ConfigError, match="sample_rate_hz"):
        FeatureExtractor().prepare(rate)


def test_mono_is_the_mean_of_the_chosen_channels():
    left, right = melody(48_000, 0.5), np.zeros(24_000, np.float32)
    both = np.stack([left, right], axis=1)
    assert np.array_equal(extract_features(both, 48_000), extract_features(left / 2, 48_000))
    assert np.array_equal(extract_features(both, 48_000, channel=0), extract_features(left, 48_000))
    assert np.array_equal(extract_features(both, 48_000, channel=[0, 1]), extract_features(both, 48_000))


def test_samples_and_channels_are_checked():
    with pytest.raises(DataError, match="floating-point"):
        extract_features(np.zeros(100, np.int16), 48_000)
    with pytest.raises(DataError, match="shape"):
        extract_features(np.zeros((2, 2, 2)), 48_000)
    with pytest.raises(ConfigError, match="channel"):
        extract_features(np.zeros((100, 2)), 48_000, channel=2)
    assert extract_features(np.zeros((0, 2)), 48_000).shape == (0, 128)
