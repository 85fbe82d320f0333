"""Bass: roots where the bar and the chord begin, with the drummer's foot between them, and a step into the next chord."""

from __future__ import annotations

from ..music.chord import Chord
from .draw import draw
from .moment import BASS_VOICE, FINAL, Moment, Note
from .pocket import counts_four, kicks, written
from .settings import BASS, Part
from .why import Why

_PEDAL_BEATS = 8.0
_CALM, _LIVELY = 0.32, 0.62  # energy: below, whole and half notes; above, octaves
_LONG_BEATS = 4.0


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

    def plan(self, moment: Moment) -> list[Note]:
        place, chord = moment.place, moment.chord
        root = chord.root if chord else moment.bass_hint
        if root < 0:
            return []
        changed = root != self._root or chord != self._chord
        if moment.closing == FINAL:
            if not changed and not moment.arrives:
                return []
            return [self._strike(moment, root, 2.0 * _PEDAL_BEATS, "final", gate=1.0)]
        if moment.stage.pedal or (moment.stage.answering and not moment.closing):
            return self._pedal(moment, root, changed)
        broke = ""
        if "pedal point" in moment.breaks and moment.heard.tonic >= 0 and root != moment.heard.tonic:
            root, broke = moment.heard.tonic, "pedal point"
        kick = place.step_in_bar in kicks(moment) if moment.uses("kick") else place.sub == 0
        strong = (place.step_in_bar == 0 and moment.sure) or (changed and place.on_eighth)
        if strong:
            return [self._strike(moment, root, self._length(moment), "root", broke=broke or moment.chord_break)]
        if place.step_in_bar == 0:
            return []  # who doubts the harmony lets the foot begin the bar
        approach = self._approach(moment, root) if place.sub == 0 or place.last_eighth else None
        if approach is not None:
            target, broke_by = approach
            return [self._strike(moment, target, 1.0, "approach", loudness=0.92, broke=broke_by)]
        if place.sub == 0 and place.beat_in_bar and not kick and moment.beats_left > 1.0 and (chord is None or not moment.sure):
            return [self._strike(moment, root, 1.0, "beat", loudness=0.85, broke=broke)]
        if not counts_four(moment):
            return self._written(moment, root, kick, broke)
        if kick and moment.energy >= _CALM and self._room_for(moment):
            target, up = self._figure(moment, root)
            rule = "with the kick" if target == root else "figure"
            return [self._strike(moment, target, self._length(moment), rule, octave=up, loudness=0.95, broke=broke)]
        if not kick and self._pops(moment):
            return [self._strike(moment, root, 0.5, "figure", octave=True, loudness=0.85, broke=broke)]
        return []

    def _written(self, moment: Moment, root: int, kick: bool, broke: str) -> list[Note]:
        """As the metre's table has it."""
        mark = written(moment, "bass")[moment.place.step_in_bar]
        if mark == "." or not self._room_for(moment):
            return []
        tones = moment.chord.tones if moment.chord is not None and not broke else (root,)
        target = tones[min({"f": 2, "t": 1}.get(mark, 0), len(tones) - 1)]
        rule = "with the kick" if kick and target == root else "figure"
        return [self._strike(moment, target, self._length(moment), rule, octave=mark == "o", loudness=0.95, broke=broke)]

    def _pedal(self, moment: Moment, root: int, changed: bool) -> list[Note]:
        """Soft and long: what can be said before the beat is trusted, or while the player pauses."""
        place = moment.place
        held = (place.step - self._struck_step) / 4
        again = place.step_in_bar == 0 and (held >= _PEDAL_BEATS or place.step >= self._until_step)
        if not (again or (changed and place.on_eighth)):
            return []
        return [self._strike(moment, root, _PEDAL_BEATS + 0.5, "held", loudness=0.8, gate=1.0)]

    def _room_for(self, moment: Moment) -> bool:
        """Off the beat only where the player leaves room, and never in a hurry."""
        place = moment.place
        if place.sub == 0:
            return True
        since_s = (place.step - self._struck_step) / 4 * moment.beat_s
        return moment.room >= 0.45 and since_s >= 0.2 - 0.08 * moment.energy

    def _pops(self, moment: Moment) -> bool:
        """Octaves on the off-eighths of lively bars: the same ones in every second bar."""
        place = moment.place
        if place.sub != 2 or moment.energy < _LIVELY or moment.room < 0.6 or moment.beat_s < 0.36:
            return False
        return draw(moment.seed, BASS, place.bar % 2, place.step_in_bar, 2) < 0.5 * moment.energy * (0.5 + moment.complexity)

    def _figure(self, moment: Moment, root: int) -> tuple[int, bool]:
        """Pitch class of a note between the roots, and whether an octave up."""
        place, chord = moment.place, moment.chord
        u = draw(moment.seed, BASS, place.bar % 4, place.step_in_bar)
        if place.sub == 0 and chord is not None and u < 0.15 + 0.2 * moment.complexity and place.weight >= 0.5:
            return chord.tones[2 if len(chord.tones) > 2 else 1], False
        return root, place.sub != 0 and moment.energy >= _LIVELY and u < 0.3

    def _approach(self, moment: Moment, root: int) -> tuple[int, str] | None:
        """The neighbour of the coming root, from the side on which the bass stands, and the break that chose it.

        On the last beat of a chord whose successor is known, or on its last eighth where the beat is slow.
        """
        place, coming = moment.place, moment.coming
        last = moment.bar_steps - place.step_in_bar <= 4 or coming is not None
        if coming is None or coming.root == root or not last or moment.energy < 0.2 or not moment.uses("forecast"):
            return None
        u = draw(moment.seed, BASS, place.bar, place.beat_in_bar, 3)
        wanted_sub = 2 if u < 0.35 and moment.beat_s >= 0.4 else 0
        if place.sub != wanted_sub or u > 0.45 + 0.4 * moment.complexity:
            return None
        target = coming.root
        if "chromatic approach" in moment.breaks:
            return (target - 1) % 12, "chromatic approach"
        side = 1 if (target - self.pitch) % 12 > 6 else -1
        for step in (side, 2 * side):
            if (target + step) % 12 in moment.classes:
                return (target + step) % 12, ""
        return None

    def _strike(self, moment: Moment, pitch_class: int, length_beats: float, rule: str, *, octave: bool = False,
                loudness: float = 1.0, gate: float | None = None, broke: str = "") -> Note:  # fmt: skip
        """The nearest such pitch, drawn towards the middle of the range; root motion by the smaller interval."""
        if rule != "approach":
            self._root = moment.chord.root if moment.chord else moment.bass_hint
            self._chord = moment.chord
        middle = (self.part.low + self.part.high) / 2 - 2
        candidates = [p for p in range(self.part.low, self.part.high + 1) if p % 12 == pitch_class % 12]
        pitch = min(candidates, key=lambda p: (abs(p - self.pitch) + 0.8 * abs(p - middle), p))
        if octave and pitch + 12 <= self.part.high:
            pitch += 12
        else:
            self.pitch = pitch
        step = moment.place.step
        self._struck_step, self._until_step = step, step + int(4 * length_beats)
        prior = moment.heard.groove.low[moment.place.step_in_bar % 16] if rule in ("with the kick", "figure") else None
        return Note(pitch, length_beats, BASS_VOICE, loudness, gate, why=Why(rule, prior, broke=broke))

    def _length(self, moment: Moment) -> float:
        """To the next fall of the foot, at most to the bar's end; calm music holds on."""
        place = moment.place
        left = moment.bar_steps - place.step_in_bar
        if not counts_four(moment):
            bar = written(moment, "bass")
            return place.beats_on(next((n for n in range(1, left) if bar[place.step_in_bar + n] != "."), left))
        if moment.energy < _CALM:
            return min(_LONG_BEATS, left / 4)
        feet = kicks(moment)
        return next((n for n in range(1, left) if place.step_in_bar + n in feet), left) / 4
