"""The one-line status of a session: level, feeling, key, chord, tempo, and who plays for each net."""

from __future__ import annotations

from typing import Any

from kelly._rt.contract import EMBEDDING, NETS
from kelly._rt.layout import SOURCES
from kelly.music.chord import Chord
from kelly.music.scale import Key

NET_LABELS = ("emo", "mel", "har", "dyn", "gro")  # in NETS order; with all five the line still fits 80 columns
VALENCE, AROUSAL = EMBEDDING["valence"].start, EMBEDDING["arousal"].start
assert all(net.name.startswith(label) for net, label in zip(NETS, NET_LABELS, strict=True))


def status_line(tick: Any, columns: int = 80) -> str:
    """One line about the newest tick; closer together where it would be longer than ``columns`` - 1.

    tick     a record of dtype("tick")
    returns  such as "-23 dB  V+0.31 A-0.12  G: Em7   100 bpm   model emo mel har dyn, off gro"
    """
    parts = (f"{tick['level_db']:4.0f} dB", feeling(tick), harmony(tick), tempo(tick), nets(tick))
    line = "  ".join(parts)
    if len(line) < columns:
        return line
    return " ".join(part.strip() for part in parts).replace(" dB", "dB").replace(" bpm", "bpm")


def feeling(tick: Any) -> str:
    """Valence and arousal, -1..1."""
    embedding = tick["embedding"]
    return f"V{embedding[VALENCE]:+.2f} A{embedding[AROUSAL]:+.2f}"


def harmony(tick: Any) -> str:
    """Key and chord as a musician notes them, "G: Em7"; "?" for a key and "-" for a chord not known."""
    tonic, mode, root = int(tick["key_tonic"]), int(tick["key_mode"]), int(tick["chord_root"])
    key = Key(tonic, mode).short if tonic >= 0 and mode else "?"
    chord = str(Chord(root, int(tick["chord_quality"]))) if root >= 0 else "-"
    return f"{key}: {chord}".ljust(9)


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
            groups.append(f"{SOURCES[number]} {' '.join(members)}")
    return ", ".join(groups)
