"""Absolute frames <-> musical time of a MIDI file.

The tempo map is made of *knots*: pairs (frame, beat) saying that this beat of the player fell on that
frame.  In the file every knot falls on a whole beat, so the player's beats are the DAW's grid, while
time 0 stays the first audio frame.  A given tempo is one exact tempo event instead.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

PPQ = 480
DEFAULT_US = 500_000  # per quarter note: what a file without a tempo event means
_LONGEST_US = 0xFFFFFF  # three bytes
_DROP_COST = 0.5  # how much a lead-in's tempo may be bent (log ratio) before the first beat gives way


@dataclass(frozen=True, slots=True)
class TempoMap:
    """When the player's beats were.

    knots          (frame, beat count), both strictly rising; may be empty
    tempo_bpm      a given tempo: exact, one event, the knots are ignored; None = tracked
    beats_per_bar  beats in a bar
    downbeat       a beat count that is the first of its bar
    ternary        whether a beat is a dotted quarter, as in 6/8; else it is a quarter
    phrase_beats   beats of a phrase; 0 = no phrases are marked
    phrase         a beat count that is the first of its phrase
    """

    knots: Sequence[tuple[int, int]] = ()
    tempo_bpm: float | None = None
    beats_per_bar: int = 4
    downbeat: int = 0
    ternary: bool = False
    phrase_beats: int = 0
    phrase: int = 0

    @property
    def beat_quarters(self) -> float:
        """Length of a beat in quarter notes."""
        return 1.5 if self.ternary else 1.0

    def phrases(self) -> list[int]:
        """The frames on which phrases begin, as far as the knots tell."""
        if self.phrase_beats <= 0:
            return []
        return [frame for frame, beat in self.knots if (beat - self.phrase) % self.phrase_beats == 0]


class Ruler:
    """Frames measured in ticks of 1/480 quarter note.

    segments  rows of (frame, tick, microseconds per quarter note) from which each tempo holds

    The tempo of a file is a whole number of microseconds; what rounding loses is given back by the
    next segment, so the error never grows beyond half a tick.
    """

    def __init__(self, tempo: TempoMap, sample_rate_hz: float) -> None:
        self.sample_rate_hz = float(sample_rate_hz)
        if not self.sample_rate_hz > 0:
            raise ValueError(f"sample_rate_hz: expected > 0, found {sample_rate_hz}")
        self.segments = self._given(tempo.tempo_bpm * tempo.beat_quarters) if tempo.tempo_bpm else self._tracked(tempo)
        self._starts = [frame for frame, _, _ in self.segments]

    def _given(self, quarters_per_minute: float) -> list[tuple[float, int, int]]:
        return [(0.0, 0, min(max(round(60e6 / quarters_per_minute), 1), _LONGEST_US))]

    def _tracked(self, tempo: TempoMap) -> list[tuple[float, int, int]]:
        knots = list(tempo.knots)
        for (f0, b0), (f1, b1) in pairwise(knots):
            if f1 <= f0 or b1 <= b0:
                raise ValueError(f"tempo map: knots must rise, found {(f0, b0)} before {(f1, b1)}")
        if len(knots) < 2:
            return [(0.0, 0, DEFAULT_US)]
        knots = self._with_lead_in(knots, tempo)
        first = knots[0][1]
        segments: list[tuple[float, int, int]] = []
        written_us = 0.0  # time that the file's own integers have added up to
        for (_, b0), (f1, b1) in pairwise(knots):
            target_us = (f1 - knots[0][0]) * 1e6 / self.sample_rate_hz
            quarters = (b1 - b0) * tempo.beat_quarters
            us = min(max(round((target_us - written_us) / quarters), 1), _LONGEST_US)
            segments.append((written_us * 1e-6 * self.sample_rate_hz, round((b0 - first) * tempo.beat_quarters * PPQ), us))
            written_us += us * quarters
        return segments

    @staticmethod
    def _with_lead_in(knots: list[tuple[int, int]], tempo: TempoMap) -> list[tuple[int, int]]:
        """A knot at frame 0, a whole number of beats ahead, so that the bars fall on the file's bars.

        The time before the first beat rarely is such a number, so these beats have a tempo of their own;
        where it would be absurd (a first beat 3 ms into the stream) the first few knots give way.
        """
        if knots[0][0] < 0:
            raise ValueError(f"tempo map: frame {knots[0][0]} lies before the stream")
        bar = max(1, tempo.beats_per_bar)
        best: tuple[float, int, int] | None = None
        for dropped, (frame, beat) in enumerate(knots[: min(bar + 1, len(knots) - 1)]):
            after, later = knots[dropped + 1]
            period = (after - frame) / (later - beat)
            gone = (beat - tempo.downbeat) % bar  # beats of its bar before this one
            if frame == 0 and gone == 0:
                return knots
            for lead in range(gone or bar, gone + 2 * bar + int(frame / period) + 1, bar):
                if frame > 0:
                    strain = abs(math.log(frame / lead / period)) + _DROP_COST * dropped
                    if best is None or strain < best[0]:
                        best = (strain, dropped, lead)
        if best is None:  # two knots, the first on frame 0 inside a bar: the file opens there
            return knots
        _, dropped, lead = best
        return [(0, knots[dropped][1] - lead), *knots[dropped:]]

    def tick(self, frame: float) -> int:
        """Nearest tick of an absolute frame."""
        start, tick, us = self.segments[max(0, bisect_right(self._starts, frame) - 1)]
        return max(0, tick + round((frame - start) / self.sample_rate_hz * 1e6 * PPQ / us))
