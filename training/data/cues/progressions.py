"""Chords: phrases of four bars by function, loops as players use them, cadences."""

from __future__ import annotations

import numpy as np

from kelly.music.chord import DIM, DOMINANT, MAJ, MIN, MINOR_SEVENTH, Chord
from training.data.cues.plan import MODES, Plan, Section

# Degrees from 0; what follows what, and how often, before the cadence.
FOLLOWS = {
    1.0: {0: {3: 3, 4: 4, 5: 2, 1: 1}, 1: {4: 5, 0: 1}, 2: {5: 2, 3: 3}, 3: {4: 4, 0: 4, 1: 1}, 4: {0: 7, 5: 1}, 5: {3: 3, 1: 2, 4: 3}, 6: {0: 3}},
    -1.0: {0: {3: 4, 4: 4, 5: 2, 6: 1}, 1: {4: 4}, 2: {5: 2, 3: 2}, 3: {4: 4, 0: 5}, 4: {0: 8, 5: 1}, 5: {3: 3, 4: 4, 0: 1}, 6: {0: 4, 5: 2}},
}  # fmt: skip
LOOPS = {
    1.0: ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 3), (0, 3), (0, 4), (0, 1, 4, 0), (0, 3, 0, 4), (0, 0, 3, 4)),
    -1.0: ((0, 5, 3, 4), (0, 6, 5, 4), (0, 3, 4, 0), (0, 3), (0, 4), (0, 3, 0, 4), (0, 0, 5, 4), (0, 5, 2, 6)),
}
PLAIN = {1.0: ((0, 4), (0, 3, 4, 0), (0, 0, 4, 0), (0, 3, 0, 4)), -1.0: ((0, 4), (0, 3, 4, 0), (0, 0, 4, 0), (0, 3, 0, 4))}
"""For textures that only imply their chords: without a bass, little more than tonic and dominant is understood."""
IMPLIED = ("monophonic", "octaves", "thirds", "polyphonic")
CADENCES = ((4, 0), (3, 0), (4, 0), (4, 4), (1, 4))  # the last two chords of a phrase; a half close now and then
PHRASE_BARS = 4


def chord_on(degree: int, section: Section, raised: bool, seventh: bool) -> Chord:
    """The triad or seventh chord of the scale on a degree (0..6); ``raised``: a minor dominant gets its leading tone."""
    steps = MODES[section.mode][0]
    root, third, fifth, top = (steps[(degree + k) % 7] + 12 * ((degree + k) // 7) for k in (0, 2, 4, 6))
    third, fifth, top = third - root, fifth - root, top - root
    if raised and degree == 4:
        third = 4
    if fifth < 7:
        quality = DIM
    elif third == 4:
        quality = DOMINANT if seventh and top == 10 and (degree == 4 or raised) else MAJ
    else:
        quality = MINOR_SEVENTH if seventh and top == 10 else MIN
    return Chord((section.tonic + root) % 12, quality)


def progression(rng: np.random.Generator, plan: Plan, section: Section) -> list[tuple[float, int, Chord]]:
    """(bar, degree, chord) in order; a bar of .5 is its middle."""
    major = 1.0 if MODES[section.mode][1] > 0 else -1.0
    raised = section.mode == "aeolian" and rng.random() < 0.95
    n = max(1, int(np.ceil(section.bars / section.harmony)))
    per_phrase = max(2, int(PHRASE_BARS / section.harmony))
    if section.texture in ("drone", "ostinato", "percussive") and rng.random() < 0.6:
        degrees = [0] * n
    elif plan.loop_bars or section.texture in IMPLIED or rng.random() < 0.35:
        known = PLAIN[major] if section.texture in IMPLIED else LOOPS[major]
        loop = known[int(rng.integers(len(known)))]
        length = max(1, min(len(loop), int((plan.loop_bars or 4) / section.harmony)))
        degrees = [loop[k % length] for k in range(n)]
    else:
        degrees = [0]
        while len(degrees) < n:
            place = len(degrees) % per_phrase
            if place == 0 and rng.random() < 0.9:
                degrees.append(0)
            elif place == per_phrase - 2:
                degrees += CADENCES[int(rng.integers(len(CADENCES)))]
            else:
                after = FOLLOWS[major][degrees[-1]]
                degrees.append(int(rng.choice(list(after), p=np.array(list(after.values())) / sum(after.values()))))
        degrees = degrees[:n]
    if not plan.loop_bars and n >= 3:
        degrees[-2:] = [4 if rng.random() < 0.75 else 3, 0]
    out: list[tuple[float, int, Chord]] = []
    for k, degree in enumerate(degrees):
        seventh = bool(rng.random() < plan.sevenths)
        chord = chord_on(degree, section, raised, seventh)
        if not out or out[-1][2] != chord:
            out.append((k * section.harmony, degree, chord))
    return out
