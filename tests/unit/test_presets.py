"""Presets: where they stand among the places that settings come from, and that each of kelly's own can be read."""

import json

import pytest

from kelly.cli.app import run
from kelly.config import load_config
from kelly.errors import ConfigError
from kelly.presets import FACTORY, preset_files, summary


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", sorted(path.stem for path in FACTORY.glob("*.toml")))
def test_every_preset_of_kelly_s_own_is_read_and_says_what_it_is_for(name, home):
    config = load_config(flags={"preset": name})
    assert any(origin.startswith(str(FACTORY)) for origin in config.origins.values())
    assert summary(preset_files(home)[name]).endswith(".")


def test_a_preset_stands_just_below_the_place_that_names_it(home, monkeypatch):
    (home / "kelly.toml").write_text('[music]\npreset = "ballad"\n[controls]\ndensity = 0.9\n')
    config = load_config()
    assert (config.controls.density, config.controls.intensity) == (0.9, 0.3)  # the file itself beats its preset
    monkeypatch.setenv("KELLY_DENSITY", "0.8")
    assert load_config().controls.density == 0.8
    config = load_config(flags={"preset": "drive"})  # and a typed preset beats both
    assert (config.controls.density, config.controls.feel, config.controls.dynamics) == (0.7, -0.2, 0.5)
    assert load_config(flags={"preset": "drive", "density": "0.1"}).controls.density == 0.1


def test_a_preset_of_one_s_own_is_saved_listed_shown_and_used(home, capsys):
    assert run(["presets", "save", "mine", "--set", "density=.2", "--part", "bass=off", "--program", "chords=5", "--range", "melody=60-84"]) == 0
    assert run(["presets", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["presets"]
    path = next(row["path"] for row in rows if row["name"] == "mine")
    assert path == str(home / "home/kelly/presets/mine.toml")
    config = load_config(flags={"preset": "mine"})
    assert (config.controls.density, dict(config.midi.parts), dict(config.midi.ranges)) == (0.2, {"bass": False}, {"melody": "60-84"})
    assert config.midi.programs == {"chords": 5}
    assert config.origins["controls.density"].startswith(path)
    assert run(["presets", "show", "mine"]) == 0
    assert "density = 0.2" in capsys.readouterr().out
    assert run(["presets", "save", "mine"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(["presets", "save", "plain"]) == 2
    assert "nothing to save" in capsys.readouterr().err
    assert run(["presets", "save", "../out", "--set", "density=.2"]) == 2
    assert not (home / "home/kelly/out.toml").exists()


def test_a_preset_that_is_not_there_or_names_another_is_refused(home):
    with pytest.raises(ConfigError, match="--preset: no preset is called 'balad'; there are: ballad, "):
        load_config(flags={"preset": "balad"})
    own = home / "home/kelly/presets"
    own.mkdir(parents=True)
    (own / "loop.toml").write_text('[music]\npreset = "loop"\n')
    with pytest.raises(ConfigError, match=r"loop\.toml:2: a preset names no other preset"):
        load_config(flags={"preset": "loop"})
