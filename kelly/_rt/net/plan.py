"""Layers -> plan: an int table, one row per layer, and the places of everything in two arenas.

All size arithmetic of a network lives here.  The *weights* arena holds the packed matrices in
execution order and never changes; the *work* arena holds inputs, states and intermediate results.
Each layer's input buffer is ``[x | 1]``, ``[x | h | 1]`` (lstm) or ``[x | 1] [h | 1]`` (gru); the layer before
writes straight into it, and the constant 1 makes the bias one more row of the matrix.

A matrix is packed in panels of outputs, ``[panel][input][outputs of the panel]``: as many full panels
as fit (their width is the engine's: 64, or 32 on SSE2), then 16 wide, then 4 wide.  The offsets are
the same for every panel width, so one plan serves every instruction set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

from kelly._rt.net.layers import (
    ACTIVATIONS,
    ARITHMETICS,
    COLUMNS,
    LAYERS,
    OPCODES,
    ORDERS,
    LayerSpec,
    features_out,
    pad_left,
    size_faults,
)

ALIGN = 16  # floats: one cache line
TAIL_PANEL, LAST_PANEL = 16, 4
EIGEN_ONE_BLOCK_BELOW = 128  # columns
EIGEN_SMALL_ROWS_BYTES = 32000
ZERO_POINT = 64  # what 0 is among 7-bit digits
MAX_INT8_COLUMNS = 1 << 17  # 127 * 127 times as many stays below 2^31

F32: TypeAlias = "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Product:
    """One packed matrix: ``parts`` stacked along the inputs give (columns, rows), rows being outputs.

    bits, extra, bias  of a quantised matrix: 16 or 8, and the place of its scales, biases and (8) corrections
    """

    offset: int
    columns: int
    rows: int
    parts: tuple[F32, ...]
    bits: int = 32
    extra: int = -1
    bias: F32 | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A network, ready to be executed.

    table            int64 (L, len(COLUMNS)), C-contiguous
    products, biases what ``pack`` writes into the weights arena
    weights_size     floats of the weights arena
    work_size        floats of the work arena
    x, y             work offsets of the network's input and output
    """

    table: NDArray[np.int64]
    products: tuple[Product, ...]
    biases: tuple[tuple[int, F32], ...]
    weights_size: int
    work_size: int
    x: int
    y: int
    in_size: int
    out_size: int
    arithmetic: str
    parameter_count: int

    def pack(self, panel: int, arena: F32) -> None:
        """Write every weight into ``arena``, float32 (weights_size,), all zeros, for panels ``panel`` outputs wide."""
        for product in self.products:
            if product.bits == 32:
                _pack_product(product, panel, arena)
            else:
                _pack_quantised(product, panel, arena)
        for offset, bias in self.biases:
            arena[offset : offset + bias.size] = bias


def panels(rows: int, panel: int) -> Iterator[tuple[int, int]]:
    """(width, used outputs) of each panel of a matrix with ``rows`` outputs."""
    left = rows
    while left > 0:
        width = panel if left >= panel else TAIL_PANEL if left > LAST_PANEL else LAST_PANEL
        yield width, min(width, left)
        left -= width


def packed_rows(rows: int) -> int:
    """Outputs including the unused ones of the last panel; the same for every panel width."""
    return sum(width for width, _ in panels(rows, TAIL_PANEL))


def _pack_product(product: Product, panel: int, arena: F32) -> None:
    offset, output = product.offset, 0
    for width, used in panels(product.rows, panel):
        block = arena[offset : offset + product.columns * width].reshape(product.columns, width)  # (columns, width)
        row = 0
        for part in product.parts:
            block[row : row + len(part), :used] = part[:, output : output + used]
            row += len(part)
        offset += product.columns * width
        output += used


def quantised(matrix: F32, bits: int) -> tuple[NDArray[np.int32], F32]:
    """Whole numbers and one scale per output: matrix (columns, rows) ~ integers * scale.

    bits  16: -32767..32767, 8: -127..127
    """
    largest = (1 << (bits - 1)) - 1
    scale = (np.abs(matrix).max(axis=0, initial=0) / largest).astype(np.float32)
    divisor = np.where(scale > 0, scale, 1).astype(np.float64)
    return np.clip(np.rint(matrix / divisor), -largest, largest).astype(np.int32), scale


def _pack_quantised(product: Product, panel: int, arena: F32) -> None:
    """``[panel][input][output]`` int16, or ``[panel][four inputs][output][4]`` int8; then what is per output."""
    integers, scale = quantised(np.vstack(product.parts), product.bits)
    padded = packed_rows(product.rows)
    extra = arena[product.extra : product.extra + 3 * padded].reshape(3, padded)
    extra[0, : product.rows] = scale
    if product.bias is not None:
        extra[1, : product.rows] = product.bias
    inputs_apart = 4 if product.bits == 8 else 1
    groups = -(-product.columns // inputs_apart)
    if product.bits == 8:
        extra[2].view(np.int32)[: product.rows] = ZERO_POINT * integers.sum(axis=0)
    dtype: Any = np.int16 if product.bits == 16 else np.int8
    place, output = arena[product.offset :].view(dtype), 0
    for width, used in panels(product.rows, panel):
        block = np.zeros((groups * inputs_apart, width), dtype)
        block[: product.columns, :used] = integers[:, output : output + used]
        place[: block.size] = block.reshape(groups, inputs_apart, width).transpose(0, 2, 1).ravel()
        place, output = place[block.size :], output + used


def product_order(columns: int, rows: int, arithmetic: str) -> str:
    """How Eigen's matrix-vector product splits its sums; ``columns`` counts the bias, ``rows`` all outputs.

    source  Eigen 3.4.90, general_matrix_vector_product, as seen through its results
    """
    if arithmetic in _ORDER:
        return _ORDER[arithmetic]
    if arithmetic != "eigen" or columns < EIGEN_ONE_BLOCK_BELOW or rows == 1:
        return "plain"
    return "blocks_16" if rows * 4 < EIGEN_SMALL_ROWS_BYTES else "blocks_4"


_ORDER = {"xsimd": "lanes", "fast": "fast", "int16": "int16", "int8": "int8"}


class _Arena:
    """Hands out places, each on its own cache line."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, floats: int) -> int:
        offset = self.size
        self.size += -(-floats // ALIGN) * ALIGN
        return offset


class _Builder:
    def __init__(self, arithmetic: str) -> None:
        self.arithmetic, self.quantised = arithmetic, arithmetic.startswith("int")
        self.weights, self.work = _Arena(), _Arena()
        self.products: list[Product] = []
        self.biases: list[tuple[int, F32]] = []

    def product(self, rows: int, *parts: F32) -> int:
        columns = sum(len(part) for part in parts)
        offset = self.weights.take(columns * packed_rows(rows))
        self.products.append(Product(offset, columns, rows, parts))
        return offset

    def quantised_product(self, row: dict[str, int], rows: int, bias: F32 | None, *parts: F32, second: bool = False) -> None:
        """A product in 16 or 8 bits; its bias stays float32."""
        columns = sum(len(part) for part in parts)
        bits = 8 if self.arithmetic == "int8" and columns <= MAX_INT8_COLUMNS else 16
        padded = packed_rows(rows)
        size = -(-columns // 4) * padded if bits == 8 else -(-columns * padded // 2)
        offset, extra = self.weights.take(size), self.weights.take(3 * padded)
        self.products.append(Product(offset, columns, rows, parts, bits, extra, bias))
        row |= {"w_2": offset, "b_2": extra} if second else {"w": offset, "b": extra}
        row["order_2" if second else "order"] = ORDERS.index(f"int{bits}")

    def order(self, columns: int, rows: int) -> int:
        return ORDERS.index(product_order(columns, rows, self.arithmetic))

    def row(self, layer: LayerSpec) -> dict[str, int]:
        """Everything of the layer's plan row but ``y``, which is the next layer's ``x``."""
        row = dict.fromkeys(COLUMNS, -1)
        row |= {
            "op": LAYERS[layer.type].opcode,
            "activation": ACTIVATIONS.index(layer.activation),
            "inputs": layer.in_size,
            "outputs": layer.out_size,
        }
        if self.arithmetic == "int8":
            row["q"] = self.work.take(2 * -(-max(layer.in_size, layer.out_size) // 4))
        getattr(self, "_" + OPCODES[LAYERS[layer.type].opcode])(layer, row)
        return row

    def _dense(self, layer: LayerSpec, row: dict[str, int]) -> None:
        inputs, outputs = layer.in_size, layer.out_size
        bias = layer.weights[1] if len(layer.weights) > 1 else np.zeros(outputs, np.float32)
        row["x"] = self.work.take(inputs + 1)
        if self.quantised:
            self.quantised_product(row, outputs, bias, layer.weights[0])
            return
        row["one"] = row["x"] + inputs
        row["w"] = self.product(outputs, layer.weights[0], bias[None, :])
        row["order"] = self.order(inputs + 1, outputs)

    def _lstm(self, layer: LayerSpec, row: dict[str, int]) -> None:
        inputs, hidden = layer.in_size, layer.out_size
        matrices = [_gates(array, hidden, (1, 0, 3, 2)) for array in layer.weights]  # i f c o -> f i o c
        row["x"] = self.work.take(inputs + hidden + 1)
        row["h"] = row["x"] + inputs
        row["c"] = self.work.take(hidden)
        row["z"] = self.work.take(8 * hidden if self.arithmetic == "int8" else 4 * hidden)
        if self.arithmetic == "int16":
            self.quantised_product(row, 4 * hidden, matrices[2][0], *matrices[:2])
            return
        if self.arithmetic == "int8":  # x and h have scales of their own
            self.quantised_product(row, 4 * hidden, matrices[2][0], matrices[0])
            self.quantised_product(row, 4 * hidden, None, matrices[1], second=True)
            return
        row["one"] = row["h"] + hidden
        row["w"] = self.product(4 * hidden, *matrices)
        row["order"] = ORDERS.index("segments") if self.arithmetic == "stl" else self.order(inputs + hidden + 1, 4 * hidden)

    def _gru(self, layer: LayerSpec, row: dict[str, int]) -> None:
        inputs, hidden = layer.in_size, layer.out_size
        kernel, recurrent, bias = layer.weights
        row["x"] = self.work.take(inputs + 1)
        row["h"] = self.work.take(hidden + 1)
        row["z"] = self.work.take(6 * hidden)
        if self.quantised:
            self.quantised_product(row, 3 * hidden, bias[0], kernel)
            self.quantised_product(row, 3 * hidden, bias[1], recurrent, second=True)
            return
        row["one"] = row["x"] + inputs
        row["one_2"] = row["h"] + hidden
        if self.arithmetic in ("eigen", "fast"):
            row["w"] = self.product(3 * hidden, kernel, bias[:1])
            row["w_2"] = self.product(3 * hidden, recurrent, bias[1:])
        else:  # the biases join only after both products were added
            row["w"] = self.product(3 * hidden, kernel)
            row["w_2"] = self.product(3 * hidden, recurrent)
            row["b"] = self.weights.take(6 * hidden)
            self.biases.append((row["b"], bias.ravel()))
        row["order"] = self.order(inputs + 1, 3 * hidden)
        row["order_2"] = self.order(hidden + 1, 3 * hidden)

    def _activation(self, layer: LayerSpec, row: dict[str, int]) -> None:
        row["x"] = self.work.take(layer.in_size)

    def _conv1d(self, layer: LayerSpec, row: dict[str, int]) -> None:
        """One matrix per group over its window, newest tap first, channels inside a tap."""
        kernel, bias = layer.weights  # (taps, inputs / groups, outputs), (outputs,)
        taps, groups, dilation = (layer.options[key] for key in ("kernel_size", "groups", "dilation"))
        row |= {"taps": taps, "groups": groups, "dilation": dilation, "span": (taps - 1) * dilation + 1}
        row["x"] = self.work.take(layer.in_size)
        self.ring(row, layer.in_size)
        row["z"] = self.work.take(taps * layer.in_size)
        made = layer.out_size // groups
        windows = kernel[::-1].reshape(-1, layer.out_size)
        offsets = [self.product(made, windows[:, g * made : (g + 1) * made]) for g in range(groups)]
        row["w"], row["w_step"] = offsets[0], offsets[1] - offsets[0] if groups > 1 else 0
        row["b"] = self.apart(bias)
        row["order"] = ORDERS.index({"stl": "started", "xsimd": "taps"}.get(self.arithmetic, "redux"))

    def _conv2d(self, layer: LayerSpec, row: dict[str, int]) -> None:
        """One matrix per time tap, oldest first; every step adds its share to the outputs of steps to come."""
        kernel, bias = layer.weights  # (taps, features of the kernel, filters in, filters out), (filters out,)
        options = layer.options
        row |= {
            "taps": options["kernel_size_time"], "kernel": options["kernel_size_feature"],
            "dilation": options["dilation"], "stride": options["strides"], "pad": pad_left(options),
            "filters_in": options["num_filters_in"], "features_in": options["num_features_in"],
            "filters_out": options["num_filters_out"], "features_out": features_out(options),
        }  # fmt: skip
        row["span"] = (row["taps"] - 1) * row["dilation"] + 1
        row["x"] = self.work.take(layer.in_size)
        self.ring(row, layer.out_size)
        row["z"] = self.work.take(row["filters_out"])
        offsets = [self.product(row["filters_out"], tap.reshape(-1, row["filters_out"])) for tap in kernel]
        row["w"], row["w_step"] = offsets[0], offsets[1] - offsets[0] if len(offsets) > 1 else 0
        row["b"] = self.apart(bias)
        row["order"] = ORDERS.index({"stl": "started", "xsimd": "taps"}.get(self.arithmetic, "redux"))

    def ring(self, row: dict[str, int], width: int) -> None:
        """Room for ``span`` rows of ``width`` floats and for the place in them."""
        row["h"] = self.work.take(row["span"] * width)
        row["at"] = self.work.take(1)

    def apart(self, values: F32) -> int:
        """Floats that are read in panels: some of those behind are read too, and not used."""
        offset = self.weights.take(values.size + TAIL_PANEL)
        self.biases.append((offset, values.ravel()))
        return offset

    def _prelu(self, layer: LayerSpec, row: dict[str, int]) -> None:
        row["x"] = self.work.take(layer.in_size)
        row["b"] = self.apart(np.broadcast_to(layer.weights[0][0], (layer.in_size,)))

    def _batchnorm(self, layer: LayerSpec, row: dict[str, int]) -> None:
        """mean, multiplier, beta, each as long as the input; filters are the fastest axis of a 2-D one."""
        mean, variance = layer.weights[-2:]
        gamma, beta = layer.weights[:2] if len(layer.weights) == 4 else (np.ones_like(mean), np.zeros_like(mean))
        multiplier = gamma / np.sqrt(variance + np.float32(layer.options["epsilon"]))
        row["x"] = self.work.take(layer.in_size)
        repeats = layer.in_size // mean.size
        row["b"] = self.apart(np.concatenate([np.tile(array, repeats) for array in (mean, multiplier, beta)]))


def _gates(array: F32, hidden: int, order: tuple[int, ...]) -> F32:
    """Gate blocks of the last axis in another order; always 2-D."""
    rows = np.atleast_2d(array)
    reordered = np.empty_like(rows)
    for place, gate in enumerate(order):
        reordered[:, place * hidden : (place + 1) * hidden] = rows[:, gate * hidden : (gate + 1) * hidden]
    return reordered


def build_plan(layers: Sequence[LayerSpec], arithmetic: str = "eigen") -> Plan:
    """Lay out a network.

    layers      at least one; each in_size is the out_size before
    arithmetic  one of ARITHMETICS
    raises      ValueError if the layers do not fit each other or the arithmetic is unknown
    thread      [main]
    """
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"arithmetic: expected one of {', '.join(ARITHMETICS)}, found {arithmetic!r}")
    if not layers:
        raise ValueError("layers: expected at least one, found none")
    builder = _Builder(arithmetic)
    rows = []
    for index, layer in enumerate(layers):
        if index and layer.in_size != layers[index - 1].out_size:
            raise ValueError(f"layers[{index}]: expected {layers[index - 1].out_size} inputs, found {layer.in_size}")
        check_layer(index, layer)
        rows.append(builder.row(layer))
    out_size = layers[-1].out_size
    y = builder.work.take(out_size)
    for row, following in zip(rows, [*(row["x"] for row in rows[1:]), y], strict=True):
        row["y"] = following
    return Plan(
        table=np.array([[row[column] for column in COLUMNS] for row in rows], dtype=np.int64),
        products=tuple(builder.products),
        biases=tuple(builder.biases),
        weights_size=builder.weights.size,
        work_size=builder.work.size,
        x=rows[0]["x"],
        y=y,
        in_size=layers[0].in_size,
        out_size=out_size,
        arithmetic=arithmetic,
        parameter_count=sum(layer.parameter_count for layer in layers),
    )


def check_layer(index: int, layer: LayerSpec) -> None:
    """A plan built from wrong shapes would read outside its arena: refuse here, whoever made the layer."""
    kind = LAYERS[layer.type]
    missing = [option.name for option in kind.options if option.name not in layer.options]
    if missing:
        raise ValueError(f"layers[{index}].options: expected {', '.join(missing)}, found {', '.join(layer.options) or 'none'}")
    if kind.same_size and layer.in_size != layer.out_size:
        raise ValueError(f"layers[{index}]: expected {layer.in_size} outputs, found {layer.out_size}")
    for name, expected, found in size_faults(layer.type, layer.in_size, layer.out_size, layer.options):
        raise ValueError(f"layers[{index}].{name}: expected {expected}, found {found}")
    rules = kind.rules(len(layer.weights))
    needed = sum(not rule.optional for rule in rules)
    if not needed <= len(layer.weights) <= len(rules):
        raise ValueError(f"layers[{index}].weights: expected {needed} to {len(rules)}, found {len(layer.weights)}")
    for rule, array in zip(rules, layer.weights, strict=False):
        shape = rule.sizes(layer.in_size, layer.out_size, layer.options)
        if not rule.fits(array.shape, shape) or array.dtype != np.float32:
            raise ValueError(
                f"layers[{index}].{rule.name}: expected float32 {shape}, found {array.dtype} {array.shape}"
            )
    if layer.activation not in kind.activations:
        raise ValueError(f"layers[{index}]: activation {layer.activation!r} is not for {layer.type}")
