"""What is true of a piece at every row of its features: the embedding's targets.

Cues are measured from the notes, in spans of whole bars of 3 s or more, and follow a change as raters do, with a
time constant of 1.2 s, mode of 3 s; the mood is the published regression of them.  NaN means unknown.

source  Eerola, Friberg & Bresin 2013 for 0-2; MUSIC.md sections 2, 3 and 5 for the rest; the scale of
        dissonance and pulse clarity is ours
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, FEATURES, GM_FAMILIES, N_MEL, TEXTURES
from kelly.music.emotion import ANCHORS
from training.data.cues.cast import family_of, sustains
from training.data.cues.composer import Piece
from training.data.cues.desk import ROLES
from training.data.cues.plan import MODES, TENSE, colour_of
from training.data.symbols import PROFILES

Array = NDArray[np.float64]
ROW_S = 0.04
LAG_S = 1.2  # raters follow a cue
MODE_LAG_S = 3.0  # and this one later: a change of mode takes some chords to be heard
UNKNOWN_S = 1.0  # of playing before anything is rated
HOLD_S, DECAY_S = 4.0, 4.0  # of valence, arousal and tension in silence
RATER_SD = 0.08  # of a clip's ratings about the regression, in V, A and T: training clips only
SPAN_S = 3.0
MEZZO_FORTE_S = 10.0
ROUGH = {1: 1.0, 2: 0.5, 6: 0.6, 10: 0.3, 11: 0.8}  # of an interval, by semitones modulo 12
CUES = ("mode", "log2_rate", "pitch", "staccato", "bright", "dark", "dissonance", "pulse")


@dataclass(frozen=True, slots=True)
class Span:
    """Whole bars of one section, and the cues measured there."""

    start_s: float
    end_s: float
    section: int
    cues: dict[str, float]


def spans(piece: Piece) -> list[Span]:
    """The piece in spans of SPAN_S or more; silent sections have none."""
    out = []
    heard = piece.heard()
    heard = heard[heard["part"] != ROLES["effect"]]
    everything = piece.heard(pitched=False)
    everything = everything[everything["part"] != ROLES["effect"]]
    gates = gates_of(heard)
    per_bar = piece.plan.meter[1]
    for index, section in enumerate(piece.plan.sections):
        if section.texture == "silence":
            continue
        bars = piece.bars[piece.bars[:, 1] == index, 0]
        bar_s = float(piece.seconds(bars[-1] + per_bar) - piece.seconds(bars[0])) / len(bars)
        size = max(1, int(np.ceil(SPAN_S / bar_s)))
        groups = max(1, len(bars) // size)
        for group in np.array_split(bars, groups):
            low, high = group[0], group[-1] + per_bar
            out.append(Span(float(piece.seconds(low)), float(piece.seconds(high)), index, _measure(piece, index, low, high, heard, everything, gates)))
    return out


def gates_of(heard: NDArray[np.void]) -> Array:
    """Sounding share of each note's time until its part's next onset."""
    out = np.ones(len(heard))
    for part in np.unique(heard["part"]):
        for section in np.unique(heard["section"]):
            mine = np.flatnonzero((heard["part"] == part) & (heard["section"] == section))
            onsets = np.unique(heard["onset"][mine])
            after = np.searchsorted(onsets, heard["onset"][mine], side="right")
            following = np.where(after < len(onsets), onsets[np.minimum(after, len(onsets) - 1)], np.nan)
            share = (heard["end"][mine] - heard["onset"][mine]) / (following - heard["onset"][mine])
            out[mine] = np.where(np.isnan(share), np.nan, np.minimum(share, 1))
    return out


def _measure(piece: Piece, index: int, low: float, high: float, heard: NDArray[np.void], everything: NDArray[np.void], gates: Array) -> dict[str, float]:
    here = (heard["onset"] >= low - 1e-6) & (heard["onset"] < high - 1e-6)
    section = (heard["section"] == index) & (heard["part"] != ROLES["effect"])
    notes = heard[here] if here.any() else heard[section]
    struck = everything["onset"][(everything["onset"] >= low - 1e-6) & (everything["onset"] < high - 1e-6)]
    length_s = float(piece.seconds(high) - piece.seconds(low))
    rate = max(1, len(np.unique(np.round(struck, 3)))) / length_s
    share = gates[here] if np.isfinite(gates[here]).any() else gates[section]
    staccato = 1 - float(np.nanmean(share)) if np.isfinite(share).any() else 1 - piece.plan.sections[index].gate
    programs = [piece.plan.parts[p].program for p in notes["part"]]
    colours = np.array([colour_of(program) for program in programs]) if programs else np.zeros((1, 2))
    beats = np.arange(low, high - 1e-6, piece.plan.beat_quarters)
    met = np.mean([np.abs(struck - beat).min() < 0.02 if len(struck) else False for beat in beats])
    sharp = np.mean([not sustains(program) for program in programs]) if programs else 1.0
    drummed = bool((everything["part"] == piece.drums)[(everything["onset"] >= low - 1e-6) & (everything["onset"] < high - 1e-6)].any())
    pulse = float(met) * (0.4 + 0.5 * float(sharp)) * (1 - 4 * piece.plan.rubato) + 0.1 * drummed
    return {
        "mode": MODES[piece.plan.sections[index].mode][1], "log2_rate": log2(rate), "pitch": float(notes["pitch"].mean()) if len(notes) else 64.0,
        "staccato": staccato, "bright": float(colours[:, 0].mean()), "dark": float(colours[:, 1].mean()),
        "dissonance": dissonance(heard, low, high), "pulse": float(np.clip(pulse, 0, 1)),
    }  # fmt: skip


def dissonance(notes: NDArray[np.void], low: float, high: float, step: float = 0.25) -> float:
    """0..1: the roughness of what sounds together, by pairs, averaged over time; a bare semitone is 1."""
    around = notes[(notes["onset"] < high) & (notes["end"] > low)]
    total, heard = 0.0, 0
    for now in np.arange(low + step / 2, high, step):
        sounding = np.unique(around["pitch"][(around["onset"] <= now) & (around["end"] > now)])
        if len(sounding):
            heard += 1
        if len(sounding) > 1:
            gaps = np.abs(sounding[:, None].astype(int) - sounding[None])[np.triu_indices(len(sounding), 1)]
            rough = sum(ROUGH.get(int(gap) % 12, 0) * (1 if gap < 24 else 0.5) for gap in gaps)
            total += min(1.0, rough / (len(sounding) - 1))
    return total / heard if heard else 0.0


def rows_of(piece: Piece) -> Array:
    """Ends of the feature rows, in seconds."""
    return (np.arange(int(piece.length_s / ROW_S + 1e-9)) + 1) * ROW_S


def follow(values: Array, lag_s: float, frozen: NDArray[np.bool_] | None = None) -> Array:
    """A one-pole lag from the first value on; where frozen, the last value stays."""
    out, now, keep = np.empty_like(values), values[0].copy(), np.exp(-ROW_S / lag_s)
    for t in range(len(values)):
        if frozen is None or not frozen[t]:
            now = keep * now + (1 - keep) * values[t]
        out[t] = now
    return out


@dataclass(frozen=True, slots=True)
class Told:
    """What the labels were made of, per row.

    cues      (T, 8) in the order of CUES, followed with their lag
    level_db  (T,) around the mezzo-forte that was heard until then
    mood      (T, 3) valence, arousal, tension without raters' noise
    silent    (T,) whether nothing plays
    """

    times_s: Array
    cues: Array
    level_db: Array
    mood: Array
    silent: NDArray[np.bool_]
    section: NDArray[np.intp]


def told(piece: Piece) -> Told:
    """Cues and mood of every row."""
    times_s = rows_of(piece)
    found = spans(piece)
    starts = np.array([span.start_s for span in found])
    which = np.clip(np.searchsorted(starts, times_s - ROW_S / 2) - 1, 0, None)
    table = np.array([[span.cues[name] for name in CUES] for span in found])
    silent = times_s > np.array([span.end_s for span in found])[which] + 0.3
    silent |= times_s < starts[0]
    level = follow(heard_level(piece, times_s, silent)[:, None], 0.5)[:, 0]
    cues = follow(table[which], LAG_S, silent)
    mode = CUES.index("mode")
    cues[:, mode] = follow(table[which][:, mode : mode + 1], MODE_LAG_S, silent)[:, 0]
    x = dict(zip(CUES, cues.T, strict=True))
    linear = np.stack([
        0.1938 * x["mode"] + 0.0514 * x["log2_rate"] + 0.0102 * x["pitch"] - 0.0077 * level + 0.109 * x["staccato"] - 0.091 * x["bright"] - 0.076 * x["dark"] - 0.740,
        0.1454 * x["log2_rate"] - 0.0021 * x["pitch"] + 0.0093 * level + 0.143 * x["staccato"] + 0.114 * x["bright"] + 0.128 * x["dark"] - 0.225,
        -0.0984 * x["mode"] + 0.0939 * x["log2_rate"] - 0.0122 * x["pitch"] + 0.0170 * level + 0.034 * x["staccato"]
        + 0.205 * np.maximum(x["bright"], x["dark"]) + 0.515 + TENSE * x["dissonance"],
    ], axis=1)  # fmt: skip
    mood = np.tanh(linear / np.array([0.6, 0.6, 0.8]))
    return Told(times_s, cues, level, fading(mood, silent), silent, np.array([found[k].section for k in which]))


def heard_level(piece: Piece, times_s: Array, silent: NDArray[np.bool_]) -> Array:
    """dB around the mean power of the playing so far, at most the first ten seconds of it: what a listener can know."""
    db = piece.level_db(times_s)
    power = np.where(silent, 0, 10 ** (db / 10))
    count = np.cumsum(~silent)
    full = count <= round(MEZZO_FORTE_S / ROW_S)
    sums = np.cumsum(np.where(full, power, 0))
    known = np.minimum(np.maximum(count, 1), round(MEZZO_FORTE_S / ROW_S))
    reference = 10 * np.log10(np.maximum(sums, 1e-9) / known)
    return np.where(count > 0, db - reference, 0.0)


def fading(mood: Array, silent: NDArray[np.bool_]) -> Array:
    """In silence the mood holds for HOLD_S, then decays."""
    out, quiet = mood.copy(), 0.0
    for t in range(len(mood)):
        quiet = quiet + ROW_S if silent[t] else 0.0
        if quiet > HOLD_S:
            out[t] = mood[t] * np.exp(-(quiet - HOLD_S) / DECAY_S)
    return out


def feelings(mood: Array) -> Array:
    """(T, 11): six emotions, four quadrants, intensity, as functions of valence, arousal, tension.

    source  the thesaurus's anchors; the same formulas as the recognizer's rule
    """
    anchors = np.array(list(ANCHORS.values()))
    gaps = (mood[:, None] - anchors[None]) ** 2 * np.array([1, 1, 0.5])
    near = np.exp(-gaps.sum(axis=2) / (2 * 0.35**2))
    near /= near.sum(axis=1, keepdims=True) + 1e-12
    bright, active = (1 / (1 + np.exp(-5 * mood[:, k])) for k in (0, 1))
    quadrants = np.stack([bright * active, (1 - bright) * active, (1 - bright) * (1 - active), bright * (1 - active)], axis=1)
    intensity = np.minimum(np.hypot(mood[:, 0], mood[:, 1]), 1)[:, None]
    return np.concatenate([near, quadrants, intensity], axis=1)


def noise_of(piece: Piece) -> Array:
    """(3,) how far the raters of this clip are from the regression: 0 outside training."""
    if piece.plan.split != "train":
        return np.zeros(3)
    return np.random.default_rng([piece.plan.seed, piece.plan.index, 5]).normal(0, RATER_SD, 3)


def embedding(piece: Piece, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 64) targets for the rows of ``features``, NaN where unknown and where the contract has a rule."""
    what = told(piece)
    n = min(len(features), len(what.times_s))
    y = np.full((n, EMBEDDING.size), np.nan)
    x = dict(zip(CUES, what.cues.T, strict=True))
    mood = np.clip(what.mood + noise_of(piece), -0.98, 0.98)
    ago = np.maximum(np.arange(len(mood)) - round(1 / ROW_S), 0)
    slope = what.mood - what.mood[ago]
    swing, ternary = division(piece, what)
    answers = {
        "valence": mood[:, 0], "arousal": mood[:, 1], "tension": mood[:, 2],
        "mode": x["mode"], "density": (x["log2_rate"] - 1.5) / 2, "level": what.level_db / 12, "register": (x["pitch"] - 66) / 24,
        "articulation": (x["staccato"] - 0.375) / 0.35, "dissonance": x["dissonance"], "pulse_clarity": x["pulse"],
        "valence_slope": slope[:, 0], "arousal_slope": slope[:, 1],
        "harmonic_rhythm": harmonic_rhythm(piece, what), "key_clarity": key_clarity(piece, what.times_s), "swing": swing, "ternary": ternary,
    }  # fmt: skip
    for name, values in answers.items():
        y[:, EMBEDDING[name].start] = np.clip(values[:n], -1, 1)
    felt = feelings(mood)[:n]
    y[:, EMBEDDING["joy"].start : EMBEDDING["wonder"].stop] = felt[:, :6]
    y[:, EMBEDDING.slice("quadrants")] = felt[:, 6:10]
    y[:, EMBEDDING["intensity"].start] = felt[:, 10]
    y[:, EMBEDDING["brightness"].start] = brightness(features[:n])
    family, texture = kinds(piece, what)
    y[:, EMBEDDING.slice("family")], y[:, EMBEDDING.slice("texture")] = family[:n], texture[:n]
    heard_s = np.cumsum(~what.silent)[:n] * ROW_S
    y[heard_s < UNKNOWN_S] = np.nan
    y[np.ix_(what.silent[:n], range(EMBEDDING["mode"].start, EMBEDDING.size))] = np.nan
    y[:, EMBEDDING["log_sigma_valence"].start : EMBEDDING["log_sigma_arousal"].stop] = np.nan
    return y.astype(np.float32)


def division(piece: Piece, what: Told) -> tuple[Array, Array]:
    """Swing and ternary per row, NaN in sections whose notes do not divide the beat."""
    plan = piece.plan
    notes = piece.heard(pitched=False)
    place = (notes["onset"] / plan.beat_quarters) % 1
    divided = (place > 0.1) & (place < 0.9)
    eighths = (place > 0.4) & (place < 0.72)
    swing, ternary = (np.full(len(plan.sections), np.nan) for _ in range(2))
    for k in range(len(plan.sections)):
        mine = notes["section"] == k
        if (mine & divided).sum() >= 3:
            ternary[k] = 1.0 if plan.slots == 3 else -1.0
        if (mine & eighths).sum() >= 3 and plan.slots == 4:
            swing[k] = 2 * plan.swing - 1
    return swing[what.section], ternary[what.section]


def harmonic_rhythm(piece: Piece, what: Told) -> Array:
    """log2 of chord changes per bar, halved: 0 is one a bar; -1 for a chord that stays."""
    out = np.zeros(len(piece.plan.sections))
    for k, section in enumerate(piece.plan.sections):
        low = piece.bars[piece.bars[:, 1] == k, 0].min()
        high = low + section.bars * piece.plan.meter[1]
        changes = sum(low + 1e-6 < chord[0] < high - 1e-6 for chord in piece.chords)
        room = max(1, section.bars - 1)
        out[k] = np.clip(np.log2(changes / room) / 2, -1, 1) if changes else -1.0
    return follow(out[what.section][:, None], 2.0)[:, 0]


def key_clarity(piece: Piece, times_s: Array, memory_s: float = 8.0) -> Array:
    """0..1: correlation of what sounded in the last seconds with the best key profile."""
    notes = piece.heard()
    notes = notes[notes["part"] != ROLES["effect"]]
    grid = np.arange(0.4, times_s[-1] + 0.4, 0.4)
    out = np.zeros(len(grid))
    shapes = np.stack([np.roll(profile, tonic) for profile in PROFILES for tonic in range(12)])
    shapes = (shapes - shapes.mean(1, keepdims=True)) / shapes.std(1, keepdims=True)
    for k, now in enumerate(grid):
        sounding = np.minimum(notes["end_s"], now) - np.maximum(notes["onset_s"], now - memory_s)
        mine = sounding > 0
        chroma = np.bincount(notes["pitch"][mine] % 12, sounding[mine], 12)
        if chroma.std() > 0:
            out[k] = max(0.0, float((shapes @ (chroma - chroma.mean())).max() / (12 * chroma.std())))
    return np.interp(times_s, grid, out)


BAND_HZ = 700 * (10 ** (np.linspace(np.log10(1 + 30 / 700), np.log10(1 + 10000 / 700), N_MEL + 2)[1:-1]) - 1)


def brightness(features: NDArray[np.float32]) -> Array:
    """-1 dark .. 1 bright: where the energy of the last second lies, in octaves around 500 Hz, 1.5 octaves to tanh's unit."""
    energy = 10 ** (4 * (features[:, FEATURES.slice("mel")].astype(float) - 1)) * (700 + BAND_HZ)
    smooth = follow(energy, 1.0)
    centre = (smooth * np.log2(BAND_HZ / 500)).sum(axis=1) / (smooth.sum(axis=1) + 1e-12)
    return np.tanh(centre / 1.5)


def kinds(piece: Piece, what: Told) -> tuple[Array, Array]:
    """Families (T, 16) that play and the texture (T, 16), followed with the raters' lag."""
    family, texture = (np.zeros((len(piece.plan.sections), 16)) for _ in range(2))
    heard = piece.heard(pitched=False)
    for k, section in enumerate(piece.plan.sections):
        for part in np.unique(heard["part"][heard["section"] == k]):
            name = "percussive" if part == piece.drums else family_of(piece.plan.parts[part].program)
            family[k, GM_FAMILIES.index(name)] = 1
        if section.texture != "silence":
            texture[k, TEXTURES.index(section.texture)] = 1
    if piece.plan.effect:
        family[:, GM_FAMILIES.index("sound_effects")] = 1
    return follow(family[what.section], LAG_S), follow(texture[what.section], LAG_S)
