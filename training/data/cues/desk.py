"""A section while it is written: its grid, its chords, and what a texture asks of it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np

from kelly.music.chord import Chord
from training.data.cues import voices
from training.data.cues.plan import GAINS_DB, MODES, Plan, Section
from training.data.cues.progressions import progression

ROLES = {name: index for index, name in enumerate(GAINS_DB)}
FIXED = ("block_chords", "strummed", "chorale", "melody_chords", "full")
"""Textures that strike where the chord changes."""

Row = tuple[float, float, float, int, float, int, bool]
"""onset and end in quarters, lateness in seconds, pitch, accent in dB, part, whether it is heard"""


@dataclass(frozen=True, slots=True)
class Drummed:
    """A bar of drums in 4/4: places in sixteenths."""

    kicks: tuple[int, ...]
    snares: tuple[int, ...]
    hats: int  # eighths with a hat
    ghosts: int
    fill: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where something begins: a point of the grid."""

    quarter: float
    bar: int
    slot: int
    weight: float
    chord: Chord


class Desk:
    """A section while it is written; quarters count from its start."""

    def __init__(self, rng: np.random.Generator, plan: Plan, section: Section, n_bars: int, shift: float) -> None:
        self.rng, self.plan, self.section, self.n_bars = rng, plan, section, n_bars
        self.beats, self.bar_quarters = plan.meter
        self.n_slots = self.beats * plan.slots
        self.steps = MODES[section.mode][0]
        self.centre = section.pitch + shift
        self.rows: list[Row] = []
        self.drummed: list[Drummed | None] = []
        spans = progression(rng, plan, replace(section, bars=n_bars))
        self.changes = [(bar * self.n_slots, chord) for bar, _, chord in spans]
        per_bar = section.rate * 60 * self.beats / section.tempo_bpm
        owed, self.places = 0.0, []
        patterns: dict[tuple[int, tuple[int, ...]], tuple[int, ...]] = {}
        weights = voices.weights_of(self.n_slots, plan.slots, self.beats)
        weights = weights ** rng.uniform(0.5, 1.5) * rng.uniform(0.7, 1.3, self.n_slots)
        for bar in range(n_bars):
            owed += per_bar
            count = min(self.n_slots, int(owed + 0.5))
            drummed = self._drummer(bar, count)
            fixed = self._drum_slots(drummed) if section.drums else set()
            if section.texture in FIXED or section.pad:
                fixed |= {int(at - bar * self.n_slots) for at, _ in self.changes if 0 <= at - bar * self.n_slots < self.n_slots}
            key = (count, tuple(sorted(fixed)))
            if key not in patterns or rng.random() < 0.15:
                patterns[key] = voices.rhythm(rng, weights, count, key[1])
            owed -= len(patterns[key])
            self.drummed.append(drummed)
            self.places += [Place(self.at(bar, slot), bar, slot, float(min(1, voices.weights_of(self.n_slots, plan.slots, self.beats)[slot])), self.chord_at(bar, slot)) for slot in patterns[key]]

    def at(self, bar: int, slot: float) -> float:
        """Quarter of a place, swing included."""
        beat, k = divmod(slot, self.plan.slots)
        part = k / self.plan.slots
        if self.plan.swing:
            middle = 0.5 + self.plan.swing / 6
            part = part * 2 * middle if part < 0.5 else middle + (part - 0.5) * 2 * (1 - middle)
        return bar * self.bar_quarters + (beat + part) * self.bar_quarters / self.beats

    def chord_at(self, bar: int, slot: float) -> Chord:
        place = bar * self.n_slots + slot
        return self.changes[max(0, bisect_left([at for at, _ in self.changes], place + 0.5) - 1)][1]

    def chord_at_quarter(self, quarter: float) -> Chord:
        """The chord that sounds at a quarter of the section."""
        return self.chord_at(0, quarter / self.bar_quarters * self.n_slots)

    @property
    def end(self) -> float:
        return self.n_bars * self.bar_quarters

    def some(self, share: float, strong: bool = True) -> list[Place]:
        """A part of the places: the heavy ones first, at random among equals."""
        if not self.places:
            return []
        order = sorted(self.places, key=lambda p: (-p.weight if strong else 0) + self.rng.random() * 0.5)
        return sorted(order[: max(1, round(share * len(order)))], key=lambda p: p.quarter)

    def strike(self, role: str, places: list[Place], pitches: list[list[int]], gate: float | None = None, heard: bool = True, spread_s: float = 0.0, soft_db: float = 0.0) -> None:
        """Notes of a part: each place's pitches, until the part's next place, as long as the gate says."""
        gate = self.section.gate if gate is None else gate
        for k, (place, sounding) in enumerate(zip(places, pitches, strict=True)):
            after = places[k + 1].quarter if k + 1 < len(places) else self.end
            end = place.quarter + max(0.05, gate * (after - place.quarter))
            accent = 2.5 * (place.weight - 0.6) + soft_db + float(self.rng.normal(0, 0.8))
            upwards = sounding if place.slot % 2 == 0 else sounding[::-1]
            for n, pitch in enumerate(upwards):
                late = n * spread_s + abs(float(self.rng.normal(0, self.plan.humane_ms / 1000)))
                self.rows.append((place.quarter, end, late, int(np.clip(pitch, 24, 104)), accent, ROLES[role], heard))

    def melody(self, places: list[Place], centre: float) -> list[list[int]]:
        pitches = voices.tune(self.rng, [(p.bar, p.weight, p.chord) for p in places], self.section.tonic, self.steps, centre)
        wrong = self.rng.random(len(pitches)) < 0.3 * self.section.dissonance
        return [[p + int(self.rng.choice([-1, 1]))] if bad else [p] for p, bad in zip(pitches, wrong, strict=True)]

    def harmonies(self, places: list[Place], n_voices: int, centre: float) -> list[list[int]]:
        """Voice-led chords; the plan's share of them gets a tone that rubs."""
        out: list[list[int]] = []
        clash: dict[Chord, int] = {}
        before: list[int] = []
        for place in places:
            chord = voices.voicing(place.chord, n_voices, centre, before)
            before = list(chord)
            if place.chord not in clash:
                clash[place.chord] = voices.clashing(self.rng, chord) if self.rng.random() < self.section.dissonance else -1
            out.append([*chord, clash[place.chord]] if clash[place.chord] >= 0 and self.rng.random() < 0.5 + self.section.dissonance / 2 else chord)
        return out

    def low(self, places: list[Place], centre: float) -> list[list[int]]:
        """A bass: roots where the bar is heavy or the chord new, else fifths and roots again."""
        out, last = [], None
        for place in places:
            root = place.chord.root
            tone = root if place.chord != last or place.weight >= 0.75 or self.rng.random() < 0.6 else place.chord.tones[-1]
            out.append([round((centre - tone) / 12) * 12 + tone])
            last = place.chord
        return out

    def diatonic(self, pitch: int, by: int) -> int:
        """So many degrees of the scale away."""
        return voices.pitch_of(voices.nearest_degree(pitch, self.section.tonic, self.steps) + by, self.section.tonic, self.steps)

    def on_changes(self) -> list[Place]:
        """A place per chord."""
        return [Place(self.at(*divmod(int(at), self.n_slots)), int(at) // self.n_slots, int(at) % self.n_slots, 0.9, chord) for at, chord in self.changes if at < self.n_bars * self.n_slots]

    def _drummer(self, bar: int, count: int) -> Drummed | None:
        if self.beats != 4:
            return None
        kicks, snares = voices.core_of(self.plan.style, count)
        left = count - len(set(kicks) | set(snares))
        ghosts = min(2, max(0, left - 4)) if self.plan.style == "funk" else 0
        on = set(kicks) | set(snares)
        hats = min(8, sum(k in on for k in range(0, 16, 2)) + max(0, left - ghosts)) if count > 2 else 0
        fill = bar % 4 == 3 and count >= 6 and bool(self.rng.random() < 0.4)
        return Drummed(kicks, snares, hats, ghosts, fill)

    def _drum_slots(self, drummed: Drummed | None) -> set[int]:
        if drummed is None:
            return {0}
        return {self.slot_of(k) for k in (*drummed.kicks, *drummed.snares)}

    def slot_of(self, sixteenth: int) -> int:
        """The place of a sixteenth of 4/4 on this grid: in ternary pieces the off-beat is the last third."""
        beat, k = divmod(sixteenth, 4)
        return beat * self.plan.slots + (k if self.plan.slots == 4 else (0, 1, 2, 2)[k])
