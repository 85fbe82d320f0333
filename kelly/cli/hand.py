"""The hand on a running session's controls and parts, as ``kelly monitor`` has it: which one it holds, what a key does."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from kelly.live.mailbox import LOCKED, PARTS, SILENT
from kelly.music.controls import NAMES, RANGES, read_controls

STEPS = 20  # of a control's range


class Hand:
    """Holds one row of controls and parts.

    thread  [viewer]
    """

    def __init__(self) -> None:
        self.rows, self.at = (*NAMES, *PARTS), NAMES.index("intensity")
        self._values: dict[str, float] = {}
        self._parts = [0] * len(PARTS)

    @property
    def held(self) -> str:
        return self.rows[self.at]

    def look(self, page: Any) -> None:
        """Where everything stands, of a page of kelly.live.mailbox."""
        controls = read_controls(page["tick"])
        self._values = {name: float(getattr(controls, name)) for name in NAMES}
        self._parts = page["parts"].tolist()

    def press(self, key: str, view: Any) -> None:
        """A key; one that means nothing does nothing."""
        if key in "[]":
            self.at = (self.at + (1 if key == "]" else -1)) % len(self.rows)
        elif self.held in NAMES:
            self._turn(key, view)
        elif key in "-+=_":
            view.press(f"switch_{self.held}")
        elif key in "lLrR":
            view.press(f"{'lock' if key in 'lL' else 'reroll'}_{self.held}")

    def _turn(self, key: str, view: Any) -> None:
        low, high, default = RANGES[self.held]
        step = {"+": 1, "=": 1, "-": -1, "_": -1}.get(key, 0)
        if step or key == "0":
            value = default if key == "0" else self._values.get(self.held, default) + step * (high - low) / STEPS
            self._values[self.held] = max(low, min(high, round(value, 4)))
            view.turn(self.held, self._values[self.held])

    def line(self) -> Text:
        """What the hand holds, and whatever else is not at rest."""
        out = Text(no_wrap=True, overflow="crop")
        for name in self.rows:
            state = self._state(name)
            if name == self.held:
                out.append(f"[{name} {state or 'plays'}] ", style="reverse")
            elif state and (name in PARTS or self._values[name] != RANGES[name][2]):
                out.append(f"{name} {state} ")
        return out

    def _state(self, name: str) -> str:
        if name in NAMES:
            return f"{self._values.get(name, RANGES[name][2]):.2f}"
        bits = self._parts[PARTS.index(name)]
        return " ".join(word for bit, word in ((SILENT, "out"), (LOCKED, "locked")) if bits & bit)
