"""``kelly run``: audio in, audio out, through an RTNeural file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kelly.cli.options import JSON, VOICE, console, options
from kelly.config import ARITHMETICS

SCHEMA = "kelly.run/1"


@click.command("run")
@click.argument("model", metavar="MODEL")
@click.argument("audio", metavar="AUDIO")
@click.option("-o", "--output", metavar="WAV", help="The file to write; default: AUDIO's name with -run.wav, here.")
@click.option("-b", "--block", metavar="FRAMES", type=click.IntRange(1, 1 << 20), default=128, help="Frames per call; default 128.")
@click.option("--control", "controls", metavar="X", type=float, multiple=True, help="Value of the next input behind the sound. Repeatable.")
@click.option("--add-input", is_flag=True, help="Add the sound to what the network answers, as some models are trained.")
@click.option("--subtype", type=click.Choice(("FLOAT", "PCM_24", "PCM_16")), default="FLOAT", help="Sample format; FLOAT never clips.")
@click.option("--arithmetic", type=click.Choice(ARITHMETICS), default="eigen", help="Whose rounding kelly follows.")
@options(JSON, VOICE)
def command(model: str, audio: str, output: str | None, **flags: Any) -> int:
    """Send audio through a network that runs at audio rate.

    For networks with one output and one input for the sound, such as guitar amplifiers (.json, .aidax). Every channel
    has a state of its own. Reports how many times faster than real time the network is.
    """
    own = {name: flags.pop(name) for name in ("block", "controls", "add_input", "subtype", "arithmetic")}
    voice = console(flags)
    from kelly.audio.sources import open_sound
    from kelly.audio.stream import run_file
    from kelly.nets.load import load_network

    network = load_network(model, own.pop("arithmetic"))
    target = Path(output) if output else Path(f"{Path(audio).stem}-run.wav")
    with open_sound(Path(audio)) as file:
        total = file.frames
    with voice.progress(Path(audio).name, total) as advance:
        done = run_file(network, audio, target, progress=advance, **own)
    if voice.json:
        voice.report(SCHEMA, {"output": str(target), **asdict(done)})
    else:
        voice.data(f"{target}: {done.seconds:.2f} s, {done.channels} channel{'s' if done.channels > 1 else ''}, peak {done.peak:.3f}")
    voice.narrate(f"network: {done.compute_s:.3f} s, {done.x_real_time:.1f} x real time")
    if done.peak > 1 and own["subtype"] != "FLOAT":
        voice.warn(f"{target}: clipped, the peak was {done.peak:.2f}")
    return 0
