"""The hands of the band: planned notes get their time and force, sound, and leave a record of why.

What is planned waits in the ledger; what was struck is remembered for the other parts to lean on.
"""

from __future__ import annotations

from .._rt.contract import NET_NAMES
from .._rt.layout import SOURCES
from .dynamics import Dynamics, Shape
from .expression import Expression
from .ledger import Ledger
from .loop import Struck
from .moment import Moment, Note, Voice
from .settings import BASS, CHORDS, DRUMS, MELODY, Part
from .why import Reason, Why, belongs, role_of

SHORTEST_S = 0.01  # between two notes of one voice
_NETS = {CHORDS: "harmonypredictor", MELODY: "melodytransformer", BASS: "groovepredictor", DRUMS: "groovepredictor"}


class Hands:
    """Strikes notes of all parts.

    parts     rows of the parts table
    override  what the listener has chosen, for the reasons' sake
    played    notes struck, per part
    voices    what each part has struck last
    reasons   of every note that was struck, in the order of planning; the owner may drop old ones
    broken    name of a rule break -> notes that it touched
    struck    whether anybody has since this was last set to False
    thread    [conductor]
    """

    def __init__(self, parts: tuple[Part, ...], sample_rate_hz: float, dynamics: Dynamics, expression: Expression, override: tuple[str, ...]) -> None:
        self.parts = parts
        self._rate = sample_rate_hz
        self._dynamics, self._expression, self._override = dynamics, expression, override
        self.reset(Ledger(round(SHORTEST_S * sample_rate_hz)))

    def reset(self, ledger: Ledger) -> None:
        """Begin anew, with the ledger that takes the notes."""
        self._ledger = ledger
        self._newest_on = [-(1 << 62)] * len(self.parts)
        self.played = [0] * len(self.parts)
        self.voices = tuple(Voice() for _ in self.parts)
        self.reasons: list[Reason] = []
        self.broken: dict[str, int] = {}
        self.struck = False

    def repeat(self, row: int, notes: list[Struck], alone: bool, moment: Moment) -> None:
        """A locked part's notes, at their old places on the present grid."""
        if not notes:
            return
        part, ledger, beat = self.parts[row], self._ledger, moment.beat_frames
        places = [max(round(moment.frame + note.after_beats * beat), ledger.horizon) for note in notes]
        first = min(places)
        if row != DRUMS:
            if alone:
                first = max(first, self._newest_on[row] + round(SHORTEST_S * self._rate))
            ledger.cut(row, first, frozenset(note.pitch for note in notes if note.tied))
            if row == CHORDS:
                self._expression.struck(ledger, self._dynamics.answers[row], moment, first, True)
            self._newest_on[row] = first
        for note, place in zip(notes, places, strict=True):
            on, off = max(place, first), place + round(note.length_beats * beat)
            if note.tied and ledger.tie(part.channel, note.pitch, on, off):
                continue
            if ledger.strike(row, part.channel, note.pitch, note.velocity, on, off):
                self.played[row] += 1
                self._record_locked(row, note, on, moment)
        self.voices[row].pitch, self.voices[row].step = notes[-1].pitch, moment.place.step

    def play(self, row: int, notes: list[Note], alone: bool, moment: Moment, frame: float) -> list[Struck]:
        """A part's planned notes, around the frame where grid and swing have them; what a loop would keep of them."""
        if not notes:
            return []
        part, ledger = self.parts[row], self._ledger
        shapes = [self._dynamics.shape(row, note, moment, frame) for note in notes]
        first = ledger.horizon
        if row != DRUMS:
            first = max(min(shape.on_frame for shape in shapes), first)
            if alone:
                first = max(first, self._newest_on[row] + round(SHORTEST_S * self._rate))
            ledger.cut(row, first, frozenset(note.pitch for note in notes if note.tied))
            if row == CHORDS:
                self._expression.struck(ledger, self._dynamics.answers[row], moment, first, notes[0].why.rule != "comping")
            self._newest_on[row] = first
        for note, shape in zip(notes, shapes, strict=True):
            on = max(shape.on_frame, first)
            if note.tied and ledger.tie(part.channel, note.pitch, on, shape.off_frame):
                continue
            if ledger.strike(row, part.channel, note.pitch, shape.velocity, on, shape.off_frame):
                self.played[row] += 1
                self._record(row, note, shape, on, moment)
        self.voices[row].pitch, self.voices[row].step = notes[-1].pitch, moment.place.step
        self.struck = True
        beat = moment.beat_frames
        return [
            Struck(note.pitch, shape.velocity, (shape.on_frame - moment.frame) / beat, (shape.off_frame - shape.on_frame) / beat, note.tied)
            for note, shape in zip(notes, shapes, strict=True)
        ]

    def _record_locked(self, row: int, note: Struck, frame: int, moment: Moment) -> None:
        """Keep why a repeated note was struck: its part is locked."""
        shape = Shape(frame, frame + round(note.length_beats * moment.beat_frames), note.velocity)
        self._record(row, Note(note.pitch, note.length_beats, why=Why("locked")), shape, frame, moment)

    def _record(self, row: int, note: Note, shape: Shape, frame: int, moment: Moment) -> None:
        """Keep why a note was struck."""
        heard, why, place = moment.heard, note.why, moment.place
        pitched = row != DRUMS
        net = _NETS.get(row, "")
        if why.broke:
            self.broken[why.broke] = self.broken.get(why.broke, 0) + 1
        self.reasons.append(
            Reason(
                frame=frame, part=row, channel=self.parts[row].channel, pitch=note.pitch, velocity=shape.velocity,
                bar=place.bar, step=place.step_in_bar, beats_per_bar=place.beats_per_bar, tonic=heard.tonic, mode=heard.mode,
                chord=moment.chord, role=role_of(note.pitch, moment.chord) if pitched else "",
                in_key=not pitched or belongs(note.pitch, heard.tonic, heard.mode), rule=why.rule, prior=why.prior,
                net=SOURCES[heard.nets[NET_NAMES.index(net)]] if net and why.prior is not None else "",
                fit=heard.chroma[note.pitch % 12] if pitched else 0.0, factors=why.factors, override=self._override,
                broke=why.broke, mood=(heard.valence, heard.arousal, heard.tension), ternary=place.ternary,
            )
        )  # fmt: skip
