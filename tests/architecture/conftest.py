"""What several architecture tests share."""

from __future__ import annotations

import pytest

from tests.architecture.checkout import copy_of_checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The tracked files of this tree, as a clone would have them."""
    return copy_of_checkout(tmp_path_factory.mktemp("checkout"))
