"""Lakh MIDI: ``lmd_full`` (178,561 files) or ``lmd_matched`` (45,129 files, 31,034 songs), or both.

No labels but the notes.  Files of one song stay together where ``match_scores.json`` knows the song; a file
that matches several songs belongs to the one it matches best, and is taken once.

source  Raffel 2016, https://colinraffel.com/projects/lmd/
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from training.data.errors import LabelError, MissingFileError
from training.data.item import Collection, Item, split_of
from training.data.tables import read_text

FIX = "unpack lmd_full.tar.gz or lmd_matched.tar.gz of https://colinraffel.com/projects/lmd/ and keep its match_scores.json beside it"


def load(root: Path) -> Collection:
    """Find the MIDI files; a corrupt one shows when it is opened."""
    full, matched = (find(root, name) for name in ("lmd_full", "lmd_matched"))
    if not full and not matched:
        raise MissingFileError(root, "holds neither lmd_full/<x>/<md5>.mid nor lmd_matched/A/B/C/TR.../<md5>.mid", FIX)
    best = best_songs(root, needed=bool(matched))
    files = {path.stem: path for path in full} | {path.stem: path for path in matched if best.get(path.stem, path.parent.name) == path.parent.name}
    items = []
    for md5, path in sorted(files.items()):
        song = f"msd:{best[md5]}" if md5 in best else f"msd:{path.parent.name}" if path in matched else f"lakh:{md5}"
        items.append(Item(md5, split_of(song), song, score=path))
    return Collection("lakh", root, tuple(items))


def find(root: Path, name: str) -> set[Path]:
    """MIDI files in the published layout; ``root`` may be the folder ``name`` itself."""
    folder = root if root.name == name else root / name
    pattern = "*/*.mid" if name == "lmd_full" else "*/*/*/TR*/*.mid"
    return {path for path in folder.glob(pattern) if re.fullmatch(r"[0-9a-f]{32}", path.stem)}


def best_songs(root: Path, needed: bool) -> dict[str, str]:
    """The song that each file matches best."""
    path = next((folder / "match_scores.json" for folder in (root, root.parent) if (folder / "match_scores.json").exists()), None)
    if path is None:
        if needed:
            raise MissingFileError(root / "match_scores.json", "not found", FIX)
        return {}
    try:
        best: dict[str, tuple[float, str]] = {}
        for song, scores in json.loads(read_text(path, FIX)).items():
            for md5, score in scores.items():
                best[md5] = max(best.get(md5, (-1.0, "")), (float(score), song))
    except (ValueError, AttributeError, TypeError) as error:
        raise LabelError(path, f"expected {{song: {{md5: score}}}}: {error}", FIX) from error
    return {md5: song for md5, (_, song) in best.items()}
