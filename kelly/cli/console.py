"""What a command says: data on stdout, narration on stderr, JSON with a schema, a status line on a TTY."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import click


class Console:
    """The voice of one command.

    verbosity  -1 quiet (warnings and errors only), 0 normal, 1 what libraries say too, 2 tracebacks
    """

    def __init__(self, verbosity: int = 0, json: bool = False) -> None:
        self.verbosity, self.json = verbosity, json
        self._stderr: IO[str] = sys.stderr
        with contextlib.suppress(OSError, ValueError, AttributeError):  # no stderr, or a stand-in for it
            if sys.stderr.fileno() == 2:
                # A descriptor of its own: sounddevice sends 2 to nowhere while it looks for a device that has gone, and what is said meanwhile went with it.
                self._stderr = open(os.dup(2), "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors, buffering=1)  # noqa: SIM115
                weakref.finalize(self, self._stderr.close)
        self._line_shown = False

    @property
    def interactive(self) -> bool:
        """Whether a moving line makes sense: stderr is a terminal and nobody asked for quiet."""
        return self.verbosity >= 0 and self._stderr.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def columns(self) -> int:
        return shutil.get_terminal_size().columns

    @property
    def colour(self) -> bool:
        return self._stderr.isatty() and not os.environ.get("NO_COLOR")

    def narrate(self, text: str, level: int = 0) -> None:
        """One or more lines on stderr, if the verbosity is at least ``level``."""
        if self.verbosity >= level:
            self.clear_line()
            print(text, file=self._stderr, flush=True)

    def warn(self, text: str) -> None:
        """Said even when quiet."""
        self.clear_line()
        print(self.paint(f"kelly: {text}", "33"), file=self._stderr, flush=True)

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def line(self, text: str) -> None:
        """Replace the status line; nothing unless interactive."""
        if self.interactive:
            self._stderr.write("\r" + text[: self.columns - 1] + "\x1b[K")
            self._stderr.flush()
            self._line_shown = True

    def clear_line(self) -> None:
        if self._line_shown:
            self._stderr.write("\r\x1b[K")
            self._line_shown = False

    def data(self, text: str) -> None:
        """The answer itself, on stdout."""
        click.echo(text)

    def report(self, schema: str, payload: Mapping[str, Any]) -> None:
        """The answer as one JSON object; ``schema`` such as "kelly.devices/1" names and versions its shape."""
        from json import dumps

        click.echo(dumps({"schema": schema, **payload}, indent=2, ensure_ascii=False, default=plain))

    def listen(self) -> None:
        """Say what kelly's own modules log: warnings even when quiet, the rest with -v."""
        import logging

        voice = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                voice.narrate(record.getMessage(), level=-1 if record.levelno >= logging.WARNING else 1)

        logger = logging.getLogger("kelly")
        logger.handlers = [Handler()]
        logger.setLevel(logging.INFO)

    @contextlib.contextmanager
    def progress(self, label: str, total: int) -> Iterator[Any]:
        """Yield ``advance(n)``; a bar on a terminal, silence elsewhere.

        total  0 where nobody knows yet: a count is shown, and no share
        """
        if not self.interactive:
            yield lambda n: None
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = RichConsole(file=self._stderr, no_color=not self.colour)
        share = (TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn()) if total else (TextColumn("{task.completed:,.0f}"),)
        with Progress(TextColumn(label), BarColumn(), *share, console=console, transient=True, refresh_per_second=4) as bar:
            task = bar.add_task(label, total=total or None)
            yield lambda n: bar.update(task, advance=n)

    @contextlib.contextmanager
    def share(self, label: str) -> Iterator[Callable[[float], None]]:
        """Yield ``tell(fraction)``, 0 to 1: the bar of a task that knows its share and not its size."""
        with self.progress(label, 1000) as advance:
            done = 0

            def tell(fraction: float) -> None:
                nonlocal done
                step = round(fraction * 1000) - done
                done += step
                advance(step)

            yield tell

    def chatter(self) -> None:
        """What audio and MIDI libraries printed meanwhile, with -v only."""
        if self.verbosity >= 1:
            from kelly.chatter import LINES

            for line in LINES:
                self.narrate(f"  | {line}", level=1)
            LINES.clear()


def stop_listening() -> None:
    """Leave the log as it was: whoever calls a command from Python has their own."""
    import logging

    logger = logging.getLogger("kelly")
    logger.handlers = []
    logger.setLevel(logging.NOTSET)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns of text, each as wide as its widest cell; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    numeric = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(headings))]
    return "\n".join(
        "  ".join(cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, numeric, strict=True)).rstrip()
        for row in cells
    )


def plain(value: Any) -> Any:
    """What JSON can't hold by itself: NumPy scalars, mappings, paths, tuples."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
