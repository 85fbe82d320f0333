"""Presets: named kelly.toml files, some that come with kelly and some of your own.

A preset stands just below the place that names it: ``--preset`` beats environment and files and is beaten by other
flags; ``preset = "..."`` in a kelly.toml is beaten by everything else in that file.  Only the strongest one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kelly.errors import ConfigError

FACTORY = Path(__file__).resolve().parent
SUFFIX = ".toml"


def preset_files(own: Path) -> Mapping[str, Path]:
    """Every preset by name: kelly's, and those in the folder ``own``, which may replace them."""
    return {path.stem: path for folder in (FACTORY, own) for path in sorted(folder.glob(f"*{SUFFIX}"))}


def find_preset(name: str, own: Path) -> Path:
    """The file of a preset; ConfigError names those there are."""
    files = preset_files(own)
    if name not in files:
        raise ConfigError(f"no preset is called {name!r}; there are: {', '.join(files)}")
    return files[name]


def summary(path: Path) -> str:
    """Its first line, a comment that says what it is for; "" where there is none."""
    first = next(iter(path.read_text(encoding="utf-8").splitlines()), "")
    return first[1:].strip() if first.startswith("#") else ""
