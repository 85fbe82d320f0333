"""What a model file says about itself under the key "kelly", which RTNeural ignores.

    {"net": "groovepredictor", "contract": 1, "taught_by": "...", "vectors": {"input": [[...]], "output": [[...]]}}

A file without it loads; a file that names one of the five nets has to keep that net's contract.

thread  [main]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

from kelly._rt.contract import CONTRACT_VERSION, NETS
from kelly._rt.net.reader import BrokenArray, Skipped
from kelly.errors import ModelError, ModelFormatError, ModelShapeError

METADATA_KEY = "kelly"
FLOAT32_MAX = float(np.finfo(np.float32).max)


class Fault(Protocol):
    """Takes note of one fault of the file."""

    def __call__(
        self, kind: type[ModelError], pointer: str, expected: str, found: str, hint: str = "", message: str = ""
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Vectors:
    """Test vectors of a model: what it answered to a sequence from reset when it was made.

    input   float32 (T, in_size)
    output  float32 (T, out_size)
    """

    input: NDArray[np.float32]
    output: NDArray[np.float32]


def describe(value: Any) -> str:
    """A value as error messages show it, short."""
    if isinstance(value, Skipped):
        return value.kind
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, list | tuple):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, np.ndarray | BrokenArray):
        return str(tuple(value.shape))
    return repr(value)


def check_contract(metadata: dict[str, Any], in_size: int, out_size: int | None, fault: Fault) -> None:
    """A file that says it is one of the five nets has to have its sizes and this contract's version."""
    pointer = f"/{METADATA_KEY}"
    version, name = metadata.get("contract"), metadata.get("net")
    if name is not None and not isinstance(name, str):
        fault(ModelFormatError, f"{pointer}/net", "a name", describe(name))
        return
    net = next((net for net in NETS if net.name == name), None)
    if net is None and "contract" not in metadata:
        return
    if isinstance(version, bool) or version != CONTRACT_VERSION:
        written = "contract" in metadata
        fault(
            ModelShapeError,
            f"{pointer}/contract" if written else pointer,
            str(CONTRACT_VERSION),
            describe(version) if written else "none",
            "its vectors may mean something else than this version of kelly's: train or export it again",
            "contract version",
        )
    if net is not None:
        if in_size != net.input.size:
            fault(ModelShapeError, "/in_shape", f"{net.input.size} inputs of {net.name}", str(in_size))
        if out_size is not None and out_size != net.output.size:
            fault(ModelShapeError, "/layers", f"{net.output.size} outputs of {net.name}", str(out_size))


def read_vectors(metadata: dict[str, Any], in_size: int, out_size: int | None, fault: Fault) -> Vectors | None:
    """The test vectors, None if there are none or if they are faulty."""
    found = metadata.get("vectors")
    if found is None or out_size is None:
        return None
    pointer = f"/{METADATA_KEY}/vectors"
    if not isinstance(found, dict) or not {"input", "output"} <= set(found):
        fault(ModelFormatError, pointer, "an object with input and output", describe(found))
        return None
    inputs = _rows(found["input"], f"{pointer}/input", in_size, fault)
    outputs = _rows(found["output"], f"{pointer}/output", out_size, fault)
    if inputs is None or outputs is None:
        return None
    if len(inputs) != len(outputs):
        fault(ModelShapeError, pointer, f"{len(inputs)} rows of output", str(len(outputs)))
        return None
    return Vectors(inputs, outputs)


def _rows(found: Any, pointer: str, size: int, fault: Fault) -> NDArray[np.float32] | None:
    """A list of equally long rows of finite numbers -> float32 (T, size)."""
    if not isinstance(found, list) or not found:
        fault(ModelFormatError, pointer, f"rows of {size} numbers", describe(found))
        return None
    for index, row in enumerate(found):
        if not isinstance(row, list) or len(row) != size:
            fault(ModelShapeError, f"{pointer}/{index}", f"a row of {size} numbers", describe(row))
            return None
        for column, value in enumerate(row):
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= FLOAT32_MAX:
                fault(ModelFormatError, f"{pointer}/{index}/{column}", "a number within float32", describe(value))
                return None
    return np.array(found, dtype=np.float64).astype(np.float32)
