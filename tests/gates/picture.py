"""A take as a picture: the player's notes above, kelly's below, with chords, mood and the reasons that count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from kelly.generate.settings import DRUMS, PARTS
from kelly.music.chord import Chord
from kelly.music.scale import Key

from .playing import Played
from .scores import Take

COLOURS = ("#4477AA", "#EE6677", "#228833", "#999999", "#CCBB44", "#AA3377")  # Paul Tol's "bright": safe for colour-blind eyes
SHOWN_S = 30.0


def draw(path: Path, take: Take, played: Played, title: str) -> None:
    """Write a PNG of the first half minute."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, mood, below) = plt.subplots(3, 1, figsize=(14, 8), sharex=True, height_ratios=(3, 1, 4), layout="constrained")
    for beat, length, voice, pitch, velocity in take.score.notes:
        if voice != DRUMS_OF_PLAYER:
            _bar(above, float(take.time_s(beat)), float(take.time_s(beat + length)), pitch, "#333333", velocity)
    for part, pitch, velocity, on, off in played.notes:
        if part != DRUMS:
            _bar(below, on, off, pitch, COLOURS[part], velocity)
    hits = [(on, pitch) for part, pitch, _, on, _ in played.notes if part == DRUMS]
    below.scatter([on for on, _ in hits], [24 + (pitch - 35) * 0.4 for _, pitch in hits], s=6, color=COLOURS[DRUMS], marker="|")
    for time_s in take.downbeats_s():
        for axis in (above, below):
            axis.axvline(time_s, color="#DDDDDD", linewidth=0.8, zorder=0)
    key, before = Key(*take.score.key) if take.score.key else None, None
    for reason in played.reasons:
        if reason.chord is not None and reason.chord != before:
            below.text(reason.frame / 48_000, 94, reason.chord.symbol(key), fontsize=8, va="top", clip_on=True)
            before = reason.chord
    named = None
    for beat, chord in enumerate(take.score.chords):
        if chord is not None and chord != named and float(take.time_s(beat)) < SHOWN_S:
            above.text(float(take.time_s(beat)), above.get_ylim()[1], Chord(chord[0], chord[1]).symbol(key), fontsize=8, va="bottom")
            named = chord
    moods = np.array([(reason.frame / 48_000, *reason.mood) for reason in played.reasons])
    if len(moods):
        for column, name, colour in ((1, "valence", "#228833"), (2, "arousal", "#EE6677"), (3, "tension", "#4477AA")):
            mood.plot(moods[:, 0], moods[:, column], color=colour, label=name, linewidth=1.4)
    mood.set_ylim(-1, 1)
    mood.axhline(0, color="#DDDDDD", linewidth=0.8)
    mood.legend(loc="upper right", ncols=3, fontsize=8, frameon=False)
    above.set_ylabel("player, MIDI pitch")
    mood.set_ylabel("heard")
    below.set_ylabel("kelly, MIDI pitch")
    below.set_xlabel("seconds")
    below.set_ylim(20, 96)
    below.set_xlim(0, min(SHOWN_S, played.end_s))
    used = [row for row in range(len(PARTS)) if any(note[0] == row for note in played.notes)]
    below.legend(handles=[plt.Line2D([], [], color=COLOURS[row], linewidth=4, label=PARTS[row].name) for row in used], loc="lower right", ncols=6, fontsize=8, frameon=False)
    above.set_title(title, loc="left", fontsize=11, pad=14)
    for axis in (above, mood, below):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=90)
    plt.close(figure)


DRUMS_OF_PLAYER = 9


def _bar(axis: Any, on: float, off: float, pitch: int, colour: str, velocity: int) -> None:
    axis.plot([on, max(off, on + 0.03)], [pitch, pitch], color=colour, alpha=0.25 + 0.7 * velocity / 127, linewidth=3.2, solid_capstyle="butt")


def why(played: Played, count: int = 3) -> str:
    """The rules that struck most notes of each part, in words."""
    lines = []
    for row, part in enumerate(PARTS):
        rules = Counter(reason.rule for reason in played.reasons if reason.part == row)
        if rules:
            lines.append(f"{part.name}: " + ", ".join(f"{rule} ({n})" for rule, n in rules.most_common(count) if rule))
    broke = Counter(reason.broke for reason in played.reasons if reason.broke)
    if broke:
        lines.append("broken on purpose: " + ", ".join(f"{name} ({n} notes)" for name, n in broke.most_common()))
    return "; ".join(lines)
