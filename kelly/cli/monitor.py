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
from kelly.cli.options import JSON, VOICE, console, options, turned
from kelly.errors import ConfigError

SCHEMA = "kelly.monitor/1"
REFRESH_S = 0.1
FIRST_PAGE_S = 3.0
PRESSES = {"p": "panic", "h": "half_tempo", "d": "double_tempo"}


@click.command("monitor")
@click.argument("pid", type=int, required=False)
@click.option("--once", is_flag=True, help="Print one picture and leave.")
@click.option("--set", "pairs", metavar="NAME=VALUE", multiple=True, help="Turn a control of the session and leave: density=.4. Repeatable.")
@options(JSON, VOICE)
def command(pid: int | None, once: bool, pairs: tuple[str, ...], **flags: Any) -> int:
    """Look at a running session from another terminal.

    Level, feeling with its trail, key, chord, tempo, beat, who answers for each net, controls, parts, delays and losses.
    Keys 1 to 5 switch the nets, h and d halve and double the tempo, p releases every note.  [ and ] choose a control or a
    part; - and + turn a control, 0 lets it rest; on a part - takes it out or back, l locks it, r draws it anew.
    q leaves; the session plays on.  PID names one of several sessions, else it is the newest.
    """
    voice = console(flags)
    from kelly.live.mailbox import View

    values = {name: number(name, value) for name, value in turned(pairs).items()}
    view = View.newest(pid)
    if values:
        return turn(voice, view, values)
    if once or voice.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return show_once(voice, view)
    return watch(voice, view)


def number(name: str, text: str) -> float:
    """A control's value as it was typed; ConfigError for one that is none, or beyond its range."""
    from kelly.music.controls import RANGES

    low, high, _ = RANGES[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ConfigError(f"--set {name}: expected a number from {low:g} to {high:g}, found {text!r}")
    return value


def turn(voice: Console, view: Any, values: dict[str, float]) -> int:
    """Turn controls and wait until the session says that they are turned."""
    from kelly.errors import DeviceError
    from kelly.music.controls import read_controls

    if view.wait(FIRST_PAGE_S) is None:
        raise DeviceError(f"process {view.pid}: the session has ended or says nothing")
    for name, value in values.items():
        view.turn(name, value)
    until = time.monotonic() + FIRST_PAGE_S
    while time.monotonic() < until:
        page = view.wait(FIRST_PAGE_S)
        if page is not None and page["has_tick"]:
            now = read_controls(page["tick"])
            if all(abs(getattr(now, name) - value) < 1e-5 for name, value in values.items()):
                if voice.json:
                    voice.report(SCHEMA, {"pid": view.pid, "controls": {name: getattr(now, name) for name in values}})
                voice.narrate(", ".join(f"{name} {value:g}" for name, value in values.items()))
                return 0
    raise DeviceError(f"process {view.pid}: the session does not turn its controls")


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
                elif key:
                    picture.hand.press(key, view)
                    screen.update(picture, refresh=True)
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
