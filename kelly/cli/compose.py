"""``kelly compose``: music from words."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from kelly.audio.synth import find_synth, render_midi
from kelly.cli.live import player_command
from kelly.cli.options import BAND, CONFIG, JSON, MODELS, SET, VOICE, console, options, settings
from kelly.errors import ConfigError, MidiFileError
from kelly.whole import whole, writable

SCHEMA = "kelly.compose/1"


@click.command("compose")
@click.argument("words", metavar="[WORDS]", required=False)
@click.option("--intent", metavar="FILE", help="Compose from a TOML file instead of words, such as one that was written beside a piece.")
@click.option("-o", "--output", metavar="MIDI", help="The MIDI file to write; default: the words' own name.")
@click.option("--bars", metavar="N", type=click.IntRange(1, 1024), help="Length, 1..1024; default 16.")
@click.option("--key", metavar="KEY", help='C, Am, Eb, F#m, "A minor", ...; default: chosen by mood and seed.')
@click.option("--tempo", metavar="BPM", help="Quarter notes per minute; default: by the mood.")
@click.option("--meter", metavar="METER", help="2/4 to 7/4, 6/8, 9/8 or 12/8; default 4/4.")
@click.option("--seed", metavar="N", help="Another seed, another piece of the same kind; default 0.")
@click.option("--audio", "sound", metavar="FILE", help="Also write how it sounds, with fluidsynth: .wav, .flac, .ogg or .aiff.")
@options(BAND, (SET,), MODELS, CONFIG, JSON, VOICE)
def command(words: str | None, intent: str | None, output: str | None, bars: int | None, sound: str | None, **flags: Any) -> int:
    """Compose from words: a mood, or one that turns into another.

    \b
    kelly compose "grief turning into hope" --bars 16 --key D --seed 3 -o hope.mid

    The band that plays along with a player plays here with an imagined one. Beside the MIDI file lies an
    intent file (.toml) that composes the same piece again; `kelly explain` tells why each note is there.
    """
    voice = console(flags)
    if (words is None) == (intent is None):
        raise ConfigError("expected words or --intent FILE, one of the two")
    config = settings(flags)
    from kelly.live.compose import compose_intent, from_file, length, recipe
    from kelly.music.intent import from_words

    if intent is not None:
        wanted, config = from_file(intent, config)
    else:
        wanted = from_words(words or "", float(bars or 16))
    target = writable(Path(output) if output else Path(f"{name_of(words or Path(intent or '').stem)}.mid"))
    if sound is not None:  # what is missing is better missed before the work
        writable(sound)
        find_synth()
    piece = compose_intent(wanted, config, length(wanted, bars))
    if target.suffix == ".toml":
        raise MidiFileError(f"{target}: the intent file has this name; call the piece {target.with_suffix('.mid')}")
    title = words or wanted.title or target.stem
    piece.write(target, title)
    beside = target.with_suffix(".toml")
    with whole(beside) as place:
        place.write_text(recipe(piece, title), encoding="utf-8")
    if sound is not None:
        render_midi(target, sound)
    sheet = piece.sheet
    if voice.json:
        voice.report(SCHEMA, {
            "midi_file": str(target), "intent_file": str(beside), "audio_file": sound, "intent": wanted.describe(),
            "key": sheet.key.short, "tempo_bpm": sheet.tempo_bpm, "tempi_bpm": list(sheet.tempi), "meter": sheet.meter, "bars": sheet.bars, "seed": sheet.seed,
            "form": sheet.form, "chords": sheet.symbols(), "played": piece.played, "sources": dict(piece.sources), "breaks": broken(piece),
        })  # fmt: skip
    else:
        voice.narrate(wanted.describe())
        home = " to ".join(str(key) for _, key in sheet.key_changes())
        tempo = f"{sheet.tempi[0]:g} to {sheet.tempi[-1]:g}" if sheet.tempi else f"{sheet.tempo_bpm:g}"
        voice.narrate(f"{home}, {tempo} bpm, {sheet.meter}, form {sheet.form}\n{sheet.symbols()}")
        for sentence in broken(piece):
            voice.narrate(sentence)
    voice.narrate(f"notes: {target}\nagain: kelly compose --intent {beside}\nhear them: {sound or player_command(target)}")
    return 0


def name_of(words: str) -> str:
    """A file's name from what somebody typed: letters, digits and hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", words.casefold()))[:60].strip("-") or "piece"


def broken(piece: Any) -> list[str]:
    """The rules that were broken, and why."""
    sheet = piece.sheet
    lent = [choice for choice in sheet.choices if choice.borrowed > 0]
    said = [
        f"modal interchange ({choice.borrowed:.2f}) in bar {choice.beat // sheet.beats_per_bar + 1}: {choice.chord.symbol(sheet.key_at(choice.beat))} is borrowed "
        f"from the parallel mode, for the mood there is {'darker' if sheet.key_at(choice.beat).mode > 0 else 'brighter'} than {sheet.key_at(choice.beat)}"
        for choice in lent
    ]
    keys = [*sheet.key_changes(), (sheet.bars, sheet.key)]
    turned = [
        f"modal interchange in bars {first + 1} to {following}: {key} in the place of {sheet.key}, for the mood there is "
        f"{'darker' if key.mode < 0 else 'brighter'}"
        for (first, key), (following, _) in pairwise(keys)
        if key != sheet.key
    ]
    return turned + said + list(piece.said)
