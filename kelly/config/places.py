"""Where settings lie: files and folders of the user's, which need not exist."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "kelly.toml"


def user_config_path(env: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own kelly.toml would be; it need not exist."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(env.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        base = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "kelly" / FILE_NAME


def file_in_force(path: str | os.PathLike[str] | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """The file whose settings beat those of other files: the one named, ./kelly.toml where there is one, else your own."""
    named = path if path is not None else env.get("KELLY_CONFIG") or None
    if named is not None:
        return Path(named)
    return Path(FILE_NAME) if Path(FILE_NAME).is_file() else user_config_path(env)


def own_presets(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's own presets; it need not exist."""
    return user_config_path(env).parent / "presets"
