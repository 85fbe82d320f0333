"""Which instruments a composed piece is for: six casts, one per emotion; beside a player the band keeps its own sounds.

Who names a program for a part (``--program``, a preset, kelly.toml) is asked first.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..music.emotion import Mood
from ..music.intent import Intent

CASTS: Mapping[str, Mapping[str, int]] = {
    "joy": {"chords": 25, "melody": 65, "bass": 33, "counter": 71, "pad": 48},  # steel guitar, alto saxophone
    "tenderness": {"chords": 24, "melody": 73, "bass": 32, "counter": 68, "pad": 49},  # nylon guitar, flute, upright bass, oboe
    "sadness": {"chords": 0, "melody": 69, "bass": 32, "counter": 42, "pad": 49},  # piano, English horn, cello
    "fear": {"chords": 45, "melody": 68, "bass": 43, "counter": 70, "pad": 52},  # plucked strings, oboe, double bass, bassoon, voices
    "anger": {"chords": 29, "melody": 81, "bass": 34, "counter": 61, "pad": 50},  # overdriven guitar, sawtooth, picked bass, brass
    "wonder": {"chords": 46, "melody": 11, "bass": 35, "counter": 60, "pad": 52},  # harp, vibraphone, fretless bass, horn, voices
}
"""Emotion -> General MIDI programs, 0..127 as on the wire, of the parts that have a choice."""


def cast_of(intent: Intent) -> Mapping[str, int]:
    """The cast of the emotion that lies nearest to the middle of a piece; none for a neutral one."""
    middle = Mood(*((getattr(intent.start, axis) + getattr(intent.end, axis)) / 2 for axis in ("valence", "arousal", "tension")))
    return CASTS.get(middle.name, {})
