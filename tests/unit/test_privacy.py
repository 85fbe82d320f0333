"""Nothing of what a user's music felt like is written, sent or learned from unless a flag asks."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import soundfile

from kelly.cli.app import run


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A home of its own, and no way out of the machine; ``asked`` counts who tried."""
    asked = []

    def refuse(*arguments, **others):
        asked.append(arguments)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse, raising=False)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "KELLY_CACHE", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("KELLY_MODEL_CACHE", "off")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    t = np.arange(3 * 22050) / 22050
    soundfile.write("take.wav", (0.3 * np.sin(2 * np.pi * 220 * t) * np.exp(-4 * (t % 0.5))).astype(np.float32), 22050)
    return tmp_path, asked


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("words", "written"), [
    (["render", "take.wav", "-o", "out.mid"], {"work/out.mid"}), (["analyze", "take.wav"], set()), (["analyze", "take.wav", "--json"], set()),
    (["analyze", "take.wav", "-o", "felt.csv"], {"work/felt.csv"}),
])  # fmt: skip
def test_only_what_was_asked_for_is_written_and_nothing_is_sent(alone, capsys, words, written):
    """No emotion track, no cache of one, no socket."""
    folder, asked = alone
    before = files(folder)
    assert run([*words, "-q"]) == 0
    assert files(folder) - before == written
    assert asked == []


def test_a_live_session_leaves_its_notes_alone(alone, capsys):
    """The MIDI file that was named; a take only with --record."""
    folder, asked = alone
    before = files(folder)
    assert run(["live", "--audio-in", "file:take.wav", "--midi-out", "file:out.mid", "-q", "--tail", "0"]) == 0
    assert files(folder) - before == {"work/out.mid"}
    assert asked == []
    assert run(["live", "--audio-in", "file:take.wav", "--midi-out", "file:two.mid", "-q", "--tail", "0", "--record", "takes"]) == 0
    assert any(name.endswith("emotion.csv") for name in files(folder) - before)
