"""Chords: voiced with the least motion, struck in a rhythm that follows energy and leaves the player room."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

from ..music.chord import POWER, SUS4, Chord
from ..music.emotion import Mood, targets_from_mood
from .draw import draw
from .metres import metre_of, turned
from .moment import FINAL, INNER_VOICE, Moment, Note
from .pocket import kicks
from .settings import BASS, CHORDS, Part
from .why import Why

# One bar of 16ths; x strikes.  A row per step of energy, from held chords to driving eighths.  From the second row on a beat
# that foot and bass may leave out, two and four above all, is the chords': somebody pitched or the foot marks each beat.
COMPING = (
    ("x...............",),
    ("x...x...x...x...", "x...x.......x..."),
    ("x...x...x.x.x...", "x...x.....x.x...", "....x.......x..."),
    ("x...x.x...x.x...", "x...x...x.x.x...", "x.x.x.....x.x..."),
    ("x..xx.x...x.x...", "x.x.x.x.x.x.x.x.", "x.x.x...x.x.x.x."),
)
PAD, LIVELY = 0, 3  # levels: at PAD chords ring across bars, from LIVELY on they are short
_RING_BEATS = 2.0  # of a phrase, at its end, in which a held chord is left alone
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


def cost(
    shape: tuple[int, ...], before: tuple[int, ...], centre: float, leading_tone: int, major_third: int,
    bass: tuple[int, int] = (-1, -1),
) -> float:  # fmt: skip
    """How unwilling a player would be to play ``shape`` next; lower is better.

    bass  the bass player's note before and now, -1 unknown: its fifths and octaves with the top shall not move in parallel
    """
    total = 0.7 * abs(sum(shape) / len(shape) - centre)
    if before and min(bass) >= 0 and bass[0] != bass[1] and shape[-1] != before[-1]:
        gap = (shape[-1] - bass[1]) % 12
        if gap in (0, 7) and gap == (before[-1] - bass[0]) % 12:
            total += 2.0
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
    if min(bass) >= 0 and classes[0] == bass[1] % 12 and len(shape) > 3:
        total += 0.6  # the bass has the root already
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
        self._bass = -1
        self._away = True  # silent until now

    def plan(self, moment: Moment) -> list[Note]:
        """The chord struck at this step; empty where the sounding one goes on.

        A chord that vanishes is the conductor's to cut.
        """
        chord, place = moment.chord, moment.place
        if chord is None:
            self.chord, self._away = None, True
            return []
        if not moment.sure:
            self._away = True
            return []
        if self._away and place.beats_per_bar > 2 and place.beat_in_bar == place.beats_per_bar - 1 and not moment.closing:
            return []  # who comes in waits for the bar line if it is near
        self._away = False
        changed = chord != self.chord
        level = self._level(moment)
        if moment.closing == FINAL:
            return self._close(moment, chord) if changed or moment.arrives else []
        late = changed and not moment.chord_new
        change = changed and (not late or place.on_eighth)
        if not change and (changed or not self._pattern_strikes(moment, level)):
            return self._touched(moment) if not changed and self._touches(moment, level) else []
        length = self._length(moment, level)
        self.voicing = self._voice(chord, moment, level)
        rule = "chord change" if change else "comping" if level > PAD else "renewed"
        if moment.stage.pedal or moment.stage.answering:
            rule = "held"
        self.chord, self._struck_step = chord, place.step
        self._until_step = place.step + int(length * 4)
        self._bass = moment.voices[BASS].pitch
        if not change and self._broken(moment, level):
            return [self._single(moment, rule)]
        gate = 1.0 if level == PAD else None
        loudness = 0.8 if moment.stage.answering else 0.92 if place.weight < 0.5 else 1.0
        return self._notes(moment, length, rule, loudness, gate)

    def _touched(self, moment: Moment) -> list[Note]:
        """One voice again, the others ring on; upwards from beat to beat."""
        left = (self._until_step - moment.place.step) / 4
        voice = moment.place.beat % len(self.voicing)
        return [
            Note(pitch, left, INNER_VOICE, 0.78, 1.0, order, len(self.voicing), tied=order != voice, why=Why("touched", broke=moment.chord_break))
            for order, pitch in enumerate(self.voicing)
        ]

    def _close(self, moment: Moment, chord: Chord) -> list[Note]:
        self.voicing = self._voice(chord, moment, PAD)
        self.chord = chord
        return self._notes(moment, 4.0 * moment.place.beats_per_bar, "final", 0.95, 1.0)

    def _notes(self, moment: Moment, length: float, rule: str, loudness: float, gate: float | None) -> list[Note]:
        broke = moment.chord_break or next((name for name in _VOICED if name in moment.breaks), "")
        if not broke and "displacement" in moment.breaks and rule == "comping":
            broke = "displacement"
        prior = None
        why = Why(rule, prior, (("voice-leading", 1.0),) if rule == "chord change" else (), broke)
        return [
            Note(pitch, length, INNER_VOICE, loudness, gate, order, len(self.voicing), why=why)
            for order, pitch in enumerate(self.voicing)
        ]

    def _broken(self, moment: Moment, level: int) -> bool:
        """Whether the chord is taken apart, one voice per eighth: for calm music beside a player with few notes."""
        place = moment.place
        if level not in (1, 2) or place.beats_per_bar > 4 or moment.per_beat > 1.6 or moment.heard.arousal > 0.1:
            return False
        phrase = place.phrase_start // place.phrase_beats
        return draw(moment.seed, CHORDS, phrase, 0, 7) < 0.35 + 0.3 * moment.complexity

    def _single(self, moment: Moment, rule: str) -> Note:
        n = len(self.voicing)
        up_and_down = [*range(n), *range(n - 2, 0, -1)]
        voice = up_and_down[moment.place.eighth % len(up_and_down)]
        return Note(self.voicing[voice], 1 / 3 if moment.place.ternary else 0.5, INNER_VOICE, 0.82, None, why=Why(rule, broke=moment.chord_break))

    def _level(self, moment: Moment) -> int:
        if moment.stage.pedal or (moment.stage.answering and not moment.closing):
            return PAD
        # What feels busy is strikes per second, so a fast beat takes a calmer pattern.
        pace = 0.15 * math.log2(moment.beat_s / 0.5)
        level = math.floor((moment.energy + pace) * len(COMPING) * 0.999)
        if moment.room < 0.5:
            level -= 1
        level += round(moment.controls.lean("density"))
        return max(PAD, min(len(COMPING) - 1, level))

    def _rhythm(self, moment: Moment, level: int) -> str:
        """The pattern of the bar: one per phrase, so that it can be recognised; its last bar may answer."""
        place = moment.place
        phrase = place.phrase_start // place.phrase_beats
        metre = metre_of(place)
        choices = (metre.comping if metre else COMPING)[level]
        answer = moment.beats_left <= place.beats_per_bar and moment.complexity >= 0.4
        rhythm = choices[int(draw(moment.seed, CHORDS, phrase, level, int(answer)) * len(choices))]
        rhythm = (rhythm + rhythm)[: moment.bar_steps]
        if "displacement" in moment.breaks:
            rhythm = turned(rhythm, place.ternary)
        return rhythm

    def _pattern_strikes(self, moment: Moment, level: int) -> bool:
        place = moment.place
        if level == PAD:
            if place.sub == 0 and place.step >= self._until_step:
                return True  # the last figure has ended: hold something again
            held = place.step - self._struck_step
            return place.step_in_bar == 0 and held >= _HELD_BARS * place.beats_per_bar * 4
        if self._broken(moment, level):
            return place.on_eighth
        return self._rhythm(moment, level)[place.step_in_bar] == "x" or self._alone_on_the_beat(moment)

    def _alone_on_the_beat(self, moment: Moment) -> bool:
        """Whether nobody else marks this beat, neither foot nor bass: then it is the chords'."""
        place = moment.place
        return place.sub == 0 and place.step_in_bar not in kicks(moment) and moment.voices[BASS].step != place.step

    def _touches(self, moment: Moment, level: int) -> bool:
        """Whether a held chord is touched again, one voice of it, where a beat would else pass unmarked; a phrase's last two beats ring."""
        held = level == PAD and not moment.stage.pedal and not moment.stage.answering
        return held and self._alone_on_the_beat(moment) and moment.beats_left > _RING_BEATS and moment.place.step < self._until_step

    def _length(self, moment: Moment, level: int) -> float:
        """Beats to the next strike of the pattern, not counting a change of chord, which cuts."""
        place = moment.place
        if level == PAD:
            return _HELD_BARS * place.beats_per_bar + 0.5  # a little over: the next strike cuts it without a gap
        rhythm, left = self._rhythm(moment, level), moment.bar_steps - place.step_in_bar
        steps = next((n for n in range(1, left) if rhythm[place.step_in_bar + n] == "x"), left)
        return min(place.beats_on(steps), 1.0 if level >= LIVELY else 4.0)

    def _voice(self, chord: Chord, moment: Moment, level: int) -> tuple[int, ...]:
        if chord == self.chord and self.voicing and moment.place.step_in_bar:
            return self.voicing
        if "parallel motion" in moment.breaks and self.voicing and self.chord is not None:
            slid = _slide(self.voicing, self.chord, chord, moment.classes, self.part)
            if slid:
                return slid
        tones, third = chord.tones, (chord.root + 4) % 12
        if "unresolved dissonance" in moment.breaks and (chord.root + 5) % 12 in moment.classes and moment.closing != FINAL:
            tones = Chord(chord.root, SUS4).tones
        elif "missing third" in moment.breaks:
            tones = Chord(chord.root, POWER).tones
        elif "semitone cluster" in moment.breaks:
            tones = (*tones[:3], *_neighbours(tones, moment.classes)[:1])
        tonic = moment.heard.tonic
        leading = (tonic + 11) % 12 if tonic >= 0 else -1
        choices = voicings(tones, self.part.low, self.part.high, level >= LIVELY or level == PAD)
        if not choices:
            return ()
        bass = (self._bass, moment.voices[BASS].pitch)
        before, centre = self.voicing if moment.uses("voice-leading") else (), centre_of(self.part, moment, 0.4)
        return min(choices, key=lambda shape: (cost(shape, before, centre, leading, third, bass), shape))


_VOICED = ("parallel motion", "unresolved dissonance", "missing third", "semitone cluster")


def _slide(before: tuple[int, ...], old: Chord, new: Chord, classes: frozenset[int], part: Part) -> tuple[int, ...]:
    """Every voice moves by the roots' smaller interval, drawn to the scale; empty where that leaves the range."""
    shift = (new.root - old.root + 5) % 12 - 5
    slid = tuple(sorted({_nearest(pitch + shift, classes | set(new.tones)) for pitch in before}))
    return slid if slid and part.low <= slid[0] and slid[-1] <= part.high else ()


def _nearest(pitch: int, classes: frozenset[int] | set[int]) -> int:
    return next((p for gap in range(12) for p in (pitch - gap, pitch + gap) if p % 12 in classes), pitch)


def _neighbours(tones: tuple[int, ...], classes: frozenset[int]) -> list[int]:
    """Tones of the key a semitone beside a chord tone, without being one."""
    return sorted(c for c in classes - set(tones) if {(c + 1) % 12, (c - 1) % 12} & set(tones))


def centre_of(part: Part, moment: Moment, share: float) -> float:
    """Pitch around which a part lies: the middle of its range, moved by the mood and out of the player's way.

    share   of the inverse mapping's 10 semitones; a part with a narrow range moves less
    source  emotion.targets_from_mood
    """
    heard = moment.heard
    target = targets_from_mood(Mood(heard.valence, heard.arousal, heard.tension)).centre_pitch - 68.0
    middle, room = (part.low + part.high) / 2, (part.high - part.low) / 2 - 5
    player = 66.0 + 24.0 * heard.register
    aside = 0.0 if abs(player - middle) >= 7 else math.copysign(3.0 - abs(player - middle) / 3.5, middle - player)
    return middle + max(-room, min(room, share * target + 0.6 * aside))
