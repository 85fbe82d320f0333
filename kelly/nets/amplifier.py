"""What a guitar amplifier's file says about the sound around its network: ``.aidax`` and its kin.

    {"in_skip": 1, "in_gain": 0.0, "out_gain": -3.5, "metadata": {"samplerate": "48000"}, "in_shape": ..., "layers": ...}

RTNeural and ``load_network`` ignore these keys; ``kelly run`` keeps to them.

source  the keys as AIDA-X writes and reads them: gains in dB, the skip added before the output's gain
thread  [main]
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any

from kelly.errors import ModelFormatError
from kelly.nets.json import read_bytes
from kelly.nets.metadata import describe

MOST_DB = 60.0
RATES_HZ = (8_000.0, 768_000.0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How sound goes into a network and comes out.

    add_input       the sound, with its gain, is added to the answer
    sample_rate_hz  that the network was trained at; None where the file doesn't say
    """

    add_input: bool = False
    in_gain_db: float = 0.0
    out_gain_db: float = 0.0
    sample_rate_hz: float | None = None


def surroundings(path: str | os.PathLike[str]) -> Surroundings:
    """Read them from a model file that was loaded before, and so is sound JSON.

    raises  ModelFormatError with the pointer of a value that is none
    """
    name = os.fspath(path)
    document = json.loads(read_bytes(name))
    about = document.get("metadata")
    rate, place = document.get("samplerate"), "/samplerate"
    if rate is None and isinstance(about, dict):
        rate, place = about.get("samplerate"), "/metadata/samplerate"
    skip = document.get("in_skip", 0)
    if skip not in (0, 1):
        raise ModelFormatError(path=name, pointer="/in_skip", expected="0 or 1", found=describe(skip))
    return Surroundings(
        bool(skip),
        _number(name, "/in_gain", document.get("in_gain", 0.0), -MOST_DB, MOST_DB),
        _number(name, "/out_gain", document.get("out_gain", 0.0), -MOST_DB, MOST_DB),
        None if rate is None else _number(name, place, rate, *RATES_HZ),
    )


def _number(path: str, pointer: str, found: Any, low: float, high: float) -> float:
    """A number, or one as text, within bounds."""
    try:
        value = math.nan if isinstance(found, bool) else float(found)
    except (TypeError, ValueError):
        value = math.nan
    if not low <= value <= high:
        raise ModelFormatError(path=path, pointer=pointer, expected=f"a number from {low:g} to {high:g}", found=describe(found))
    return value
