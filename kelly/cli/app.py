"""The table of commands, and the one place where errors become messages and exit codes.

Commands are imported when they are typed, so that ``kelly --help`` costs little more than Python.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from kelly import __version__
from kelly.errors import KellyError

UNEXPECTED, USAGE, DISK_FULL, INTERRUPTED, TERMINATED = 1, 2, 8, 130, 143


class Row(NamedTuple):
    """A command: its name, the module whose ``command`` it is, one line of help."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Row("live", "kelly.cli.live", "Listen to a device or a recording and play along."),
    Row("render", "kelly.cli.render", "Turn an audio file into a MIDI file, without devices."),
    Row("compose", "kelly.cli.compose", "Compose from words: a mood, or one that turns into another."),
    Row("explain", "kelly.cli.explain", "Tell why each note is there."),
    Row("monitor", "kelly.cli.monitor", "Look at a running session from another terminal."),
    Row("salvage", "kelly.cli.salvage", "Finish takes that a crash cut off."),
    Row("devices", "kelly.cli.devices", "List audio inputs, MIDI outputs and MIDI inputs."),
    Row("doctor", "kelly.cli.doctor", "Report everything a bug report needs."),
    Row("config", "kelly.cli.config", "Show settings, say where they are looked for, write a file to begin with."),
    Row("presets", "kelly.cli.presets", "List, show and save named settings."),
    Row("analyze", "kelly.cli.analyze", "Hear what kelly hears in a recording: mood, key, tempo, chords."),
    Row("validate", "kelly.cli.validate", "Check model files and name every fault."),
    Row("inspect", "kelly.cli.inspect", "Show a model's layers, sizes, state, operations, bytes and time."),
    Row("parity", "kelly.cli.parity", "Compare engines on one network and name the first layer where they part."),
    Row("bench", "kelly.cli.bench", "Measure networks against the time a block leaves."),
    Row("export", "kelly.cli.export", "Turn a PyTorch network into RTNeural JSON, or a model into ONNX."),
    Row("run", "kelly.cli.run", "Send audio through a network that runs at audio rate."),
    Row("models", "kelly.cli.models", "List the five nets and the files that would answer for them."),
    Row("train", "kelly.cli.train", "Train the nets, and look at what they would learn from."),
)

FULL = (errno.ENOSPC, errno.EDQUOT)

EXIT_CODES = (
    (0, "done"),
    (1, "unexpected error"),
    (2, "usage or configuration"),
    (3, "device or port not found"),
    (4, "model invalid"),
    (5, "parity or bench gate failed"),
    (6, "data missing or corrupt"),
    (7, "device lost and not recovered"),
    (8, "disk full"),
    (130, "interrupted (Ctrl-C), after clean note-offs"),
    (143, "terminated, after clean note-offs"),
)


class CommandTable(click.Group):
    """A group whose members come from COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        for row in COMMANDS:
            if row.name == name:
                command = import_module(row.module).command
                assert isinstance(command, click.Command)
                return command
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from kelly.config import did_you_mean

            raise click.UsageError(f"no command is called {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.summary) for row in COMMANDS])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES])


@click.command(cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kelly")
def cli() -> None:
    """Music in, feeling understood, MIDI out, in real time."""


def debugging(argv: Sequence[str]) -> bool:
    """Whether tracebacks are wanted: -vv, -v -v, or KELLY_DEBUG."""
    count = 0
    for word in argv:
        if word == "--":
            break
        if word == "--verbose":
            count += 1
        elif word.startswith("-") and not word.startswith("--") and set(word[1:]) == {"v"}:
            count += len(word) - 1
    return count >= 2 or os.environ.get("KELLY_DEBUG", "0") not in ("", "0")


def run(argv: Sequence[str]) -> int:
    """Run one command line.

    argv     words after the program's name
    returns  exit code, see EXIT_CODES; no exception leaves, unless debugging() asks for tracebacks
    thread   [main]
    """
    try:
        result: Any = cli.main(args=list(argv), prog_name="kelly", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left, as `kelly devices | head -1` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNEXPECTED
    except Exception as error:
        if debugging(argv):
            raise
        return explain(error)
    finally:
        if "kelly.cli.console" in sys.modules:
            from kelly.cli.console import stop_listening

            stop_listening()


def explain(error: Exception) -> int:
    """Say in one line what went wrong; the exit code that goes with it."""
    if isinstance(error, KellyError):
        say(str(error))
        return DISK_FULL if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL else error.exit_code
    if isinstance(error, click.ClickException):
        say(error.format_message())
        return error.exit_code
    if isinstance(error, OSError) and error.errno in FULL:
        say(f"disk full: {error.filename or 'output'}")
        return DISK_FULL
    say(f"unexpected {type(error).__name__}: {error}; run again with -vv for the traceback")
    return UNEXPECTED


def say(message: str) -> None:
    click.echo(f"kelly: {message}", err=True)
