"""Controllers: expression (CC11) that swells with the phrase, and the sustain pedal (CC64) under the chords.

A pedal goes up where the harmony changes and down just after it, as a pianist's does.  What is down when the
music stops is lifted by the conductor.
"""

from __future__ import annotations

import math

from .dynamics import EXPRESSION, PEDAL
from .ledger import EXPRESSION as EXPRESSION_CONTROLLER
from .ledger import PEDAL as PEDAL_CONTROLLER
from .ledger import Ledger
from .moment import FINAL, Moment
from .settings import CHORDS, COUNTER, MELODY, PAD, Part

SWELLING = {CHORDS: 0.06, MELODY: 0.06, COUNTER: 0.16, PAD: 0.22}
"""Parts with expression -> how much of it the phrase's arch takes away at both ends."""

FINEST = 3  # a change of expression smaller than this is not sent
AFTER_S, AFTER_BEATS = 0.06, 0.125  # the pedal goes down this long after the strike, whichever is shorter
SUSTAINED, LIFTED = 0.55, 0.45  # of the net's answer: hysteresis
BUSY = 0.62  # energy from which the chords are too short for a pedal


class Expression:
    """Remembers what each controller was told last."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts
        self.reset()

    def reset(self) -> None:
        self._told = [127] * len(self._parts)
        self._down = False
        self._wanted = False

    def swell(self, ledger: Ledger, row: int, answer: list[float], moment: Moment, frame: float) -> None:
        """Expression of a part for this beat; ``answer`` is the dynamics net's newest for it."""
        if row not in SWELLING or moment.place.sub:
            return
        arch = math.sin(math.pi * min(1.0, max(0.0, moment.place.phrase_position)))
        value = round(127 * max(0.2, min(1.0, answer[EXPRESSION] * (1.0 - SWELLING[row] * (1.0 - arch)) + 0.12)))
        if abs(value - self._told[row]) >= FINEST:
            self._told[row] = value
            ledger.control(row, self._parts[row].channel, round(frame), EXPRESSION_CONTROLLER, value)

    def struck(self, ledger: Ledger, answer: list[float], moment: Moment, on_frame: int, changed: bool) -> None:
        """The chords were struck: the pedal follows the harmony."""
        self._wanted = answer[PEDAL] >= (LIFTED if self._wanted else SUSTAINED)
        down = (self._wanted and moment.energy < BUSY) or moment.closing == FINAL
        if self._down and (changed or not down):
            self.lift(ledger, on_frame)
        if down and not self._down:
            after = min(AFTER_S * moment.sample_rate_hz, AFTER_BEATS * moment.beat_frames)
            ledger.control(CHORDS, self._parts[CHORDS].channel, round(on_frame + after), PEDAL_CONTROLLER, 127)
            self._down = True

    def lift(self, ledger: Ledger, frame: float) -> None:
        """The pedal goes up, if it is down."""
        if self._down:
            self._down = False
            ledger.control(CHORDS, self._parts[CHORDS].channel, round(frame), PEDAL_CONTROLLER, 0)

    def rest(self, ledger: Ledger, frame: float) -> None:
        """The music is over: everything as it was found."""
        self.lift(ledger, frame)
        for row, part in enumerate(self._parts):
            if self._told[row] != 127:
                self._told[row] = 127
                ledger.control(row, part.channel, round(frame), EXPRESSION_CONTROLLER, 127)
