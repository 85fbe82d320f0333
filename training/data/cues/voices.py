"""How parts move: rhythms on the grid of a bar, tunes, voice leading, accompaniments, drums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kelly.music.chord import Chord

KICK, SNARE, HAT, OPEN_HAT, CRASH, TOMS = 36, 38, 42, 46, 49, (50, 47, 45, 43)
CORES = {  # kicks and snares on sixteenths, the busiest first, then with fewer strokes
    "rock": (((0, 8, 10), (4, 12)), ((0, 8), (4, 12)), ((0,), (8,))),
    "ballad": (((0, 6, 8), (4, 12)), ((0, 10), (8,)), ((0,), (8,))),
    "disco": (((0, 4, 8, 12), (4, 12)), ((0, 4, 8, 12), (4, 12)), ((0, 8), (4, 12)), ((0,), (8,))),
    "funk": (((0, 3, 10), (4, 12)), ((0, 10), (4, 12)), ((0,), (12,))),
    "latin": (((0, 6, 8, 14), (3, 12)), ((0, 6, 8), (12,)), ((0, 6), (12,))),
    "heavy": (((0, 2, 6, 8, 10), (4, 12)), ((0, 6, 10), (8,)), ((0, 6), (8,))),
}  # fmt: skip


def weights_of(slots: int, per_beat: int, beats: int) -> np.ndarray:
    """How much each place of a bar is worth: downbeat, half bar, beat, off-beat, between."""
    out = np.full(slots, 0.12)
    if per_beat == 4:
        out[2::4] = 0.4
    elif per_beat == 3:
        out[2::3] = 0.35
    out[::per_beat] = 0.8
    if beats == 4:
        out[2 * per_beat] = 0.9
    out[0] = 1.4
    return out


def rhythm(rng: np.random.Generator, weights: np.ndarray, count: int, fixed: Sequence[int] = ()) -> tuple[int, ...]:
    """``count`` places of a bar, those that are fixed among them."""
    chosen = set(fixed)
    rest = [k for k in range(len(weights)) if k not in chosen]
    missing = min(len(rest), count - len(chosen))
    if missing > 0:
        sharp = weights[rest] ** 1.5
        chosen |= set(rng.choice(rest, missing, replace=False, p=sharp / sharp.sum()).tolist())
    return tuple(sorted(int(k) for k in chosen))


def pitch_of(degree: int, tonic: int, steps: Sequence[int]) -> int:
    """Degree 0 is the tonic in the octave of middle C."""
    return 60 + tonic + steps[degree % 7] + 12 * (degree // 7)


def nearest_degree(pitch: float, tonic: int, steps: Sequence[int], tones: Sequence[int] | None = None) -> int:
    """The degree nearest to a pitch, of a chord's tones if they are given."""
    guess = round((pitch - 60 - tonic) * 7 / 12)
    around = range(guess - 8, guess + 9)
    able = [d for d in around if tones is None or pitch_of(d, tonic, steps) % 12 in tones] or list(around)
    return min(able, key=lambda d: (abs(pitch_of(d, tonic, steps) - pitch), d))


def tune(
    rng: np.random.Generator, places: Sequence[tuple[int, float, Chord]], tonic: int, steps: Sequence[int], centre: float
) -> list[int]:
    """Pitches of a melody: an arch over each phrase, chord tones where the bar is heavy, steps between, a close.

    places  (bar, metrical weight 0..1, chord) of every note
    """
    out: list[int] = []
    motif: dict[int, list[int]] = {}
    degree, direction = nearest_degree(centre, tonic, steps, places[0][2].tones) if places else 0, 1
    for k, (bar, weight, chord) in enumerate(places):
        phrase = (bar % 4) / 4
        goal = centre + 5 * np.sin(np.pi * min(1, phrase + 0.1)) - 1.5
        last = k + 1 == len(places) or (places[k + 1][0] // 4 != bar // 4)
        here = motif.setdefault(bar, [])
        before = motif.get(bar - 2 if bar % 4 >= 2 else -1, [])
        if last or (phrase == 0 and len(here) == 0):
            home = (tonic % 12,) if tonic % 12 in chord.tones and rng.random() < 0.75 else chord.tones
            degree = nearest_degree(pitch_of(degree, tonic, steps) - 0.5, tonic, steps, home)
        elif weight >= 0.75 or not here:
            degree = nearest_degree(0.6 * pitch_of(degree, tonic, steps) + 0.4 * goal + rng.normal(0, 2), tonic, steps, chord.tones)
        elif len(here) < len(before) and rng.random() < 0.75:
            degree = here[-1] + before[len(here)] - before[len(here) - 1]
        else:
            if rng.random() < 0.3:
                direction = -direction
            if abs(pitch_of(degree, tonic, steps) - goal) > 7:
                direction = 1 if pitch_of(degree, tonic, steps) < goal else -1
            degree += direction * int(rng.choice([1, 2, 0, -1], p=[0.7, 0.14, 0.08, 0.08]))
            if rng.random() < 0.35:  # a tune comes back to its tonic, third and fifth
                degree = nearest_degree(pitch_of(degree, tonic, steps), tonic, steps, [(tonic + steps[k]) % 12 for k in (0, 2, 4)])
        here.append(degree)
        pitch = pitch_of(degree, tonic, steps)
        if abs(pitch - centre) > 13:
            degree = nearest_degree(centre + np.sign(pitch - centre) * 6, tonic, steps, chord.tones)
            here[-1] = degree
        out.append(pitch_of(degree, tonic, steps) + leading(degree, steps, tonic, chord))
    return out


def leading(degree: int, steps: Sequence[int], tonic: int, chord: Chord) -> int:
    """1 where a minor seventh becomes the leading tone, because the dominant has it."""
    return int(degree % 7 == 6 and steps[6] == 10 and (tonic + 11) % 12 in chord.tones)


def voicing(chord: Chord, n_voices: int, centre: float, before: Sequence[int] = ()) -> list[int]:
    """Close position around a pitch, with the least movement from the chord before."""
    tones = list(chord.tones)
    best, cost = [], np.inf
    for inversion in range(len(tones)):
        for octave in range(-2, 3):
            order = tones[inversion:] + tones[:inversion]
            pitch = 12 * int(centre // 12) + 12 * octave + order[0]
            voices = [pitch]
            for k in range(1, n_voices):
                tone = order[k % len(order)]
                pitch += (tone - pitch - 1) % 12 + 1
                voices.append(pitch)
            middle = abs(np.mean(voices) - centre)
            motion = sum(min(abs(v - w) for w in before) for v in voices) if len(before) else 0
            if (total := middle * 1.5 + motion) < cost:
                best, cost = voices, total
    return best


def clashing(rng: np.random.Generator, voices: Sequence[int]) -> int:
    """A tone that rubs against a chord: a semitone beside one of its voices, or a tritone above the lowest."""
    low = voices[0]
    able = [v + s for v in voices for s in (-1, 1) if v + s not in voices] + [low + 6, low + 18]
    return int(rng.choice([p for p in able if p not in voices]))


def core_of(style: str, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Kicks and snares (sixteenths of a 4/4 bar) of a drummer, as many as ``count`` onsets allow."""
    for kicks, snares in CORES[style]:
        if len(set(kicks) | set(snares)) <= count:
            return kicks, snares
    return ((0,), ()) if count else ((), ())
