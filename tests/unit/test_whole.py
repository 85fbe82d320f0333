"""``whole``: a file appears whole or not at all, and what is no file stays what it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kelly.errors import OutputError
from kelly.whole import folder_made, whole, writable


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


@pytest.mark.parametrize(("place", "words"), [
    ("no/such/x.csv", "the folder .*no/such does not exist; make it, or name another file"),
    ("taken/x.csv", "expected a folder, found the file .*taken; name another file"), ("there", "is a folder, expected a file to write; name a file in it"),
])  # fmt: skip
def test_a_place_where_no_file_can_be(tmp_path, place, words):
    """One error of kelly's own, exit 6, that says where, what was found and what to do; nothing is left behind."""
    (tmp_path / "taken").write_text("notes")
    (tmp_path / "there").mkdir()
    for attempt in (lambda: writable(tmp_path / place), lambda: whole(tmp_path / place).__enter__()):
        with pytest.raises(OutputError, match=words) as caught:
            attempt()
        assert str(caught.value).startswith(f"{tmp_path / place}: ")
        assert caught.value.exit_code == 6
        assert isinstance(caught.value, OSError)
        assert caught.value.strerror == str(caught.value).partition(": ")[2]
    assert sorted(os.listdir(tmp_path)) == ["taken", "there"]


def test_folders_on_the_way_that_cannot_be_made(tmp_path):
    """They are made where they can be."""
    (tmp_path / "taken").write_text("notes")
    assert folder_made(tmp_path / "a/b/x.json").parent.is_dir()
    with pytest.raises(OutputError, match=r"taken/x.json: the folder .*taken cannot be made: .*; name another file"):
        folder_made(tmp_path / "taken/x.json")


def test_commands_that_cannot_write_say_so(tmp_path, monkeypatch, capsys, no_settings):
    """``kelly analyze -o /no/such/x.csv`` was once an unexpected FileNotFoundError, after the whole recording had been heard."""
    from kelly.cli.app import run

    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.zeros(22050, np.float32), 22050)
    model = str(Path(__file__).resolve().parents[2] / "models/groovepredictor/model.json")
    (tmp_path / "taken").write_text("notes")
    for words in (
        ["analyze", "a.wav", "-o", "no/such/x"], ["analyze", "a.wav", "--plot", "no/such/x"], ["render", "a.wav", "-o", "no/such/x"],
        ["compose", "grief", "-o", "no/such/x"], ["export", model, "--to", "onnx", "-o", "no/such/x"], ["export", model, "--to", "onnx", "-o", "taken/x"],
        ["render", "a.wav", "--why", "no/such/x"], ["compose", "grief", "--audio", "no/such/x.wav"], ["validate", model, "--inference", "--results", "no/such/x"],
        ["train", "data", "make", "cues", "taken/x"],
    ):  # fmt: skip
        assert run(words) == 6, words
        said = capsys.readouterr().err
        assert f"{words[-1]}" in said
        assert "another file" in said
        assert "unexpected" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "taken"]
