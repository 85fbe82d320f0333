"""The musical gates as one report: numbers, pictures, what each net is worth.

    python -m tests.gates.report docs/gates [--every N]

Measures the held-out set of ``pieces`` (nobody tuned on it): how kelly listens, how it plays along, how pieces
end, what falls when a net's output is shuffled; writes ``README.md`` with pictures beside it.  Reruns itself from the
caches under ``build/gates`` in minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kelly.config import load_config
from kelly.generate.settings import BASS, CHORDS
from kelly.live.compose import compose_intent
from kelly.music.intent import from_words

from . import listening, playing, worth
from .picture import draw, why
from .pieces import SETS, Row
from .scores import Take

LISTENING = {"beats": ("beat F-measure after lock (half and double forgiven)", 0.80), "key": ("key exact after 8 s, share of time", 0.75), "root": ("chord root, share of time", 0.65)}
MOODS = (("calm", 2), ("very happy", 1), ("sad", 4), ("angry", 5), ("grief turning into hope", 3))
SHOWN = {"nylon arpeggio, minor, slow": 5, "band, minor, driving": 17, "pads": 13, "chorale": -3, "fiddle tune with strummed chords": -10}
SEEDS = range(20)


def endings() -> tuple[int, int]:
    """(pieces that end with the tonic's triad over the tonic, pieces): composed from five moods and twenty seeds."""
    home = total = 0
    for words, _ in MOODS:
        for seed in SEEDS:
            piece = compose_intent(from_words(words, 8), load_config(flags={"seed": seed}), 8)
            home_key = piece.sheet.key_at((piece.sheet.bars - 1) * piece.sheet.beats_per_bar)
            tonic, mode = home_key.tonic, home_key.mode
            last = [reason for reason in piece.reasons if reason.bar == 7]
            chord = {reason.pitch % 12 for reason in last if reason.part == CHORDS}
            bass = [reason.pitch % 12 for reason in last if reason.part == BASS]
            total += 1
            home += chord <= {tonic, (tonic + (4 if mode > 0 else 3)) % 12, (tonic + 7) % 12} and bool(bass) and bass[-1] == tonic
    return home, total


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def listen_page(rows: Sequence[Row]) -> list[str]:
    marks = listening.run(rows)
    lines = ["## Listening", "", f"{len(marks)} takes of the held-out set: other programs, another soundfont (but for one bass of it), other progressions and tunes than any constant was chosen on. A chord counts where kelly would play it: it was chosen half a beat before, so that in a chorale, where every beat is another chord, `root` is foresight. `rubato`: the tempo goes 10 % up and down within 32 or 16 beats.", ""]
    table = []
    for name, (said, bound) in LISTENING.items():
        values = np.array([getattr(mark, name) for mark in marks], float)
        table.append((said, _number(float(np.nanmean(values))), f">= {bound:.2f}", "yes" if np.nanmean(values) >= bound else "**no**"))
    lines += _table(("figure", "mean", "gate", "passed"), table)
    levels = np.array([mark.level for mark in marks])
    lock = np.array([mark.lock_s for mark in marks])
    lines += [
        f"Locked within 4 s: {np.mean(lock <= 4.0):.0%} (median {np.median(lock):.1f} s). Tempo as written {np.mean(levels == 1):.0%}, double {np.mean(levels == 2):.0%}, "
        f"half {np.mean(levels == 0.5):.0%}, elsewhere {np.mean(~np.isin(levels, (1, 2, 0.5))):.0%}.",
        "",
    ]
    kinds = list(dict.fromkeys(mark.kind for mark in marks))
    body = []
    for kind in kinds:
        own = [mark for mark in marks if mark.kind == kind]
        means = [float(np.nanmean(v)) if not np.isnan(v).all() else float("nan") for v in (np.array([getattr(m, n) for m in own], float) for n in ("beats", "exact", "downbeats", "key", "relative", "root", "changes"))]
        body.append((kind, str(len(own)), *map(_number, means)))
    return lines + _table(("kind", "takes", "beats", "at the tempo written", "bar lines", "key", "key or relative", "root", "changes from the third pass"), body)


def play_page(takes: Sequence[Take]) -> list[str]:
    found: dict[str, list[float]] = {name: [] for name in (*playing.GATES, *playing.WIDER)}
    for take in takes:
        for name, value in playing.measure(take, wider=True).items():
            found[name].append(value)
    level = [playing.measure_level(take) for take in takes[::3]]
    silence = [playing.measure_silence(take) for take in takes]
    rows = []
    for name, gate in playing.GATES.items():
        values = np.array(found[name], float)
        middle = float(np.nanmean(values) if name == "ends at home" else np.nanmedian(values))
        share = float(np.mean([gate.passes(value) for value in values if value == value]))
        rows.append((name, _number(middle), f"{'<=' if gate.most else '>='} {gate.bound:g}", f"{share:.0%}", "yes" if gate.passes(middle) else "**no**"))
    middle = float(np.nanmedian(level))
    rows.append(("force follows the player's level, r", _number(middle), ">= 0.7", f"{np.mean(np.array(level) >= 0.7):.0%}", "yes" if middle >= 0.7 else "**no**"))
    rows.append((f"notes struck in a silence longer than max(one bar, {playing.SILENT_S:g} s)", str(max(silence)), "0", f"{np.mean(np.array(silence) == 0):.0%}", "yes" if max(silence) == 0 else "**no**"))
    home, total = endings()
    rows.append(("composed pieces that end at home", _number(home / total), ">= 0.95", f"{home} of {total}", "yes" if home >= 0.95 * total else "**no**"))
    lines = ["## Playing along", "", f"{len(takes)} takes of the held-out set, key and tempo tracked; the median over takes (the mean where a take gives yes or no), and the share of takes that pass.", ""]
    wider = [(name, _number(float(np.nanmedian(found[name])))) for name in playing.WIDER]
    forgiving = ["What a listener may forgive, and no gate: the first figure with the tones of the player's chord, the fourth where the player's own changes count like bar lines", "and the first two passes of a loop are left out, beats hit by any drum.", ""]
    return lines + _table(("figure", "median", "gate", "takes that pass", "passed"), rows) + forgiving + _table(("figure", "median"), wider)


def worth_page(takes: Sequence[Take]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        found = worth.compare(takes, Path(folder))
    names = list(found["nets"])
    lines = ["## What the nets are worth", "", f"Each net's own figure over {len(takes)} takes (harmony: {len(worth.WORDS) * len(worth.SEEDS)} composed pieces), in brackets the standard error of the mean: kelly as it is, by its rules alone, and with the outputs of one net shuffled, which has to make that net's figure fall.", ""]
    lines += _table(("", *names), [(variant, *(_spread(*row[name]) for name in names)) for variant, row in found.items()])
    lines += [f"- {name}: {said}." for name, said in worth.FIGURES.items()] + [""]
    rows = [(net, name, _number(found["nets"][name][0]), _number(found[f"{net} shuffled"][name][0]), "yes" if worth.falls(found, net) else "**no**") for net, name in worth.CLAIMS.items()]
    return lines + _table(("net", "its figure", "nets", "this net shuffled", "falls"), rows) + [worth.NO_CLAIM, ""]


def _spread(mean: float, error: float) -> str:
    return _number(mean) if error != error else f"{mean:.3f} ({error:.3f})"


def picture_page(rows: Sequence[Row], folder: Path) -> list[str]:
    lines = ["## Five players", "", "The player above, what kelly heard in the middle, what it played below; chords as written and as kelly played them.", ""]
    for number, (said, row) in enumerate(SHOWN.items(), 1):
        take = rows[row].make()
        played = playing.play_along(playing.sound(take), meter=playing._meter(take))
        draw(folder / f"{number}.png", take, played, f"{said}: {take.name}")
        marks = {name: gate.figure(played, take) for name, gate in playing.GATES.items()}
        told = ", ".join(f"{name} {_number(value)}" for name, value in marks.items())
        lines += [f"### {said.capitalize()}", "", f"![the player's notes and kelly's]({number}.png)", "", f"{told}.", "", f"Why: {why(played)}.", ""]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="measure every Nth take only")
    chosen = parser.parse_args()
    rows = SETS["held-out"]
    some = rows[:: chosen.every]
    takes = [row.make() for row in some]
    chosen.folder.mkdir(parents=True, exist_ok=True)
    lines = ["# The musical gates", "", f"Written by `python -m tests.gates.report {chosen.folder}{f' --every {chosen.every}' if chosen.every > 1 else ''}` (`make gates`); nothing by hand.", ""]
    for page in (lambda: listen_page(some), lambda: play_page(takes), lambda: worth_page(takes), lambda: picture_page(rows, chosen.folder)):
        lines += page()
        print(f"{lines[-1] or 'a page is written'}", flush=True)
    (chosen.folder / "README.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
