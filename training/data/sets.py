"""THE table of data sets: what each supervises, what its licence allows, who reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from kelly.config import did_you_mean
from training.data.errors import DataSetError, MissingFileError
from training.data.item import Collection

EMOTION, MELODY, HARMONY, DYNAMICS, GROOVE = (
    "emotionrecognizer", "melodytransformer", "harmonypredictor", "dynamicsengine", "groovepredictor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataSet:
    """One row.

    name        the folder below training/data that reads it, and its name on the command line
    supervises  nets, and what of them
    evaluates   what it is good for beside training, "" for nothing
    licence     of labels and files, as published
    free        whether weights trained on it may be shipped
    note        what a card must say of its labels, "" for nothing
    """

    name: str
    title: str
    supervises: dict[str, str]
    licence: str
    free: bool
    evaluates: str = ""
    note: str = ""

    @property
    def load(self) -> Callable[[Path], Collection]:
        """The loader: from a folder as published to a Collection."""
        loader: Callable[[Path], Collection] = import_module(f"training.data.{self.name}").load
        return loader


BY_CUES = "nobody rated it: mood is the cue regression over the last 16 beats"

SETS = (
    DataSet("deam", "DEAM", {EMOTION: "valence, arousal"}, "annotations CC BY-NC", False),
    DataSet("lakh", "Lakh MIDI", {MELODY: "notes", HARMONY: "chords by template"}, "CC BY 4.0", True, note=BY_CUES),
    DataSet("maestro", "MAESTRO v3", {DYNAMICS: "velocity, gate, rolls, pedal"}, "CC BY-NC-SA 4.0", False),
    DataSet("asap", "ASAP", {DYNAMICS: "the same, on annotated beats"}, "CC BY-NC-SA 4.0", False, "beats"),
    DataSet("groove", "Groove MIDI", {GROOVE: "all but the rule's", DYNAMICS: "accent, push, jitter"}, "CC BY 4.0", True),
    DataSet("harmonix", "Harmonix Set", {}, "MIT", True, "beats, sections"),
    DataSet("pop909", "POP909", {HARMONY: "annotated chords", MELODY: "the track MELODY", GROOVE: "the track PIANO: bass, accents, swing, density"}, "MIT", True, "beats, keys", "grooves are a piano's strokes on marked beats: no drums, nothing early or late"),
    DataSet("billboard", "McGill Billboard", {HARMONY: "annotated chords"}, "CC0", True),
    DataSet("emopia", "EMOPIA", {MELODY: "the top voice, note by note, given a quadrant", DYNAMICS: "velocity, gate, pedal given a quadrant"}, "CC BY 4.0", True, note="one mood per clip, the middle of its quadrant; nobody marked beats, so melodies are pitches without time"),
    DataSet("music21", "music21's corpus", {MELODY: "human scores", HARMONY: "chords by template"}, "per piece, none that reserves use", True, note=BY_CUES),
    DataSet("essen", "Essen folk songs in music21", {MELODY: "human scores"}, "non-commercial use", False, note=BY_CUES),
    DataSet("cues", "cues, made here", {EMOTION: "all but dominance and the errors", **dict.fromkeys((MELODY, HARMONY, DYNAMICS, GROOVE), "composed here")}, "ours", True, "beats, keys, chords, counterfactuals"),
    DataSet("table", "your own CSV", {EMOTION: "valence, arousal"}, "yours", True),
)
INSTALLED = ("music21", "essen")
"""Sets that a Python package brings."""
BY_NAME = {row.name: row for row in SETS}


FOLDERS = {
    "deam": ("DEAM",), "lakh": ("lmd_full", "lmd_matched"), "maestro": ("maestro-v3.0.0",), "asap": ("asap-dataset", "asap-dataset-master"),
    "groove": ("groove",), "harmonix": ("harmonixset", "harmonixset-main", "harmonixset-master"), "pop909": ("POP909", "POP909-Dataset-master/POP909"),
    "billboard": ("McGill-Billboard",), "emopia": ("EMOPIA_2.2", "EMOPIA_2.1", "EMOPIA_1.0", "EMOPIA"),
}  # fmt: skip
"""What the publishers' archives unpack to."""


def place_of(name: str, base: Path) -> Path | str:
    """Where a set lies below a folder of sets; music21's own scores, where they are installed.

    raises  MissingFileError naming the folders that were looked for
    """
    if name not in BY_NAME:
        load(name, base)  # says which are known
    names = (*FOLDERS.get(name, ()), name)
    for folder in names:
        if (base / folder).exists():
            return base / folder
    if name in INSTALLED:
        return "installed"
    fix = "give --datasets-dir DIR, or --datasets NAME=PATH"
    raise MissingFileError(base / names[0], f"not found, nor {', '.join(names[1:])} beside it" if len(names) > 1 else "not found", f"{fix} for {BY_NAME[name].title}")


def load(name: str, path: Path | str) -> Collection:
    """Read a data set as it lies on disk.

    name     a row of SETS
    path     the folder that its publisher's archive makes; for ``table`` the CSV, for ``music21`` and ``essen`` also "installed"
    returns  its items with their splits; files are found, not opened
    raises   DataSetError (a DataError) naming the path and the fix
    """
    row = BY_NAME.get(name)
    if row is None:
        raise DataSetError(name, f"no data set is called so{did_you_mean(name, list(BY_NAME))}", f"known are {', '.join(BY_NAME)}")
    root = Path(path)
    if not root.exists() and str(path) != "installed":
        raise MissingFileError(root, "not found", f"give the place where {row.title} lies on this disk")
    return row.load(root)
