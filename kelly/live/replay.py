"""A take rendered again: its sound, its settings and its commands give its notes, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kelly._rt.hooks import Hook
from kelly.config import Config, load_config
from kelly.errors import TakeError
from kelly.live.commands import Commands, read_commands
from kelly.live.render import render_config
from kelly.live.take import COMMANDS, MIDI, SETTINGS, WAV


@dataclass(frozen=True, slots=True)
class Take:
    """A take on the disk, read.

    commands  see kelly.live.commands
    """

    folder: Path
    config: Config
    commands: Commands

    @property
    def sound(self) -> Path:
        return self.folder / WAV

    @property
    def midi(self) -> Path:
        """What was played; missing where the take was cut off."""
        return self.folder / MIDI


def is_take(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a take."""
    return (Path(path) / WAV).is_file() and (Path(path) / SETTINGS).is_file()


def open_take(folder: str | os.PathLike[str], flags: Mapping[str, Any] = MappingProxyType({})) -> Take:
    """Read a take.

    flags   settings that shall be other than they were, as for load_config; environment and other files don't count
    raises  TakeError for a folder that is none, ConfigError
    """
    place = Path(folder)
    if not is_take(place):
        raise TakeError(f"{place}: no take: expected {WAV} and {SETTINGS} in it")
    return Take(place, load_config(place / SETTINGS, flags, alone=True), read_commands(place / COMMANDS))


def render_take(
    take: Take, midi: str | os.PathLike[str], *, progress: Callable[[float], None] | None = None, hooks: Sequence[Hook] = ()
) -> dict[str, Any]:
    """Play a take's notes again into a MIDI file.

    returns  the session's summary, and under "take" whether the bytes are those of take.mid ("same" None without one)
    raises   as ``render_config``
    thread   [main]
    """
    summary = render_config(take.sound, midi, take.config, progress=progress, commands=take.commands, hooks=hooks)
    same = Path(midi).read_bytes() == take.midi.read_bytes() if take.midi.is_file() else None
    return {**summary, "take": {"folder": str(take.folder), "commands": len(take.commands), "same": same}}
