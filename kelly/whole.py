"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from kelly.errors import OutputError

ELSEWHERE = "name another file"


def writable(path: str | os.PathLike[str]) -> Path:
    """``path``, if a file can be written there, as far as is known before; of a device or a pipe nothing is.

    raises  OutputError where it is a folder, or where its folder is not there or not ours to write to
    """
    if no_file(path):
        return Path(path)
    folder = Path(os.path.realpath(path)).parent
    if os.path.isdir(path):
        raise OutputError.at(path, "is a folder, expected a file to write; name a file in it")
    if folder.exists() and not folder.is_dir():
        raise OutputError.at(path, f"expected a folder, found the file {folder}; {ELSEWHERE}")
    if not folder.exists():
        raise OutputError.at(path, f"the folder {folder} does not exist; make it, or {ELSEWHERE}")
    if not os.access(folder, os.W_OK):
        raise OutputError.at(path, f"the folder {folder} cannot be written; change its permissions, or {ELSEWHERE}")
    return Path(path)


def no_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is something that is neither a file nor a folder: a device, a pipe."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def folder_made(path: str | os.PathLike[str]) -> Path:
    """``path``, once the folders on the way to it are there.

    raises  OutputError where they cannot be made
    """
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.at(path, f"the folder {folder} cannot be made: {error.strerror or error}; {ELSEWHERE}") from error
    return Path(path)


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write to the path this yields; once the block has ended well, what was written stands at ``path``.

    path    a file in a folder that exists.  What a link points to is replaced, not the link.  A device or
            a pipe is no file to replace: it is yielded itself, so that ``-o /dev/full`` leaves it one
    raises  OutputError, OSError; whatever the block raises leaves the old file as it was
    """
    if no_file(path):
        yield Path(path)
        return
    target = Path(os.path.realpath(writable(path)))
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
