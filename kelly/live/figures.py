"""What a session counts and measures, for the status line, for viewers and for its summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import SOURCES
from kelly.audio.sources import Source
from kelly.live.chain import Chain
from kelly.live.conducting import Conducting
from kelly.live.recorder import Recorder
from kelly.live.stats import Snapshot, latency_row
from kelly.live.watch import Watch
from kelly.midi.listener import Listener
from kelly.midi.sink import Sink
from kelly.nets.processor import MultiModelProcessor

INPUT_COUNTERS = ("midi_lost", "midi_skipped", "midi_sysex")
TOLD = (
    "dropped_frames", "gap_frames", "input_overflows", "repaired_samples", "dropped_ticks", "late_events", "stale_notes", "shed_hops",
    "device_losses", "device_returns", "net_faults", "hook_faults", "unsent_events", "late_sends", "latest_send_us", "held_sends",
    *INPUT_COUNTERS, "open_notes",
)  # fmt: skip
"""The counters of a summary, in their order."""


class Figures:
    """Everything that has figures, asked together.  [any Python thread]"""

    def __init__(
        self, source: Source, sink: Sink, inputs: Sequence[Listener], processor: MultiModelProcessor, chain: Chain,
        conducting: Conducting, watch: Watch,
    ) -> None:  # fmt: skip
        self.source, self.sink, self.chain, self.conducting = source, sink, chain, conducting
        self._inputs, self._processor, self._watch = inputs, processor, watch

    def counters(self) -> dict[str, int]:
        """What happened so far; every drop counter of a file or demo stays 0."""
        chain = self.chain
        return {
            **self.source.capture.counters(),
            **chain.worker.counters(),
            "net_faults": sum(self.faults().values()),
            "echoes": self.conducting.conductor.echoes,
            **chain.performer.counters(),
            "device_losses": self._watch.losses,
            "device_returns": self._watch.returns,
            "tick_ring_peak": chain.ticks.peak,
            "event_ring_peak": chain.events.peak,
            "out_ring_peak": chain.out.peak,
            **self.sink.counters(),
            **{name: sum(one.counters()[name] for one in self._inputs) for name in INPUT_COUNTERS if self._inputs},
        }

    def faults(self) -> dict[str, int]:
        """Answers that were not finite, per net."""
        asked = {**self.chain.worker.faults(), **{name: engine.faults for name, engine in self.conducting.engines.items()}}
        return {name: asked[name] for name in NET_NAMES}

    def nets(self) -> dict[str, str]:
        """Who answers for each net now: "model", "fallback" or "off"."""
        tick = self.conducting.newest
        if tick is None:
            return dict(self._processor.sources)
        return {name: SOURCES[source] for name, source in zip(NET_NAMES, tick["source"], strict=True)}

    def snapshot(self) -> Snapshot:
        """The session now: newest tick and counters."""
        return Snapshot(self.conducting.newest, self.source.capture.frames / self.source.sample_rate_hz, self.counters())

    def summary(self, take: Recorder | None, realtime: bool, reflex: bool) -> dict[str, Any]:
        """Groups of figures for the end of a session.

        realtime  whether lateness means anything
        reflex    whether there is a reflex voice
        """
        counters, conductor, rate = self.counters(), self.conducting.conductor, self.source.sample_rate_hz
        groups: dict[str, Any] = {
            "heard": {"from": self.source.name, "seconds": round(counters["frames"] / rate, 1)},
            "played": {part.name: notes for part, notes in zip(conductor.settings.parts, conductor.played, strict=True)},
            "nets": self.nets(),
            "network hop": latency_row(self.chain.worker.busy()),
        }
        if realtime:
            groups["notes behind time"] = latency_row(self.chain.performer.lateness())
        if realtime and reflex:
            groups["reflex behind onset"] = latency_row(self.chain.performer.reflex_latency())
        if conductor.broken:
            groups["rules broken"] = dict(sorted(conductor.broken.items()))
        if take is not None:
            groups["take"] = {"folder": str(take.folder), "seconds": round(take.frames / rate, 1)}
        groups["counters"] = {name: counters[name] for name in TOLD if name in counters}
        return groups
