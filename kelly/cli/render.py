"""``kelly render``: the same notes as live, from a file, without devices."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from kelly.audio.synth import find_synth, render_midi
from kelly.cli.app import TERMINATED
from kelly.cli.console import Console
from kelly.cli.live import describe, player_command
from kelly.cli.options import (
    CONFIG,
    CONTROLS,
    HOOKS,
    JSON,
    MODELS,
    MUSIC,
    TAIL,
    VOICE,
    check,
    console,
    flag_values,
    options,
    settings,
)
from kelly.errors import ConfigError
from kelly.whole import writable

SCHEMA = "kelly.render/1"


@click.command("render")
@click.argument("audio", metavar="AUDIO|TAKE")
@click.option("-o", "--output", metavar="MIDI", help="The MIDI file to write; default: AUDIO's name with .mid, or -kelly.mid where AUDIO is a MIDI file.")
@click.option("--audio", "sound", metavar="FILE", help="Also write how it sounds, with fluidsynth: .wav, .flac, .ogg or .aiff.")
@click.option("--why", metavar="FILE", help="Also write why each note was struck: one line of JSON per note.")
@click.option("--audio-channel", metavar="N", help="Listen to channel N only (from 1); default: all, mixed.")
@options(MUSIC, CONTROLS, HOOKS, TAIL, MODELS, CONFIG, JSON, VOICE)
def command(audio: str, output: str | None, sound: str | None, why: str | None, hooks: tuple[str, ...], **flags: Any) -> int:
    """Turn an audio file into a MIDI file, without devices.

    Plays the same notes as `kelly live --audio-in file:AUDIO`, faster than real time.  A folder that
    `kelly live --record` left is rendered whole: its sound, with its settings and with every pedal,
    knob and command, gives its notes byte for byte; flags change what they name.
    """
    voice = console(flags)
    from kelly._rt.hooks import load_hook
    from kelly.live.intent import intent_of
    from kelly.live.render import render_config
    from kelly.live.replay import open_take, render_take

    compiled = [load_hook(where) for where in hooks]
    take = None
    if Path(audio).is_dir():
        if flags.get("config"):
            raise ConfigError(f"{audio}: a take has settings of its own; --config is one too many")
        take = open_take(audio, flag_values(flags))
        config = take.config
        check(config)
        for remark in take.commands.remarks:
            voice.warn(f"{audio}: {remark}; that is not repeated")
    else:
        config = settings(flags)
    for place in (sound, why):  # what is missing is better missed before the work
        if place:
            writable(place)
    if sound is not None:
        find_synth()
    if (intent := intent_of(config)) is not None:
        voice.narrate(intent.describe())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # an exception, so that nothing half done stays
    target = Path(output) if output else default_name(Path(audio))
    if target.exists() and Path(audio).exists() and target.samefile(audio):
        raise ConfigError(f"{target}: would be written over the player's own notes; -o names another file")
    with voice.share(Path(audio).name) as progress:
        if take is not None:
            summary = render_take(take, target, progress=progress, hooks=compiled)
        else:
            summary = render_config(audio, target, config, progress=progress, hooks=compiled, why=why, say=voice.narrate)
    if sound is not None:
        render_midi(target, sound)
    if voice.json:
        voice.report(SCHEMA, {"midi_file": str(target), "audio_file": sound, "why_file": why, **summary})
    voice.narrate(describe(summary), level=1)
    if repaired := summary["counters"]["repaired_samples"]:
        voice.warn(f"{audio}: {repaired} samples are no numbers that sound has; they count as silence")
    if not any(summary["played"].values()):
        voice.warn(f"nothing was played: was anything in {audio} above the gate ({config.audio.gate_db:g} dBFS, --gate)?")
    if take is not None:
        compare(voice, take, summary["take"], changed=bool(flag_values(flags)))
    voice.narrate(f"notes: {target}\nhear them: {sound or player_command(Path(target))}")
    return 0


def default_name(audio: Path) -> Path:
    """Where the notes go when nobody says so: AUDIO's name with .mid, in the working directory."""
    name = audio.resolve().name
    return Path(f"{Path(name).stem}-kelly.mid" if name.lower().endswith((".mid", ".midi")) else Path(name).with_suffix(".mid"))


def compare(voice: Console, take: Any, found: dict[str, Any], changed: bool) -> None:
    """Whether the take's notes came back."""
    commands = f"{found['commands']} command{'' if found['commands'] == 1 else 's'}"
    if found["same"]:
        voice.narrate(f"the same bytes as {take.midi}, with {commands}")
    elif found["same"] is None:
        voice.narrate(f"{take.midi} is not there to compare with; {commands}")
    elif changed:
        voice.narrate(f"other notes than {take.midi}, as flags asked for")
    else:
        voice.warn(f"other notes than {take.midi}: something was lost or late when it was recorded, or this is another machine or version")
