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

from ..music.chord import Chord
from ..music.controls import NEUTRAL, read_controls
from ..music.scale import MINOR
from . import bend
from .band import Band
from .breaks import Breaker, broken_chord
from .cadence import closing_chord
from .dynamics import MAX_OFFSET_S
from .echo import Echo
from .ending import Ending
from .energy import Energy, effort_of
from .feeling import FeelingOut
from .foresight import Foresight
from .grid import STEPS_PER_BEAT, ChordTrack, Grid, Place
from .hands import SHORTEST_S
from .heard import Heard, read_tick
from .ledger import Ledger
from .melody import Engine
from .moment import FINAL, NO_BREAKS, Moment, Stage, allowed_classes
from .settings import ConductorSettings
from .stage import CHROMATIC, Entry, bass_hint
from .why import Reason

HOP_S = 0.04
_LONG_S = 60.0
_ROLL = 0x5851F42D4C957F2D  # so that another roll's seed is nobody's neighbour
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
    reasons         why.Reason of every note that was struck, in the order of planning; the owner may drop old ones
    broken          name of a rule break -> notes that it touched
    breaker.said    sentences about the rules broken on purpose
    foretold        beat of the grid -> its chord, where somebody has written them all down; None: the band has to foresee them
    """

    def __init__(self, sample_rate_hz: float, settings: ConductorSettings, engines: Mapping[str, Engine]) -> None:
        self.sample_rate_hz = float(sample_rate_hz)
        self.settings = settings
        self.parts = settings.parts
        self._hop_frames = -int(-HOP_S * self.sample_rate_hz // 1)
        self._offset_frames = round(MAX_OFFSET_S * self.sample_rate_hz)
        self._drummer = bend.Drummer()
        chosen = (("key", settings.key_given), ("tempo", settings.tempo_given), ("mode", settings.mode), ("feel", settings.swing is not None or settings.push_s))
        override = (*(name for name, given in chosen if given), *settings.overrides)
        self._band = Band(settings, engines, self.sample_rate_hz, override)
        self.breaker = Breaker(settings)
        self._feelings = FeelingOut(settings.feelings, self.sample_rate_hz)
        self._ending = Ending(self.sample_rate_hz, settings.tempo_given)
        self.foretold: Callable[[int], Chord | None] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything but settings and engines' weights."""
        self.grid = Grid()
        self._keys: dict[tuple[int, int], float] = {}
        self.echoes, self._echoing = 0, False
        self._tracks = ChordTrack()
        self._entry, self._echo = Entry(self.settings), Echo(self.sample_rate_hz)
        self._ledger = Ledger(round(SHORTEST_S * self.sample_rate_hz))
        self._next_step: int | None = None
        self._opened = False
        self._ended = False
        self._controls = NEUTRAL
        self._feelings.reset()
        self._resting = False
        self._ending.reset()
        self._foresight = Foresight()
        self._coming: tuple[int, Chord | None] = (-1, None)  # beat, and the chord expected on the next
        self._before: tuple[int, Chord | None] | None = None  # beat and chord planned last
        self._energy = Energy()
        self._band.reset(self._ledger)
        self.breaker.reset()
        self._drummer.reset()

    @property
    def key(self) -> tuple[int, int] | None:
        """The key that was clear for longest, (tonic, mode); None before any was."""
        return max(self._keys, key=lambda key: (self._keys[key], key), default=None)

    @property
    def played(self) -> list[int]:
        """Notes that each part has struck."""
        return self._band.hands.played

    @property
    def reasons(self) -> list[Reason]:
        """See ``Hands``."""
        return self._band.hands.reasons

    @property
    def broken(self) -> dict[str, int]:
        """See ``Hands``."""
        return self._band.hands.broken

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
            heard = self._drummer.mix(read_tick(tick), tick, self._controls.nets_of("drums"))
            heard = self._told(bend.bend(heard, self._controls))
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
                self._ending.listen(self.grid, heard, self._next_step, self._band.hands.struck)
                self._plan_until(heard, frame + self._reach())
        self._feelings.tell(tick, self._ledger)
        if int(tick["end"]):
            self._ended = True
        events = self._ledger.advance(frame + self._hop_frames + self._look_ahead())
        if len(events):
            self._echo.struck(events["frame"][(events["status"] & 0xF0 == 0x90) & (events["data2"] > 0)].tolist())
        return events

    def switch(self, part: int, on: bool) -> None:
        """A part plays, or not, from the next planned step on; row of PARTS, another one is nothing."""
        self._band.switch(part, on)

    def lock(self, part: int, on: bool) -> None:
        """A part repeats its newest phrase from the next planned step on, or plans again."""
        if not on:
            self._band.release(part)
        elif self.grid.exists and self._next_step is not None:
            self._band.lock(part, self._next_step, self.grid.phrase_beats * STEPS_PER_BEAT, self.grid.beats_per_bar * STEPS_PER_BEAT)

    def reroll(self, part: int, by: int = 1) -> None:
        """A part draws anew from the next planned step on, as with another seed; a lock is let go."""
        self._band.reroll(part, by)

    def standing(self) -> list[tuple[bool, bool]]:
        """Per part: whether it is switched on, and whether it is locked.  [any Python thread]"""
        return self._band.standing()

    def rest(self, resting: bool) -> None:
        """Nobody plays, as if the player paused, until told otherwise."""
        self._resting = resting

    def end_phrase(self, leads: bool = True) -> None:
        """Bring the music to its close: a cadence within two bars, the tonic held for one, and no more.

        leads  False: the player has ended; the last chord comes with the next bar line, softly
        """
        if self._ending.asked:
            return
        if not self.grid.exists or self._next_step is None or not self._band.hands.struck:
            self._ending.ask(None, leads)
            self._ended = True
            return
        self._ending.ask(self.grid.place(self._next_step), leads)

    def over(self, frame: int) -> bool:
        """Whether the music that ``end_phrase`` closed has been played at ``frame``."""
        close = self._ending.close
        if close is None or self._ending.waits:
            return False
        return not self.grid.exists or (self._ended and frame >= self.grid.frame_of(close.end))

    def settled(self, before_frame: int | None = None) -> list[Reason]:
        """Take away the reasons that are final: of notes struck before a frame, all when none is given."""
        reasons = self.reasons
        count = next((i for i, reason in enumerate(reasons) if before_frame is not None and reason.frame >= before_frame), len(reasons))
        taken = reasons[:count]
        del reasons[:count]
        return taken

    def finish(self) -> Any:
        """Release every held note now; nothing is planned afterwards."""
        self._ended = True
        self.reasons[:] = [reason for reason in self.reasons if reason.frame < self._ledger.horizon]  # others are never heard
        return self._ledger.finish()

    def _open(self, frame: int) -> None:
        self._opened = True
        self._ledger.horizon = frame
        self._band.open(frame)

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

    def _told(self, heard: Heard) -> Heard:
        """What was heard, with what the listener has said about it in its place."""
        settings = self.settings
        if settings.swing is not None:
            heard = replace(heard, groove=replace(heard.groove, swing=settings.swing))
        if settings.mode and heard.mode == -settings.mode and heard.tonic >= 0:
            relative = 9 if settings.mode == MINOR else 3  # A minor for C major
            heard = replace(heard, mode=settings.mode, tonic=(heard.tonic + relative) % 12)
        return heard

    def _plan_until(self, heard: Heard, limit: int) -> None:
        first = self.grid.step_after(max(heard.frame, self._ledger.horizon))
        if self._next_step is None or self._next_step < first:
            self._next_step = first  # a grid that jumped ahead: what lies behind it is never played
        while self.grid.frame_of(self._next_step) < limit:
            close = self._ending.close
            if close is not None and self._next_step >= close.end:
                self._band.silence(self.grid.frame_of(close.end))
                self._band.rest(self.grid.frame_of(close.end))
                self._ended = not self._ending.waits
                if self._ended:
                    return
            else:
                self._plan(self._next_step, heard)
            self._next_step += 1

    def _harmony(self, place: Place, heard: Heard) -> tuple[Chord | None, Chord | None, str]:
        """The chord to play, the chord heard, and the break that lies between them."""
        known = self._tracks.at(place.beat)
        if self._ending.close is not None:
            key = (heard.tonic, heard.mode) if heard.tonic >= 0 else self.key or (-1, 0)
            return closing_chord(self._ending.close, place, *key, known), known, ""
        chord, broke = broken_chord(known, self.breaker.at(place, heard, self._controls.complexity), heard)
        return chord, known, broke

    def _stage(self, heard: Heard, frame: float, beat_s: float, has_chord: bool) -> Stage:
        if self._ending.close is not None:  # a cadence is played out, whether or not the player is still there
            gone = self._ending.gone
            return Stage(True, has_chord, heard.tonic >= 0 and not gone, True, has_chord, has_chord, answering=gone)
        ahead_s = (frame - heard.frame) / self.sample_rate_hz
        return self._entry.stage(heard, ahead_s, beat_s, beat_s * self.grid.beats_per_bar, has_chord)

    def _expect(self, place: Place, chord: Chord | None, known: Chord | None) -> bool:
        """Once per beat, look ahead to the next one's chord; whether the one to play now is new."""
        if place.sub != 0:
            return False
        new = self._before is None or self._before[1] != chord
        self._before = (place.beat, chord)
        self._foresight.hear(place, known, self._tracks.confidence)
        coming = self.foretold(place.beat + 1) if self.foretold else self._foresight.at(place.beat + 1, place.beats_per_bar)
        self._coming = (place.beat, coming)
        return new

    def _plan(self, step: int, heard: Heard) -> None:
        grid, rate, settings = self.grid, self.sample_rate_hz, self.settings
        place, frame = grid.place(step), grid.frame_of(step)
        if self._resting or self._controls.silent:
            self._band.silence(frame)
            return
        if self._band.hands.struck:
            self._ending.rest(grid, place, heard, frame)
        chord, known, broke = self._harmony(place, heard)
        beat_s = grid.beat_frames / rate
        stage = self._stage(heard, frame, beat_s, chord is not None)
        if stage.silent:
            self._band.away()
            self._energy.reset()
            self._band.silence(frame, grid.beats_per_bar * grid.beat_frames)
            return
        closing = self._ending.close.at(step) if self._ending.close is not None else ""
        breaks = self.breaker.at(place, heard, self._controls.complexity) if closing != FINAL else NO_BREAKS
        if "dropped beat" in breaks and place.phrase_beats - place.phrase_beat <= 1 and self._ending.close is None:
            self._band.silence(frame)
            return
        new = self._expect(place, chord, known)
        per_beat = heard.notes_per_s * beat_s
        effort = bend.energy(effort_of(heard, per_beat), self._controls)
        moment = Moment(
            place=place,
            frame=frame,
            beat_frames=grid.beat_frames,
            sample_rate_hz=rate,
            chord=chord,
            chord_new=new,
            sure=self._foresight.sure or stage.pedal or not heard.playing or self._ending.close is not None,
            heard=heard,
            stage=stage,
            energy=self._energy.at(place, effort),
            effort=effort,
            per_beat=per_beat,
            room=bend.room(1.2 if stage.answering else max(0.1, min(1.2, 1.35 - 0.3 * per_beat)), self._controls),
            bass_hint=bass_hint(heard, allowed_classes(heard.tonic, heard.mode, None) if settings.key_given else CHROMATIC),
            seed=settings.seed,
            controls=self._controls,
            voices=self._band.hands.voices,
            coming=self._coming[1] if self._coming[0] == place.beat else None,
            chord_break=broke,
            breaks=breaks,
            closing=closing,
            arrives=self._ending.close is not None and step == self._ending.close.final,
            push_s=settings.push_s,
            alone=settings.alone,
            without=settings.without,
        )
        self._band.play(moment, grid.frame_of(step, heard.groove.swing), self._ending.close is None)
