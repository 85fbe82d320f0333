"""build: compile one of the C programs of this folder against kelly's real-time headers."""

import pytest
from harness import compile_c


@pytest.fixture
def build(tmp_path):
    """build(source, *flags, headers=...) -> the program."""

    def build_(source, *flags, name="program", **options):
        return compile_c(source, tmp_path / name, *flags, **options)

    return build_
