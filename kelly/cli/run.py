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
@click.option("--add-input/--no-add-input", default=None, help="Add the sound to what the network answers; default: the file's in_skip, else no.")
@click.option("--in-gain", "in_gain_db", metavar="DB", type=click.FloatRange(-60, 60), default=None, help="Gain before the network; default: the file's in_gain, else 0.")
@click.option("--out-gain", "out_gain_db", metavar="DB", type=click.FloatRange(-60, 60), default=None, help="Gain behind it; default: the file's out_gain, else 0.")
@click.option("--subtype", type=click.Choice(("FLOAT", "PCM_24", "PCM_16")), default="FLOAT", help="Sample format; FLOAT never clips.")
@click.option("--arithmetic", type=click.Choice(ARITHMETICS), default="eigen", help="Whose rounding kelly follows.")
@options(JSON, VOICE)
def command(model: str, audio: str, output: str | None, **flags: Any) -> int:
    """Send audio through a network that runs at audio rate.

    For networks with one output and one input for the sound, such as guitar amplifiers (.json, .aidax). Every channel
    has a state of its own. Gains, the skip and the sample rate that an .aidax file names are kept to; a recording of
    another rate is warned of. Reports how many times faster than real time the network is.
    """
    own = {name: flags.pop(name) for name in ("block", "controls", "subtype", "arithmetic")}
    asked = {name: flags.pop(name) for name in ("add_input", "in_gain_db", "out_gain_db")}
    voice = console(flags)
    from kelly.audio.sources import open_sound
    from kelly.audio.stream import run_file
    from kelly.nets.amplifier import surroundings
    from kelly.nets.load import load_network

    network = load_network(model, own.pop("arithmetic"))
    around = surroundings(model)
    own |= {name: getattr(around, name) if value is None else value for name, value in asked.items()}
    target = Path(output) if output else Path(f"{Path(audio).stem}-run.wav")
    with open_sound(Path(audio)) as file:
        total = file.frames
        if around.sample_rate_hz is not None and around.sample_rate_hz != file.samplerate:
            voice.warn(f"{model} was made for {around.sample_rate_hz:g} Hz, {audio} has {file.samplerate} Hz: it will sound brighter or darker")
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
