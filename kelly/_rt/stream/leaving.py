"""Leaving a library whose server may have died: its call may never return, and then it is left alone."""

from __future__ import annotations

import threading
from collections.abc import Callable

CLOSE_S = 2.0


def leave(close: Callable[[], None]) -> None:
    """Call ``close`` on a thread of its own, and wait for it for CLOSE_S.  [main]"""
    closer = threading.Thread(target=close, name="kelly-close", daemon=True)
    closer.start()
    closer.join(CLOSE_S)
