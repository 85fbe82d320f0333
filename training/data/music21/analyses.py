"""How far the chords that ``templates`` names are those that people named: the analyses that lie beside scores in music21's corpus.

    python -m training.data.music21.analyses [PATH]

Twenty of Bach's chorales and Monteverdi's madrigals are there in Roman numerals, written by hand.  Per quarter note the
longest sounding numeral is folded onto kelly's qualities and held against the chord of our own reading.  An analysis
that counts other bars than its score (fewer than three roots in five agree wherever it is laid) is left out and named.

source  Tymoczko et al. 2019, "The RomanText format"
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kelly.errors import DataError
from kelly.music.chord import DIM, DOMINANT, MAJ, MIN, MINOR_SEVENTH
from training.data import templates
from training.data.item import Item
from training.data.music21 import place
from training.data.music21.reading import read

Named = tuple[int, int]
"""Root 0..11 and one of the first five qualities."""

SHIFTS = np.arange(-1, 5, 0.5)  # quarter notes by which a pickup may be counted otherwise
ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Numeral:
    """One Roman numeral: from and to in quarter notes, and what it says; None where its third is left out."""

    start: float
    end: float
    chord: Named | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``beats`` with a chord in both: how many have its root, how many root and quality; how often each changes."""

    name: str
    beats: int
    roots: int
    chords: int
    ours_change: int
    theirs_change: int


def numerals(path: Path) -> list[Numeral]:
    """Of a RomanText file."""
    from music21 import converter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = converter.parse(path, format="romanText").flatten().getElementsByClass("RomanNumeral")
        return [Numeral(float(one.offset), float(one.offset + one.quarterLength), folded(one.root().pitchClass, {p.pitchClass for p in one.pitches})) for one in found]


def folded(root: int, tones: set[int]) -> Named | None:
    """Root and quality of a chord of these pitch classes."""
    above = {(tone - root) % 12 for tone in tones}
    if 4 in above:
        return root, DOMINANT if 10 in above else MAJ
    if 3 in above:
        return root, DIM if 6 in above else MINOR_SEVENTH if 10 in above else MIN
    return None


def analysed(root: Path) -> Iterator[tuple[Path, Path]]:
    """(analysis, score) of every analysis whose score is there."""
    for path in sorted(root.glob("bach/choraleAnalyses/*.rntxt")):
        number = re.search(r"^BWV: *([\d.]+)", path.read_text(encoding="utf-8"), re.M)
        score = root / "bach" / f"bwv{number[1]}.mxl" if number else path
        if score.suffix == ".mxl" and score.exists():
            yield path, score
    for path in sorted(root.glob("monteverdi/*.rntxt")):
        if path.with_suffix(".mxl").exists():
            yield path, path.with_suffix(".mxl")


def compare(analysis: Path, score: Path, cache: Path | None = None) -> Agreement:
    """The two readings of a piece, laid so that most roots agree.

    raises  DataError for a score that has no beats or no harmony
    """
    piece = read(Item(f"{score.parent.name}/{score.name}", "", "", score=score), cache)
    beats = templates.beats_of(piece)
    spans = templates.chords_of(piece, beats)
    starts = np.array([span[0] for span in spans])
    ours = [spans[int(np.searchsorted(starts, time + 0.01)) - 1][2] for time in beats[:-1, 0]]
    mine = [None if chord is None else (chord.root, chord.quality) for chord in ours]
    written = numerals(analysis)
    laid = [_counted(analysis.stem, mine, _per_beat(written, len(mine), shift)) for shift in SHIFTS]
    return max(laid, key=lambda one: one.roots)


def _per_beat(written: list[Numeral], n: int, shift: float) -> list[Named | None]:
    """What is said longest within each beat, the earlier of two as long."""
    out: list[Named | None] = []
    for k in range(n):
        lasts = [min(k + 1 + shift, one.end) - max(k + shift, one.start) for one in written]
        best = int(np.argmax(np.round(lasts, 6)))
        out.append(written[best].chord if lasts[best] > 0 else None)
    return out


def _counted(name: str, ours: list[Named | None], theirs: list[Named | None]) -> Agreement:
    both = [(k, mine, yours) for k, (mine, yours) in enumerate(zip(ours, theirs, strict=True)) if yours is not None]
    return Agreement(
        name, len(both),
        sum(mine is not None and mine[0] == yours[0] for _, mine, yours in both),
        sum(mine == yours for _, mine, yours in both),
        sum(k > 0 and ours[k] != ours[k - 1] for k, _, _ in both),
        sum(k > 0 and theirs[k] != theirs[k - 1] for k, _, _ in both),
    )  # fmt: skip


def main() -> None:
    root = place(Path(sys.argv[1] if len(sys.argv) > 1 else "installed"))
    kept: dict[str, list[Agreement]] = {}
    for analysis, score in analysed(root):
        try:
            one = compare(analysis, score)
        except DataError as error:
            print(f"{analysis.stem}: {error}")
            continue
        if one.roots < ALIKE * one.beats:
            print(f"{analysis.stem}: counts other bars than its score, {one.roots / max(1, one.beats):.0%} of the roots agree")
        else:
            kept.setdefault(analysis.parent.name, []).append(one)
    for folder, found in kept.items():
        beats, roots, chords, ours, theirs = (sum(getattr(one, what) for one in found) for what in ("beats", "roots", "chords", "ours_change", "theirs_change"))
        print(f"{folder}: {len(found)} pieces, {beats} beats; root {roots / beats:.3f}, root and quality {chords / beats:.3f}; changes {ours / beats:.2f} per beat, theirs {theirs / beats:.2f}")


if __name__ == "__main__":
    main()
