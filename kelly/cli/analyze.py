"""``kelly analyze``: what kelly hears, as a table over time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click

from kelly.cli.options import CONFIG, JSON, MODELS, VOICE, console, options, settings
from kelly.whole import whole, writable

SCHEMA = "kelly.analyze/1"

GIVEN = (
    click.option("--key", metavar="KEY", help='auto, C, Am, Eb, F#m, "A minor", ...'),
    click.option("--tempo", metavar="BPM", help="Quarter notes per minute, or auto."),
    click.option("--meter", metavar="N/4|6/8", help="2/4 to 7/4, 6/8, 9/8 or 12/8; default 4/4."),
    click.option("--gate", metavar="DB", help="Level below which nobody plays, dBFS; default -60."),
)


@click.command("analyze")
@click.argument("audio", metavar="AUDIO")
@click.option("-o", "--output", metavar="CSV", help="The table as a file; default: stdout.")
@click.option("--plot", metavar="PNG", help="A picture of it: feelings, key, chords and beats over time, and the way through the moods.")
@click.option("--audio-channel", metavar="N", help="Listen to channel N only (from 1); default: all, mixed.")
@click.option("--features", is_flag=True, help="Add the 128 features to every line.")
@options(GIVEN, MODELS, CONFIG, JSON, VOICE)
def command(audio: str, output: str | None, plot: str | None, features: bool, **flags: Any) -> int:
    """Hear what kelly hears in a recording: mood, key, tempo, chords.

    Writes a CSV with one line per 40 ms: time_s; valence, arousal, tension (-1 to 1) and confidence (0 to 1); key, tempo_bpm,
    chord, empty or 0 where none is known; beat, how many fell into the line; playing, 1 or 0. --plot needs matplotlib.
    """
    voice = console(flags)
    config = settings(flags)
    from kelly.live.analyze import analyze_config

    for place in (output, plot):  # better missed before the work
        if place:
            writable(place)
    with voice.share(Path(audio).name) as progress:
        track = analyze_config(audio, config, progress)
    if output:
        with whole(output) as part, open(part, "w", encoding="utf-8", newline="") as file:
            track.write_csv(file, features)
    if plot:
        from kelly.cli.track_picture import picture

        picture(track, Path(plot), Path(audio).stem)
    if voice.json:
        curves = {name: [round(float(value), 4) for value in getattr(track, name)] for name in ("valence", "arousal", "tension")}
        beats = [round(float(beat), 4) for beat in track.beats_s]
        head = {"key": track.key, "tempo_bpm": track.tempo_bpm, "beats_s": beats, "chords": track.chords, **curves}
        voice.report(SCHEMA, {"audio": audio, "csv": output, "plot": plot, "times_s": [round(float(t), 3) for t in track.times_s], **head})
    elif not output and not plot:
        text = io.StringIO()
        track.write_csv(text, features)
        click.echo(text.getvalue(), nl=False)
    mean = ", ".join(f"{name} {float(getattr(track, name).mean()):+.2f}" for name in ("valence", "arousal", "tension"))
    tempo = f"{track.tempo_bpm:.1f} bpm" if track.tempo_bpm else "no trusted beat"
    voice.narrate(f"{track.key or 'no key'}, {tempo}, {len(track.beats_s)} beats; on the mean {mean}")
    return 0
