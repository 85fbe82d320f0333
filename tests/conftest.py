"""Plugins of the whole suite; and a cache of its own, so that no run meets what another kept."""

import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

settings.register_profile("kelly", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # others use the processors, too
settings.load_profile("kelly")
pytest_plugins = ["tests.patience", "tests.reliability"]


def pytest_configure(config):
    if "KELLY_CACHE" not in os.environ:
        config.kelly_cache = os.environ["KELLY_CACHE"] = tempfile.mkdtemp(prefix="kelly-cache-")


def pytest_unconfigure(config):
    if hasattr(config, "kelly_cache"):
        del os.environ["KELLY_CACHE"]
        shutil.rmtree(config.kelly_cache, ignore_errors=True)
