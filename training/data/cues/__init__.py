"""Cues: pieces composed and rendered here, with everything that is true of them.

Labels: ``features`` and ``answers``, paths of .npy: float16 (T, 128) rows of the front end and (T, 64) targets of the
embedding, NaN where unknown; ``grooves``, path of .npy (bars, 1 + 32 + 32): second, answers and mask of the groove net;
``beats`` float64 (n, 2): second, 1 on a downbeat; ``chords`` (start, end, Chord or None) in seconds; ``keys`` (start,
end, tonic, 1 major or -1 minor); ``sections`` (start, end, texture); ``meter`` such as 4-4; ``kind`` of clip; ``noise``
(3,) of the raters in valence, arousal, tension; ``plan``, all that was drawn.  A score begins a bar before its piece.
Test clips have programs and a soundfont that no other clip has; a piece and its twin in the other mode are one song.

source  made by ``kelly train data make cues``
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kelly.music.chord import Chord
from training.data.cues.corpus import HEAD, indices, place
from training.data.errors import DataSetError, LabelError, need, need_all
from training.data.features import feature_hash
from training.data.item import Collection, Item

FIX = "make it with kelly train data make cues PATH"


def load(root: Path) -> Collection:
    """Read the labels of every clip.

    raises  DataSetError for a corpus made with another front end, MissingFileError for one that is not finished
    """
    told = need(root / HEAD, FIX)
    try:
        head = json.loads(told.read_text(encoding="utf-8"))
        clips = indices(head["clips"])
    except (ValueError, KeyError, TypeError) as error:
        raise LabelError(told, f"not readable: {error!r}", FIX) from error
    if head.get("front_end") != feature_hash():
        raise DataSetError(root, f"its features were made by another front end ({head.get('front_end')}, here {feature_hash()})", "make it again with kelly train data make cues in an empty folder")
    if not clips:
        raise DataSetError(root, "its making was interrupted before it had a clip", f"run it again, it goes on: {FIX}")
    need_all([place(root, "clips", k, ".json") for k in clips], f"run it again, it goes on: {FIX}")
    items = tuple(_item(root, k) for k in clips)
    need_all([path for item in items for path in (item.labels["features"], item.labels["answers"], item.score) if path], FIX)
    return Collection("cues", root, items, official=True)


def _item(root: Path, index: int) -> Item:
    path = place(root, "clips", index, ".json")
    try:
        clip = json.loads(path.read_text(encoding="utf-8"))
        labels = {
            "beats": np.array(clip["beats"], float),
            "chords": [(a, b, None if root_ is None else Chord(root_, quality)) for a, b, root_, quality in clip["chords"]],
            "keys": [tuple(key) for key in clip["keys"]], "sections": [tuple(section) for section in clip["sections"]],
            "meter": clip["meter"], "kind": clip["kind"], "noise": tuple(clip["noise"]), "plan": clip["plan"], "soundfont": clip["soundfont"],
            **{kind: place(root, kind, index, ".npy") for kind in ("features", "answers", "grooves")},
        }  # fmt: skip
        audio = place(root, "audio", index, ".flac")
        return Item(
            f"cues-{index:05d}", clip["split"], clip["song"], audio=audio if audio.is_file() else None,
            score=place(root, "scores", index, ".mid"), end_s=float(clip["length_s"]), labels=labels,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise LabelError(path, f"not readable: {error!r}", "delete it and run kelly train data make cues again") from error
