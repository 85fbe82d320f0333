"""``kelly train data make``: data sets that kelly makes itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from kelly.cli.checkout import training
from kelly.cli.options import JSON, VOICE, console, options

MAKE_SCHEMA = "kelly.train.data.make/1"


@click.group("make")
def make() -> None:
    """Make a data set here, with sounds and labels of our own."""


@make.command("cues")
@click.argument("path", metavar="[PATH]", required=False)
@click.option("--clips", metavar="N", type=click.IntRange(1), default=2000, show_default=True, help="How many clips there shall be.")
@click.option("--contrasts", metavar="N", type=click.IntRange(0), default=0, show_default=True, help="Beside the clips, pieces that are played again with one thing changed: mode, tempo, level, key, gain.")
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, show_default=True, help="What all of it is drawn from.")
@click.option("--soundfonts", metavar="FILE", multiple=True, help="A soundfont of training and validation clips; repeat for more.")
@click.option("--test-soundfont", metavar="FILE", default="", help="The soundfont of test clips, which no other clip has.")
@click.option("--jobs", metavar="N", type=click.IntRange(1), default=None, help="Processes; default: one per processor.")
@click.option("--keep-audio", is_flag=True, help="Keep the recordings too, as FLAC.")
@options(JSON, VOICE)
def cues(path: str | None, clips: int, contrasts: int, seed: int, soundfonts: tuple[str, ...], test_soundfont: str, jobs: int | None, keep_audio: bool, **flags: Any) -> int:
    """Compose, render and label the corpus of moods.

    About a second of two processors per clip of 23 s, ten per contrast. PATH is a folder; default: cues in kelly's cache. Interrupted, it
    goes on; asked for more clips, it adds them. Needs FluidSynth and soundfonts: by default those of Debian's packages
    fluid-soundfont-gm, timgm6mb-soundfont, opl3-soundfont and, for test clips, musescore-general-soundfont-small.
    """
    voice = console(flags)
    corpus = training("data.cues.corpus")
    folder = Path(path) if path else training("data.features").cache_folder() / "cues"
    fonts = [Path(font) for font in soundfonts] or corpus.TRAINING_FONTS
    test_font = Path(test_soundfont) if test_soundfont else corpus.TEST_FONT
    began = time.perf_counter()
    with voice.progress(f"making {clips:,} clips", clips) as advance:
        made = corpus.make(folder, clips, seed, fonts, test_font, jobs, keep_audio, advance)
    apart = 0
    if contrasts:
        with voice.progress(f"making {contrasts:,} contrasts", contrasts) as advance:
            apart = training("data.cues.contrasts").make(folder, contrasts, seed, fonts, jobs, advance)
    seconds = time.perf_counter() - began
    found = training("data.sets").load("cues", folder)
    facts = {"name": "cues", "path": str(folder), "items": len(found.items), "splits": found.counts(), "made": made, "contrasts": contrasts, "contrasts_made": apart, "seconds": round(seconds, 1)}
    if voice.json:
        voice.report(MAKE_SCHEMA, facts)
    else:
        splits = ", ".join(f"{split} {count:,}" for split, count in found.counts().items())
        voice.data(f"{len(found.items):,} clips in {folder}: {splits}; {made:,} made now{f' and {apart:,} of {contrasts:,} contrasts' if contrasts else ''}, in {seconds:,.0f} s")
    return 0
