"""216 shades of feeling: six emotions, six words around each, six intensities.

The six anchors are ratings of film clips (``emotion.ANCHORS``).  Around each, six words lie 10 degrees
apart on the valence-arousal circle; an intensity scales valence, arousal and tension together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import cos, radians, sin

from kelly.music.emotion import ANCHORS, Mood, distance

ROTATIONS = (-25.0, -15.0, -5.0, 5.0, 15.0, 25.0)
"""Degrees from the anchor, anticlockwise: towards excitement on the happy side, away from it on the other."""

INTENSITIES = (0.25, 0.40, 0.55, 0.70, 0.85, 1.0)
DEGREES = ("faintly", "slightly", "somewhat", "quite", "very", "utterly")

WORDS = {
    "joy": ("content", "cheerful", "happy", "joyful", "elated", "exuberant"),
    "tenderness": ("serene", "peaceful", "calm", "tender", "affectionate", "warm"),
    "sadness": ("despairing", "gloomy", "sad", "melancholic", "wistful", "nostalgic"),
    "fear": ("panicked", "terrified", "afraid", "anxious", "uneasy", "dreading"),
    "anger": ("raging", "furious", "angry", "hostile", "bitter", "resentful"),
    "wonder": ("delighted", "enchanted", "inspired", "amazed", "thrilled", "astonished"),
}
"""Per emotion, one word per rotation."""


@dataclass(frozen=True, slots=True)
class Node:
    """A shade: ``emotion`` of six, ``word`` of its six, ``level`` of six intensities, and where it lies."""

    emotion: str
    word: str
    level: int
    mood: Mood

    @property
    def name(self) -> str:
        """Such as "very cheerful"."""
        return f"{DEGREES[self.level]} {self.word}"


def shade(emotion: str, word: str, intensity: float) -> Mood:
    """The point of a word at an intensity, 1 being the anchor's own radius; clipped to -1..1."""
    valence, arousal, tension = ANCHORS[emotion]
    angle = radians(ROTATIONS[WORDS[emotion].index(word)])
    turned = (valence * cos(angle) - arousal * sin(angle), valence * sin(angle) + arousal * cos(angle), tension)
    return Mood(*(max(-1.0, min(1.0, intensity * value)) for value in turned))


NODES = tuple(
    Node(emotion, word, level, shade(emotion, word, intensity))
    for emotion, words in WORDS.items()
    for word in words
    for level, intensity in enumerate(INTENSITIES)
)


def nearest(mood: Mood, count: int = 1) -> list[tuple[Node, float]]:
    """The nearest nodes with their distances, nearest first."""
    return sorted(((node, distance(mood, node.mood)) for node in NODES), key=lambda row: row[1])[:count]


def blend(mood: Mood) -> list[tuple[Node, float]]:
    """The three nearest nodes and their shares, which sum to 1; a node's own point is that node alone."""
    rows = nearest(mood, 3)
    if rows[0][1] < 1e-9:
        return [(rows[0][0], 1.0), *((node, 0.0) for node, _ in rows[1:])]
    weights = [1.0 / gap for _, gap in rows]
    return [(node, weight / sum(weights)) for (node, _), weight in zip(rows, weights, strict=True)]


@cache
def spacing(node: Node) -> float:
    """Distance to the next node."""
    return min(distance(node.mood, other.mood) for other in NODES if other is not node)


class Feeling:
    """The name of a mood that moves: it changes when another is clearly nearer, and not more than once a second.

    A change needs an advantage of half the present node's spacing, held for DWELL_S.
    thread  [owner]
    """

    DWELL_S = 1.0

    def __init__(self) -> None:
        self.node: Node | None = None
        self._candidate: Node | None = None
        self._since_s = 0.0

    def update(self, mood: Mood, time_s: float) -> Node:
        """The name at stream time ``time_s``, which never decreases."""
        best, gap = nearest(mood)[0]
        if self.node is None:
            self.node = best
        if best is self.node or distance(mood, self.node.mood) - gap <= 0.5 * spacing(self.node):
            self._candidate = None
        elif self._candidate is None:
            self._candidate, self._since_s = best, time_s
        elif time_s - self._since_s >= self.DWELL_S:
            self.node, self._candidate = best, None
        return self.node


def names(nodes: Iterable[Node]) -> str:
    """For people: "very cheerful, quite happy"."""
    return ", ".join(node.name for node in nodes)
