"""Tempo from outside: MIDI clock, 24 pulses a quarter, and a foot that taps.

Pure arithmetic on time stamps in seconds; where they come from is somebody else's business.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median

PULSES_PER_BEAT = 24
TEMPO_BPM = (20.0, 400.0)
"""What is believed; a clock beyond these is not followed."""


class ClockFollower:
    """A tempo and a position out of jittery pulses.

    tempo_bpm  quarter notes per minute, None until half a beat has been heard or after the clock has gone
    running    between start (or continue) and stop
    beats      position in quarter notes since start; counts pulses, so lost ones are put back
    lost       pulses that were missing and put back

    The period is the median of differences over half the window, which a late or doubled pulse moves
    little; when the newest pulses all disagree with it the tempo has changed and the window begins anew.
    source     repeated-median slope (Siegel 1982) on a fixed lag
    thread     [input]
    """

    WINDOW = 2 * PULSES_PER_BEAT
    FEWEST = 12
    GONE_S = 0.5
    CHANGE = 0.02  # of the period, seen by all of the newest
    NEWEST = 8

    def __init__(self) -> None:
        self.tempo_bpm: float | None = None
        self.running = False
        self.lost = 0
        self._pulses = -1  # of the newest pulse since start; -1 before the first
        self._times: deque[tuple[int, float]] = deque(maxlen=self.WINDOW)
        self._count = 0  # pulses ever, lost ones included
        self._suspicious = False  # the newest pulse came after a pause

    @property
    def beats(self) -> float:
        return max(0, self._pulses) / PULSES_PER_BEAT

    def newest_beat(self) -> tuple[float, int] | None:
        """When the newest beat was, smoothed over the window, and its number since start; None while the phase is unknown."""
        if self.tempo_bpm is None or not self.running or self._pulses < 0:
            return None
        rate = self.tempo_bpm * PULSES_PER_BEAT / 60
        count, newest_s = self._times[-1]
        pulse_s = newest_s + (count - self._line(newest_s)) / rate
        beat, since = divmod(self._pulses, PULSES_PER_BEAT)
        return pulse_s - since / rate, beat

    def start(self) -> None:
        """The next pulse is beat 0."""
        self.running, self._pulses = True, -1

    def resume(self) -> None:
        """MIDI's "continue": the next pulse is the one after the newest."""
        self.running = True

    def stop(self) -> None:
        self.running = False

    def seek(self, sixteenths: int) -> None:
        """MIDI's song position, 6 pulses a unit: the next pulse is that one."""
        self._pulses = 6 * sixteenths - 1

    def pulse(self, time_s: float) -> None:
        """One clock message, at a time that never runs backwards by more than jitter."""
        self._weigh(time_s)
        self._count += 1
        if self.running:
            self._pulses += 1
        self._times.append((self._count, time_s))
        if len(self._times) >= self.FEWEST:
            self._follow()

    def check(self, time_s: float) -> None:
        """Nothing may have come for a while: then there is no clock."""
        if self._times and time_s - self._times[-1][1] > self.GONE_S:
            self._forget()

    def _weigh(self, time_s: float) -> None:
        """Was the pause before the newest pulse a loss?

        Pulses that are late come in a burst behind the pause; those that were lost do not.  So a pause
        is only a suspicion, which the first pulse at an ordinary distance decides.
        """
        if not self._times:
            return
        gap = time_s - self._times[-1][1]
        if gap > self.GONE_S:
            self._forget()
        if self.tempo_bpm is None:
            return
        periods = gap * self.tempo_bpm * PULSES_PER_BEAT / 60
        if self._suspicious and periods > 0.5:
            count, newest_s = self._times[-1]
            missing = round(self._line(newest_s) - count)
            if missing > 0:
                self.lost += missing
                self._count += missing
                self._pulses += missing if self.running else 0
                self._times[-1] = (self._count, newest_s)
            self._suspicious = False
        if periods > 1.5:
            self._suspicious = True

    def _line(self, time_s: float) -> float:
        """Where the newest window's line puts this time, in pulses."""
        assert self.tempo_bpm is not None
        rate = self.tempo_bpm * PULSES_PER_BEAT / 60
        return median(count + (time_s - time) * rate for count, time in self._times)

    def _follow(self) -> None:
        times = list(self._times)
        lag = len(times) // 2
        period = median((b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(times, times[lag:], strict=False))
        if len(times) > 2 * self.NEWEST:
            newest = times[-self.NEWEST :]
            fresh = (newest[-1][1] - newest[0][1]) / (newest[-1][0] - newest[0][0])
            signs = [(b[1] - a[1]) / (b[0] - a[0]) - period for a, b in pairwise(newest)]
            same = all(s > 0 for s in signs) or all(s < 0 for s in signs)
            if same and abs(fresh - period) > self.CHANGE * period:
                self._times = deque(newest, maxlen=self.WINDOW)
                period = fresh
        bpm = 60 / (PULSES_PER_BEAT * period) if period > 0 else 0.0
        self.tempo_bpm = bpm if TEMPO_BPM[0] <= bpm <= TEMPO_BPM[1] else None

    def _forget(self) -> None:
        self._times.clear()
        self.tempo_bpm, self._suspicious = None, False


class TapTempo:
    """A tempo out of taps on a pedal or key.

    tempo_bpm  None before the second tap; the median of the last four intervals
    thread     [input]
    """

    PAUSE_S = 2.5
    KEPT = 5

    def __init__(self) -> None:
        self.tempo_bpm: float | None = None
        self._taps: list[float] = []

    def tap(self, time_s: float) -> float | None:
        """One tap; returns the tempo.  A pause begins a new count, a double strike within 0.1 s is one tap."""
        if self._taps and time_s - self._taps[-1] < 0.1:
            return self.tempo_bpm
        if self._taps and time_s - self._taps[-1] > self.PAUSE_S:
            self._taps.clear()
        self._taps = [*self._taps, time_s][-self.KEPT :]
        if len(self._taps) > 1:
            self.tempo_bpm = 60 / median(b - a for a, b in pairwise(self._taps))
        return self.tempo_bpm
