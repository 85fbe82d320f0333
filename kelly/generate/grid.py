"""The player's beats as a grid of 16ths, in frames; and which chord holds on it.

Steps are numbered from the tracker's beat 0: step = 4 * beat + sixteenth.  The grid of the newest tick
is extrapolated, so a step's frame may still move by a little until its notes are planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..music.chord import Chord
from ..music.scale import MAJOR, MINOR, Key

STEPS_PER_BEAT = 4
TERNARY_PLACES = (0.0, 1 / 3, 2 / 3, 5 / 6)
"""Of a ternary beat's steps, in beats: its three eighths and the last sixteenth."""

SURE = 0.4  # chord confidence from which a change is taken on any beat
FOREIGN = 0.65  # and from which a chord outside a clear key is taken at all
_KEY_CLEAR = 0.35  # key confidence


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step lies.

    beat_in_bar, step_in_bar   from 0
    phrase_beat                beats since the phrase began, a multiple of .25
    ternary                    whether a beat has three eighths: then its steps lie at 0, 1/3, 2/3 and 5/6 of it
    """

    step: int
    beat: int
    sub: int
    bar: int
    beat_in_bar: int
    step_in_bar: int
    beats_per_bar: int
    phrase_beat: float
    phrase_beats: int
    ternary: bool = False

    @property
    def phrase_position(self) -> float:
        """0..1"""
        return self.phrase_beat / self.phrase_beats

    @property
    def phrase_start(self) -> int:
        """The beat that began the phrase."""
        return round(self.step / STEPS_PER_BEAT - self.phrase_beat)

    @property
    def on_eighth(self) -> bool:
        """Whether an eighth begins here."""
        return self.sub < 3 if self.ternary else self.sub % 2 == 0

    @property
    def last_eighth(self) -> bool:
        """Whether the beat's last eighth begins here: what leads into the next beat."""
        return self.sub == 2

    @property
    def eighth(self) -> int:
        """Eighths of the bar that have begun before this one."""
        return 3 * self.beat_in_bar + min(self.sub, 2) if self.ternary else self.step_in_bar // 2

    @property
    def bar_position(self) -> float:
        """0..1"""
        return beats_of(self.step_in_bar, self.ternary) / self.beats_per_bar

    def beats_on(self, steps: int) -> float:
        """Beats from here to so many steps later."""
        return beats_of(self.step_in_bar + steps, self.ternary) - beats_of(self.step_in_bar, self.ternary)

    @property
    def weight(self) -> float:
        """Metrical weight: 1 downbeat, .75 half bar, .5 beat, .25 off-eighth, 0 between."""
        if self.sub:
            return 0.25 if self.sub == 2 or (self.ternary and self.sub == 1) else 0.0
        if self.beat_in_bar == 0:
            return 1.0
        return 0.75 if 2 * self.beat_in_bar == self.beats_per_bar else 0.5


def beats_of(step: int, ternary: bool) -> float:
    """Beats from step 0 to a step, where nothing swings."""
    beat, sub = divmod(step, STEPS_PER_BEAT)
    return beat + (TERNARY_PLACES[sub] if ternary else sub / STEPS_PER_BEAT)


class Grid:
    """Beats, bars and phrases as the newest tick has them; remembers every beat that passed.

    knots  [frame, beat] of each beat that the tracker published, for the tempo map of a file
    """

    def __init__(self) -> None:
        self.beat_frame = -1
        self.beat = -1
        self.beat_frames = 0.0
        self.beat_in_bar = 0
        self.beats_per_bar = 4
        self.phrase_beats = 16
        self.ternary = False
        self.knots: list[tuple[int, int]] = []
        self.phrase_origin = 0  # the beat that began the present phrase

    @property
    def exists(self) -> bool:
        return self.beat_frames > 0.0 and self.beat >= 0

    @property
    def downbeat(self) -> int:
        """A beat that is the first of its bar."""
        return self.beat - self.beat_in_bar

    def update(self, tick: Any, phrase_bars: int = 0) -> None:
        """Take the grid of a tick record; ``phrase_bars`` > 0 is a phrase's length instead of the tick's."""
        self.beat_frames = float(tick["beat_frames"])
        self.beat = int(tick["beat_count"])
        if not self.exists:
            return
        self.beat_frame = int(tick["beat_frame"])
        self.beats_per_bar = max(1, int(tick["beats_per_bar"]))
        self.ternary = bool(tick["ternary"])
        self.beat_in_bar = int(tick["beat_in_bar"]) % self.beats_per_bar
        self.phrase_beats = max(1, int(tick["phrase_bars"])) * self.beats_per_bar
        now = self.beat + (int(tick["frame"]) - self.beat_frame) / self.beat_frames
        position = float(tick["phrase_position"])
        self.phrase_origin = round(now - (position if 0.0 <= position <= 1.0 else 0.0) * self.phrase_beats)
        if phrase_bars > 0 and phrase_bars * self.beats_per_bar != self.phrase_beats:
            self.phrase_beats = phrase_bars * self.beats_per_bar
            self.phrase_origin = self.downbeat % self.beats_per_bar  # phrases of this length, counted from the first bar
        self._remember()

    def _remember(self) -> None:
        while self.knots and self.knots[-1][1] >= self.beat:
            self.knots.pop()  # the same beat again: its frame may have been refined
        if not self.knots or self.beat_frame > self.knots[-1][0]:
            self.knots.append((self.beat_frame, self.beat))

    def frame_of(self, step: int, swing: float = 0.5) -> float:
        """Frame of a step; ``swing`` is the place of the off-eighth within its beat, .5 = even.

        In a ternary meter that place is 2/3, so steps 0, 1, 2 are the beat's eighths, and 3 is the last sixteenth.
        """
        beat, sub = divmod(step, STEPS_PER_BEAT)
        swing = 2 / 3 if self.ternary else swing
        place = (0.0, 0.5 * swing, swing, 0.5 + 0.5 * swing)[sub]
        return self.beat_frame + (beat - self.beat + place) * self.beat_frames

    def step_after(self, frame: float) -> int:
        """The first step whose frame, where nothing swings, is not before ``frame``."""
        beats = (frame - self.beat_frame) / self.beat_frames + self.beat
        if not self.ternary:
            return -int(-beats * STEPS_PER_BEAT // 1)
        beat = int(beats // 1)
        sub = next((sub for sub, place in enumerate(TERNARY_PLACES) if place >= beats - beat), STEPS_PER_BEAT)
        return STEPS_PER_BEAT * beat + sub

    def place(self, step: int) -> Place:
        beat, sub = divmod(step, STEPS_PER_BEAT)
        beat_in_bar = (self.beat_in_bar + beat - self.beat) % self.beats_per_bar
        return Place(
            step=step,
            beat=beat,
            sub=sub,
            bar=(beat - beat_in_bar) // self.beats_per_bar,
            beat_in_bar=beat_in_bar,
            step_in_bar=beat_in_bar * STEPS_PER_BEAT + sub,
            beats_per_bar=self.beats_per_bar,
            phrase_beat=(step / STEPS_PER_BEAT - self.phrase_origin) % self.phrase_beats,
            phrase_beats=self.phrase_beats,
            ternary=self.ternary,
        )


class ChordTrack:
    """The chords that the worker chose, by the beat from which each holds."""

    _KEPT = 64  # changes; nothing looks further back

    def __init__(self) -> None:
        self._changes: list[tuple[int, Chord | None]] = []
        self.confidence = 0.0  # 0..1, of the newest word

    def update(self, tick: Any, strong: bool = True) -> None:
        """Take the chord of a tick record; a later word about the same beat replaces the earlier.

        strong  whether the tick's ``chord_beat`` is a downbeat or half bar: elsewhere a change that the
                worker itself doubts waits, since under a single line harmony would flicker with each note
        A chord outside the key is doubted more: who plays one says it clearly, and what a melody's passing tones
        add up to is none.
        """
        beat, root, quality = int(tick["chord_beat"]), int(tick["chord_root"]), int(tick["chord_quality"])
        chord = Chord(root % 12, quality) if root >= 0 and 0 <= quality <= 6 else None
        changes = self._changes
        self.confidence = float(tick["chord_confidence"])
        if changes and changes[-1] == (beat, chord):
            return
        if chord is not None and tick["chord_confidence"] < FOREIGN and _foreign(chord, tick):
            return
        if changes and changes[-1][1] is not None and not (strong or tick["chord_confidence"] >= SURE):
            return
        while changes and changes[-1][0] >= beat:
            changes.pop()
        if not changes or changes[-1][1] != chord:
            changes.append((beat, chord))
        del changes[: -self._KEPT]

    def at(self, beat: int) -> Chord | None:
        for start, chord in reversed(self._changes):
            if start <= beat:
                return chord
        return None


def _foreign(chord: Chord, tick: Any) -> bool:
    """Whether a chord has a tone outside the key of a tick record that is sure of it."""
    tonic, mode = int(tick["key_tonic"]), int(tick["key_mode"])
    if tonic < 0 or mode not in (MAJOR, MINOR) or not tick["key_confidence"] >= _KEY_CLEAR:
        return False
    return not set(chord.tones) <= set(Key(tonic, mode).allowed())
