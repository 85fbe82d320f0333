"""How long networks take: single steps and whole blocks, against the time that a block of audio leaves.

Engines are measured in turns in one process; calls during which the system took the processor away
are counted and left out of the percentiles, never out of the maximum.

thread  [main]
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly.errors import ConfigError
from kelly.nets.accuracy import Accuracy
from kelly.nets.json import Model

Array = NDArray[np.float32]

WARM_UP = 20
AUDIO_RATE_INPUTS = 3
"""A net with so few inputs runs once per sample (the sound and perhaps two knobs); others once per block."""

PEERS = ("numpy", "torch", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Times:
    """Of many calls of one thing, in microseconds.

    calls      measured
    preempted  of these, interrupted by the system: left out of p50 and p99
    """

    calls: int
    preempted: int
    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class BlockTimes:
    """One block of audio.

    steps         network steps in it
    budget_us     its length in time
    share         p99 of the budget, 0..1 and beyond
    x_real_time   budget over p50
    within        whether p99 keeps the budget
    """

    frames: int
    steps: int
    budget_us: float
    times: Times
    share: float
    x_real_time: float
    within: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """One network, or several as one pipeline.

    allocations  bytes that Python allocated in 100 calls of ``process``, its own bookkeeping taken off; 0 is the promise
    audio_rate   one step per sample; else one per block
    peers        p50 of one step of other engines, microseconds, and how many times faster kelly is
    accuracy     beside exact float32; None for the default arithmetic
    """

    name: str
    arithmetic: str
    parameters: int
    nbytes: int
    step: Times
    allocations: int
    audio_rate: bool
    blocks: tuple[BlockTimes, ...] = ()
    peers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    accuracy: Accuracy | None = None

    @property
    def ok(self) -> bool:
        """No allocation, every block within its budget, every answer within what is promised."""
        near = self.accuracy is None or self.accuracy.ok
        return self.allocations == 0 and near and all(block.within for block in self.blocks)

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def switches() -> int:
    """How often the system took the processor from this thread so far; 0 where it doesn't say."""
    try:
        import resource

        return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    except (ImportError, AttributeError):
        return 0


def measure(calls: Sequence[Callable[[], Any]], seconds: float, least: int = 50) -> list[Times]:
    """Time some functions in turns until ``seconds`` are over, at least ``least`` rounds."""
    taken: list[list[int]] = [[] for _ in calls]
    clean: list[list[bool]] = [[] for _ in calls]
    for call in calls:
        for _ in range(WARM_UP):
            call()
    until, clock = time.perf_counter() + seconds, time.perf_counter_ns
    collecting = gc.isenabled()
    gc.disable()
    try:
        rounds = 0
        while rounds < least or time.perf_counter() < until:
            for index, call in enumerate(calls):
                before = switches()
                start = clock()
                call()
                taken[index].append(clock() - start)
                clean[index].append(switches() == before)
            rounds += 1
    finally:
        if collecting:
            gc.enable()
    return [_times(np.array(all_, np.float64) / 1e3, np.array(fine)) for all_, fine in zip(taken, clean, strict=True)]


def _times(us: NDArray[np.float64], fine: NDArray[np.bool_]) -> Times:
    kept = us[fine] if fine.any() else us
    return Times(len(us), int((~fine).sum()), float(np.median(kept)), float(np.percentile(kept, 99)), float(us.max()))


def allocated(call: Callable[[], Any], calls: int = 100) -> int:
    """Bytes that Python's allocators gave out at once during some calls, NumPy's included, beyond an empty call's."""

    def nothing() -> None:
        return None

    def peak(function: Callable[[], Any]) -> int:
        function()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(calls):
            function()
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(nothing)
        return max(0, peak(call) - peak(nothing))
    finally:
        tracemalloc.stop()


def bench_network(
    name: str, network: Any, *, frames: Sequence[int] = (128,), sample_rate_hz: float = 48000.0, seconds: float = 0.5,
    model: Model | None = None, against: Sequence[str] = (), seed: int = 0,
) -> Bench:
    """Time one network.

    frames   sizes of a block of audio
    seconds  for the steps, and again for the blocks
    model    of the same network, needed for ``against``
    against  names of PEERS
    raises   ConfigError, BackendUnavailableError
    """  # fmt: skip
    rng = np.random.default_rng(seed)
    audio = network.in_size <= AUDIO_RATE_INPUTS
    x, y = rng.standard_normal(network.in_size).astype(np.float32), np.empty(network.out_size, np.float32)

    def step() -> None:
        network.process(x, y)

    calls: list[Callable[[], Any]] = [step, *(peer(kind, model, x) for kind in against)]
    step_times, *peer_times = measure(calls, seconds)
    blocks = []
    for size in frames:
        steps = size if audio else 1
        xs = rng.standard_normal((steps, network.in_size)).astype(np.float32)
        ys = np.empty((steps, network.out_size), np.float32)
        times = measure([lambda xs=xs, ys=ys: network.process(xs, ys)], seconds / len(frames))[0]  # type: ignore[misc]
        budget_us = size / sample_rate_hz * 1e6
        blocks.append(
            BlockTimes(size, steps, budget_us, times, times.p99_us / budget_us, budget_us / times.p50_us, times.p99_us <= budget_us)
        )
    network.reset()
    found = Bench(
        name=name, arithmetic=network.arithmetic, parameters=network.parameter_count, nbytes=network.nbytes, step=step_times,
        allocations=allocated(step), audio_rate=audio, blocks=tuple(blocks),
        peers={
            kind: {"p50_us": times.p50_us, "times_faster": times.p50_us / step_times.p50_us}
            for kind, times in zip(against, peer_times, strict=True)
        },
    )  # fmt: skip
    network.reset()
    return found


def bench_pipeline(
    networks: Mapping[str, Any], models: Mapping[str, Model], *, frames: Sequence[int] = (128,), sample_rate_hz: float = 48000.0,
    seconds: float = 0.5, against: Sequence[str] = (), seed: int = 0,
) -> Bench:
    """One step of every network, as one call."""  # fmt: skip
    rng = np.random.default_rng(seed)
    rows = [
        (network, rng.standard_normal(network.in_size).astype(np.float32), np.empty(network.out_size, np.float32))
        for network in networks.values()
    ]

    def step() -> None:
        for network, x, y in rows:
            network.process(x, y)

    def together(kind: str) -> Callable[[], Any]:
        parts = [peer(kind, models[name], x) for name, (_, x, _) in zip(networks, rows, strict=True)]

        def call() -> None:
            for part in parts:
                part()

        return call

    times, *peer_times = measure([step, *(together(kind) for kind in against)], seconds)
    alone = measure([step], seconds)[0] if against else times  # the others' weights push kelly's out of the caches
    blocks = tuple(
        BlockTimes(size, 1, budget, alone, alone.p99_us / budget, budget / alone.p50_us, alone.p99_us <= budget)
        for size, budget in ((size, size / sample_rate_hz * 1e6) for size in frames)
    )
    found = Bench(
        name="full pipeline", arithmetic=rows[0][0].arithmetic, parameters=sum(row[0].parameter_count for row in rows),
        nbytes=sum(row[0].nbytes for row in rows), step=times, allocations=allocated(step), audio_rate=False, blocks=blocks,
        peers={
            kind: {"p50_us": other.p50_us, "times_faster": other.p50_us / times.p50_us}
            for kind, other in zip(against, peer_times, strict=True)
        },
    )  # fmt: skip
    for network, _, _ in rows:
        network.reset()
    return found


def peer(kind: str, model: Model | None, x: Array) -> Callable[[], Any]:
    """One step of another engine on the same network, called from Python as its users would.

    raises  ConfigError for another name, BackendUnavailableError where it is not installed, UnknownLayerError
    """
    if kind not in PEERS:
        raise ConfigError(f"--against: expected one of {', '.join(PEERS)}, found {kind!r}")
    if model is None:
        raise ConfigError(f"--against {kind} needs the model's layers")
    if kind == "numpy":
        from kelly.nets.numpy32 import NumpyNet

        bare = NumpyNet(model.layers)
        return lambda: bare.step(x)
    row = np.ascontiguousarray(x[None])
    if kind == "torch":
        from kelly.nets.pytorch import TorchNet, modules_of_layers, torch

        torch().set_num_threads(1)
        net = TorchNet([module for module, _ in modules_of_layers(model.layers)])
        return lambda: net(row)
    from kelly.nets.onnx import OnnxNet, to_onnx

    session = OnnxNet(to_onnx(model.layers))
    return lambda: session(row)
