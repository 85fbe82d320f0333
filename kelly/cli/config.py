"""``kelly config``: what is set, where it came from, where it would be looked for, and a file to begin with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kelly.cli.console import Console, table
from kelly.cli.options import CONFIG, JSON, VOICE, check, console, options
from kelly.config import FILE_NAME, SECTIONS, SETTINGS, Config, load_config, toml_value, user_config_path
from kelly.errors import ConfigError
from kelly.whole import folder_made, whole

SCHEMA = "kelly.config/1"
EXAMPLES = {"audio.channel": 2, "audio.end_s": 93.5, "music.tempo_bpm": 96, "engine.reflex_note": 37, "midi.programs": {"bass": 33},
            "midi.controls": {"freeze": "CC 21"}, "midi.parts": {"bass": False}, "midi.ranges": {"melody": "60-84"}, "midi.cc": {"valence": "20"}}  # fmt: skip
"""What the file to begin with shows where the default is "nothing"."""


@click.command("config")
@click.argument("action", type=click.Choice(("show", "path", "init")))
@click.option("--origin", is_flag=True, help="show: also where each setting came from.")
@click.option("--user", is_flag=True, help="init: write your own file, for every folder, instead of ./kelly.toml.")
@click.option("--force", is_flag=True, help="init: replace a file that exists.")
@options(CONFIG, JSON, VOICE)
def command(action: str, origin: bool, user: bool, force: bool, **flags: Any) -> int:
    """Show settings, say where they are looked for, write a file to begin with.

    show prints every setting in force; path the files in order of precedence; init writes a
    kelly.toml in which every setting is explained and set to its default.
    """
    voice, named = console(flags), flags.get("config")
    if action == "init":
        begin(voice, Path(named) if named else user_config_path() if user else Path(FILE_NAME), force)
    elif action == "path":
        paths(voice, named)
    else:
        config = load_config(named)
        check(config)
        show(voice, config, origin)
    return 0


def show(voice: Console, config: Config, origin: bool) -> None:
    """Every setting in force."""
    if voice.json:
        rows = [{"key": key, "value": value, "origin": where} for key, value, where in config.items()]
        voice.report(SCHEMA, {"settings": rows})
    elif origin:
        voice.data(table(("setting", "value", "from"), [(key, toml(value), where) for key, value, where in config.items()]))
    else:
        voice.data("\n".join(f"{key} = {toml(value)}" for key, value, _ in config.items()))


def paths(voice: Console, named: str | None) -> None:
    """The files, the strongest first."""
    strongest = Path(named or os.environ.get("KELLY_CONFIG") or FILE_NAME)
    files = [(path, path.is_file()) for path in (strongest, user_config_path())]
    if voice.json:
        voice.report(SCHEMA, {"files": [{"path": str(path), "read": read} for path, read in files]})
    else:
        voice.data("\n".join(f"{path}  {'read' if read else 'absent'}" for path, read in files))


def begin(voice: Console, path: Path, force: bool) -> None:
    """Write the file to begin with."""
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; --force replaces it, `kelly config show --origin` says what is set")
    with whole(folder_made(path)) as part:
        part.write_text(template(), encoding="utf-8")
    if voice.json:
        voice.report(SCHEMA, {"written": str(path)})
    voice.narrate(f"{path}: every setting, explained, at its default; remove a # to change one")


def template() -> str:
    """A kelly.toml in which everything is said and nothing is set."""
    lines = ["# kelly's settings.  A flag beats a KELLY_* variable, which beats this file in the working directory,", "# which beats your own (`kelly config path`)."]
    for name, kind in SECTIONS.items():
        meaning = dict(meanings(kind.__doc__ or ""))
        lines += ["", f"[{name}]"]
        for setting in SETTINGS:
            if setting.section == name:
                value = getattr(kind(), setting.field)
                shown = EXAMPLES[setting.key] if value is None or value == {} else value
                unset = "; not set by default" if shown is not value else ""
                lines += [f"# {line}" for line in (meaning[setting.field] + unset).splitlines()]
                lines.append(f"# {setting.field} = {toml(shown)}")
    return "\n".join(lines) + "\n"


def meanings(docstring: str) -> Iterator[tuple[str, str]]:
    """(field, sentence) of the lines "name   what it means" of a settings dataclass."""
    rows = re.findall(r"^ {4}(\w+) {2,}(\S.*(?:\n {6,}\S.*)*)", docstring, re.M)
    for name, text in rows:
        yield name, re.sub(r"\s+", " ", text).strip()


def toml(value: Any) -> str:
    """A value as TOML writes it; "not set" for None."""
    return "(not set)" if value is None else toml_value(value)
