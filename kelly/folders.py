"""Where kelly keeps what it can make again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    """The user's cache, where nothing lies that cannot be made again: KELLY_CACHE, or ``kelly`` in XDG_CACHE_HOME or ~/.cache."""
    return Path(env.get("KELLY_CACHE") or Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kelly")
