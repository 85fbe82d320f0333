"""Whether and how the music comes to its end: asked for, led there by a ritardando, or because the player has stopped."""

from __future__ import annotations

from .cadence import Close, close_from
from .grid import STEPS_PER_BEAT, Grid, Place
from .heard import Heard
from .slowing import Slowing
from .stage import longest_pause_s

PAUSED_BARS = 0.6  # of silence at a bar line, from which the player is taken to have stopped
_SLOWER_BEATS = 8  # after a ritardando, for whoever stays slow: then he plays on in the new tempo
RITARDANDO, PAUSE = "ritardando", "pause"


class Ending:
    """Decides on the close.

    close        where it lies, None while the music goes on
    waits        RITARDANDO or PAUSE: nobody has asked, and the band waits for the player; "" where somebody has
    thread       [conductor]
    """

    def __init__(self, sample_rate_hz: float, tempo_given: bool) -> None:
        self._rate, self._tempo_given = sample_rate_hz, tempo_given
        self.reset()

    def reset(self) -> None:
        self.close: Close | None = None
        self.waits = ""
        self._slowing = Slowing()

    @property
    def asked(self) -> bool:
        """Whether the music ends for good."""
        return self.close is not None and not self.waits

    @property
    def gone(self) -> bool:
        """Whether the player has stopped, so that the last chord comes softly."""
        return self.close is not None and not self.close.leads and self.waits != RITARDANDO

    def ask(self, place: Place | None, leads: bool) -> None:
        """Somebody wants the end, at the next planned place; None where nothing sounds, and nothing is left to play."""
        going_on, self.waits = self.close, ""
        self.close = Close(0, 0, 0) if place is None else going_on or close_from(place, leads)

    def listen(self, grid: Grid, heard: Heard, step: int | None, sounding: bool) -> None:
        """Take every tick: a ritardando leads to a cadence; whoever plays on in tempo afterwards, or after a pause, is joined again.

        step  planned next, None before the first     sounding  whether the band plays
        """
        slows = self._slowing.hear(grid, heard.locked and heard.playing)
        if step is None:
            return
        if self.close is None:
            if slows and sounding:
                self.close, self.waits = close_from(grid.place(step), leads=False), RITARDANDO
        elif self.waits == RITARDANDO:
            if step >= self.close.end + (0 if self._slowing.steady else _SLOWER_BEATS * STEPS_PER_BEAT):
                self.close, self.waits = None, ""
        elif self.waits == PAUSE and heard.playing:
            self.close, self.waits = None, ""

    def rest(self, grid: Grid, place: Place, heard: Heard, frame: float) -> None:
        """The player has paused for long: on the last bar line, else the last beat, before the band falls silent the phrase ends."""
        if self.close is not None or heard.playing or place.sub or heard.tonic < 0:
            return
        beat_s = grid.beat_frames / self._rate
        bar_s = grid.beats_per_bar * beat_s
        silence_s = heard.quiet_s((frame - heard.frame) / self._rate)
        limit_s = longest_pause_s(beat_s, bar_s, self._tempo_given)
        on_the_bar = place.beat_in_bar == 0 and PAUSED_BARS * bar_s <= silence_s and silence_s + bar_s > limit_s
        if silence_s <= limit_s and (on_the_bar or silence_s + beat_s > limit_s):
            self.close = Close(place.step, place.step, place.step + STEPS_PER_BEAT * place.beats_per_bar, leads=False)
            self.waits = PAUSE
