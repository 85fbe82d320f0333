"""One 10 ms hop of the front end beside NumPy's transform and a sparse mel matrix, in one process.

The whole hop (mel, level, onset, chroma, descriptors, and the fast onset path every 2.7 ms) must cost less than
half of NumPy's mel alone; the ratio of interleaved minima is asserted, times are only reported.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from kelly._rt.stream.features import FeatureExtractor, available_isas

RATE, HOPS = 48_000, 40


@pytest.fixture(scope="module")
def sound():
    t = np.arange(RATE * 4) / RATE
    decay = np.exp(-4 * (t % 0.25))
    return (0.1 * decay * sum(np.sin(2 * np.pi * 220 * h * t) / h for h in range(1, 20))).astype(np.float32)


def numpy_mel():
    """rfft of a 2,050-frame window in 4,096 points, 108 bands as sparse rows, log: one hop."""
    import librosa
    from scipy.sparse import csr_array

    filters = csr_array(librosa.filters.mel(sr=RATE, n_fft=4096, n_mels=108, fmin=30, fmax=10_000))
    window = np.hanning(2050).astype(np.float32)

    def hop(frame):
        spectrum = np.fft.rfft(frame * window, 4096)
        return np.log10(filters @ (spectrum.real**2 + spectrum.imag**2) + 1e-8)

    return hop


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.benchmark(group="front end, 40 hops")
def test_hops(benchmark, sound, isa):
    extractor = FeatureExtractor(isa)
    extractor.prepare(RATE)
    block = sound[: RATE * HOPS // 100]
    benchmark(extractor.push, block)


@pytest.mark.benchmark(group="numpy mel, 1 hop")
def test_numpy_hop(benchmark, sound):
    benchmark(numpy_mel(), sound[:2050])


def test_a_hop_costs_less_than_half_of_numpys_mel(sound):
    extractor, hop, ours, theirs = FeatureExtractor(), numpy_mel(), [], []
    extractor.prepare(RATE)
    n = RATE * HOPS // 100
    for k in range(200):
        block = sound[k % 9 * n : (k % 9 + 1) * n]
        started = time.perf_counter()
        extractor.push(block)
        ours.append((time.perf_counter() - started) / HOPS)
        started = time.perf_counter()
        hop(sound[:2050])
        theirs.append(time.perf_counter() - started)
    for name, times in (("kelly", ours), ("numpy mel", theirs)):
        print(f"{name}: {min(times) * 1e6:.1f} us per hop, p50 {np.median(times) * 1e6:.1f}")
    assert min(ours) < 0.5 * min(theirs)
