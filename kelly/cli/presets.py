"""``kelly presets``: named settings, kelly's and your own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kelly.cli.console import table
from kelly.cli.options import CONFIG, CONTROLS, JSON, MUSIC, VOICE, check, console, flag_values, options
from kelly.config import Config, load_config, own_presets, toml_value
from kelly.errors import ConfigError
from kelly.presets import find_preset, preset_files, summary
from kelly.whole import folder_made, whole

SCHEMA = "kelly.presets/1"
SAVED = ("controls", "midi.channels", "midi.programs", "midi.parts", "midi.ranges", "music.meter", "music.mood", "music.seed")
"""What a preset saves of the settings in force, where they are not the defaults; sections or settings."""


@click.command("presets")
@click.argument("action", type=click.Choice(("list", "show", "save")))
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="save: replace one of your own that exists.")
@options(MUSIC, CONTROLS, CONFIG, JSON, VOICE)
def command(action: str, name: str | None, force: bool, **flags: Any) -> int:
    """List, show and save named settings.

    They are for `--preset NAME`.  save keeps the controls, sounds, ranges and parts in force, flags included, under a name of your
    own, in the folder that list names.
    """
    voice, own = console(flags), own_presets()
    if action == "list":
        files = preset_files(own)
        if voice.json:
            voice.report(SCHEMA, {"presets": [{"name": n, "path": str(path), "summary": summary(path)} for n, path in files.items()]})
        else:
            voice.data(table(("preset", "", "whose"), [(n, summary(path), "yours" if path.parent == own else "kelly's") for n, path in files.items()]))
            voice.narrate(f"your own lie in {own}")
        return 0
    if name is None:
        raise ConfigError(f"kelly presets {action}: which one? `kelly presets list` shows them")
    if action == "show":
        path = find_preset(name, own)
        text = path.read_text(encoding="utf-8")
        if voice.json:
            voice.report(SCHEMA, {"name": name, "path": str(path), "text": text})
        else:
            voice.data(text.rstrip())
        return 0
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f"a preset's name is made of letters, digits, - and _, found {name!r}")
    config = load_config(flags.get("config"), flag_values(flags))
    check(config)
    path = save(own / f"{name}.toml", config, force)
    if voice.json:
        voice.report(SCHEMA, {"written": str(path)})
    voice.narrate(f"{path}: kelly live --preset {name}")
    return 0


def save(path: Path, config: Config, force: bool) -> Path:
    """Write a preset; ConfigError where there is one, or nothing to save."""
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; --force replaces it")
    tables: dict[str, dict[str, Any]] = {}
    for key, value, _ in plain(config):
        section, _, field = key.partition(".")
        tables.setdefault(section, {})[field] = value
    if not tables:
        raise ConfigError("nothing to save: every control, sound, range and part is at its default; turn some with --set, --program, --part")
    lines = [line for section, rows in tables.items() for line in (f"\n[{section}]", *(f"{field} = {toml_value(value)}" for field, value in rows.items()))]
    with whole(folder_made(path)) as part:
        part.write_text("\n".join(lines).lstrip() + "\n", encoding="utf-8")
    return path


def plain(config: Config) -> list[tuple[str, Any, Any]]:
    """(key, value, default) of what a preset saves and what differs from the default."""
    from kelly.config import SETTINGS

    before, rows = Config(), []
    for setting in SETTINGS:
        if setting.section in SAVED or setting.key in SAVED:
            value, default = (getattr(getattr(one, setting.section), setting.field) for one in (config, before))
            if isinstance(value, Mapping):
                value = {name: item for name, item in value.items() if default.get(name) != item}
            if value not in (default, {}):
                rows.append((setting.key, value, default))
    return rows
