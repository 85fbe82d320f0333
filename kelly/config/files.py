"""Settings of a TOML file, each with its line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from kelly.config.readers import did_you_mean, kind_of
from kelly.config.sections import SECTIONS
from kelly.config.settings import SETTINGS, Setting
from kelly.errors import ConfigError

Layer = tuple[Setting, Any, bool, str]
"""A setting that was given: its row, the value, whether that is text whatever the setting is, and where it was said."""


def from_file(path: Path) -> list[Layer]:
    """Rows (setting, value, False, "file:line") of one TOML file."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    keys = {setting.key: setting for setting in SETTINGS}
    rows: list[Layer] = []
    for section, table in document.items():
        origin = _place(path, text, section)
        if section not in SECTIONS:
            near = [key for key in keys if key.endswith(f".{section}")]
            hint = f"; did you mean {near[0]!r}?" if near else did_you_mean(section, SECTIONS)
            raise ConfigError(f"{origin}: unknown key {section!r}{hint}")
        if not isinstance(table, dict):
            raise ConfigError(f"{origin}: {section}: expected a table, found {kind_of(table)}")
        for name, value in table.items():
            key, origin = f"{section}.{name}", _place(path, text, section, name)
            if key not in keys:
                raise ConfigError(f"{origin}: unknown key {key!r}{did_you_mean(key, keys)}")
            rows.append((keys[key], value, False, origin))
    return rows


def _place(path: Path, text: str, section: str, name: str = "") -> str:
    """"file:line" of a section or of a key within it; only "file" where a scan of the lines can't tell."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w.\s]+?)\s*\]", line):
            current = header[1].replace(" ", "")
            found = current in {section, f"{section}.{name}"} and (not name or current == f"{section}.{name}")
        elif assignment := re.match(r"\s*([\w.\"']+)\s*=", line):
            dotted = f"{current}.{assignment[1]}".strip(".").replace('"', "").replace("'", "")
            found = dotted == (f"{section}.{name}" if name else section) or dotted.startswith(f"{section}.{name}.")
        else:
            found = False
        if found:
            return f"{path}:{number}"
    return str(path)
