"""Drums: kick and snare from the groove net, hats by density, ghosts, and a fill where a phrase turns."""

from __future__ import annotations

import math

from .draw import draw
from .moment import INNER_VOICE, Moment, Note
from .settings import DRUMS, Part

# General MIDI percussion
KICK, SIDE_STICK, SNARE, CLOSED_HAT, PEDAL_HAT, OPEN_HAT = 36, 37, 38, 42, 44, 46
LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = 45, 47, 50, 49, 51

_STRIKE_BEATS = 0.125
_WALTZ = 3  # beats per bar
_FILL = (SNARE, SNARE, HIGH_TOM, HIGH_TOM, MID_TOM, MID_TOM, LOW_TOM, LOW_TOM)


class Drums:
    """The drummer: channel 10.

    A pattern is drawn once per bar of a phrase and repeats with the phrase, so that it is a groove and
    not dice: probabilities near 1 or 0 always hold, the doubtful steps are decided by the hash.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.reset()

    def reset(self) -> None:
        self._filled_bar: int | None = None

    def plan(self, moment: Moment) -> list[Note]:
        place, stage = moment.place, moment.stage
        step = place.step_in_bar
        if stage.answering:
            # The player pauses: time goes on quietly, nothing more.
            return [self._hit(PEDAL_HAT, 0.7)] if place.sub == 0 and place.beat_in_bar % 2 == 1 else []
        notes: list[Note] = []
        fill = self._fills(moment)
        if fill:
            self._filled_bar = place.bar
            drum = _FILL[(step % 8) if place.beats_per_bar > 1 else 0]
            if place.sub % 2 == 0 or moment.energy > 0.55:
                notes.append(self._hit(drum, 0.75 + 0.25 * (step % 8) / 8))
            if place.sub == 0:
                notes.append(self._hit(KICK, 0.9))
            return notes
        if step == 0 and self._filled_bar == place.bar - 1:
            notes.append(self._hit(CRASH, 0.9))
        if self._kick(moment):
            notes.append(self._hit(KICK, 1.05 if place.weight >= 0.75 else 0.95))
        snare = self._snare(moment)
        if snare is not None:
            notes.append(snare)
        hat = self._hat(moment)
        if hat is not None and not any(note.pitch == CRASH for note in notes):
            notes.append(hat)
        return notes

    def _pattern_draw(self, moment: Moment, salt: int) -> float:
        """The same in every second bar of the piece: a two-bar groove."""
        return draw(moment.seed, DRUMS, moment.place.bar % 2, moment.place.step_in_bar, salt)

    def _kick(self, moment: Moment) -> bool:
        place = moment.place
        if place.step_in_bar == 0 or place.beats_per_bar == _WALTZ:
            return place.step_in_bar == 0  # a waltz is low, high, high; the net's bar has four beats
        probability = moment.heard.groove.low[place.step_in_bar % 16]
        return probability >= 0.25 + 0.5 * self._pattern_draw(moment, 1)

    def _snare(self, moment: Moment) -> Note | None:
        place, groove = moment.place, moment.heard.groove
        drum = SNARE if moment.energy >= 0.33 else SIDE_STICK
        if place.sub % 2 == 0:
            probability = groove.high[place.step_in_bar // 2 % 8]
            waltz = place.beats_per_bar == _WALTZ
            backbeat = place.sub == 0 and (place.beat_in_bar > 0 if waltz else place.beat_in_bar % 2 == 1)
            if waltz:
                return self._hit(SIDE_STICK if moment.energy < 0.6 else SNARE, 0.75) if backbeat else None
            if probability >= (0.35 if backbeat else 0.25 + 0.5 * self._pattern_draw(moment, 2)):
                return self._hit(drum, 1.1 if backbeat else 0.8)
            return None
        if drum == SNARE and moment.energy > 0.4 and moment.room >= 0.5:
            ghost = 0.35 * groove.ghost * (1.0 if place.sub == 3 else 0.6)
            if self._pattern_draw(moment, 3) < ghost:
                return self._hit(SNARE, 0.38)
        return None

    def _hat(self, moment: Moment) -> Note | None:
        """Quarters, eighths or sixteenths by the groove's density and the energy."""
        place = moment.place
        density = 0.5 * moment.heard.groove.density + 0.5 * moment.energy + 0.2 * math.log2(moment.beat_s / 0.5)
        if moment.room < 0.5:
            density -= 0.15
        grid = 4 if density < 0.36 else 2 if density < 0.75 else 1
        if place.step_in_bar % grid:
            return None
        cymbal = CLOSED_HAT
        if moment.energy < 0.25:
            cymbal = PEDAL_HAT
            if place.beat_in_bar % 2 == 0:
                return None  # very calm: the foot on two and four
        elif place.sub == 2 and place.beat_in_bar == place.beats_per_bar - 1 and density > 0.5 + self._pattern_draw(moment, 4):
            cymbal = OPEN_HAT
        loudness = {0: 0.85, 2: 0.7}.get(place.sub, 0.5)
        return self._hit(cymbal, loudness)

    def _fills(self, moment: Moment) -> bool:
        """The last two beats of a phrase, when the dice of that phrase say so."""
        place = moment.place
        left = place.phrase_beats - place.phrase_beat
        if left > min(2, place.beats_per_bar) or moment.energy < 0.3 or moment.room < 0.35:
            return False
        last_bar = place.bar
        return draw(moment.seed, DRUMS, last_bar, 0, 9) < moment.heard.groove.fill

    def _hit(self, drum: int, loudness: float) -> Note:
        return Note(drum, _STRIKE_BEATS, INNER_VOICE, loudness, 1.0)
