"""Every command and every flag explains itself."""

from __future__ import annotations

import click
import pytest

from kelly.cli.app import COMMANDS, cli
from kelly.config import SETTINGS


def command(name):
    return cli.get_command(click.Context(cli), name)


def leaves(found, name):
    """(name, command) of a command, or of every command below a group."""
    if not isinstance(found, click.Group):
        return [(name, found)]
    return [leaf for word, below in found.commands.items() for leaf in leaves(below, f"{name} {word}")]


LEAVES = [leaf for row in COMMANDS for leaf in leaves(command(row.name), row.name)]


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_command_has_help_and_the_table_says_the_same(row):
    """The one line of the table is the first line of the command's own help."""
    found = command(row.name)
    assert found.name == row.name
    assert found.help.strip().splitlines()[0] == row.summary


@pytest.mark.parametrize(("name", "found"), LEAVES, ids=[name for name, _ in LEAVES])
def test_every_command_and_every_flag_has_help(name, found):
    """An option without a sentence is unfinished."""
    assert found.help, name
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
            assert parameter.help.endswith("."), f"{name} {parameter.opts}"


def test_every_setting_is_a_flag_of_live():
    """What a file can say, a flag can say."""
    flags = {option for parameter in command("live").params for option in parameter.opts}
    assert {setting.flag for setting in SETTINGS} <= flags


def test_every_reporting_command_has_json():
    """Machines read what people read."""
    for name, found in LEAVES:
        flags = {option for parameter in found.params for option in parameter.opts}
        assert "--json" in flags, name
        assert {"--quiet", "--verbose"} <= flags, name
