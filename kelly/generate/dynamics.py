"""Dynamics: when exactly a planned note sounds, how long, and how hard.

The net is asked once per note with what the player does and what this voice did before; humanising
offsets are bounded by 40 ms either way.

Force. How loud the band is, and which beats it stresses, belongs to the player and the metre: velocity and
accent are the rule's, which follows the player's level within a beat.  What the net says about them, as a figure
around its own mean of the last beats, took the player's stresses out again: force and level, beat by
beat and less the slow swell, correlated by .05 instead of .19 (22 takes; .136 apart with an error of .043: empty RULED and run
``python -m tests.gates.worth --every 3``).  The rest is the net's.

Looseness.  What the net says of jitter is a standard deviation, and that is what is played; "none to twice" is the hand's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._rt.contract import DYNAMICS_IN, DYNAMICS_OUT
from .._rt.stream.rules import Rule
from .draw import draw_signed, drift
from .melody import Engine
from .moment import BASS_VOICE, MELODY_VOICE, Moment, Note
from .settings import PART_NAMES

MAX_OFFSET_S = 0.04
FEEL_S = 0.03
_MEDIUM = (47.0, 76.0, 60.0, 60.0, 61.0, 62.0)  # velocity around which a part's contrast is measured: its mean beside a player at mezzo-forte
_DRIFT, _OWN = 0.88 / 0.274, 0.47 / 0.407  # of a note's luck: shares over the standard deviations of `drift` and `draw_signed`
_LUCKIEST = 2.5  # standard deviations
_LOUD = 92.0  # velocity above which force is held back, so that the loudest notes still differ
_SHORTEST_S = 0.03
_SOFTEST = 24  # softer is not heard beside a player
_SOFT = 44.0  # velocity below which force is held up, so that the softest notes still differ

(_V, _A, _T, _INTENSITY, _FAST, _SLOW, _TREND, _PEAK, _ONSET, _NOTES, _GATE_IN, _BRIGHT, _BEAT, _BAR_SIN, _BAR_COS,
 _PHRASE_SIN, _PHRASE_COS, _TEMPO, _TRUST, _PITCH, _INTERVAL, _WEIGHT, _TONE, _VOICE, _PREVIOUS, _SINCE,
 _SILENCE) = (field.start for field in DYNAMICS_IN.fields)  # fmt: skip
(VELOCITY, RANGE, ACCENT, ARCH, CRESCENDO, PUSH, JITTER, RUBATO, GATE, LEAD, ROLL, PEDAL, VELOCITY_JITTER,
 MELODY_BALANCE, BASS_BALANCE, EXPRESSION) = range(DYNAMICS_OUT.size)  # fmt: skip
RULED = frozenset({VELOCITY, ACCENT})

# How freely a part moves around the beat, and its place in the balance: chords, melody, bass, drums, counter, pad.
FREEDOM = (0.8, 1.0, 0.5, 0.4, 0.9, 0.5)
BALANCE = (0.88, 1.05, 1.0, 1.14, 1.04, 1.02)


@dataclass(frozen=True, slots=True)
class Shape:
    """A note as it will sound: absolute frames (not yet kept from the past) and velocity 1..127."""

    on_frame: int
    off_frame: int
    velocity: int


@dataclass(slots=True)
class _Voice:
    pitch: int = 60
    velocity: float = 0.0
    beats: float = -1e9


class Dynamics:
    """Asks the dynamics net; remembers the newest note of each part.

    answers  per part, what was made of the net's word about its newest note; .5 before the first
    """

    def __init__(self, engine: Engine, n_parts: int) -> None:
        self._engine = engine
        self._x = np.zeros(DYNAMICS_IN.size, np.float32)
        self._y = np.zeros(DYNAMICS_OUT.size, np.float32)
        self._rule, self._ruled = Rule("dynamicsengine"), np.zeros(DYNAMICS_OUT.size, np.float32)
        self._voices = [_Voice() for _ in range(n_parts)]
        self.answers = [[0.5] * DYNAMICS_OUT.size for _ in range(n_parts)]

    def reset(self) -> None:
        self._engine.reset()
        self._voices = [_Voice() for _ in self._voices]
        self.answers = [[0.5] * DYNAMICS_OUT.size for _ in self._voices]

    def begin(self, moment: Moment) -> None:
        """Fill what all notes of a step share; call before ``shape``."""
        x, heard, place = self._x, moment.heard, moment.place
        bar = 2.0 * math.pi * place.bar_position
        phrase = 2.0 * math.pi * place.phrase_position
        ahead_s = (moment.frame - heard.frame) / moment.sample_rate_hz
        silence_s = 0.0 if heard.playing else heard.silence_s + ahead_s
        x[_V:_BEAT] = (
            heard.valence, heard.arousal, heard.tension, heard.intensity,
            heard.level_fast, heard.level_slow, heard.level_trend, heard.level_peak,
            min(1.0, heard.onset), min(1.0, heard.notes_per_s / 8.0),
            0.5 - 0.5 * heard.articulation, heard.brightness,
        )  # fmt: skip
        x[_BEAT:_BAR_SIN] = 0.0
        if place.beat_in_bar < 4:
            x[_BEAT + place.beat_in_bar] = 1.0
        x[_BAR_SIN : _TRUST + 1] = (
            math.sin(bar), math.cos(bar), math.sin(phrase), math.cos(phrase),
            math.log2(max(heard.tempo_bpm, 20.0) / 120.0), heard.beat_confidence,
        )  # fmt: skip
        x[_WEIGHT] = place.weight
        x[_SILENCE] = min(1.0, silence_s / 4.0)

    def shape(self, part: int, note: Note, moment: Moment, frame: float) -> Shape:
        """Ask the net about one note.

        frame    where the grid and the swing put it
        returns  its Shape; on_frame within 40 ms of ``frame``
        """
        x, voice, place = self._x, self._voices[part], moment.place
        now = place.step / 4
        x[_PITCH] = max(-1.0, min(1.0, (note.pitch - 60) / 24.0))
        x[_INTERVAL] = max(-1.0, min(1.0, (note.pitch - voice.pitch) / 12.0)) if voice.velocity else 0.0
        x[_TONE] = float(moment.chord is not None and note.pitch % 12 in moment.chord.tones)
        x[_VOICE : _VOICE + 3] = 0.0
        x[_VOICE + note.voice] = 1.0
        x[_PREVIOUS] = voice.velocity
        x[_SINCE] = min(1.0, (now - voice.beats) / 4.0)
        self._engine.process(x, self._y)
        self._rule.process(x, self._ruled)
        y = self._mixed(part, moment)
        self.answers[part] = y
        velocity, figured = self._velocity(part, note, moment, y)
        if note.order == note.voices - 1:
            voice.pitch, voice.velocity, voice.beats = note.pitch, figured, now
        on = frame + self._offset_s(part, note, moment, y) * moment.sample_rate_hz
        gate = note.gate if note.gate is not None else 0.2 + 0.9 * y[GATE]
        length = max(_SHORTEST_S * moment.sample_rate_hz, note.length_beats * moment.beat_frames * gate)
        return Shape(round(on), round(on + length), velocity)

    def _mixed(self, part: int, moment: Moment) -> list[float]:
        """Rule and net by the hand on the part, each within 0..1; RULED are the rule's whatever the net says."""
        share = moment.controls.nets_of(PART_NAMES[part])
        y = []
        for index, (said, ruled) in enumerate(zip(self._y.tolist(), self._ruled.tolist(), strict=True)):
            ruled = ruled if 0.0 <= ruled <= 1.0 else 0.5
            said = said if 0.0 <= said <= 1.0 and index not in RULED else ruled  # NaN is not, either
            y.append(said if share == 1.0 else ruled + share * (said - ruled))
        return y

    def _velocity(self, part: int, note: Note, moment: Moment, y: list[float]) -> tuple[int, float]:
        """1..127 as it is struck; and 0..1 what the voice is told it played: without what part, hand and band add."""
        place = moment.place
        arch = 0.5 - 0.5 * math.cos(2.0 * math.pi * place.phrase_position)
        value = 127.0 * y[VELOCITY] + 32.0 * y[ACCENT] * (place.weight - 0.4) + 24.0 * y[ARCH] * (arch - 0.5)
        value += 36.0 * (y[CRESCENDO] - 0.5) * (place.phrase_position - 0.5)
        figured = max(0.0, min(1.0, value / 127.0))
        if note.voice == MELODY_VOICE:
            value *= 0.75 + 0.5 * y[MELODY_BALANCE]
        elif note.voice == BASS_VOICE:
            value *= 0.75 + 0.5 * y[BASS_BALANCE]
        elif note.voices > 1 and note.order == note.voices - 1:
            value += 127.0 * y[RANGE] * 0.3  # the top of a chord is its tune
        value *= BALANCE[part] * note.loudness * (0.76 + 0.48 * moment.effort)  # excitement is heard as force, too
        value += 12.0 * y[VELOCITY_JITTER] * self._luck(part, note, moment, 1) * (1.0 + moment.controls.lean("humanize"))
        value += (value - _MEDIUM[part] * note.loudness) * moment.controls.lean("dynamics")
        value *= moment.controls.factor("intensity", 1.4)
        if value > _LOUD:
            value = _LOUD + (127.0 - _LOUD) * math.tanh((value - _LOUD) / (127.0 - _LOUD))
        elif value < _SOFT:
            value = _SOFT + (_SOFT - _SOFTEST) * math.tanh((value - _SOFT) / (_SOFT - _SOFTEST))
        return max(_SOFTEST, min(127, round(value))), figured

    def _offset_s(self, part: int, note: Note, moment: Moment, y: list[float]) -> float:
        """Seconds after the grid: feel of net and groove, luck, the melody's lead, the chord's roll."""
        groove = moment.heard.groove
        feel = 0.5 * 2.0 * MAX_OFFSET_S * (y[PUSH] - 0.5) + 0.5 * groove.offset_s + moment.push_s
        luck = (0.02 * y[JITTER] + 0.5 * groove.spread_s) * self._luck(part, note, moment, 2)
        luck *= 1.0 + moment.controls.lean("humanize")
        offset = FREEDOM[part] * (feel + luck) + FEEL_S * moment.controls.feel
        if note.voice == MELODY_VOICE:
            offset -= 0.5 * 0.03 * y[LEAD]
        elif note.voices > 1:
            offset += 0.06 * y[ROLL] * note.order / (note.voices - 1)
        return max(-MAX_OFFSET_S, min(MAX_OFFSET_S, offset))

    @staticmethod
    def _luck(part: int, note: Note, moment: Moment, salt: int) -> float:
        """A person's inaccuracy, of standard deviation 1: mostly a slow drift, and a little that is each note's own."""
        if not moment.uses("humanize"):
            return 0.0
        place = moment.place
        own = draw_signed(moment.seed, part, place.bar, place.step_in_bar, salt * 128 + note.pitch)
        luck = _DRIFT * drift(moment.seed, part, place.step, salt) + _OWN * own
        return max(-_LUCKIEST, min(_LUCKIEST, luck))
