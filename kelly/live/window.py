"""What viewers in other processes see of a session, and what their keys do to it."""

from __future__ import annotations

from typing import Any

from kelly._rt.contract import NET_NAMES
from kelly.generate.settings import part_row
from kelly.live.figures import Figures
from kelly.live.mailbox import COUNTERS, LEVELS, LOCKED, SILENT, Mailbox
from kelly.live.steering import Steering


class Window:
    """A session's page, filled from its figures; its keys, turned into commands.

    thread  [main] constructs; ``fill`` and ``press`` are called by the mailbox's thread
    """

    def __init__(self, figures: Figures, steering: Steering) -> None:
        self._figures, self._steering = figures, steering
        self.mailbox = Mailbox(self.fill, self.press, steering.set_control)

    def fill(self, body: Any) -> None:
        """[mailbox] a BODY record."""
        figures, chain, tick = self._figures, self._figures.chain, self._figures.conducting.newest
        counters = figures.counters()
        body["counters"] = [counters.get(name, 0) for name in COUNTERS]
        body["hop_buckets"], body["late_buckets"] = chain.worker.busy_buckets(), chain.performer.lateness_buckets()
        body["source"], body["sink"] = figures.source.name.encode()[:64], figures.sink.description.encode()[:64]
        body["sample_rate_hz"] = figures.source.sample_rate_hz
        body["parts"] = [SILENT * (not plays) + LOCKED * locked for plays, locked in figures.conducting.conductor.standing()]
        if tick is not None:
            body["has_tick"], body["tick"] = 1, tick

    def press(self, key: str) -> None:
        """[mailbox] a row of KEYS."""
        steering = self._steering
        if key == "panic":
            steering.panic()
        elif key in LEVELS:
            steering.command("level", value=LEVELS[key])
        elif key in NET_NAMES:
            steering.set_model_enabled(key, self._figures.nets()[key] == "off")
        else:
            what, _, part = key.partition("_")
            plays, locked = self._figures.conducting.conductor.standing()[part_row(part)]
            if what == "switch":
                steering.switch_part(part, not plays)
            elif what == "lock":
                steering.lock_part(part, not locked)
            else:
                steering.reroll_part(part)
