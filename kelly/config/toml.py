"""Settings as TOML writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kelly.config.config import Config
from kelly.config.sections import SECTIONS
from kelly.config.settings import SETTINGS


def to_toml(config: Config) -> str:
    """A kelly.toml that says every setting, so that reading it back gives the same Config.

    raises  ConfigError for a setting that TOML cannot say (an absent one without a word for it is left out)
    """
    words = {"music.tempo_bpm": "auto", "engine.reflex_note": "off", "audio.end_s": "auto"}
    lines: list[str] = []
    for section in SECTIONS:
        lines.append(f"\n[{section}]")
        for setting in SETTINGS:
            if setting.section == section:
                value = getattr(getattr(config, section), setting.field)
                value = words.get(setting.key) if value is None else value
                if value is not None:
                    lines.append(f"{setting.field} = {toml_value(value)}")
    return "\n".join(lines).lstrip() + "\n"


def toml_value(value: Any) -> str:
    """A setting's value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
