"""Tables of text as data sets bring them: CSV with a head, and rows of fields without one."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.data.errors import DataSetError, LabelError, MissingColumnError, need


def read_text(path: Path, fix: str) -> str:
    """The text of a file that must be there and must be UTF-8."""
    try:
        return need(path, fix).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(path, f"not readable as text: {error}", fix) from error


def read_csv(path: Path, columns: Sequence[str], fix: str) -> list[dict[str, str]]:
    """Rows of a CSV by column name, blanks around names and values removed.

    raises  MissingFileError, MissingColumnError naming the absent columns, LabelError for a row of another length
    """
    reader = csv.reader(read_text(path, fix).splitlines())
    head = [name.strip() for name in next(reader, [])]
    absent = [name for name in columns if name not in head]
    if absent:
        raise MissingColumnError(path, f"no column {', '.join(absent)}; found {', '.join(head[:12]) or 'nothing'}", fix)
    rows = []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(head):
            raise LabelError(path, f"line {reader.line_num}: expected {len(head)} fields, found {len(cells)}", fix)
        rows.append({name: cell.strip() for name, cell in zip(head, cells, strict=True)})
    if not rows:
        raise LabelError(path, "the table has a head and no rows", fix)
    return rows


def read_fields(path: Path, least: int, fix: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of a file whose fields are separated by blanks; empty lines are passed over.

    raises  LabelError for a line of fewer than ``least`` fields
    """
    for number, line in enumerate(read_text(path, fix).splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < least:
            raise LabelError(path, f"line {number}: expected {least} fields, found {len(fields)}", fix)
        yield number, fields


def number(text: str, path: Path, where: str, fix: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number within low..high."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and low <= value <= high):
        span = "" if low == -math.inf and high == math.inf else f" within {low:g}..{high:g}"
        raise LabelError(path, f"{where}: expected a number{span}, found {text!r}", fix)
    return value


def rising(times: Sequence[float], path: Path, fix: str) -> None:
    """Times must not run backwards."""
    for before, after in itertools.pairwise(times):
        if after < before:
            raise LabelError(path, f"times run backwards, {after:g} s after {before:g} s", fix)


def official(text: str, path: Path, where: str, fix: str) -> str:
    """A split as it is published."""
    if text not in ("train", "validation", "test"):
        raise LabelError(path, f"{where}: expected split train, validation or test, found {text!r}", fix)
    return text


def inside(root: Path, name: str, path: Path, where: str, fix: str) -> Path:
    """A file that a table names, which must lie below ``root``."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise LabelError(path, f"{where}: expected a file name below {root}, found {name!r}", fix)
    return root / name
