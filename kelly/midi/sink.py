"""What a session asks of a sink, and what it gives to one.

A sink is drained by one Python thread of the session.  What a port gets is bytes, now; what a file
or memory keeps is the *scheduled* frame of each event, so that a late thread changes no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kelly.midi.smf import Track
from kelly.midi.tempo import TempoMap

Events = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Score:
    """What a file needs to know beside its events, from the session at its end.

    key  (tonic pitch class, 1 major | -1 minor), None where none was clear
    """

    sample_rate_hz: float
    tempo: TempoMap
    parts: Sequence[Track]
    key: tuple[int, int] | None = None


class Sink(Protocol):
    """What a session needs of a sink."""

    description: str

    @property
    def path(self) -> Path | None:
        """The file it writes, None for a port or memory."""

    def send(self, events: Events) -> None:
        """Take events, records of dtype("event").  [sink]"""

    def close(self, score: Score | None) -> None:
        """Save or let go; None saves nothing.  Idempotent.  [main], after the sink thread"""

    def counters(self) -> dict[str, int]: ...
