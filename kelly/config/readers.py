"""Readers: a value as it was written -> the value that is meant, or a ValueError that says what was expected.

``textual`` values come from flags and the environment, where everything is text; those of files have types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kelly.config.sections import DEFAULT_CHANNELS

Reader = Callable[[Any, bool], Any]


def kind_of(value: Any) -> str:
    """What a value is, in TOML's words."""
    names = {bool: "true/false", int: "an integer", float: "a number", str: "text", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)


def text(choices: tuple[str, ...] = (), pattern: str = "", meaning: str = "") -> Reader:
    """Text, one of ``choices`` where there are any, or all of it like ``pattern``, which ``meaning`` says in words."""

    def read(value: Any, textual: bool) -> str:
        if not isinstance(value, str):
            raise ValueError(f"expected text, found {kind_of(value)}")
        if choices and value not in choices:
            raise ValueError(f"expected {' or '.join(filter(None, choices))}, found {value!r}{did_you_mean(value, choices)}")
        if pattern and not re.fullmatch(pattern, value):
            raise ValueError(f"expected {meaning}, found {value!r}")
        return value

    return read


def number(low: float, high: float, whole: bool = False, optional: str = "") -> Reader:
    """A number from ``low`` to ``high``; the word ``optional`` stands for none."""
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
            raise ValueError(f"expected {noun}, found {kind_of(value)}")
        if not low <= value <= high:
            raise ValueError(f"expected {noun} from {low:g} to {high:g}, found {value}")
        return value if whole else float(value)

    return read


def switch(value: Any, textual: bool) -> bool:
    """true or false; as text also 1, yes, on."""
    if textual and isinstance(value, str):
        words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
        if value.lower() not in words:
            raise ValueError(f"expected true or false, found {value!r}")
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {kind_of(value)}")
    return value


def names(value: Any, textual: bool) -> tuple[str, ...]:
    """Names in a list; as text with commas."""
    if textual and isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"expected a list of names, found {kind_of(value)}")
    return tuple(value)


def pairs(items: Iterable[Any], form: str) -> dict[str, str]:
    """Texts like NAME=VALUE; ``form`` says what that is."""
    found: dict[str, str] = {}
    for item in items:
        name, sign, value = str(item).partition("=")
        if not sign:
            raise ValueError(f"expected {form}, found {item!r}")
        found[name.strip()] = value.strip()
    return found


def parts(entry: Reader, noun: str = "part", names: tuple[str, ...] = tuple(DEFAULT_CHANNELS), form: str = "PART=N") -> Reader:
    """A table of ``names``, each entry read by ``entry``: "bass=7,drums=0" or "bass=7 drums=0"."""

    def read(value: Any, textual: bool) -> dict[str, Any]:
        if textual and isinstance(value, str):
            value = [item for item in re.split(r"\s*,\s*|\s+(?=\w+=)", value.strip()) if item]
        if textual and isinstance(value, list | tuple):
            value = pairs(value, form)
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a table of {noun}s, found {kind_of(value)}")
        for name in value:
            if name not in names:
                raise ValueError(f"no {noun} is called {name!r}; the {noun}s are {', '.join(names)}{did_you_mean(name, names)}")
        return {name: entry(item, textual) for name, item in value.items()}

    return read


def note_range(value: Any, textual: bool) -> str:
    """ "60-84": an octave at least, within 0..127."""
    found = re.fullmatch(r"\s*(\d{1,3})\s*-\s*(\d{1,3})\s*", value) if isinstance(value, str) else None
    if found is None or not 0 <= int(found[1]) <= int(found[2]) - 11 <= 116:
        raise ValueError(f"expected LOWEST-HIGHEST, such as 60-84, at least an octave within 0..127, found {value!r}")
    return f"{int(found[1])}-{int(found[2])}"


def controller(value: Any, textual: bool) -> str:
    """ "20", 20 or "CC 20 on channel 5" -> the last form; channel 16 where none is said."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = re.fullmatch(r"\s*(?:cc\s*)?(\d{1,3})(?:\s+on\s+channel\s+(\d{1,2}))?\s*", text, re.IGNORECASE) if isinstance(text, str) else None
    channel = int(found[2] or 16) if found else 0
    if found is None or int(found[1]) > 119 or not 1 <= channel <= 16:
        raise ValueError(f"expected a controller from 0 to 119, such as 20 or 'CC 20 on channel 5', found {value!r}")
    return f"CC {int(found[1])} on channel {channel}"


def controls(value: Any, textual: bool) -> dict[str, str]:
    """Actions and what does them: "freeze=CC 21,tap=note 36"."""
    if textual and isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if textual and isinstance(value, list | tuple):
        value = pairs(value, "ACTION=CONTROL")
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"expected a table of actions and controls, found {kind_of(value)}")
    return dict(value)


def four(value: Any, textual: bool) -> tuple[float, float, float, float]:
    """Shares of valence, arousal and tension, and an offset."""
    if textual and isinstance(value, str):
        value = value.split(",")
    one = number(-4.0, 4.0)
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"expected four numbers, shares of valence, arousal and tension and an offset, found {value!r}")
    v, a, t, offset = (one(item, textual) for item in value)
    return v, a, t, offset


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """'; did you mean X?' for the nearest choice, "" when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
