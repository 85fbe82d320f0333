"""The settings in force: flags over environment over files over defaults, in one function."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kelly.config.config import Config
from kelly.config.files import Layer, from_file
from kelly.config.places import FILE_NAME, own_presets, user_config_path
from kelly.config.readers import did_you_mean
from kelly.config.sections import DEFAULT_CHANNELS, SECTIONS
from kelly.config.settings import SETTINGS
from kelly.errors import ConfigError
from kelly.presets import find_preset

LATER_PARTS = ("counter", "pad")
PARTS_OWN = {11: "expression", 64: "pedal"}
"""Controllers that the band sends on the channels of its parts."""


def load_config(
    path: str | os.PathLike[str] | None = None,
    flags: Mapping[str, Any] = MappingProxyType({}),
    env: Mapping[str, str] = os.environ,
    alone: bool = False,
) -> Config:
    """The settings in force, each with its origin.

    path     a TOML file in the place of ./kelly.toml; it must exist.  None: KELLY_CONFIG, else ./kelly.toml
    flags    values by ``Setting.name``, such as {"tempo": 100}; None values are not given
    env      the environment
    alone    nothing but ``path`` and ``flags`` counts: what a take was made with
    returns  Config
    raises   ConfigError: unknown key (with the nearest), wrong type or range, with file and line
    """
    layers: list[Layer] = []
    named = path if path is not None else env.get("KELLY_CONFIG") or None
    if not alone and (user := user_config_path(env)).is_file():
        layers += from_file(user)
    if named is not None:
        layers += from_file(Path(named))
    elif not alone and Path(FILE_NAME).is_file():
        layers += from_file(Path(FILE_NAME))
    layers += [(s, env[s.variable], True, s.variable) for s in SETTINGS if env.get(s.variable) and not alone]
    by_name = {setting.name: setting for setting in SETTINGS}
    for name, value in flags.items():
        if name not in by_name:
            raise ConfigError(f"unknown setting {name!r}{did_you_mean(name, by_name)}")
        if value is not None and value != ():
            layers.append((by_name[name], value, True, by_name[name].flag))
    return _build(_with_preset(layers, env))


def _with_preset(layers: list[Layer], env: Mapping[str, str]) -> list[Layer]:
    """The preset that the strongest place names, laid just below what else that place says."""
    named = next((row for row in reversed(layers) if row[0].key == "music.preset"), None)
    if named is None or not named[1]:
        return layers
    if not isinstance(named[1], str):
        return layers  # the reader says what is wrong with it
    try:
        rows = from_file(find_preset(named[1], own_presets(env)))
    except ConfigError as error:
        raise ConfigError(f"{named[3]}: {error}") from None
    if nested := [origin for setting, _, _, origin in rows if setting.key == "music.preset"]:
        raise ConfigError(f"{nested[0]}: a preset names no other preset")
    source = _source(named)
    place = next(number for number, row in enumerate(layers) if _source(row) == source)
    return [*layers[:place], *rows, *layers[place:]]


def _source(layer: Layer) -> str:
    """Which place a row came from: a file, the environment, the command line."""
    origin = layer[3]
    return "flags" if origin.startswith("--") else "environment" if origin.startswith("KELLY_") else origin.rpartition(":")[0] or origin


def _build(layers: list[Layer]) -> Config:
    """Lay the given values, weakest first, over the defaults."""
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    origins: dict[str, str] = {}
    for setting, raw, textual, origin in layers:
        try:
            value = setting.read(raw, textual)
        except ValueError as error:
            raise ConfigError(f"{origin}: {setting.key}: {error}") from None
        if isinstance(value, dict):
            before = values[setting.section].get(setting.field, DEFAULT_CHANNELS if setting.field == "channels" else {})
            origins |= {f"{setting.key}.{part}": origin for part in value}
            value = MappingProxyType({**before, **value})
        else:
            origins[setting.key] = origin
        values[setting.section][setting.field] = value
    if "channels" in values["midi"]:
        values["midi"]["channels"] = _make_room(values["midi"]["channels"], origins)
    config = Config(**{name: kind(**values[name]) for name, kind in SECTIONS.items()}, origins=MappingProxyType(origins))
    _check_channels(config)
    _check_feelings(config)
    return config


def _make_room(channels: Mapping[str, int], origins: Mapping[str, str]) -> Mapping[str, int]:
    """The parts that joined the band later step aside: whoever chose their channel for another part keeps it."""
    moved = dict(channels)
    for part in LATER_PARTS:
        taken = {channel for other, channel in moved.items() if other != part}
        if f"midi.channels.{part}" not in origins and moved[part] in taken:
            moved[part] = next((n for n in range(1, 17) if n not in taken and n != DEFAULT_CHANNELS["drums"]), moved[part])
    return MappingProxyType(moved)


def _check_channels(config: Config) -> None:
    owners: dict[int, str] = {}
    for part, channel in config.midi.channels.items():
        if channel in owners:
            origin = config.origins.get(f"midi.channels.{part}", config.origins.get(f"midi.channels.{owners[channel]}", ""))
            raise ConfigError(f"{origin}: midi.channels: {part} and {owners[channel]} share channel {channel}; one part per channel")
        owners[channel] = part


def _check_feelings(config: Config) -> None:
    """No two feelings on one controller, and none on what a part's own channel needs."""
    owners = {f"CC {number} on channel {channel}": f"the {what} of {part}" for part, channel in config.midi.channels.items() for number, what in PARTS_OWN.items()}
    for feeling, controller in config.midi.cc.items():
        if controller in owners:
            origin = config.origins.get(f"midi.cc.{feeling}", "")
            raise ConfigError(f"{origin}: midi.cc: {feeling} wants {controller}, which is {owners[controller]}; choose another")
        owners[controller] = f"taken by {feeling}"
