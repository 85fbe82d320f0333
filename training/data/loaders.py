"""From data sets on disk to batches for a net."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kelly._rt.contract import NET_NAMES
from training.data import examples, features, scores
from training.data.cues import teach
from training.data.errors import DataSetError, SplitError
from training.data.item import SPLITS, Collection, Corrupt, Item
from training.data.sets import BY_NAME, EMOTION, load

WINDOW_STEPS = {name: 250 if name == EMOTION else 64 for name in NET_NAMES}
"""Ten seconds of features; eight bars of eighths for a melody, sixteen bars of beats for chords."""


@dataclass(frozen=True, slots=True)
class Loaders:
    """torch DataLoaders of batches (x, y, mask): float32 (B, T, I), (B, T, O), (B, T, O).

    A mask of 0 means that an answer is unknown, or lies behind the end of a piece.

    counts   items per set and split
    corrupt  what was left out, and why
    """

    train: Any
    validation: Any
    test: Any
    counts: Mapping[str, Mapping[str, int]]
    corrupt: tuple[Corrupt, ...]


def create_data_loaders(
    net: str,
    sets: Mapping[str, Path | str],
    *,
    batch_size: int = 32,
    window_steps: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
    advance: Callable[[int], object] = lambda n: None,
    executor: Executor | None = None,
) -> Loaders:
    """Train, validation and test batches for a net from any mixture of sets.

    net           one of the five
    sets          name -> where it lies; every one of them must teach the net
    batch_size    windows per batch; the last of an epoch may be smaller
    window_steps  length of a window; None: WINDOW_STEPS; windows of a piece follow each other without overlap
    seed          of the order in which training windows come
    cache         folder for features; None: the user's
    advance       called with the number of items done since
    executor      any of concurrent.futures' kind, for what is read from files; None: the processors at hand
    returns       Loaders; an unreadable file is left out and listed
    raises        DataSetError for a set that is damaged, or that does not teach the net; SplitError for an empty split
    """
    shown, counts, corrupt = collect(net, sets, cache=cache, advance=advance, executor=executor)
    loaders = [_loader(net, [example for _, example in shown[split]], batch_size, window_steps or WINDOW_STEPS[net], seed, split == "train") for split in SPLITS]
    return Loaders(*loaders, counts, corrupt)


def collect(
    net: str,
    sets: Mapping[str, Path | str],
    *,
    cache: Path | None = None,
    advance: Callable[[int], object] = lambda n: None,
    executor: Executor | None = None,
    instead: Mapping[str, Callable[..., Any]] | None = None,
    most: int | None = None,
) -> tuple[dict[str, list[tuple[Item, Any]]], dict[str, dict[str, int]], tuple[Corrupt, ...]]:
    """What a net is shown of a mixture of sets: (item, example) per split, items per set and split, what was left out.

    instead            of a set's row in TEACHERS, by its name
    most               items per set and split; None: all
    arguments, raises  as create_data_loaders
    """
    if net not in NET_NAMES:
        raise DataSetError(net, "no net is called so", f"the five are {', '.join(NET_NAMES)}")
    for name in sets:
        if name in BY_NAME and name not in TEACHERS.get(net, {}):
            able = ", ".join(TEACHERS.get(net, {})) or "none yet"
            raise DataSetError(name, f"has no examples for {net}", f"sets that have: {able}")
    collections = mix([load(name, path) for name, path in sets.items()])
    if most is not None:
        collections = [replace(found, items=tuple(item for split in SPLITS for item in [i for i in found.items if i.split == split][:most])) for found in collections]
    shown: dict[str, list[tuple[Item, Any]]] = {split: [] for split in SPLITS}
    corrupt = [fault for found in collections for fault in found.corrupt]
    counts: dict[str, dict[str, int]] = {}
    for found in collections:
        made, faults = (instead or {}).get(found.name, TEACHERS[net][found.name])(found, cache, advance, executor)
        corrupt += faults
        counts[found.name] = {split: sum(item.split == split for item, _ in made) for split in SPLITS}
        for item, example in made:
            shown[item.split].append((item, example))
    empty = [split for split in SPLITS if not shown[split]]
    if empty:
        where = ", ".join(str(path) for path in sets.values())
        raise SplitError(where, f"nothing to show in {' and '.join(empty)}", "add a set, or items to this one")
    return shown, counts, tuple(corrupt)


def mix(collections: list[Collection]) -> list[Collection]:
    """The same sets with one split per song across them: a published split wins over a hash.

    ASAP's pieces follow the MAESTRO recordings they were cut from.
    raises  SplitError when two published splits disagree about a song
    """
    published = {item.song: item.split for found in collections if found.official for item in found.items}
    files = {item.name: item.split for found in collections if found.name == "maestro" for item in found.items}
    for found in collections:
        for item in found.items:
            origin = files.get(item.labels.get("maestro", ""))
            if origin and published.setdefault(item.song, origin) != origin:
                raise SplitError(found.root, f"MAESTRO has {item.song} in {published[item.song]} and in {origin}", f"leave {found.name} or maestro out")
    mixed = [replace(found, items=tuple(replace(item, split=published.get(item.song, item.split)) for item in found.items)) for found in collections]
    split: dict[str, str] = {}
    for found in mixed:
        for item in found.items:
            if split.setdefault(item.song, item.split) != item.split:
                raise SplitError(found.root, f"{item.song} is in {split[item.song]} and in {item.split}", "give it the same split in both")
    return mixed


Made = tuple[list[tuple[Item, examples.Example]], list[Corrupt]]


def rated(found: Collection, cache: Path | None, advance: Callable[[int], object], executor: Executor | None) -> Made:
    """Recordings with curves of valence and arousal."""
    kept, corrupt = features.extract([item.audio for item in found.items if item.audio], cache, advance, executor)
    made = [(item, examples.emotion(item, kept[item.audio])) for item in found.items if item.audio in kept]
    return made, list(corrupt.values())


HUMAN = {EMOTION: {"deam": rated, "table": rated}, **scores.TEACHERS}
TEACHERS: dict[str, dict[str, Callable[..., Made]]] = {
    net: {**HUMAN.get(net, {}), **({"cues": teach.TEACHERS[net]} if net in teach.TEACHERS else {})} for net in (*HUMAN, *teach.TEACHERS)
}
"""THE table of who can show a net what."""


def _loader(net: str, shown: list[examples.Example | scores.ScoreExample], batch_size: int, steps: int, seed: int, shuffled: bool) -> Any:
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Windows(Dataset):
        """Windows of all sequences, one after the other."""

        places = tuple((example, start) for example in shown for start in range(0, len(example), steps))

        def __len__(self) -> int:
            return len(self.places)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
            example, start = self.places[index]
            return tuple(torch.from_numpy(part) for part in example.window(net, start, steps))

    order = torch.Generator().manual_seed(seed) if shuffled else None
    return DataLoader(Windows(), batch_size=batch_size, shuffle=shuffled, generator=order)
