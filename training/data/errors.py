"""What can be wrong with a data set on disk.

    DataError (kelly.errors)         exit 6
    └── DataSetError
        ├── MissingFileError         a file or folder of the published layout is not there
        ├── MissingColumnError       a table lacks a column
        ├── LabelError               a label is missing, unreadable or out of range
        └── SplitError               the same song on both sides of a split
    KellyError
    └── UnwritableError                   what is kept of a file cannot be written: no fault of the file's

These stop a run.  One unreadable recording among thousands does not: it is counted, listed, left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kelly.errors import DataError, KellyError


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


class UnwritableError(KellyError):
    """Features or examples cannot be kept: the disk is full, or the folder is not ours.

    Neither a DataError nor an OSError, so that nobody takes it for a file that is damaged.
    """

    path: str
    errno: int | None
    reason: str

    @classmethod
    def at(cls, path: Path, error: OSError) -> UnwritableError:
        """Of a file; survives the way out of another process."""
        found = cls(f"{path}: cannot be written: {error.strerror or error}")
        found.path, found.errno, found.reason = str(path), error.errno, error.strerror or str(error)
        return found


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
