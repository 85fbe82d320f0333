"""Counter-melody: a line of thirds and sevenths below the melody, which moves while the melody holds.

At a change of chord it takes the nearest guide tone, against the melody's direction where it can; while
the melody rests or holds it may step on to the next one.  It never moves in fifths or octaves with
melody or bass.
"""

from __future__ import annotations

from ..music.chord import Chord
from .draw import draw
from .harmony import centre_of
from .moment import FINAL, INNER_VOICE, Moment, Note
from .settings import BASS, COUNTER, MELODY, Part
from .why import Why

_LONGEST_BEATS = 8.0
_HELD_STEPS = 4  # since the melody's newest onset, before the counter-melody moves on its own
_BREATH_BEATS = 1.0  # of rest at the end of a phrase
_PERFECT = (0, 7)


class Counter:
    """The clarinettist: channel 4, one note at a time.

    rests  the newest note, if it still sounds, ends at the step planned last
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.reset()

    def reset(self) -> None:
        self.pitch = -1
        self.rests = True
        self._chord: Chord | None = None
        self._step = -(10**9)
        self._melody = self._bass = -1
        self._stood = 0  # notes on the same pitch

    def plan(self, moment: Moment) -> list[Note]:
        place, chord = moment.place, moment.chord
        if chord is None or not place.on_eighth:
            return []
        if moment.closing == FINAL:
            return self._sing(moment, chord, "final", 2.0 * _LONGEST_BEATS) if moment.arrives else []
        if moment.beats_left <= _BREATH_BEATS and not moment.closing:
            self.rests = True
            return []
        if chord != self._chord and (moment.chord_new or place.sub == 0):
            return self._sing(moment, chord, "guide tone", _LONGEST_BEATS)
        if place.sub == 0 and self.rests and place.weight >= 0.75:
            return self._sing(moment, chord, "guide tone", _LONGEST_BEATS)
        if self._may_pass(moment):
            return self._sing(moment, chord, "passing", _LONGEST_BEATS)
        return []

    def _may_pass(self, moment: Moment) -> bool:
        """On a beat in the middle of a long tone of both lines."""
        place = moment.place
        melody_moves = place.step - moment.voices[MELODY].step < _HELD_STEPS
        if place.sub or place.step_in_bar == 0 or self.rests or melody_moves or place.step - self._step < 2 * _HELD_STEPS:
            return False
        return draw(moment.seed, COUNTER, place.bar, place.step_in_bar) < 0.3 + 0.5 * moment.complexity

    def _sing(self, moment: Moment, chord: Chord, rule: str, length: float) -> list[Note]:
        before, self.pitch = self.pitch, self._pick(moment, chord, rule)
        self._stood = self._stood + 1 if self.pitch == before else 0
        self._chord, self._step, self.rests = chord, moment.place.step, False
        self._melody, self._bass = moment.voices[MELODY].pitch, moment.voices[BASS].pitch
        return [Note(self.pitch, length, INNER_VOICE, 0.8, 1.0, why=Why(rule, None, (("motion", 1.0),), moment.chord_break))]

    def _pick(self, moment: Moment, chord: Chord, rule: str) -> int:
        centre = centre_of(self.part, moment, 0.3)
        guides = chord.tones[1:2] + chord.tones[3:]
        melody = moment.voices[MELODY].pitch
        rising = melody - self._melody if min(melody, self._melody) >= 0 else 0
        ceiling = min(self.part.high, melody - 3) if melody > self.part.low + 12 else self.part.high

        def unwillingness(pitch: int) -> tuple[float, int]:
            total = 0.15 * abs(pitch - centre)
            motion = pitch - self.pitch if self.pitch >= 0 else 0
            total += 0.55 * abs(motion) + (3.0 if abs(motion) > 7 else 0.0)
            if motion == 0 and self.pitch >= 0:
                total += 3.0 if rule == "passing" else 1.7 + 0.8 * self._stood  # a line that stands still is none
            total += 0.0 if pitch % 12 in guides else 1.2 if pitch % 12 in chord.tones else 2.5
            total += 0.7 if motion * rising > 0 else 0.0
            for other, before in ((melody, self._melody), (moment.voices[BASS].pitch, self._bass)):
                if min(other, before, self.pitch) >= 0 and other != before and motion:
                    gap = (pitch - other) % 12
                    total += 4.0 if gap in _PERFECT and gap == (self.pitch - before) % 12 else 0.0
            if melody >= 0 and (pitch - melody) % 12 in (1, 11):
                total += 3.0
            return total, pitch

        classes = frozenset(chord.tones) if rule != "passing" else moment.classes
        return min((p for p in range(self.part.low, ceiling + 1) if p % 12 in classes), key=unwillingness)
