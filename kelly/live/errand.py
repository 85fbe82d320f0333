"""A call that may never return, such as one into an audio library whose server has died."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Errand(Generic[Answer]):
    """A call on a thread of its own, begun at once; whoever sent it looks whether it is back, and waits for nothing.

    call    what may take for ever; then its thread, a daemon, is simply left behind
    thread  [any] constructs; one asks
    """

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._answer: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="kelly-errand", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer.append(self._call())
        except BaseException as error:
            self._error = error

    def done(self, within_s: float = 0.0) -> bool:
        """Whether it has returned, after at most ``within_s``."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def answer(self) -> Answer:
        """What the call returned; raises what it raised.  After ``done``."""
        if self._error is not None:
            raise self._error
        return self._answer[0]
