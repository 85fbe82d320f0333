"""The two loops that run without the GIL, and the rings that lead to them, between them and away.

    audio ring ==> worker ==> ticks ==> (conductor) ==> events ==> performer ==> out
                     ^ commands, receipts v
"""

from __future__ import annotations

from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import dtype
from kelly._rt.stream.features import FeatureExtractor
from kelly._rt.stream.performer import Performer
from kelly._rt.stream.ring import Ring
from kelly._rt.stream.tracker import Tracker
from kelly._rt.stream.worker import Worker, receipt_dtype
from kelly.audio.sources import Source
from kelly.config import Config
from kelly.generate.settings import ConductorSettings
from kelly.live.commands import Commands
from kelly.music.controls import NAMES
from kelly.music.intent import Intent
from kelly.nets.processor import MultiModelProcessor

TICKS, COMMANDS, RECEIPTS, EVENTS, OUT = 256, 256, 1024, 4096, 8192  # ring sizes; 256 ticks are ten seconds


class Chain:
    """Worker, performer and their rings, prepared.

    source     what the worker hears
    ears       front end and tracker, prepared at the source's rate
    settings   of the conductor: the reflex voice takes a channel that no part plays on
    processor  whose nets the worker gets clones of
    intent     drives the nets in the recognizer's place, None for none
    tape       gets the sound as the worker heard it, None where nobody records
    replayed   commands of a take, carried out at the ticks they name
    realtime   False: as fast as the machine allows
    thread     [main]; allocates everything
    """

    def __init__(
        self, config: Config, source: Source, ears: tuple[FeatureExtractor, Tracker], settings: ConductorSettings, processor: MultiModelProcessor,
        intent: Intent | None, tape: Ring | None, replayed: Commands | None, realtime: bool,
    ) -> None:  # fmt: skip
        event, reflex_note = dtype("event"), config.engine.reflex_note
        self.ticks, self.commands = Ring(dtype("tick"), TICKS), Ring(dtype("command"), COMMANDS)
        self.receipts, self.events, self.out = Ring(receipt_dtype(), RECEIPTS), Ring(event, EVENTS), Ring(event, OUT)
        strikes = Ring(event, EVENTS) if reflex_note is not None else None
        used = {part.channel for part in settings.parts if part.enabled}
        self.reflex_channel = next((c for c in range(16, 0, -1) if c not in used), 16)
        slots = {name: processor.slot(name) for name in NET_NAMES}
        self.worker = Worker(
            source.capture,
            *ears,
            {name: slot.network.clone() for name, slot in slots.items() if slot.network is not None},
            self.ticks,
            self.commands,
            self.receipts,
            enabled=[name for name, slot in slots.items() if slot.enabled],
            strikes=strikes,
            reflex_note=reflex_note,
            reflex_channel=self.reflex_channel,
            path=None if intent is None else intent.path(),
            path_bars=0.0 if intent is None else intent.bars,
            tape=tape,
            controls=[getattr(config.controls, name) for name in NAMES],
            script=replayed.script if replayed is not None else None,
            personal=config.personal.rows,
            paced=realtime,
        )
        self.performer = Performer(
            self.events, self.out, strikes, source.capture if realtime else None, early_s=config.engine.latency_ms / 1000.0,
            script=replayed.silences if replayed is not None and not realtime else None,
        )
