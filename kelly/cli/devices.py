"""``kelly devices``: what can be listened to, what can be played to, and who can lead."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from kelly.cli.console import Console, table
from kelly.cli.options import JSON, VOICE, console, options
from kelly.errors import DeviceError

SCHEMA = "kelly.devices/1"


@click.command("devices")
@options(JSON, VOICE)
def command(**flags: Any) -> int:
    """List audio inputs, MIDI outputs and MIDI inputs.

    Any part of a name that fits only one of them can be given to --audio-in, --midi-out and --midi-in.
    """
    voice = console(flags)
    inputs, audio_problem = audio()
    midi, midi_problem = ports()
    if voice.json:
        voice.report(SCHEMA, {
            "audio_inputs": [dataclasses.asdict(device) for device in inputs], "audio_problem": audio_problem,
            "midi_outputs": midi["outputs"], "midi_inputs": midi["inputs"], "midi_apis": midi["apis"], "virtual_ports": midi["virtual"], "midi_problem": midi_problem,
        })  # fmt: skip
    else:
        show_audio(voice, inputs, audio_problem)
        voice.data("")
        show_midi(voice, midi, midi_problem)
    voice.chatter()
    return 0


def audio() -> tuple[tuple[Any, ...], str]:
    """The inputs, and why there are none when PortAudio itself is the reason."""
    from kelly.audio.devices import audio_inputs

    try:
        return audio_inputs(refresh=True), ""
    except DeviceError as error:
        return (), str(error)


def ports() -> tuple[dict[str, Any], str]:
    from kelly.midi.listener import midi_inputs
    from kelly.midi.ports import midi_apis, midi_outputs, virtual_ports

    try:
        return {"outputs": midi_outputs(), "inputs": midi_inputs(), "apis": midi_apis(), "virtual": virtual_ports()}, ""
    except DeviceError as error:
        return {"outputs": (), "inputs": (), "apis": (), "virtual": False}, str(error)


def show_audio(voice: Console, inputs: tuple[Any, ...], problem: str) -> None:
    if inputs:
        rows = [(d.name, d.host_api, d.channels, int(d.sample_rate_hz), "default" if d.default else "") for d in inputs]
        voice.data(table(("audio input", "system", "channels", "Hz", ""), rows))
    else:
        voice.data(f"no audio input{f': {problem}' if problem else ''}")
        voice.narrate("`kelly live` plays its demo instead; --audio-in file:PATH plays a file")


def show_midi(voice: Console, midi: dict[str, Any], problem: str) -> None:
    if midi["outputs"]:
        voice.data(table(("MIDI output",), [(name,) for name in midi["outputs"]]))
    else:
        voice.data(f"no MIDI output{f': {problem}' if problem else ''}")
    if midi["inputs"]:
        voice.data("")
        voice.data(table(("MIDI input",), [(name,) for name in midi["inputs"]]))
    if midi["virtual"]:
        voice.narrate("--midi-out virtual:NAME makes a port that other programs can connect to")
    else:
        voice.narrate("no virtual ports here either: --midi-out file:PATH writes a MIDI file")
