"""Bass: the root where the groove's low voice falls, a fifth or an octave now and then, and a step into the next chord."""

from __future__ import annotations

from collections import deque

from ..music.chord import Chord
from .draw import draw
from .moment import BASS_VOICE, Moment, Note
from .settings import BASS, Part

_PEDAL_BEATS = 8.0
_LOOPS_BARS = (2, 4, 8)  # lengths in which progressions come back
_ONSET = 0.5  # groove probability from which the low voice plays


class Forecast:
    """Which chord will follow, if the progression goes on repeating itself.

    Remembers one chord per beat; a loop of 2, 4 or 8 bars is believed after a full pass that agrees.
    """

    def __init__(self) -> None:
        self._beats: deque[tuple[int, Chord | None]] = deque(maxlen=80)

    def hear(self, beat: int, chord: Chord | None) -> None:
        if self._beats and self._beats[-1][0] == beat:
            self._beats[-1] = (beat, chord)
        else:
            self._beats.append((beat, chord))

    def at(self, beat: int, beats_per_bar: int) -> Chord | None:
        """The expected chord of a coming beat; None when nothing repeats."""
        known = dict(self._beats)
        for bars in _LOOPS_BARS:
            loop = bars * beats_per_bar
            pairs = [(known[b], known[b - loop]) for b in known if b - loop in known]
            if len(pairs) >= loop // 2 and len(set(known.values())) > 1 and beat - loop in known:
                agreed = sum(a == b for a, b in pairs[-loop:])
                if agreed >= 0.9 * min(len(pairs), loop):
                    return known[beat - loop]
        return None


class Bass:
    """The bass player: channel 3, one note at a time."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.reset()

    def reset(self) -> None:
        self.pitch = (self.part.low + self.part.high) // 2
        self._root: int | None = None
        self._chord: Chord | None = None
        self._struck_step = self._until_step = -(10**9)
        self._forecast = Forecast()

    def plan(self, moment: Moment) -> list[Note]:
        place, chord = moment.place, moment.chord
        if place.sub == 0:
            self._forecast.hear(place.beat, chord)
        root = chord.root if chord else moment.bass_hint
        if root < 0:
            return []
        changed = root != self._root or chord != self._chord
        if moment.stage.pedal or moment.stage.answering:
            return self._pedal(moment, root, changed)
        strong = place.step_in_bar == 0 or (changed and place.sub % 2 == 0)
        if not (strong or (place.sub % 2 == 0 and self._groove_plays(moment))):
            return []
        self._root, self._chord = root, chord
        target = root if strong else self._figure(moment, root)
        return [self._note(moment, target, self._length(moment))]

    def _pedal(self, moment: Moment, root: int, changed: bool) -> list[Note]:
        """Soft and long: what can be said before the beat is trusted, or while the player pauses."""
        place = moment.place
        held = (place.step - self._struck_step) / 4
        again = place.step_in_bar == 0 and (held >= _PEDAL_BEATS or place.step >= self._until_step)
        if not (again or (changed and place.sub % 2 == 0)):
            return []
        self._root, self._chord = root, moment.chord
        note = self._note(moment, root, _PEDAL_BEATS + 0.5)
        note.loudness, note.gate = 0.8, 1.0
        return [note]

    def _groove_plays(self, moment: Moment) -> bool:
        """The kick's pattern, thinned where the player leaves little room."""
        low = moment.heard.groove.low
        step = moment.place.step_in_bar % 16
        threshold = _ONSET + (0.2 if moment.room < 0.5 else 0.0)
        return low[step] >= threshold

    def _figure(self, moment: Moment, root: int) -> int:
        """Pitch class of a note between the roots."""
        place, chord = moment.place, moment.chord
        beats_left = place.beats_per_bar - place.step_in_bar / 4
        coming = self._forecast.at(place.beat + 1, place.beats_per_bar)
        u = draw(moment.seed, BASS, place.bar, place.step_in_bar)
        figures = moment.controls.factor("complexity", 2.0)
        if coming is not None and coming.root != root and (place.sub == 2 or beats_left <= 1) and u < 0.5 * figures:
            return self._approach(moment, coming.root)
        fifth = chord.tones[2 if len(chord.tones) > 2 else 1] if chord else root
        return fifth if place.weight >= 0.5 and u < 0.2 * figures else root

    def _approach(self, moment: Moment, target: int) -> int:
        """The scale's neighbour of the coming root, from the side on which the bass stands."""
        classes = moment.classes
        side = 1 if (target - self.pitch) % 12 > 6 else -1
        for step in (side, 2 * side):
            if (target + step) % 12 in classes:
                return (target + step) % 12
        return target

    def _note(self, moment: Moment, pitch_class: int, length_beats: float) -> Note:
        """The nearest such pitch, drawn towards the middle of the range."""
        middle = (self.part.low + self.part.high) / 2 - 2
        candidates = [p for p in range(self.part.low, self.part.high + 1) if p % 12 == pitch_class % 12]
        self.pitch = min(candidates, key=lambda p: (abs(p - self.pitch) + 0.8 * abs(p - middle), p))
        self._struck_step = moment.place.step
        self._until_step = moment.place.step + int(4 * length_beats)
        return Note(self.pitch, length_beats, BASS_VOICE)

    def _length(self, moment: Moment) -> float:
        """To the next onset of the pattern, at most to the bar's end."""
        place, low = moment.place, moment.heard.groove.low
        bar_steps = place.beats_per_bar * 4
        steps = next(
            (n for n in range(2 - place.sub % 2, bar_steps - place.step_in_bar, 2)
             if low[(place.step_in_bar + n) % 16] >= _ONSET),
            bar_steps - place.step_in_bar,
        )  # fmt: skip
        return steps / 4
