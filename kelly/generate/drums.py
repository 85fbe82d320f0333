"""Drums: the foot of the pocket, a snare that answers, cymbals by density, ghosts, and a fill where a phrase turns."""

from __future__ import annotations

import math

from .draw import draw
from .metres import metre_of
from .moment import FINAL, INNER_VOICE, LEADING, Moment, Note
from .pocket import TRIPLET_FEEL, backbeats, counts_four, half_time, kicks, written
from .settings import DRUMS, Part
from .why import Why

# General MIDI percussion
KICK, SIDE_STICK, SNARE, CLOSED_HAT, PEDAL_HAT, OPEN_HAT = 36, 37, 38, 42, 44, 46
LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = 45, 47, 50, 49, 51

_STRIKE_BEATS = 0.125
# The last two beats of a phrase in 16ths: - the groove goes on, . a rest, capitals with the foot.  A row per energy.
FILLS = (
    ("------s.", "----g.s.", "------gs"),
    ("----s.ss", "----s.hm", "--s.s.ml", "----sshm"),
    ("s.shh.ml", "sshhmmll", "S.sH.hMl", "----ssml"),
)
_DRUM = {"s": SNARE, "g": SNARE, "h": HIGH_TOM, "m": MID_TOM, "l": LOW_TOM}
_FOOT = 0.25  # energy below which only the foot plays cymbals
_CALM, _WILD = 0.45, 0.68  # energy where the rows of FILLS begin
_FILL_STEPS = 8


class Drums:
    """The drummer: channel 10."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.reset()

    def reset(self) -> None:
        self._filled = False  # what came last was a fill

    def plan(self, moment: Moment) -> list[Note]:
        place, stage = moment.place, moment.stage
        step = place.step_in_bar
        if moment.closing == FINAL:
            return [self._hit(KICK, 1.0, "final"), self._hit(CRASH, 0.85, "final")] if moment.arrives else []
        if stage.answering and not moment.closing:
            # The player pauses: time goes on quietly, nothing more.
            return [self._hit(PEDAL_HAT, 0.7, "cymbal")] if place.sub == 0 and place.beat_in_bar % 2 == 1 else []
        fill = self._fill(moment)
        if fill is not None:
            self._filled = True
            return fill
        notes: list[Note] = []
        crash = step == 0 and self._filled and moment.energy >= 0.4
        if step == 0 and self._filled:
            self._filled = False
        if crash:
            notes.append(self._hit(CRASH, 0.9, "crash"))
        low = moment.heard.groove.low[step % 16]
        if step in kicks(moment):
            notes.append(self._hit(KICK, 1.05 if place.weight >= 0.75 else 0.92, "kick", low))
        snare = self._snare(moment)
        if snare is not None:
            notes.append(snare)
        hat = self._hat(moment)
        if hat is not None and not crash:
            notes.append(hat)
        return notes

    def _pattern_draw(self, moment: Moment, salt: int) -> float:
        """The same in every second bar of the piece: a two-bar groove."""
        return draw(moment.seed, DRUMS, moment.place.bar % 2, moment.place.step_in_bar, salt)

    def _snare(self, moment: Moment) -> Note | None:
        if not counts_four(moment):
            return self._written_snare(moment)
        place, groove = moment.place, moment.heard.groove
        drum = SNARE if moment.energy >= 0.33 else SIDE_STICK
        backbeat = place.sub == 0 and place.beat_in_bar in backbeats(moment)
        if place.sub % 2 == 0:
            probability = groove.high[place.step_in_bar // 2 % 8]
            if half_time(moment):
                broke = "half time" if "half time" in moment.breaks else ""
                return self._hit(drum, 1.0, "backbeat", probability, broke) if backbeat else None
            if probability >= (0.35 if backbeat else 0.3 + 0.6 * self._pattern_draw(moment, 2)):
                return self._hit(drum, 1.1 if backbeat else 0.7, "backbeat" if backbeat else "high voice", probability)
        return self._ghost(moment) if drum == SNARE else None

    def _written_snare(self, moment: Moment) -> Note | None:
        """As the metre's table has it: a full backbeat, or a soft one."""
        place = moment.place
        mark = written(moment, "snare")[place.step_in_bar]
        if mark in "xX":
            lightly = mark == "x"
            drum = SNARE if moment.energy >= (0.5 if lightly else 0.33) else SIDE_STICK
            return self._hit(drum, 0.75 if lightly else 1.0, "backbeat")
        return self._ghost(moment) if moment.energy >= 0.33 else None

    def _ghost(self, moment: Moment) -> Note | None:
        """Between the strong beats, likeliest just before and after the backbeat; never where the foot falls."""
        place = moment.place
        if moment.energy <= 0.4 - 0.2 * (moment.complexity - 0.5) or moment.room < 0.5 or place.step_in_bar in kicks(moment):
            return None
        if place.sub not in ((1, 2) if place.ternary else (1, 3)):
            return None
        before = place.sub > 1
        near = (place.beat_in_bar + before) % place.beats_per_bar in backbeats(moment)
        rate = moment.heard.groove.ghost * (0.5 if near else 0.22)
        if self._pattern_draw(moment, 3) >= rate:
            return None
        return self._hit(SNARE, 0.36 + 0.08 * self._pattern_draw(moment, 5), "ghost", moment.heard.groove.ghost)

    def _hat(self, moment: Moment) -> Note | None:
        """Quarters, eighths or sixteenths by the groove's density and the energy; the ride where eighths swing."""
        place, groove = moment.place, moment.heard.groove
        if "metric modulation" in moment.breaks:
            struck = place.on_eighth and place.eighth % 2 == 0 if place.ternary else place.step_in_bar % 3 == 0
            return self._hit(RIDE, 0.8, "cymbal", broke="metric modulation") if struck else None
        if not counts_four(moment):
            return self._written_cymbal(moment)
        density = 0.5 * groove.density + 0.5 * moment.energy + 0.2 * math.log2(moment.beat_s / 0.5)
        if moment.room < 0.5:
            density -= 0.15
        swung = groove.swing >= TRIPLET_FEEL
        grid = 4 if density < 0.36 else 2 if density < 0.75 or swung else 1
        if place.step_in_bar % grid:
            return None
        cymbal = CLOSED_HAT
        if moment.energy < _FOOT:
            cymbal = PEDAL_HAT
            if place.beat_in_bar % 2 == 0:
                return None  # very calm: the foot on two and four
        elif swung and grid == 2:
            if place.sub == 2 and place.beat_in_bar % 2 == 0:
                return None  # ding, ding-a, ding, ding-a
            cymbal = RIDE if moment.energy > 0.45 else CLOSED_HAT
        elif moment.energy > 0.7 and place.phrase_position >= 0.5:
            cymbal = RIDE
        elif place.sub == 2 and place.beat_in_bar == place.beats_per_bar - 1 and density > 0.5 + self._pattern_draw(moment, 4):
            cymbal = OPEN_HAT
        accent = 0.08 if place.sub == 0 and place.beat_in_bar in backbeats(moment) else 0.0
        return self._hit(cymbal, {0: 0.82, 2: 0.68}.get(place.sub, 0.5) + accent, "cymbal", groove.density)

    def _written_cymbal(self, moment: Moment) -> Note | None:
        """As the metre's table has it; the foot alone in calm music, the ride where it is excited."""
        place = moment.place
        mark = written(moment, "cymbal")[place.step_in_bar]
        if mark == "." or (place.sub and (moment.room < 0.35 or moment.beat_s < 0.26)):
            return None  # beside a player who fills the bar, and in a hurry, beats are enough
        cymbal = CLOSED_HAT
        if moment.energy < _FOOT:
            cymbal = PEDAL_HAT
        elif moment.energy > 0.7 and place.phrase_position >= 0.5:
            cymbal = RIDE
        elif place.last_eighth and place.beat_in_bar == place.beats_per_bar - 1 and moment.energy > 0.5 + 0.5 * self._pattern_draw(moment, 4):
            cymbal = OPEN_HAT
        loudness = (0.86 if mark == "X" else 0.74) if place.sub == 0 else 0.62 if place.last_eighth else 0.54
        return self._hit(cymbal, loudness, "cymbal", moment.heard.groove.density)

    def _fill(self, moment: Moment) -> list[Note] | None:
        """What a fill plays at this step; None where the groove goes on.

        A phrase turns with a fill when its dice say so; a cadence always.
        """
        place, groove = moment.place, moment.heard.groove
        leading = moment.closing == LEADING
        steps_left = moment.bar_steps - place.step_in_bar if leading else round(4 * moment.beats_left)
        longest = moment.bar_steps if place.ternary else moment.bar_steps // 2
        if steps_left > min(_FILL_STEPS, longest) or moment.energy < 0.28 or moment.room < 0.35:
            return None
        chance = min(1.0, groove.fill + 0.15)
        if not leading and draw(moment.seed, DRUMS, place.bar, 0, 9) >= chance:
            return None
        metre = metre_of(place)
        row = (metre.turn if metre else FILLS)[0 if moment.energy < _CALM else 1 if moment.energy < _WILD else 2]
        fill = row[int(draw(moment.seed, DRUMS, place.bar, 0, 10) * len(row))]
        mark = fill[_FILL_STEPS - steps_left]
        if mark == "-":
            return None
        notes: list[Note] = []
        if mark != ".":
            growth = 1.0 - steps_left / (2 * _FILL_STEPS)
            notes.append(self._hit(_DRUM[mark.lower()], 0.45 if mark == "g" else 0.55 + 0.45 * growth, "fill", groove.fill))
        if place.sub == 0:
            notes.append(self._hit(KICK, 0.85, "fill", groove.fill))
        return notes

    def _hit(self, drum: int, loudness: float, rule: str, prior: float | None = None, broke: str = "") -> Note:
        return Note(drum, _STRIKE_BEATS, INNER_VOICE, loudness, 1.0, why=Why(rule, prior, broke=broke))
