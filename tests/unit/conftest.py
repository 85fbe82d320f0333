"""What several files need: a machine whose settings count nothing; data sets on disk, and where what is read of them is kept."""

import os

import pytest


@pytest.fixture
def no_settings(monkeypatch, tmp_path):
    """Neither the environment nor a file of this machine has a say; the working directory is empty."""
    for name in [name for name in os.environ if name.startswith("KELLY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """Sets that are mixed: name -> path."""
    from tests.unit import data_material

    base = tmp_path_factory.mktemp("mixed")
    names = ("deam", "table", "maestro", "asap", "pop909", "billboard", "groove", "lakh", "music21", "essen", "emopia")
    return {name: getattr(data_material, name)(base / name) for name in names}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """An empty folder for one file's tests."""
    return tmp_path_factory.mktemp("cache")
