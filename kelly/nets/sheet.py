"""What a model file holds, in numbers: layers, sizes, state, operations, bytes, time.

thread  [main]
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

from kelly._rt.contract import CONTRACT_VERSION, NETS
from kelly._rt.net.layers import LAYERS, LayerSpec
from kelly.nets.json import Model, read_model
from kelly.nets.load import network_from

FLOOR_TURNS = 32


@dataclass(frozen=True, slots=True)
class LayerSheet:
    """One layer in numbers.

    flops       additions and multiplications of one step, an activation's elements counted once
    weights     values in the file
    parameters  as PyTorch counts: both biases of an lstm
    state       float32 values that are remembered from step to step
    bytes       of the weights as float32
    columns     the layer's row of the plan, by name; -1 where a column means nothing to it
    """

    index: int
    type: str
    inputs: int
    outputs: int
    activation: str
    flops: int
    weights: int
    parameters: int
    state: int
    bytes: int
    columns: dict[str, int]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A network in numbers.

    nbytes       weights, state and plan in memory, in this arithmetic
    latency_us   median time of one step here; a measurement, not a promise
    floor_us     time to read the weights once here: no exact engine of this arithmetic is faster
    net          which of the five the file says it is, "" for another
    """

    path: str
    net: str
    in_size: int
    out_size: int
    arithmetic: str
    isa: str
    layers: tuple[LayerSheet, ...]
    flops: int
    parameters: int
    state: int
    nbytes: int
    latency_us: float
    floor_us: float | None
    metadata: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def inspect_file(path: str | os.PathLike[str], arithmetic: str = "eigen") -> Sheet:
    """Read one model and measure it.

    path        an RTNeural JSON file
    arithmetic  as in kelly.load_network
    raises      ModelError, ConfigError, BackendUnavailableError
    """
    from kelly.nets.slot import step_latency_us

    model = read_model(path)
    network = network_from(model, arithmetic)
    layers = layer_sheets(model, arithmetic)
    metadata = model.metadata | {"test_vectors": 0 if model.vectors is None else len(model.vectors.input)}
    return Sheet(
        path=os.fspath(path), net=str(model.metadata.get("net", "")), in_size=model.in_size, out_size=model.out_size,
        arithmetic=arithmetic, isa=str(getattr(network, "isa", "")), layers=layers,
        flops=sum(layer.flops for layer in layers), parameters=sum(layer.parameters for layer in layers),
        state=sum(layer.state for layer in layers), nbytes=network.nbytes,
        latency_us=step_latency_us(network), floor_us=read_floor_us(network), metadata=metadata,
    )  # fmt: skip


def read_floor_us(network: Any) -> float | None:
    """The fastest of some turns of reading all weights, in microseconds; None where the engine can't say."""
    if not hasattr(network, "read_weights"):
        return None
    times = []
    for _ in range(FLOOR_TURNS):
        start = time.perf_counter_ns()
        network.read_weights()
        times.append(time.perf_counter_ns() - start)
    return min(times) / 1e3


def layer_sheets(model: Model, arithmetic: str = "eigen") -> tuple[LayerSheet, ...]:
    """Every layer of a model, with its row of the plan."""
    from kelly._rt.net.layers import COLUMNS
    from kelly._rt.net.plan import build_plan

    table = build_plan(model.layers, arithmetic).table
    return tuple(
        LayerSheet(
            index=index, type=layer.type, inputs=layer.in_size, outputs=layer.out_size, activation=layer.activation,
            flops=layer_flops(layer), weights=layer_weights(layer), parameters=layer.parameter_count,
            state=layer_state(layer), bytes=4 * layer_weights(layer),
            columns=dict(zip(COLUMNS, (int(value) for value in row), strict=False)),
        )
        for index, (layer, row) in enumerate(zip(model.layers, table, strict=True))
    )  # fmt: skip


def layer_weights(layer: LayerSpec) -> int:
    """Values in the file."""
    return sum(int(array.size) for array in layer.weights)


def layer_state(layer: LayerSpec) -> int:
    """float32 values remembered from step to step."""
    if layer.type == "conv1d":
        kernel = int(layer.weights[0].shape[0])
        return (kernel - 1) * int(layer.options["dilation"]) * layer.in_size
    if layer.type == "conv2d":
        kernel = int(layer.weights[0].shape[0])
        return (kernel - 1) * int(layer.options["dilation"]) * layer.out_size
    return LAYERS[layer.type].state * layer.out_size


def layer_flops(layer: LayerSpec) -> int:
    """Additions and multiplications of one step; every sigmoid, tanh or exp counts as one."""
    matrices = [array for array in layer.weights if array.ndim == 2 and layer.type in ("dense", "time-distributed-dense")]
    n = layer.out_size
    activation = n if layer.activation else 0
    if layer.type == "lstm":
        return 2 * (layer.in_size + n + 1) * 4 * n + 4 * n + 5 * n
    if layer.type == "gru":
        return 2 * (layer.in_size + n + 2) * 3 * n + 3 * n + 6 * n
    if layer.type == "conv1d":
        return 2 * int(layer.weights[0].size) + n + activation
    if layer.type == "conv2d":
        kernel = layer.weights[0]  # (kt, kf, fin, fout); once per output feature
        return 2 * int(kernel.size) * (n // int(kernel.shape[3])) + n + activation
    if layer.type.startswith("batchnorm"):
        return 3 * n
    if layer.type == "prelu":
        return 2 * n
    return sum(2 * int(array.size) for array in matrices) + (n if len(layer.weights) > 1 else 0) + activation


def catalog() -> dict[str, Any]:
    """The five nets as plain values: sizes, layers, parameters, what goes in and comes out."""
    return {
        "contract": CONTRACT_VERSION,
        "nets": [
            {
                "name": net.name, "title": net.title, "in_size": net.input.size, "out_size": net.output.size,
                "input": net.input.name, "output": net.output.name, "output_activation": net.output.activation,
                "layers": [{"type": kind, "outputs": size, "activation": activation} for kind, size, activation in net.layers],
                "parameters": net.parameters,
            }
            for net in NETS
        ],
    }  # fmt: skip
