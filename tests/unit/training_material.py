"""Small pieces with something to learn in them, in the place of a data set on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kelly._rt.contract import FEATURES, N_MEL, net_spec
from training.data.item import SPLITS, Item

SIZES = {"train": 12, "validation": 4, "test": 6}


@dataclass(frozen=True)
class Shown:
    """An example that lies in memory."""

    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def window(self, net, start, steps):
        out = [np.zeros((steps, block.shape[1]), np.float32) for block in (self.x, self.y, self.mask)]
        for whole, block in zip(out, (self.x, self.y, self.mask), strict=True):
            part = block[start : start + steps]
            whole[: len(part)] = part
        return tuple(out)


def grooves(seed: int = 0, permuted: bool = False, sizes=SIZES, steps: int = 16) -> dict[str, list[tuple[Item, Shown]]]:
    """Bars whose answers follow from three indices of the embedding; permuted, from those of any other bar."""
    rng, spec = np.random.default_rng(seed), net_spec("groovepredictor")
    weights = np.random.default_rng(99).normal(0, 1.5, (3, spec.output.size))
    out = {}
    for split in SPLITS:
        rows = []
        for k in range(sizes[split]):
            x = np.zeros((steps, spec.input.size), np.float32)
            x[:, :3] = rng.uniform(-1, 1, (steps, 3))
            y = np.tanh(x[:, :3] @ weights).astype(np.float32)
            rows.append((Item(f"{split}{k}", split, f"groove:{split}{k}"), Shown(x, y, np.ones_like(y))))
        if permuted and split != "test":
            answers = np.concatenate([shown.y for _, shown in rows])
            answers = answers[rng.permutation(len(answers))].reshape(len(rows), steps, -1)
            rows = [(item, Shown(shown.x, y, shown.mask)) for (item, shown), y in zip(rows, answers, strict=True)]
        out[split] = rows
    return out


def feelings(seed: int = 0, sizes=SIZES, steps: int = 60) -> dict[str, list[tuple[Item, Shown]]]:
    """Feature rows whose mode and density drift, with valence and arousal that remember them a little."""
    rng, spec = np.random.default_rng(seed), net_spec("emotionrecognizer")
    out = {}
    for split in SPLITS:
        rows = []
        for k in range(sizes[split]):
            x = rng.normal(0, 0.1, (steps, spec.input.size)).astype(np.float32)
            x[:, :N_MEL] += 0.5
            lean, density = (np.repeat(rng.uniform(-1, 1, -(-steps // 20)), 20)[:steps] for _ in range(2))
            x[:, FEATURES["major_minus_minor"].start], x[:, FEATURES["log2_notes_per_second"].start] = 0.5 * lean, 2 * density
            y, mask = (np.zeros((steps, spec.output.size), np.float32) for _ in range(2))
            y[:, 0], y[:, 1] = 0.7 * lean, 0.7 * density
            mask[:, :2] = 1
            rows.append((Item(f"{split}{k}", split, f"deam:{split}{k}"), Shown(x, y, mask)))
        out[split] = rows
    return out


def collected(shown):
    """What ``training.data.loaders.collect`` returns for these examples, whichever set is asked for."""

    def collect(net, sets, **others):
        return shown, {name: {split: len(shown[split]) for split in SPLITS} for name in sets}, ()

    return collect


def settings(net: str, **changes):
    """The net's own settings, small."""
    from training.settings import read

    small = {"epochs": 3, "batch_size": 4, "window_steps": 20, "threads": 1, "bootstrap": 200, "mood_noise": 0.0, "mood_masking": 0.0}
    return read(net, None, **(small | changes))


def order(net: str, output: Path, resume: bool = False, **changes):
    from training.run import Order

    return Order({net: settings(net, **changes)}, {"groove" if net == "groovepredictor" else "deam": "nowhere"}, output, "kelly train", resume=resume)
