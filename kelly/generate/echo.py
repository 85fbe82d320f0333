"""Is what comes in the player, or kelly's own sound out of the loudspeakers?

A beat is kelly's own when every onset in it follows a note that kelly struck, and when its peak lies clearly below the
quietest of the player's last eight beats, or below it and at once clearly below the last two, farther than a player who is
fading away would have come.  After two such beats the player has stopped, although it is not silent; without this, kelly
would go on playing to itself.  A soft beat that does not last was the player's.  The player is back with the first onset
that is louder than that sound was, a mark that sinks while nothing comes; where kelly itself strikes, a last chord
perhaps, with one that is clearly louder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

HOP_S = 0.04
LAG_S = 0.12  # an own note is heard at most so long after it was due: a hop, the detector, loudspeaker and microphone
BELOW_DB = 4.0
DROP_DB, DROP_BEATS = 4.5, 2  # a band that marks every beat is not so far below, but it is there at once
BACK_DB = 3.0
STRUCK_DB = 5.0  # what it takes to be a player where kelly itself has just struck, as in a last chord
FORGET_DB_PER_S = 2.0
BEATS = 8
FEWEST_BEATS, FEWEST_ONSETS, OWN_BEATS = 4, 2, 2
FLOOR_DB = -120.0


class Echo:
    """Follows ticks and kelly's own strikes.

    thread  [conductor]
    """

    def __init__(self, sample_rate_hz: float) -> None:
        self._lag_frames = LAG_S * sample_rate_hz
        self.reset()

    def reset(self) -> None:
        self.alone = False
        self._strikes: deque[int] = deque(maxlen=64)
        self._peaks: deque[float] = deque(maxlen=BEATS)
        self._peak, self._onsets, self._foreign = FLOOR_DB, 0, 0
        self._beat = -1
        self._own_db = self._mark_db = FLOOR_DB
        self._forget_quiet()

    def struck(self, frames: Iterable[int]) -> None:
        """Kelly's own note-ons, as they are planned."""
        self._strikes.extend(frames)

    def hear(self, frame: int, beat: int, level_db: float, onset: float) -> bool:
        """Take every tick, in order; True while only kelly itself is heard.

        frame  of the tick's end
        beat   of the grid, -1 while there is none
        """
        level_db = level_db if level_db == level_db else FLOOR_DB
        if beat != self._beat:
            self._end_beat()
            self._beat = beat
        self._peak = max(self._peak, level_db)
        if self.alone:
            self._mark_db -= FORGET_DB_PER_S * HOP_S
            if onset > 0.0 and level_db > (self._own_db + STRUCK_DB if self._own(frame) else self._mark_db + BACK_DB):
                self._welcome()
        elif onset > 0.0:
            self._onsets += 1
            self._foreign += not self._own(frame)
        return self.alone

    def _own(self, frame: int) -> bool:
        """Whether an onset heard now follows a note of kelly's."""
        return any(frame - self._lag_frames <= strike <= frame for strike in self._strikes)

    def _end_beat(self) -> None:
        """Judge the beat that is over."""
        if self.alone or self._beat < 0:
            pass
        elif len(self._peaks) >= FEWEST_BEATS and not self._foreign and self._peak < self._limit_db():
            self._quiet_onsets += self._onsets
            self._quiet_beats += self._onsets > 0
            self._quiet_peaks += [self._peak] * (self._onsets > 0)
            self._own_db = max(self._own_db, self._peak)
            self.alone, self._mark_db = self._quiet_onsets >= FEWEST_ONSETS and self._quiet_beats >= OWN_BEATS, self._own_db
        else:
            self._peaks.extend([*self._quiet_peaks, self._peak])  # a soft beat that did not last was the player's
            self._forget_quiet()
        self._peak, self._onsets, self._foreign = FLOOR_DB, 0, 0

    def _limit_db(self) -> float:
        """What a beat of the player's would reach: far below the quietest it is not, nor at once below it and the last."""
        peaks = list(self._peaks)
        return max(min(peaks) - BELOW_DB, min(*peaks, min(peaks[-DROP_BEATS:]) - DROP_DB)) - self._fading_db()

    def _fading_db(self) -> float:
        """How much softer the later half of the player's last beats was than the earlier."""
        peaks = list(self._peaks)
        half = len(peaks) // 2
        return max(0.0, sum(peaks[:half]) / half - sum(peaks[-half:]) / half)

    def _welcome(self) -> None:
        """The player is back, at whatever level."""
        self.alone = False
        self._peaks.clear()
        self._forget_quiet()

    def _forget_quiet(self) -> None:
        self._quiet_onsets = self._quiet_beats = 0
        self._own_db = FLOOR_DB
        self._quiet_peaks: list[float] = []
