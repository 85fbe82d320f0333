"""What a net can do, beside what needs no net: every figure on the same held-out frames, with paired intervals.

The net that is judged is the exported file, run by kelly's own engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, HARMONY_IN, HARMONY_OUT, MELODY_IN, MELODY_OUT, net_spec
from training.baselines import Answers, GroupMeans, Ngram, Ridge, mean_answer, rule
from training.measures import Bootstrap, Figure, Sums, ccc, cosine, curve_sums, mae, mean, pair_sums, r2, rmse
from training.sequences import EMOTION, Piece, Scale

Array = NDArray[np.float32]
PITCH, CHORD_HOLD = MELODY_OUT["pitch"].start, HARMONY_OUT["hold"].start
MOST_SYMBOLS = 20_000  # by which a smoothing is chosen
LEAST_HELD = 5
"""Sequences without which an interval over sequences says nothing: of a single one it has no width."""
AFFECT = ("valence", "arousal", "tension")
KNOWN_R2 = 0.05
"""An index of which less of the variance is explained on the choosing pieces is not known to the net."""


class Measured:
    """One quantity of every contender, in sums per sequence.

    better   +1 when more is better, -1 when less is
    against  the baseline whose difference is shown
    """

    def __init__(self, name: str, formula: Callable[[Sums], Sums], better: int, against: str, sums: Mapping[str, Sums]) -> None:
        self.name, self.formula, self.better, self.against, self.sums = name, formula, better, against, sums

    def row(self, bootstrap: Bootstrap) -> dict[str, Any]:
        figures = {who: bootstrap.figure(sums, self.formula).as_list() for who, sums in self.sums.items()}
        return {"measure": self.name, "better": "more" if self.better > 0 else "less", **figures,
                "against": self.against, "gain": self.gain(bootstrap).as_list()}  # fmt: skip

    def gain(self, bootstrap: Bootstrap, against: str = "") -> Figure:
        """How much better the net is; below 0: worse."""
        one, other = self.sums["net"], self.sums[against or self.against]
        if self.better < 0:
            one, other = other, one
        return bootstrap.gain(one, other, self.formula)


def report(
    net: str, engine: Any, told: Sequence[Piece], choosing: Sequence[Piece], held: Sequence[Piece], scale: Scale, resamples: int, seed: int = 0
) -> dict[str, Any]:
    """Every figure of a net.

    engine   a Network, or anything with ``reset`` and a call of (T, I)
    told     the pieces that baselines are fitted on, ``choosing`` those that their strength is chosen on
    held     the pieces that nobody has seen
    returns  what ``metrics.json`` holds under "held_out"
    """
    measured = _JUDGES[net](net, engine, told, choosing, held, scale)
    bootstrap = Bootstrap(len(held), resamples, seed)
    rows = [one.row(bootstrap) for one in measured]
    by_name = {one.name: one for one in measured}
    beats, why = verdict(net, by_name, bootstrap)
    if len(held) < LEAST_HELD:
        beats, why = False, f"does not show that it beats its baseline: {len(held)} held-out sequence{'s are' if len(held) > 1 else ' is'} too little, {LEAST_HELD} are needed ({why})"
    return {
        "gates": gates(net, by_name, bootstrap, len(held)),
        "sequences": len(held), "steps": sum(piece.n for piece in held), "songs": len({piece.item.song for piece in held}),
        "measures": rows, "beats_baseline": beats, "verdict": why,
    }  # fmt: skip


def gates(net: str, measured: Mapping[str, Measured], bootstrap: Bootstrap, sequences: int) -> list[dict[str, Any]]:
    """What the project asks of a net that is shipped, and whether this one does it: {"gate", "found", "pass"}."""

    def value(name: str, who: str = "net") -> float:
        one = measured[name]
        return float(one.formula(one.sums[who].sum(0)))

    def row(gate: str, found: str, passed: bool) -> dict[str, Any]:
        return {"gate": gate, "found": found, "pass": bool(passed)}

    if net == EMOTION and all(f"{name} R2" in measured for name in AFFECT):
        gains = {name: measured[f"{name} R2"].gain(bootstrap, "ridge") for name in AFFECT}
        return [
            row("400 held-out sequences or more", f"{sequences}", sequences >= 400),
            *(row(f"{name} R2 >= {least}", f"{value(f'{name} R2'):.3f}", value(f"{name} R2") >= least) for name, least in (("valence", 0.5), ("arousal", 0.55))),
            *(row(f"{name} not below the ridge beyond the interval", f"{gains[name]}", gains[name].high >= 0) for name in ("valence", "arousal")),
            row("tension above the ridge", f"{gains['tension']}", gains["tension"].value > 0),
        ]
    if net == "melodytransformer":
        return [row("nats per onset below the trigram", f"{measured['nats per onset'].gain(bootstrap)} less", measured["nats per onset"].gain(bootstrap).value > 0)]
    if net == "harmonypredictor":
        gain = measured["top-1 on changes"].gain(bootstrap)
        return [row("top-1 on changes >= trigram + .05", f"{gain}", gain.value >= 0.05)]
    return []


def verdict(net: str, measured: Mapping[str, Measured], bootstrap: Bootstrap) -> tuple[bool, str]:
    """Whether a net is worth more than what needs no net, and in words why.

    The recognizer may be level with the regression it is measured against, as it also tells what no regression does; the
    others have to be better beyond the interval, and nobody may be worse than kelly's own rule.
    """
    words, beaten = [], []
    for name, against, strictly, margin in _VERDICTS[net]:
        one = measured[name]
        gain = one.gain(bootstrap, against)
        least = margin * abs(float(one.formula(one.sums[against].sum(0))))
        enough = gain.low > least if strictly else gain.high >= 0
        word = "better than" if gain.low > 0 else "worse than" if gain.high < 0 else "level with"
        words.append(f"{name} {word} {against}, gain {gain}")
        if not enough:
            beaten.append(f"{name} is not {'above' if strictly else 'level with'} {against}{f' by {margin:.0%}' if margin else ''}")
    return (True, "; ".join(words)) if not beaten else (False, f"does not beat its baseline: {', '.join(beaten)} ({'; '.join(words)})")


_MARGIN = 0.05
"""Of the baseline's squared error: with permuted answers random weights gained up to .057 of it by chance."""
_VALUES = (("squared error in spreads", "style and step", True, _MARGIN), ("squared error in spreads", "rule", False, 0.0))
_VERDICTS = {
    EMOTION: tuple(
        (f"{name} R2", against, strictly, 0.0) for name in ("valence", "arousal") for against, strictly in (("mean", True), ("ridge", False), ("rule", False))
    ),
    "melodytransformer": (("nats per onset", "trigram", True, 0.0), ("nats per onset", "rule", False, 0.0)),
    "harmonypredictor": (("nats per change", "trigram", True, 0.0), ("top-1 on changes", "trigram", False, 0.0), ("nats per change", "rule", False, 0.0)),
    "dynamicsengine": _VALUES, "groovepredictor": _VALUES,
}  # fmt: skip
"""Per net: measure, against whom, whether it has to be better beyond the interval or only not worse, and by how much of the baseline's figure."""


def answers_of(engine: Any) -> Answers:
    """The net itself, each piece from reset."""

    def answer(piece: Piece, x: Array) -> Array:
        engine.reset()
        out: Array = engine(np.ascontiguousarray(x, np.float32))
        return out

    return answer


Heard = list[tuple[Array, Array, Array, dict[str, Array]]]


def _hear(held: Sequence[Piece], contenders: Mapping[str, Answers]) -> Heard:
    """x, y, mask and everybody's answers, per piece."""
    out = []
    for piece in held:
        x, y, mask = piece.part()
        out.append((x, y, mask, {name: answer(piece, x) for name, answer in contenders.items()}))
    return out


def _curves(heard: Heard, index: int) -> dict[str, Sums]:
    names = heard[0][3]
    wanted, known = [y[:, index] for _, y, _, _ in heard], [mask[:, index] for _, _, mask, _ in heard]
    return {name: curve_sums([found[name][:, index] for *_, found in heard], wanted, known) for name in names}


def _averaged(formula: Callable[[Sums], Sums], n: int) -> Callable[[Sums], Sums]:
    """The mean over n indices of a field, whose sums lie side by side."""
    return lambda s: sum(formula(s[..., 7 * i : 7 * i + 7]) for i in range(n)) / n


def _cosines(heard: Heard) -> dict[str, Sums]:
    return {
        name: pair_sums([cosine(found[name], y, mask) for _, y, mask, found in heard], [mask.max(1) for _, _, mask, _ in heard])
        for name in heard[0][3]
    }


def judge_emotion(net: str, engine: Any, told: Sequence[Piece], choosing: Sequence[Piece], held: Sequence[Piece], scale: Scale) -> list[Measured]:
    heard = _hear(held, {"net": answers_of(engine), "mean": mean_answer(scale), "ridge": Ridge(net, told, choosing, scale), "rule": rule(net)})
    out = []
    for name in AFFECT:
        if scale.known[EMBEDDING[name].start] > 0:
            sums = _curves(heard, EMBEDDING[name].start)
            out += [Measured(f"{name} R2", r2, 1, "ridge", sums), Measured(f"{name} RMSE", rmse, -1, "ridge", sums), Measured(f"{name} CCC", ccc, 1, "ridge", sums)]
    for field in EMBEDDING.fields:
        known = [i for i in range(field.start, field.stop) if scale.known[i] > 0 and scale.answer_spread[i] > 0]
        if field.name not in AFFECT and field.teacher != "rule" and known:
            several = [_curves(heard, i) for i in known]
            sums = {who: np.concatenate([one[who] for one in several], 1) for who in several[0]}
            out.append(Measured(f"{field.name} R2", _averaged(r2, len(known)), 1, "ridge", sums))
    return [*out, Measured("cosine similarity", mean, 1, "ridge", _cosines(heard))]


def judge_values(net: str, engine: Any, told: Sequence[Piece], choosing: Sequence[Piece], held: Sequence[Piece], scale: Scale) -> list[Measured]:
    spec = net_spec(net)
    contenders = {
        "net": answers_of(engine), "mean": mean_answer(scale), "ridge": Ridge(net, told, choosing, scale),
        "style and step": GroupMeans(net, told, scale), "rule": rule(net),
    }  # fmt: skip
    if net == "groovepredictor":
        contenders["copy"] = _copied(scale)
    heard = _hear(held, contenders)
    out, whole = [], []
    for field in spec.output.fields:
        known = [i for i in range(field.start, field.stop) if scale.known[i] > 0]
        if field.teacher != "rule" and known:
            several = [_curves(heard, i) for i in known]
            sums = {who: np.concatenate([one[who] for one in several], 1) for who in several[0]}
            out.append(Measured(f"{field.name} MAE", _averaged(mae, len(known)), -1, "style and step", sums))
            whole.append((sums, len(known), max(0.05, float(scale.answer_spread[known].mean()))))
    sums = {who: np.concatenate([one[who] for one, _, _ in whole], 1) for who in contenders}

    def in_spreads(s: Sums) -> Sums:
        total, at = np.zeros(s.shape[:-1]), 0
        for _, n, spread in whole:
            total = total + sum(rmse(s[..., at + 7 * i : at + 7 * i + 7]) ** 2 for i in range(n)) / n / spread**2
            at += 7 * n
        return total / len(whole)

    return [Measured("squared error in spreads", in_spreads, -1, "style and step", sums), *out, Measured("cosine similarity", mean, 1, "style and step", _cosines(heard))]


def _copied(scale: Scale) -> Answers:
    """Density and swing as the recognizer tells them, the mean of all else."""
    from kelly._rt.contract import GROOVE_OUT

    def answer(piece: Piece, x: Array) -> Array:
        out = np.tile(scale.answer, (len(x), 1))
        for name in ("density", "swing"):
            out[:, GROOVE_OUT[name].start] = x[:, EMBEDDING[name].start]
        return out

    return answer


def judge_melody(net: str, engine: Any, told: Sequence[Piece], choosing: Sequence[Piece], held: Sequence[Piece], scale: Scale) -> list[Measured]:
    return _judge_symbols(net, engine, told, choosing, held, "onset", lambda y: y.argmax(1) >= PITCH, range(PITCH, MELODY_OUT.size), _melody_place)


def judge_harmony(net: str, engine: Any, told: Sequence[Piece], choosing: Sequence[Piece], held: Sequence[Piece], scale: Scale) -> list[Measured]:
    chords = [i for i in range(HARMONY_OUT.size) if i != CHORD_HOLD]
    return _judge_symbols(net, engine, told, choosing, held, "change", lambda y: y.argmax(1) != CHORD_HOLD, chords, _harmony_place)


def _melody_place(x: Array) -> list[tuple[int, ...]]:
    """Where in the bar an eighth is, and how long the note before has lasted: what tells when notes come."""
    at = MELODY_IN["bar_sin"].start
    place = np.rint(16 * np.arctan2(x[:, at], x[:, at + 1]) / np.pi).astype(int)
    lasted = np.rint(8 * x[:, MELODY_IN["since_onset"].start]).astype(int)
    return list(zip(place.tolist(), lasted.tolist(), strict=True))


def _harmony_place(x: Array) -> list[tuple[int, ...]]:
    beat = x[:, HARMONY_IN.slice("beat_in_bar")]
    age = np.rint(8 * x[:, HARMONY_IN["chord_age"].start]).astype(int)
    return list(zip(np.where(beat.any(1), beat.argmax(1), -1).tolist(), age.tolist(), strict=True))


def _judge_symbols(
    net: str, engine: Any, told: Sequence[Piece], choosing: Sequence[Piece], held: Sequence[Piece],
    what: str, moves: Callable[[Array], NDArray[np.bool_]], able: Sequence[int], place_of: Callable[[Array], list[tuple[int, ...]]],
) -> list[Measured]:  # fmt: skip
    """Notes or chords: which one comes, scored apart from when one comes."""
    size, able = net_spec(net).output.size, np.array(able)

    def symbols(pieces: Sequence[Piece]) -> list[list[int]]:
        return [y[moves(y) & (mask.max(1) > 0)].argmax(1).tolist() for _, y, mask in (piece.part() for piece in pieces)]

    told_symbols, chosen_symbols = symbols(told), _few(symbols(choosing))
    grams = {name: Ngram(n, size, told_symbols, chosen_symbols) for n, name in enumerate(("unigram", "bigram", "trigram"), 1)}
    when = _When(told, moves, place_of)
    heard = _hear(held, {"net": answers_of(engine), "rule": rule(net)})
    nats: dict[str, list[Array]] = {}
    first: dict[str, list[Array]] = {}
    third: dict[str, list[Array]] = {}
    timing: dict[str, list[Array]] = {"net": [], "rule": [], "place": []}
    counted, steps = [], []
    for x, y, mask, found in heard:
        known = mask.max(1) > 0
        moved = moves(y) & known
        truth = y[moved].argmax(1)
        at = {value: k for k, value in enumerate(able.tolist())}
        places = np.array([at[value] for value in truth.tolist()], int)
        counted.append(np.ones(len(truth)))
        steps.append(known.astype(float))
        guesses = {name: found[name][moved][:, able] for name in ("net", "rule")}
        guesses |= {name: np.array([gram.distribution(truth.tolist(), t)[able] for t in range(len(truth))]).reshape(-1, len(able)) for name, gram in grams.items()}
        for name, guess in guesses.items():
            share = np.maximum(guess / np.maximum(guess.sum(1, keepdims=True), 1e-12), 1e-9)
            mine = share[np.arange(len(truth)), places]
            nats.setdefault(name, []).append(-np.log(mine))
            rank = (share > mine[:, None]).sum(1)
            first.setdefault(name, []).append((rank == 0).astype(float))
            third.setdefault(name, []).append((rank < 3).astype(float))
        for name in timing:
            odds = when(x) if name == "place" else np.clip(found[name][:, able].sum(1) if what == "change" else found[name][:, PITCH:].sum(1), 1e-6, 1 - 1e-6)
            timing[name].append(np.where(moves(y), -np.log(odds), -np.log(1 - odds)))

    def sums(table: Mapping[str, list[Array]], weights: list[Array]) -> dict[str, Sums]:
        return {name: pair_sums(values, weights) for name, values in table.items()}

    return [
        Measured(f"nats per {what}", mean, -1, "trigram", sums(nats, counted)),
        Measured(f"top-1 on {what}s", mean, 1, "trigram", sums(first, counted)),
        Measured(f"top-3 on {what}s", mean, 1, "trigram", sums(third, counted)),
        Measured(f"nats of {what} or not", mean, -1, "place", sums(timing, steps)),
    ]


def _few(symbols: list[list[int]]) -> list[list[int]]:
    total, out = 0, []
    for row in symbols:
        if total > MOST_SYMBOLS:
            break
        total += len(row)
        out.append(row)
    return out


class _When:
    """The share of moves by the place in the bar and by how long the last one has lasted."""

    def __init__(self, told: Sequence[Piece], moves: Callable[[Array], NDArray[np.bool_]], place_of: Callable[[Array], list[tuple[int, ...]]]) -> None:
        self.place_of = place_of
        self.seen: Counter[tuple[int, ...]] = Counter()
        self.moved: Counter[tuple[int, ...]] = Counter()
        for piece in told:
            x, y, mask = piece.part()
            for place, move, known in zip(place_of(x), moves(y).tolist(), (mask.max(1) > 0).tolist(), strict=True):
                self.seen[place] += known
                self.moved[place] += known and move
        self.all = sum(self.moved.values()) / max(1, sum(self.seen.values()))

    def __call__(self, x: Array) -> Array:
        odds = [(self.moved[place] + 5 * self.all) / (self.seen[place] + 5) for place in self.place_of(x)]
        return np.clip(np.array(odds), 1e-6, 1 - 1e-6)


_JUDGES = {
    EMOTION: judge_emotion, "melodytransformer": judge_melody, "harmonypredictor": judge_harmony,
    "dynamicsengine": judge_values, "groovepredictor": judge_values,
}  # fmt: skip


def errors_of(engine: Any, choosing: Sequence[Piece], size: int) -> tuple[list[float | None], list[float | None]]:
    """(root mean square error, R2) of every index on the choosing pieces; None where nothing is known."""
    answer = answers_of(engine)
    heard = [(answer(piece, x), y, mask) for piece in choosing for x, y, mask in [piece.part()]]
    errors: list[float | None] = []
    shares: list[float | None] = []
    for index in range(size):
        sums = curve_sums([f[:, index] for f, _, _ in heard], [y[:, index] for _, y, _ in heard], [m[:, index] for _, _, m in heard]).sum(0)
        known = sums[0] > 0
        errors.append(round(float(rmse(sums)), 4) if known else None)
        shares.append(round(float(r2(sums)), 4) if known and sums[2] - sums[1] ** 2 / max(sums[0], 1) > 1e-6 else None)
    return errors, shares
