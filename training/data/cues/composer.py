"""From a plan to a piece: every note with its part, and what is true of the piece.

A texture has one rhythm, the places where anything begins; parts strike on all of it or on some of it, so that
notes per second are what the plan says.  The middle of all parts is moved until the mean pitch is the plan's.
A section in major or minor is written again until its notes say which: of a piece whose notes fit a key of the other
mode as well, nobody could tell the mode, and its label would be wrong to everybody who hears it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kelly.music.chord import Chord
from training.data.cues.desk import ROLES, Desk, Drummed, Row
from training.data.cues.plan import MODES, Plan, Section, draw
from training.data.cues.textures import WRITERS, drum
from training.data.symbols import PROFILES

NOTE = np.dtype([
    ("onset", "f8"), ("end", "f8"), ("late_s", "f8"), ("pitch", "i2"), ("accent_db", "f4"), ("part", "i2"), ("section", "i2"),
    ("onset_s", "f8"), ("end_s", "f8"), ("velocity", "i2"), ("heard", "?"),
])  # fmt: skip
MEZZO_FORTE = 74  # velocity of 0 dB
"""A synthesizer's loudness goes with the square of velocity: 40 log10 of it in dB."""
KEYED = ("ionian", "aeolian")
LEAD = 0.05  # of a correlation, of a section's own key over all keys of the other mode
ATTEMPTS = 8  # after which the clearest stays: some textures, and what is full of clashes, never say it


@dataclass(frozen=True, slots=True)
class Piece:
    """A composition.

    notes      NOTE: onset and end in quarters and in seconds, by onset; those that are not heard are what kelly could play beside it
    tempo      float64 (n, 2): quarters, seconds; straight between
    bars       float64 (n, 2): first quarter of each bar, its section
    chords     (first quarter, last quarter, chord), None in silence
    drummed    what the drummer does in each bar, heard or not
    level      float64 (n, 2): second, dB around the clip's mezzo-forte
    length_s   of the clip
    """

    plan: Plan
    notes: NDArray[np.void]
    tempo: NDArray[np.float64]
    bars: NDArray[np.float64]
    chords: tuple[tuple[float, float, Chord | None], ...]
    drummed: tuple[Drummed | None, ...]
    level: NDArray[np.float64]
    length_s: float

    def seconds(self, quarters: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.interp(quarters, self.tempo[:, 0], self.tempo[:, 1])

    def level_db(self, times_s: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.interp(times_s, self.level[:, 0], self.level[:, 1])

    @property
    def drums(self) -> int:
        """Index of the part that is no pitch."""
        return len(self.plan.parts) - 1

    def heard(self, pitched: bool = True) -> NDArray[np.void]:
        """What is rendered, drums only if asked."""
        return self.notes[self.notes["heard"] & ((self.notes["part"] != self.drums) | (not pitched))]


def write_section(seeds: list[int], plan: Plan, section: Section, n_bars: int) -> Desk:
    """A section whose mean pitch is the plan's: written, measured, and written again in another place."""
    shift, desk = 0.0, None
    for _ in range(4):
        desk = Desk(np.random.default_rng(seeds), plan, section, n_bars, shift)
        WRITERS[section.texture](desk)
        if section.pad:
            changes = desk.on_changes()
            desk.strike("pad", changes, desk.harmonies(changes, 4, desk.centre), gate=1.0)
        pitches = [row[3] for row in desk.rows]
        miss = section.pitch - float(np.mean(pitches)) if pitches else 0.0
        if abs(miss) < 0.7:
            break
        shift += miss
    assert desk is not None
    roles = {row[5] for row in desk.rows}
    if ROLES["melody"] not in roles and desk.places:
        sung = desk.some(min(1.0, 0.6 * 2.5 / max(0.5, section.rate)), strong=False)
        desk.strike("melody", sung, desk.melody(sung, min(84.0, section.pitch + 9)), heard=False)
    if ROLES["bass"] not in roles and desk.places:
        below = desk.on_changes()
        desk.strike("bass", below, desk.low(below, 43.0), heard=False)
    drum(desk, section.drums)
    return desk


def write_clear(seeds: list[int], plan: Plan, section: Section, n_bars: int) -> Desk:
    """A section whose notes say its mode; the first try is what ``write_section`` writes."""
    best: tuple[float, Desk] | None = None
    for attempt in range(ATTEMPTS if section.mode in KEYED else 1):
        desk = write_section([*seeds, attempt] if attempt else seeds, plan, section, n_bars)
        lead = lead_of(desk)
        if best is None or lead > best[0]:
            best = lead, desk
        if lead >= LEAD:
            break
    assert best is not None
    return best[1]


def lead_of(desk: Desk) -> float:
    """``lead`` of the notes that are heard, as they are and turned into the other mode: the smaller of the two; -2 without notes."""
    from training.data.cues.counterfactual import altered  # which is written in terms of pieces

    rows = [row for row in desk.rows if row[6] and row[5] not in (ROLES["drums"], ROLES["effect"])]
    if not rows:
        return -2.0
    section, lengths = desk.section, np.array([row[1] - row[0] for row in rows])
    pitches = np.array([row[3] for row in rows])
    moved = pitches + [altered(row[3], section, desk.chord_at_quarter(row[0])) for row in rows]
    major = MODES[section.mode][1] > 0
    return min(lead(pitches, lengths, section.tonic, major), lead(moved, lengths, section.tonic, not major))


def lead(pitches: NDArray[np.integer], lengths: NDArray[np.floating], tonic: int, major: bool) -> float:
    """How much better notes fit their own key than any key of the other mode: correlations of sounding time per pitch class with key profiles."""
    fits = [[float(np.corrcoef(np.bincount(pitches % 12, lengths, 12), np.roll(profile, k))[0, 1]) for k in range(12)] for profile in PROFILES]
    own, other = fits if major else fits[::-1]
    return own[tonic] - max(other)


def compose(plan: Plan) -> Piece:
    """The piece of a plan; a twin is the piece before it with thirds, sixths and sevenths of the other mode."""
    if plan.kind == "twin":
        from training.data.cues.counterfactual import counterfactual  # which is written in terms of pieces

        first = compose(draw(plan.seed, plan.index - 1))
        return replace(counterfactual(first, mode="minor" if MODES[first.plan.sections[0].mode][1] > 0 else "major", every=True), plan=plan)
    rows: list[np.ndarray] = []
    bars, chords, drummed, quarter, starts = [], [], [], 0.0, []
    for index, section in enumerate(plan.sections):
        starts.append(quarter)
        length = section.bars * plan.meter[1]
        bars += [(quarter + bar * plan.meter[1], index) for bar in range(section.bars)]
        if section.texture == "silence":
            chords.append((quarter, quarter + length, None))
            drummed += [None] * section.bars
            quarter += length
            continue
        pattern = min(section.bars, plan.loop_bars or section.bars)
        same = plan.kind in ("loop", "steps")
        desk = write_clear([plan.seed, plan.index, 2, 0 if same else index], plan, section, pattern)
        for turn in range(-(-section.bars // pattern)):
            offset = turn * pattern * plan.meter[1]
            rows += [_row(row, quarter + offset, index) for row in desk.rows if row[0] + offset < length - 1e-9]
            for k, (at, chord) in enumerate(desk.changes):
                low = at / desk.n_slots * plan.meter[1] + offset
                high = (desk.changes[k + 1][0] / desk.n_slots * plan.meter[1] if k + 1 < len(desk.changes) else desk.end) + offset
                if low < length and low < desk.end + offset:
                    chords.append((quarter + low, quarter + min(length, high), chord))
        drummed += [desk.drummed[bar % pattern] for bar in range(section.bars)]
        quarter += length
    if plan.effect:
        rows.append(_row((0.0, quarter, 0.0, 60, 0.0, ROLES["effect"], True), 0.0, 0))
    notes = np.array([tuple(row) for row in rows], NOTE)
    tempo = _tempo(plan, quarter)
    level = []
    for start, section, after in zip(starts, plan.sections, [*starts[1:], quarter], strict=True):
        low, high = np.interp([start, after], tempo[:, 0], tempo[:, 1])
        level += [(low, section.level_db[0]), (high - 1e-3, section.level_db[1])]
    length_s = float(np.interp(quarter, tempo[:, 0], tempo[:, 1])) + 0.8
    return timed(Piece(plan, notes, tempo, np.array(bars, float), joined(chords), tuple(drummed), np.array(level), length_s))


def _row(row: Row, offset: float, section: int) -> tuple:
    onset, end, late, pitch, accent, part, heard = row
    return (onset + offset, end + offset, late, pitch, accent, part, section, 0, 0, 0, heard)


def joined(chords: list[tuple[float, float, Chord | None]]) -> tuple[tuple[float, float, Chord | None], ...]:
    """Neighbours that are the same chord become one."""
    out: list[tuple[float, float, Chord | None]] = []
    for start, end, chord in chords:
        if out and out[-1][2] == chord:
            out[-1] = (out[-1][0], end, chord)
        else:
            out.append((start, end, chord))
    return tuple(out)


def _tempo(plan: Plan, quarters: float) -> np.ndarray:
    """A knot per quarter: the section's tempo with the plan's freedom about it."""
    rng = np.random.default_rng([plan.seed, plan.index, 3])
    knots, now, at = [(0.0, plan.lead_s)], plan.lead_s, 0.0
    n = int(np.ceil(quarters)) + 2
    drift = np.convolve(rng.normal(0, 1, n + 8), np.hanning(9)[:-1] / 2, "same")[:n] * plan.rubato
    bpm = plan.sections[0].tempo_bpm * plan.beat_quarters
    for k in range(n):
        now += 60 / bpm * float(np.exp(drift[k]))
        at += 1
        knots.append((at, now))
    return np.array(knots)


def timed(piece: Piece) -> Piece:
    """The same piece with seconds and velocities filled in, by onset."""
    notes = piece.notes.copy()
    notes["onset_s"] = piece.seconds(notes["onset"]) + notes["late_s"]
    notes["end_s"] = np.maximum(piece.seconds(notes["end"]), notes["onset_s"] + 0.03)
    gain = np.array([part.gain_db for part in piece.plan.parts])[notes["part"]]
    db = piece.level_db(notes["onset_s"]) + notes["accent_db"] + gain + 1.5
    notes["velocity"] = np.clip(np.rint(MEZZO_FORTE * 10 ** (db / 40)), 6, 127)
    return replace(piece, notes=notes[np.lexsort((notes["pitch"], notes["onset_s"]))])
