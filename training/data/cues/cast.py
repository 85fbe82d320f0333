"""Who plays: General MIDI programs by family, what each is good for, and what is held out.

Two programs of every family are played in test clips only, one more in validation clips only; one soundfont is
heard in test clips only.  Drum kits have no families, so the standard kit is everybody's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kelly._rt.contract import GM_FAMILIES

TEST_PROGRAMS = (3, 6, 10, 13, 17, 20, 26, 31, 34, 38, 42, 44, 50, 52, 59, 58, 66, 69, 74, 79, 82, 87, 90, 93, 97, 101, 105, 108, 112, 117, 122, 124)  # fmt: skip
VALIDATION_PROGRAMS = (2, 14, 18, 28, 37, 41, 49, 63, 68, 72, 84, 95, 99, 107, 115, 121)
"""General MIDI numbers from 0."""
TROMBONE = 57  # three dark brasses are too few to hold one out of everything: validation shares it with training

BRIGHT_BRASS = (56, 59, 61, 62, 63)  # trumpets and sections: the regression's "tpt"
DARK_BRASS = (57, 58, 60)  # trombone, tuba, horn: its "horn"

# Families by what they can do in a piece.  Weights say how often a family is chosen, so that each is heard.
ROLES = {
    "melody": {
        "piano": 3, "chromatic_percussion": 1.5, "organ": 1, "guitar": 2, "strings": 2, "ensemble": 1, "reed": 2,
        "pipe": 2, "synth_lead": 2, "ethnic": 1.5, "synth_pad": 0.5, "synth_effects": 0.5, "brass": 0.5, "bass": 0.2,
    },
    "chords": {
        "piano": 3, "chromatic_percussion": 1, "organ": 1.5, "guitar": 3, "strings": 1, "ensemble": 1.5, "reed": 0.5,
        "synth_lead": 0.7, "synth_pad": 1.5, "synth_effects": 1, "ethnic": 1, "brass": 0.5, "pipe": 0.5,
    },
    "strummed": {"guitar": 6, "ethnic": 1, "piano": 1, "organ": 0.5, "synth_pad": 0.5, "synth_lead": 0.5},
    "bass": {"bass": 6, "piano": 1, "strings": 1, "synth_lead": 0.5, "brass": 0.3, "guitar": 0.5},
    "pad": {"ensemble": 3, "synth_pad": 4, "organ": 1.5, "strings": 1, "synth_effects": 1.5},
    "struck": {"chromatic_percussion": 3, "percussive": 3, "ethnic": 1, "guitar": 0.5},
    "effect": {"sound_effects": 1},
}  # fmt: skip

SUSTAINED = frozenset({"organ", "ensemble", "brass", "reed", "pipe", "synth_lead", "synth_pad", "synth_effects"})
BOWED = (40, 41, 42, 43, 44, 48, 109, 110)  # sustained programs of families that are not


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a piece.

    role     melody, second, chords, bass, pad, struck, effect or drums
    program  General MIDI, from 0
    channel  from 0; drums have 9
    gain_db  of the part beside the others
    pan      0..127
    """

    role: str
    program: int
    channel: int
    gain_db: float = 0.0
    pan: int = 64


def family_of(program: int) -> str:
    """One of GM_FAMILIES."""
    return GM_FAMILIES[program // 8]


def sustains(program: int) -> bool:
    """Whether a note sounds on for as long as it is held."""
    return family_of(program) in SUSTAINED or program in BOWED


def programs(split: str) -> tuple[int, ...]:
    """What is played in the clips of a split."""
    if split == "test":
        return TEST_PROGRAMS
    if split == "validation":
        return (*VALIDATION_PROGRAMS, TROMBONE)
    return tuple(p for p in range(128) if p not in TEST_PROGRAMS and p not in VALIDATION_PROGRAMS)


def choose(rng: np.random.Generator, role: str, split: str, brass: str = "") -> int:
    """A program for a role; ``brass`` bright or dark demands a brass of that colour."""
    allowed = programs(split)
    if brass:
        able = [p for p in (BRIGHT_BRASS if brass == "bright" else DARK_BRASS) if p in allowed]
        return int(rng.choice(able))
    plain = [p for p in allowed if p not in BRIGHT_BRASS and p not in DARK_BRASS]
    weights = {family: weight for family, weight in ROLES[role].items() if any(family_of(p) == family for p in plain)}
    names = list(weights)
    family = str(rng.choice(names, p=np.array(list(weights.values())) / sum(weights.values())))
    return int(rng.choice([p for p in plain if family_of(p) == family]))
