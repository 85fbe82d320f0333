"""What can be wrong with a data set on disk.

    DataError (kelly.errors)         exit 6
    └── DataSetError
        ├── MissingFileError         a file or folder of the published layout is not there
        ├── MissingColumnError       a table lacks a column
        ├── LabelError               a label is missing, unreadable or out of range
        └── SplitError               the same song on both sides of a split

These stop a run.  One unreadable recording among thousands does not: it is counted, listed, left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kelly.errors import DataError


class DataSetError(DataError):
    """A data set cannot be used as it lies on disk.

    path  the file or folder
    what  what is wrong there
    fix   what to do about it
    """

    def __init__(self, path: Path | str, what: str, fix: str) -> None:
        self.path, self.what, self.fix = Path(path), what, fix
        super().__init__(f"{path}: {what}; {fix}")


class MissingFileError(DataSetError):
    """A file or folder of the published layout is not there."""


class MissingColumnError(DataSetError):
    """A table lacks a column."""


class LabelError(DataSetError):
    """A label is missing, unreadable or out of range."""


class SplitError(DataSetError):
    """The same song on both sides of a split."""


def need(path: Path, fix: str) -> Path:
    """``path`` if it is there."""
    if not path.exists():
        raise MissingFileError(path, "not found", fix)
    return path


def need_all(paths: Sequence[Path], fix: str) -> None:
    """One error for all that are missing, which names the first."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise MissingFileError(missing[0], f"not found ({len(missing)} of {len(paths)} files are missing)", fix)
