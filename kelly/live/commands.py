"""commands.csv of a take: what pedals, knobs, clock, keys and Python asked for, each at the tick that took it.

    tick    number of the network hop that was the first to know
    frame   the end of that hop, in samples of take.wav
    kind    a row of ``layout.COMMAND_KINDS``
    index, value, at   its arguments; ``at`` is a frame where it names one, else -1
    vector  64 numbers of an embedding, or nothing

Numbers are written so that they are read back bit for bit.  Lines that begin with # say in words what no command
can repeat, such as a function added from Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.layout import COMMAND_KINDS
from kelly._rt.stream.worker import receipt_dtype
from kelly.errors import TakeError

HEAD = "tick,frame,kind,index,value,at,vector\n"
UNREPEATABLE = ("reload",)  # what it loads lies elsewhere

Script = NDArray[np.void]
"""Records of ``receipt_dtype()``, by tick."""


def command_row(frame: int, receipt: Any) -> str:
    """One line, for a receipt of the worker and the frame of its tick."""
    command = receipt["command"]
    vector = " ".join(format(float(number), ".9g") for number in command["vector"]) if command["vector"].any() else ""
    cells = (int(receipt["tick"]), frame, COMMAND_KINDS[int(command["kind"])], int(command["index"]),
             repr(float(command["value"])), int(command["frame"]), vector)  # fmt: skip
    return ",".join(map(str, cells)) + "\n"


def read_commands(path: Path) -> tuple[Script, list[str]]:
    """The commands of a take, and the sentences about what they can't repeat; nothing where there is no such file.

    A last line that was cut off is left out.

    raises  TakeError, naming the line
    """
    if not path.is_file():
        return np.zeros(0, receipt_dtype()), []
    text = path.read_text(encoding="utf-8")
    rows, remarks = [], []
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        if line.startswith("#"):
            remarks.append(line[1:].strip())
        elif number > 1:
            try:
                row = _read(line)
            except (ValueError, IndexError) as error:
                raise TakeError(f"{path}:{number}: no command: {error}") from None
            if COMMAND_KINDS[int(row["command"]["kind"])] not in UNREPEATABLE:
                rows.append(row)
    script = np.array(rows, receipt_dtype())
    if np.any(np.diff(script["tick"]) < 0):
        raise TakeError(f"{path}: its commands are not in the order of their ticks")
    return script, remarks


def _read(line: str) -> Any:
    tick, _, kind, index, value, at, vector = line.split(",")
    row = np.zeros((), receipt_dtype())
    if kind not in COMMAND_KINDS:
        raise ValueError(f"nothing is called {kind!r}")
    row["tick"] = int(tick)
    row["command"]["kind"], row["command"]["index"] = COMMAND_KINDS.index(kind), int(index)
    row["command"]["value"], row["command"]["frame"] = float(value), int(at)
    if vector:
        numbers = np.array(vector.split(), np.float32)
        if numbers.shape != (64,) or not np.isfinite(numbers).all():
            raise ValueError(f"expected 64 finite numbers, found {len(numbers)}")
        row["command"]["vector"] = numbers
    return row
