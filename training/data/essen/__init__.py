"""The Essen folk songs as music21 has them: 8,514 tunes, mostly German, Polish, Chinese.

Labels and PATH as for ``music21``.  The collection's keepers allow non-commercial use: weights trained on it are not
shipped.  Songs that ``music21`` has, too, get the same split there.

source  Schaffrath & Dahlig-Turek, https://www.esac-data.org; ABC by Seymour Shlien; licence in its folder
"""

from __future__ import annotations

from pathlib import Path

from training.data.item import Collection
from training.data.music21 import NON_COMMERCIAL, collection


def load(root: Path) -> Collection:
    """Find the tunes."""
    return collection("essen", root, lambda folder: folder == NON_COMMERCIAL)
