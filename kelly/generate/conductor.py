"""The conductor: ticks in, events out; every 16th of the player's grid is planned exactly once.

Time. A tick that ends at frame f releases all events before f + hop + look-ahead, and what it plans
never lies before the release of the tick before. So the stream of events is ordered, an event leaves
at least one look-ahead before it is due, and the conductor may be that late without being heard.  The
look-ahead is one 16th while there is a grid; steps are planned two hops further ahead, which leaves
room for notes that come before the beat and lets a later note cut an earlier one.

Determinism. What is planned depends on ticks, settings and engines only; chance is a hash of the place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..music.controls import NEUTRAL, read_controls
from . import bend
from .bass import Bass
from .drums import Drums
from .dynamics import MAX_OFFSET_S, Dynamics
from .echo import Echo
from .grid import STEPS_PER_BEAT, ChordTrack, Grid
from .harmony import Chords
from .heard import Heard, read_tick
from .ledger import Ledger
from .melody import Engine, Melody
from .moment import Moment, Note, allowed_classes
from .settings import BASS, CHORDS, DRUMS, MELODY, ConductorSettings
from .stage import CHROMATIC, Entry, bass_hint

HOP_S = 0.04
_SHORTEST_S = 0.01
_LONG_S = 60.0
_CHORD_DECIDED_BEATS = 0.5  # the worker settles a beat's chord this long before it, at the latest a hop later


class Conductor:
    """Plans what the band plays.

    sample_rate_hz  of the stream whose frames the ticks count
    settings        ConductorSettings
    engines         "melodytransformer" and "dynamicsengine": objects with ``process(x, out)`` and
                    ``reset()``, float32 vectors of the contract; the conductor owns them
    thread          [conductor]; construct on [main]

    grid, played    for the file and the summary: the beats seen, and how many notes each part has planned
    echoes          how often it heard only itself, and stopped
    """

    def __init__(self, sample_rate_hz: float, settings: ConductorSettings, engines: Mapping[str, Engine]) -> None:
        self.sample_rate_hz = float(sample_rate_hz)
        self.settings = settings
        self.parts = settings.parts
        self._hop_frames = -int(-HOP_S * self.sample_rate_hz // 1)
        self._offset_frames = round(MAX_OFFSET_S * self.sample_rate_hz)
        self._dynamics = Dynamics(engines["dynamicsengine"], len(self.parts))
        self._chords = Chords(self.parts[CHORDS])
        self._melody = Melody(self.parts[MELODY], engines["melodytransformer"])
        self._bass = Bass(self.parts[BASS])
        self._drums = Drums(self.parts[DRUMS])
        # The table of parts: row, planner, one note at a time.  The bass goes first: others lean on it.
        self._players: tuple[tuple[int, Callable[[Moment], list[Note]], bool], ...] = (
            (BASS, self._bass.plan, True),
            (CHORDS, self._chords.plan, False),
            (MELODY, self._melody.plan, True),
            (DRUMS, self._drums.plan, False),
        )
        self.reset()

    def reset(self) -> None:
        """Forget everything but settings and engines' weights."""
        self.grid = Grid()
        self._keys: dict[tuple[int, int], float] = {}
        self.played = [0] * len(self.parts)
        self.echoes, self._echoing = 0, False
        self._tracks = ChordTrack()
        self._entry, self._echo = Entry(self.settings), Echo(self.sample_rate_hz)
        self._ledger = Ledger(round(_SHORTEST_S * self.sample_rate_hz))
        self._next_step: int | None = None
        self._newest_on = [-(1 << 62)] * len(self.parts)
        self._opened = False
        self._ended = False
        self._controls = NEUTRAL
        self._out: set[int] = set()  # parts that were switched off
        self._resting = False
        self._last_step: int | None = None  # the music ends before it
        self._dynamics.reset()
        for player in (self._chords, self._melody, self._bass, self._drums):
            player.reset()

    @property
    def key(self) -> tuple[int, int] | None:
        """The key that was clear for longest, (tonic, mode); None before any was."""
        return max(self._keys, key=lambda key: (self._keys[key], key), default=None)

    def consume(self, tick: Any) -> Any:
        """Take the next tick.

        tick     record of ``layout.dtype("tick")``; ticks come in order
        returns  records of ``layout.dtype("event")``, ordered, none before ``tick["frame"]``
        """
        frame = int(tick["frame"])
        if not self._opened:
            self._open(frame)
        self._controls = read_controls(tick)
        self.grid.update(tick, round(self._controls.bars))
        if self.grid.exists:
            self._tracks.update(tick, self.grid.place(4 * int(tick["chord_beat"])).weight >= 0.75)
        if int(tick["playing"]) or self._next_step is not None:
            heard = bend.bend(read_tick(tick), self._controls)
            beat = self.grid.beat if self.grid.exists else -1
            if self._echo.hear(frame, beat, float(tick["level_db"]), heard.onset):
                heard = replace(heard, playing=False, silence_s=_LONG_S)  # nobody is left to answer
                self.echoes += not self._echoing
            self._echoing = self._echo.alone
            self._entry.hear(heard)
            if heard.tonic >= 0 and heard.mode and heard.playing:
                key = (heard.tonic, heard.mode)
                self._keys[key] = self._keys.get(key, 0.0) + max(0.0, heard.key_confidence)
            if self.grid.exists and not self._ended:
                self._plan_until(heard, frame + self._reach())
        if int(tick["end"]):
            self._ended = True
        events = self._ledger.advance(frame + self._hop_frames + self._look_ahead())
        self._echo.struck(events["frame"][(events["status"] & 0xF0 == 0x90) & (events["data2"] > 0)].tolist())
        return events

    def switch(self, part: int, on: bool) -> None:
        """A part plays, or not, from the next planned step on; row of PARTS, another one is nothing."""
        (self._out.discard if on else self._out.add)(part)

    def rest(self, resting: bool) -> None:
        """Nobody plays, as if the player paused, until told otherwise."""
        self._resting = resting

    def end_phrase(self) -> None:
        """Play to the end of the phrase that is next to be planned, and no further."""
        if self._last_step is not None:
            return
        if not self.grid.exists or self._next_step is None:
            self._last_step, self._ended = 0, True
            return
        place = self.grid.place(self._next_step)
        left = (place.phrase_beats - place.phrase_beat) * STEPS_PER_BEAT
        self._last_step = self._next_step + round(left)

    def over(self, frame: int) -> bool:
        """Whether the music that ``end_phrase`` left has been played at ``frame``."""
        if self._last_step is None:
            return False
        return not self.grid.exists or frame >= self.grid.frame_of(self._last_step)

    def finish(self) -> Any:
        """Release every held note now; nothing is planned afterwards."""
        self._ended = True
        return self._ledger.finish()

    def _open(self, frame: int) -> None:
        self._opened = True
        self._ledger.horizon = frame
        for row, part in enumerate(self.parts):
            if part.enabled:
                self._ledger.program(row, part.channel, frame, part.program)

    def _look_ahead(self) -> int:
        """Frames that the conductor may be late."""
        least = round(self.settings.look_ahead_s * self.sample_rate_hz)
        if not self.grid.exists:
            return least
        # At fast tempi less than a 16th: a beat's chord is only known half a beat before.
        latest = _CHORD_DECIDED_BEATS * self.grid.beat_frames - 2 * self._hop_frames
        return max(least, round(min(self.grid.beat_frames / 4, latest)))

    def _reach(self) -> int:
        """Frames ahead of the tick up to which steps are planned."""
        look_ahead = self._look_ahead()
        wanted = look_ahead + self._hop_frames + self._offset_frames
        known = round(_CHORD_DECIDED_BEATS * self.grid.beat_frames) - self._hop_frames
        return max(look_ahead + self._hop_frames, min(wanted, known))

    def _plan_until(self, heard: Heard, limit: int) -> None:
        first = self.grid.step_after(max(heard.frame, self._ledger.horizon))
        if self._next_step is None or self._next_step < first:
            self._next_step = first  # a grid that jumped ahead: what lies behind it is never played
        while self.grid.frame_of(self._next_step) < limit:
            if self._last_step is not None and self._next_step >= self._last_step:
                for row in range(len(self.parts)):
                    self._ledger.cut(row, round(self.grid.frame_of(self._last_step)))
                self._ended = True
                return
            self._plan(self._next_step, heard)
            self._next_step += 1

    def _plan(self, step: int, heard: Heard) -> None:
        grid, rate = self.grid, self.sample_rate_hz
        place, frame = grid.place(step), grid.frame_of(step)
        chord = self._tracks.at(place.beat)
        if self._resting or self._controls.silent:
            for row in range(len(self.parts)):
                self._ledger.cut(row, round(frame))
            return
        beat_s = grid.beat_frames / rate
        stage = self._entry.stage(
            heard, (frame - heard.frame) / rate, beat_s, beat_s * grid.beats_per_bar, chord is not None
        )
        if stage.silent:
            for row in range(len(self.parts)):  # what still rings may do so for a bar
                self._ledger.cut(row, round(frame + grid.beats_per_bar * grid.beat_frames))
            return
        per_beat = heard.notes_per_s * beat_s
        moment = Moment(
            place=place,
            frame=frame,
            beat_frames=grid.beat_frames,
            sample_rate_hz=rate,
            chord=chord,
            chord_new=place.sub == 0 and chord != self._tracks.at(place.beat - 1),
            heard=heard,
            stage=stage,
            energy=bend.energy(_energy(heard, per_beat), self._controls),
            per_beat=per_beat,
            room=bend.room(1.2 if stage.answering else max(0.1, min(1.2, 1.35 - 0.3 * per_beat)), self._controls),
            bass_hint=bass_hint(heard, allowed_classes(heard.tonic, heard.mode, None) if self.settings.key_given else CHROMATIC),
            seed=self.settings.seed,
            controls=self._controls,
        )
        self._dynamics.begin(moment)
        swung = grid.frame_of(step, heard.groove.swing)
        allowed = {BASS: stage.bass, CHORDS: stage.chords, MELODY: stage.melody, DRUMS: stage.drums}
        for row, plan, alone in self._players:
            if not self.parts[row].enabled:
                continue
            if not allowed[row] or row in self._out:
                self._ledger.cut(row, round(frame))
                continue
            self._play(row, plan(moment), alone, moment, swung)
        if chord is None:
            self._ledger.cut(CHORDS, round(frame))
        if stage.melody and self._melody.rests:
            self._ledger.cut(MELODY, round(swung))

    def _play(self, row: int, notes: list[Note], alone: bool, moment: Moment, frame: float) -> None:
        if not notes:
            return
        part, ledger = self.parts[row], self._ledger
        shapes = [self._dynamics.shape(row, note, moment, frame) for note in notes]
        if row != DRUMS:
            first = max(min(shape.on_frame for shape in shapes), ledger.horizon)
            if alone:
                first = max(first, self._newest_on[row] + round(_SHORTEST_S * self.sample_rate_hz))
            ledger.cut(row, first)
            self._newest_on[row] = first
        for note, shape in zip(notes, shapes, strict=True):
            on = max(shape.on_frame, first) if row != DRUMS else shape.on_frame
            if ledger.strike(row, part.channel, note.pitch, shape.velocity, on, shape.off_frame):
                self.played[row] += 1


def _energy(heard: Heard, notes_per_beat: float) -> float:
    """0..1: how much should be going on; the player's level answers within a bar, the mood more slowly."""
    level = 0.5 * heard.level_slow + 0.5 * heard.level_peak - 0.5
    value = 0.5 + 0.28 * heard.arousal + 0.5 * level + 0.05 * (min(notes_per_beat, 4.0) - 1.5)
    return max(0.0, min(1.0, value)) if value == value else 0.5
