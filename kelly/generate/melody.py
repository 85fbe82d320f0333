"""Melody: the net's distribution x scale x chord x contour x motif, drawn once per eighth.

The net is asked relative to the tonic (tonic rotated to C) and its state begins anew with every
phrase.  A phrase has a plan (phrase.py): bars that repeat a motif in rhythm and in steps of the scale, a
line to follow, a tone to rest on and a breath after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .._rt.contract import MELODY_IN, MELODY_OUT, N_MOOD
from ..music.chord import Chord
from .draw import choose, draw
from .harmony import centre_of
from .moment import FINAL, MELODY_VOICE, Moment, Note
from .phrase import Plan, height, plan_of
from .settings import MELODY, Part
from .why import Why


class Engine(Protocol):
    """A net, or the rule in its place."""

    def process(self, x: Any, out: Any) -> Any: ...
    def reset(self) -> None: ...


_HOLD, _REST, _PITCH = (MELODY_OUT[name].start for name in ("hold", "rest", "pitch"))
_PREVIOUS, _TONES = MELODY_IN["previous_degree"].start, MELODY_IN["chord_tones"].start
_INTERVAL, _SINCE, _BEAT_SIN, _BEAT_COS, _BAR_SIN, _BAR_COS, _POSITION, _END = (
    MELODY_IN[name].start
    for name in (
        "interval", "since_onset", "beat_sin", "beat_cos", "bar_sin", "bar_cos", "phrase_position", "phrase_end",
    )
)  # fmt: skip
_LONGEST_BEATS = 4.0
_SUNG_S = 1.2  # from this length on the net alone decides when a note ends
_UNSINGABLE = {6: 0.25, 10: 0.4, 11: 0.15}  # tritone and sevenths
_LEAP = 4  # semitones above which a line wants to turn back by step
_BUSY, _IDLE = 6.0, 3.0  # odds of a note per unit of arousal, above and below the middle: the mood's density, which the net does not give
_BREATH_BEATS = 7.0  # of singing, after which the line wants air
_SILENT_MODEL = 0.3  # odds of a note where the motif has none


class Motif:
    """One bar of melody to come back to: 16th -> steps of the scale from the note before."""

    def __init__(self, bar: int) -> None:
        self.bar = bar
        self.steps: dict[int, int] = {}


class Melody:
    """The melody player: channel 2, one note at a time.

    rests  the newest note, if it still sounds, ends at the eighth planned last
    """

    def __init__(self, part: Part, engine: Engine) -> None:
        self.part = part
        self._engine = engine
        self._x = np.zeros(MELODY_IN.size, np.float32)
        self._y = np.zeros(MELODY_OUT.size, np.float32)
        self.reset()

    def reset(self) -> None:
        self._engine.reset()
        self.pitch: int | None = None  # the newest note, also while it rests
        self.rests = True
        self._before: int | None = None
        self._fresh = True  # nothing played yet in this phrase
        self._onset_beats = 0.0
        self._sung_since = 0.0  # beats; of the last breath
        self._phrase: int | None = None
        self._theme: int | None = None
        self._motifs: dict[str, Motif] = {}
        self._rested = False  # the phrase has come to its end

    def plan(self, moment: Moment) -> list[Note]:
        """At most one note; ``rests`` tells afterwards whether the sounding one must end here."""
        place = moment.place
        if not place.on_eighth:
            return []
        tonic = moment.heard.tonic
        if tonic < 0:
            self.rests = True
            return []
        plan = plan_of(place, moment.seed)
        self._begin(place.phrase_start, plan, place.step / 4)
        if moment.closing == FINAL:
            return self._close(moment) if moment.arrives else []
        now = place.step / 4
        self._ask(moment, tonic, now)
        answer = [value if value >= 0.0 else 0.0 for value in self._y.tolist()]  # NaN is not, either
        motif, recalled = self._motif(plan, moment)
        onset, told = self._onset_probability(moment, plan, answer, recalled)
        u = draw(moment.seed, MELODY, place.bar, place.step_in_bar)
        if u >= onset:
            self._wait(moment, plan, answer, (u - onset) / max(1e-9, 1.0 - onset), now)
            return []
        picked = self._pick(moment, plan, answer, tonic, recalled)
        if picked is None:
            self.rests = True
            return []
        pitch, prior, weights = picked
        resting = self._at_rest(plan, moment)
        if recalled is None:
            motif.steps[place.step_in_bar] = 0 if self.pitch is None else _steps(self.pitch, pitch, moment.classes)
        known = recalled is not None and place.step_in_bar in recalled.steps
        rule = "phrase end" if resting else "theme" if recalled is None else "motif" if known else "free"
        if self.rests:
            self._sung_since = now
        self._before, self.pitch = (None if self._fresh else self.pitch), pitch
        self._fresh, self.rests, self._onset_beats, self._rested = False, False, now, self._rested or resting
        broke = ""
        if moment.chord is not None and pitch % 12 not in moment.chord.tones and resting:
            broke = "unresolved dissonance" if "unresolved dissonance" in moment.breaks else ""
        loudness = 1.0 + 0.06 * height(plan, place)
        return [Note(pitch, _LONGEST_BEATS, MELODY_VOICE, loudness, why=Why(rule, prior, told + weights, broke or moment.chord_break))]

    def _begin(self, phrase: int, plan: Plan, now: float) -> None:
        if phrase != self._phrase:
            self._phrase, self._fresh, self._before, self._rested = phrase, True, None, False
            self._sung_since = now
            self._engine.reset()
        if plan.theme != self._theme:
            self._theme = plan.theme
            self._motifs = {}

    def _motif(self, plan: Plan, moment: Moment) -> tuple[Motif, Motif | None]:
        """The bar's own motif to write, and the one to repeat, None while it is new."""
        place = moment.place
        label = plan.labels[min(len(plan.labels) - 1, int(place.phrase_beat // place.beats_per_bar))]
        motif = self._motifs.get(label)
        if motif is None or (motif.bar != place.bar and not motif.steps):
            motif = self._motifs[label] = Motif(place.bar)
        recalled = motif if motif.bar != place.bar and moment.uses("motif") else None
        return motif, recalled

    def _close(self, moment: Moment) -> list[Note]:
        """The last note: the tonic, near by; else the root of whatever chord closes."""
        home = moment.heard.tonic
        near = self.pitch if self.pitch is not None else round(centre_of(self.part, moment, 0.6))
        pitch = min((p for p in range(self.part.low, self.part.high + 1) if p % 12 == home), key=lambda p: (abs(p - near), p))
        self.pitch, self.rests, self._onset_beats = pitch, False, moment.place.step / 4
        return [Note(pitch, 4.0 * moment.place.beats_per_bar, MELODY_VOICE, 0.95, 1.0, why=Why("final"))]

    def _wait(self, moment: Moment, plan: Plan, answer: Sequence[float], share: float, now: float) -> None:
        """No onset: hold on, or breathe."""
        hold, rest = answer[_HOLD], answer[_REST]
        lasted = now - self._onset_beats
        rest *= min(1.0, 0.15 + lasted * moment.beat_s / _SUNG_S)  # a note cut short is a hiccup
        if self._rested and moment.beats_left > 1.0 and lasted < _LONGEST_BEATS:
            return  # the last tone of a phrase is held until the breath
        breath = moment.beats_left <= 1.0 or now - self._sung_since > _BREATH_BEATS
        if lasted >= _LONGEST_BEATS or self._fresh or breath or share * (hold + rest) >= hold:
            self.rests = True

    def _ask(self, moment: Moment, tonic: int, now: float) -> None:
        """Fill the contract's MELODY_IN and ask the net, whose state moves on by one eighth."""
        x, place = self._x, moment.place
        x[:N_MOOD] = moment.heard.embedding[:N_MOOD]
        x[_PREVIOUS:] = 0.0
        if self.pitch is not None and not self._fresh:
            x[_PREVIOUS + (self.pitch - tonic) % 12] = 1.0
            if self._before is not None:
                x[_INTERVAL] = max(-1.0, min(1.0, (self.pitch - self._before) / 12.0))
            x[_SINCE] = min(1.0, (now - self._onset_beats) / 4.0)
        if moment.chord is not None:
            for tone in moment.chord.tones:
                x[_TONES + (tone - tonic) % 12] = 1.0
        beat = 2.0 * math.pi * (place.sub / 3.0 if place.ternary else place.sub / 4.0)
        bar = 2.0 * math.pi * place.bar_position
        x[_BEAT_SIN], x[_BEAT_COS] = math.sin(beat), math.cos(beat)
        x[_BAR_SIN], x[_BAR_COS] = math.sin(bar), math.cos(bar)
        x[_POSITION] = place.phrase_position
        x[_END] = float(place.phrase_beats - place.phrase_beat <= place.beats_per_bar / 2)
        self._engine.process(x, self._y)
        if not moment.uses("net"):
            self._y[:] = 0.0
            self._y[_HOLD], self._y[_REST] = 0.5, 0.2
            self._y[_PITCH:] = 0.3 / (MELODY_OUT.size - _PITCH)

    def _onset_probability(
        self, moment: Moment, plan: Plan, answer: Sequence[float], recalled: Motif | None
    ) -> tuple[float, tuple[tuple[str, float], ...]]:
        """The net's own, bent by the room the player leaves, the motif and the end of the phrase; and what bent it."""
        place = moment.place
        net = min(0.98, max(0.0, 1.0 - answer[_HOLD] - answer[_REST]))
        room = moment.room if moment.uses("room") else 1.0
        turn = self._turn(moment) if moment.uses("turn") else 1.0
        pace = max(0.35, min(1.4, moment.beat_s / 0.5))
        since = place.step / 4 - self._onset_beats
        if not self._fresh and moment.uses("pace"):  # eighths of a fast beat are too quick to sing, unless the music is excited
            pace *= min(1.0, since * moment.beat_s / (0.55 - 0.3 * moment.energy))
        arousal = max(-1.0, min(1.0, moment.heard.arousal)) if moment.uses("mood") else 0.0
        mood = (_BUSY if arousal > 0.0 else _IDLE) ** arousal
        motif = 1.0
        if recalled is not None:
            faith = 1.5 - moment.complexity
            motif = 7.0**faith if place.step_in_bar in recalled.steps else _SILENT_MODEL**faith
        end = 1.0
        if self._at_rest(plan, moment):
            end = 6.0
        elif self._rested or moment.beats_left <= 1.0:
            end = 0.03
        elif self._fresh and place.weight >= 0.75:
            end = 2.5  # a phrase begins where one hears that it does
        held = self.pitch is not None and not self.rests and moment.chord_new
        if held and moment.chord is not None and self.pitch is not None and self.pitch % 12 not in moment.chord.tones:
            end *= 3.0  # what was consonant is not any more
        odds = net / (1.0 - net) * room * turn * pace * mood * motif * end
        weighed = (("room", room), ("turn", turn), ("pace", pace), ("mood", mood), ("motif", motif), ("contour", end))
        return odds / (1.0 + odds), weighed

    def _at_rest(self, plan: Plan, moment: Moment) -> bool:
        place = moment.place
        return not self._rested and moment.beats_left <= place.beats_per_bar and place.step_in_bar == plan.rest_step

    @staticmethod
    def _turn(moment: Moment) -> float:
        """Whose turn it is: the player opens a phrase, kelly answers in its second half, or when there is a pause; alone it is always kelly's."""
        if moment.alone:
            return 1.1
        if moment.stage.answering:
            return 1.8
        if moment.per_beat < 0.75:
            return 1.2  # long notes want company
        return 0.4 if moment.place.phrase_position < 0.5 else 1.1

    def _pick(
        self, moment: Moment, plan: Plan, answer: Sequence[float], tonic: int, recalled: Motif | None
    ) -> tuple[int, float, tuple[tuple[str, float], ...]] | None:
        """prior x scale x chord x context over the part's range: the pitch, the net's share of it, and the factors."""
        place, part = moment.place, self.part
        shift = tonic if tonic <= 6 else tonic - 12
        classes, chord = moment.classes, moment.chord if moment.uses("chord") else None
        folded = [0.0] * 12
        first_moment = total = 0.0
        for i in range(_PITCH, MELODY_OUT.size):
            folded[i % 12] += answer[i]
            total += answer[i]
            first_moment += i * answer[i]
        if total > 0:  # the net thinks in its own register: move it by octaves to the part's
            middle = (part.low + part.high) / 2
            shift += 12 * round((middle - shift - first_moment / total) / 12)
        line = centre_of(part, moment, 0.6) + (3.0 + 2.0 * moment.energy) * height(plan, place) if moment.uses("contour") else None
        model = recalled.steps.get(place.step_in_bar) if recalled is not None else None
        ending = self._at_rest(plan, moment)
        weights: list[float] = []
        found: list[tuple[tuple[str, float], ...]] = []
        for pitch in range(part.low, part.high + 1):
            if pitch % 12 not in classes:
                weights.append(0.0)
                found.append(())
                continue
            place_in_c = pitch - shift
            prior = answer[place_in_c] if _PITCH <= place_in_c < MELODY_OUT.size else 0.0
            net = prior + 0.1 * folded[(pitch - shift) % 12]
            fits = _fit(pitch, chord, place.weight) * (_rest_fit(pitch, tonic, chord, plan, moment) if ending else 1.0)
            bow = math.exp(-(((pitch - line) / 5.0) ** 2)) if line is not None else 1.0
            moves = self._motion(pitch, chord) if moment.uses("motion") else 1.0
            again = 1.0 if model is None or self.pitch is None else self._likeness(pitch, model, classes)
            weights.append(net * fits * bow * moves * again)
            found.append((("net", net), ("chord", fits), ("contour", bow), ("motion", moves), ("motif", again)))
        index = choose(weights, draw(moment.seed, MELODY, place.bar, place.step_in_bar, 1))
        if index < 0:
            return None
        share = answer[part.low + index - shift] if _PITCH <= part.low + index - shift < MELODY_OUT.size else 0.0
        return part.low + index, share, found[index]

    def _likeness(self, pitch: int, model: int, classes: frozenset[int]) -> float:
        assert self.pitch is not None
        return 1.0 + 9.0 * math.exp(-1.6 * abs(_steps(self.pitch, pitch, classes) - model))

    def _motion(self, pitch: int, chord: Chord | None) -> float:
        """Near the last note; a leap is answered by a step back; what is no chord tone moves on by step."""
        if self.pitch is None:
            return 1.0
        motion = pitch - self.pitch
        size = abs(motion)
        weight = math.exp(-size / 2.8) * _UNSINGABLE.get(size, 1.0)
        if size > 12:
            weight *= 0.05
        if motion == 0:
            weight *= 0.45
        if self._before is not None:
            last = self.pitch - self._before
            if abs(last) > _LEAP:
                weight *= 2.0 if 0 < size <= 2 and motion * last < 0 else 0.25 if size > _LEAP else 0.8
            elif size == 0 and last == 0:
                weight *= 0.4
        if chord is not None and self.pitch % 12 not in chord.tones and size > 2:
            weight *= 0.35
        return weight


def _steps(before: int, after: int, classes: frozenset[int]) -> int:
    """Steps of the scale between two pitches, signed."""
    low, high = sorted((before, after))
    count = sum(p % 12 in classes for p in range(low + 1, high + 1))
    return count if after >= before else -count


def _fit(pitch: int, chord: Chord | None, strong: float) -> float:
    if chord is None:
        return 1.0
    tones = chord.tones
    if pitch % 12 in tones:
        return 1.0 + 2.0 * strong
    if (pitch - 1) % 12 in tones:
        return 0.5 - 0.3 * strong  # a semitone over a chord tone grinds
    return 1.0 - 0.35 * strong


def _rest_fit(pitch: int, tonic: int, chord: Chord | None, plan: Plan, moment: Moment) -> float:
    """Where a phrase may end: opening ones on fifth, third or second, closing ones at home."""
    degree = (pitch - tonic) % 12
    inside = chord is None or pitch % 12 in chord.tones
    if "unresolved dissonance" in moment.breaks:
        return 0.2 if inside else 6.0
    home = 5.0 if degree == 0 else 2.0 if degree in (3, 4, 7) else 0.8
    away = 3.0 if degree in (2, 7) else 2.0 if degree in (3, 4) else 0.8
    return (away if plan.opening else home) * (3.0 if inside else 0.15)
