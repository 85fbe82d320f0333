"""no_settings: what this machine's settings say counts nothing."""

import os

import pytest


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    """Neither the environment nor a file of this machine has a say; the working directory is empty."""
    for name in [name for name in os.environ if name.startswith("KELLY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
