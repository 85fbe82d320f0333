"""Why this note: the record that every planned note carries, and what its words mean.

A part says, as a ``Why``, which of its rules struck the note, what its net expected and how each factor
weighed; the conductor adds where and over what it sounds and keeps the whole as a ``Reason``.  A reason
belongs to the note-on of the same part, pitch and frame.  Every factor can be left out
(``ConductorSettings.without``), which is how one hears what it did.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..music.chord import INTERVALS, Chord
from ..music.scale import MAJOR, MINOR, Key

RULES: Mapping[str, str] = {
    "chord change": "the harmony changes here",
    "comping": "the rhythm of the phrase strikes here",
    "locked": "its part is locked and repeats what it has played",
    "renewed": "the chord had rung out and is struck again",
    "touched": "one voice of the held chord sounds again: nobody else marks the beat",
    "held": "a long soft tone: there is no trusted beat, or the player pauses",
    "root": "the bass stands on the chord's root where the bar or the chord begins",
    "beat": "the bass marks the beat: the chords wait, and the foot does not fall here",
    "with the kick": "the bass plays with the kick",
    "approach": "the bass steps towards the root that comes next",
    "figure": "the bass moves between two roots",
    "kick": "the groove's low voice plays here",
    "backbeat": "the snare answers the kick",
    "high voice": "the groove's high voice plays here",
    "ghost": "a ghost note between the strong beats",
    "cymbal": "the cymbal keeps the time",
    "crash": "a cymbal marks the start after a fill",
    "fill": "the phrase turns",
    "theme": "the melody begins a motif",
    "motif": "the melody repeats the rhythm and the steps of a bar before",
    "free": "the melody leaves its motif",
    "phrase end": "the melody comes to rest at the end of its phrase",
    "guide tone": "the counter-melody takes the chord's third or seventh, the nearest one",
    "passing": "the counter-melody steps on while the melody holds",
    "pad": "the pad carries the harmony",
    "cadence": "the music is led to its close",
    "final": "the last chord",
}  # fmt: skip
"""Why a note was struck: name of the rule -> what it says."""

FACTORS: Mapping[str, str] = {
    "net": "what the network expects here",
    "scale": "the key's tones",
    "chord": "tones of the chord, the more the stronger the beat",
    "chroma": "what the player has just sounded",
    "contour": "the shape of the phrase",
    "motion": "a singable distance from the note before",
    "motif": "the bar that this one repeats",
    "room": "what the player leaves to a second voice",
    "turn": "whose turn it is within the phrase",
    "pace": "how long the note before has sounded",
    "mood": "how much goes on in such a mood",
    "voice-leading": "the semitones that all voices move",
    "kick": "the drummer's foot",
    "groove": "the groove network's pattern",
    "forecast": "the chord that comes next, as it is written or as it followed here before",
    "humanize": "timing and force as a person's",
    "breaks": "rules broken on purpose",
}
"""What weighs in: name -> what it stands for; each may be left out."""

ROLES = {0: "root", 1: "ninth", 2: "ninth", 3: "third", 4: "third", 5: "fourth", 6: "fifth", 7: "fifth", 8: "sixth", 9: "sixth", 10: "seventh", 11: "seventh"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Why:
    """What a part knows about its own note.

    rule     a row of RULES
    prior    the net's own probability of it (of the pitch for melodies, of an onset for bass and drums); None:
             no net was asked
    factors  (row of FACTORS, weight): above 1 it spoke for the note, below 1 against
    broke    name of the rule break that made it so, "" for none
    """

    rule: str = ""
    prior: float | None = None
    factors: tuple[tuple[str, float], ...] = ()
    broke: str = ""


NO_REASON = Why()


@dataclass(frozen=True, slots=True)
class Reason:
    """One note of the band and everything that led to it.

    frame, part, channel, pitch, velocity   of the note-on event; part is a row of the parts table
    bar, step, beats_per_bar                where it is written: bar of the grid, 16th within it
    tonic, mode      the key then believed: pitch class or -1, 1 major, -1 minor, 0 unknown
    chord            the chord that it belongs to, None where there was none
    role             what the pitch is in that chord: "root", "third", ...; "" for drums and without a chord
    in_key           whether its pitch class belongs to the key; True for drums and while no key is known
    rule, prior, factors, broke             of its Why
    net              who answered for the net behind ``prior``: "model", "fallback", "off", or "" for none
    fit              share of this pitch class in the player's last two seconds, 0..1
    override         what the listener had chosen that bears on it: "key", "tempo", "mood", ...
    mood             valence, arousal, tension then heard or asked for
    ternary          whether the bar's beats have three eighths
    """

    frame: int
    part: int
    channel: int
    pitch: int
    velocity: int
    bar: int
    step: int
    beats_per_bar: int
    tonic: int
    mode: int
    chord: Chord | None
    role: str
    in_key: bool
    rule: str
    prior: float | None
    net: str
    fit: float
    factors: tuple[tuple[str, float], ...]
    override: tuple[str, ...]
    broke: str
    mood: tuple[float, float, float]
    ternary: bool = False

    def line(self) -> str:
        """One line of JSON; the chord as its symbol, numbers to four places."""
        row: dict[str, Any] = {name: _short(value) for name, value in asdict(self).items()}
        row["chord"] = str(self.chord) if self.chord else None
        row["factors"] = {name: _short(weight) for name, weight in self.factors}
        return json.dumps(row, ensure_ascii=False)


def role_of(pitch: int, chord: Chord | None) -> str:
    """What a pitch is in a chord; "" without one."""
    if chord is None:
        return ""
    interval = (pitch - chord.root) % 12
    if interval in INTERVALS[chord.quality]:
        return ROLES[interval]
    return "passing" if interval in (1, 6, 8) else ROLES[interval] + ", added" if interval in (2, 5, 9) else "passing"


def belongs(pitch: int, tonic: int, mode: int) -> bool:
    """Whether a pitch is heard as belonging to a key; of an unknown key everything is."""
    if tonic < 0 or mode not in (MAJOR, MINOR):
        return True
    return pitch % 12 in Key(tonic, mode).allowed()


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, tuple):
        return [_short(item) for item in value]
    return value
