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

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.layout import COMMAND_KINDS
from kelly._rt.stream.worker import receipt_dtype
from kelly.errors import TakeError

HEAD = "tick,frame,kind,index,value,at,vector\n"
UNREPEATABLE = ("reload",)  # what it loads lies elsewhere

SILENCE = "silence"
"""A row of its own: at ``frame`` every note was released, planned events up to frame ``at`` had been performed, and those up
to serial ``value`` were dropped.  A panic does it, and a device that goes."""


@dataclass(frozen=True, slots=True)
class Commands:
    """What was asked for in a take.

    script    records of ``receipt_dtype()``, by tick
    silences  int64 (N, 3), rows of ``Performer.silences``
    remarks   sentences about what no command can repeat
    """

    script: NDArray[np.void]
    silences: NDArray[np.int64]
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.script)


NOTHING = Commands(np.zeros(0, receipt_dtype()), np.zeros((0, 3), np.int64))


def command_row(frame: int, receipt: Any) -> str:
    """One line, for a receipt of the worker and the frame of its tick."""
    command = receipt["command"]
    vector = " ".join(format(float(number), ".9g") for number in command["vector"]) if command["vector"].any() else ""
    cells = (int(receipt["tick"]), frame, COMMAND_KINDS[int(command["kind"])], int(command["index"]),
             repr(float(command["value"])), int(command["frame"]), vector)  # fmt: skip
    return ",".join(map(str, cells)) + "\n"


def silence_row(before: int, at: int, serial: int) -> str:
    """One line, for a row of ``Performer.silences``."""
    return f"-1,{at},{SILENCE},0,{float(serial)!r},{before},\n"


def read_commands(path: Path) -> Commands:
    """The commands of a take; nothing where there is no such file.

    A last line that was cut off is left out.

    raises  TakeError, naming the line
    """
    if not path.is_file():
        return NOTHING
    text = path.read_text(encoding="utf-8")
    rows, remarks, silences = [], [], []
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        if line.startswith("#"):
            remarks.append(line[1:].strip())
        elif number > 1:
            try:
                if line.split(",")[2] == SILENCE:
                    _, frame, _, _, serial, before, _ = line.split(",")
                    silences.append((int(before), int(frame), int(float(serial))))
                    continue
                row = _read(line)
            except (ValueError, IndexError) as error:
                raise TakeError(f"{path}:{number}: no command: {error}") from None
            if COMMAND_KINDS[int(row["command"]["kind"])] not in UNREPEATABLE:
                rows.append(row)
    script = np.array(rows, receipt_dtype())
    if np.any(np.diff(script["tick"]) < 0):
        raise TakeError(f"{path}: its commands are not in the order of their ticks")
    return Commands(script, np.array(silences, np.int64).reshape(-1, 3), tuple(remarks))


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
