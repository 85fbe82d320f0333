"""DEAM: 1,802 songs and excerpts, valence and arousal rated by people, as a whole and twice a second.

Labels: ``valence``, ``arousal`` float (whole song, -1..1); ``times_s`` float64 (n,), ``valence_curve`` and
``arousal_curve`` float32 (n,), rated every half second from 15 s on.  DEAM holds the songs of EmoMusic under
the same numbers: another set that has them says ``deam:<number>`` for its song and gets the same split.

source  Aljanaki, Yang & Soleymani 2017, doi 10.1371/journal.pone.0173392
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from training.data.errors import LabelError, MissingColumnError, need, need_all
from training.data.item import Collection, Corrupt, Item, split_of
from training.data.tables import number, read_csv

FIX = "unpack DEAM_Annotations.zip and DEAM_audio.zip of https://cvml.unige.ch/databases/DEAM/ side by side"
STATIC = ("static_annotations_averaged_songs_1_2000.csv", "static_annotations_averaged_songs_2000_2058.csv")
AVERAGED = Path("annotations/annotations averaged per song")
DYNAMIC = AVERAGED / "dynamic (per second annotations)"


def load(root: Path) -> Collection:
    """Read the ratings and find the recordings."""
    whole = {}
    for name in STATIC:
        path = root / AVERAGED / "song_level" / name
        for row in read_csv(path, ("song_id", "valence_mean", "arousal_mean"), FIX):
            song = row["song_id"]
            whole[song] = tuple((number(row[f"{what}_mean"], path, f"song {song}", FIX, 1, 9) - 5) / 4 for what in ("valence", "arousal"))
    curves = {what: read_curves(root / DYNAMIC / f"{what}.csv") for what in ("valence", "arousal")}
    audio = {song: need(root / "MEMD_audio", FIX) / f"{song}.mp3" for song in whole}
    need_all(list(audio.values()), FIX)
    items, corrupt = [], []
    for song, (valence, arousal) in whole.items():
        for what, table in curves.items():
            if song not in table[1]:
                raise LabelError(root / DYNAMIC / f"{what}.csv", f"no row for song {song}", FIX)
        times, length = curves["valence"][0], min(len(table[1][song]) for table in curves.values())
        if not length:
            corrupt.append(Corrupt(audio[song], "nobody rated it over time"))
            continue
        labels = {
            "valence": valence, "arousal": arousal, "times_s": times[:length],
            "valence_curve": curves["valence"][1][song][:length], "arousal_curve": curves["arousal"][1][song][:length],
        }  # fmt: skip
        items.append(Item(song, split_of(f"deam:{song}"), f"deam:{song}", audio=audio[song], labels=labels))
    return Collection("deam", root, tuple(items), tuple(corrupt))


def read_curves(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Times of the columns in seconds, and each song's ratings up to its end."""
    rows = read_csv(path, ("song_id", "sample_15000ms"), FIX)
    columns = [name for name in rows[0] if name != "song_id"]
    found = [re.fullmatch(r"sample_(\d+)ms", name) for name in columns]
    if None in found:
        raise MissingColumnError(path, f"{columns[found.index(None)]!r} is not called sample_<milliseconds>ms", FIX)
    times = np.array([int(match[1]) / 1000 for match in found if match])
    curves = {}
    for row in rows:
        cells = [row[name] for name in columns]
        while cells and cells[-1].lower() in ("", "nan"):
            cells.pop()
        where = f"song {row['song_id']}"
        curves[row["song_id"]] = np.array([number(cell, path, where, FIX, -1, 1) for cell in cells], np.float32)
    return times, curves
