"""Write one thing into a kelly.toml and leave the rest of it as its owner wrote it: comments, order, spaces.

The line that says the thing is changed, or one is added; then the file is read as TOML, and it is written only if
it says exactly what it said before and the change.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kelly.config import toml_value
from kelly.errors import ConfigError
from kelly.whole import folder_made, whole


def keep(path: Path, section: str, table: str, changes: Mapping[str, str | None]) -> int:
    """Set entries of ``section.table``, such as {"freeze": "CC 21"} of midi.controls; None takes one out.

    path     a kelly.toml; made, with its folder, where there is none
    returns  the line, from 1, that says the first of the changes
    raises   ConfigError for a file that is no TOML, or one whose way of saying it can't be changed safely; OSError
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    wanted = _changed(before, section, table, changes)
    for edit in (_inline, _own_table, _dotted, _added):
        after = edit(text, section, table, wanted.get(section, {}).get(table, {}), changes)
        if after is not None and _says(after, wanted):
            with whole(folder_made(path)) as part:
                part.write_text(after, encoding="utf-8")
            return _line(after, section, table, next(iter(changes)))
    entries = ", ".join(f"{name} = {toml_value(value)}" for name, value in changes.items() if value is not None)
    raise ConfigError(f"{path}: cannot be changed safely; write there yourself: [{section}] {table} = {{ {entries} }}")


def _changed(document: Mapping[str, Any], section: str, table: str, changes: Mapping[str, str | None]) -> dict[str, Any]:
    """What the file shall say."""
    entries = {**document.get(section, {}).get(table, {}), **changes}
    entries = {name: value for name, value in entries.items() if value is not None}
    return {**document, section: {**document.get(section, {}), table: entries}}


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _inline(text: str, section: str, table: str, entries: Mapping[str, str], changes: Mapping[str, str | None]) -> str | None:
    """``[midi]`` with ``controls = { ... }`` on one line."""
    lines = text.splitlines()
    for number, (here, line) in enumerate(_with_headers(lines)):
        found = re.match(rf"(\s*{table}\s*=\s*)\{{[^{{}}]*\}}(.*)$", line)
        if here == section and found:
            lines[number] = f"{found[1]}{toml_value(entries)}{found[2]}"
            return "\n".join(lines) + "\n"
    return None


def _own_table(text: str, section: str, table: str, entries: Mapping[str, str], changes: Mapping[str, str | None]) -> str | None:
    """``[midi.controls]`` with a line per entry."""
    return _by_line(text, f"{section}.{table}", "", changes)


def _dotted(text: str, section: str, table: str, entries: Mapping[str, str], changes: Mapping[str, str | None]) -> str | None:
    """``[midi]`` with ``controls.freeze = ...``; also where there is nothing of the table yet."""
    if not any(here == section and re.match(rf"\s*{table}\s*\.", line) for here, line in _with_headers(text.splitlines())):
        return None
    return _by_line(text, section, f"{table}.", changes)


def _by_line(text: str, header: str, prefix: str, changes: Mapping[str, str | None]) -> str | None:
    lines, headers = text.splitlines(), list(_with_headers(text.splitlines()))
    inside = [number for number, (here, _) in enumerate(headers) if here == header]
    if not inside:
        return None
    for name, value in changes.items():
        place = next((n for n in inside if lines[n] is not None and re.match(rf"\s*{re.escape(prefix + name)}\s*=", lines[n])), None)
        said = f"{prefix}{name} = {toml_value(value)}" if value is not None else ""
        if place is not None:
            remark = re.search(r"(\s*#[^\"']*)$", lines[place])
            lines[place] = (said + (remark[1] if remark else "")) if said else "\0"
        elif said:
            lines[inside[0]] += f"\n{said}"
    return "\n".join(line for line in lines if line != "\0") + "\n"


def _added(text: str, section: str, table: str, entries: Mapping[str, str], changes: Mapping[str, str | None]) -> str | None:
    """Nothing of it is there yet: a line under the section's header, or both at the end."""
    lines = text.splitlines()
    said = f"{table} = {toml_value(entries)}"
    for number, line in enumerate(lines):
        if re.match(rf"\s*\[\s*{section}\s*\]", line):
            lines.insert(number + 1, said)
            return "\n".join(lines) + "\n"
    return "\n".join([*lines, *([""] if lines else []), f"[{section}]", said]) + "\n"


def _with_headers(lines: list[str]) -> list[tuple[str, str]]:
    """Each line with the table it stands in."""
    here, rows = "", []
    for line in lines:
        if found := re.match(r"\s*\[\s*([\w.\s]+?)\s*\]", line):
            here = re.sub(r"\s", "", found[1])
        rows.append((here, line))
    return rows


def _line(text: str, section: str, table: str, name: str) -> int:
    rows = enumerate(_with_headers(text.splitlines()), 1)
    return next((n for n, (here, line) in rows if here in (section, f"{section}.{table}") and re.search(rf"\b{re.escape(name)}\s*=", line)), 1)
