"""Python's face of the tracker."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]

class Tracker:
    phrase_bars: int
    def __init__(
        self,
        sample_rate_hz: float,
        key: Pair | None = None,
        tempo_bpm: float | None = None,
        beats_per_bar: int = 4,
        chords: Sequence[Pair | Sequence[Pair]] | None = None,
        look_ahead_beats: float = 0.25,
        gate_db: float = -60.0,
        ternary: bool = False,
    ) -> None: ...
    @property
    def loop(self) -> tuple[int, float]: ...
    def reset(self) -> None: ...
    def follow_clock(self, bpm: float | None, frame: int = -1, beat: int = -1) -> None: ...
    def take_tap(self, bpm: float, frame: int) -> None: ...
    def take_level(self, tempo_factor: float) -> None: ...
    def hold_chord(self, held: bool) -> None: ...
    def run(
        self,
        analyses: NDArray[Any],
        features: NDArray[np.float32] | None = None,
        harmony: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]: ...
    def context(self, embedding: NDArray[np.float32] | None = None) -> NDArray[np.float32]: ...
