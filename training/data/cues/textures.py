"""The sixteen textures of the contract, and the drummer: what strikes where."""

from __future__ import annotations

from training.data.cues import voices
from training.data.cues.desk import ROLES, Desk, Place


def drum(desk: Desk, heard: bool) -> None:
    """The drummer plays what was counted; where it is heard, only on the section's places."""
    for bar, drummed in enumerate(desk.drummed):
        here = [p for p in desk.places if p.bar == bar]
        slots = [p.slot for p in here]
        if drummed is None:
            hits = [(0, voices.KICK, 0.0)] + [(k * desk.plan.slots, voices.SNARE, -4.0) for k in range(1, desk.beats)] + [(s, voices.HAT, -6.0) for s in slots]
        else:
            hits = [(desk.slot_of(k), voices.KICK, 0.0) for k in drummed.kicks] + [(desk.slot_of(k), voices.SNARE, 0.0) for k in drummed.snares]
            eighths = [k for k in range(0, 16, 2) if not heard or desk.slot_of(k) in slots]
            hits += [(desk.slot_of(k), voices.HAT, -5.0 - 2 * (k % 4 != 0)) for k in eighths[: drummed.hats]]
            quiet = [k for k in (7, 9, 15, 1) if desk.slot_of(k) not in {h[0] for h in hits} and (not heard or desk.slot_of(k) in slots)]
            hits += [(desk.slot_of(k), voices.SNARE, -16.0) for k in quiet[: drummed.ghosts]]
            if drummed.fill:
                rest = [s for s in slots if s >= desk.n_slots - desk.plan.slots]
                hits = [h for h in hits if h[0] < desk.n_slots - desk.plan.slots] + [(s, voices.TOMS[n % 4], 0.0) for n, s in enumerate(rest)]
        if bar % 8 == 0 and len(slots) > 3:
            hits.append((0, voices.CRASH, -3.0))
        for slot, key, soft in hits:
            if heard and slot not in slots:
                continue
            start = desk.at(bar, slot)
            late = abs(float(desk.rng.normal(0, desk.plan.humane_ms / 1000)))
            desk.rows.append((start, start + 0.2, late, key, soft + float(desk.rng.normal(0, 1)), ROLES["drums"], heard))


def _mono(d: Desk) -> None:
    d.strike("melody", d.places, d.melody(d.places, d.centre))


def _octaves(d: Desk) -> None:
    d.strike("melody", d.places, [[p[0] - 12, p[0]] for p in d.melody(d.places, d.centre + 6)])


def _thirds(d: Desk) -> None:
    """A third below, or what of the chord lies next below it, so that both voices say the same chord."""
    pairs = []
    for place, (top,) in zip(d.places, d.melody(d.places, d.centre + 2), strict=True):
        low = d.diatonic(top, -2)
        if low % 12 not in place.chord.tones and top % 12 in place.chord.tones:
            low = next(p for p in range(top - 3, top - 13, -1) if p % 12 in place.chord.tones)
        pairs.append([low, top])
    d.strike("melody", d.places, pairs)


def _block(d: Desk) -> None:
    d.strike("chords", d.places, d.harmonies(d.places, int(d.rng.integers(3, 6)), d.centre))


def _strummed(d: Desk) -> None:
    d.strike("chords", d.places, d.harmonies(d.places, int(d.rng.integers(4, 7)), d.centre), spread_s=float(d.rng.uniform(0.004, 0.02)))


def _chorale(d: Desk) -> None:
    d.strike("chords", d.places, d.harmonies(d.places, 4, d.centre))


def _broken(d: Desk, order: tuple[int, ...], n_voices: int, centre: float, soft_db: float = 0.0) -> None:
    """Chord tones one after the other; the order begins anew with each chord."""
    chords, pitches, last, n = d.harmonies(d.places, n_voices, centre), [], None, 0
    for place, tones in zip(d.places, chords, strict=True):
        n = 0 if place.chord != last or place.slot == 0 else n + 1
        last = place.chord
        pitches.append([tones[order[n % len(order)] % len(tones)]])
    ring = d.section.gate if d.section.gate < 0.85 else 1.6  # a pedal lets them ring
    d.strike("chords", d.places, pitches, gate=ring, soft_db=soft_db)


def _arpeggio(d: Desk) -> None:
    order = ((0, 1, 2, 3, 4, 3, 2, 1), (0, 1, 2, 3, 4, 5), (4, 3, 2, 1, 0), (0, 2, 4, 1, 3))[int(d.rng.integers(4))]
    _broken(d, order, 5, d.centre)


def _alberti(d: Desk) -> None:
    _broken(d, (0, 2, 1, 2), 3, d.centre)


def _drone(d: Desk) -> None:
    tonic = d.section.tonic
    low = round((d.centre - 10 - tonic) / 12) * 12 + tonic
    bars = [Place(float(b * d.bar_quarters), b, 0, 0.9, d.chord_at(b, 0)) for b in range(0, d.n_bars, 4)]
    drone = [low, low + 7] + ([low + int(d.rng.choice([1, 6, 13]))] if d.rng.random() < d.section.dissonance else [])
    d.strike("pad", bars, [drone] * len(bars), gate=1.0)
    d.strike("melody", d.places, d.melody(d.places, d.centre + 6))


def _ostinato(d: Desk) -> None:
    """One figure, turned to fit each chord."""
    figure = [int(k) for k in d.rng.choice([-3, -2, -1, 0, 1, 2, 4], 8, p=[0.2, 0.05, 0.05, 0.2, 0.1, 0.2, 0.2])]
    steps, tonic, pitches = d.steps, d.section.tonic, []
    for place in d.places:
        rank = sum(p.bar == place.bar and p.slot < place.slot for p in d.places)
        base = voices.nearest_degree(d.centre, tonic, steps, place.chord.tones)
        pitch = voices.pitch_of(base + figure[rank % 8] * (rank > 0), tonic, steps)
        pitches.append([pitch, pitch + int(d.rng.choice([1, 6, 11]))] if d.rng.random() < d.section.dissonance * 0.8 else [pitch])
    d.strike("chords", d.places, pitches)


def _two_part(d: Desk) -> None:
    d.strike("melody", d.places, d.melody(d.places, d.centre + 8))
    below = d.some(0.5)
    lines = d.melody(below, d.centre - 9) if d.rng.random() < 0.5 else d.low(below, d.centre - 9)
    d.strike("bass", below, lines)


def _polyphonic(d: Desk) -> None:
    """Three lines that share the places; the second answers with its own tune."""
    owners = d.rng.integers(0, 3, len(d.places))
    for n, (role, off) in enumerate((("melody", 9), ("second", 0), ("chords", -9))):
        mine = [p for p, owner in zip(d.places, owners, strict=True) if owner == n or p.weight >= 0.8]
        d.strike(role, mine, d.melody(mine, d.centre + off))


def _melody_chords(d: Desk) -> None:
    sung = d.some(float(d.rng.uniform(0.45, 0.8)), strong=False)
    held = {p.quarter for p in sung}
    rest = [p for p in d.places if p.quarter not in held or p.weight >= 0.85]
    d.strike("melody", sung, d.melody(sung, d.centre + 9))
    d.strike("chords", rest, d.harmonies(rest, 3, d.centre - 4))


def _melody_arpeggio(d: Desk) -> None:
    sung = d.some(float(d.rng.uniform(0.2, 0.5)))
    d.strike("melody", sung, d.melody(sung, d.centre + 12))
    _broken(d, (0, 1, 2, 3, 2, 1), 4, d.centre - 4, soft_db=-3.0)


def _percussive(d: Desk) -> None:
    figure = d.harmonies(d.places, 3, d.centre)
    d.strike("struck", d.places, [[tones[int(d.rng.integers(len(tones)))]] for tones in figure])


def _full(d: Desk) -> None:
    sung, comp, below = d.some(0.5, strong=False), d.some(0.6), d.some(0.45)
    held = {p.quarter for part in (sung, comp, below) for p in part}
    comp = sorted([*comp, *(p for p in d.places if p.quarter not in held)], key=lambda p: p.quarter)
    d.strike("melody", sung, d.melody(sung, d.centre + 13))
    d.strike("chords", comp, d.harmonies(comp, 4, d.centre))
    d.strike("bass", below, d.low(below, d.centre - 20))


WRITERS = {
    "monophonic": _mono, "octaves": _octaves, "thirds": _thirds, "block_chords": _block, "arpeggio": _arpeggio, "alberti": _alberti,
    "strummed": _strummed, "drone": _drone, "ostinato": _ostinato, "chorale": _chorale, "two_part": _two_part, "polyphonic": _polyphonic,
    "melody_chords": _melody_chords, "melody_arpeggio": _melody_arpeggio, "percussive": _percussive, "full": _full,
}  # fmt: skip
