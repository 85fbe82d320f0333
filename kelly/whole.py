"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write to the path this yields; once the block has ended well, what was written stands at ``path``.

    path    a file in a folder that exists.  What a link points to is replaced, not the link.  A device or
            a pipe is no file to replace: it is yielded itself, so that ``-o /dev/full`` leaves it one
    raises  OSError; whatever the block raises leaves the old file as it was
    """
    if os.path.exists(path) and not os.path.isfile(path):
        yield Path(path)
        return
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
