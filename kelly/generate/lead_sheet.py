"""A lead sheet from a mood: key, tempo and a chord for every beat, written by the harmony net within a form.

Phrases of four bars make a form (AABA, ABAC, ...) so that what returns can be recognised.  Within a phrase
the harmony net says what may follow, the place says what a phrase needs there (home at the beginning, an
open end, a cadence at the very end), and a draw decides.  Where the mood is darker than the key, chords of
the parallel mode are borrowed: the rule break *modal interchange*, and the sheet says where and why.  A way
from a dark mood to a bright one, or back, changes the mode itself where it is half gone, at a phrase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .._rt.contract import HARMONY_IN, HARMONY_OUT
from ..music.chord import DIM, DOMINANT, MAJ, MIN, MINOR_SEVENTH, SUS4, Chord
from ..music.emotion import Mood, distance, targets_from_mood
from ..music.intent import Intent
from ..music.scale import MAJOR, MINOR, Key
from ..music.steering import embedding_from_mood
from .draw import choose, draw
from .melody import Engine

PHRASE_BARS = 4
FORMS = {1: ("A",), 2: ("AB", "AA"), 3: ("AAB", "ABA"), 4: ("AABA", "ABAC", "ABAB")}
"""By the number of phrases; a longer piece begins its form again."""

SAME_MOOD = 0.45  # a phrase returns while the mood is no farther from where it was first heard
TWO_CHORDS = 0.3  # arousal from which the second half of a phrase moves twice a bar
TONICS = (0, 2, 3, 5, 7, 9, 10)  # keys that sit well on a keyboard, drawn where none is asked for
MIDDLE_BPM, OCTAVES = 96.0, 0.55  # tempo of a neutral mood; doublings per unit of arousal
LEAST_GLIDE_BPM = 4.0  # between the slowest and the fastest bar; a way that asks for less keeps its tempo
BORROWING = 4.0  # how fast borrowing grows below an even chance of major, see `borrowed_share`
UNEASE = 8.0  # weight of diminished chords, which the net all but leaves out, per unit of tension
STALE = 0.35  # how much a step from chord to chord is wanted that the phrase has made already
_SALT_FORM, _SALT_TONIC, _SALT_MOOD = 101, 102, 103

_AT = {field.name: field.start for field in HARMONY_IN.fields}
_ANSWERS = {field.name: field.start for field in HARMONY_OUT.fields}
_DEGREES = {MAJOR: {0: MAJ, 2: MIN, 4: MIN, 5: MAJ, 7: MAJ, 9: MIN}, MINOR: {0: MIN, 3: MAJ, 5: MIN, 7: MAJ, 8: MAJ, 10: MAJ}}
"""Triads that a mode is made of: degree above the tonic -> quality; in minor the fifth has its leading tone."""
_DIMINISHED = {MAJOR: (11,), MINOR: (2, 11)}
_SEVENTHS = {MAJ: DOMINANT, MIN: MINOR_SEVENTH}


@dataclass(frozen=True, slots=True)
class Choice:
    """One chord, from the beat where it begins, and why it stands there.

    prior     what the harmony net gave it among what was possible, 0..1
    place     what the phrase wanted: "home", "open", "approach", "cadence", "rest", "" where it was free
    repeats   the bar it was taken from, -1 when it is new
    borrowed  severity of the modal interchange that brought it, 0 for a chord of the key
    """

    beat: int
    chord: Chord
    prior: float = 1.0
    place: str = ""
    repeats: int = -1
    borrowed: float = 0.0


@dataclass(frozen=True, slots=True)
class LeadSheet:
    """Everything the band is given.

    bars      their number; the last one holds the tonic
    key       home; its mode is that of the phrases that nothing else is said of
    choices   ordered by beat, the first on beat 0
    form      a letter per phrase
    ternary   whether a beat has three eighths, as in 6/8
    tempo_bpm the tempo, or the middle one, which everything is planned at
    modes     1 or -1 per phrase; empty: the key's
    tempi     bpm per bar, where the tempo goes with the mood; empty: it is steady
    """

    intent: Intent
    bars: int
    key: Key
    tempo_bpm: float
    beats_per_bar: int
    seed: int
    choices: tuple[Choice, ...]
    form: str
    ternary: bool = False
    modes: tuple[int, ...] = ()
    tempi: tuple[float, ...] = ()

    @property
    def chance(self) -> int:
        """Seed of the draws: the same seed is another piece for another mood."""
        return own_seed(self.intent, self.seed)

    def key_at(self, beat: float) -> Key:
        """The key of a beat's phrase: home, or its parallel."""
        phrase = max(0, int(beat // (PHRASE_BARS * self.beats_per_bar)))
        return Key(self.key.tonic, self.modes[min(phrase, len(self.modes) - 1)]) if self.modes else self.key

    def key_changes(self) -> list[tuple[int, Key]]:
        """(bar, key) of every change, the first at bar 0."""
        found: list[tuple[int, Key]] = []
        for bar in range(0, self.bars, PHRASE_BARS):
            key = self.key_at(bar * self.beats_per_bar)
            if not found or found[-1][1] != key:
                found.append((bar, key))
        return found

    @property
    def tempo_range(self) -> tuple[float, float]:
        """Slowest and fastest bpm of all that was chosen about the tempo."""
        return min((self.tempo_bpm, *self.tempi)), max((self.tempo_bpm, *self.tempi))

    @property
    def meter(self) -> str:
        return f"{3 * self.beats_per_bar}/8" if self.ternary else f"{self.beats_per_bar}/4"

    def at(self, beat: int) -> Choice:
        """The choice that holds on a beat."""
        return next(choice for choice in reversed(self.choices) if choice.beat <= max(0, beat))

    def mood(self, beat: float) -> Mood:
        """The mood wanted on a beat."""
        return self.intent.at(beat / self.beats_per_bar)

    def symbols(self) -> str:
        """As ``--chords`` reads it: bars between lines."""
        bars = []
        for bar in range(self.bars):
            beats = range(bar * self.beats_per_bar, (bar + 1) * self.beats_per_bar)
            here = [choice.chord for choice in self.choices if choice.beat in beats]
            key = self.key_at(beats[0])
            bars.append(" ".join(chord.symbol(key) for chord in (here or [self.at(beats[0]).chord])))
        return " | ".join(bars)


def write_sheet(
    intent: Intent,
    harmony: Engine,
    *,
    bars: int,
    key: Key | None = None,
    tempo_bpm: float | None = None,
    beats_per_bar: int = 4,
    ternary: bool = False,
    seed: int = 0,
) -> LeadSheet:
    """Decide key, tempo, form and chords.

    intent         the mood, or the way from one to another; a way is walked over all bars
    harmony        the harmony net, or its rule: ``process(x, out)``, ``reset()``
    bars           1..1024
    key, tempo_bpm None: chosen by the mood, within what the intent asks for; major or minor by the mean
                   mood's probability of major, of a way by its end's; the tempo of a way goes with its arousal
    returns        LeadSheet; same arguments, same sheet
    thread         [main]
    """
    moods = [intent.at(bar) for bar in range(bars)]
    arousal = sum(mood.arousal for mood in moods) / bars
    chance = own_seed(intent, seed)
    modes = () if intent.mode else modes_of(intent, bars)
    if key is None:
        likely = sum(targets_from_mood(mood).p_major for mood in moods) / bars
        tonic = TONICS[int(draw(chance, 0, 0, 0, _SALT_TONIC) * len(TONICS))]
        key = Key(tonic, intent.mode or (modes[-1] if modes else MAJOR if likely >= 0.5 else MINOR))
    tempi: tuple[float, ...] = ()
    if tempo_bpm is None:
        low, high = intent.tempo_range or (30.0, 300.0)
        tempo_bpm = max(low, min(high, float(round(MIDDLE_BPM * 2.0 ** (OCTAVES * arousal)))))
        middles = (intent.at(bar + 0.5).arousal for bar in range(bars))
        tempi = tuple(max(low, min(high, round(MIDDLE_BPM * 2.0 ** (OCTAVES * middle), 1))) for middle in middles)
        if max(tempi) - min(tempi) < LEAST_GLIDE_BPM:
            tempi = ()
    form = _form(-(-bars // PHRASE_BARS), chance)
    sheet = LeadSheet(intent, bars, key, tempo_bpm, beats_per_bar, seed, (), form, ternary, modes, tempi)
    harmony.reset()
    return replace(sheet, choices=tuple(_choices(sheet, harmony)))


def own_seed(intent: Intent, seed: int) -> int:
    """A seed of the intent's own, made of ``seed`` and of where the mood begins and ends, to a thousandth."""
    for mood in (intent.start, intent.end):
        v, a, t = (round(1000 * value) for value in (mood.valence, mood.arousal, mood.tension))
        seed = int(draw(seed, v, a, t, _SALT_MOOD) * 2.0**53)
    return seed


def modes_of(intent: Intent, bars: int) -> tuple[int, ...]:
    """A mode per phrase of a way between a dark mood and a bright one, () for any other: it turns where the way is half gone."""
    ends = [targets_from_mood(mood).p_major for mood in (intent.start, intent.end)]
    if intent.bars <= 0 or (ends[0] >= 0.5) == (ends[1] >= 0.5) or bars <= PHRASE_BARS:
        return ()
    half = 0.5 * (ends[0] + ends[1])
    middles = [(first + min(first + PHRASE_BARS, bars)) / 2 for first in range(0, bars, PHRASE_BARS)]
    return tuple(MAJOR if targets_from_mood(intent.at(middle)).p_major >= half else MINOR for middle in middles)


def _form(phrases: int, seed: int) -> str:
    options = FORMS[min(phrases, max(FORMS))]
    letters = options[int(draw(seed, 0, 0, 0, _SALT_FORM) * len(options))]
    return "".join(letters[i % len(letters)] for i in range(phrases))


def _choices(sheet: LeadSheet, harmony: Engine) -> Iterator[Choice]:
    """Phrase after phrase; a letter that returns brings its chords, but for its end."""
    past = _Past(sheet.key)
    written: dict[str, tuple[int, list[Choice]]] = {}
    for phrase, letter in enumerate(sheet.form):
        first = phrase * PHRASE_BARS
        bars = range(first, min(first + PHRASE_BARS, sheet.bars))
        model = written.get(letter)
        if model is not None and (distance(sheet.intent.at(first), sheet.intent.at(model[0])) > SAME_MOOD or _key(sheet, first) != _key(sheet, model[0])):
            model = None
        made: list[Choice] = []
        for bar in bars:
            ending = bar == sheet.bars - 1 or bar == bars[-1]
            again = [choice for choice in model[1] if _bar(sheet, choice) - model[0] == bar - first] if model and not ending else []
            if bar == sheet.bars - 2 and sheet.bars > 1:
                again = []  # the last cadence is always written anew
            halves = 0 if again else 2 if not ending and _moves(sheet, bar, bars) else 1
            for half in range(halves):
                beat = bar * sheet.beats_per_bar + half * (sheet.beats_per_bar // 2)
                choice = _choose(sheet, harmony, past, beat, _place(sheet, bar, half < halves - 1))
                if half and choice.chord == made[-1].chord:
                    continue  # it stays for the whole bar
                made.append(choice)
                past.take(choice)
            for choice in again:
                beat = choice.beat + (first - (model or (0,))[0]) * sheet.beats_per_bar
                made.append(Choice(beat, choice.chord, choice.prior, choice.place, _bar(sheet, choice), choice.borrowed))
                past.take(made[-1])
        written.setdefault(letter, (first, made))
        yield from made


def _key(sheet: LeadSheet, bar: int) -> Key:
    return sheet.key_at(bar * sheet.beats_per_bar)


def _bar(sheet: LeadSheet, choice: Choice) -> int:
    return choice.beat // sheet.beats_per_bar


def _moves(sheet: LeadSheet, bar: int, phrase: range) -> bool:
    return sheet.beats_per_bar >= 4 and sheet.intent.at(bar).arousal >= TWO_CHORDS and bar - phrase[0] >= len(phrase) // 2


def _choose(sheet: LeadSheet, harmony: Engine, past: _Past, beat: int, place: str) -> Choice:
    mood, key = sheet.mood(beat), sheet.key_at(beat)
    answer = np.zeros(HARMONY_OUT.size, np.float32)
    harmony.process(past.context(sheet, mood, beat), answer)
    phrase = beat - beat % (PHRASE_BARS * sheet.beats_per_bar)
    lent = sum(choice.borrowed > 0 for choice in past.choices if choice.beat >= phrase)
    severity = borrowed_share(key, mood)
    severity *= lent < (1 if severity < 0.5 else 2)  # a shadow, not another key
    options: list[tuple[Chord, float, float, float]] = []  # chord, net, weight, severity of the borrowing
    for quality in range(DIM + 1):
        for degree in range(12):
            chord = Chord((key.tonic + degree) % 12, quality)
            fit, borrowed = _fit(key.mode, degree, quality, severity, mood.tension)
            said = max(0.0, float(answer[quality * 12 + degree]))
            wanted = _wanted(place, degree, quality, key.mode)
            again = 1.0 if place in ("home", "cadence", "rest") else past.freshness(chord, phrase)
            options.append((chord, said, (said + 0.01) * fit * wanted * again * _colour(quality, mood), borrowed))
    if place == "open":
        said = max(0.0, float(answer[_ANSWERS["dominant_sus4"]]))
        options.append((Chord((key.tonic + 7) % 12, SUS4), said, 0.5 * (said + 0.01), 0.0))
    weights = [weight for _, _, weight, _ in options]
    best = choose(weights, draw(sheet.chance, 0, *divmod(beat, sheet.beats_per_bar)))
    chord, said, _, borrowed = options[best]
    told = sum(said for _, said, weight, _ in options if weight > 0)
    return Choice(beat, chord, said / told if told > 0 else 0.0, place, -1, borrowed)


def borrowed_share(key: Key, mood: Mood) -> float:
    """0..1: how much a mood asks for the other mode than the key's."""
    p_major = targets_from_mood(mood).p_major
    against = 0.5 - p_major if key.mode == MAJOR else p_major - 0.5
    return max(0.0, min(1.0, BORROWING * against))


def _place(sheet: LeadSheet, bar: int, leads: bool = False) -> str:
    """What the form wants of a bar, or of its first half where the second has a chord of its own."""
    if bar == sheet.bars - 1:
        return "rest"
    if bar == sheet.bars - 2:
        return "approach" if leads else "cadence"
    if bar == 0 or (bar % PHRASE_BARS == 0 and sheet.form[bar // PHRASE_BARS] == "A"):
        return "home"
    return "open" if bar % PHRASE_BARS == PHRASE_BARS - 1 else ""


def _wanted(place: str, degree: int, quality: int, mode: int) -> float:
    if place == "rest":
        return float(degree == 0 and quality == (MAJ if mode == MAJOR else MIN))
    if place == "cadence":
        return {MAJ: 1.0, DOMINANT: 1.0}.get(quality, 0.0) if degree == 7 else 0.0
    if place == "approach":
        return {5: 4.0, 2: 3.0, 9: 1.0, 8: 1.0}.get(degree, 0.05)
    if place == "home":
        return 12.0 if degree == 0 and quality in (MAJ, MIN) else 0.5
    if place == "open":
        return 5.0 if degree == 7 else 2.0 if degree == 5 else 0.6 if degree else 0.2
    return 1.0


def _fit(mode: int, degree: int, quality: int, severity: float, tension: float) -> tuple[float, float]:
    """(weight, borrowing): chords of the key, its sevenths, diminished ones by tension, those of the parallel mode as far as they are asked for."""
    own, other = _DEGREES[mode], _DEGREES[-mode]
    if own.get(degree) == quality:
        return 1.0, 0.0
    if degree in own and _SEVENTHS[own[degree]] == quality:
        return (0.3 if degree == 7 or own[degree] == MIN else 0.0), 0.0
    if quality == DIM and degree in _DIMINISHED[mode]:
        return UNEASE * max(0.0, tension - 0.2), 0.0
    if other.get(degree) == quality and (degree, quality) != (0, other[0]):
        return 1.5 * severity, severity
    return 0.0, 0.0


def _colour(quality: int, mood: Mood) -> float:
    """Sevenths come with tension."""
    return 1.0 + 0.8 * mood.tension if quality in (DOMINANT, MINOR_SEVENTH) else 1.0


class _Past:
    """The harmony net's context: the chords so far, and the chroma they leave."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.choices: list[Choice] = []

    @property
    def previous(self) -> Chord | None:
        return self.choices[-1].chord if self.choices else None

    def freshness(self, chord: Chord, phrase: int) -> float:
        """0..1: less for what stands still, for what one still has in the ear, and for a step that the phrase has made already.

        phrase  the beat on which it began
        """
        if chord == self.previous:
            return 0.2
        here = [choice.chord for choice in self.choices if choice.beat >= phrase]
        made = any(step == (self.previous, chord) for step in pairwise(here))
        return (STALE if made else 1.0) * (0.6 if chord in [choice.chord for choice in self.choices[-4:-1]] else 1.0)

    def take(self, choice: Choice) -> None:
        if choice.chord != self.previous:
            self.choices.append(choice)

    def context(self, sheet: LeadSheet, mood: Mood, beat: int) -> NDArray[np.float32]:
        """float32 (128,), contract HARMONY_IN, for the beat that is being decided."""
        x, tonic = np.zeros(HARMONY_IN.size, np.float32), self.key.tonic
        x[HARMONY_IN.slice("embedding")] = embedding_from_mood(mood)
        beats_per_s = sheet.tempo_bpm / 60
        for name, span_s in (("chroma_2s", 2.0), ("chroma_8s", 8.0)):
            x[_AT[name] : _AT[name] + 12] = self._chroma(beat, span_s * beats_per_s)
        for name, back in (("previous_root", 1), ("root_before", 2)):
            if len(self.choices) >= back:
                x[_AT[name] + (self.choices[-back].chord.root - tonic) % 12] = 1
        if self.choices:
            quality = self.choices[-1].chord.quality
            x[_AT["previous_quality"] + (quality if quality < SUS4 else MAJ)] = 1
            x[_AT["chord_age"]] = min(1.0, (beat - self.choices[-1].beat) / 8)
        x[_AT["mode"]], x[_AT["key_confidence"]] = sheet.key_at(beat).mode, 1
        x[_AT["beat_in_bar"] + min(3, beat % sheet.beats_per_bar)] = 1
        angle = 2 * np.pi * (beat / (PHRASE_BARS * sheet.beats_per_bar) % 1.0)
        x[_AT["phrase_sin"]], x[_AT["phrase_cos"]] = np.sin(angle), np.cos(angle)
        x[_AT["harmonic_rhythm"]] = min(1.0, sum(choice.beat > beat - 8 for choice in self.choices) / 8)
        x[_AT["density"]] = min(1.0, 2.0 ** targets_from_mood(mood).log2_rate / 8)
        return x

    def _chroma(self, beat: int, span_beats: float) -> NDArray[np.float64]:
        """(12,) from the tonic up: the chords' tones of the last beats, sum 1, or 0 before the first."""
        sums, until = np.zeros(12), float(beat)
        for choice in reversed(self.choices):
            length = until - max(float(choice.beat), beat - span_beats)
            if length <= 0:
                break
            sums[[(tone - self.key.tonic) % 12 for tone in choice.chord.tones]] += length
            until = float(choice.beat)
        return sums / sums.sum() if sums.sum() > 0 else sums
