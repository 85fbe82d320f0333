"""EMOPIA: 1,071 clips of 387 piano performances, each in one quadrant of valence and arousal.

Labels: ``quadrant`` 1 (V+ A+), 2 (V- A+), 3 (V- A-), 4 (V+ A-).  Splits by the recording a clip was cut from.
The clips are transcribed from sound and have no beats: dynamics do without, the melody is its pitches in order.

source  Hung et al. 2021, https://annahung31.github.io/EMOPIA/
"""

from __future__ import annotations

import re
from pathlib import Path

from training.data.errors import LabelError, MissingFileError
from training.data.item import Collection, Item, split_of

FIX = "unpack EMOPIA_1.0.zip or later, whose midis/ holds files such as Q1_0vLPYiPN7qY_0.mid"
NAME = re.compile(r"Q([1-4])_(.{11})_(\d+)")


def load(root: Path) -> Collection:
    """Find the clips; what they are labelled is in their names."""
    files = sorted(root.glob("**/*.mid"))
    if not files:
        raise MissingFileError(root, "holds no Q1_....mid", FIX)
    items = []
    for path in files:
        match = NAME.fullmatch(path.stem)
        if match is None:
            raise LabelError(path, "expected a name such as Q1_0vLPYiPN7qY_0.mid", FIX)
        song = f"youtube:{match[2]}"
        items.append(Item(path.stem, split_of(song), song, score=path, labels={"quadrant": int(match[1])}))
    return Collection("emopia", root, tuple(items))
