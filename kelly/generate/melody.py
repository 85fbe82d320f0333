"""Melody: the net's distribution x scale x chord x context, drawn once per eighth.

The net is asked relative to the tonic (tonic rotated to C) and its state begins anew with every
phrase.  Rhythm and motion of the bar two bars back are favoured, so that lines answer each other.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from .._rt.contract import MELODY_IN, MELODY_OUT, N_MOOD
from .draw import choose, draw
from .moment import MELODY_VOICE, Moment, Note
from .settings import MELODY, Part


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
_RECALL_BARS = 2


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
        self._phrase: int | None = None
        self._onsets: dict[int, dict[int, int]] = {}  # bar -> {step: motion in semitones}

    def plan(self, moment: Moment) -> list[Note]:
        """At most one note; ``rests`` tells afterwards whether the sounding one must end here."""
        place = moment.place
        if place.sub % 2:
            return []
        tonic = moment.heard.tonic
        if tonic < 0:
            self.rests = True
            return []
        phrase = place.phrase_start
        if phrase != self._phrase:
            self._phrase, self._fresh, self._before = phrase, True, None
            self._engine.reset()
        now = place.step / 4
        self._ask(moment, tonic, now)
        answer = [value if value >= 0.0 else 0.0 for value in self._y.tolist()]  # NaN is not, either
        onset = self._onset_probability(moment, answer)
        u = draw(moment.seed, MELODY, place.bar, place.step_in_bar)
        if u >= onset:
            hold, rest = answer[_HOLD], answer[_REST]
            lasted = now - self._onset_beats
            rest *= min(1.0, 0.15 + lasted * moment.beat_s / _SUNG_S)  # a note cut short is a hiccup
            if lasted >= _LONGEST_BEATS or self._fresh or (u - onset) * (hold + rest) >= (1.0 - onset) * hold:
                self.rests = True
            return []
        pitch = self._pick(moment, answer, tonic)
        if pitch is None:
            self.rests = True
            return []
        moved = pitch - self.pitch if self.pitch is not None else 0
        self._onsets.setdefault(place.bar, {})[place.step_in_bar] = moved
        for bar in [bar for bar in self._onsets if bar < place.bar - _RECALL_BARS]:
            del self._onsets[bar]
        self._before, self.pitch = (None if self._fresh else self.pitch), pitch
        self._fresh, self.rests, self._onset_beats = False, False, now
        return [Note(pitch, _LONGEST_BEATS, MELODY_VOICE)]

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
        beat = 2.0 * math.pi * place.sub / 4.0
        bar = 2.0 * math.pi * place.step_in_bar / (4.0 * place.beats_per_bar)
        x[_BEAT_SIN], x[_BEAT_COS] = math.sin(beat), math.cos(beat)
        x[_BAR_SIN], x[_BAR_COS] = math.sin(bar), math.cos(bar)
        x[_POSITION] = place.phrase_position
        x[_END] = float(place.phrase_beats - place.phrase_beat <= place.beats_per_bar / 2)
        self._engine.process(x, self._y)

    def _onset_probability(self, moment: Moment, answer: list[float]) -> float:
        """The net's own, bent by the room the player leaves and by the rhythm two bars back."""
        place = moment.place
        net = min(0.98, max(0.0, 1.0 - answer[_HOLD] - answer[_REST]))
        odds = net / (1.0 - net)
        odds *= moment.room * self._turn(moment) * max(0.35, min(1.4, moment.beat_s / 0.5))
        if not self._fresh:  # eighths of a fast beat are too quick to sing, unless the music is excited
            since_s = (place.step / 4 - self._onset_beats) * moment.beat_s
            odds *= min(1.0, since_s / (0.55 - 0.3 * moment.energy))
        model = self._onsets.get(place.bar - _RECALL_BARS)
        if model and place.phrase_beat >= _RECALL_BARS * place.beats_per_bar:
            odds *= 2.5 if place.step_in_bar in model else 0.55
        return odds / (1.0 + odds)

    @staticmethod
    def _turn(moment: Moment) -> float:
        """Whose turn it is: the player opens a phrase, kelly answers in its second half, or when there is a pause."""
        if moment.stage.answering:
            return 1.8
        if moment.per_beat < 0.75:
            return 1.2  # long notes want company
        return 0.4 if moment.place.phrase_position < 0.5 else 1.1

    def _pick(self, moment: Moment, answer: list[float], tonic: int) -> int | None:
        """prior x scale x chord x context over the part's range."""
        place = moment.place
        shift = tonic if tonic <= 6 else tonic - 12
        classes = moment.classes
        tones = frozenset(moment.chord.tones) if moment.chord else frozenset()
        above_tones = {(tone + 1) % 12 for tone in tones} - tones
        folded = [0.0] * 12
        first_moment = total = 0.0
        for i in range(_PITCH, MELODY_OUT.size):
            folded[i % 12] += answer[i]
            total += answer[i]
            first_moment += i * answer[i]
        if total > 0:  # the net thinks in its own register: move it by octaves to the part's
            middle = (self.part.low + self.part.high) / 2
            shift += 12 * round((middle - shift - first_moment / total) / 12)
        model = self._onsets.get(place.bar - _RECALL_BARS, {}).get(place.step_in_bar)
        strong = place.weight
        weights = []
        for pitch in range(self.part.low, self.part.high + 1):
            if pitch % 12 not in classes:
                weights.append(0.0)
                continue
            place_in_c = pitch - shift
            prior = answer[place_in_c] if _PITCH <= place_in_c < MELODY_OUT.size else 0.0
            weight = prior + 0.1 * folded[(pitch - shift) % 12]
            if tones:
                if pitch % 12 in tones:
                    weight *= 1.0 + 2.0 * strong
                elif pitch % 12 in above_tones:
                    weight *= 0.5 - 0.3 * strong  # a semitone over a chord tone grinds
            weights.append(weight * self._context(pitch, model))
        index = choose(weights, draw(moment.seed, MELODY, place.bar, place.step_in_bar, 1))
        return None if index < 0 else self.part.low + index

    def _context(self, pitch: int, model: int | None) -> float:
        """Near the last note, off the edges of the range, and moving as two bars ago."""
        low, high = self.part.low, self.part.high
        middle = (low + high) / 2
        weight = math.exp(-(((pitch - middle) / (0.45 * (high - low))) ** 2))
        if self.pitch is None:
            return weight
        motion = pitch - self.pitch
        size = abs(motion)
        weight *= math.exp(-size / 2.8) * _UNSINGABLE.get(size, 1.0)
        if size > 12:
            weight *= 0.05
        if motion == 0:
            weight *= 0.45
        if model is not None:
            weight *= 1.0 + 1.5 * math.exp(-abs(motion - model) / 1.5)
        return weight
