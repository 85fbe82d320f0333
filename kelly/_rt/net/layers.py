"""THE layer table: what kelly runs, what it expects of each layer, and what it refuses by name.

The JSON reader, the plan, the reference executor, the docs and the tests all iterate over this
table.  ``setup.py`` turns opcodes, activations, orders and plan columns into Cython constants
(``_table.pxd``), so the executor switches on the same names.

source  RTNeural's dynamic JSON loader and layers; the sizes as its Keras exporter writes them.
        This module imports nothing outside the standard library, so that the build can run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ARITHMETICS = ("eigen", "stl", "xsimd", "fast", "int16", "int8")
"""What the engine computes, in code order.

eigen, stl, xsimd  bit-exact with that backend of RTNeural
fast               float32 in whatever order is fastest, fused where the processor can
int16              weights in 16 bits, one scale per output, made at load; activations stay float32
int8               weights in 8 bits, one scale per output; activations in two digits of 7 bits, scaled at every step
"""

EXACT = ARITHMETICS[:3]

ACTIVATIONS = ("", "tanh", "relu", "sigmoid", "softmax", "elu")
"""Activation names in code order; elu has alpha 1, softmax subtracts no maximum."""

ORDERS = ("plain", "blocks_16", "blocks_4", "segments", "started", "redux", "lanes", "taps", "fast", "int16", "int8")
"""How a matrix product adds up one output: if nothing else is said, products in index order from zero.

plain      one sum
blocks_16  sums of 16 inputs each, added one after the other; the rest is the last sum
blocks_4   the same by 4
segments   one sum over the inputs, one over the state, then the bias
started    one sum that starts at the bias
redux      Eigen's reduction: eight interleaved sums, combined pairwise, then the tail
lanes      segments, each of four interleaved sums that are added one after the other, then the tail
taps       the bias, then one such sum per tap of the kernel
fast       plain up to 127 inputs, then blocks_16, fused where the processor can
int16      one sum of float times integer, fused where the processor can, then scale and bias
int8       a sum of integers, then scale and bias
"""

COLUMNS = (
    "op",  # opcode
    "activation",  # index of ACTIVATIONS
    "order",  # of the product over [x | 1] or [x | h | 1], index of ORDERS
    "order_2",  # of the second product, over [h | 1]; gru only
    "inputs",
    "outputs",
    "x",  # work offset of the input; the layer before writes here
    "y",  # work offset of the output
    "w",  # weight offset of the first product
    "w_2",  # weight offset of the second product; lstm: int8 only
    "b",  # weight offset of what is not in a product: biases that are added apart, scales, alpha, moments
    "b_2",  # the same of the second product
    "h",  # work offset of the hidden state; conv1d: past inputs; conv2d: outputs begun and not yet finished
    "c",  # work offset of the cell state
    "z",  # work offset of the products' results; conv1d: the gathered window
    "one",  # work offset of the constant 1 that the bias is multiplied by; -1: none
    "one_2",  # the same behind h
    "q",  # work offset of activations in digits of 7 bits
    "at",  # work offset of the ring's place in h, an int32
    "span",  # rows of the ring in h
    "taps",  # of the kernel, in time
    "dilation",  # steps between two taps
    "groups",  # conv1d
    "w_step",  # floats from one group's (conv1d) or one time tap's (conv2d) product to the next
    "kernel",  # conv2d: of the kernel, along the features
    "stride",  # conv2d: features between two windows
    "pad",  # conv2d: features that the first window lies before the row
    "filters_in",  # conv2d: values per feature
    "features_in",
    "filters_out",
    "features_out",
)
"""One plan row per layer; offsets count floats."""

MAX_SIZE = 1 << 20
"""Widest vector between two layers; wider ones are refused before anything is allocated."""

MAX_HISTORY = 1 << 24
"""Most floats that one layer may remember of the past: six minutes of one channel at 48 kHz."""


@dataclass(frozen=True, slots=True)
class WeightRule:
    """One array of a layer.

    name      what the docs and error messages call it
    shape     axis lengths: a number, a letter with a factor (I inputs, O outputs, ``4O``), or the name of
              an option, ``inputs/groups`` included
    optional  may be absent from the file
    shared    the last axis may be 1: one value for all
    """

    name: str
    shape: tuple[str, ...]
    optional: bool = False
    shared: bool = False

    def sizes(self, inputs: int, outputs: int, options: Mapping[str, Any] | None = None) -> tuple[int, ...]:
        """The shape in numbers."""
        return tuple(_axis(axis, inputs, outputs, options or {}) for axis in self.shape)

    def fits(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
        """Whether an array of this shape may stand where ``wanted`` was asked for."""
        return shape == wanted or (self.shared and shape == (*wanted[:-1], 1))


def _axis(axis: str, inputs: int, outputs: int, options: Mapping[str, Any]) -> int:
    if axis.isdigit():
        return int(axis)
    if axis == "inputs/groups":
        return inputs // int(options["groups"])
    if axis in options:
        return int(options[axis])
    return int(axis[:-1] or 1) * {"I": inputs, "O": outputs}[axis[-1]]


@dataclass(frozen=True, slots=True)
class OptionRule:
    """One key of a layer that is neither type, shape, activation nor weights.

    name     the key
    kind     "size": a whole number from 1, or a list whose last element is one; "number": not negative;
             "padding": "valid" or "same"
    default  what an absent key means; None: it must be there
    """

    name: str
    kind: str = "size"
    default: int | None = None


@dataclass(frozen=True, slots=True)
class LayerType:
    """One row of the table.

    name         RTNeural's ``type``
    opcode       what the executor switches on
    activations  names that the layer's ``activation`` may hold
    weights      the arrays, in file order
    gates        gate order in the file, "" for layers without gates
    state        floats of state per output, of layers whose state does not depend on options
    short        the arrays of the shorter form, where there is one
    options      further keys
    same_size    outputs are as many as inputs
    """

    name: str
    opcode: int
    activations: tuple[str, ...]
    weights: tuple[WeightRule, ...]
    gates: str = ""
    state: int = 0
    short: tuple[WeightRule, ...] = ()
    options: tuple[OptionRule, ...] = ()
    same_size: bool = False

    def rules(self, count: int) -> tuple[WeightRule, ...]:
        """What ``count`` arrays are."""
        return self.short if self.short and count == len(self.short) else self.weights


_DENSE = (WeightRule("W", ("I", "O")), WeightRule("b", ("O",), optional=True))
_LSTM = (WeightRule("W", ("I", "4O")), WeightRule("U", ("O", "4O")), WeightRule("b", ("4O",)))
_GRU = (WeightRule("W", ("I", "3O")), WeightRule("U", ("O", "3O")), WeightRule("b", ("2", "3O")))
_CONV1D = (WeightRule("W", ("kernel_size", "inputs/groups", "O")), WeightRule("b", ("O",)))
_CONV2D = (
    WeightRule("W", ("kernel_size_time", "kernel_size_feature", "num_filters_in", "num_filters_out")),
    WeightRule("b", ("num_filters_out",)),
)
_PRELU = (WeightRule("alpha", ("1", "O"), shared=True),)


def _moments(size: str) -> tuple[WeightRule, ...]:
    return tuple(WeightRule(name, (size,)) for name in ("gamma", "beta", "mean", "var"))


OPCODES = ("dense", "lstm", "gru", "activation", "conv1d", "conv2d", "prelu", "batchnorm")

LAYERS: dict[str, LayerType] = {
    row.name: row
    for row in (
        LayerType("dense", 0, ACTIVATIONS, _DENSE),
        LayerType("time-distributed-dense", 0, ACTIVATIONS, _DENSE),
        LayerType("lstm", 1, ("", "tanh"), _LSTM, gates="ifco", state=2),
        LayerType("gru", 2, ("", "tanh"), _GRU, gates="zrh", state=1),
        LayerType("activation", 3, ACTIVATIONS[1:], (), same_size=True),
        LayerType(
            "conv1d", 4, ACTIVATIONS, _CONV1D,
            options=(OptionRule("kernel_size"), OptionRule("dilation"), OptionRule("groups", default=1)),
        ),
        LayerType(
            "conv2d", 5, ACTIVATIONS, _CONV2D,
            options=(
                *map(OptionRule, ("kernel_size_time", "kernel_size_feature", "dilation", "strides")),
                *map(OptionRule, ("num_filters_in", "num_features_in", "num_filters_out")),
                OptionRule("padding", "padding"),
            ),
        ),
        LayerType("prelu", 6, ("",), _PRELU, same_size=True),
        LayerType(
            "batchnorm", 7, ("",), _moments("O"), short=_moments("O")[2:],
            options=(OptionRule("epsilon", "number"),), same_size=True,
        ),
        LayerType(
            "batchnorm2d", 7, ("",), _moments("num_filters_in"), short=_moments("num_filters_in")[2:],
            options=(OptionRule("epsilon", "number"), OptionRule("num_filters_in"), OptionRule("num_features_in")),
            same_size=True,
        ),
    )
}  # fmt: skip

OPTION_KEYS = tuple(sorted({option.name for row in LAYERS.values() for option in row.options}))
"""Keys that a layer may have beside type, activation, shape and weights."""


def features_out(options: Mapping[str, Any]) -> int:
    """Windows of a conv2d along the features; "same" pads with zeros on both sides, the odd one right."""
    features, kernel, stride = (int(options[key]) for key in ("num_features_in", "kernel_size_feature", "strides"))
    return -(-(features - kernel + 1 if options["padding"] == "valid" else features) // stride)


def pad_left(options: Mapping[str, Any]) -> int:
    """Zeros before the first feature of a conv2d's row."""
    features, kernel, stride = (int(options[key]) for key in ("num_features_in", "kernel_size_feature", "strides"))
    return 0 if options["padding"] == "valid" else max(kernel - (features % stride or stride), 0) // 2


def size_faults(kind: str, inputs: int, outputs: int, options: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What does not fit between a layer's sizes and its options: (key, expected, found)."""
    faults = []
    if LAYERS[kind].same_size and inputs != outputs:
        faults.append(("shape", f"{inputs}, the size before it", str(outputs)))
    if kind == "conv1d":
        groups = options["groups"]
        if inputs % groups or outputs % groups:
            faults.append(("groups", f"a divisor of {inputs} inputs and {outputs} outputs", str(groups)))
        history = (options["kernel_size"] - 1) * options["dilation"] * inputs
        if history > MAX_HISTORY:
            faults.append(("dilation", f"at most {MAX_HISTORY} values to remember", str(history)))
    if kind in ("conv2d", "batchnorm2d"):
        filters, features = options["num_filters_in"], options["num_features_in"]
        if filters * features != inputs:
            faults.append(("num_features_in", f"filters times features to be {inputs}", f"{filters} times {features}"))
    if kind == "conv2d":
        if options["kernel_size_feature"] > options["num_features_in"]:
            found = str(options["kernel_size_feature"])
            faults.append(("kernel_size_feature", f"at most {options['num_features_in']}, the features", found))
            return faults
        made = features_out(options) * options["num_filters_out"]
        if made != outputs:
            faults.append(("shape", f"{features_out(options)} features times {options['num_filters_out']} filters", str(outputs)))
        history = ((options["kernel_size_time"] - 1) * options["dilation"] + 1) * outputs
        if history > MAX_HISTORY:
            faults.append(("dilation", f"at most {MAX_HISTORY} values to remember", str(history)))
    return faults


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer of one network, checked.

    type        a key of LAYERS
    in_size     I
    out_size    O
    activation  "" or a name of ACTIVATIONS; always "" on lstm and gru, whose gates fix it
    weights     float32 C-contiguous arrays in the file's order and layout, optional ones only if present
    options     every option of the type: whole numbers, ``epsilon`` a number, ``padding`` "valid" or "same"
    """

    type: str
    in_size: int
    out_size: int
    activation: str
    weights: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameter_count(self) -> int:
        """As PyTorch counts: an LSTM has two biases there, though the file stores their sum; moments are none."""
        trained = self.weights[: len(self.weights) - 2] if self.type.startswith("batchnorm") else self.weights
        count = sum(int(array.size) for array in trained)
        return count + (4 * self.out_size if self.type == "lstm" else 0)
