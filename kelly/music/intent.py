"""An intent: how the music should feel, now or along the way, in place of what the recognizer hears.

    mood = "calm, a little sad"             # a point, in words
    point = [0.4, -0.3, -0.5]               # or as valence, arousal, tension

    from = "calm"                           # or a path
    to = "very excited"
    bars = 16
    arc = "ease"                            # line, ease, late, early, arch

    [constraints]                           # all optional; flags and settings beat them
    key = "Am"                              # or only
    mode = "minor"
    tempo = 96                              # or a range
    # tempo = [80, 100]
    meter = "4/4"
    swing = 0.62                            # or in a word
    feel = "laid back"                      # straight, swing, shuffle, laid back, pushed

    [[breaks]]                              # rules to break on purpose, as many as wanted: kelly.music.breaks
    name = "modal interchange"
    severity = 0.6                          # 0 never.. 1 wherever it can be

    [piece]                                 # for `kelly compose` only
    bars = 16
    seed = 3
    title = "grief turning into hope"

    [settings.midi]                         # for `kelly compose` only: settings as in kelly.toml, in its place
    programs = { melody = 73 }
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sin
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly.config import METER, METERS, SETTINGS, did_you_mean
from kelly.errors import ConfigError
from kelly.music.breaks import BREAKS, Wanted
from kelly.music.emotion import Mood
from kelly.music.scale import MAJOR, MINOR, parse_key
from kelly.music.steering import embedding_from_mood
from kelly.music.thesaurus import nearest
from kelly.music.words import read_words, split_way

ARCS: dict[str, Callable[[float], float]] = {
    "line": lambda t: t,
    "ease": lambda t: t * t * (3 - 2 * t),
    "late": lambda t: t * t,
    "early": lambda t: 1 - (1 - t) ** 2,
    "arch": lambda t: sin(pi * t),  # there and back
}
"""Share of the way, 0 at A and 1 at B, after share t of the bars."""

ROWS_PER_BAR = 16
MOST_BARS = 1024
WAY_BARS = 16.0
"""How long a way is that only words describe."""
KEYS = ("mood", "point", "from", "to", "bars", "arc", "constraints", "breaks", "piece", "settings")
CONSTRAINTS = ("key", "mode", "tempo", "meter", "swing", "feel")
MODES = {"major": MAJOR, "minor": MINOR}
FEELS: dict[str, tuple[float | None, float]] = {
    "straight": (0.5, 0.0),
    "swing": (0.6, 0.0),
    "shuffle": (2 / 3, 0.0),
    "laid back": (None, 0.014),
    "pushed": (None, -0.012),
}
"""Word -> place of the off-eighth (None: as the groove has it), and seconds behind the beat."""
PIECE = ("bars", "seed", "title")
BEARING = {
    row.key: row
    for row in SETTINGS
    if row.section == "controls" or row.key in (
        "midi.channels", "midi.programs", "midi.parts", "midi.ranges", "midi.cc",
        "models.path", "models.disabled", "models.enabled", "engine.arithmetic",
    )
}  # fmt: skip
"""The settings that bear on a piece beside its intent."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A point (start is end) or a path, and what else is asked for.

    bars       length of the path, counted from the first beat that is tracked; afterwards its end holds
    arc        a row of ARCS
    key, tempo_bpm, meter   "" and None where the player decides
    swing      .5 even.. .75; None: even
    unknown    words of a mood that were not understood
    mode       1 or -1 where only the mode is asked for, else 0
    tempo_range  lowest and highest bpm, None for any
    feel       row of FEELS, "" for none
    breaks     rules to break on purpose
    piece_bars, seed, title   of a composition; None and "" where nothing is said
    settings   of a composition: rows of BEARING by key; None where the file has no such table
    """

    start: Mood
    end: Mood
    bars: float = 0.0
    arc: str = "line"
    key: str = ""
    tempo_bpm: float | None = None
    meter: str = ""
    swing: float | None = None
    unknown: tuple[str, ...] = ()
    mode: int = 0
    tempo_range: tuple[float, float] | None = None
    feel: str = ""
    breaks: tuple[Wanted, ...] = ()
    piece_bars: int | None = None
    seed: int | None = None
    title: str = ""
    settings: Mapping[str, Any] | None = None

    @property
    def off_eighth(self) -> float | None:
        """Place of the off-eighth that is asked for, by number or by feel; None: nobody asks."""
        return self.swing if self.swing is not None else FEELS[self.feel][0] if self.feel else None

    @property
    def push_s(self) -> float:
        """Seconds behind the beat that the feel asks for."""
        return FEELS[self.feel][1] if self.feel else 0.0

    def at(self, bar: float) -> Mood:
        """The mood wanted ``bar`` bars after the beginning."""
        t = 1.0 if self.bars <= 0 else max(0.0, min(1.0, bar / self.bars))
        share = ARCS[self.arc](t)
        pairs = ((self.start.valence, self.end.valence), (self.start.arousal, self.end.arousal), (self.start.tension, self.end.tension))
        return Mood(*((1 - share) * a + share * b for a, b in pairs))

    def path(self) -> NDArray[np.float32]:
        """Embeddings (K, 64), evenly spaced over the bars; one row for a point."""
        if self.bars <= 0:
            return embedding_from_mood(self.end, self.off_eighth)[None]
        count = round(self.bars * ROWS_PER_BAR) + 1
        return np.stack([embedding_from_mood(self.at(self.bars * k / (count - 1)), self.off_eighth) for k in range(count)])

    def describe(self) -> str:
        """For people."""
        end = _describe(self.end)
        way = f"{_describe(self.start)} to {end} over {self.bars:g} bars ({self.arc})" if self.bars > 0 else end
        missed = f"; not understood: {', '.join(self.unknown)}" if self.unknown else ""
        broken = "".join(f"; {item.name} ({item.severity:g}): {BREAKS[item.name].feeling}" for item in self.breaks)
        return f"mood: {way}{missed}{broken}"


def _describe(mood: Mood) -> str:
    name = nearest(mood)[0][0].name if mood != Mood() else "neutral"
    return f"{name} (V{mood.valence:+.2f} A{mood.arousal:+.2f} T{mood.tension:+.2f})"


def from_words(text: str, bars: float = WAY_BARS) -> Intent:
    """A point in words, or a way over ``bars`` bars: "grief turning into hope"; ConfigError when none is a feeling."""
    ends = split_way(text)
    if ends is None:
        reading = read_words(text)
        return Intent(reading.mood, reading.mood, unknown=reading.unknown)
    start, end = map(read_words, ends)
    return Intent(start.mood, end.mood, bars, "ease", unknown=(*start.unknown, *end.unknown))


def read_intent(path: str | os.PathLike[str]) -> Intent:
    """An intent from a TOML file.

    raises  ConfigError: unreadable, not TOML, an unknown key (with the nearest), a value out of range
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        return _intent(document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _intent(document: dict[str, Any]) -> Intent:
    _known(document, KEYS)
    rules = document.get("constraints", {})
    if not isinstance(rules, dict):
        raise ConfigError("constraints: expected a table")
    _known(rules, CONSTRAINTS, "constraints.")
    unknown: list[str] = []
    ways = [name for name in ("mood", "point", "to") if name in document]
    if len(ways) != 1 or ("from" in document) != ("to" in document):
        raise ConfigError("expected one of: mood, point, or from and to")
    start = end = _point(ways[0], document[ways[0]], unknown)
    bars, arc = 0.0, "line"
    if ways[0] == "to":
        start = _point("from", document["from"], unknown)
        bars, arc = _number(document, "bars", 0.25, MOST_BARS), document.get("arc", "line")
        if arc not in ARCS:
            raise ConfigError(f"arc: expected {', '.join(ARCS)}, found {arc!r}{did_you_mean(arc, ARCS)}")
    elif {"bars", "arc"} & set(document):
        raise ConfigError("bars and arc belong to a path: from and to")
    key, meter = rules.get("key", ""), rules.get("meter", "")
    if not isinstance(key, str) or not isinstance(meter, str) or (meter and not re.fullmatch(METER, meter)):
        raise ConfigError(f'constraints: key is text such as "Am", meter is {METERS}')
    if parse_key(key or "auto") is not None and "mode" in rules:
        raise ConfigError("constraints: a key has its mode; key or mode, one of the two")
    tempo = _tempo(rules)
    piece = document.get("piece", {})
    if not isinstance(piece, dict):
        raise ConfigError("piece: expected a table")
    _known(piece, PIECE, "piece.")
    if not isinstance(piece.get("title", ""), str):
        raise ConfigError(f"piece.title: expected text, found {piece['title']!r}")
    return Intent(
        start, end, bars, arc, key,
        tempo[0] if tempo is not None and tempo[0] == tempo[1] else None,
        meter,
        _number(rules, "swing", 0.5, 0.75) if "swing" in rules else None,
        tuple(unknown),
        mode=MODES[_word(rules, "mode", MODES)] if "mode" in rules else 0,
        tempo_range=tempo,
        feel=_word(rules, "feel", FEELS) if "feel" in rules else "",
        breaks=_breaks(document.get("breaks", [])),
        piece_bars=_whole(piece, "bars", 1, MOST_BARS),
        seed=_whole(piece, "seed", 0, 2**63 - 1),
        title=piece.get("title", ""),
        settings=_settings(document["settings"]) if "settings" in document else None,
    )  # fmt: skip


def _settings(sections: Any) -> dict[str, Any]:
    """Settings by key, each read as kelly.toml's are."""
    if not isinstance(sections, dict) or not all(isinstance(table, dict) for table in sections.values()):
        raise ConfigError("settings: expected tables as in kelly.toml, such as [settings.midi]")
    found = {f"{section}.{name}": value for section, table in sections.items() for name, value in table.items()}
    _known(found, tuple(BEARING), "settings.")
    for key, value in found.items():
        try:
            found[key] = BEARING[key].read(value, False)
        except ValueError as error:
            raise ConfigError(f"settings.{key}: {error}") from None
    return found


def _tempo(rules: dict[str, Any]) -> tuple[float, float] | None:
    """A number, or two in order."""
    if "tempo" not in rules:
        return None
    value = rules["tempo"]
    if not isinstance(value, list):
        return (_number(rules, "tempo", 30, 300),) * 2
    if len(value) != 2:
        raise ConfigError(f"tempo: expected a number or [lowest, highest], found {value!r}")
    low, high = (_number({"tempo": item}, "tempo", 30, 300) for item in value)
    if low > high:
        raise ConfigError(f"tempo: expected [lowest, highest], found {value!r}")
    return low, high


def _word(table: dict[str, Any], name: str, words: Mapping[str, Any]) -> str:
    value = table[name]
    if not isinstance(value, str) or value not in words:
        raise ConfigError(f"{name}: expected {', '.join(words)}, found {value!r}{did_you_mean(str(value), tuple(words))}")
    return value


def _breaks(rows: Any) -> tuple[Wanted, ...]:
    """The ``[[breaks]]`` tables."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError("breaks: expected [[breaks]] tables with name and severity")
    found = []
    for row in rows:
        _known(row, ("name", "severity"), "breaks.")
        found.append(Wanted(_word({"name": row.get("name")}, "name", BREAKS), _number({"severity": 0.5, **row}, "severity", 0.0, 1.0)))
    return tuple(found)


def _known(table: dict[str, Any], names: tuple[str, ...], prefix: str = "") -> None:
    for name in table:
        if name not in names:
            raise ConfigError(f"unknown key {prefix + name!r}{did_you_mean(name, names)}")


def _number(table: dict[str, Any], name: str, low: float, high: float) -> float:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{name}: expected a number from {low:g} to {high:g}, found {value!r}")
    return float(value)


def _whole(table: dict[str, Any], name: str, low: int, high: int) -> int | None:
    value = table.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
        raise ConfigError(f"piece.{name}: expected a whole number from {low} to {high}, found {value!r}")
    return value


def _point(name: str, value: Any, unknown: list[str]) -> Mood:
    """Words, or three numbers."""
    if isinstance(value, str) and name != "point":
        reading = read_words(value)
        unknown += reading.unknown
        return reading.mood
    if isinstance(value, list) and len(value) == 3 and all(isinstance(x, int | float) and not isinstance(x, bool) and -1 <= x <= 1 for x in value):
        return Mood(*map(float, value))
    raise ConfigError(f"{name}: expected words or [valence, arousal, tension], each -1 to 1, found {value!r}")
