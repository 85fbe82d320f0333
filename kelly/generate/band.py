"""The band: six players, who of them is in, and everybody's notes of one step.

A part can be switched off, locked to its newest phrase, or drawn anew; what each player plans depends on the moment
alone.  The hands strike what was planned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from .bass import Bass
from .counter import Counter
from .drums import Drums
from .dynamics import Dynamics
from .expression import Expression
from .hands import Hands
from .harmony import Chords
from .ledger import Ledger
from .loop import Loop, Struck
from .melody import Engine, Melody
from .moment import Moment, Note
from .pad import Pad
from .settings import BASS, CHORDS, COUNTER, DRUMS, MELODY, PAD, ConductorSettings
from .stage import Texture

_ROLL = 0x5851F42D4C957F2D  # so that another roll's seed is nobody's neighbour


class Band:
    """Plays steps, in order, once ``reset`` has given it a ledger.

    settings        ConductorSettings
    engines         "melodytransformer" and "dynamicsengine", as of the conductor
    sample_rate_hz  of the stream
    override        what the listener has chosen, for the reasons' sake
    thread          [conductor]

    hands           what was struck, and why
    """

    def __init__(self, settings: ConductorSettings, engines: Mapping[str, Engine], sample_rate_hz: float, override: tuple[str, ...]) -> None:
        self.parts, self._off = settings.parts, settings.off
        self._dynamics = Dynamics(engines["dynamicsengine"], len(self.parts))
        self._expression = Expression(self.parts)
        self.hands = Hands(self.parts, sample_rate_hz, self._dynamics, self._expression, override)
        self._chords = Chords(self.parts[CHORDS])
        self._melody = Melody(self.parts[MELODY], engines["melodytransformer"])
        self._bass = Bass(self.parts[BASS])
        self._drums = Drums(self.parts[DRUMS])
        self._counter = Counter(self.parts[COUNTER])
        self._pad = Pad(self.parts[PAD])
        # The table of parts: row, planner, one note at a time.  The bass goes first: others lean on it.
        self._players: tuple[tuple[int, Callable[[Moment], list[Note]], bool], ...] = (
            (BASS, self._bass.plan, True),
            (DRUMS, self._drums.plan, False),
            (CHORDS, self._chords.plan, False),
            (MELODY, self._melody.plan, True),
            (COUNTER, self._counter.plan, True),
            (PAD, self._pad.plan, False),
        )

    def reset(self, ledger: Ledger) -> None:
        """Begin anew, with the ledger that takes the notes."""
        self._ledger = ledger
        self._out = {row for row, part in enumerate(self.parts) if part.name in self._off}
        self._loops = [Loop() for _ in self.parts]
        self._rolls = [0] * len(self.parts)
        self._texture = Texture()
        self.hands.reset(ledger)
        self._dynamics.reset()
        self._expression.reset()
        for player in (self._chords, self._melody, self._bass, self._drums, self._counter, self._pad):
            player.reset()

    def open(self, frame: int) -> None:
        """Choose every part's sound."""
        for row, part in enumerate(self.parts):
            if part.enabled:
                self._ledger.program(row, part.channel, frame, part.program)

    # Who is in.

    def switch(self, part: int, on: bool) -> None:
        """A part plays, or not; row of PARTS, another one is nothing."""
        (self._out.discard if on else self._out.add)(part)

    def lock(self, part: int, step: int, phrase_steps: int, bar_steps: int) -> None:
        """A part repeats its newest phrase from ``step``, the next to be planned, on."""
        if 0 <= part < len(self.parts):
            self._loops[part].lock(step, phrase_steps, bar_steps)

    def release(self, part: int) -> None:
        """A locked part plans again."""
        if 0 <= part < len(self.parts):
            self._loops[part].release()

    def reroll(self, part: int, by: int) -> None:
        """A part draws as with another seed; a lock is let go."""
        if 0 <= part < len(self.parts):
            self._rolls[part] += by
            self._loops[part].release()

    def standing(self) -> list[tuple[bool, bool]]:
        """Per part: whether it is switched on, and whether it is locked.  [any Python thread]"""
        return [(row not in self._out, loop.locked) for row, loop in enumerate(self._loops)]

    # Playing.

    def play(self, moment: Moment, swung: float, locks: bool) -> None:
        """Everybody's notes of one step, and the end of what must not sound on.

        swung  the frame where the swing has this step
        locks  whether locked parts repeat; a cadence is everybody's
        """
        self._dynamics.begin(moment)
        joined = self._texture.joined(moment.place, moment.heard.arousal, moment.energy, moment.room, moment.complexity)
        played: dict[int, list[Struck]] = {}
        for row, plan, alone in self._players:
            if not self.parts[row].enabled:
                continue
            if not self._plays(row, moment) or (row in (COUNTER, PAD) and row not in joined):
                self._leave(row, moment)
                continue
            self._expression.swell(self._ledger, row, self._dynamics.answers[row], moment, moment.frame)
            if locks and self._loops[row].locked:
                self._repeat(row, alone, moment, swung)
            else:
                mine = moment if not self._rolls[row] else replace(moment, seed=moment.seed + self._rolls[row] * _ROLL)
                played[row] = self.hands.play(row, plan(mine), alone, mine, swung)
        self._end_chords(moment)
        resting = self._end_lines(moment, swung)
        for row, notes in played.items():
            self._loops[row].hear(moment.place.step, notes, row in resting)

    def silence(self, frame: float, ring_frames: float = 0.0) -> None:
        """Nobody strikes; what sounds may ring for a while."""
        self.hands.struck = False
        for row in range(len(self.parts)):
            self._ledger.cut(row, round(frame + ring_frames))
        self._expression.lift(self._ledger, frame + ring_frames)

    def rest(self, frame: float) -> None:
        """The music is over: every controller goes back to where it was."""
        self._expression.rest(self._ledger, frame)

    def away(self) -> None:
        """Nobody plays for a while: whoever comes back joins anew."""
        self._texture.away()

    def _plays(self, row: int, moment: Moment) -> bool:
        return getattr(moment.stage, self.parts[row].name) and row not in self._out

    def _leave(self, row: int, moment: Moment) -> None:
        """A part that is not in: it ends, and its memory with it."""
        self._ledger.cut(row, round(moment.frame))
        self._loops[row].hear(moment.place.step, [], True)
        if row == CHORDS:
            self._expression.lift(self._ledger, moment.frame)

    def _repeat(self, row: int, alone: bool, moment: Moment, swung: float) -> None:
        struck, rests = self._loops[row].again(moment.place.step)
        self.hands.repeat(row, struck, alone, moment)
        if rests:
            self._ledger.cut(row, round(swung))

    def _end_chords(self, moment: Moment) -> None:
        """Chords do not sound on where there is none, nor comping into a change that is not sure."""
        for row in (CHORDS, PAD, COUNTER) if moment.chord is None else () if moment.sure else (CHORDS,):
            if not self._loops[row].locked:
                self._ledger.cut(row, round(moment.frame))
                if row == CHORDS:
                    self._expression.lift(self._ledger, moment.frame)

    def _end_lines(self, moment: Moment, swung: float) -> set[int]:
        """Rows of the two lines that breathe here."""
        resting = set()
        for row, singer in ((MELODY, self._melody), (COUNTER, self._counter)):
            if getattr(moment.stage, self.parts[row].name) and singer.rests and not self._loops[row].locked:
                self._ledger.cut(row, round(swung))
                resting.add(row)
        return resting
