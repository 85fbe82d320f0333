"""What a session measured, for the status line and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one moment.

    tick      newest record of dtype("tick") that the conductor has seen, None before the first
    time_s    stream time
    counters  see Session.counters
    """

    tick: Any | None
    time_s: float
    counters: Mapping[str, int] = field(default_factory=dict)


def latency_row(histogram: Mapping[str, float]) -> dict[str, float]:
    """A histogram's summary for people: milliseconds to the microsecond."""
    return {name: round(float(value), 3) for name, value in histogram.items() if name != "count"}
