"""``kelly monitor``: look at a running session from another terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from kelly._rt.contract import NET_NAMES
from kelly.cli.console import Console
from kelly.cli.options import JSON, VOICE, console, options

SCHEMA = "kelly.monitor/1"
REFRESH_S = 0.1
FIRST_PAGE_S = 3.0
PRESSES = {"p": "panic", "h": "half_tempo", "d": "double_tempo"}


@click.command("monitor")
@click.argument("pid", type=int, required=False)
@click.option("--once", is_flag=True, help="Print one picture and leave.")
@options(JSON, VOICE)
def command(pid: int | None, once: bool, **flags: Any) -> int:
    """Look at a running session from another terminal.

    Level, feeling with its trail, key, chord, tempo, beat, who answers for each net, delays and losses.
    Keys 1 to 5 switch the nets, h and d halve and double the tempo, p releases every note, q leaves; the session plays on.  PID names one
    of several sessions, else it is the newest.
    """
    voice = console(flags)
    from kelly.live.mailbox import View

    view = View.newest(pid)
    if once or voice.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return show_once(voice, view)
    return watch(voice, view)


def show_once(voice: Console, view: Any) -> int:
    """One picture, or one JSON object."""
    from kelly.cli.picture import Picture, report
    from kelly.errors import DeviceError

    page = view.wait(FIRST_PAGE_S)
    if page is None:
        raise DeviceError(f"process {view.pid}: the session has ended or says nothing")
    if voice.json:
        voice.report(SCHEMA, {"pid": view.pid, **report(page)})
    else:
        from rich.console import Console as RichConsole

        picture = Picture()
        picture.take(page)
        RichConsole(no_color=None if voice.colour else True, width=voice.columns).print(picture)
    return 0


def watch(voice: Console, view: Any) -> int:
    """Until q, or until the session ends."""
    from rich.console import Console as RichConsole
    from rich.live import Live

    from kelly.cli.picture import Picture

    picture = Picture()
    with keys() as pressed, Live(picture, console=RichConsole(), screen=True, auto_refresh=False) as screen:
        while not view.over:
            page = view.read()
            if page is not None:
                picture.take(page)
            screen.update(picture, refresh=True)
            until = time.monotonic() + REFRESH_S
            while (left := until - time.monotonic()) > 0:
                key = pressed(left)
                if key in ("q", "Q", "\x03", "\x1b"):
                    return 0
                if key in ("1", "2", "3", "4", "5"):
                    view.press(NET_NAMES[int(key) - 1])
                elif key.lower() in PRESSES:
                    view.press(PRESSES[key.lower()])
    voice.narrate("the session has ended")
    return 0


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Yield ``pressed(timeout_s)``: one key, or "" when none came."""
    if sys.platform == "win32":
        import msvcrt

        def pressed(timeout_s: float) -> str:
            until = time.monotonic() + timeout_s
            while time.monotonic() < until:
                if msvcrt.kbhit():
                    return msvcrt.getwch()
                time.sleep(0.02)
            return ""

        yield pressed
        return
    import os
    import select
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(timeout_s: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], timeout_s)
        return os.read(descriptor, 1).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
