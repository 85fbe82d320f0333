"""How near a distilled net comes to its rule, and the card that says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kelly.nets.catalog import CONTRACT_VERSION, NetSpec

CANNOT = {
    "emotionrecognizer": (
        "It knows no more about feeling than the rule: a regression from seven cues (mode, onset rate, pitch, level,"
        " articulation, brightness, tonal clarity).  It has never seen a listener's rating.",
        "Instrument family, texture, harmonic rhythm, swing and ternary feel are not recognised: the rule leaves them"
        " neutral (0; swing -1), and so does the net.",
        "Trained on synthesised pieces at one sample rate and on walks through the front end's descriptors; no"
        " recording was used.",
    ),
    "melodytransformer": (
        "It has never seen a tune written by a person.  Memory is there (an LSTM) but the rule has none, so none was"
        " taught beyond the context it is given.",
        "It answers in degrees of the tonic; a wrong key from the tracker is a wrong key here.",
    ),
    "harmonypredictor": (
        "Its progressions are a table of common functional moves in major and minor; no corpus was counted.",
        "It has no memory beyond the two last roots: a loop of more chords is the tracker's business.",
    ),
    "dynamicsengine": (
        "It has never heard a performance.  It follows the player's level and shapes by metre and phrase, as the rule does.",
    ),
    "groovepredictor": (
        "Four patterns, one per corner of the valence-arousal plane, mixed by mood; no drummer was recorded.",
        "It knows only 4/4.",
    ),
}


@dataclass(frozen=True)
class Agreement:
    """How near the exported net comes to the rule on material it never saw.

    steps      compared
    error      mean absolute difference per index
    of_mean    the same for the training-free guess, the mean answer
    explained  share of the rule's variance that the net explains, over all learned indices
    top1       share of steps whose most probable index is the rule's; None where no distribution is answered
    divergence mean Kullback-Leibler divergence from the rule, nats, of the net and of the mean answer
    fields     share of the variance explained per field that varies at all; empty for distributions
    """

    steps: int
    error: float
    of_mean: float
    explained: float
    top1: float | None = None
    divergence: tuple[float, float] | None = None
    fields: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, spec: NetSpec, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> Agreement:
        """Compare answers (N, O) with the rule's, over the indices that were learned."""
        parts = [(field.name, found[:, a:b], wanted[:, a:b]) for field in spec.output.fields for a, b in [(field.start, field.stop)]
                 if field.teacher != "rule"]  # fmt: skip
        learned = [i for i in range(spec.output.size) if i not in spec.output.rule_indices()]
        found, wanted = found[:, learned], wanted[:, learned]
        mean = wanted.mean(0)
        explained = 1 - float(((found - wanted) ** 2).sum() / ((wanted - mean) ** 2).sum())
        error, of_mean = float(np.abs(found - wanted).mean()), float(np.abs(wanted - mean).mean())
        if spec.output.activation != "softmax":
            fields = tuple(
                (name, 1 - float(((a - b) ** 2).sum() / ((b - b.mean(0)) ** 2).sum())) for name, a, b in parts if b.std(0).max() > 1e-3
            )
            return cls(len(found), error, of_mean, explained, fields=fields)
        top1 = float((found.argmax(1) == wanted.argmax(1)).mean())
        pair = tuple(
            float((wanted * np.log((wanted + 1e-9) / (guess + 1e-9))).sum(1).mean()) for guess in (found, mean[None])
        )
        return cls(len(found), error, of_mean, explained, top1, (pair[0], pair[1]))

    @property
    def text(self) -> str:
        """One line."""
        words = f"{self.steps} held-out steps, mean absolute difference to the rule {self.error:.4f}"
        words += f" (mean answer {self.of_mean:.4f}), variance explained {self.explained:.3f}"
        if self.divergence is not None and self.top1 is not None:
            words += f", divergence {self.divergence[0]:.4f} nats (mean answer {self.divergence[1]:.3f})"
            words += f", same first choice {100 * self.top1:.1f} %"
        return words


def write_card(path: Path, spec: NetSpec, agreement: Agreement, command: str, taught: int, held_out: int) -> None:
    """Write CARD.md."""
    names = spec.output.index_names()
    ruled = [f"{i} {names[i]}" for i in spec.output.rule_indices()]
    layers = " -> ".join([str(spec.input.size), *(f"{kind} {size} {act}".strip() for kind, size, act in spec.layers)])
    lines = [
        f"# {spec.title}",
        "",
        "**Distilled from kelly's own fallback rule.**  These weights are the rule in another form, so that the whole"
        " chain runs on real networks from the first day.  No music by people was used; training on data sets comes"
        " later and replaces this file.",
        "",
        f"- Layers: {layers}; {spec.parameters:,} parameters",
        f"- In: `{spec.input.name}`; out: `{spec.output.name}` (kelly/_rt/contract.py, contract {CONTRACT_VERSION})",
        f"- Made by: `{command}`",
        f"- Material: {taught:,} sequences drawn by training/material.py, {held_out:,} more to choose the"
        f" epoch, {held_out:,} more for the figure below",
        f"- Agreement with the rule: {agreement.text}",
        *([f"- Variance explained per field: {', '.join(f'{name} {share:.2f}' for name, share in agreement.fields)}"] if agreement.fields else []),
        f"- Filled by the rule, not learned: {', '.join(ruled) if ruled else 'nothing'}",
        "- Licence: MIT, as the rest of kelly",
        "",
        "## What it cannot do",
        "",
        *(f"- {line}" for line in CANNOT[spec.name]),
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
