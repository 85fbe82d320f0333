"""Strict JSON by the standard library, for where ``scan.pyx`` was not compiled: the same answers, a hundred times slower.

What stands between brackets is read by ``json``; duplicate keys, NaN, numbers beyond float32, ragged and
mixed arrays are refused here as there.  Where the text stops being JSON the place is an offset, no pointer.

thread  [main]
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

MAX_ARRAYS, MAX_FAULTS, MAX_AXES = 16, 20, 7
FLOAT_MAX = float(np.finfo(np.float32).max)
WHOLE = 1e15  # larger whole numbers become floats

_ROOT, _LAYER = ("in_shape", "layers", "kelly"), ("type", "activation", "shape", "weights")


class ScanError(Exception):
    """The text is no JSON."""

    def __init__(self, pointer: str, offset: int, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"{pointer}: expected {expected}, found {found}")
        self.pointer, self.offset, self.expected, self.found, self.hint = pointer, offset, expected, found, hint


class Skipped:
    """Stands for a value that the format does not know."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return self.kind


class BrokenArray:
    """Stands for an array of numbers with faults, tuples (pointer, expected, found, hint)."""

    def __init__(self, faults: list[tuple[str, str, str, str]], shape: tuple[int, ...]) -> None:
        self.faults, self.shape = faults, shape


class _Constant:
    """NaN or an infinity: a fault inside an array, the end of reading elsewhere."""

    def __init__(self, text: str) -> None:
        self.text = text


def pointer_token(token: object) -> str:
    """One step of a JSON pointer, escaped."""
    return str(token).replace("~", "~0").replace("/", "~1")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ScanError("", 0, "each key once", f"{twice!r} stands here twice")
    return found


def _whole(text: str) -> int | float:
    number = float(text)
    return int(text) if abs(number) < WHOLE else number


def scan(data: bytes) -> Any:
    """Read a model file's text; arguments, answers and errors are those of kelly._rt.net.scan.scan."""
    try:
        text = data.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_Constant, parse_int=_whole)
    except UnicodeDecodeError as error:
        raise ScanError("", error.start, "UTF-8 text", f"byte {data[error.start]:#04x} at offset {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"{text[error.pos : error.pos + 1]!r} at line {error.lineno}, column {error.colno}"
        if error.pos >= len(text.rstrip()):
            raise ScanError("", error.pos, "more", "the end of the file", "the file is cut off") from None
        hint = "JSON has no comments" if text[error.pos : error.pos + 1] in ("/", "#") else ""
        raise ScanError("", error.pos, error.msg.lower().removeprefix("expecting "), place, hint) from None
    except RecursionError:
        raise ScanError("", 0, "at most 64 levels", "more", "this is not a model") from None
    if not isinstance(found, dict):
        return Skipped(_kind(found))
    kept: dict[str, Any] = {key: value if key in _ROOT else Skipped(_kind(value)) for key, value in found.items()}
    for key in ("in_shape", "kelly"):
        if key in kept:
            _check(kept[key], f"/{key}")
    if isinstance(kept.get("layers"), list):
        kept["layers"] = [_layer(layer, f"/layers/{index}") for index, layer in enumerate(kept["layers"])]
    elif "layers" in kept:
        _check(kept["layers"], "/layers")
        kept["layers"] = {} if isinstance(kept["layers"], dict) else kept["layers"]
    return kept


def _layer(layer: Any, pointer: str) -> Any:
    if not isinstance(layer, dict):
        _check(layer, pointer)
        return Skipped(_kind(layer)) if isinstance(layer, list) else layer
    kept: dict[str, Any] = {}
    for key, value in layer.items():
        place = f"{pointer}/{pointer_token(key)}"
        if key == "weights" and isinstance(value, list):
            kept[key] = [_array(item, f"{place}/{index}") for index, item in enumerate(value[: MAX_ARRAYS + 1])]
        else:
            _check(value, place)
            kept[key] = Skipped("object") if key == "weights" and isinstance(value, dict) else value
    return kept


def _check(value: Any, pointer: str) -> None:
    """Refuse constants and text that is none, however deep."""
    if isinstance(value, _Constant):
        raise ScanError(pointer, 0, "a value", value.text, "JSON has no NaN or infinity")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ScanError(pointer, 0, "UTF-8 text and JSON escapes in a string", "half of a character") from None
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        _check(inner, f"{pointer}/{pointer_token(key)}")


def _kind(value: Any) -> str:
    if isinstance(value, _Constant):
        raise ScanError("", 0, "a value", value.text, "JSON has no NaN or infinity")
    names = ((dict, "object"), (list, "array"), (str, "string"), (bool, "boolean"), (int | float, "number"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _array(value: Any, pointer: str) -> Any:
    """Nested lists -> float32 ndarray, or BrokenArray; anything else as it is."""
    if not isinstance(value, list):
        _check(value, pointer)
        return Skipped("object") if isinstance(value, dict) else value
    faults: list[tuple[str, str, str, str]] = []
    lengths: list[int] = []
    numbers: list[float] = []
    nested = [False] * MAX_AXES
    leaf = -1

    def walk(rows: list[Any], axis: int, place: str) -> None:
        nonlocal leaf
        if axis == MAX_AXES:
            raise ScanError(pointer, 0, "at most 4 axes", "more", "this is not an array of weights")
        for index, item in enumerate(rows):
            here = f"{place}/{index}"
            if isinstance(item, list) and leaf != axis:
                nested[axis] = True
                walk(item, axis + 1, here)
            elif isinstance(item, int | float) and not isinstance(item, bool):
                if nested[axis]:
                    faults.append((here, "an array", "a number", "rows of one length are wanted"))
                elif leaf < 0:
                    leaf = axis
                single = item if abs(item) <= FLOAT_MAX else _rounded(item)
                if math.isinf(single):
                    faults.append((here, "a number within float32, 3.4e38", repr(item), ""))
                numbers.append(single)
            elif isinstance(item, _Constant):
                faults.append((here, "a finite number", item.text, "JSON has no NaN or infinity; the training diverged"))
            else:
                _check(item, here)
                wanted = "a number" if leaf in (-1, axis) else "an array of numbers"
                faults.append((here, wanted, _kind(item), ""))
        if len(lengths) <= axis:
            lengths.extend([-1] * (axis + 1 - len(lengths)))
        if lengths[axis] < 0:
            lengths[axis] = len(rows)
        elif lengths[axis] != len(rows):
            faults.append((place, f"{lengths[axis]} values, as in the first row", f"{len(rows)}", "ragged rows"))

    walk(value, 0, pointer)
    if faults:
        return BrokenArray(faults[:MAX_FAULTS], tuple(lengths))
    return np.array(numbers, np.float64).astype(np.float32).reshape(lengths)


def _rounded(value: float) -> float:
    """As float32: the largest, or infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))
