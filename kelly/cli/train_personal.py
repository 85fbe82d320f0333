"""``kelly train personal``: mood as you mean it, from a minute of your own playing."""

from __future__ import annotations

import csv
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from kelly.cli.console import Console
from kelly.cli.options import CONFIG, JSON, MODELS, VOICE, console, options, settings
from kelly.config import Config, PersonalConfig, own_presets, toml_value
from kelly.errors import AudioFileError, ConfigError, DataError
from kelly.music.personal import MOODS, applied, fit, nearest, ordered, targets
from kelly.whole import folder_made, whole

SCHEMA = "kelly.train.personal/1"
ENOUGH = 0.8  # of the held-out pairs of moods in their order
FURTHER = "play the moods further apart (louder, faster, another mode), and longer"
WINDOW_S, SETTLE_S = 2.0, 4.0  # of playing, per row of the fit; before which the recognizer knows little


@click.command("personal")
@click.argument("name", metavar="NAME")
@click.option("--happy", metavar="WAV", multiple=True, help="You, playing what you call happy. Repeatable, as the others.")
@click.option("--sad", metavar="WAV", multiple=True, help="Sad.")
@click.option("--angry", metavar="WAV", multiple=True, help="Angry, tense.")
@click.option("--calm", metavar="WAV", multiple=True, help="Calm, tender.")
@click.option("--labels", metavar="CSV", default="", help="Instead: file,time,valence,arousal with values within -1..1, as of the data set `table`.")
@click.option("--record", metavar="DEVICE", default="", help="Instead: play the four moods now, 15 seconds each, into this audio input.")
@click.option("--seconds", metavar="S", type=click.FloatRange(8, 120), default=15.0, show_default=True, help="Of each mood that is recorded.")
@click.option("-o", "--output", metavar="FILE", default="", help="The settings as a file for --config; default: a preset of your own.")
@click.option("--force", is_flag=True, help="Replace a preset that exists.")
@options(MODELS, CONFIG, JSON, VOICE)
def command(name: str, labels: str, record: str, seconds: float, output: str, force: bool, **flags: Any) -> int:
    """Fit what kelly feels to what you mean: a minute of your playing in four moods.

    What comes of it is a preset: `kelly live --preset NAME`. The recordings stay where they are and nothing else is
    kept; recorded moods are deleted when the fit is done. The order of moods is checked on the second half of each
    recording, which the check's own fit has not seen.
    """
    voice = console(flags)
    given = {mood: [Path(path) for path in flags.pop(mood)] for mood in MOODS}
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f"a preset's name is made of letters, digits, - and _, found {name!r}")
    target = Path(output) if output else own_presets() / f"{name}.toml"
    if not output and target.exists() and not force:
        raise ConfigError(f"{target}: exists; --force replaces it")
    config = replace(settings(flags), personal=PersonalConfig())
    if sum((bool(labels), bool(record), any(given.values()))) != 1:
        raise click.UsageError("give recordings of moods (--happy a.wav --sad b.wav ...), or --labels CSV, or --record DEVICE")
    if record:
        with tempfile.TemporaryDirectory(prefix="kelly-personal-") as folder:
            halves, moods = of_moods(recorded(record, seconds, Path(folder), voice), config, voice)
    elif labels:
        halves, moods = of_labels(Path(labels), config, voice)
    else:
        halves, moods = of_moods({mood: paths for mood, paths in given.items() if paths}, config, voice)
    if len(moods) < 2:
        raise DataError("two moods or more are needed, four are better")
    facts = checked(halves, moods)
    if facts["order"] < facts["order_before"]:
        raise DataError(f"nothing is written: held out, the order of moods would be right in {facts['order']:.0%} of pairs, and is in {facts['order_before']:.0%} as it is; {FURTHER}")
    if facts["order"] < ENOUGH:
        voice.warn(f"the order of moods is right in {facts['order']:.0%} of held-out pairs, less than {ENOUGH:.0%}: they sound alike to kelly; {FURTHER}")
    rows, wanted, weights = stacked({mood: np.concatenate(parts) for mood, parts in halves.items()}, moods)
    personal = fit(rows, wanted, weights)
    save(target, name, personal)
    if voice.json:
        voice.report(SCHEMA, {"written": str(target), "personal": np.round(personal, 4).tolist(), **facts})
        return 0
    shown = "\n".join(f"  {axis:8} {'  '.join(f'{value:+.2f}' for value in row)}" for axis, row in zip(("valence", "arousal", "tension"), personal, strict=True))
    voice.data(f"{name}: of what kelly feels (valence, arousal, tension, 1)\n{shown}")
    voice.data(f"held out: order of moods right in {facts['order']:.0%} of {facts['pairs']} pairs (without it {facts['order_before']:.0%}), "
               f"nearest to its own mood {facts['nearest']:.0%} of {facts['windows']} windows (without it {facts['nearest_before']:.0%})")  # fmt: skip
    use = f"--config {target}" if output else f"--preset {name}"
    voice.narrate(f"written: {target}; kelly live {use}")
    return 0


Halves = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Per mood: windows (n, 3) of the first and of the second half of what was played."""


def heard(path: Path, config: Config, voice: Console) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(end in seconds (n,), mean valence, arousal, tension (n, 3)) of windows in which somebody plays.

    raises  AudioFileError for a recording that holds none
    """
    from kelly.live.analyze import analyze_config

    with voice.share(path.name) as progress:
        track = analyze_config(path, config, progress)
    curves = np.stack([track.valence, track.arousal, track.tension], axis=1).astype(float)
    times, rows = [], []
    for start in np.arange(SETTLE_S, track.times_s[-1] - WINDOW_S + 0.05, WINDOW_S):
        here = (track.times_s > start) & (track.times_s <= start + WINDOW_S) & track.playing
        if here.mean() * len(here) * 0.04 > WINDOW_S / 2:
            times.append(start + WINDOW_S)
            rows.append(curves[here].mean(0))
    if not rows:
        raise AudioFileError(f"{path}: nobody plays in it for {SETTLE_S + WINDOW_S:g} seconds")
    return np.array(times), np.array(rows)


def of_moods(given: Mapping[str, list[Path]], config: Config, voice: Console) -> tuple[Halves, dict[str, tuple[float, float]]]:
    """Recordings by mood."""
    halves = {}
    for mood, paths in given.items():
        parts = [heard(path, config, voice)[1] for path in paths]
        halves[mood] = (np.concatenate([part[: (len(part) + 1) // 2] for part in parts]), np.concatenate([part[(len(part) + 1) // 2 :] for part in parts]))
    return halves, {mood: MOODS[mood] for mood in given}


def of_labels(path: Path, config: Config, voice: Console) -> tuple[Halves, dict[str, tuple[float, float]]]:
    """A CSV of (file, time, valence, arousal): every file is a mood of its own, rated on the mean.

    raises  DataError for a column, a file or a number that is missing
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = list(csv.DictReader(file, skipinitialspace=True))
        rated: dict[str, list[tuple[float, float, float]]] = {}
        for row in table:
            values = (float(row["time"]), float(row["valence"]), float(row["arousal"]))
            if not all(abs(value) <= 1 for value in values[1:]):
                raise ValueError(f"{row['file']}: valence and arousal lie within -1..1, found {values[1:]}")
            rated.setdefault(row["file"], []).append(values)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not readable as file,time,valence,arousal: {error}") from error
    halves, moods = {}, {}
    for name, marks in rated.items():
        rows = heard(path.parent / name, config, voice)[1]
        half = (len(rows) + 1) // 2
        halves[name] = (rows[:half], rows[half:])
        moods[name] = (float(np.mean([mark[1] for mark in marks])), float(np.mean([mark[2] for mark in marks])))
    return halves, moods


def recorded(device: str, seconds: float, folder: Path, voice: Console) -> dict[str, list[Path]]:
    """The four moods, played now."""
    import soundfile

    from kelly.audio.devices import find_input, portaudio, translated

    found, sound = find_input(device), portaudio()
    rate = int(found.sample_rate_hz)
    out = {}
    for mood in MOODS:
        voice.narrate(f"{mood}: play for {seconds:g} s, from now")
        try:
            samples = sound.rec(int(seconds * rate), samplerate=rate, channels=1, device=found.index, dtype="float32", blocking=True)
        except Exception as error:
            raise translated(error, f"recording from {found.name}") from error
        out[mood] = [folder / f"{mood}.wav"]
        soundfile.write(out[mood][0], samples, rate)
        time.sleep(0.5)
    return out


def stacked(said: Mapping[str, NDArray[np.float64]], moods: Mapping[str, tuple[float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Windows, what they were meant to be, and weights that make all moods count alike."""
    rows = np.concatenate([said[mood] for mood in said])
    wanted = np.concatenate([np.tile(targets(moods[mood]), (len(said[mood]), 1)) for mood in said])
    weights = np.concatenate([np.full(len(said[mood]), 1 / max(1, len(said[mood]))) for mood in said])
    return rows, wanted, weights


def checked(halves: Halves, moods: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """How a fit on the first halves does on the second ones."""
    second = {mood: halves[mood][1] for mood in moods if len(halves[mood][1])}
    if len(second) < 2:
        raise DataError(f"the recordings are too short to be checked; {SETTLE_S + 2 * WINDOW_S:g} seconds of playing each, at least")
    personal = fit(*stacked({mood: halves[mood][0] for mood in moods}, moods))
    adapted = {mood: applied(rows, personal) for mood, rows in second.items()}
    (right, pairs), (before, _) = ordered(adapted, moods), ordered(second, moods)
    (near, windows), (near_before, _) = nearest(adapted, moods), nearest(second, moods)
    return {
        "order": right / max(1, pairs), "order_before": before / max(1, pairs), "pairs": pairs,
        "nearest": near / windows, "nearest_before": near_before / windows, "windows": windows,
    }  # fmt: skip


def save(path: Path, name: str, personal: NDArray[np.float64]) -> None:
    """The preset: numbers, and nothing of what was played."""
    rows = (f"{axis} = {toml_value(tuple(round(float(value), 4) for value in row))}" for axis, row in zip(("valence", "arousal", "tension"), personal, strict=True))
    with whole(folder_made(path)) as part:
        part.write_text("\n".join([f"# moods as {name} means them; kelly train personal", "[personal]", *rows, ""]), encoding="utf-8")
