"""A recording as kelly heard it, as a picture: feelings, key, chords and beats over time, and the way through the moods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING
from kelly.errors import BackendUnavailableError
from kelly.music.emotion import ANCHORS
from kelly.whole import whole

if TYPE_CHECKING:
    from kelly.live.analyze import Track

INK, QUIET, PAPER, SILENCE = "#22262b", "#8a929b", "#ffffff", "#eceff2"
FEELINGS = (("valence", "dark", "bright", "#0072b2"), ("arousal", "calm", "excited", "#d55e00"), ("tension", "at rest", "tense", "#7a4fa3"))
"""Curve, its two ends, and a colour of Okabe & Ito's set or near it, which nobody's eyes confuse."""

SMOOTH_S = 2.0
LEAST_LABEL = 0.018  # of the width that a chord needs to be named


def picture(track: Track, path: Path, title: str) -> None:
    """Write a PNG.

    raises  BackendUnavailableError without matplotlib; OutputError, OSError where the file cannot be written
    """
    try:
        from matplotlib import colormaps
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendUnavailableError("--plot needs matplotlib: pip install 'kelly-live[plot]'") from error
    figure = Figure(figsize=(14, 7.6), facecolor=PAPER)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(4, 2, width_ratios=(2.35, 1), height_ratios=(3.4, 0.42, 0.62, 0.5), hspace=0.12, wspace=0.24, left=0.055, right=0.975, top=0.87, bottom=0.08)
    curves, keys, chords, beats = axes = [figure.add_subplot(grid[row, 0]) for row in range(4)]
    plane = figure.add_subplot(grid[:, 1])
    end_s = float(track.times_s[-1])
    _feelings(curves, track)
    colours = colormaps["viridis"]
    _spans(keys, list(spans(track.keys, track.times_s)), end_s, lambda name: "#c9d6df" if not name.endswith("m") else "#5f6f7c", "key")
    home = _root(track.key.split()[0] if track.key else "C")
    _spans(chords, list(spans(track.chords, track.times_s)), end_s, lambda name: colours(_shade(_root(name), home)), "chord")
    _beats(beats, track)
    for axis in axes:
        axis.set_xlim(0, end_s)
        axis.tick_params(colors=QUIET, labelsize=8, length=3)
        for side in axis.spines.values():
            side.set_visible(False)
    for axis in axes[:-1]:
        axis.tick_params(labelbottom=False, bottom=False)
    for axis in axes[1:]:
        axis.tick_params(axis="y", length=0)
    beats.set_xlabel("seconds", color=QUIET, fontsize=9)
    _way(plane, track, figure)
    tempo = f"{track.tempo_bpm:.0f} bpm" if track.tempo_bpm else "no trusted beat"
    figure.text(0.055, 0.955, title, fontsize=17, color=INK, weight="bold", va="center")
    figure.text(0.055, 0.912, f"{track.key or 'no key'}   ·   {tempo}   ·   {_clock(end_s)}", fontsize=10.5, color=QUIET, va="center")
    with whole(path) as place:
        figure.savefig(place, format="png", dpi=130)


def spans(names: Sequence[str], times_s: NDArray[np.float64]) -> Iterator[tuple[float, float, str]]:
    """(start, end, name) of every stretch of one name; "" is left out."""
    edges = [0, *(k for k in range(1, len(names)) if names[k] != names[k - 1]), len(names)]
    starts = np.concatenate([[0.0], times_s])
    for low, high in pairwise(edges):
        if names[low]:
            yield float(starts[low]), float(starts[high]), names[low]


def smooth(values: NDArray[np.floating], rows: int) -> NDArray[np.float64]:
    """Moving mean, as long as it goes at both ends."""
    rows = max(1, min(rows, len(values)))
    kernel = np.ones(rows)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _feelings(axis: Any, track: Track) -> None:
    """Three curves over a band as wide as the doubt; grey where nobody plays."""
    t = track.times_s
    confidence = np.clip(track.embedding[:, EMBEDDING["confidence"].start], 0, 1)
    doubt = 0.25 * (1 - smooth(confidence, 25))
    playing = smooth(track.playing.astype(float), 13) > 0.5
    for low, high, _ in spans(["" if on else "silent" for on in playing], t):
        axis.axvspan(low, high, color=SILENCE, lw=0, zorder=0)
    axis.axhline(0, color=QUIET, lw=0.8, alpha=0.6, zorder=1)
    ends: list[tuple[float, str, str, str]] = []
    for name, low_word, high_word, colour in FEELINGS:
        raw = getattr(track, name).astype(float)
        line = smooth(raw, round(SMOOTH_S / 0.04))
        axis.plot(t, raw, color=colour, lw=0.5, alpha=0.22, zorder=2)
        axis.fill_between(t, line - doubt, line + doubt, color=colour, alpha=0.10, lw=0, zorder=2)
        axis.plot(t, line, color=colour, lw=2.2, zorder=3, solid_capstyle="round")
        ends.append((float(line[-1]), name, colour, f"{low_word} to {high_word}"))
    ends.sort()
    places = [end[0] for end in ends]
    for k in range(1, 3):  # names beside the ends of their lines, not on top of each other
        places[k] = max(places[k], places[k - 1] + 0.17)
    shift = max(0.0, places[-1] - 0.9)
    for place, (_, name, colour, words) in zip(places, ends, strict=True):
        axis.annotate(name, (1.008, place - shift), xycoords=("axes fraction", "data"), color=colour, fontsize=10, weight="bold", va="center", annotation_clip=False)
        axis.annotate(words, (1.008, place - shift - 0.075), xycoords=("axes fraction", "data"), color=QUIET, fontsize=7.5, va="center", annotation_clip=False)
    axis.set_ylim(-1.02, 1.02)
    axis.set_yticks((-1, -0.5, 0, 0.5, 1))
    axis.grid(axis="y", color=SILENCE, lw=0.8, zorder=0)


def _spans(axis: Any, found: list[tuple[float, float, str]], end_s: float, colour_of: Any, name: str) -> None:
    """A strip of coloured stretches with their names where there is room."""
    for low, high, label in found:
        colour = colour_of(label)
        axis.axvspan(low, high, color=colour, lw=0)
        axis.axvline(low, color=PAPER, lw=1.2)
        if (high - low) / end_s > LEAST_LABEL * (0.6 + 0.25 * len(label)):
            axis.text((low + high) / 2, 0.5, label, ha="center", va="center", fontsize=8.5, color=_ink_on(colour), clip_on=True)
    axis.set_ylim(0, 1)
    axis.set_yticks((0.5,), (name,))


def _ink_on(colour: Any) -> str:
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else PAPER


def _root(chord: str) -> int:
    from kelly.music.chord import parse_chord

    return parse_chord(chord).root


def _shade(root: int, home: int) -> float:
    """By the steps on the circle of fifths from the tonic, which has the middle."""
    fifths = (7 * (root - home) + 5) % 12 - 5  # -5..6
    return float(np.clip(0.52 + 0.115 * fifths, 0.02, 0.98))


def _beats(axis: Any, track: Track) -> None:
    """A tick per beat over the tempo's line."""
    tempo = np.where(track.tempos_bpm > 0, track.tempos_bpm, np.nan)
    axis.vlines(track.beats_s, 0, 0.42, color=INK, lw=0.8, alpha=0.7)
    axis.set_ylim(0, 1)
    axis.set_yticks((0.5,), ("beats",))
    if np.isfinite(tempo).any():
        low, high = np.nanmin(tempo) * 0.95, np.nanmax(tempo) * 1.05
        axis.plot(track.times_s, 0.5 + 0.45 * (tempo - low) / max(1e-6, high - low), color="#009e73", lw=1.4)
        slow, fast = (f"{np.nanpercentile(tempo, share):.0f}" for share in (5, 95))
        axis.annotate(f"{slow} bpm" if slow == fast else f"{slow} to {fast} bpm", (1.008, 0.7), xycoords="axes fraction", color="#009e73", fontsize=8, va="center", annotation_clip=False)


def _way(axis: Any, track: Track, figure: Any) -> None:
    """The path through valence and arousal, from light to dark with time, among the six emotions."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle
    from matplotlib.patheffects import withStroke

    rows = round(2 * SMOOTH_S / 0.04)
    v, a = smooth(track.valence.astype(float), rows), smooth(track.arousal.astype(float), rows)
    for radius in (0.5, 1.0):
        axis.add_patch(Circle((0, 0), radius, fill=False, color=SILENCE if radius < 1 else "#d5dade", lw=1.2, zorder=0))
    axis.axhline(0, color=SILENCE, lw=1, zorder=0)
    axis.axvline(0, color=SILENCE, lw=1, zorder=0)
    for name, (valence, arousal, _) in ANCHORS.items():
        axis.plot(valence, arousal, "o", color="#c3cad1", ms=4, zorder=1)
        axis.annotate(name, (valence, arousal), (0, -9), textcoords="offset points", ha="center", va="center", color=QUIET, fontsize=9, zorder=1)
    step = max(1, len(v) // 1500)
    points = np.stack([v[::step], a[::step]], axis=1)
    share = np.linspace(0, 1, len(points) - 1) if len(points) > 1 else np.zeros(0)
    axis.add_collection(LineCollection(list(np.stack([points[:-1], points[1:]], axis=1)), array=share, cmap="viridis_r", lw=2.6, capstyle="round", zorder=3))
    axis.plot(*points[0], "o", ms=9, mfc=PAPER, mec=INK, mew=1.6, zorder=4)
    axis.plot(*points[-1], "o", ms=9, mfc=INK, mec=PAPER, mew=1.2, zorder=4)
    above = 1 if points[-1][1] >= points[0][1] else -1  # each name on the side where the other point is not
    for name, point, side in (("start", points[0], -above), ("end", points[-1], above)):
        words = axis.annotate(name, point, (0, 13 * side), textcoords="offset points", fontsize=8.5, color=INK, weight="bold", ha="center", va="center", zorder=5)
        words.set_path_effects([withStroke(linewidth=3, foreground=PAPER)])
    for y, word in ((1.07, "excited"), (-1.07, "calm")):
        axis.text(0, y, word, ha="center", va="center", color=FEELINGS[1][3], fontsize=10)
    for x, word, turn in ((-1.08, "dark", 90), (1.08, "bright", -90)):
        axis.text(x, 0, word, ha="center", va="center", color=FEELINGS[0][3], fontsize=10, rotation=turn)
    axis.set(xlim=(-1.14, 1.14), ylim=(-1.14, 1.14), aspect="equal", xticks=(), yticks=())
    for side in axis.spines.values():
        side.set_visible(False)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
