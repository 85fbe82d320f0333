"""Real-time priority for the engine's threads, where the system grants it.

Below any audio server's own threads (JACK's clients run at 65 of 99 by default, PipeWire's at 88),
above everything that is not real time.  Where it is refused the engine runs all the same, and `doctor`
says so: on Linux membership in the group `audio`, or a line in /etc/security/limits.d, grants it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

PRIORITIES = {"worker": 40, "performer": 45}
"""SCHED_FIFO priority per thread: notes that are due come before listening."""


def take(priority: int) -> bool:
    """Give the calling thread this SCHED_FIFO priority; False where that is refused or unknown.  [any, before its loop]"""
    scheduler = getattr(os, "sched_setscheduler", None)
    if scheduler is None:  # macOS and Windows
        return False
    try:
        scheduler(0, os.SCHED_FIFO | getattr(os, "SCHED_RESET_ON_FORK", 0), os.sched_param(priority))
    except (OSError, ValueError):
        return False
    return True


def raised(name: str, target: Callable[[], None], granted: dict[str, bool]) -> Callable[[], None]:
    """``target`` at the priority of thread ``name``; whether that was granted is noted in ``granted``."""

    def run() -> None:
        granted[name] = take(PRIORITIES[name])
        target()

    return run


def available() -> bool:
    """Would an engine's thread get its priority here?  Tried on a thread of its own."""
    granted: dict[str, bool] = {}
    thread = threading.Thread(target=raised("worker", lambda: None, granted), name="kelly-probe", daemon=True)
    thread.start()
    thread.join(1.0)
    return granted.get("worker", False)
