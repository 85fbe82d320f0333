"""Settings: frozen dataclasses, filled from flags, environment and TOML files in one function.

Precedence, highest first: flag, ``KELLY_*`` variable, ``./kelly.toml`` (or the file that ``--config``
names), the user's own ``kelly.toml``, default; a preset stands just below the place that names it.  ``Config.origins`` says for every setting which of
them it came from.  Musical text (keys, chords) stays text here; ``kelly.music`` reads it.

Adding a setting is a field of a dataclass and a row of SETTINGS.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kelly.controls import CONTROLS
from kelly.errors import ConfigError
from kelly.presets import find_preset

FILE_NAME = "kelly.toml"
DEFAULT_CHANNELS: Mapping[str, int] = MappingProxyType({"chords": 1, "melody": 2, "bass": 3, "drums": 10, "counter": 4, "pad": 5})
LATER_PARTS = ("counter", "pad")
FEELINGS = ("valence", "arousal", "tension", "emotion", "chord")
ARITHMETICS = ("eigen", "stl", "xsimd", "fast", "int16", "int8")


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """What kelly hears.

    input         "auto", "demo", "file:PATH", or an unambiguous part of a device's name
    keyboard      a MIDI keyboard as the player in the place of sound: "virtual[:NAME]", or part of a port's name; "" for none
    channel       1-based input channel; None mixes all of a file, the first two of a device
    gate_db       dBFS below which nobody plays, -119..-1
    block_frames  frames per callback; 0 lets the driver choose
    tail_s        silence after the last frame of a file, in which the music ends, 0..60; 0: it does not, it is cut off
    end_s         seconds into the stream at which the player has ended, 0..86400; None: where a file with a tail does
    patience_s    how long a device that went is waited for, 0..3600
    """

    input: str = "auto"
    keyboard: str = ""
    channel: int | None = None
    gate_db: float = -60.0
    block_frames: int = 0
    tail_s: float = 6.0
    end_s: float | None = None
    patience_s: float = 8.0


@dataclass(frozen=True, slots=True)
class MidiConfig:
    """Where the notes go.

    output    "auto", "virtual[:NAME]", "file:PATH", or an unambiguous part of a port's name
    input     clock, pedals and knobs: "virtual[:NAME]", or an unambiguous part of a port's name; "" listens to none
    controls  action -> control, such as {"freeze": "CC 21", "tap": "note 36"}; an action that is missing keeps its own
    channels  MIDI channel per part, 1..16, no two alike
    programs  General MIDI program per part, 0..127 as on the wire; a missing part keeps its own
    parts     whether a part plays from the start, such as {"bass": false}; a missing part does
    ranges    lowest and highest note of a part, such as {"melody": "60-84"}, an octave at least; a missing part keeps its own
    cc        feeling -> controller that tells it, such as {"valence": "20", "chord": "CC 24 on channel 5"}; else channel 16
    """

    output: str = "auto"
    input: str = ""
    controls: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    channels: Mapping[str, int] = field(default_factory=lambda: DEFAULT_CHANNELS)
    programs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    parts: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    ranges: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cc: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


METER = "[2-7]/4|(6|9|12)/8"
METERS = "a meter from 2/4 to 7/4, or 6/8, 9/8 or 12/8"


@dataclass(frozen=True, slots=True)
class MusicConfig:
    """What is known about the music in advance; "auto", None and "" leave it to the tracker.

    key        "auto", "C", "Am", "Eb", "F#m", "A minor"
    tempo_bpm  beats per minute, 30..300
    meter      "N/4" with N in 2..7, or "6/8", "9/8", "12/8", whose beats are dotted quarters
    chords     one chord per bar, repeated, such as "C Am F G"; with bar lines several: "C | Am F | G"
    seed       of every random draw, 0..2**63-1
    mood       words that drive the nets in the recognizer's place, such as "calm, a little sad"; "" listens
    intent     a TOML file with a mood or a way from one to another; "" for none
    preset     a named file of settings (`kelly presets`), which stands just below the place that names it; "" for none
    """

    key: str = "auto"
    tempo_bpm: float | None = None
    meter: str = "4/4"
    chords: str = ""
    seed: int = 0
    mood: str = ""
    intent: str = ""
    preset: str = ""

    @property
    def beats_per_bar(self) -> int:
        return int(self.meter.split("/")[0]) // (3 if self.ternary else 1)

    @property
    def ternary(self) -> bool:
        """Whether a beat has three eighths."""
        return self.meter.endswith("/8")


@dataclass(frozen=True, slots=True)
class ModelsConfig:
    """Which nets are asked.

    path      folder with the five nets, or several joined as in PATH; "" searches as usual
    strict    a missing or broken net is an error instead of a labelled fallback
    disabled  nets that are off
    enabled   nets that answer even where their file says that the rule is better
    """

    path: str = ""
    strict: bool = False
    disabled: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How it runs.

    arithmetic     "eigen" or "stl": whose rounding the nets follow
    look_ahead_ms  how far ahead notes are planned at least, 5..500
    latency_ms     how long sound takes to kelly and notes take to the ear, together, 0..500: planned notes leave
                   that much early; `kelly doctor --loop` measures it
    reflex_note    MIDI note struck at each onset without waiting for the musician, None for none
    """

    arithmetic: str = "eigen"
    look_ahead_ms: float = 20.0
    latency_ms: float = 0.0
    reflex_note: int | None = None


@dataclass(frozen=True, slots=True)
class OscConfig:
    """Who is told by OSC what is felt and heard.

    to  "HOST:PORT", or a port of this machine's own loopback; "" for nobody
    """

    to: str = ""


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What is kept.

    folder  where each session leaves a take (see kelly.live.take); "" for none
    """

    folder: str = ""


@dataclass(frozen=True, slots=True)
class PersonalConfig:
    """Valence, arousal and tension as a player means them; `kelly train personal` finds the numbers.

    valence  shares of the recognizer's valence, arousal and tension in the player's valence, and an offset; each -4..4
    arousal  the same for arousal
    tension  the same for tension
    """

    valence: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    arousal: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)
    tension: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 0.0)

    @property
    def rows(self) -> tuple[tuple[float, float, float, float], ...] | None:
        """The three, for the worker; None where they change nothing."""
        return None if self == PersonalConfig() else (self.valence, self.arousal, self.tension)


ControlsConfig = make_dataclass(
    "ControlsConfig", [(name, float, field(default=default)) for name, _, _, default, _, _ in CONTROLS], frozen=True, slots=True
)
ControlsConfig.__doc__ = "What the player may turn while the music goes on, as it stands at the start.\n\n" + "\n".join(
    f"    {name}  {meaning}; {low:g}..{high:g}{' ' + unit if unit else ''}" for name, low, high, _, unit, meaning in CONTROLS
)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a session needs to know.

    origins  where each setting came from, such as {"music.key": "kelly.toml:3"}; unnamed ones are defaults
    """

    audio: AudioConfig = field(default_factory=AudioConfig)
    midi: MidiConfig = field(default_factory=MidiConfig)
    music: MusicConfig = field(default_factory=MusicConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    osc: OscConfig = field(default_factory=OscConfig)
    controls: Any = field(default_factory=ControlsConfig)
    personal: PersonalConfig = field(default_factory=PersonalConfig)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def items(self) -> Iterable[tuple[str, Any, str]]:
        """Rows (key, value, origin) in the order of SETTINGS; tables give one row per entry."""
        for setting in SETTINGS:
            value = getattr(getattr(self, setting.section), setting.field)
            if isinstance(value, Mapping):
                for part, number in value.items():
                    key = f"{setting.key}.{part}"
                    yield key, number, self.origins.get(key, "default")
            else:
                yield setting.key, value, self.origins.get(setting.key, "default")


# Readers: (value, textual) -> value.  ``textual`` values come from flags and the environment.
Reader = Callable[[Any, bool], Any]


def _kind(value: Any) -> str:
    names = {bool: "true/false", int: "an integer", float: "a number", str: "text", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)


def _text(choices: tuple[str, ...] = (), pattern: str = "", meaning: str = "") -> Reader:
    def read(value: Any, textual: bool) -> str:
        if not isinstance(value, str):
            raise ValueError(f"expected text, found {_kind(value)}")
        if choices and value not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, found {value!r}{did_you_mean(value, choices)}")
        if pattern and not re.fullmatch(pattern, value):
            raise ValueError(f"expected {meaning}, found {value!r}")
        return value

    return read


def _number(low: float, high: float, whole: bool = False, optional: str = "") -> Reader:
    noun = "an integer" if whole else "a number"

    def read(value: Any, textual: bool) -> Any:
        if value is None or (optional and value == optional):
            return None
        if textual and isinstance(value, str):
            try:
                value = int(value) if whole else float(value)
            except ValueError:
                raise ValueError(f"expected {noun}{f' or {optional!r}' if optional else ''}, found {value!r}") from None
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise ValueError(f"expected {noun}, found {_kind(value)}")
        if not low <= value <= high:
            raise ValueError(f"expected {noun} from {low:g} to {high:g}, found {value}")
        return value if whole else float(value)

    return read


def _switch(value: Any, textual: bool) -> bool:
    if textual and isinstance(value, str):
        words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
        if value.lower() not in words:
            raise ValueError(f"expected true or false, found {value!r}")
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {_kind(value)}")
    return value


def _names(value: Any, textual: bool) -> tuple[str, ...]:
    if textual and isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"expected a list of names, found {_kind(value)}")
    return tuple(value)


def _parts(entry: Reader, noun: str = "part", names: tuple[str, ...] = tuple(DEFAULT_CHANNELS), form: str = "PART=N") -> Reader:
    def read(value: Any, textual: bool) -> dict[str, Any]:
        if textual and isinstance(value, str):
            value = [item for item in re.split(r"\s*,\s*|\s+(?=\w+=)", value.strip()) if item]
        if isinstance(value, list | tuple) and textual:
            pairs = [str(item).partition("=") for item in value]
            if bad := [item for item, pair in zip(value, pairs, strict=True) if not pair[1]]:
                raise ValueError(f"expected {form}, found {bad[0]!r}")
            value = {name.strip(): text.strip() for name, _, text in pairs}
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a table of {noun}s, found {_kind(value)}")
        for name in value:
            if name not in names:
                raise ValueError(f"no {noun} is called {name!r}; the {noun}s are {', '.join(names)}{did_you_mean(name, names)}")
        return {name: entry(item, textual) for name, item in value.items()}

    return read


def _range(value: Any, textual: bool) -> str:
    """ "60-84": an octave at least, within 0..127."""
    found = re.fullmatch(r"\s*(\d{1,3})\s*-\s*(\d{1,3})\s*", value) if isinstance(value, str) else None
    if found is None or not 0 <= int(found[1]) <= int(found[2]) - 11 <= 116:
        raise ValueError(f"expected LOWEST-HIGHEST, such as 60-84, at least an octave within 0..127, found {value!r}")
    return f"{int(found[1])}-{int(found[2])}"


def _controller(value: Any, textual: bool) -> str:
    """ "20", 20 or "CC 20 on channel 5" -> the last form; channel 16 where none is said."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = re.fullmatch(r"\s*(?:cc\s*)?(\d{1,3})(?:\s+on\s+channel\s+(\d{1,2}))?\s*", text, re.IGNORECASE) if isinstance(text, str) else None
    channel = int(found[2] or 16) if found else 0
    if found is None or int(found[1]) > 119 or not 1 <= channel <= 16:
        raise ValueError(f"expected a controller from 0 to 119, such as 20 or 'CC 20 on channel 5', found {value!r}")
    return f"CC {int(found[1])} on channel {channel}"


def _controls(value: Any, textual: bool) -> dict[str, str]:
    if textual and isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, list | tuple) and textual:
        pairs = [str(item).partition("=") for item in value]
        if bad := [item for item, pair in zip(value, pairs, strict=True) if not pair[1]]:
            raise ValueError(f"expected ACTION=CONTROL, found {bad[0]!r}")
        value = {name.strip(): text.strip() for name, _, text in pairs}
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"expected a table of actions and controls, found {_kind(value)}")
    return dict(value)


def _four(value: Any, textual: bool) -> tuple[float, float, float, float]:
    """Shares of valence, arousal and tension, and an offset."""
    if textual and isinstance(value, str):
        value = value.split(",")
    one = _number(-4.0, 4.0)
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"expected four numbers, shares of valence, arousal and tension and an offset, found {value!r}")
    v, a, t, offset = (one(item, textual) for item in value)
    return v, a, t, offset


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: ``key`` in the file, ``name`` as keyword and flag, ``env`` in the environment."""

    key: str
    name: str
    read: Reader
    env: str = ""

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    @property
    def field(self) -> str:
        return self.key.partition(".")[2]

    @property
    def variable(self) -> str:
        return self.env or f"KELLY_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return "--set" if self.section == "controls" else "--" + self.name.replace("_", "-")


NAMED = r"(?!\s*$|file:\s*$)(?s:.+)"  # an empty name would be part of every name

SETTINGS = (
    Setting("audio.input", "audio_in", _text(pattern=NAMED, meaning="a device, file:PATH, demo or auto")),
    Setting("audio.keyboard", "listen_midi", _text()),
    Setting("audio.channel", "audio_channel", _number(1, 64, whole=True)),
    Setting("audio.gate_db", "gate", _number(-119, -1)),  # -120 dBFS is what silence measures
    Setting("audio.block_frames", "block", _number(0, 8192, whole=True)),
    Setting("audio.tail_s", "tail", _number(0, 60)),
    Setting("audio.end_s", "end", _number(0, 86400, optional="auto")),
    Setting("audio.patience_s", "patience", _number(0, 3600)),
    Setting("midi.output", "midi_out", _text(pattern=NAMED, meaning="a port, virtual, file:PATH or auto")),
    Setting("midi.input", "midi_in", _text()),
    Setting("midi.controls", "control", _controls),
    Setting("midi.channels", "midi_channel", _parts(_number(1, 16, whole=True))),
    Setting("midi.programs", "program", _parts(_number(0, 127, whole=True))),
    Setting("midi.parts", "part", _parts(_switch, form="PART=on or PART=off")),
    Setting("midi.ranges", "range", _parts(_range, form="PART=LOWEST-HIGHEST")),
    Setting("midi.cc", "midi_cc", _parts(_controller, "feeling", FEELINGS, "FEELING=CONTROLLER")),
    Setting("music.key", "key", _text()),
    Setting("music.tempo_bpm", "tempo", _number(30, 300, optional="auto")),
    Setting("music.meter", "meter", _text(pattern=METER, meaning=METERS)),
    Setting("music.chords", "chords", _text()),
    Setting("music.seed", "seed", _number(0, 2**63 - 1, whole=True)),
    Setting("music.mood", "mood", _text()),
    Setting("music.intent", "intent", _text()),
    Setting("music.preset", "preset", _text()),
    Setting("models.path", "models", _text(), env="KELLY_MODELS_PATH"),
    Setting("models.strict", "strict_models", _switch),
    Setting("models.disabled", "disable", _names),
    Setting("models.enabled", "enable", _names),
    Setting("engine.arithmetic", "arithmetic", _text(choices=ARITHMETICS)),
    Setting("engine.look_ahead_ms", "look_ahead", _number(5, 500)),
    Setting("engine.latency_ms", "latency_ms", _number(0, 500)),
    Setting("engine.reflex_note", "reflex", _number(0, 127, whole=True, optional="off")),
    Setting("record.folder", "record", _text()),
    Setting("osc.to", "osc", _text()),
    *(Setting(f"controls.{name}", name, _number(low, high)) for name, low, high, _, _, _ in CONTROLS),
    *(Setting(f"personal.{name}", f"personal_{name}", _four) for name in ("valence", "arousal", "tension")),
)
OTHER_VARIABLES = ("KELLY_CACHE", "KELLY_CONFIG", "KELLY_DEBUG", "KELLY_MODEL_CACHE", "KELLY_RT_BACKEND", "KELLY_RT_ISA")
SECTIONS = {
    "audio": AudioConfig, "midi": MidiConfig, "music": MusicConfig, "models": ModelsConfig, "engine": EngineConfig,
    "record": RecordConfig, "osc": OscConfig, "controls": ControlsConfig, "personal": PersonalConfig,
}  # fmt: skip


_Layer = tuple[Setting, Any, bool, str]


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """'; did you mean X?' for the nearest choice, "" when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def user_config_path(env: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own kelly.toml would be; it need not exist."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(env.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        base = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "kelly" / FILE_NAME


def file_in_force(path: str | os.PathLike[str] | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """The file whose settings beat those of other files: the one named, ./kelly.toml where there is one, else your own."""
    named = path if path is not None else env.get("KELLY_CONFIG") or None
    if named is not None:
        return Path(named)
    return Path(FILE_NAME) if Path(FILE_NAME).is_file() else user_config_path(env)


def load_config(
    path: str | os.PathLike[str] | None = None,
    flags: Mapping[str, Any] = MappingProxyType({}),
    env: Mapping[str, str] = os.environ,
    alone: bool = False,
) -> Config:
    """The settings in force, each with its origin.

    path     a TOML file in the place of ./kelly.toml; it must exist.  None: KELLY_CONFIG, else ./kelly.toml
    flags    values by ``Setting.name``, such as {"tempo": 100}; None values are not given
    env      the environment
    alone    nothing but ``path`` and ``flags`` counts: what a take was made with
    returns  Config
    raises   ConfigError: unknown key (with the nearest), wrong type or range, with file and line
    """
    layers: list[tuple[Setting, Any, bool, str]] = []
    named = path if path is not None else env.get("KELLY_CONFIG") or None
    if not alone and (user := user_config_path(env)).is_file():
        layers += _from_file(user)
    if named is not None:
        layers += _from_file(Path(named))
    elif not alone and Path(FILE_NAME).is_file():
        layers += _from_file(Path(FILE_NAME))
    layers += [(s, env[s.variable], True, s.variable) for s in SETTINGS if env.get(s.variable) and not alone]
    by_name = {setting.name: setting for setting in SETTINGS}
    for name, value in flags.items():
        if name not in by_name:
            raise ConfigError(f"unknown setting {name!r}{did_you_mean(name, by_name)}")
        if value is not None and value != ():
            layers.append((by_name[name], value, True, by_name[name].flag))
    return _build(_with_preset(layers, env))


def own_presets(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's own presets; it need not exist."""
    return user_config_path(env).parent / "presets"


def _with_preset(layers: list[_Layer], env: Mapping[str, str]) -> list[_Layer]:
    """The preset that the strongest place names, laid just below what else that place says."""
    named = next((row for row in reversed(layers) if row[0].key == "music.preset"), None)
    if named is None or not named[1]:
        return layers
    if not isinstance(named[1], str):
        return layers  # the reader says what is wrong with it
    try:
        rows = _from_file(find_preset(named[1], own_presets(env)))
    except ConfigError as error:
        raise ConfigError(f"{named[3]}: {error}") from None
    if nested := [origin for setting, _, _, origin in rows if setting.key == "music.preset"]:
        raise ConfigError(f"{nested[0]}: a preset names no other preset")
    source = _source(named)
    place = next(number for number, row in enumerate(layers) if _source(row) == source)
    return [*layers[:place], *rows, *layers[place:]]


def _source(layer: _Layer) -> str:
    """Which place a row came from: a file, the environment, the command line."""
    origin = layer[3]
    return "flags" if origin.startswith("--") else "environment" if origin.startswith("KELLY_") else origin.rpartition(":")[0] or origin


def to_toml(config: Config) -> str:
    """A kelly.toml that says every setting, so that reading it back gives the same Config.

    raises  ConfigError for a setting that TOML cannot say (an absent one without a word for it is left out)
    """
    words = {"music.tempo_bpm": "auto", "engine.reflex_note": "off", "audio.end_s": "auto"}
    lines: list[str] = []
    for section in SECTIONS:
        lines.append(f"\n[{section}]")
        for setting in SETTINGS:
            if setting.section == section:
                value = getattr(getattr(config, section), setting.field)
                value = words.get(setting.key) if value is None else value
                if value is not None:
                    lines.append(f"{setting.field} = {toml_value(value)}")
    return "\n".join(lines).lstrip() + "\n"


def toml_value(value: Any) -> str:
    """A setting's value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _build(layers: list[tuple[Setting, Any, bool, str]]) -> Config:
    """Lay the given values, weakest first, over the defaults."""
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    origins: dict[str, str] = {}
    for setting, raw, textual, origin in layers:
        try:
            value = setting.read(raw, textual)
        except ValueError as error:
            raise ConfigError(f"{origin}: {setting.key}: {error}") from None
        if isinstance(value, dict):
            before = values[setting.section].get(setting.field, DEFAULT_CHANNELS if setting.field == "channels" else {})
            origins |= {f"{setting.key}.{part}": origin for part in value}
            value = MappingProxyType({**before, **value})
        else:
            origins[setting.key] = origin
        values[setting.section][setting.field] = value
    if "channels" in values["midi"]:
        values["midi"]["channels"] = _make_room(values["midi"]["channels"], origins)
    config = Config(**{name: kind(**values[name]) for name, kind in SECTIONS.items()}, origins=MappingProxyType(origins))
    _check_channels(config)
    return config


def _make_room(channels: Mapping[str, int], origins: Mapping[str, str]) -> Mapping[str, int]:
    """The parts that joined the band later step aside: whoever chose their channel for another part keeps it."""
    moved = dict(channels)
    for part in LATER_PARTS:
        taken = {channel for other, channel in moved.items() if other != part}
        if f"midi.channels.{part}" not in origins and moved[part] in taken:
            moved[part] = next((n for n in range(1, 17) if n not in taken and n != DEFAULT_CHANNELS["drums"]), moved[part])
    return MappingProxyType(moved)


def _check_channels(config: Config) -> None:
    owners: dict[int, str] = {}
    for part, channel in config.midi.channels.items():
        if channel in owners:
            origin = config.origins.get(f"midi.channels.{part}", config.origins.get(f"midi.channels.{owners[channel]}", ""))
            raise ConfigError(f"{origin}: midi.channels: {part} and {owners[channel]} share channel {channel}; one part per channel")
        owners[channel] = part


def _from_file(path: Path) -> list[tuple[Setting, Any, bool, str]]:
    """Rows (setting, value, False, "file:line") of one TOML file."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    keys = {setting.key: setting for setting in SETTINGS}
    rows: list[tuple[Setting, Any, bool, str]] = []
    for section, table in document.items():
        origin = _place(path, text, section)
        if section not in SECTIONS:
            near = [key for key in keys if key.endswith(f".{section}")]
            hint = f"; did you mean {near[0]!r}?" if near else did_you_mean(section, SECTIONS)
            raise ConfigError(f"{origin}: unknown key {section!r}{hint}")
        if not isinstance(table, dict):
            raise ConfigError(f"{origin}: {section}: expected a table, found {_kind(table)}")
        for name, value in table.items():
            key, origin = f"{section}.{name}", _place(path, text, section, name)
            if key not in keys:
                raise ConfigError(f"{origin}: unknown key {key!r}{did_you_mean(key, keys)}")
            rows.append((keys[key], value, False, origin))
    return rows


def _place(path: Path, text: str, section: str, name: str = "") -> str:
    """"file:line" of a section or of a key within it; only "file" where a scan of the lines can't tell."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w.\s]+?)\s*\]", line):
            current = header[1].replace(" ", "")
            found = current in {section, f"{section}.{name}"} and (not name or current == f"{section}.{name}")
        elif assignment := re.match(r"\s*([\w.\"']+)\s*=", line):
            dotted = f"{current}.{assignment[1]}".strip(".").replace('"', "").replace("'", "")
            found = dotted == (f"{section}.{name}" if name else section) or dotted.startswith(f"{section}.{name}.")
        else:
            found = False
        if found:
            return f"{path}:{number}"
    return str(path)
