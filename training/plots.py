"""A run in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kelly.errors import BackendUnavailableError
from kelly.whole import whole

COLOURS = {"net": "#1b6ca8", "rule": "#9a9a9a"}
OTHERS = ("#d98c3f", "#6aa56a", "#b06fa8", "#c6b84b", "#7d5a46")
MOST_MEASURES = 24


def ready() -> None:
    """Whether pictures can be drawn, asked before hours of training rather than after.

    raises  BackendUnavailableError without matplotlib
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise BackendUnavailableError("matplotlib is missing, which draws a run's pictures: pip install -e '.[train]'") from error


def _figure(columns: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _save(figure: Any, path: Path) -> None:
    with whole(path) as place:
        figure.savefig(place, format="png", dpi=110)


def curves(path: Path, net: str, history: Sequence[dict[str, float]]) -> None:
    """Loss on training and validation pieces, epoch by epoch, the kept one marked."""
    figure, (axis,) = _figure(1, 7, 4)
    epochs = [row["epoch"] for row in history]
    axis.plot(epochs, [row["loss"] for row in history], "o-", color=OTHERS[0], label="training, with noise and dropout")
    axis.plot(epochs, [row["validation"] for row in history], "o-", color=COLOURS["net"], label="validation")
    if history:
        best = min(history, key=lambda row: row["validation"])
        axis.plot([best["epoch"]], [best["validation"]], "o", ms=11, mfc="none", mec="black", label=f"kept: epoch {best['epoch']:.0f}")
        axis.legend(frameon=False)
    axis.set_xlabel("epoch")
    axis.set_ylabel("loss")
    axis.set_title(f"{net}: {len(history)} epochs")
    axis.grid(alpha=0.25)
    axis.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


def measures(path: Path, net: str, report: dict[str, Any]) -> None:
    """Every measure of the net beside its baselines, with intervals; one panel per direction of better."""
    rows = report["measures"][:MOST_MEASURES]
    panels = [(words, part) for words, want in (("more is better", "more"), ("less is better", "less")) if (part := [row for row in rows if row["better"] == want])]
    figure, axes = _figure(len(panels), 7 * len(panels), 1.2 + 0.42 * max(len(part) for _, part in panels))
    colours = dict(zip((name for name in _contenders(rows) if name not in COLOURS), OTHERS, strict=False)) | COLOURS
    for axis, (words, part) in zip(axes, panels, strict=True):
        names = _contenders(part)
        for place, name in enumerate(names):
            shown = [(k, row[name]) for k, row in enumerate(part) if name in row]
            value = [figure_[0] for _, figure_ in shown]
            spans = [[max(0.0, f[0] - f[1]) for _, f in shown], [max(0.0, f[2] - f[0]) for _, f in shown]]
            where = [k + 0.7 * (place / max(1, len(names) - 1) - 0.5) for k, _ in shown]
            axis.errorbar(value, where, xerr=spans, fmt="o", ms=5 if name == "net" else 3.5, color=colours[name], label=name, capsize=2)
        axis.set_yticks(range(len(part)), [row["measure"] for row in part], fontsize=8)
        axis.invert_yaxis()
        low = min((row[name][0] for row in part for name in names if name in row), default=0.0)
        if words.startswith("more"):
            axis.set_xlim(max(low - 0.1, -1.0), 1.0)  # no R2, CCC, cosine or share is above 1
        axis.grid(axis="x", alpha=0.25)
        axis.set_title(words, fontsize=9)
    for axis in axes:
        axis.legend(frameon=False, fontsize=8, loc="best")
    figure.suptitle(f"{net} on {report['sequences']} held-out sequences, 95 % intervals")
    _save(figure, path)


def _contenders(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row if isinstance(row[key], list) and key != "gain"))


def counterfactuals(path: Path, found: dict[str, Any]) -> None:
    """What the recognizer does when one thing of a piece changes: one panel per change, one line per piece."""
    from training.counterfactuals import KEYS, LEVELS_DB, TEMPI

    figure, axes = _figure(5, 15, 3.6)
    blue, orange = COLOURS["net"], OTHERS[0]

    def lines(axis: Any, x: Sequence[float], rows: list[list[float]], colour: str, name: str) -> None:
        order = sorted(range(len(x)), key=lambda k: x[k])
        for row in rows:
            axis.plot([x[k] for k in order], [row[k] for k in order], color=colour, alpha=0.3, lw=1)
        if rows:
            axis.plot([x[k] for k in order], [sum(row[k] for row in rows) / len(rows) for k in order], "o-", color=colour, lw=2.5, label=name)

    for k, row in enumerate(sorted(found["mode"], key=lambda row: row["major"] - row["minor"])):
        axes[0].plot([row["minor"], row["major"]], [k, k], color="#cccccc", zorder=0)
        axes[0].plot([row["minor"]], [k], "o", color=orange, label="minor" if not k else None)
        axes[0].plot([row["major"]], [k], "o", color=blue, label="major" if not k else None)
    axes[0].set(title="same piece in both modes", xlabel="valence", yticks=[], ylabel="pieces", xlim=(-1, 1))
    lines(axes[1], TEMPI, [row["arousal"] for row in found["tempo"]], blue, "arousal")
    lines(axes[1], TEMPI, [row["valence"] for row in found["tempo"]], orange, "valence")
    axes[1].set(title="five tempi", xlabel="times the tempo", ylim=(-1, 1))
    lines(axes[2], LEVELS_DB, [row["arousal"] for row in found["level"]], blue, "arousal")
    axes[2].set(title="five levels in one take", xlabel="dB", ylim=(-1, 1))
    lines(axes[3], KEYS, [row["valence"] for row in found["key"]], orange, "valence")
    axes[3].set(title="twelve keys", xlabel="semitones", ylim=(-1, 1))
    moved = sorted(row["moved"] for row in found["gain"])
    axes[4].plot(moved, range(len(moved)), "o", color=blue)
    axes[4].axvline(0.1, color="black", lw=1, ls="--")
    axes[4].set(title="input gain of 12 dB up, down", xlabel="most that V, A, T move", yticks=[], ylabel="pieces", xlim=(0, max(0.2, *moved)) if moved else (0, 0.2))
    for axis in axes:
        axis.grid(alpha=0.25)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=8)
    _save(figure, path)
