"""Chords: voiced with the least motion, struck in a rhythm that follows energy and leaves the player room."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

from ..music.chord import Chord
from .draw import draw
from .moment import INNER_VOICE, Moment, Note
from .settings import CHORDS, Part

# One bar of 16ths; x strikes.  A row per step of energy, from held chords to driving eighths.
COMPING = (
    ("x...............",),
    ("x.......x.......", "x..............."),
    ("x.....x.........", "x.......x.......", "x.........x....."),
    ("x.....x...x.....", "x...x...x.x.....", "..x...x...x...x."),
    ("x..x..x...x.x...", "x.x...x.x.x...x.", "x.x.x.x.x.x.x.x."),
)
PAD, LIVELY = 0, 3  # levels: at PAD chords ring across bars, from LIVELY on they are short
_HELD_BARS = 2  # a chord that does not change is struck again after this many bars


@lru_cache(maxsize=512)
def voicings(tones: tuple[int, ...], low: int, high: int, full: bool) -> tuple[tuple[int, ...], ...]:
    """Close and open positions of a chord within a range.

    tones   pitch classes, root first     full   also with one tone doubled above (triads only)
    """
    found: list[tuple[int, ...]] = []
    classes = sorted(set(tones))
    for bottom in range(low, high + 1):
        if bottom % 12 not in classes:
            continue
        stack, pitch = [bottom], bottom
        while len(stack) < len(classes):
            pitch += 1
            if pitch % 12 in classes:
                stack.append(pitch)
        if len(stack) == 2:
            stack.append(bottom + 12)  # a power chord is root, fifth, root (or fifth, root, fifth)
        shapes = [stack]
        if len(stack) == 3:
            shapes.append([stack[0], stack[2], stack[1] + 12])  # open position
        if len(stack) == 4:
            shapes.append([stack[2] - 12, stack[0], stack[1], stack[3]])  # drop 2
            if tones[0] % 12 != tones[2] % 12:
                shapes.append([p for p in stack if p % 12 != tones[2] % 12])  # the fifth is what one hears least
        if full and len(stack) == 3:
            shapes.append([*stack, bottom + 12])
        found += [tuple(shape) for shape in shapes if shape[0] >= low and shape[-1] <= high]
    return tuple(found)


def motion(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """Semitones that the voices move in all; voices that appear or vanish go to their nearest neighbour."""
    if len(before) == len(after):
        return float(sum(abs(a - b) for a, b in zip(before, after, strict=True)))
    few, many = sorted((before, after), key=len)
    return float(sum(min(abs(p - q) for q in few) for p in many))


def cost(shape: tuple[int, ...], before: tuple[int, ...], centre: float, leading_tone: int, major_third: int) -> float:
    """How unwilling a player would be to play ``shape`` next; lower is better."""
    total = 0.7 * abs(sum(shape) / len(shape) - centre)
    if before:
        total += motion(before, shape) / len(shape) * 2.0
        total += 0.5 * abs(shape[-1] - before[-1])  # the top voice is the one that is heard
        if len(before) == len(shape) and all(b - a == shape[0] - before[0] for a, b in zip(before, shape, strict=True)):
            total += 2.0 if shape != before else 0.0  # all voices in parallel
    for a, b in pairwise(shape):
        if a < 52 and b - a < 7:
            total += 3.0  # thirds turn to mud down there
        elif a < 57 and b - a < 3:
            total += 2.0
        if b - a == 1:
            total += 2.5
        if b - a > 12:
            total += 1.5
    total += 0.4 * max(0, shape[-1] - shape[0] - 14)
    classes = [p % 12 for p in shape]
    if classes.count(leading_tone) > 1:
        total += 100.0
    if classes.count(major_third) > 1:
        total += 2.0
    return total


class Chords:
    """The chord player: channel 1.

    state  its voicing, the chord it stands for, and when it was struck
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.reset()

    def reset(self) -> None:
        self.voicing: tuple[int, ...] = ()
        self.chord: Chord | None = None
        self._struck_step = self._until_step = -(10**9)

    def plan(self, moment: Moment) -> list[Note]:
        """The chord struck at this step; empty where the sounding one goes on.

        A chord that vanishes is the conductor's to cut.
        """
        chord, place = moment.chord, moment.place
        if chord is None:
            self.chord = None
            return []
        changed = chord != self.chord
        level = self._level(moment)
        late = changed and not moment.chord_new
        if (changed and (not late or place.sub % 2 == 0)) or (not changed and self._pattern_strikes(moment, level)):
            length = self._length(moment, level)
            self.voicing = self._voice(chord, moment, level)
            self.chord, self._struck_step = chord, place.step
            self._until_step = place.step + int(length * 4)
            gate = 1.0 if level == PAD else None
            loudness = 0.8 if moment.stage.answering else 0.92 if place.weight < 0.5 else 1.0
            return [
                Note(pitch, length, INNER_VOICE, loudness, gate, order, len(self.voicing))
                for order, pitch in enumerate(self.voicing)
            ]
        return []

    def _level(self, moment: Moment) -> int:
        if moment.stage.pedal or moment.stage.answering:
            return PAD
        # What feels busy is strikes per second, so a fast beat takes a calmer pattern.
        pace = 0.15 * math.log2(moment.beat_s / 0.5)
        level = math.floor((moment.energy + pace) * len(COMPING) * 0.999)
        if moment.room < 0.5:
            level -= 1
        level += round(moment.controls.lean("density"))
        return max(PAD, min(len(COMPING) - 1, level))

    def _rhythm(self, moment: Moment, level: int) -> str:
        """The pattern of the bar: one per phrase, so that it can be recognised."""
        place = moment.place
        phrase = place.phrase_start // place.phrase_beats
        choices = COMPING[level]
        return choices[int(draw(moment.seed, CHORDS, phrase, level) * len(choices))]

    def _pattern_strikes(self, moment: Moment, level: int) -> bool:
        place = moment.place
        if level == PAD:
            if place.sub == 0 and place.step >= self._until_step:
                return True  # the last figure has ended: hold something again
            held = place.step - self._struck_step
            return place.step_in_bar == 0 and held >= _HELD_BARS * place.beats_per_bar * 4
        return self._rhythm(moment, level)[place.step_in_bar % 16] == "x"

    def _length(self, moment: Moment, level: int) -> float:
        """Beats to the next strike of the pattern, not counting a change of chord, which cuts."""
        place = moment.place
        bar_steps = place.beats_per_bar * 4
        if level == PAD:
            return _HELD_BARS * place.beats_per_bar + 0.5  # a little over: the next strike cuts it without a gap
        rhythm = self._rhythm(moment, level)
        steps = next(
            (n for n in range(1, bar_steps - place.step_in_bar) if rhythm[(place.step_in_bar + n) % 16] == "x"),
            bar_steps - place.step_in_bar,
        )
        return min(steps / 4, 1.0 if level >= LIVELY else 4.0)

    def _voice(self, chord: Chord, moment: Moment, level: int) -> tuple[int, ...]:
        heard = moment.heard
        if chord == self.chord and self.voicing and moment.place.step_in_bar:
            return self.voicing
        centre = (self.part.low + self.part.high) / 2 + 4.0 * (0.69 * heard.valence - 0.42 * heard.arousal)
        tonic = heard.tonic
        leading = (tonic + 11) % 12 if tonic >= 0 else -1
        third = (chord.root + 4) % 12
        choices = voicings(chord.tones, self.part.low, self.part.high, level >= LIVELY or level == PAD)
        if not choices:
            return ()
        before = self.voicing
        return min(choices, key=lambda shape: (cost(shape, before, centre, leading, third), shape))
