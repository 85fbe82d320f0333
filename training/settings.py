"""What a training run is told: one TOML file per net, every value with its reason, and what the command line changes.

A run keeps its settings; going on with other ones is refused, and the difference is shown.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from kelly._rt.contract import NET_NAMES, net_spec
from kelly.config import did_you_mean
from kelly.errors import ConfigError

CONFIGS = Path(__file__).parent / "configs"
QUICK = {"epochs": 2, "patience": 2, "bootstrap": 100, "threads": 1}
"""What ``--quick`` changes: enough to see that everything runs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One net's hyperparameters; ``configs/NET.toml`` gives each its value and its reason.

    epochs          at most; ``patience`` epochs without a better validation loss end training sooner
    batch_size      sequences side by side
    window_steps    steps between two updates of the weights; recurrent state is carried from window to window
    learning_rate   of AdamW, after ``warmup`` (a share of all updates), before a cosine down to a hundredth
    weight_decay    AdamW's
    dropout         share of a dense layer's outputs set to 0 while training
    clip            largest norm of a gradient
    memory_steps    up to which recurrent cells remember in the beginning
    input_noise     standard deviations of noise on the standardised inputs
    equaliser       the same of a smooth curve over the mel bands, drawn per window
    mood_noise      error of the recognizer where nothing is measured, on the mood among a net's inputs
    mood_share      of the recognizer's error, measured or not, that the mood is disturbed by
    mood_masking    share of windows in which a mood index is unknown (0)
    echo_masking    share of windows in which a net's own last answer is another's, so that it does not live on copying it
    beta            how much a predicted error weighs its own squared error down: 0 fully, 1 not at all
    contrast        how much it counts, beside the error of a step, when a piece with one thing changed is not told apart from itself
    contrast_every  updates between two such pieces
    seed            of initial weights, order, noise
    threads         of PyTorch: another number adds in another order
    bootstrap       resamples behind every interval
    weights         of fields of the output in the loss; 1 where nothing is said
    """

    net: str
    epochs: int
    patience: int
    batch_size: int
    window_steps: int
    learning_rate: float
    warmup: float
    weight_decay: float
    dropout: float
    clip: float
    memory_steps: float
    input_noise: float
    equaliser: float
    mood_noise: float
    mood_share: float
    mood_masking: float
    echo_masking: float
    beta: float
    contrast: float
    contrast_every: int
    seed: int
    threads: int
    bootstrap: int
    weights: Mapping[str, float] = field(default_factory=dict)

    def difference(self, other: Settings) -> list[str]:
        """One line per value that ``other`` has otherwise."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{name}: {value!r} in the run, {theirs[name]!r} now" for name, value in mine.items() if value != theirs[name]]

    def as_toml(self) -> str:
        """The effective settings as a file that ``--config`` takes."""
        values = asdict(self)
        weights = values.pop("weights")
        lines = [f"{name} = {_written(value)}" for name, value in values.items()]
        return "\n".join([*lines, "", "[weights]", *(f"{name} = {_written(value)}" for name, value in weights.items()), ""])


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def read(net: str, path: Path | None = None, **changes: Any) -> Settings:
    """The settings of a net.

    path     in the place of ``configs/NET.toml``
    changes  by name; None leaves the file's value
    raises   ConfigError for a key that is missing, unknown, or out of range
    """
    source = path or CONFIGS / f"{net}.toml"
    try:
        found = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source}: not readable as TOML: {error}") from error
    named = found.setdefault("net", net)
    if named != net:
        raise ConfigError(f"{source}: net: these settings are for {named!r}, asked for {net}")
    known = {row.name: row for row in fields(Settings)}
    for name in found:
        if name not in known:
            raise ConfigError(f"{source}: {name}: not a setting{did_you_mean(name, list(known))}")
    missing = [name for name in known if name not in found and name != "weights"]
    if missing:
        raise ConfigError(f"{source}: no value for {', '.join(missing)}; copy {CONFIGS / f'{net}.toml'} and change it")
    settings = checked({name: _typed(source, known[name].type, name, value) for name, value in found.items()}, source)
    given = {name: value for name, value in changes.items() if value is not None}
    return checked(asdict(replace(settings, **given)), source)


def _typed(source: Path, kind: str, name: str, value: Any) -> Any:
    wanted = {"int": int, "float": (int, float), "str": str}.get(kind, dict)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigError(f"{source}: {name}: expected {kind}, found {value!r}")
    return float(value) if kind == "float" else value


BOUNDS = {
    "epochs": (1, 100_000), "patience": (1, 100_000), "batch_size": (1, 65_536), "window_steps": (1, 65_536),
    "learning_rate": (1e-8, 10.0), "warmup": (0.0, 0.9), "weight_decay": (0.0, 10.0), "dropout": (0.0, 0.95), "clip": (1e-6, 1e6),
    "memory_steps": (2.0, 1e6), "input_noise": (0.0, 10.0), "equaliser": (0.0, 10.0), "mood_noise": (0.0, 2.0), "mood_share": (0.0, 1.0), "mood_masking": (0.0, 1.0),
    "echo_masking": (0.0, 1.0), "beta": (0.0, 1.0), "contrast": (0.0, 100.0), "contrast_every": (1, 1000), "seed": (0, 2**63 - 1), "threads": (1, 1024), "bootstrap": (10, 1_000_000),
}  # fmt: skip


def checked(values: Mapping[str, Any], source: Path | str) -> Settings:
    """Settings whose values all lie within BOUNDS.

    raises  ConfigError
    """
    if values["net"] not in NET_NAMES:
        raise ConfigError(f"{source}: net: no net is called {values['net']!r}; the five are {', '.join(NET_NAMES)}")
    for name, (low, high) in BOUNDS.items():
        if not low <= values[name] <= high:
            raise ConfigError(f"{source}: {name}: expected {low:g} to {high:g}, found {values[name]!r}")
    names = [row.name for row in net_spec(values["net"]).output.fields if row.teacher != "rule"]
    for name, value in values.get("weights", {}).items():
        if name not in names:
            raise ConfigError(f"{source}: weights.{name}: no learned field is called so{did_you_mean(name, names)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ConfigError(f"{source}: weights.{name}: expected a number from 0 on, found {value!r}")
    return Settings(**values)
