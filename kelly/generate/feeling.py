"""What is felt, as MIDI controllers: valence, arousal, tension, emotion and chord, sent when they change.

    valence, arousal, tension  0..127 for -1..1, 64 the middle
    emotion   0..35: emotion * 6 + word, in the order of ``kelly.music.thesaurus.WORDS``
    chord     root + 12 * quality, root 0..11 from C, quality an index of CHORD_QUALITIES; 127 no chord

They go through the ring of events like notes do, so they are in files, takes and renders, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._rt.contract import EMBEDDING
from ..music.emotion import Mood
from ..music.thesaurus import WORDS, Feeling, Node
from .ledger import Ledger

FEELINGS = ("valence", "arousal", "tension", "emotion", "chord")
FEELING_PART = -3
"""``part`` of their events; -1 is the reflex, -2 what a panic sends."""

NO_CHORD = 127
_AXES = tuple(EMBEDDING[name].start for name in ("valence", "arousal", "tension"))
_PLACES = {(emotion, word): 6 * i + k for i, (emotion, words) in enumerate(WORDS.items()) for k, word in enumerate(words)}


def seven_bits(value: float) -> int:
    """-1..1 as 0..127; 0 is exactly 64, NaN too."""
    value = max(-1.0, min(1.0, value)) if value == value else 0.0
    return round(64 + value * (63 if value > 0 else 64))


def place_of(node: Node) -> int:
    """0..35."""
    return _PLACES[node.emotion, node.word]


class FeelingOut:
    """Sends controllers.

    wanted  {feeling: (channel 1..16, controller 0..127)}
    thread  [conductor]
    """

    def __init__(self, wanted: Mapping[str, tuple[int, int]], sample_rate_hz: float) -> None:
        self._wanted, self._rate = dict(wanted), sample_rate_hz
        self.reset()

    def reset(self) -> None:
        self._sent: dict[str, int] = {}
        self._feeling = Feeling()

    def tell(self, tick: Any, ledger: Ledger) -> None:
        """What has changed with this tick; it leaves as early as anything planned now can."""
        if not self._wanted:
            return
        mood = [float(tick["embedding"][axis]) for axis in _AXES]
        values = {name: seven_bits(value) for name, value in zip(FEELINGS, mood, strict=False)}
        if "emotion" in self._wanted:
            finite = Mood(*(value if value == value else 0.0 for value in mood))
            values["emotion"] = place_of(self._feeling.update(finite, int(tick["frame"]) / self._rate))
        root, quality = int(tick["chord_root"]), int(tick["chord_quality"])
        values["chord"] = root + 12 * quality if 0 <= root < 12 and 0 <= quality <= 6 else NO_CHORD
        for name, (channel, number) in self._wanted.items():
            if self._sent.get(name) != values[name]:
                self._sent[name] = values[name]
                ledger.control(FEELING_PART, channel, ledger.horizon, number, values[name])
