"""Options that several commands share, and how they become a Config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from kelly._rt.contract import NET_NAMES
from kelly.cli.console import Console
from kelly.config import ARITHMETICS, FEELS, Config, load_config
from kelly.controls import CONTROLS as ROWS
from kelly.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

SOUND = (
    click.option("--audio-in", metavar="SOURCE", help="A device (part of its name), file:PATH, demo, or auto."),
    click.option("--listen-midi", metavar="PORT", help="A MIDI keyboard is the player, instead of sound: a port (part of its name) or virtual[:NAME]."),
    click.option("--audio-channel", metavar="N", help="Listen to input channel N only (from 1); default: all, mixed."),
    click.option("--patience", metavar="S", help="Wait this long for a device that went; default 8."),
    click.option("--block", metavar="FRAMES", help="Frames per callback; 0 lets the driver choose."),
)
PORT = (
    click.option(
        "--midi-out", metavar="[SINK]", is_flag=False, flag_value="auto",
        help="virtual[:NAME], a port (part of its name), file:PATH, or auto, which is also what the bare flag means.",
    ),
)  # fmt: skip
PEDALS = (
    click.option("--midi-in", metavar="PORT", help="Clock, pedals and knobs: a port (part of its name) or virtual[:NAME]."),
    click.option("--control", metavar="ACTION=CONTROL", multiple=True, help='What does an action: "freeze=CC 21", "tap=note 36". Repeatable.'),
)
FEEL = click.option("--feel", "band_feel", metavar="WORD", help=f"{', '.join(FEELS[:-1])} or {FEELS[-1]}; default: as the groove has it.")
BAND = (
    FEEL,
    click.option("--midi-channel", metavar="PART=N", multiple=True, help="MIDI channel of a part: bass=3. Repeatable."),
    click.option("--program", metavar="PART=N", multiple=True, help="General MIDI program, 0..127, of a part. Repeatable."),
    click.option("--part", metavar="PART=on|off", multiple=True, help="Whether a part plays from the start: bass=off. Repeatable."),
    click.option("--range", metavar="PART=LOW-HIGH", multiple=True, help="Lowest and highest note of a part: melody=60-84. Repeatable."),
    click.option("--midi-cc", metavar="FEELING=CC", multiple=True, help='Send a feeling as a controller: valence=20, "chord=CC 24 on channel 5". valence, arousal, tension, emotion, chord; channel 16 by default. Repeatable.'),
    click.option("--preset", metavar="NAME", help="Begin with these settings; see `kelly presets list`."),
)
MUSIC = (
    click.option("--key", metavar="KEY", help='auto, C, Am, Eb, F#m, "A minor", ...'),
    click.option("--tempo", metavar="BPM", help="Quarter notes per minute, or auto."),
    click.option("--meter", metavar="N/4|6/8", help="2/4 to 7/4, 6/8, 9/8 or 12/8; default 4/4."),
    click.option("--chords", metavar="CHORDS", help='One chord per bar, repeated: "C Am F G".'),
    FEEL,
    click.option("--mood", metavar="WORDS", help='Drive the nets with a mood instead of listening for one: "calm, a little sad".'),
    click.option("--intent", metavar="FILE", help="The same from a TOML file: a mood, or a way from one to another over N bars."),
    click.option("--gate", metavar="DB", help="Level below which nobody plays, dBFS; default -60."),
    click.option("--seed", metavar="N", help="Seed of every random draw; the same seed plays the same notes."),
    click.option("--look-ahead", metavar="MS", help="Plan notes at least this far ahead; default 20."),
    click.option("--latency-ms", metavar="MS", help="Planned notes leave so much early; `kelly doctor --loop` measures how much."),
    click.option("--reflex", metavar="NOTE", help="Strike this MIDI note at every onset at once, on channel 16 (the next free one below where a part has it); off by default."),
    *BAND[1:],
)
SET = click.option("--set", "turned", metavar="NAME=VALUE", multiple=True, help=f"Turn a control: density=.4. Repeatable. {', '.join(row[0] for row in ROWS)}.")
CONTROLS = (
    SET,
    *(click.option(f"--personal-{name}", metavar="V,A,T,OFFSET", help=f"Your {name}, of the recognizer's three; kelly train personal finds it.") for name in ("valence", "arousal", "tension")),
)
OSC = (click.option("--osc", metavar="[HOST:]PORT", help="Tell what is felt and heard by OSC; without HOST to this machine only."),)
HOOKS = (
    click.option("--hook", "hooks", metavar="FILE.py:NAME", multiple=True, help="A Python function that takes part, compiled by Numba; its file is run. Repeatable."),
)
RECORD = (click.option("--record", metavar="FOLDER", help="Keep a take: sound, notes, feeling and settings, aligned."),)
TAIL = (
    click.option("--tail", metavar="S", help="Silence after the end of a file, for a last chord; default 6; 0 cuts off."),
    click.option("--end", metavar="S", help="Seconds at which the player ends and the band closes; default: the end of a file."),
)
MODELS = (
    click.option("--models", metavar="FOLDER", help="Where the five nets are."),
    click.option("--strict-models", is_flag=True, default=None, help="Exit 4 when a net is missing or broken."),
    click.option("--disable", metavar="NET", multiple=True, help="Switch a net off. Repeatable."),
    click.option("--enable", metavar="NET", multiple=True, help="Take a net even if its card says that the rule is better. Repeatable."),
    *(
        click.option(f"--no-{name}", f"no_{name}", is_flag=True, help=f"The same as --disable {name}.")
        for name in NET_NAMES
    ),
    click.option("--arithmetic", type=click.Choice(ARITHMETICS), help="Whose rounding the nets follow."),
)  # fmt: skip
CONFIG = (click.option("--config", metavar="FILE", help="Read this file in the place of ./kelly.toml."),)
JSON = (click.option("--json", "json", is_flag=True, help="Report as JSON on stdout."),)
VOICE = (
    click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors."),
    click.option("-v", "--verbose", count=True, help="Also what libraries say; twice: tracebacks."),
)


def options(*groups: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    """Apply groups of options in the order of the help page."""

    def apply(function: F) -> F:
        for group in reversed(groups):
            for option in reversed(group):
                function = option(function)
        return function

    return apply


def console(flags: dict[str, Any]) -> Console:
    """Take -q, -v and --json out of the flags."""
    quiet, verbose = flags.pop("quiet", False), flags.pop("verbose", 0)
    voice = Console(-1 if quiet else verbose, flags.pop("json", False))
    voice.listen()
    return voice


def settings(flags: Mapping[str, Any]) -> Config:
    """The Config of a command line: flags over environment over files, musical text and net names checked.

    raises  ConfigError
    """
    config = load_config(flags.get("config"), flag_values(flags))
    check(config)
    return config


def flag_values(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Values by ``Setting.name`` of the options that were given."""
    given = {name: value for name, value in flags.items() if name != "config"}
    off = [name for name in NET_NAMES if given.pop(f"no_{name}", False)]
    given["disable"] = (*given.pop("disable", ()), *off)
    given |= turned(given.pop("turned", ()))
    return {name: value for name, value in given.items() if value is not None and value != ()}


def turned(pairs: Sequence[str]) -> dict[str, str]:
    """Of ``--set NAME=VALUE``: flags by the controls' names; ConfigError for a name that is none."""
    from kelly.config import did_you_mean

    values, names = {}, [row[0] for row in ROWS]
    for pair in pairs:
        name, equals, value = (word.strip() for word in pair.partition("="))
        if not equals or not value:
            raise ConfigError(f"--set: expected NAME=VALUE, found {pair!r}")
        if name not in names:
            raise ConfigError(f"--set: no control is called {name!r}; there are: {', '.join(names)}{did_you_mean(name, names)}")
        values[name] = value
    return values


def check(config: Config) -> None:
    """Refuse keys, chords and nets that don't exist before anything is opened."""
    from kelly.config import did_you_mean
    from kelly.live.intent import intent_of
    from kelly.live.osc import read_address
    from kelly.midi.inputs import bindings
    from kelly.music.chord import chords_by_beat, parse_progression
    from kelly.music.scale import parse_key

    for setting, name in [*(("disabled", name) for name in config.models.disabled), *(("enabled", name) for name in config.models.enabled)]:
        if name not in NET_NAMES:
            origin = config.origins.get(f"models.{setting}", f"models.{setting}")
            raise ConfigError(f"{origin}: no net is called {name!r}; the nets are {', '.join(NET_NAMES)}{did_you_mean(name, NET_NAMES)}")
    if config.audio.keyboard and config.origins.get("audio.input", "") == "--audio-in":
        raise ConfigError(f"{config.origins['audio.keyboard']}: a keyboard plays in the place of sound; --audio-in is one too many")
    try:
        where = config.origins.get("music.key", "key")
        parse_key(config.music.key)
        where = config.origins.get("music.chords", "chords")
        if config.music.chords.strip():
            chords_by_beat(parse_progression(config.music.chords), config.music.beats_per_bar)
        where = "midi.controls"
        bindings(config.midi.controls)
        where = config.origins.get("osc.to", "osc")
        if config.osc.to:
            read_address(config.osc.to)
        where = config.origins.get("music.mood" if config.music.mood else "music.intent", "mood")
        intent_of(config)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
