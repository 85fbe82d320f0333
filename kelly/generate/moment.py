"""What a part knows when it decides about one 16th, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from ..music.chord import DIM, Chord
from ..music.controls import NEUTRAL, Controls
from ..music.scale import MAJOR, MINOR, Key
from .grid import Place
from .heard import Heard
from .why import NO_REASON, Why

MELODY_VOICE, BASS_VOICE, INNER_VOICE = range(3)  # the order of contract DYNAMICS_IN's field "voice"


@dataclass(frozen=True, slots=True)
class Stage:
    """Which parts may play now, and how freely.

    pedal      the beat is not trusted yet: long soft tones only, no figures
    answering  the player pauses: room for the melody, the band thins out
    """

    bass: bool = False
    chords: bool = False
    melody: bool = False
    drums: bool = False
    counter: bool = False
    pad: bool = False
    pedal: bool = False
    answering: bool = False

    @property
    def silent(self) -> bool:
        return not (self.bass or self.chords or self.melody or self.drums)


@dataclass(slots=True)
class Voice:
    """What a part has struck last, so that the others can lean on it.

    pitch  of a chord its top; -1 before the first
    step   of the grid, of its onset
    """

    pitch: int = -1
    step: int = -(10**9)


NO_BREAKS: Mapping[str, float] = MappingProxyType({})
LEADING, FINAL = "leading", "final"


@dataclass(frozen=True, slots=True)
class Moment:
    """One 16th of the music that is about to be planned.

    frame        even frame of the step (parts move it by swing and feel)
    chord        holding at this step, None = no chord
    chord_new    it begins with this step, or the part plays it for the first time now
    sure         whether the chord is believed, so that it may be struck
    energy       0..1, from arousal and the player's level, of the half bar; .5 = medium
    effort       the same of this very step: how hard it is struck
    room         0..3.6, how much the player leaves to a second voice; 1.2 is much
    per_beat     the player's notes per beat
    bass_hint    pitch class to stand on when no chord is known, -1 = none
    controls     what the player has turned; energy, room and groove have it in them already
    voices       per row of the parts table, what it struck last; the order of planning is bass, drums, chords,
                 melody, counter, pad
    coming       the chord expected on the next beat, None where nothing repeats
    chord_break  the rule break that made ``chord`` of it, "" for none
    breaks       rule breaks in force here -> severity 0..1
    alone        nobody plays beside the band
    arrives      the final chord begins with this step
    closing      "" or, once the end was asked for, "leading" towards and on the "final" chord
    push_s       how far the band lies behind the beat, + is late
    without      rows of why.FACTORS that weigh nothing
    """

    place: Place
    frame: float
    beat_frames: float
    sample_rate_hz: float
    chord: Chord | None
    chord_new: bool
    heard: Heard
    stage: Stage
    energy: float
    room: float
    per_beat: float
    bass_hint: int
    seed: int
    controls: Controls = field(default=NEUTRAL)
    voices: tuple[Voice, ...] = field(default_factory=lambda: tuple(Voice() for _ in range(6)))
    coming: Chord | None = None
    sure: bool = True
    effort: float = 0.5
    alone: bool = False
    chord_break: str = ""
    breaks: Mapping[str, float] = field(default_factory=lambda: NO_BREAKS)
    closing: str = ""
    arrives: bool = False
    push_s: float = 0.0
    without: frozenset[str] = frozenset()

    @property
    def beat_s(self) -> float:
        return self.beat_frames / self.sample_rate_hz

    @property
    def classes(self) -> frozenset[int]:
        """Pitch classes that belong here: the key, bent by the chord."""
        if "scale" in self.without:
            return frozenset(range(12))
        return allowed_classes(self.heard.tonic, self.heard.mode, self.chord)

    @property
    def complexity(self) -> float:
        """0..1, .5 as usual."""
        return self.controls.complexity

    @property
    def bar_steps(self) -> int:
        return 4 * self.place.beats_per_bar

    @property
    def beats_left(self) -> float:
        """Of the phrase."""
        return self.place.phrase_beats - self.place.phrase_beat

    def uses(self, factor: str) -> bool:
        """Whether a row of why.FACTORS weighs in."""
        return factor not in self.without


@dataclass(slots=True)
class Note:
    """A planned note, before dynamics gives it its time and force.

    length_beats  written length; what sounds is shorter by the gate
    loudness      factor on the velocity: ghosts below 1, accents above
    gate          None = as dynamics says, else the share of the written length that sounds
    order, voices place of the note within its chord from the bottom, and the chord's size
    tied          where this pitch sounds already it goes on and is not struck
    why           which rule struck it, and what weighed
    """

    pitch: int
    length_beats: float
    voice: int = INNER_VOICE
    loudness: float = 1.0
    gate: float | None = None
    order: int = 0
    voices: int = 1
    tied: bool = False
    why: Why = NO_REASON


@lru_cache(maxsize=1024)
def allowed_classes(tonic: int, mode: int, chord: Chord | None) -> frozenset[int]:
    """The scale with the chord's foreign tones in place of their neighbours.

    Over E7 in A minor that is G sharp instead of G.  With no key known only the chord's tones are
    safe; with a tonic of unknown mode its first, second, fourth and fifth degrees are.
    """
    tones = frozenset(chord.tones) if chord else frozenset()
    if tonic < 0:
        return tones
    if mode in (MAJOR, MINOR):
        scale = frozenset(Key(tonic, mode).scale())
    else:
        scale = frozenset((tonic + step) % 12 for step in (0, 2, 5, 7))
    replaced = {(tone + _replaces(chord, tone, scale)) % 12 for tone in tones - scale} if chord else set()
    return (scale - replaced) | tones


def _replaces(chord: Chord, tone: int, scale: frozenset[int]) -> int:
    """Which neighbour a foreign tone stands for: -1 for a raised degree, 1 for a lowered one.

    Major thirds are raised (G sharp over E7), minor thirds, sevenths and diminished fifths lowered (A flat
    over F minor); a fifth goes with its root; a foreign root is lowered but for a diminished chord's.
    """
    interval = (tone - chord.root) % 12
    if interval == 4 or (interval == 7 and chord.root in scale) or (interval == 0 and chord.quality == DIM):
        return -1
    return 1
