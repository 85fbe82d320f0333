"""What the drummer of a piece does in each bar, as the groove net's answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import GROOVE_OUT
from training.data.cues.composer import Piece
from training.data.cues.desk import Drummed
from training.data.cues.plan import Plan

N = GROOVE_OUT.size


def grooves(piece: Piece) -> NDArray[np.float32]:
    """(bars, 1 + 32 + 32): when the bar begins in seconds, answers, mask; 4/4 only, silent bars left out."""
    rows = []
    for number, (bar, drummed) in enumerate(zip(piece.bars, piece.drummed, strict=True)):
        if drummed is not None:
            first = int(np.argmax(piece.bars[:, 1] == bar[1]))
            answer, known = bar_of(piece.plan, drummed, number - first)
            rows.append(np.concatenate([[float(piece.seconds(bar[0]))], answer, known]))
    return np.array(rows, np.float32).reshape(-1, 1 + 2 * N)


def bar_of(plan: Plan, drummed: Drummed, bar: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Answers and mask of one bar; whether there is a fill is only asked in the last bar of four."""
    answer, known = np.zeros(N), np.ones(N)

    def tell(name: str, value: float | NDArray[np.floating]) -> None:
        answer[GROOVE_OUT.slice(name)] = np.clip(value, -1, 1)

    tell("low", 2.0 * np.isin(np.arange(16), drummed.kicks) - 1)
    tell("high", 2.0 * np.isin(np.arange(8), np.array(drummed.snares, int) // 2) - 1)
    ratio = 2 / 3 if plan.slots == 3 else 0.5 + plan.swing / 6
    tell("swing", (ratio - 0.625) / 0.125)
    tell("mean_offset", 0.8 * plan.humane_ms / 40)  # the mean of a half normal
    tell("offset_spread", 0.6 * plan.humane_ms / 10 - 1)
    tell("density", 2 * drummed.hats / 8 - 1)
    struck = (*drummed.kicks, *drummed.snares)
    tell("syncopation", 2 * sum(k % 4 != 0 for k in struck) / max(1, len(struck)) - 1)
    tell("ghost_rate", 2 * drummed.ghosts / max(1, drummed.ghosts + len(drummed.snares)) - 1)
    tell("fill_probability", 2.0 * drummed.fill - 1)
    known[GROOVE_OUT.slice("fill_probability")] = bar % 4 == 3
    tell("half_double", -1.0 if set(drummed.snares) <= {8} else 0.0)
    return answer, known
