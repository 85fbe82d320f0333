"""What of the harmony is known beforehand: chords by the beat, as they were chosen and as they turned out to be.

The worker names a chord half a beat before it holds.  Where the music comes back it is right; where it is new
the change is heard when it has happened, and the right name comes a beat late.  A player who accompanies
by ear hears that, too, and does not strike a chord he does not believe in: he lets a doubtful bar begin
without him, does not stab a correction into it, and joins on the next line.

A change named within a bar is taken for one that was missed on the strong beat before it, unless the player has
lately changed on that place of the bar, or the piece's chords are given.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from ..music.chord import Chord
from .grid import Place

STAYS = 0.6  # confidence from which a chord is believed to go on over a bar line; below it one in three does
STILL = 0.4  # the same where harmony stands still
CHANGES = 0.3  # and from which a new one is believed on it
WITHIN = 0.9  # and within the bar, on a place where the player changes: half a bar late is not on time
GIVEN = 1.0  # nobody guesses
_STILL_BARS = 2  # harmony stands still once a chord has stayed over so many bar lines
_LONG_BARS = 2  # a chord that has been named for so long is joined anywhere
_HABIT_BARS = 8  # within which a place of the bar is remembered as one of changes
_TURMOIL_BARS, _TURMOIL = 2, 3  # so many changes on weak beats within so many bars: harmony runs ahead of whoever follows
_LATELY, _RUSH = 8, 5  # beats, and changes among them that nobody follows by ear
_FORESEEN = 0.85  # confidence that is still believed then
_LOOPS_BARS = (2, 4, 8)  # lengths in which progressions come back


@dataclass(slots=True)
class _Beat:
    beat: int
    chord: Chord | None


class Foresight:
    """One word per beat, in order.

    sure  whether the chord on the newest beat is believed, so that it may be struck
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._beats: deque[_Beat] = deque(maxlen=80)
        self._within: deque[tuple[int, int]] = deque(maxlen=32)  # beat and place of changes within a bar
        self._missed: deque[int] = deque(maxlen=16)  # beats on which a change was named too late
        self._since = 0  # beat from which the present chord has been named
        self._stayed = 0  # bar lines, one after another, over which the chord has turned out to stay
        self._joined: Chord | None = None  # the chord believed last
        self.sure = True

    def hear(self, place: Place, chord: Chord | None, confidence: float) -> None:
        """Take what was named for a beat; the same beat again corrects it."""
        beats, beat = self._beats, place.beat
        if beats and beats[-1].beat == beat:
            beats.pop()
        before = beats[-1] if beats and beats[-1].beat == beat - 1 else None
        changed = before is not None and before.chord != chord
        if before is None or changed:
            self._since = beat
        beats.append(_Beat(beat, chord))
        if before is None or confidence >= GIVEN:
            self.sure = True
        elif place.beat_in_bar == 0:
            self.sure = self._on_the_line(place, changed, confidence)
        elif changed:
            self.sure = self._within_the_bar(place, confidence)
        elif not self.sure:
            self.sure = confidence >= STAYS and self._stands(place, chord)
        if changed:
            self._stayed = 0
        if self.sure:
            self._joined = chord

    def at(self, beat: int, beats_per_bar: int) -> Chord | None:
        """The chord expected on a coming beat; None where nothing comes back.

        A loop of 2, 4 or 8 bars is believed after a full pass that agrees.
        """
        known = {row.beat: row.chord for row in self._beats}
        for bars in _LOOPS_BARS:
            loop = bars * beats_per_bar
            pairs = [(known[b], known[b - loop]) for b in known if b - loop in known]
            if len(pairs) >= loop // 2 and len(set(known.values())) > 1 and beat - loop in known:
                agreed = sum(a == b for a, b in pairs[-loop:])
                if agreed >= 0.9 * min(len(pairs), loop):
                    return known[beat - loop]
        return None

    def _on_the_line(self, place: Place, changed: bool, confidence: float) -> bool:
        if self._turmoil(place):
            return confidence >= _FORESEEN
        if changed:
            return confidence >= CHANGES
        self._stayed += 1  # taken back by whatever is named within the bar
        return confidence >= (STAYS if self._stayed <= _STILL_BARS else STILL)

    def _within_the_bar(self, place: Place, confidence: float) -> bool:
        habit = any(at == place.beat_in_bar and place.beat - beat <= _HABIT_BARS * place.beats_per_bar for beat, at in self._within)
        if _half(place.beat_in_bar, place.beats_per_bar):
            self._within.append((place.beat, place.beat_in_bar))
            if habit and confidence >= WITHIN and not self._turmoil(place):
                return True
        else:
            self._missed.append(place.beat)
        return False

    def _stands(self, place: Place, chord: Chord | None) -> bool:
        """Whether a chord that was doubted, or came late, is joined within the bar: the old one goes on, or nothing has changed for long."""
        return chord == self._joined or place.beat - self._since >= _LONG_BARS * place.beats_per_bar

    def _turmoil(self, place: Place) -> bool:
        missed = sum(place.beat - beat <= _TURMOIL_BARS * place.beats_per_bar for beat in self._missed)
        lately = list(self._beats)[-_LATELY - 1 :]
        return missed >= _TURMOIL or sum(a.chord != b.chord for a, b in pairwise(lately)) >= _RUSH


def _half(beat_in_bar: int, beats_per_bar: int) -> bool:
    return beats_per_bar >= 4 and 2 * beat_in_bar == beats_per_bar
