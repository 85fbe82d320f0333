"""The pad: the harmony as one long sound; a voice that stays is not struck again."""

from __future__ import annotations

from functools import lru_cache

from ..music.chord import Chord
from .harmony import centre_of, cost
from .moment import INNER_VOICE, Moment, Note
from .settings import BASS, Part
from .why import Why

_RENEWED_BARS = 4  # a chord that does not change is struck again after so many bars


@lru_cache(maxsize=512)
def spread(tones: tuple[int, ...], low: int, high: int) -> tuple[tuple[int, ...], ...]:
    """Wide positions of a chord within a range: every second tone of its close stack, so that it leaves the middle free.

    tones  pitch classes, root first
    """
    stack = [pitch for pitch in range(low, high + 1) if pitch % 12 in tones]
    wide = [tuple(stack[i : i + 2 * len(set(tones)) : 2]) for i in range(len(stack))]
    whole = [shape for shape in wide if {pitch % 12 for pitch in shape} == {tone % 12 for tone in tones}]
    return tuple(whole) or tuple(tuple(stack[i : i + len(set(tones))]) for i in range(len(stack) - len(set(tones)) + 1))


class Pad:
    """The string players: channel 5."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.reset()

    def reset(self) -> None:
        self.voicing: tuple[int, ...] = ()
        self.chord: Chord | None = None
        self._struck_step = -(10**9)

    def plan(self, moment: Moment) -> list[Note]:
        """All voices of a new chord; those that sound already are tied."""
        place, chord = moment.place, moment.chord
        if chord is None:
            self.chord = None
            return []
        changed = chord != self.chord and place.on_eighth
        renewed = place.step_in_bar == 0 and place.step - self._struck_step >= _RENEWED_BARS * moment.bar_steps
        final = moment.arrives
        if not (changed or renewed or final):
            return []
        tonic = moment.heard.tonic
        leading = (tonic + 11) % 12 if tonic >= 0 else -1
        third, bass = (chord.root + 4) % 12, moment.voices[BASS].pitch
        shapes = spread(chord.tones, self.part.low, self.part.high)
        if not shapes:
            return []
        centre = centre_of(self.part, moment, 0.3)
        before = self.voicing
        self.voicing = min(shapes, key=lambda shape: (cost(shape, before, centre, leading, third, (bass, bass)), shape))
        self.chord, self._struck_step = chord, place.step
        length = _RENEWED_BARS * place.beats_per_bar + 0.5
        why = Why("final" if final else "pad", None, (("voice-leading", 1.0),), moment.chord_break)
        return [
            Note(pitch, length, INNER_VOICE, 0.72, 1.0, order, len(self.voicing), tied=not renewed, why=why)
            for order, pitch in enumerate(self.voicing)
        ]
