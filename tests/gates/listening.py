"""How well kelly listens: beats, bars, key and chords against known scores.

    python -m tests.gates.listening [tuning|held-out] [--pieces]

Renders the takes of a set through FluidSynth, analyses them with kelly's own front end and runs the tracker alone,
without nets.  Analyses are kept under ``build/gates``, keyed by what they depend on, so that a second run
measures the tracker within seconds.

source  mir_eval (Raffel et al. 2014): f_measure of beats (70 ms), weighted accuracy of chord roots
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np

from kelly._rt.layout import dtype
from kelly._rt.stream.features import FeatureExtractor
from kelly._rt.stream.tracker import Tracker

from .pieces import SETS, Row
from .scores import LEAD_S, RATE, Take

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "gates"
FRONT_END = ("features.pyx", "frontend.pxi", "mel.pxi", "chroma.pxi", "descriptors.pxi", "level.pxi", "onset.pxi", "fft.pxi")
SETTLED_S = 8.0
LEVELS = (1 / 3, 1 / 2, 2 / 3, 1.0, 3 / 2, 2.0, 3.0)
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Mark:
    """What a take got; NaN where it has nothing to say.

    lock_s    from the first note to the first trusted beat
    level     the tempo tracked over the true one: 1, 2, 1/2, a third less or more; 0 for none of these
    beats     F-measure after lock, half and double tempo forgiven
    exact     the same with the true tempo alone
    downbeats F-measure of bar lines after 8 s
    key       share of time after 8 s with the very key; relative: with it or its relative
    root      share of time after lock with the chord's root, of what is played along
    inside    the same on beats without a change; changes: on those with one, from the third pass of a loop
    """

    kind: str
    name: str
    lock_s: float
    level: float
    beats: float
    exact: float
    downbeats: float
    key: float
    relative: float
    root: float
    inside: float
    changes: float


def _front_end() -> str:
    folder = ROOT / "kelly" / "_rt" / "stream"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in FRONT_END)).hexdigest()


def analyses(take: Take, cache: Path | None = CACHE) -> Any:
    """The front end's records of a take, dtype("analysis")."""
    played = repr((take.score.notes, take.name, take.programs, take.font, take.bpm, take.sway, take.ramp, take.cents, take.rest_bar))
    kept = cache / f"{hashlib.sha256((played + _front_end()).encode()).hexdigest()[:24]}.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    with tempfile.TemporaryDirectory() as folder:
        samples = take.render(Path(folder))
    extractor = FeatureExtractor()
    extractor.prepare(RATE)
    _, hops, _ = extractor.analyze(samples)
    records = np.zeros(len(hops), dtype("analysis"))
    for i, hop in enumerate(hops):
        for name in records.dtype.names:
            records[name][i] = hop[name]
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, records)
    return records


def tracker(take: Take, **settings: Any) -> Tracker:
    """One that is told the meter and nothing else."""
    return Tracker(RATE, beats_per_bar=take.score.beats_per_bar, ternary=take.score.ternary, **settings)


def _beats(ticks: Any) -> tuple[Any, Any, Any]:
    """Count, time and place in the bar of every beat of the grid."""
    known = ticks[ticks["beat_count"] >= 0]
    counts, first = np.unique(known["beat_count"], return_index=True)
    return counts, known["beat_frame"][first] / RATE, known["beat_in_bar"][first]


def _between(times: Any, start_s: float, end_s: float) -> Any:
    return times[(times > start_s) & (times < end_s)]


def _level(ticks: Any, take: Take) -> float:
    """Tempo tracked over the true tempo there."""
    truth = take.beats_s()
    ratio = np.median(ticks["tempo_bpm"] / 60.0 * np.interp(ticks["frame"] / RATE, truth[:-1], np.diff(truth)))
    best = min(LEVELS, key=lambda level: abs(np.log(ratio / level)))
    return best if abs(np.log(ratio / best)) < 0.08 else 0.0


def _roots(ticks: Any, take: Take, lock_s: float, end_s: float) -> tuple[float, float, float]:
    score, truth = take.score, take.beats_s()
    if not score.chords:
        return np.nan, np.nan, np.nan
    counts, times, _ = _beats(ticks)
    known = ticks[(ticks["beat_count"] >= 0) & (ticks["chord_root"] >= 0)]
    chosen = {int(tick["chord_beat"]): int(tick["chord_root"]) for tick in known}
    decided = [(time, chosen[int(count)]) for count, time in zip(counts, times, strict=True) if int(count) in chosen]
    if not decided:
        return 0.0, 0.0, 0.0
    starts = np.array([time for time, _ in decided])

    def label(chord: Any) -> str:
        return "X" if chord is None else f"{NAMES[chord if isinstance(chord, int) else chord[0]]}:1"

    reference = np.array([truth, np.append(truth[1:], truth[-1] + np.diff(truth[-2:])[0])]).T
    estimate = np.array([starts, np.append(starts[1:], reference[-1, 1] + 1.0)]).T
    estimate = estimate[estimate[:, 1] > estimate[:, 0]]
    ours = [label(root) for _, root in decided][: len(estimate)]
    intervals, labels = mir_eval.util.adjust_intervals(reference, [label(chord) for chord in score.chords], lock_s, end_s)
    estimate, ours = mir_eval.util.adjust_intervals(estimate, ours, lock_s, end_s, "N", "N")
    merged, labels, ours = mir_eval.util.merge_labeled_intervals(intervals, labels, estimate, ours)
    root = mir_eval.chord.weighted_accuracy(mir_eval.chord.root(labels, ours), mir_eval.util.intervals_to_durations(merged))
    inside, changes = [], []
    for beat in range(1, score.n_beats):
        at = int(np.searchsorted(starts, truth[beat] + 0.1)) - 1
        chord, before = score.chords[beat], score.chords[beat - 1]
        if truth[beat] < LEAD_S + SETTLED_S or chord is None or before is None or at < 0:
            continue
        if chord == before:
            inside.append(decided[at][1] == chord[0])
        elif score.loop_beats and beat >= 2 * score.loop_beats:
            changes.append(decided[at][1] == chord[0])
    return root, float(np.mean(inside)) if inside else np.nan, float(np.mean(changes)) if changes else np.nan


def measure(kind: str, take: Take, ticks: Any) -> Mark:
    """Mark the ticks of a take."""
    truth = take.beats_s()
    first_s, end_s = truth[0], truth[-1] + 0.1
    ticks = ticks[ticks["frame"] / RATE < end_s]
    locked = np.flatnonzero(ticks["locked"])
    lock_s = ticks["frame"][locked[0]] / RATE if len(locked) else np.inf
    settled = ticks[ticks["frame"] / RATE > first_s + SETTLED_S]
    level = _level(settled, take)
    _, times, places = _beats(ticks)
    ours = _between(times, lock_s, end_s)
    halves = np.sort(np.concatenate([truth, (truth[1:] + truth[:-1]) / 2]))
    scores = [mir_eval.beat.f_measure(_between(truth_, lock_s, end_s), ours) if len(ours) else 0.0 for truth_ in (truth, halves, truth[::2], truth[1::2])]
    bars = _between(take.downbeats_s(), first_s + SETTLED_S, end_s)
    down = mir_eval.beat.f_measure(bars, _between(times[places == 0], first_s + SETTLED_S, end_s))
    key = relative = np.nan
    if take.score.key is not None:
        tonic, mode = take.score.key
        right = (settled["key_tonic"] == tonic) & (settled["key_mode"] == mode)
        cousin = (settled["key_tonic"] == (tonic + (9 if mode > 0 else 3)) % 12) & (settled["key_mode"] == -mode)
        key, relative = float(right.mean()), float((right | cousin).mean())
    root, inside, changes = _roots(ticks, take, min(lock_s, first_s + SETTLED_S), end_s)
    return Mark(kind, take.name, lock_s - first_s, level, max(scores), scores[0], down, key, relative, root, inside, changes)


def run(rows: Iterable[Row], cache: Path | None = CACHE, **settings: Any) -> list[Mark]:
    """Mark every take of a set."""
    marks = []
    for row in rows:
        take = row.make()
        marks.append(measure(row.kind, take, tracker(take, **settings).run(analyses(take, cache))))
    return marks


COLUMNS = ("takes", "lock<4s", "lock s", "level=1", "x2", "x1/2", "else", "beats", "exact", "bars", "key", "rel.", "root", "inside", "change3")


def summary(marks: list[Mark]) -> list[float]:
    """One line of the table, as COLUMNS."""

    def mean(name: str) -> float:
        values = np.array([getattr(mark, name) for mark in marks], float)
        return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan

    level = np.array([mark.level for mark in marks])
    lock = np.array([mark.lock_s for mark in marks])
    shares = [float(np.mean(level == which)) for which in (1.0, 2.0, 0.5)]
    return [
        len(marks), float(np.mean(lock <= 4.0)), float(np.median(lock)), *shares, 1.0 - sum(shares), mean("beats"), mean("exact"), mean("downbeats"),
        mean("key"), mean("relative"), mean("root"), mean("inside"), mean("changes"),
    ]  # fmt: skip


def table(marks: list[Mark], pieces: bool = False) -> str:
    """The marks as text, a line per kind and one for all; with ``pieces`` a line per take first."""
    lines = []
    if pieces:
        names = ("lock_s", "level", "beats", "exact", "downbeats", "key", "relative", "root", "inside", "changes")
        lines = [f"{'':44s}" + "".join(f"{name:>10s}" for name in names)]
        lines += [f"{mark.kind + ' ' + mark.name:44.44s}" + "".join(f"{getattr(mark, name):10.2f}" for name in names) for mark in marks]
    lines.append(f"{'':10s}" + "".join(f"{name:>9s}" for name in COLUMNS))
    kinds = list(dict.fromkeys(mark.kind for mark in marks))
    for kind in [*kinds, "all"]:
        values = summary([mark for mark in marks if kind in ("all", mark.kind)])
        lines.append(f"{kind:10s}{values[0]:9d}" + "".join("        -" if np.isnan(value) else f"{value:9.2f}" for value in values[1:]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="|".join(SETS))
    parser.add_argument("--pieces", action="store_true", help="a line per take as well")
    chosen = parser.parse_args()
    for name in chosen.sets:
        print(f"{name}\n{table(run(SETS[name]), chosen.pieces)}\n")


if __name__ == "__main__":
    main()
