"""``kelly config`` and the sound of MIDI files: what is said, where, and with which exit code."""

from __future__ import annotations

import json
import re

import pytest

from kelly.audio import synth
from kelly.cli import app
from kelly.cli.config import template
from kelly.config import SETTINGS, Config, load_config

pytestmark = pytest.mark.usefixtures("no_settings")


def test_show_prints_every_setting_and_its_origin(capsys, monkeypatch, tmp_path):
    """One row per setting; file with line, variable and default are told apart."""
    (tmp_path / "kelly.toml").write_text('[music]\nkey = "Am"\n')
    monkeypatch.setenv("KELLY_TEMPO", "96")
    assert app.run(["config", "show", "--origin"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert re.search(r'"Am"\s+kelly.toml:2$', rows["music.key"])
    assert re.search(r"96.0\s+KELLY_TEMPO$", rows["music.tempo_bpm"])
    assert re.search(r"0\s+default$", rows["music.seed"])
    for setting in SETTINGS:
        assert setting.key in rows or any(row.startswith(f"{setting.key}.") for row in rows) or setting.key in ("midi.programs", "midi.controls", "midi.parts", "midi.ranges", "midi.cc")


def test_show_as_json_has_a_schema(capsys):
    """Machines read the same rows."""
    assert app.run(["config", "show", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kelly.config/1"
    assert {"key": "music.seed", "value": 0, "origin": "default"} in report["settings"]


def test_show_refuses_what_live_would_refuse(capsys, tmp_path):
    """A chord that doesn't exist: exit 2, with the line."""
    (tmp_path / "kelly.toml").write_text('[music]\nchords = "C Hx"\n')
    assert app.run(["config", "show"]) == 2
    assert "kelly.toml:2" in capsys.readouterr().err


def test_path_names_the_files_strongest_first(capsys, tmp_path):
    """The working directory's, then the user's, each read or absent."""
    (tmp_path / "kelly.toml").write_text("")
    assert app.run(["config", "path"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kelly.toml  read"
    assert lines[1] == f"{tmp_path / 'user' / 'kelly' / 'kelly.toml'}  absent"


def test_init_writes_a_file_that_sets_nothing_and_explains_everything(tmp_path, capsys):
    """As written it is the defaults; with every # removed it is still accepted."""
    assert app.run(["config", "init"]) == 0
    path = tmp_path / "kelly.toml"
    assert load_config(path) == Config()
    bare = re.sub(r"^# (\w+ = )", r"\1", path.read_text(), flags=re.M)
    changed = load_config(path.with_name("bare.toml")) if path.with_name("bare.toml").write_text(bare) else None
    assert changed is not None
    assert (changed.music.seed, changed.audio.channel) == (0, 2)
    for setting in SETTINGS:
        assert re.search(rf"^# {setting.field} = ", path.read_text(), re.M), setting.key
    assert app.run(["config", "init"]) == 2
    assert "exists already; --force replaces it" in capsys.readouterr().err
    path.write_text("x")
    assert app.run(["config", "init", "--force"]) == 0
    assert path.read_text() == template()
    assert app.run(["config", "init", "--user"]) == 0
    assert (tmp_path / "user" / "kelly" / "kelly.toml").read_text() == template()


@pytest.fixture
def no_synth(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_without_fluidsynth_listen_and_audio_say_how_to_get_it(no_synth, capsys, monkeypatch):
    """Exit 3 at once, before any work."""
    monkeypatch.setattr(synth.sys, "platform", "linux")
    for words in (["render", "song.wav", "--audio", "out.wav"], ["live", "--audio-in", "demo", "--listen"]):
        assert app.run(words) == 3
        said = capsys.readouterr().err
        assert said.startswith("kelly: fluidsynth is not installed: apt install fluidsynth fluid-soundfont-gm (Debian/Ubuntu)")


def test_without_a_soundfont_the_message_names_the_variable(capsys, monkeypatch, tmp_path):
    """fluidsynth alone makes no sound; SOUNDFONT names any file."""
    program = tmp_path / "fluidsynth"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(synth, "FOLDERS", ())
    monkeypatch.delenv("SOUNDFONT", raising=False)
    assert app.run(["render", "song.wav", "--audio", "out.wav"]) == 3
    assert "fluidsynth has no soundfont" in capsys.readouterr().err
    font = tmp_path / "mine.sf2"
    font.write_bytes(b"RIFF")
    monkeypatch.setenv("SOUNDFONT", str(font))
    assert synth.find_synth() == (str(program), str(font))


def test_listen_and_a_port_exclude_each_other(capsys):
    """Exit 2, naming where the port came from."""
    assert app.run(["live", "--audio-in", "demo", "--listen", "--midi-out", "virtual:X"]) == 2
    assert "--listen plays to a port of its own; --midi-out says 'virtual:X'" in capsys.readouterr().err


def test_sound_needs_a_name_that_says_its_kind(tmp_path):
    """.mp3 is none that fluidsynth writes; a folder that doesn't exist is named."""
    (tmp_path / "a.mid").write_bytes(b"")
    with pytest.raises(synth.AudioFileError, match=r"ending in .wav, .flac, .ogg or .aiff"):
        synth.render_midi(tmp_path / "a.mid", tmp_path / "a.mp3")
    with pytest.raises(synth.AudioFileError, match="does not exist"):
        synth.render_midi(tmp_path / "a.mid", tmp_path / "no" / "a.wav")
