"""What a net is shown of an item: inputs, answers, and which answers are known.

An answer that a set does not give has mask 0; nothing is guessed in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, net_spec
from training.data.item import Item

Array = NDArray[np.float32]
ROW_S = 0.04


@dataclass(frozen=True, slots=True)
class Example:
    """One item as a sequence.

    x     float32 (T, I), or the .npy that holds it
    y     float32 (T, K): the answers of the indices in ``known``
    mask  float32 (T, K): 1 where an answer is known, else 0
    known  indices of the net's output; the others are masked throughout
    """

    x: Array | Path
    y: Array
    mask: Array
    known: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.y)

    def window(self, net: str, start: int, steps: int) -> tuple[Array, Array, Array]:
        """x (steps, I), y (steps, O), mask (steps, O) from a step on, zeros after the end."""
        spec = net_spec(net)
        source = np.load(self.x, mmap_mode="r") if isinstance(self.x, Path) else self.x
        part, here = source[start : start + steps], min(steps, len(self) - start)
        x = np.zeros((steps, spec.input.size), np.float32)
        y, mask = (np.zeros((steps, spec.output.size), np.float32) for _ in range(2))
        x[:here] = part
        y[:here, self.known] = self.y[start : start + steps]
        mask[:here, self.known] = self.mask[start : start + steps]
        return x, y, mask


def emotion(item: Item, features: Path) -> Example:
    """The recognizer hears a recording; valence and arousal are rated at moments, and interpolated between them.

    Row t of the features ends at (t + 1) * 40 ms; before the first rating and after the last nothing is known.
    """
    n_rows = np.load(features, mmap_mode="r").shape[0]
    ends_s = (np.arange(n_rows) + 1) * ROW_S
    times_s = item.labels["times_s"]
    inside = (ends_s >= times_s[0] - 1e-9) & (ends_s <= times_s[-1] + ROW_S)
    curves = [np.interp(ends_s, times_s, item.labels[f"{what}_curve"]) for what in ("valence", "arousal")]
    known = tuple(EMBEDDING[what].start for what in ("valence", "arousal"))
    y = np.stack(curves, axis=1).astype(np.float32)
    return Example(features, y, np.repeat(inside[:, None], 2, axis=1).astype(np.float32), known)
