"""RTNeural JSON -> a checked model, or every fault of the file with its place.

The format is the one RTNeural's Keras exporter writes; what RTNeural would misread silently is an
error here.  ``read_model`` raises the first fault, ``inspect_model`` collects all of them.

source  RTNeural's dynamic JSON loader (model_loader.h), read and tried against broken files
thread  [main]
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

from kelly._rt.net.layers import ACTIVATIONS, LAYERS, MAX_SIZE, OptionRule, WeightRule, size_faults
from kelly._rt.net.layers import LayerSpec as LayerSpec
from kelly._rt.net.reader import BrokenArray, ScanError, Skipped, scan
from kelly.errors import ModelError, ModelFormatError, ModelShapeError, UnknownLayerError
from kelly.nets.metadata import METADATA_KEY, Vectors, check_contract, describe, read_vectors

MAX_FAULTS = 100

_EXPORT = "this is a PyTorch state_dict: export it with `kelly export`"
_FOREIGN_STARTS = (
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"PK\x03\x04", "a zip archive", "a PyTorch or Keras archive has to be exported first: `kelly export`"),
    (b"\x89HDF", "an HDF5 file", "a Keras .h5 file has to be exported first"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
    (b"\xef\xbb\xbf", "a byte order mark", "save it as UTF-8 without BOM"),
    (b"\x80", "a pickle", "a PyTorch checkpoint has to be exported first: `kelly export`"),
)
_TORCH_KEYS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "state_dict", ".weight", ".bias")


@dataclass(frozen=True, slots=True)
class Model:
    """A model file without faults.

    layers    in order; each in_size is the out_size before
    metadata  what stands under "kelly" beside the vectors, {} in foreign files
    vectors   None if the file has none
    path      where it was read, "" if it came from memory
    """

    in_size: int
    layers: tuple[LayerSpec, ...]
    metadata: dict[str, Any]
    vectors: Vectors | None
    path: str

    @property
    def out_size(self) -> int:
        return self.layers[-1].out_size


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read one model file.

    raises  ModelFormatError, ModelShapeError, UnknownLayerError: the first fault, with path and JSON pointer
    """
    model, faults = inspect_model(path)
    if faults:
        raise faults[0]
    assert model is not None
    return model


def inspect_model(path: str | os.PathLike[str]) -> tuple[Model | None, list[ModelError]]:
    """Read one model file and collect all its faults, at most 100; the model is None if there is any."""
    name = os.fspath(path)
    try:
        data = read_bytes(name)
    except ModelError as error:
        return None, [error]
    return parse_model(data, str(name))


def read_bytes(path: str) -> bytes:
    """The whole file; ModelFormatError where the system does not give it out."""
    try:
        if os.path.isdir(path):
            raise IsADirectoryError(21, "a directory")
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise ModelFormatError(path=str(path), expected="a readable model file", found=found.lower()) from error


def parse_model(data: bytes, path: str = "") -> tuple[Model | None, list[ModelError]]:
    """The same for the content of a file; ``path`` only names it in errors."""
    reader = _Reader(path)
    model = reader.document(data)
    return (None if reader.faults else model), reader.faults


def _keys(found: dict[str, Any], most: int = 8) -> str:
    """The first keys of an object, each as short as a message bears it."""
    return ", ".join(key if len(key) <= 40 else key[:37] + "..." for key in list(found)[:most])


def _nearest(name: str, names: Sequence[str]) -> str:
    import difflib  # only for a file with faults

    close = difflib.get_close_matches(name.lower(), [n for n in names if n], n=1)
    return f"did you mean {close[0]!r}?" if close else ""


class _Reader:
    """Walks the document once, in file order, and notes every fault."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.faults: list[ModelError] = []

    def fault(
        self, kind: type[ModelError], pointer: str, expected: str, found: str, hint: str = "", message: str = ""
    ) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(
                kind(message, path=self.path, pointer=pointer, expected=expected, found=found, hint=hint)
            )

    # ---------------------------------------------------------------- document

    def document(self, data: bytes) -> Model | None:
        for start, what, hint in _FOREIGN_STARTS:
            if data.startswith(start):
                self.fault(ModelFormatError, "", "JSON text in UTF-8", what, hint)
                return None
        if not data.strip(b" \t\r\n"):
            self.fault(ModelFormatError, "", "a JSON object", "an empty file")
            return None
        if b"\0" in data[:4]:
            self.fault(ModelFormatError, "", "JSON text in UTF-8", "binary data or UTF-16 text")
            return None
        try:
            found = scan(data)
        except ScanError as error:
            self.fault(ModelFormatError, error.pointer, error.expected, error.found, error.hint)
            return None
        if not isinstance(found, dict):
            self.fault(ModelFormatError, "", "a JSON object", f"a JSON {describe(found)}")
            return None
        return self.model(found)

    def model(self, found: dict[str, Any]) -> Model | None:
        missing = [key for key in ("in_shape", "layers") if key not in found]
        for key in missing:
            keys = _keys(found, 5)
            hint = _EXPORT if any(mark in name for name in found for mark in _TORCH_KEYS) else ""
            self.fault(ModelFormatError, "", f"the key {key!r}", f"the keys {keys}" if keys else "no keys", hint)
        in_size = self.size(found["in_shape"], "/in_shape") if "in_shape" in found else None
        layers = self.layers(found["layers"], in_size) if "layers" in found else []
        metadata = found.get(METADATA_KEY, {})
        if not isinstance(metadata, dict):
            self.fault(ModelFormatError, f"/{METADATA_KEY}", "an object", describe(metadata))
            metadata = {}
        if in_size is None or not layers:
            return None
        out_size = layers[-1].out_size if layers[-1] is not None else None
        check_contract(metadata, in_size, out_size, self.fault)
        vectors = read_vectors(metadata, in_size, out_size, self.fault)
        if self.faults:
            return None
        about = {name: value for name, value in metadata.items() if name != "vectors"}
        return Model(in_size, tuple(layer for layer in layers if layer is not None), about, vectors, self.path)

    # ---------------------------------------------------------------- sizes

    def size(self, shape: Any, pointer: str) -> int | None:
        """The size that a ``shape`` stands for: its last element, or features x filters where there are four."""
        if not isinstance(shape, list):
            self.fault(ModelFormatError, pointer, "an array of sizes", describe(shape))
            return None
        if not shape:
            self.fault(ModelFormatError, pointer, "an array of sizes", "an empty array")
            return None
        meaning = 2 if len(shape) == 4 else 1
        size, sound = 1, True
        for index, value in enumerate(shape):
            used = index >= len(shape) - meaning
            if value is None and not used:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                wanted = "a whole number from 1" if used else "null or a whole number from 1"
                self.fault(ModelFormatError, f"{pointer}/{index}", wanted, describe(value))
                sound = False
            elif used:
                size *= value
        if sound and size > MAX_SIZE:
            self.fault(ModelShapeError, pointer, f"at most {MAX_SIZE}", str(size))
            return None
        return size if sound else None

    # ---------------------------------------------------------------- layers

    def layers(self, found: Any, in_size: int | None) -> list[LayerSpec | None]:
        if not isinstance(found, list):
            self.fault(ModelFormatError, "/layers", "an array of layers", describe(found))
            return []
        if not found:
            self.fault(ModelFormatError, "/layers", "at least one layer", "an empty array")
        layers = []
        for index, item in enumerate(found):
            layer, in_size = self.layer(item, f"/layers/{index}", in_size)
            layers.append(layer)
            if len(self.faults) >= MAX_FAULTS:
                break
        return layers

    def layer(self, found: Any, pointer: str, inputs: int | None) -> tuple[LayerSpec | None, int | None]:
        """The layer, None if it has faults, and its output size, None if unknown."""
        if not isinstance(found, dict):
            self.fault(ModelFormatError, pointer, "an object", describe(found))
            return None, None
        n_faults = len(self.faults)
        missing = [key for key in ("type", "shape", "weights") if key not in found]
        for key in missing:
            hint = _EXPORT if any(mark in name for name in found for mark in _TORCH_KEYS) else ""
            if key == "weights" and not hint:
                hint = "a layer without weights has \"weights\": []"
            self.fault(ModelFormatError, pointer, f"the key {key!r}", f"the keys {_keys(found)}", hint)
        kind = self.type(found["type"], f"{pointer}/type") if "type" in found else None
        outputs = self.size(found["shape"], f"{pointer}/shape") if "shape" in found else None
        activation = self.activation(found.get("activation", ""), kind, pointer, "activation" in found)
        options = self.options(found, kind, pointer, inputs, outputs) if kind is not None else None
        weights: tuple[Any, ...] = ()
        if kind is not None and "weights" in found:
            weights = self.weights(found["weights"], kind, f"{pointer}/weights", inputs, outputs, options)
        if len(self.faults) > n_faults or kind is None or inputs is None or outputs is None or options is None:
            return None, outputs
        if kind.startswith("batchnorm"):
            self.variance(weights[-1], options["epsilon"], f"{pointer}/weights/{len(weights) - 1}")
        return LayerSpec(kind, inputs, outputs, activation, weights, options), outputs

    # ---------------------------------------------------------------- options

    def options(
        self, found: dict[str, Any], kind: str, pointer: str, inputs: int | None, outputs: int | None
    ) -> dict[str, Any] | None:
        """Every option of the type, None if one is wrong or does not fit the sizes."""
        values: dict[str, Any] = {}
        for rule in LAYERS[kind].options:
            if rule.name in found:
                value = self.option(found[rule.name], rule, f"{pointer}/{rule.name}")
            elif rule.default is None:
                self.fault(ModelFormatError, pointer, f"the key {rule.name!r}", f"the keys {_keys(found)}")
                value = None
            else:
                value = rule.default
            values[rule.name] = value
        if any(value is None for value in values.values()):
            return None
        if inputs is None or outputs is None:
            return values
        faults = size_faults(kind, inputs, outputs, values)
        for key, expected, what in faults:
            hint = "it must work on one value after the other" if key == "shape" and LAYERS[kind].same_size else ""
            self.fault(ModelShapeError, f"{pointer}/{key}", expected, what, hint if kind != "activation" else "")
        return None if faults else values

    def option(self, found: Any, rule: OptionRule, pointer: str) -> Any:
        """The value, None if it is wrong; a list stands for its last element."""
        if rule.kind == "padding":
            if found in ("valid", "same") and isinstance(found, str):
                return found
            hint = 'RTNeural would take it for "same"' if isinstance(found, str) else ""
            self.fault(ModelFormatError, pointer, '"valid" or "same"', describe(found), hint)
            return None
        if isinstance(found, list) and found:
            pointer, found = f"{pointer}/{len(found) - 1}", found[-1]
        if rule.kind == "number":
            if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 1e30:
                return float(found)
            self.fault(ModelFormatError, pointer, "a number from 0", describe(found))
            return None
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            self.fault(ModelFormatError, pointer, "a whole number from 1", describe(found))
            return None
        return found

    def variance(self, variance: NDArray[np.float32], epsilon: float, pointer: str) -> None:
        """A variance is not negative; with its epsilon it is not zero either."""
        wrong = np.flatnonzero(~((variance >= 0) & (variance + np.float32(epsilon) > 0)))
        if wrong.size:
            self.fault(
                ModelFormatError, f"{pointer}/{wrong[0]}", "a variance above 0", f"{variance[wrong[0]]:g}",
                "are mean and variance swapped?",
            )  # fmt: skip

    def type(self, found: Any, pointer: str) -> str | None:
        if not isinstance(found, str):
            self.fault(ModelFormatError, pointer, "the name of a layer type", describe(found))
            return None
        if found in LAYERS:
            return found
        expected = f"one of {', '.join(LAYERS)}"
        if found == "dropout":
            hint = "dropout does nothing when a net runs: leave it out of the file"
        else:
            hint = _nearest(found, list(LAYERS))
        self.fault(UnknownLayerError, pointer, expected, describe(found), hint)
        return None

    def activation(self, found: Any, kind: str | None, pointer: str, written: bool) -> str:
        place = f"{pointer}/activation"
        if not isinstance(found, str):
            self.fault(ModelFormatError, place, "the name of an activation", describe(found))
            return ""
        if found not in ACTIVATIONS:
            hint = 'write "" for none' if found.lower() in ("linear", "none", "identity") else _nearest(found, ACTIVATIONS)
            names = ", ".join(name or '""' for name in ACTIVATIONS)
            self.fault(UnknownLayerError, place, f"one of {names}", describe(found), hint)
            return ""
        if kind is None:
            return ""
        allowed = LAYERS[kind].activations
        if found not in allowed:
            if not written:
                self.fault(ModelFormatError, pointer, "the key 'activation'", "none", "an activation layer needs a name")
            else:
                names = ", ".join(name or '""' for name in allowed)
                hint = f"the gates of {kind} are fixed; RTNeural would ignore this" if LAYERS[kind].gates else ""
                if allowed == ("",):
                    hint = f"RTNeural would ignore this after {kind}: use a layer of type activation"
                self.fault(ModelFormatError, place, f"one of {names}", describe(found), hint)
            return ""
        return "" if LAYERS[kind].gates else found

    # ---------------------------------------------------------------- weights

    def weights(
        self,
        found: Any,
        kind: str,
        pointer: str,
        inputs: int | None,
        outputs: int | None,
        options: dict[str, Any] | None,
    ) -> tuple[NDArray[np.float32], ...]:
        rules = LAYERS[kind].rules(len(found) if isinstance(found, list) else 0)
        if not isinstance(found, list):
            hint = _EXPORT if isinstance(found, Skipped) and found.kind == "object" else ""
            self.fault(ModelFormatError, pointer, f"an array of {len(rules)} arrays", describe(found), hint)
            return ()
        needed = [rule for rule in rules if not rule.optional]
        if len(found) < len(needed):
            names = ", ".join(rule.name for rule in needed)
            hint = "split gates? an lstm here has W, U and one bias" if kind == "lstm" and len(found) else ""
            if LAYERS[kind].short:
                hint = f"or {len(LAYERS[kind].short)}: {', '.join(rule.name for rule in LAYERS[kind].short)}"
            self.fault(ModelFormatError, pointer, f"{len(needed)} arrays ({names})", f"{len(found)}", hint)
        arrays = []
        for index, array in enumerate(found):
            place = f"{pointer}/{index}"
            if index >= len(rules):
                hint = "are its gates split? an lstm here has W, U and one bias, the sum of both" if kind == "lstm" else ""
                names = ", ".join(rule.name for rule in rules)
                expected = f"no more than {len(rules)} arrays ({names})" if rules else "no arrays"
                self.fault(ModelFormatError, place, expected, "an extra one", hint)
                break
            if isinstance(array, BrokenArray):
                for where, expected, what, hint in array.faults:
                    self.fault(ModelFormatError, where, expected, what, hint)
            elif not isinstance(array, np.ndarray):
                self.fault(ModelFormatError, place, "an array of numbers", describe(array))
            elif self.fits(array, rules[index], kind, place, inputs, outputs, options):
                arrays.append(array)
        return tuple(arrays)

    def fits(
        self,
        array: NDArray[np.float32],
        rule: WeightRule,
        kind: str,
        pointer: str,
        inputs: int | None,
        outputs: int | None,
        options: dict[str, Any] | None,
    ) -> bool:
        unknown = outputs is None or options is None
        if unknown or (inputs is None and any(axis.endswith("I") or axis.startswith("inputs") for axis in rule.shape)):
            return True  # the shape to compare with is a fault of its own
        assert outputs is not None
        wanted = rule.sizes(inputs or 0, outputs, options)
        if rule.fits(array.shape, wanted):
            return True
        self.fault(
            ModelShapeError, pointer, f"{wanted} for {rule.name}", describe(array),
            _shape_hint(kind, rule.name, wanted, array.shape, outputs),
        )  # fmt: skip
        return False


def _shape_hint(kind: str, name: str, wanted: tuple[int, ...], found: tuple[int, ...], outputs: int) -> str:
    """The likely cause of a wrong shape."""
    if kind == "conv1d" and found == wanted[::-1]:
        return "transposed? PyTorch stores (out, in, taps), this format (taps, in, out)"
    if kind == "prelu" and len(found) == 1:
        return "the slopes are nested twice: [[[0.1, ...]]]"
    if found == wanted[::-1] and len(wanted) == 2:
        return "transposed? PyTorch stores (out, in), this format (in, out)"
    if kind == "lstm" and found and found[-1] == 3 * outputs:
        return "is this a gru?"
    if kind == "gru" and found and found[-1] == 4 * outputs:
        return "is this an lstm?"
    if kind == "gru" and name == "b" and len(found) == 1:
        return "a gru has two biases, [2][3H]; was it made with reset_after=False?"
    if found and found[-1] == outputs and wanted[-1] != outputs:
        return "split gates? each array here holds all gates side by side"
    if name == "b" and found == (0,):
        return "leave the bias out instead of writing an empty one" if kind != "lstm" else ""
    if len(found) == len(wanted):
        axes = [axis for axis in range(len(wanted)) if found[axis] != wanted[axis]]
        return " and ".join(f"{'rows' if axis == 0 and len(wanted) > 1 else 'values'} do not match" for axis in axes[:1])
    return f"{len(wanted)} nested levels are wanted"

