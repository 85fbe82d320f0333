"""How long a test waits for what must happen: minutes, for others may fill the processors; it goes on as soon as it has happened."""

import time

import pytest

PATIENCE_S = 300.0


def until(condition, look_s=0.002):
    """The first true answer of ``condition()``, asked again and again."""
    limit = time.monotonic() + PATIENCE_S
    while not (answer := condition()):
        assert time.monotonic() < limit, f"not within {PATIENCE_S:g} s: {condition.__qualname__}"
        time.sleep(look_s)
    return answer


@pytest.fixture
def patient(monkeypatch):
    """A session that takes nobody for dead who only waits for a processor."""
    from kelly.live import session, watch

    for module, names in ((watch, ("LOST_S", "ANSWER_S")), (session, ("JOIN_S", "FINISH_S"))):
        for name in names:
            monkeypatch.setattr(module, name, PATIENCE_S)
