"""What audio and MIDI libraries print on stderr: kept out of sight, shown with ``-v``.

ALSA and JACK write to file descriptor 2 themselves when something is missing, which on a laptop
without a JACK server is every time.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator

LINES: deque[str] = deque(maxlen=200)
"""The newest lines, oldest first."""

@contextlib.contextmanager
def captured() -> Iterator[None]:
    """Send file descriptor 2 to LINES for the duration of the block.  [main]

    Elsewhere it does nothing: what the main thread says meanwhile must not be taken for chatter.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        real = os.dup(2)
    except OSError:  # nobody has a stderr: nothing to capture
        yield
        return
    with tempfile.TemporaryFile() as file:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            file.seek(0)
            LINES.extend(file.read().decode("utf-8", "replace").splitlines())
