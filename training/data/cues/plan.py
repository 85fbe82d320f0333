"""What a clip shall say, before a note is written: its cues, drawn by rejection.

Cues are proposed from wide ranges and accepted so that valence, arousal and tension come out nearly uniform
and valence and arousal nearly uncorrelated.  A plan is a function of (seed, index) alone, so clips can be made
in any order, by any number of processes, and again.

source  Eerola, Friberg & Bresin 2013, by ``kelly.music.emotion``; dissonance adds to tension (``TENSE``)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import atanh, log2, tanh

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import TEXTURES
from kelly.music.emotion import Cues, mood_from_cues
from training.data.cues.cast import BRIGHT_BRASS, DARK_BRASS, Part, choose

CLIP_S = 22.0
LONGEST_S = 35.0  # with its silences, for which there is no room in longer ones
TENSE = 0.25  # of dissonance 0..1 within tension's argument, beside the published cues
CYCLE = ("free", "free", "free", "free", "free", "loop", "loop", "steps", "pair", "twin")
"""Kinds of clips, by index modulo 10: a twin is the piece before it in the other mode."""
SPLIT_CYCLE = ("train", "train", "train", "test", "train", "validation", "train", "train", "test", "train")
"""Splits, by index // 10 modulo 10, so that a piece and its twin stay together."""

MODES = {  # steps above the tonic, cue -1 minor .. 1 major
    "ionian": ((0, 2, 4, 5, 7, 9, 11), 1.0),
    "lydian": ((0, 2, 4, 6, 7, 9, 11), 1.0),
    "mixolydian": ((0, 2, 4, 5, 7, 9, 10), 0.8),
    "dorian": ((0, 2, 3, 5, 7, 9, 10), -0.8),
    "aeolian": ((0, 2, 3, 5, 7, 8, 10), -1.0),
    "phrygian": ((0, 1, 3, 5, 7, 8, 10), -1.0),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """What a texture allows.

    rate     onsets per beat, lowest and highest
    gate     sounding share of a note's time
    pitch    lowest and highest mean pitch
    clashes  whether notes sound together, so that there can be dissonance
    roles    parts it needs
    weight   how often it is proposed
    """

    rate: tuple[float, float]
    gate: tuple[float, float]
    pitch: tuple[float, float]
    clashes: bool
    roles: tuple[str, ...]
    weight: float = 1.0


FIGURES = {
    "monophonic": Figure((0.3, 4), (0.15, 1), (44, 86), False, ("melody",), 1.2),
    "octaves": Figure((0.3, 4), (0.15, 1), (46, 80), False, ("melody",)),
    "thirds": Figure((0.3, 3), (0.15, 1), (48, 84), False, ("melody",)),
    "block_chords": Figure((0.25, 2), (0.15, 1), (46, 78), True, ("chords",), 1.3),
    "arpeggio": Figure((1, 4), (0.2, 1), (46, 80), True, ("chords",), 1.2),
    "alberti": Figure((1.5, 4), (0.3, 1), (48, 78), True, ("chords",)),
    "strummed": Figure((0.5, 4), (0.3, 1), (50, 70), True, ("chords",), 1.2),
    "drone": Figure((0.15, 2), (0.6, 1), (44, 72), True, ("melody", "pad")),
    "ostinato": Figure((1, 4), (0.15, 0.9), (46, 80), True, ("chords",)),
    "chorale": Figure((0.25, 1), (0.8, 1), (48, 74), True, ("chords",)),
    "two_part": Figure((0.5, 4), (0.2, 1), (48, 76), True, ("melody", "bass")),
    "polyphonic": Figure((0.7, 4), (0.25, 1), (48, 76), True, ("melody", "second", "chords")),
    "melody_chords": Figure((0.5, 3.5), (0.2, 1), (48, 76), True, ("melody", "chords"), 1.5),
    "melody_arpeggio": Figure((1, 4), (0.25, 1), (50, 76), True, ("melody", "chords"), 1.2),
    "percussive": Figure((1, 4), (0.15, 0.6), (46, 76), True, ("struck",)),
    "full": Figure((0.7, 4), (0.2, 1), (46, 70), True, ("melody", "chords", "bass"), 1.5),
}
assert tuple(FIGURES) == TEXTURES


@dataclass(frozen=True, slots=True)
class Section:
    """Some bars of one character.

    bars        whole bars
    texture     of TEXTURES, or "silence"
    tonic       pitch class
    mode        of MODES
    tempo_bpm   quarters a minute, in 6/8 dotted quarters
    rate        onsets per second that are not simultaneous
    pitch       mean MIDI pitch
    level_db    around the clip's mezzo-forte, at its start and its end
    gate        sounding share of a note's time
    dissonance  0..1, share of chords that get a clashing tone
    harmony     bars per chord: 2, 1 or .5
    pad, drums  whether a sustained chord or a drummer is heard beside the texture
    """

    bars: int
    texture: str
    tonic: int
    mode: str
    tempo_bpm: float
    rate: float = 1.0
    pitch: float = 64.0
    level_db: tuple[float, float] = (0.0, 0.0)
    gate: float = 0.8
    dissonance: float = 0.0
    harmony: float = 1.0
    pad: bool = False
    drums: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A clip.

    kind          of CYCLE
    meter         beats (dotted quarters in 6/8) and quarters of a bar
    slots         places per beat: 4, 3 in ternary pieces
    swing         0 even .. 1 triplet eighths
    loop_bars     length of the pattern that returns, 0 none
    style         of the drummer
    humane_ms     spread of onsets
    rubato        slow share of tempo freedom
    soundfont     draws one of the split's; ten neighbours share it, and their reverb
    gain_db       of the recording, which is no cue
    reverb        0..1, 0 dry
    tilt_db       per octave, of microphone and room
    noise_db      floor, dBFS
    effect        a sound effect lies under it
    """

    seed: int
    index: int
    split: str
    kind: str
    meter: tuple[int, int]
    slots: int
    swing: float
    loop_bars: int
    style: str
    humane_ms: float
    rubato: float
    sevenths: float
    soundfont: int
    gain_db: float
    reverb: float
    tilt_db: float
    noise_db: float
    lead_s: float
    brass: str
    effect: bool
    parts: tuple[Part, ...]
    sections: tuple[Section, ...]

    @property
    def song(self) -> str:
        """A piece and its twin are one song."""
        return f"cues:{self.seed}:{self.index - (self.kind == 'twin')}"

    @property
    def beat_quarters(self) -> float:
        """Quarters of a beat: 1, or 1.5 in 6/8."""
        return self.meter[1] / self.meter[0]


def mood(mode: float, log2_rate: float, pitch: float, level_db: float, staccato: float, bright: float, dark: float, dissonance: float) -> tuple[float, float, float]:
    """Valence, arousal, tension of cues: the published regression, tension with dissonance beside it."""
    point = mood_from_cues(Cues(mode, log2_rate, pitch, level_db, staccato, bright, dark))
    return point.valence, point.arousal, tanh(atanh(point.tension) + TENSE * dissonance / 0.8)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the sections of a piece share when cues are proposed."""

    tempo_bpm: float
    beats: int
    beat_quarters: float
    slots: int
    brass: str


def propose_frame(rng: np.random.Generator) -> Frame:
    """Meter, tempo and colour."""
    kind = rng.random()
    if kind < 0.10:
        return Frame(float(2 ** rng.uniform(log2(40), log2(110))), 2, 1.5, 3, _brass(rng))
    tempo = float(2 ** rng.uniform(log2(50), log2(190)))
    if kind < 0.22:
        return Frame(tempo, 3, 1.0, 4, _brass(rng))
    return Frame(tempo, 4, 1.0, 3 if rng.random() < 0.1 else 4, _brass(rng))


def _brass(rng: np.random.Generator) -> str:
    return str(rng.choice(["", "bright", "dark"], p=[0.74, 0.14, 0.12]))


def propose(rng: np.random.Generator, frame: Frame, first: bool) -> Section:
    """A section of any character, its level 0 if it is the first."""
    names = list(FIGURES)
    weights = np.array([FIGURES[name].weight for name in names])
    texture = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    figure = FIGURES[texture]
    per_beat = frame.tempo_bpm / 60
    low, high = figure.rate[0], min(figure.rate[1], frame.slots)
    rate = float(per_beat * 2 ** rng.uniform(log2(low), log2(high)))
    pitch = float(np.clip(rng.normal(63, 11), *figure.pitch))
    gate = float(rng.uniform(*figure.gate))
    names = ["ionian", "aeolian"] if rng.random() < 0.88 else list(MODES)
    mode = str(rng.choice(names))
    clash = float(rng.uniform(0, 0.1) if rng.random() < 0.6 else rng.uniform(0.1, 1)) if figure.clashes else 0.0
    level = float(rng.uniform(-1, 1) if first else rng.uniform(-14, 9))
    end = level + float(rng.uniform(-10, 10)) if rng.random() < 0.25 else level
    harmony = float(rng.choice([0.5, 1, 2], p=[0.2, 0.6, 0.2])) if rate * 60 / frame.tempo_bpm > 0.6 else float(rng.choice([1, 2]))
    pad = texture not in ("monophonic", "percussive", "drone") and rng.random() < 0.25
    drums = texture in ("percussive", "full") or (rng.random() < 0.15 and texture not in ("chorale", "drone"))
    return Section(0, texture, 0, mode, frame.tempo_bpm, rate, pitch, (level, float(np.clip(end, -16, 11))), gate, clash, harmony, pad, drums)


def expected(section: Section, brass: str) -> tuple[float, float, float]:
    """The mood a section aims at."""
    return mood(MODES[section.mode][1], log2(section.rate), section.pitch, sum(section.level_db) / 2, 1 - section.gate,
                float(brass == "bright"), float(brass == "dark"), section.dissonance)  # fmt: skip


EDGES = np.linspace(-0.8, 0.8, 9)  # cells of the acceptance table; the outermost hold the rest
FLATTEST = 300.0  # how many times likelier the rarest cell is accepted than the commonest


@lru_cache(maxsize=1)
def acceptance() -> NDArray[np.float64]:
    """(8, 8, 8) probability that a proposal of a cell of (V, A, T) is kept.

    Raked on proposals of a seed of its own until the plane of V and A, and T, are even.
    """
    rng = np.random.default_rng(2013)
    points = []
    for k in range(12000):
        frame = propose_frame(rng)
        points.append(expected(propose(rng, frame, first=k % 3 == 0), frame.brass))
    counts = np.zeros((8, 8, 8))
    np.add.at(counts, cell(np.array(points)), 1)
    weight = (counts > 0).astype(float)
    for _ in range(60):
        for axes, share in (((2,), 1 / 64), ((0, 1), 1 / 8)):
            have = (counts * weight).sum(axes, keepdims=True) / (counts * weight).sum()
            weight *= np.where(have > 0, share / np.maximum(have, 1e-9), 0)
        weight = np.clip(weight / weight[weight > 0].min(), 0, FLATTEST)
    return weight / weight.max()


def cell(points: NDArray[np.float64]) -> tuple[NDArray[np.intp], ...]:
    """Indices of the acceptance table."""
    return tuple(np.clip(np.searchsorted(EDGES, points[..., axis]) - 1, 0, 7) for axis in range(3))


def accepted(rng: np.random.Generator, frame: Frame, first: bool, tries: int) -> Section | None:
    """A proposal that was kept, or None when the frame does not lend itself to what is still wanted."""
    table = acceptance()
    for _ in range(tries):
        section = propose(rng, frame, first)
        if rng.random() < table[cell(np.array(expected(section, frame.brass)))]:
            return section
    return None


def draw(seed: int, index: int) -> Plan:
    """The plan of a clip; that of a twin is the plan of the clip before in the other mode."""
    kind, split = CYCLE[index % 10], SPLIT_CYCLE[index // 10 % 10]
    if kind == "twin":
        plan = draw(seed, index - 1)
        return replace(plan, index=index, kind=kind, sections=tuple(replace(s, mode=other_mode(s.mode)) for s in plan.sections))
    rng, shared = np.random.default_rng([seed, index]), np.random.default_rng([seed, index // 10, 1 << 20])
    while True:
        frame = propose_frame(rng)
        n = {"free": int(rng.integers(2, 4)), "loop": int(rng.integers(1, 4)), "steps": int(rng.integers(4, 6)), "pair": int(rng.integers(1, 3))}[kind]
        first = accepted(rng, frame, True, 1)
        if first is None:
            continue
        rest: list[Section] = []
        if kind in ("free", "pair"):
            later = [accepted(rng, frame, False, 150) for _ in range(n - 1)]
            if any(section is None for section in later):
                continue
            rest = [section for section in later if section is not None]
        break
    if kind in ("loop", "steps"):
        first = replace(first, level_db=(0.0, 0.0))
        levels = rng.permutation(np.linspace(-13, 9, n - 1)) if n > 2 else rng.uniform(-13, 9, max(0, n - 1))
        rest = [replace(first, level_db=(float(level), float(level))) for level in levels]
    if kind == "pair":  # all of it in one mode, so that its twin is all of it in the other
        first, *rest = (replace(s, mode="ionian" if MODES[first.mode][1] > 0 else "aeolian") for s in (first, *rest))
    sections = _placed(rng, frame, [first, *rest], kind)
    parts = _cast(rng, split, frame.brass, any(s.texture == "strummed" for s in sections))
    swing = float(rng.uniform(0.3, 1)) if frame.slots == 4 and frame.beats == 4 and rng.random() < 0.22 else 0.0
    return Plan(
        seed, index, split, kind, (frame.beats, round(frame.beats * frame.beat_quarters)), frame.slots, swing,
        loop_bars=int(rng.choice([2, 4, 4, 8])) if kind in ("loop", "steps") or rng.random() < 0.25 else 0,
        style=str(rng.choice(["rock", "ballad", "disco", "funk", "latin", "heavy"])),
        humane_ms=float(rng.uniform(0, 12)), rubato=float(rng.choice([0.0, rng.uniform(0, 0.03), rng.uniform(0.03, 0.08)])),
        sevenths=float(rng.choice([0, 0.2, 0.7])), soundfont=int(shared.integers(1 << 16)), gain_db=float(rng.uniform(-12, 12)),
        reverb=float(shared.choice([0, shared.uniform(0.1, 1)])), tilt_db=float(rng.choice([0, rng.uniform(-2.5, 2.5)])),
        noise_db=float(rng.uniform(-85, -58)), lead_s=float(rng.uniform(0.3, 0.9)), brass=frame.brass, effect=bool(rng.random() < 0.05), parts=parts, sections=sections,
    )  # fmt: skip


def other_mode(mode: str) -> str:
    """Major for minor and minor for major."""
    return "aeolian" if MODES[mode][1] > 0 else "ionian"


def _placed(rng: np.random.Generator, frame: Frame, sections: list[Section], kind: str) -> tuple[Section, ...]:
    """Bars, keys and tempi; here and there a silence between two."""
    bar_s = 60 * frame.beats / frame.tempo_bpm
    bars = max(1, round(CLIP_S / len(sections) / bar_s))
    tonic, placed = int(rng.integers(12)), []
    for k, section in enumerate(sections):
        if k and kind == "free" and rng.random() < 0.35:  # another key from here on
            tonic = int((tonic + rng.choice([1, 2, 3, 5, 7, 8, 10])) % 12)
        if k and rng.random() < 0.08:
            rest = max(1, round(rng.uniform(1, 5) / bar_s))
            if (bars * len(sections) + rest + sum(s.bars for s in placed if s.texture == "silence")) * bar_s < LONGEST_S:
                placed.append(Section(rest, "silence", tonic, section.mode, frame.tempo_bpm, level_db=placed[-1].level_db))
        placed.append(replace(section, bars=bars, tonic=tonic))
    return tuple(placed)


GAINS_DB = {"melody": 0.0, "second": -1.0, "chords": -3.0, "bass": -1.0, "pad": -6.0, "struck": -1.0, "effect": -12.0, "drums": -2.0}


def _cast(rng: np.random.Generator, split: str, brass: str, strummed: bool) -> tuple[Part, ...]:
    """A part for every role, whether or not it will be heard."""
    parts = []
    for channel, (role, gain) in enumerate(GAINS_DB.items()):
        colour = brass if role in ("melody", "second", "chords") else ""
        wanted = "melody" if role == "second" else "strummed" if role == "chords" and strummed else role
        program = 0 if role == "drums" else choose(rng, wanted, split, colour)
        parts.append(Part(role, program, 9 if role == "drums" else channel, gain + float(rng.uniform(-2, 2)), int(rng.integers(40, 89))))
    return tuple(parts)


def colour_of(program: int) -> tuple[float, float]:
    """(bright, dark) of the regression's two brass timbres."""
    return float(program in BRIGHT_BRASS), float(program in DARK_BRASS)
