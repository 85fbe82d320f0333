"""Everything a run needs to go on, in one file that appears whole or not at all.

Tensors, numbers, text, lists and tables only: ``torch.load(weights_only=True)`` reads it, and nothing in it is run.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from kelly.errors import DataError
from kelly.whole import whole

VERSION = 1


class CheckpointError(DataError):
    """A checkpoint that is missing, damaged or of another version."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()  # PyTorch's own writer doesn't say that a disk is full, a file does
    torch.save({"version": VERSION, **content}, packed)
    try:
        with whole(path) as place:
            place.write_bytes(packed.getbuffer())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def load(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    raises  CheckpointError
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: not found; the run ended before its first checkpoint, start it again") from error
    except Exception as error:  # whatever a damaged archive does to the reader
        raise CheckpointError(f"{path}: not readable as a checkpoint: {str(error).split('. ')[0]}; the best weights so far are in model.json beside it, another run begins with --output") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise CheckpointError(f"{path}: expected a checkpoint of version {VERSION}, found {content.get('version') if isinstance(content, dict) else type(content).__name__}")
    return content
