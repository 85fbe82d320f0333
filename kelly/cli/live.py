"""``kelly live``: a session on the terminal."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from kelly.audio.synth import find_soundfonts
from kelly.cli.console import Console
from kelly.cli.options import (
    CONFIG,
    CONTROLS,
    HOOKS,
    JSON,
    MODELS,
    MUSIC,
    OSC,
    PEDALS,
    PORT,
    RECORD,
    SOUND,
    TAIL,
    VOICE,
    console,
    options,
    settings,
)
from kelly.cli.status import status_line
from kelly.config import file_in_force
from kelly.errors import ConfigError, KellyError

if TYPE_CHECKING:
    from kelly._rt.hooks import Hook

SCHEMA = "kelly.live/1"
UNEXPECTED, DISK_FULL = 1, 8
STATUS_S = 0.25  # at most 4 lines per second
ALWAYS_TOLD = ("dropped_frames", "late_events", "open_notes")
QUIET_DB = -75.0
QUIET_AFTER_S = 5.0


@click.command("live")
@options(SOUND, PORT, PEDALS, RECORD, MUSIC, CONTROLS, HOOKS, OSC, TAIL, MODELS, CONFIG, JSON, VOICE)
@click.option("--learn", metavar="ACTION", help="The next control used on --midi-in does this from now on: tap, hold_chord, freeze, density, ...; kept in kelly.toml.")
@click.option("--listen", is_flag=True, help="Start fluidsynth, play to it, and end it afterwards.")
def command(listen: bool, learn: str | None, hooks: tuple[str, ...], **flags: Any) -> int:
    """Listen to a device or a recording and play along.

    Without flags: the default audio input, else the bundled demo; a virtual MIDI port, else a MIDI
    file.  Key, tempo and chords that are not given are tracked.  Ctrl-C releases every note, completes
    the MIDI file and says what was measured.
    """
    voice = console(flags)
    config = settings(flags)
    if learn is not None:
        learnable(config, learn)
    from kelly._rt.hooks import load_hook

    compiled = [load_hook(where) for where in hooks]
    with stop_signals() as received, ExitStack() as stack:
        if listen:
            config = heard(config, stack)
        return play(voice, config, received, learn, file_in_force(flags.get("config")) if learn is not None else None, compiled)


def learnable(config: Any, action: str) -> None:
    """Refuse what cannot be learned before anything is opened."""
    from kelly.midi.inputs import ACTIONS

    if not config.midi.input:
        raise ConfigError("--learn needs a MIDI input: --midi-in PORT")
    if action not in ACTIONS:
        raise ConfigError(f"no action is called {action!r}; there are: {', '.join(ACTIONS)}")


def heard(config: Any, stack: ExitStack) -> Any:
    """The settings with a synthesizer of our own as the port to play to."""
    if config.midi.output != "auto":
        where = config.origins.get("midi.output", "midi.output")
        raise ConfigError(f"--listen plays to a port of its own; {where} says {config.midi.output!r}: one of the two")
    from kelly.live.listen import Listener

    listener = stack.enter_context(Listener())
    return replace(config, midi=replace(config.midi, output=listener.port))


def play(voice: Console, config: Any, received: list[int], learn: str | None = None, keep_in: Path | None = None, hooks: Sequence[Hook] = ()) -> int:
    """Run one session until its source ends or a signal arrives; the exit code.

    hooks           functions that take part from the first hop on

    learn, keep_in  the action that the next control shall do, and the kelly.toml that gets it
    """
    from kelly.live.session import Session

    session = Session(config)
    for one in hooks:
        session.add_hook(one)
    for notice in session.notices:
        voice.narrate(notice)
    voice.narrate(f"{session.source.name} -> {session.sink.description}; Ctrl-C ends it")
    unsaved: KellyError | OSError | None = None
    try:
        session.start()
        if learn is not None:
            voice.narrate(session.learn(learn, keep_in))
        follow(voice, session, received)
    finally:
        try:
            session.close()
        except (KellyError, OSError) as error:  # a full disk must not cost the summary too
            unsaved = error
        voice.clear_line()
        tell(voice, session)
        voice.chatter()
    summary = session.summary()
    if voice.json:
        voice.report(SCHEMA, {"midi_file": str(session.sink.path) if session.sink.path else None, **summary})
    voice.narrate(describe(summary))
    if unsaved is not None:
        raise unsaved
    if session.sink.path is not None:
        voice.narrate(f"notes: {session.sink.path}\nhear them: {player_command(session.sink.path)}")
    if session.take is not None:
        if session.take.failure is not None:
            voice.warn(session.take.failure)
            return DISK_FULL if session.take.disk_full else UNEXPECTED
        voice.narrate(f"take: {session.take.folder}")
    return 128 + received[0] if received else 0


def tell(voice: Console, session: Any) -> None:
    """What happened since the last look."""
    while session.news:
        voice.warn(session.news.popleft())


def follow(voice: Console, session: Any, received: list[int]) -> None:
    """Show the status line until the session ends or a signal arrives."""
    from_device, loud_at_s = session.source.total_frames is None, 0.0
    hinted, echo_said = not from_device, False
    while not received and not session.wait(STATUS_S):
        tell(voice, session)
        snapshot = session.snapshot()
        tick = snapshot.tick
        if tick is None:
            continue
        voice.line(status_line(tick, voice.columns))
        if not echo_said and snapshot.counters.get("echoes", 0):
            echo_said = True
            voice.warn("kelly hears its own sound in the input: headphones, or another channel (--audio-channel), keep it out")
        now_s = float(tick["frame"]) / session.source.sample_rate_hz
        if tick["level_db"] > QUIET_DB:
            loud_at_s = now_s
        elif not hinted and now_s - loud_at_s > QUIET_AFTER_S:
            hinted = True
            voice.warn(
                f"the input is at {tick['level_db']:.0f} dBFS: muted, another channel (--audio-channel), or no permission?"
            )


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying of them; a third one is not collected any more."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) >= 2:
            for which in before:
                signal.signal(which, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def describe(summary: dict[str, Any]) -> str:
    """The summary for people: one line per group, such as "network hop   p50 0.096 ms, p99 0.192 ms"."""
    width = max(map(len, summary))
    said = {group: counted(rows) if group == "counters" else sentence(rows) for group, rows in summary.items()}
    return "\n".join(f"{group.ljust(width)}  {line}" for group, line in said.items())


def counted(rows: dict[str, int]) -> str:
    """What was lost: the three everybody asks for, whatever else happened, and that the rest did not."""
    told = {name: n for name, n in rows.items() if n or name in ALWAYS_TOLD}
    return sentence(told) + ("; all others 0" if len(told) < len(rows) else "")


def sentence(rows: dict[str, Any]) -> str:
    """One group: figures by name; or, where the values are words that repeat, names by word: "model a b, off c"."""
    values = list(rows.values())
    if all(isinstance(value, str) for value in values) and len(set(values)) < len(values):
        return ", ".join(" ".join([word, *(n for n, v in rows.items() if v == word)]) for word in dict.fromkeys(values))
    return ", ".join(figure(*row) for row in rows.items())


def figure(name: str, value: Any) -> str:
    """A name and its value; a unit at the end of the name goes behind the value."""
    words = name.split("_")
    unit = f" {words.pop()}" if words[-1] in ("ms", "s") else ""
    return f"{' '.join(words)} {value}{unit}"


def player_command(path: Path) -> str:
    """One command that plays a MIDI file on this machine, or would once its program is installed."""
    quoted = shlex.quote(str(path))
    fonts = find_soundfonts()
    if shutil.which("fluidsynth") and fonts:
        return f"fluidsynth -i {shlex.quote(fonts[0])} {quoted}"
    if shutil.which("timidity"):
        return f"timidity {quoted}"
    if sys.platform == "darwin":
        return f"open {quoted}"
    if sys.platform == "win32":
        return f"start {quoted}"
    return f"fluidsynth -i /usr/share/sounds/sf2/FluidR3_GM.sf2 {quoted}  # apt install fluidsynth fluid-soundfont-gm"
