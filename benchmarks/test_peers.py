"""The five nets called from Python, beside PyTorch, ONNX Runtime and, where it is fed in, RTNeural itself.

    python -m pytest -s benchmarks/test_peers.py
    KELLY_RTNEURAL_REFERENCE=eigen=PROGRAM,xsimd=PROGRAM python -m pytest -s benchmarks/test_peers.py
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ratio import interleaved, record, warm
from benchmarks.reference import references, step_ns
from benchmarks.test_nets import ATTEMPTS, NAMES
from benchmarks.test_quantised import pipeline
from kelly._rt.net.layers import EXACT
from kelly.errors import BackendUnavailableError
from kelly.nets.json import Model
from kelly.nets.timing import peer
from tests.nets import golden_specs, network

MUST = {"torch": 10.0, "onnxruntime": 1.8}
ROUNDS = 300
REFERENCE_STEPS, BLOCK = 20_000, 10
DEFAULT_MUST, OTHERS_MUST = 2.0, 1.05  # RTNeural's default build is the one called `eigen`
QUANTISED_MUST = {"int16": 1.5, "int8": 3.5}  # beside the fastest of the programs


@pytest.mark.parametrize("kind", MUST)
def test_other_runtimes(kind, benchmark):
    """What a Python program would use instead, on one thread."""
    run, _, rows = pipeline("eigen")
    models = [Model(layers[0].in_size, tuple(layers), {}, None, "") for layers in map(golden_specs, NAMES)]
    try:
        others = [peer(kind, model, x) for model, (_, x, _) in zip(models, rows, strict=True)]
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    for _ in range(ATTEMPTS):
        times = interleaved({"kelly": run, kind: lambda: [other() for other in others]}, rounds=ROUNDS, before=warm)
        ratio = times[kind] / times["kelly"]
        print(f"\nkelly {times['kelly'] / 1e3:.1f} us, {kind} {times[kind] / 1e3:.1f} us = {ratio:.2f} x")
        if ratio >= MUST[kind]:
            break
    record(f"peers/{kind}", times, ratio=round(ratio, 3), isa=rows[0][0].isa)
    benchmark(run)
    assert ratio >= MUST[kind]


@pytest.mark.reference
def test_rtneural(tmp_path, benchmark):
    """Steps in blocks on both sides: neither pays for a call from Python."""
    programs = references()
    if not programs:
        pytest.fail("KELLY_RTNEURAL_REFERENCE: expected BACKEND=PROGRAM[,...], found nothing")
    specs = [golden_specs(name) for name in NAMES]
    rows = {}
    for arithmetic in (*EXACT, *QUANTISED_MUST):
        nets = [network(layers, arithmetic) for layers in specs]
        xs = [np.random.default_rng(0).normal(0, 0.3, (BLOCK, net.in_size)).astype(np.float32) for net in nets]
        rows[arithmetic] = [(net, x, np.empty((BLOCK, net.out_size), np.float32)) for net, x in zip(nets, xs, strict=True)]

    def run(arithmetic):
        for net, x, out in rows[arithmetic]:
            net.process(x, out)

    times = interleaved({name: lambda name=name: run(name) for name in rows}, rounds=30, before=warm)
    kelly = {name: value / BLOCK for name, value in times.items()}
    theirs = {backend: sum(step_ns(program, layers, tmp_path, REFERENCE_STEPS) for layers in specs) for backend, program in programs.items()}
    faster = {backend: value / kelly[backend] for backend, value in theirs.items()}
    quantised = {name: min(theirs.values()) / kelly[name] for name in QUANTISED_MUST}
    for backend, value in theirs.items():
        print(f"\nRTNeural {backend} {value / 1e3:.1f} us, kelly {kelly[backend] / 1e3:.1f} us = {faster[backend]:.2f} x", end="")
    print(f"; over the fastest: {quantised}")
    record("peers/rtneural", kelly | {f"rtneural {name}": value for name, value in theirs.items()}, ratio=faster, quantised=quantised)
    benchmark(lambda: run("eigen"))
    assert {name: value for name, value in faster.items() if value < (DEFAULT_MUST if name == "eigen" else OTHERS_MUST)} == {}
    assert {name: value for name, value in quantised.items() if value < QUANTISED_MUST[name]} == {}
