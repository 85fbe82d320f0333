"""Waiting for a thread that may never have begun."""

from __future__ import annotations

import contextlib
import threading


def join(thread: threading.Thread, within_s: float | None = None) -> None:
    """Wait until a thread has ended, or ``within_s``; one that has not begun is not waited for.  [any thread but itself]

    A signal may come between the starts of two threads, or while one is being born: it has an identity then, and
    cannot be joined yet.  Whoever closes after that must not stumble.
    """
    with contextlib.suppress(RuntimeError):
        thread.join(within_s)
