"""Frames and beats: the two clocks of the stream, and the map between them.

Frames are samples since the stream began (the master clock); beats are numbers of the tracker's
grid.  Between two known beats time runs linearly; before the first and after the last it goes on at
the pace of the nearest pair.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from kelly.errors import ConfigError

TEMPO_MIN_BPM, TEMPO_MAX_BPM = 30.0, 300.0


def frames_per_beat(sample_rate_hz: float, tempo_bpm: float) -> float:
    """Exact length of a beat in frames, never rounded.

    raises  ConfigError unless 30 <= tempo_bpm <= 300
    """
    if not TEMPO_MIN_BPM <= tempo_bpm <= TEMPO_MAX_BPM:
        raise ConfigError(f"tempo {tempo_bpm} bpm: expected {TEMPO_MIN_BPM:g} to {TEMPO_MAX_BPM:g}")
    return 60.0 * sample_rate_hz / tempo_bpm


def tempo_bpm(sample_rate_hz: float, beat_frames: float) -> float:
    """Beats per minute of a beat length; 0 where there is none."""
    return 60.0 * sample_rate_hz / beat_frames if beat_frames > 0.0 else 0.0


@dataclass(slots=True)
class Timebase:
    """A piecewise linear map between frames and beats.

    frames, beats  knots, both strictly increasing; two at least before anything can be asked
    """

    frames: list[float] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)

    def add(self, frame: float, beat: float) -> None:
        """Append a knot; raises ValueError when it does not lie after the last one on both clocks."""
        if self.frames and (frame <= self.frames[-1] or beat <= self.beats[-1]):
            raise ValueError(f"knot ({frame}, {beat}) does not follow ({self.frames[-1]}, {self.beats[-1]})")
        self.frames.append(frame)
        self.beats.append(beat)

    def beat_at(self, frame: float) -> float:
        """Beat at a frame."""
        return _interpolate(self.frames, self.beats, frame)

    def frame_at(self, beat: float) -> float:
        """Frame of a beat."""
        return _interpolate(self.beats, self.frames, beat)


def _interpolate(x: list[float], y: list[float], at: float) -> float:
    if len(x) < 2:
        raise ValueError(f"a timebase needs two knots, this one has {len(x)}")
    i = min(max(bisect_right(x, at) - 1, 0), len(x) - 2)
    return y[i] + (at - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i])
