"""What ``kelly monitor`` draws: one page of a session as a rich renderable."""

from __future__ import annotations

from collections import deque
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kelly._rt.contract import EMBEDDING, NET_NAMES
from kelly._rt.layout import SOURCES
from kelly.cli.hand import Hand
from kelly.cli.status import harmony, tempo
from kelly.live.mailbox import BUCKETS, COUNTERS, LOCKED, PARTS, SILENT
from kelly.music.controls import NAMES, read_controls
from kelly.music.emotion import Mood
from kelly.music.thesaurus import Feeling

TRAIL = 60  # points, six seconds
LEFT = 38  # columns of the panels on the left; 80 in all
WIDTH, HEIGHT = 37, 13  # of the plane of feeling, odd so that it has a middle
FLOOR_DB = -60.0
COLOURS = {"model": "green", "fallback": "yellow", "off": "bright_black"}
BARS = " ▁▂▃▄▅▆▇█"
_AXES = tuple(EMBEDDING[name].start for name in ("valence", "arousal", "tension", "confidence"))


class Picture:
    """Takes pages as they come, remembers the trail, draws the newest."""

    def __init__(self) -> None:
        self._page: Any | None = None
        self._trail: deque[tuple[float, float]] = deque(maxlen=TRAIL)
        self._feeling, self._name, self._serial = Feeling(), "", -1
        self.hand = Hand()

    def take(self, page: Any) -> None:
        """A BODY record of kelly.live.mailbox."""
        self._page = page
        if not page["has_tick"] or int(page["serial"]) == self._serial:
            return
        self._serial = int(page["serial"])
        self.hand.look(page)
        valence, arousal, tension, _ = feeling(page)
        self._trail.append((valence, arousal))
        self._name = self._feeling.update(Mood(valence, arousal, tension), float(page["tick"]["frame"]) / float(page["sample_rate_hz"])).name

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = self._page
        if page is None or not page["has_tick"]:
            yield Text("waiting for the session's first page ...")
            return
        left = Group(Panel(now(page), title="now", width=LEFT), Panel(nets(page), title="nets: keys 1 to 5", width=LEFT))
        yield Text(f"{text(page['source'])} -> {text(page['sink'])}", style="bold", no_wrap=True)
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(left, Panel(plane(list(self._trail)), title=self._name or "feeling", width=WIDTH + 4))
        grid.add_row(Panel(delays(page), title="delays", width=LEFT), Panel(losses(page), title="losses", width=WIDTH + 4))
        yield grid
        yield self.hand.line()
        yield Text("p releases every note   [ ] choose  - + turn  0 rest  l lock  r anew   q leaves", style="dim", no_wrap=True)


def text(value: Any) -> str:
    return bytes(value).decode("utf-8", errors="replace")


def feeling(page: Any) -> tuple[float, float, float, float]:
    """Valence, arousal, tension, confidence."""
    row = page["tick"]["embedding"]
    valence, arousal, tension, confidence = (float(row[index]) for index in _AXES)
    return valence, arousal, tension, confidence


def now(page: Any) -> Text:
    """Level, key and chord, tempo and beat, confidence."""
    tick = page["tick"]
    level_db = float(tick["level_db"])
    filled = round(18 * max(0.0, min(1.0, 1 - level_db / FLOOR_DB)))
    valence, arousal, tension, confidence = feeling(page)
    beats, beat = max(1, int(tick["beats_per_bar"])), int(tick["beat_in_bar"])
    dots = " ".join("●" if i == beat and tick["tempo_bpm"] > 0 else "○" for i in range(beats))
    rows = (
        ("level", f"{'█' * filled}{'·' * (18 - filled)} {level_db:4.0f} dB"),
        ("chord", harmony(tick).strip()),
        ("tempo", f"{tempo(tick).strip()}  {dots}"),
        ("feeling", f"V{valence:+.2f} A{arousal:+.2f} T{tension:+.2f}"),
        ("trust", f"mood {100 * confidence:.0f} beat {100 * float(tick['beat_confidence']):.0f} key {100 * float(tick['key_confidence']):.0f} %"),
    )
    return Text("\n".join(f"{name:<8}{value}" for name, value in rows), no_wrap=True, overflow="crop")


def nets(page: Any) -> Table:
    """A badge per net."""
    rows = Table.grid(padding=(0, 1))
    for number, (name, source) in enumerate(zip(NET_NAMES, page["tick"]["source"], strict=True), 1):
        who = SOURCES[int(source)]
        rows.add_row(str(number), name, Text(who, style=COLOURS[who]))
    return rows


def plane(trail: list[tuple[float, float]]) -> Text:
    """Valence to the right, arousal upwards, -1..1; the newest point and where it came from."""
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    for column in range(WIDTH):
        grid[HEIGHT // 2][column] = "─"
    for row in range(HEIGHT):
        grid[row][WIDTH // 2] = "│"
    grid[HEIGHT // 2][WIDTH // 2] = "┼"
    for corner, (row, column) in {"tense": (0, 0), "excited": (0, WIDTH - 7), "depressed": (HEIGHT - 1, 0), "calm": (HEIGHT - 1, WIDTH - 4)}.items():
        grid[row][column : column + len(corner)] = corner
    for age, (valence, arousal) in enumerate(trail):
        column = round((max(-1.0, min(1.0, valence)) + 1) / 2 * (WIDTH - 1))
        row = round((1 - max(-1.0, min(1.0, arousal))) / 2 * (HEIGHT - 1))
        grid[row][column] = "◉" if age == len(trail) - 1 else "•" if age >= len(trail) - 15 else "∙"
    return Text("\n".join("".join(row) for row in grid), no_wrap=True)


def delays(page: Any) -> Text:
    """Two histograms over octaves of time: a network hop's work, and how far notes were behind."""
    lines = []
    for name, buckets in (("network hop", page["hop_buckets"]), ("notes behind", page["late_buckets"])):
        octaves = [int(buckets[0])] + [int(buckets[i : i + 4].sum()) for i in range(1, BUCKETS, 4)]
        shown = octaves[4:20]  # 4 us to 262 ms
        most = max(*shown, 1)
        bars = "".join(BARS[0 if count == 0 else 1 + round(7 * count / most)] for count in shown)
        lines.append(f"{name:<13}{bars}")
    lines.append(" " * 13 + "4us     1ms  32ms")
    return Text("\n".join(lines), no_wrap=True)


def losses(page: Any) -> Text:
    """Counters that should be 0, and the notes that sound."""
    rows = [f"{name.replace('_', ' '):<16}{int(value)}" for name, value in zip(COUNTERS, page["counters"], strict=True)]
    half = (len(rows) + 1) // 2
    return Text("\n".join(f"{a:<19}{b}" for a, b in zip(rows[:half], [*rows[half:], ""][:half], strict=True)), no_wrap=True, overflow="crop")


def report(page: Any) -> dict[str, Any]:
    """The page for machines."""
    tick = page["tick"]
    valence, arousal, tension, confidence = feeling(page)
    return {
        "source": text(page["source"]),
        "sink": text(page["sink"]),
        "seconds": round(float(tick["frame"]) / float(page["sample_rate_hz"]), 2),
        "level_db": round(float(tick["level_db"]), 1),
        "valence": valence, "arousal": arousal, "tension": tension, "confidence": confidence,
        "harmony": harmony(tick).strip(), "tempo_bpm": float(tick["tempo_bpm"]), "locked": bool(tick["locked"]),
        "beat_in_bar": int(tick["beat_in_bar"]),
        "controls": {name: float(getattr(read_controls(tick), name)) for name in NAMES},
        "parts": {name: {"plays": not bits & SILENT, "locked": bool(bits & LOCKED)} for name, bits in zip(PARTS, page["parts"].tolist(), strict=True)},
        "nets": {name: SOURCES[int(source)] for name, source in zip(NET_NAMES, tick["source"], strict=True)},
        "counters": dict(zip(COUNTERS, page["counters"].tolist(), strict=True)),
    }  # fmt: skip
