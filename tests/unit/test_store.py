"""Where models are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kelly.config import load_config
from kelly.nets.store import ENVIRONMENT, PACKAGE_MODELS, search_path


@pytest.fixture
def here(tmp_path):
    for place in ("given", "environment", "cwd/models"):
        folder = tmp_path / place / "groovepredictor"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text("{}")
    return tmp_path


def test_the_order_is_given_environment_working_directory_package(here):
    environ = {ENVIRONMENT: str(here / "environment")}
    find = lambda **k: search_path(**k).find("groovepredictor")  # noqa: E731
    assert find(models=here / "given", environ=environ, cwd=here / "cwd") == here / "given/groovepredictor/model.json"
    assert find(environ=environ, cwd=here / "cwd") == here / "environment/groovepredictor/model.json"
    assert find(environ={}, cwd=here / "cwd") == here / "cwd/models/groovepredictor/model.json"
    assert search_path(environ={}, cwd=here).folders[-1] == PACKAGE_MODELS


def test_a_folder_that_was_named_is_taken_at_its_word(here):
    """A net missing there isn't fetched from elsewhere: nobody hears a model they didn't choose."""
    search = search_path(models=here / "given", environ={ENVIRONMENT: str(here / "environment")}, cwd=here)
    assert search.find("harmonypredictor") is None
    assert "harmonypredictor/model.json" in search.why_missing("harmonypredictor")
    assert search.origin == "given"


def test_the_environment_may_name_several_folders(here):
    value = os.pathsep.join([str(here / "nothing"), str(here / "environment")])
    search = search_path(environ={ENVIRONMENT: value}, cwd=here)
    assert search.find("groovepredictor") == here / "environment/groovepredictor/model.json"
    assert search.origin == ENVIRONMENT


def test_an_empty_variable_is_no_variable(here):
    assert search_path(environ={ENVIRONMENT: ""}, cwd=here).origin == "default"


def test_a_flat_file_is_found_too(tmp_path):
    (tmp_path / "dynamicsengine.json").write_text("{}")
    assert search_path(tmp_path).find("dynamicsengine") == tmp_path / "dynamicsengine.json"


def test_a_missing_folder_is_named(tmp_path):
    assert search_path(tmp_path / "gone").why_missing("groovepredictor") == f"{tmp_path / 'gone'}: no such folder"


def test_the_packages_own_models_lie_beside_its_code():
    assert PACKAGE_MODELS.name == "models"
    assert PACKAGE_MODELS.parent == Path(search_path.__code__.co_filename).resolve().parent.parent


def test_a_joined_list_reaches_the_processor_through_the_settings(here):
    """The variable is a setting, too; the second folder's net is found although the first lacks it."""
    joined = os.pathsep.join((str(here / "nothing"), str(here / "environment")))
    config = load_config(env={ENVIRONMENT: joined})
    assert search_path(config.models.path).find("groovepredictor") == here / "environment/groovepredictor/model.json"
    (here / f"odd{os.pathsep}name").mkdir()
    assert search_path(here / f"odd{os.pathsep}name").folders == (here / f"odd{os.pathsep}name",)
