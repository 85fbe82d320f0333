"""``whole``: a file appears whole or not at all, and what is no file stays what it is."""

from __future__ import annotations

import os
import stat

import pytest

from kelly.whole import whole


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    """An exception, of whatever kind, between the first and the last byte."""
    path = tmp_path / "x.mid"
    path.write_bytes(b"old")

    def interrupted():
        with whole(path) as place:
            place.write_bytes(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.mid"]


def test_a_link_stays_a_link(tmp_path):
    """What it points to gets the bytes."""
    (tmp_path / "real.mid").write_bytes(b"old")
    (tmp_path / "link.mid").symlink_to("real.mid")
    with whole(tmp_path / "link.mid") as place:
        place.write_bytes(b"new")
    assert (tmp_path / "link.mid").is_symlink()
    assert (tmp_path / "real.mid").read_bytes() == b"new"


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    """A pipe here, as a device cannot be made by everybody: ``-o /dev/full`` once made a file of /dev/full."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole(pipe) as place:
            place.write_bytes(b"notes")
        assert os.read(reader, 16) == b"notes"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]
