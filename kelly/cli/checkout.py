"""The door to ``training/``, which lies beside the package in a checkout and is not installed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from kelly.errors import BackendUnavailableError


def training(module: str) -> Any:
    """A module below ``training``, imported now.

    raises  BackendUnavailableError outside a checkout, with the way to one
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "training" / "data" / "sets.py").is_file():
        raise BackendUnavailableError(
            f"{root / 'training'}: not found; training is not part of the installed package: "
            "clone kelly's repository, pip install -e '.[train]' there, and run its .venv/bin/kelly train"
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return import_module(f"training.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("kelly", "training"):
            raise
        raise BackendUnavailableError(f"{error.name} is missing, which training needs: pip install -e '.[train]' in {root}") from error
