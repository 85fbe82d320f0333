"""THE layer table: what kelly runs, what it expects of each layer, and what it refuses by name.

The JSON reader, the plan, the reference executor, the docs and the tests all iterate over this
table.  ``setup.py`` turns opcodes, activations, orders and plan columns into Cython constants
(``_table.pxd``), so the executor switches on the same names.

source  RTNeural's dynamic JSON loader and layers; the sizes as its Keras exporter writes them.
        This module imports nothing outside the standard library, so that the build can run it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ACTIVATIONS = ("", "tanh", "relu", "sigmoid", "softmax", "elu")
"""Activation names in code order; elu has alpha 1, softmax subtracts no maximum."""

ORDERS = ("plain", "blocks_16", "blocks_4", "segments")
"""How a matrix product adds up one output: every order sums products in index order from zero.

plain      one sum
blocks_16  sums of 16 inputs each, added one after the other; the rest is the last sum
blocks_4   the same by 4
segments   one sum over the inputs, one over the state, then the bias
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
    "w_2",  # weight offset of the second product
    "b",  # weight offset of biases that are added apart; gru under stl only
    "h",  # work offset of the hidden state
    "c",  # work offset of the cell state
    "z",  # work offset of the products' results
    "one",  # work offset of the constant 1 that the bias is multiplied by; -1: none
    "one_2",  # the same behind h
)
"""One plan row per layer; offsets count floats."""

MAX_SIZE = 1 << 20
"""Widest vector between two layers; wider ones are refused before anything is allocated."""


@dataclass(frozen=True, slots=True)
class WeightRule:
    """One array of a layer.

    name      what the docs and error messages call it
    shape     axis lengths: a number, or a letter with a factor: I inputs, O outputs, ``4O``
    optional  may be absent from the file
    """

    name: str
    shape: tuple[str, ...]
    optional: bool = False

    def sizes(self, inputs: int, outputs: int) -> tuple[int, ...]:
        """The shape in numbers."""
        letters = {"I": inputs, "O": outputs}
        return tuple(
            int(axis) if axis.isdigit() else int(axis[:-1] or 1) * letters[axis[-1]] for axis in self.shape
        )


@dataclass(frozen=True, slots=True)
class LayerType:
    """One row of the table.

    name         RTNeural's ``type``
    opcode       what the executor switches on
    activations  names that the layer's ``activation`` may hold
    weights      the arrays, in file order
    gates        gate order in the file, "" for layers without gates
    state        floats of state per output
    """

    name: str
    opcode: int
    activations: tuple[str, ...]
    weights: tuple[WeightRule, ...]
    gates: str = ""
    state: int = 0


_DENSE = (WeightRule("W", ("I", "O")), WeightRule("b", ("O",), optional=True))
_LSTM = (WeightRule("W", ("I", "4O")), WeightRule("U", ("O", "4O")), WeightRule("b", ("4O",)))
_GRU = (WeightRule("W", ("I", "3O")), WeightRule("U", ("O", "3O")), WeightRule("b", ("2", "3O")))

OPCODES = ("dense", "lstm", "gru", "activation")

LAYERS: dict[str, LayerType] = {
    row.name: row
    for row in (
        LayerType("dense", 0, ACTIVATIONS, _DENSE),
        LayerType("time-distributed-dense", 0, ACTIVATIONS, _DENSE),
        LayerType("lstm", 1, ("", "tanh"), _LSTM, gates="ifco", state=2),
        LayerType("gru", 2, ("", "tanh"), _GRU, gates="zrh", state=1),
        LayerType("activation", 3, ACTIVATIONS[1:], ()),
    )
}

NOT_YET = ("conv1d", "conv2d", "prelu", "batchnorm", "batchnorm2d")
"""Layer types that RTNeural runs and this engine does not; they are refused by name."""


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer of one network, checked.

    type        a key of LAYERS
    in_size     I
    out_size    O
    activation  "" or a name of ACTIVATIONS; always "" on lstm and gru, whose gates fix it
    weights     float32 C-contiguous arrays in the file's order and layout, optional ones only if present
    """

    type: str
    in_size: int
    out_size: int
    activation: str
    weights: tuple[Any, ...]

    @property
    def parameter_count(self) -> int:
        """As PyTorch counts: an LSTM has two biases there, though the file stores their sum."""
        count = sum(int(array.size) for array in self.weights)
        return count + (4 * self.out_size if self.type == "lstm" else 0)
