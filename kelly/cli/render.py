"""``kelly render``: the same notes as live, from a file, without devices."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from kelly.audio.synth import find_synth, render_midi
from kelly.cli.app import TERMINATED
from kelly.cli.live import describe, player_command
from kelly.cli.options import CONFIG, CONTROLS, JSON, MODELS, MUSIC, TAIL, VOICE, console, options, settings

SCHEMA = "kelly.render/1"


@click.command("render")
@click.argument("audio", metavar="AUDIO")
@click.option("-o", "--output", metavar="MIDI", help="The MIDI file to write; default: AUDIO's name with .mid.")
@click.option("--audio", "sound", metavar="FILE", help="Also write how it sounds, with fluidsynth: .wav, .flac, .ogg or .aiff.")
@click.option("--audio-channel", metavar="N", help="Listen to channel N only (from 1); default: all, mixed.")
@options(MUSIC, CONTROLS, TAIL, MODELS, CONFIG, JSON, VOICE)
def command(audio: str, output: str | None, sound: str | None, **flags: Any) -> int:
    """Turn an audio file into a MIDI file, without devices.

    Plays the same notes as `kelly live --audio-in file:AUDIO`, faster than real time.
    """
    voice = console(flags)
    config = settings(flags)
    from kelly.live.intent import intent_of
    from kelly.live.render import render_config

    if sound is not None:
        find_synth()  # missing, it is better missed before the work
    if (intent := intent_of(config)) is not None:
        voice.narrate(intent.describe())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # an exception, so that nothing half done stays
    target = Path(output) if output else Path(audio).with_suffix(".mid").name
    with voice.share(Path(audio).name) as progress:
        summary = render_config(audio, target, config, progress=progress)
    if sound is not None:
        render_midi(target, sound)
    if voice.json:
        voice.report(SCHEMA, {"midi_file": str(target), "audio_file": sound, **summary})
    voice.narrate(describe(summary), level=1)
    if repaired := summary["counters"]["repaired_samples"]:
        voice.warn(f"{audio}: {repaired} samples are no numbers that sound has; they count as silence")
    if not any(summary["played"].values()):
        voice.warn(f"nothing was played: was anything in {audio} above the gate ({config.audio.gate_db:g} dBFS, --gate)?")
    voice.narrate(f"notes: {target}\nhear them: {sound or player_command(Path(target))}")
    return 0
