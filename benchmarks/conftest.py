"""``--unrecorded``: measure and judge, but leave the history as it is, as a test run has to."""

import pytest
import threadpoolctl

from benchmarks import ratio


def pytest_addoption(parser):
    parser.addoption("--unrecorded", action="store_true", help="do not append to benchmarks/history.jsonl")


def pytest_configure(config):
    ratio.recording = not config.getoption("--unrecorded")


@pytest.fixture(autouse=True)
def one_thread():
    """Everybody computes on one thread: that is all a live programme gives to its nets."""
    with threadpoolctl.threadpool_limits(1):
        yield
