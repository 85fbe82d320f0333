"""The watched build sees planted faults, and none in the readers and networks.  ``make sanitise`` runs all of its tests."""

import pytest
from harness import tool

from tests.proofs import sanitise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def built():
    tool("gcc")
    sanitise.build()


@pytest.mark.parametrize(("fault", "words"), [("reach", "heap-buffer-overflow"), ("far", "runtime error")])
def test_a_planted_fault_ends_the_process(fault, words):
    done = sanitise.planted(fault)
    assert done.returncode == sanitise.FOUND
    assert words in done.stderr


def test_the_sound_network_runs():
    assert sanitise.planted("none").returncode == 0


def test_readers_and_networks_are_clean():
    assert sanitise.tests("tests/unit/test_load.py", "tests/unit/test_model_errors.py", "tests/unit/test_model_sound.py", "tests/unit/test_model_hostile.py", "tests/unit/test_cache.py") == 0
