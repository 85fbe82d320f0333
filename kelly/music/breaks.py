"""Rules of harmony, melody and metre that may be broken on purpose, and what each break is good for.

A break is never noise: it has a name, changes one thing, fits a mood, and says why it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kelly.errors import ConfigError
from kelly.music.emotion import Mood, distance


@dataclass(frozen=True, slots=True)
class RuleBreak:
    """One row.

    rule        the rule that is broken
    changes     what is played instead
    mood        where it fits; the nearest row is taken
    feeling     what it says
    leaves_key  it may bring tones from outside the key
    """

    rule: str
    changes: str
    mood: Mood
    feeling: str
    leaves_key: bool = False


BREAKS: Mapping[str, RuleBreak] = {
    "modal interchange": RuleBreak(
        "chords are made of the key's tones", "a chord of the parallel mode, where the player leaves its tone alone",
        Mood(-0.3, -0.2, 0.3), "a shadow falls on what was bright", leaves_key=True,
    ),
    "tonic avoidance": RuleBreak(
        "a phrase comes home to the tonic", "the chord on the sixth degree in the tonic's place",
        Mood(-0.1, -0.2, 0.1), "home is in sight and not reached",
    ),
    "parallel motion": RuleBreak(
        "voices move independently", "the whole chord slides, every voice by as much",
        Mood(0.3, 0.5, 0.2), "weightless, larger than life",
    ),
    "unresolved dissonance": RuleBreak(
        "a suspension resolves", "the third gives way to the fourth and stays; the melody ends between chord tones",
        Mood(-0.2, 0.1, 0.6), "a question that nobody answers",
    ),
    "missing third": RuleBreak(
        "a chord says whether it is major or minor", "root and fifth alone",
        Mood(-0.3, 0.3, 0.5), "hollow, neither glad nor sad",
    ),
    "semitone cluster": RuleBreak(
        "neighbours a semitone apart do not sound together", "a tone of the key a semitone beside a chord tone",
        Mood(-0.5, 0.4, 0.9), "dread",
    ),
    "pedal point": RuleBreak(
        "the bass takes the root of each chord", "the bass stays on the tonic while the chords change",
        Mood(0.1, 0.0, 0.4), "something immovable underneath",
    ),
    "chromatic approach": RuleBreak(
        "the bass steps within the key", "the semitone below the coming root, whatever the key",
        Mood(0.0, 0.6, 0.4), "being pulled along", leaves_key=True,
    ),
    "displacement": RuleBreak(
        "chords fall on the beat", "the chords' rhythm comes an eighth late for a bar",
        Mood(0.1, 0.6, 0.5), "the ground shifts",
    ),
    "metric modulation": RuleBreak(
        "the drums keep the player's beat", "groups of three sixteenths against it for a bar",
        Mood(0.2, 0.8, 0.5), "time seems to run faster",
    ),
    "dropped beat": RuleBreak(
        "every beat is played", "all fall silent on the last beat of a phrase",
        Mood(0.2, 0.6, 0.7), "a breath held",
    ),
    "half time": RuleBreak(
        "the snare answers on two and four", "one backbeat a bar, on the third beat",
        Mood(-0.3, -0.1, 0.4), "everything grows heavy",
    ),
}  # fmt: skip
"""By name, in a fixed order."""
BREAK_NAMES = tuple(BREAKS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A break that an intent asks for.

    severity  0..1: how often, and how far where it can go further
    """

    name: str
    severity: float

    def __post_init__(self) -> None:
        if self.name not in BREAKS:
            raise ConfigError(f"no rule break is called {self.name!r}; there are {', '.join(BREAKS)}")
        if not 0.0 <= self.severity <= 1.0:
            raise ConfigError(f"severity of {self.name}: expected 0 to 1, found {self.severity:g}")


def fitting(mood: Mood, within_key: bool = False) -> str:
    """Name of the break that fits a mood best.

    within_key  only such as never leave the key
    """
    names = [name for name in BREAKS if not (within_key and BREAKS[name].leaves_key)]
    return min(names, key=lambda name: (distance(mood, BREAKS[name].mood), BREAK_NAMES.index(name)))
