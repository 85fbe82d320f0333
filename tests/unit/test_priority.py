"""Real-time priority: taken where it is granted, done without where it is not."""

import os
import threading

import pytest

from kelly.live import priority
from tests.patience import PATIENCE_S


def in_thread(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)


def test_the_loop_runs_whether_or_not_the_priority_is_granted(monkeypatch):
    def refuse(*_):
        raise PermissionError("not yours")

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    ran, granted = [], {}
    in_thread(priority.raised("worker", lambda: ran.append(True), granted))
    assert (ran, granted) == ([True], {"worker": False})
    assert not priority.available()


def test_the_performer_comes_before_the_worker_and_both_after_the_audio_server():
    assert priority.PRIORITIES["worker"] < priority.PRIORITIES["performer"] < 65  # JACK's clients


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="SCHED_FIFO is Linux's")
def test_only_the_thread_that_asks_is_raised():
    seen = []
    in_thread(lambda: seen.append((priority.take(40), os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)))
    granted, policy = seen[0]
    assert policy == (os.SCHED_FIFO if granted else os.SCHED_OTHER)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert priority.available() == granted
