"""Settings: precedence, origins, and errors that say where and what."""

from __future__ import annotations

import dataclasses

import pytest

from kelly.config import SETTINGS, Config, load_config, user_config_path
from kelly.errors import ConfigError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty working directory and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    return {"XDG_CONFIG_HOME": str(tmp_path / "user"), "APPDATA": str(tmp_path / "user"), "HOME": str(tmp_path)}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_every_setting_is_its_default(home):
    """No flag, variable or file: the defaults, and they say so."""
    config = load_config(env=home)
    assert config == Config()
    assert {origin for _, _, origin in config.items()} == {"default"}
    assert config.music.beats_per_bar == 4


def test_flag_beats_variable_beats_project_beats_user_beats_default(home, tmp_path):
    """Taking the strongest away uncovers the next."""
    if not str(user_config_path(home)).startswith(str(tmp_path)):
        pytest.skip("the user's folder can't be moved on this system")
    user = write(user_config_path(home), "[music]\ntempo_bpm = 91\n")
    project = write(tmp_path / "kelly.toml", "[music]\ntempo_bpm = 92\n")
    env = {**home, "KELLY_TEMPO": "93"}
    seen = []
    for flags, variables in (({"tempo": 94}, env), ({}, env), ({}, home)):
        config = load_config(flags=flags, env=variables)
        seen.append((config.music.tempo_bpm, config.origins["music.tempo_bpm"]))
    project.unlink()
    config = load_config(env=home)
    seen.append((config.music.tempo_bpm, config.origins["music.tempo_bpm"]))
    assert seen == [(94, "--tempo"), (93, "KELLY_TEMPO"), (92, "kelly.toml:2"), (91, f"{user}:2")]
    user.unlink()
    assert load_config(env=home).music.tempo_bpm is None


def test_parts_of_a_table_come_from_different_places(home, tmp_path):
    """A flag for one part leaves the file's other parts alone."""
    write(tmp_path / "kelly.toml", "[midi.channels]\nbass = 5\nmelody = 6\n")
    config = load_config(flags={"midi_channel": ("bass=7",)}, env=home)
    assert dict(config.midi.channels) == {"chords": 1, "melody": 6, "bass": 7, "drums": 10, "counter": 4, "pad": 5}
    assert config.origins["midi.channels.bass"] == "--midi-channel"
    assert config.origins["midi.channels.melody"] == "kelly.toml:1"


def test_a_channel_that_is_asked_for_is_left_by_the_parts_that_joined_later(home):
    config = load_config(flags={"midi_channel": ("bass=4", "chords=5")}, env=home)
    channels = dict(config.midi.channels)
    assert (channels["bass"], channels["chords"]) == (4, 5)
    assert len(set(channels.values())) == len(channels)
    with pytest.raises(ConfigError, match="share channel 4"):
        load_config(flags={"midi_channel": ("bass=4", "counter=4")}, env=home)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[music]\nkey = 'C'\ntempo = 100\n", ["kelly.toml:3", "music.tempo", "did you mean 'music.tempo_bpm'"]),
        ("[musik]\nkey = 'C'\n", ["kelly.toml:1", "'musik'", "did you mean 'music'"]),
        ("key = 'C'\n", ["kelly.toml:1", "'key'", "did you mean 'music.key'"]),
        ("[music]\ntempo_bpm = '100'\n", ["kelly.toml:2", "music.tempo_bpm", "expected a number, found text"]),
        ("[music]\ntempo_bpm = true\n", ["kelly.toml:2", "expected a number, found true/false"]),
        ("[music]\ntempo_bpm = 1000\n", ["kelly.toml:2", "from 30 to 300", "found 1000"]),
        ("[music]\nseed = 1.5\n", ["kelly.toml:2", "expected an integer, found a number"]),
        ("[music]\nmeter = '4/8'\n", ["kelly.toml:2", "2/4 to 7/4"]),
        ("[models]\nstrict = 'yes'\n", ["kelly.toml:2", "expected true or false, found text"]),
        ("[models]\ndisabled = 'groovepredictor'\n", ["kelly.toml:2", "expected a list of names"]),
        ("[midi]\nchannels = { base = 3 }\n", ["kelly.toml:2", "no part is called 'base'", "did you mean 'bass'"]),
        ("[midi.channels]\nbass = 17\n", ["kelly.toml:1", "from 1 to 16", "found 17"]),
        ("[midi.channels]\nbass = 2\n", ["bass and melody share channel 2"]),
        ("[engine]\narithmetic = 'eigne'\n", ["did you mean 'eigen'"]),
        ("audio = 3\n", ["kelly.toml:1", "expected a table, found an integer"]),
        ("[music\n", ["kelly.toml", "line 1"]),
    ],
)
def test_a_bad_file_is_refused_with_place_and_reason(home, tmp_path, text, words):
    """File, line, what was expected, what was found, the nearest key."""
    write(tmp_path / "kelly.toml", text)
    with pytest.raises(ConfigError) as error:
        load_config(env=home)
    message = str(error.value)
    assert [word for word in words if word not in message] == [], message


def test_every_setting_refuses_what_is_of_another_type(home, tmp_path, reliability):
    """Each key with each of six values of TOML: read, or refused with file, line and key."""
    taken, said = 0, []
    for setting in SETTINGS:
        for value in ("true", "3", "-1e9", '"\u266b"', "[[1], {}]", "1979-05-27"):
            write(tmp_path / "kelly.toml", f"# settings\n[{setting.section}]\n{setting.field} = {value}\n")
            try:
                load_config(env=home)
                taken += 1
            except ConfigError as error:
                said.append((setting.key, str(error)))
    reliability("settings of wrong types", f"{len(SETTINGS)} settings, 6 values each: {len(said)} refused with their line, {taken} of the right type", len(said) > 3 * taken)
    assert [(key, words) for key, words in said if "kelly.toml:3" not in words or key.rpartition(".")[2] not in words] == []
    assert len(said) > 3 * taken


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [("KELLY_TEMPO", "fast", "expected a number or 'auto'"), ("KELLY_STRICT_MODELS", "maybe", "true or false"),
     ("KELLY_MIDI_CHANNEL", "bass:3", "PART=N"), ("KELLY_SEED", "-1", "from 0")],
)  # fmt: skip
def test_a_bad_variable_is_named(home, variable, value, word):
    """The message begins with the variable."""
    with pytest.raises(ConfigError, match=f"^{variable}: .*{word}"):
        load_config(env={**home, variable: value})


def test_text_from_the_environment_is_read_as_the_setting_wants(home):
    """Numbers, switches, lists and tables all have a textual form."""
    config = load_config(env={
        **home, "KELLY_TEMPO": "auto", "KELLY_STRICT_MODELS": "1", "KELLY_DISABLE": "groovepredictor, dynamicsengine",
        "KELLY_MIDI_CHANNEL": "bass=5,drums=11", "KELLY_REFLEX": "38", "KELLY_MODELS_PATH": "nets",
    })  # fmt: skip
    assert config.music.tempo_bpm is None
    assert config.models.strict is True
    assert config.models.disabled == ("groovepredictor", "dynamicsengine")
    assert (config.midi.channels["bass"], config.midi.channels["drums"]) == (5, 11)
    assert config.engine.reflex_note == 38
    assert config.models.path == "nets"


def test_an_explicit_file_must_exist_and_replaces_the_local_one(home, tmp_path):
    """--config FILE is read instead of ./kelly.toml."""
    write(tmp_path / "kelly.toml", "[music]\nseed = 1\n")
    other = write(tmp_path / "other.toml", "[music]\nkey = 'Am'\n")
    config = load_config(other, env=home)
    assert (config.music.key, config.music.seed) == ("Am", 0)
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_config(tmp_path / "missing.toml", env=home)


def test_an_unknown_flag_names_the_nearest(home):
    """The Python keyword door is as strict as the file."""
    with pytest.raises(ConfigError, match="did you mean 'tempo'"):
        load_config(flags={"temppo": 3}, env=home)


def test_every_field_is_a_setting_and_every_setting_a_field():
    """The table and the dataclasses can't drift apart."""
    config = Config()
    fields = {
        f"{section.name}.{item.name}"
        for section in dataclasses.fields(config)
        if section.name != "origins"
        for item in dataclasses.fields(getattr(config, section.name))
    }
    assert fields == {setting.key for setting in SETTINGS}


def test_config_is_frozen():
    """A session's settings can't change under it."""
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.music.seed = 3
    with pytest.raises(TypeError):
        config.midi.channels["bass"] = 9
