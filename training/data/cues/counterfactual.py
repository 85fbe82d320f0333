"""The same piece with one thing changed: what a gate compares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kelly.music.chord import INTERVALS, Chord
from training.data.cues.composer import Piece, joined, timed
from training.data.cues.plan import MODES, Section, other_mode

FLATTENED, RAISED = {4: 3, 9: 8, 11: 10}, {3: 4, 8: 9, 10: 11}


def counterfactual(
    piece: Piece, *, mode: str | None = None, tempo_factor: float = 1.0, level_db: float | tuple[float, ...] = 0.0, transpose: int = 0, every: bool = False
) -> Piece:
    """The same piece with one thing changed.

    mode          "major" or "minor": thirds, sixths and sevenths of sections in the other mode are altered above the
                  same tonic, a dominant keeps its leading tone
    tempo_factor  1.25: a quarter faster
    level_db      dB on everything, or a tuple of dB for as many equal spans of the piece
    transpose     semitones
    every         ``mode`` is that of the first section; those in the other mode are turned too
    """
    plan, notes, chords = piece.plan, piece.notes.copy(), list(piece.chords)
    sections = list(plan.sections)
    if mode is not None:
        turned = [every or (MODES[s.mode][1] > 0) != (mode == "major") for s in sections]
        first_of = {k: piece.bars[piece.bars[:, 1] == k, 0].min() for k in range(len(sections))}
        starts = [first_of[k] for k in range(len(sections))]
        which = np.searchsorted(starts, [c[0] + 1e-6 for c in chords]) - 1
        spans = [c[0] for c in chords]
        for note in notes:
            section = int(note["section"])
            if not turned[section] or note["part"] == piece.drums:
                continue
            chord = chords[int(np.searchsorted(spans, note["onset"] + 1e-6)) - 1][2]
            note["pitch"] += altered(int(note["pitch"]), sections[section], chord)
        for k, (start, end, chord) in enumerate(chords):
            section = int(which[k])
            if chord is not None and turned[section]:
                chords[k] = (start, end, turn(chord, sections[section]))
        sections = [replace(s, mode=other_mode(s.mode)) if t else s for s, t in zip(sections, turned, strict=True)]
    if transpose:
        notes["pitch"][notes["part"] != piece.drums] += transpose
        chords = [(a, b, c and Chord((c.root + transpose) % 12, c.quality)) for a, b, c in chords]
        sections = [replace(s, tonic=(s.tonic + transpose) % 12, pitch=s.pitch + transpose) for s in sections]
    lead = plan.lead_s
    tempo, level = piece.tempo.copy(), piece.level.copy()
    tempo[:, 1], level[:, 0] = lead + (tempo[:, 1] - lead) / tempo_factor, lead + (level[:, 0] - lead) / tempo_factor
    sections = [replace(s, tempo_bpm=s.tempo_bpm * tempo_factor, rate=s.rate * tempo_factor) for s in sections]
    length_s = lead + (piece.length_s - 0.8 - lead) / tempo_factor + 0.8
    if isinstance(level_db, tuple):
        edges = np.linspace(lead, length_s - 0.8, len(level_db) + 1)
        times = np.unique(np.concatenate([level[:, 0], edges[1:-1] - 1e-3, edges[1:-1]]))
        base = np.interp(times, level[:, 0], level[:, 1])
        steps = np.array(level_db)[np.clip(np.searchsorted(edges, times + 1e-6) - 1, 0, len(level_db) - 1)]
        level = np.stack([times, base + steps], axis=1)
    else:
        level[:, 1] += level_db
    plan = replace(plan, sections=tuple(sections))
    return timed(replace(piece, plan=plan, notes=notes, chords=joined(chords), tempo=tempo, level=level, length_s=length_s))


def altered(pitch: int, section: Section, chord: Chord | None) -> int:
    """Semitones by which a note moves when its section changes mode."""
    degree = (pitch - section.tonic) % 12
    table = FLATTENED if MODES[section.mode][1] > 0 else RAISED
    leads = degree == 11 and chord is not None and (chord.root - section.tonic) % 12 in (7, 11)
    return 0 if leads else table.get(degree, degree) - degree


def turn(chord: Chord, section: Section) -> Chord:
    """The same chord in the other mode, by what becomes of its tones."""
    moved = [(t + altered(60 + t, section, chord)) % 12 for t in chord.tones]
    root = moved[0]
    above = tuple((t - root) % 12 for t in moved)
    shapes = {shape: quality for quality, shape in enumerate(INTERVALS)}
    quality = shapes.get(above, shapes.get(above[:3]))
    return Chord(root, chord.quality if quality is None else quality)
