"""The scores that come with the library music21: Bach's chorales, folk songs of the Essen collection, and more.

No labels but the notes; each piece has its own licence, named in the file or in the corpus's own list.  PATH is the
library's ``corpus`` folder, or ``installed`` for that of the music21 which Python finds.  Splits by file.

source  Cuthbert & Ariza 2010, https://www.music21.org
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from training.data.errors import MissingFileError
from training.data.item import Collection, Item, split_of

FIX = "pip install music21 and give PATH as 'installed', or give the folder music21/corpus of such an installation"
SUFFIXES = (".mxl", ".xml", ".musicxml", ".krn", ".abc")


def load(root: Path) -> Collection:
    """Find the scores in formats that hold notes."""
    if str(root) == "installed":
        spec = find_spec("music21")
        if spec is None or spec.origin is None:
            raise MissingFileError("music21", "not installed", FIX)
        root = Path(spec.origin).parent / "corpus"
    files = sorted(path for path in root.glob("*/**/*") if path.suffix in SUFFIXES)
    if not files:
        raise MissingFileError(root, f"holds no score ({', '.join(SUFFIXES)})", FIX)
    items = []
    for path in files:
        name = str(path.relative_to(root))
        song = f"music21:{path.relative_to(root).with_suffix('')}"
        items.append(Item(name, split_of(song), song, score=path))
    return Collection("music21", root, tuple(items))
