"""A WAV file that is whole at every moment: written while it grows, readable after a SIGKILL.

The header is brought up to date with every write.  Space for 64-bit sizes is kept free in front, so a
recording that outgrows 4 GiB becomes RF64 in place.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT
_LIMIT = 2**32 - 1
_HEADER = 12 + 8 + 28 + 8 + 18 + 8 + 4 + 8  # RIFF, JUNK or ds64, fmt, fact, data


def header(sample_rate_hz: int, frames: int, limit: int = _LIMIT) -> bytes:
    """The head of a mono float32 file, RF64 where its size exceeds ``limit`` bytes."""
    data = 4 * frames
    riff, large = _HEADER - 8 + data, _HEADER - 8 + data > limit
    room = struct.pack("<QQQI", riff, data, frames, 0) if large else bytes(28)
    return b"".join((
        b"RF64" if large else b"RIFF", struct.pack("<I", _LIMIT if large else riff), b"WAVE",
        b"ds64" if large else b"JUNK", struct.pack("<I", 28), room,
        b"fmt ", struct.pack("<IHHIIHHH", 18, _FLOAT, 1, sample_rate_hz, 4 * sample_rate_hz, 4, 32, 0),
        b"fact", struct.pack("<II", 4, _LIMIT if large else frames),
        b"data", struct.pack("<I", _LIMIT if large else data),
    ))  # fmt: skip


class WavWriter:
    """Mono float32, appended to.

    path            must not exist
    sample_rate_hz  a whole number
    raises          OSError
    thread          one at a time

    frames  written so far
    """

    def __init__(self, path: Path, sample_rate_hz: int) -> None:
        self.path, self.sample_rate_hz, self.frames = path, sample_rate_hz, 0
        self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        try:
            self._put(header(sample_rate_hz, 0))
        except OSError:
            self.close()
            raise

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append; after an OSError the file ends with the last frame that the disk took, and is closed."""
        assert self._file is not None
        before = self.frames
        try:
            self._put(np.ascontiguousarray(samples, "<f4").tobytes())
            self.frames += len(samples)
        except OSError:
            with suppress(OSError):
                self.frames = before + (os.fstat(self._file).st_size - _HEADER - 4 * before) // 4
            raise
        finally:
            self._tell()

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]

    def _tell(self) -> None:
        """Bring the header up to date."""
        assert self._file is not None
        here = os.lseek(self._file, 0, os.SEEK_CUR)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._put(header(self.sample_rate_hz, self.frames))
        os.lseek(self._file, here, os.SEEK_SET)

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
