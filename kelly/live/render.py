"""Audio file in, MIDI file out: the same worker, conductor and performer as live, as fast as they go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kelly._rt.hooks import Hook
from kelly.audio.sources import FileSource
from kelly.config import Config, load_config
from kelly.errors import DataError
from kelly.generate.why import Reason
from kelly.live.commands import Commands
from kelly.live.session import Session
from kelly.midi.sinks import FileSink
from kelly.whole import whole

Path_ = str | os.PathLike[str]


def render(
    audio: Path_, midi: Path_, *, progress: Callable[[float], None] | None = None, why: Path_ | None = None, **settings: Any
) -> dict[str, Any]:
    """Play along with a recording, into a Standard MIDI File.

    audio     anything libsndfile reads, at any rate
    midi      the file to write; it appears whole or not at all
    progress  called with 0..1 a few times per second
    why       a file to write, too: one line of JSON per note, kelly.generate.why.Reason
    settings  by the names of ``kelly.config.SETTINGS``, such as seed=7, key="Am", tempo=96
    returns   the session's summary: what was heard, played and measured
    raises    AudioFileError, MidiFileError, ConfigError, ModelError
    thread    [main]
    """
    return render_config(audio, midi, load_config(flags=settings), progress=progress, why=why)


def render_config(
    audio: Path_,
    midi: Path_,
    config: Config,
    *,
    progress: Callable[[float], None] | None = None,
    commands: Commands | None = None,
    hooks: Sequence[Hook] = (),
    why: Path_ | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The same with a Config; its audio.input and midi.output are not looked at.

    commands  of a take, from ``kelly.live.commands``
    hooks     functions compiled by ``kelly.hook`` that take part from the first hop on
    say       called with each sentence of the session's news, such as a rule broken and why
    """
    channel = None if config.audio.channel is None else config.audio.channel - 1
    source = FileSource(Path(audio), channel, realtime=False, tail_s=config.audio.tail_s)
    session = None
    try:
        session = Session(config, source=source, sink=FileSink(Path(midi)), realtime=False, commands=commands)
        for one in hooks:
            session.add_hook(one)
        session.start()
        while not session.wait(0.1):
            if progress is not None:
                progress(fraction(session))
    except BaseException:
        source.stop()
        if session is not None:
            session.close(save=False)
        raise
    session.close()
    if say is not None:
        for sentence in session.news:
            say(sentence)
    if why is not None:
        write_reasons(why, session.reasons)
    if progress is not None:
        progress(1.0)
    return session.summary()


def write_reasons(path: Path_, reasons: Sequence[Reason]) -> None:
    """One line of JSON per note; the file appears whole or not at all.

    raises  DataError when it cannot be written
    """
    try:
        with whole(path) as place:
            place.write_text("".join(reason.line() + "\n" for reason in reasons), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error


def fraction(session: Session) -> float:
    """How much of the file has been conducted, 0..1."""
    tick, total = session.snapshot().tick, session.source.total_frames
    return 0.0 if tick is None or not total else min(1.0, float(tick["frame"]) / total)
