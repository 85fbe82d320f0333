"""Nets that run once per sample, in block calls: a guitar amplifier's LSTM and GRU, a temporal convolution.

    python -m pytest -s -m '' benchmarks/test_audio_rate.py

``x real time`` is at 48 kHz on one core. With KELLY_RTNEURAL_REFERENCE set (see tests/reference) the same blocks go
through RTNeural's run-time model, program start and model reading subtracted by a second, empty run.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ratio import interleaved, record
from benchmarks.reference import references, step_ns
from kelly._rt.net.layers import EXACT
from tests.nets import network, random_layer

RATE_HZ = 48_000
BLOCK_FRAMES = 480
REFERENCE_FRAMES = RATE_HZ * 4
ARITHMETICS = (*EXACT, "fast", "int16", "int8")
LEAST_REAL_TIME = 2  # x; a net for audio that takes half a core is no use on a laptop


def temporal_convolution(rng):
    """Eight dilated layers of eight channels: half a thousand samples of memory."""
    layers, size = [], 1
    for level in range(8):
        layers.append(random_layer("conv1d", size, 8, rng, "tanh", kernel_size=3, dilation=2**level, groups=1))
        size = 8
    return [*layers, random_layer("dense", size, 1, rng)]


NETS = {
    "lstm 1 -> 40 -> 1": lambda rng: [random_layer("lstm", 1, 40, rng), random_layer("dense", 40, 1, rng)],
    "gru 1 -> 40 -> 1": lambda rng: [random_layer("gru", 1, 40, rng), random_layer("dense", 40, 1, rng)],
    "tcn 8 x 8": temporal_convolution,
}


@pytest.mark.parametrize("name", NETS)
def test_blocks(name, tmp_path, benchmark):
    """One ``process`` per block of 10 ms, without the GIL."""
    layers = NETS[name](np.random.default_rng(7))
    x = np.random.default_rng(0).normal(0, 0.3, (BLOCK_FRAMES, 1)).astype(np.float32)
    out = np.empty_like(x)
    nets = {arithmetic: network(layers, arithmetic) for arithmetic in ARITHMETICS}
    times = interleaved({key: lambda net=net: net.process(x, out) for key, net in nets.items()}, rounds=150)
    real_time = {key: BLOCK_FRAMES / RATE_HZ * 1e9 / value for key, value in times.items()}
    print(f"\n{name}: " + ", ".join(f"{key} {value:.0f} x real time" for key, value in real_time.items()))
    about = {"real_time": {key: round(value, 1) for key, value in real_time.items()}, "isa": nets["eigen"].isa}
    for backend, program in references().items():
        step = step_ns(program, layers, tmp_path, REFERENCE_FRAMES)
        about[f"rtneural_{backend}_over_kelly"] = round(step * BLOCK_FRAMES / times[backend], 3)
        print(f"RTNeural's {backend} takes {about[f'rtneural_{backend}_over_kelly']} x as long as kelly's")
    record(f"audio rate/{name}", times, **about)
    benchmark(nets["eigen"].process, x, out)
    assert min(real_time.values()) > LEAST_REAL_TIME
    assert all(value >= 1 for key, value in about.items() if key.startswith("rtneural"))
