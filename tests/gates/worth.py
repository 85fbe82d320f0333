"""What each net is for, measured on what was played: a net whose outputs change places makes its own figure fall.

    python -m tests.gates.worth [--every N]

Trigram and bigram know degrees above the tonic only, are smoothed by their shorter contexts, and have seen nothing of kelly's.

source  Eerola, Friberg & Bresin 2013 for the cues; see kelly.music.emotion
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kelly._rt.contract import NET_NAMES
from kelly.generate.lead_sheet import write_sheet
from kelly.generate.settings import CHORDS, DRUMS, MELODY
from kelly.music.intent import from_words
from kelly.nets.processor import MultiModelProcessor

from .ablation import shuffled
from .pieces import SETS
from .playing import CACHE, EARLY_S, SETTLED_S, Played, _meter, coherence, play_along, sound
from .scores import Take, chorale

TUNES, CHORALES = 120, ("bwv66.6", "bwv253", "bwv254", "bwv255", "bwv256", "bwv257", "bwv258", "bwv259", "bwv260", "bwv261", "bwv262", "bwv263", "bwv264", "bwv265", "bwv266", "bwv268", "bwv270", "bwv271", "bwv272", "bwv273", "bwv276", "bwv277", "bwv278", "bwv280")  # fmt: skip
WORDS = ("calm", "very happy", "sad", "angry", "tense", "hopeful")
SEEDS = range(12)
SMOOTH = 4.0  # pseudo-counts that the shorter context gets


class Language:
    """P(symbol | up to ``order`` symbols before it, in a mode), each context smoothed by the next shorter one.

    size  of the alphabet
    """

    def __init__(self, lines: Iterable[tuple[int, Sequence[int]]], order: int, size: int) -> None:
        self.order, self.size = order, size
        self._counts: Counter[tuple[int, ...]] = Counter()
        self._totals: Counter[tuple[int, ...]] = Counter()
        for mode, line in lines:
            for i in range(order, len(line)):
                for n in range(order + 1):
                    context = (mode, n, *line[i - n : i])
                    self._counts[*context, line[i]] += 1
                    self._totals[context] += 1

    def log_probability(self, mode: int, line: Sequence[int]) -> float:
        """Mean nats per symbol from the ``order``-th on; NaN for a line too short."""
        found = []
        for i in range(self.order, len(line)):
            p = 1.0 / self.size
            for n in range(self.order + 1):
                context = (mode, n, *line[i - n : i])
                p = (self._counts[*context, line[i]] + SMOOTH * p) / (self._totals[context] + SMOOTH)
            found.append(np.log(p))
        return float(np.mean(found)) if found else float("nan")


def _kept(name: str, make: Callable[[], list[tuple[int, list[int]]]]) -> list[tuple[int, list[int]]]:
    path = CACHE / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make()), encoding="utf-8")
    return [(mode, line) for mode, line in json.loads(path.read_text(encoding="utf-8"))]


def _fiddle_tunes() -> list[tuple[int, list[int]]]:
    """(mode, degrees above the tonic) of tunes all over Ryan's collection."""
    from music21 import corpus

    paths = sorted(path for path in corpus.getPaths() if "ryansMammoth" in str(path))
    lines = []
    for path in paths[:: max(1, len(paths) // TUNES)]:
        work = corpus.parse(str(path))
        part = work.parts[0].flatten() if work.parts else work.flatten()
        notes = [int(note.pitch.midi) for note in part.stripTies().notes if note.isNote]
        signature = part.getElementsByClass("KeySignature")
        if len(notes) >= 20 and signature:
            major = signature[0].sharps * 7 % 12
            mode = -1 if notes[-1] % 12 == (major + 9) % 12 else 1
            tonic = major if mode > 0 else (major + 9) % 12
            lines.append((mode, [(pitch - tonic) % 12 for pitch in notes]))
    return lines


def _chorales() -> list[tuple[int, list[int]]]:
    """(mode, changes of chord) of some chorales; a chord is 12 * quality + degree."""
    lines = []
    for name in CHORALES:
        score = chorale(name)
        if score.key is not None:
            tonic, mode = score.key
            chords = [12 * chord[1] + (chord[0] - tonic) % 12 for chord in score.chords if chord is not None]
            lines.append((mode, [chord for i, chord in enumerate(chords) if not i or chord != chords[i - 1]]))
    return lines


def tunes() -> Language:
    """The trigram of fiddle tunes; made in a minute or two, then kept."""
    return Language(_kept("fiddle-tunes", _fiddle_tunes), 2, 12)


def progressions() -> Language:
    """The bigram of chorales."""
    return Language(_kept("chorales", _chorales), 1, 84)


def melody(played: Played, language: Language) -> float:
    """Nats per note of kelly's melody; lines end where the key changes."""
    lines: list[tuple[tuple[int, int], list[int]]] = []
    for reason in played.reasons:
        if reason.part == MELODY and reason.tonic >= 0 and reason.mode:
            key = (reason.tonic, reason.mode)
            if not lines or lines[-1][0] != key:
                lines.append((key, []))
            lines[-1][1].append((reason.pitch - reason.tonic) % 12)
    counted = [(len(line) - language.order, language.log_probability(mode, line)) for (_, mode), line in lines if len(line) > language.order]
    return float(np.average([value for _, value in counted], weights=[n for n, _ in counted])) if counted else float("nan")


def harmony(processor: MultiModelProcessor, language: Language) -> list[float]:
    """Nats per change of lead sheets from six moods; bars that repeat earlier ones do not count twice."""
    engine, found = processor.clone_engine("harmonypredictor"), []
    for words in WORDS:
        for seed in SEEDS:
            sheet = write_sheet(from_words(words, 16), engine, bars=16, seed=seed)
            chords = [12 * choice.chord.quality + (choice.chord.root - sheet.key.tonic) % 12 for choice in sheet.choices if choice.repeats < 0]
            found.append(language.log_probability(sheet.key.mode, [chord for i, chord in enumerate(chords) if not i or chord != chords[i - 1]]))
    return found


def force(played: Played, take: Take, audio: Path) -> float:
    """Correlation, beat by beat, of force and the player's level, each less its mean over the two bars around."""
    samples, rate = soundfile.read(audio, dtype="float32")
    beats, rows = take.beats_s(), []
    for k in range(len(beats) - 1):
        struck = [note[2] for note in played.notes if note[0] in (CHORDS, DRUMS) and beats[k] - EARLY_S <= note[3] < beats[k + 1] - EARLY_S]
        block = samples[int(beats[k] * rate) : int(beats[k + 1] * rate)]
        if beats[k] >= SETTLED_S and struck:
            rows.append((10.0 * np.log10(np.mean(block**2) + 1e-9), np.mean(struck)))
    span = 2 * take.score.beats_per_bar
    if len(rows) < 3 * span:
        return float("nan")
    values = np.array(rows)
    slow = np.array([np.convolve(column, np.ones(span) / span, "same") for column in values.T]).T
    fine = (values - slow)[span // 2 : -span // 2]
    return float(np.corrcoef(fine.T)[0, 1])


def arousal(take: Take) -> float:
    """Of the player's score, by the cues: density, height and force; 3 velocity steps are a dB around mezzo-forte's 76."""
    beat_s = 60.0 / take.bpm
    onsets = {round(start * beat_s, 1) for start, *_ in take.score.notes}
    pitch, velocity = np.mean([(note[3], note[4]) for note in take.score.notes], axis=0)
    return float(0.1454 * np.log2(len(onsets) / (take.score.n_beats * beat_s)) - 0.0021 * pitch + 0.0093 * (velocity - 76.0) / 3.0)


def mood(rows: Iterable[tuple[Played, Take]]) -> float:
    """Correlation over takes of kelly's mean velocity with the arousal in the player's score; NaN for fewer than three."""
    pairs = [(arousal(take), float(np.mean([note[2] for note in played.notes if note[3] >= SETTLED_S]))) for played, take in rows]
    return float(np.corrcoef(np.array(pairs).T)[0, 1]) if len(pairs) > 2 else float("nan")


FIGURES: Mapping[str, str] = {
    "mood": "correlation over takes of how hard kelly strikes with the arousal in the player's score, by the formula of the cues",
    "melody": "kelly's tunes under a trigram of fiddle tunes that people made, log-probability in nats per note",
    "harmony": "the chords that kelly composes under a bigram of Bach's chorales, log-probability in nats per change",
    "force": "correlation beat by beat of kelly's force with the player's level, the slow swell of both taken away",
    "coherence": "circular coherence of kelly's onsets at the player's 16th",
}

CLAIMS: Mapping[str, str] = {"emotionrecognizer": "mood", "melodytransformer": "melody", "harmonypredictor": "harmony", "groovepredictor": "coherence"}
"""Net -> the figure that falls when its outputs change places."""

NO_CLAIM = "The dynamics net makes no claim: velocity and accent are the rule's whatever it says (kelly/generate/dynamics.py), and the rest of it (timing, length, swell) makes no figure better than the rules alone do."


def figures(takes: Sequence[Take], models: str | None = None, disable: Sequence[str] = (), enable: Sequence[str] = ()) -> dict[str, tuple[float, float]]:
    """Name -> (mean over takes or pieces, its standard error); the mood is one correlation, and its error that of a correlation."""
    settings: dict[str, Any] = {"disable": list(disable), "enable": list(enable)} | ({"models": models} if models else {})
    processor = MultiModelProcessor(models, [name for name in NET_NAMES if name not in disable], insisted=enable)
    trigram, played = tunes(), [(play_along(sound(take), meter=_meter(take), **settings), take) for take in takes]
    rows = {
        "melody": [melody(own, trigram) for own, _ in played],
        "harmony": harmony(processor, progressions()),
        "force": [force(own, take, sound(take)) for own, take in played],
        "coherence": [coherence(own, take) for own, take in played],
    }
    fit = mood(played)
    found = {"mood": (fit, (1.0 - fit * fit) / float(np.sqrt(max(1, len(takes) - 1))))}
    for name, values in rows.items():
        known = np.array([value for value in values if value == value])
        found[name] = (float(known.mean()), float(known.std() / np.sqrt(len(known)))) if len(known) else (float("nan"), float("nan"))
    return found


def compare(takes: Sequence[Take], folder: Path, nets: Iterable[str] = NET_NAMES) -> dict[str, dict[str, tuple[float, float]]]:
    """Variant -> its figures: kelly as it is, its rules, and each of some nets shuffled."""
    found = {"nets": figures(takes), "rules only": figures(takes, disable=NET_NAMES)}
    for net in nets:
        found[f"{net} shuffled"] = figures(takes, str(shuffled(net, folder / net)), enable=(net,))
    return found


def falls(found: Mapping[str, Mapping[str, tuple[float, float]]], net: str) -> bool:
    """Whether a net's own figure is lower with its outputs shuffled, by twice the standard error of the difference.

    The takes are the same, but the error is that of two samples that know nothing of each other: it is on the safe side.
    """
    (mean, error), (other, its) = found["nets"][CLAIMS[net]], found[f"{net} shuffled"][CLAIMS[net]]
    return mean - other > 2.0 * float(np.hypot(error, its))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="measure every Nth take of the held-out set")
    takes = [row.make() for row in SETS["held-out"][:: parser.parse_args().every]]
    with tempfile.TemporaryDirectory() as folder:
        for variant, row in compare(takes, Path(folder)).items():
            print(f"{variant:28}" + "".join(f"  {name} {mean:+.3f} ({error:.3f})" for name, (mean, error) in row.items()), flush=True)


if __name__ == "__main__":
    main()
