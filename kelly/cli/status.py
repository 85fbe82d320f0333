"""The one-line status of a session: level, feeling, key, chord, tempo, and who plays for each net."""

from __future__ import annotations

from typing import Any

from kelly._rt.contract import EMBEDDING, NETS
from kelly._rt.layout import SOURCES
from kelly.music.chord import Chord
from kelly.music.scale import Key

NET_LABELS = ("feeling", "melody", "harmony", "dynamics", "groove")  # short names, in NETS order
VALENCE, AROUSAL = EMBEDDING["valence"].start, EMBEDDING["arousal"].start
assert len(NET_LABELS) == len(NETS)


def status_line(tick: Any) -> str:
    """One line about the newest tick.

    tick     a record of dtype("tick")
    returns  such as "-23 dB  V +0.31 A -0.12  G major  Em7  100 bpm  model: feeling melody  off: groove"
    """
    return "  ".join((
        f"{tick['level_db']:4.0f} dB", feeling(tick), key_name(tick).ljust(8), chord_name(tick).ljust(4), tempo(tick), nets(tick),
    ))  # fmt: skip


def feeling(tick: Any) -> str:
    embedding = tick["embedding"]
    return f"V {embedding[VALENCE]:+.2f} A {embedding[AROUSAL]:+.2f}"


def key_name(tick: Any) -> str:
    tonic, mode = int(tick["key_tonic"]), int(tick["key_mode"])
    return str(Key(tonic, mode)) if tonic >= 0 and mode else "key ?"


def chord_name(tick: Any) -> str:
    root = int(tick["chord_root"])
    return str(Chord(root, int(tick["chord_quality"]))) if root >= 0 else "-"


def tempo(tick: Any) -> str:
    """Beats per minute, with a question mark while the beat is not yet trusted."""
    bpm = float(tick["tempo_bpm"])
    return f"{bpm:3.0f} bpm{' ' if tick['locked'] else '?'}" if bpm > 0 else "  - bpm "


def nets(tick: Any) -> str:
    """The five nets, grouped by who answers for them: model, fallback, off."""
    groups = []
    for number in reversed(range(len(SOURCES))):
        members = [label for label, source in zip(NET_LABELS, tick["source"], strict=True) if source == number]
        if members:
            groups.append(f"{SOURCES[number]}: {' '.join(members)}")
    return "  ".join(groups)
