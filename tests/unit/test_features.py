"""The streaming front end: rows, blocks, bits, bad input, typed errors."""

from __future__ import annotations

import time

import numpy as np
import pytest
from feature_material import RATES, melody, prepared

from kelly._rt.stream.features import FeatureExtractor, available_isas
from kelly.audio.extract import extract_features
from kelly.errors import BackendUnavailableError, ConfigError, DataError, NotPreparedError


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
    x, extractor = melody(48_000, 2.0), prepared(isa=isa)
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


def test_an_unknown_build_is_refused():
    with pytest.raises(BackendUnavailableError, match="altivec"):
        FeatureExtractor("altivec")


def test_silence_after_sound_costs_no_more_than_sound():
    """Denormals would make it ten times slower; the factor 2 leaves room for cold caches (minimum of 5 runs, of the processor's time)."""
    sound = melody(48_000, 2.0)
    for tail in (np.zeros(96_000, np.float32), np.full(96_000, 1e-40, np.float32)):
        fading = sound * np.exp(-6 * np.arange(96_000) / 48_000).astype(np.float32)
        playing, silent = [], []
        for _ in range(5):
            extractor = prepared()
            started = time.thread_time()
            extractor.push(sound)
            playing.append(time.thread_time() - started)
            extractor.push(fading)
            started = time.thread_time()
            extractor.push(tail)
            silent.append(time.thread_time() - started)
        assert min(silent) < 2 * min(playing)
