"""A session: source, worker, conductor, performer and sink, put together and taken apart in order.

    source ==> worker ==> conductor ==> performer ==> sink
        audio ring   tick ring    event ring     out ring

The worker and the performer run without the GIL; source (of a file), conductor and sink are Python
threads.  All are daemons.  Live and offline differ in source, sink and the performer's clock only.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from kelly._rt import backend
from kelly._rt.contract import NET_NAMES
from kelly._rt.hooks import Hook
from kelly._rt.layout import COMMAND_KINDS, SOURCES, dtype
from kelly._rt.stream.performer import Performer
from kelly._rt.stream.ring import Ring
from kelly._rt.stream.worker import Worker, receipt_dtype
from kelly.audio.sources import FileSource, Source, open_source
from kelly.config import Config
from kelly.errors import (
    BackendUnavailableError,
    ConfigError,
    TakeError,
)
from kelly.generate.conductor import Conductor
from kelly.generate.settings import ConductorSettings, part_row
from kelly.generate.why import Reason
from kelly.live.commands import Commands
from kelly.live.engines import conductor_engines
from kelly.live.hearing import given, hearing, nets
from kelly.live.intent import constrained, intent_of
from kelly.live.keyboard import KeyboardSource, open_keyboard
from kelly.live.mailbox import COUNTERS, LEVELS, LOCKED, SILENT, Mailbox
from kelly.live.osc import OscSender
from kelly.live.pedalboard import Pedalboard
from kelly.live.players import conductor_settings
from kelly.live.priority import raised
from kelly.live.salvage import salvage, unfinished
from kelly.live.stats import Snapshot, latency_row
from kelly.live.take import Recorder
from kelly.live.watch import Watch
from kelly.midi.inputs import Controls, bindings
from kelly.midi.listener import Listener, open_listener
from kelly.midi.native import NativeSink
from kelly.midi.sinks import RtMidiSink, Score, Sink, open_sink
from kelly.midi.tempo import TempoMap
from kelly.music.controls import NAMES, within
from kelly.nets.processor import MultiModelProcessor, RuledNetwork, load_file

TICKS, EVENTS, OUT = 256, 4096, 8192  # ring sizes; 256 ticks are ten seconds
JOIN_S = 1.0
DRAIN_S = 0.05  # two periods of any server, until what was sent has left
KNOTS = 128  # beats whose frames a session without a file remembers
REASONS = 512  # of notes, that a session without a file remembers: most of a minute, and half a megabyte
REST_S = 0.024  # after a tick the next is 40 ms away, and looking for it costs
FINISH_S = 3.0  # what was planned when a recorded session is ended is still played, but no longer than this
SWITCH_INTERVAL_S = 0.0005  # how soon a waiting Python thread gets the GIL; Python's own 5 ms is a long time to a note
WOODBLOCK = 115  # General MIDI: the reflex voice is struck


class Session:
    """Listens and plays until the source ends or someone closes it.

    config    from kelly.load_config
    source    instead of the one that config.audio names
    sink      instead of the one that config.midi names
    realtime  False: as fast as the machine allows; the source must be a file
    commands  of a take, from kelly.live.commands: carried out at the ticks they name; the stream's end is its own then
    without   rows of kelly.generate.why.FACTORS that shall weigh nothing
    raises    AudioDeviceError, AudioFileError, MidiPortError, MidiFileError, ConfigError, ModelError
    thread    [main]; the constructor allocates everything, ``start`` starts the threads

    notices   sentences about what "auto" chose
    news      sentences about what happened since, for whoever takes them
    take      the recording, None where config.record names no folder
    """

    def __init__(
        self, config: Config, *, source: Source | None = None, sink: Sink | None = None, realtime: bool = True,
        commands: Commands | None = None, without: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._intent, self._replayed = intent_of(config), commands
        config = constrained(config, self._intent)
        self.config, self.realtime, self.notices = config, realtime, []
        if self._intent is not None:
            self.notices.append(self._intent.describe())
        self.news: deque[str] = deque(maxlen=100)
        given(config)  # says what is wrong before a device is opened
        settings = conductor_settings(config, self._intent, without)
        if source is None and config.audio.keyboard:
            source = open_keyboard(config.audio.keyboard)
            self.notices.append(f"the player is a keyboard: {source.name}")
        elif source is None:
            source, said = open_source(config.audio.input, config.audio.channel, config.audio.block_frames, realtime, config.audio.tail_s)
            self.notices += [said] if said else []
        self.source: Source = source
        try:
            if sink is None:
                sink, said = open_sink(config.midi.output)
                self.notices += [said] if said else []
            self.sink: Sink = sink
            listener: Listener | None = None
            try:
                if realtime and config.midi.input:
                    listener = open_listener(config.midi.input, Controls(bindings(config.midi.controls)))
                    self.notices.append(f"pedals and clock: {listener.description}")
                self.processor = _load(config)
                keys = self.source.listener if isinstance(self.source, KeyboardSource) else None
                self._inputs = [one for one in (listener, keys) if one is not None]
                self._prepare(settings)
                self.pedals = Pedalboard(self, listener, ternary=config.music.ternary) if listener is not None else None
                self.osc = OscSender(config.osc.to, lambda: self._newest, self.source.sample_rate_hz) if realtime and config.osc.to else None
                if self.osc is not None:
                    self.notices.append(f"OSC goes to {self.osc.address[0]}, port {self.osc.address[1]}")
            except BaseException:
                sink.close(None)
                if listener is not None:
                    listener.close()
                raise
        except BaseException:
            source.stop()
            raise

    def _prepare(self, settings: ConductorSettings) -> None:
        """Everything that allocates."""
        config, capture, rate = self.config, self.source.capture, self.source.sample_rate_hz
        extractor, tracker = hearing(config, self.source)
        event, reflex_note = dtype("event"), config.engine.reflex_note
        self._engines = conductor_engines(self.processor)
        self._conductor = Conductor(rate, settings, self._engines)
        self._end_s = config.audio.end_s
        if self._end_s is None and isinstance(self.source, FileSource) and self.source.tail_s > 0.0:
            self._end_s = self.source.sound_frames / rate
        self.take = self._record(Path(config.record.folder)) if config.record.folder else None
        self._ticks, self._commands = Ring(dtype("tick"), TICKS), Ring(dtype("command"), 256)
        self._receipts, self._events, self._out = Ring(receipt_dtype(), 1024), Ring(event, EVENTS), Ring(event, OUT)
        strikes = Ring(event, EVENTS) if reflex_note is not None else None
        used = {part.channel for part in settings.parts if part.enabled}
        self._reflex_channel = next((c for c in range(16, 0, -1) if c not in used), 16)
        slots = {name: self.processor.slot(name) for name in NET_NAMES}
        self._worker = Worker(
            capture,
            extractor,
            tracker,
            {name: slot.network.clone() for name, slot in slots.items() if slot.network is not None},
            self._ticks,
            self._commands,
            self._receipts,
            enabled=[name for name, slot in slots.items() if slot.enabled],
            strikes=strikes,
            reflex_note=reflex_note,
            reflex_channel=self._reflex_channel,
            path=None if self._intent is None else self._intent.path(),
            path_bars=0.0 if self._intent is None else self._intent.bars,
            tape=self.take.tape if self.take is not None else None,
            controls=[getattr(config.controls, name) for name in NAMES],
            script=self._replayed.script if self._replayed is not None else None,
            personal=config.personal.rows,
        )
        if self.take is not None:
            self.take.torn = lambda: self._worker.torn
            self.take.silences = lambda since: self._performer.silences(since)
        self._performer = Performer(
            self._events, self._out, strikes, capture if self.realtime else None, early_s=config.engine.latency_ms / 1000.0,
            script=self._replayed.silences if self._replayed is not None and not self.realtime else None,
        )
        if self.realtime and isinstance(self.sink, NativeSink):
            self._performer.play_to(self.sink.port)
        self._end_frame = None if self._end_s is None else round(self._end_s * rate)
        self._stopping, self._ended, self._closed = threading.Event(), threading.Event(), False
        self._failure: BaseException | None = None
        self._newest: Any | None = None
        self._reload_lock = threading.Lock()
        self._command_lock = threading.Lock()  # several callers, one producer; no real-time thread takes it
        self._switch_interval_s = 0.0
        self.receipts: deque[Any] = deque(maxlen=256)
        self._writes_a_file = self.take is not None or self.sink.path is not None or not self.realtime
        self._switches: deque[Any] = deque()  # receipts the conductor has still to look at
        self.priorities: dict[str, bool] = {}  # per real-time thread: was its priority granted?
        self._threads = [
            threading.Thread(target=target, name=f"kelly-{name}", daemon=True)
            for name, target in (
                ("worker", self._raised("worker", self._worker.run)),
                ("conductor", self._guarded(self._conduct)),
                ("performer", self._raised("performer", self._performer.run)),
                ("sink", self._guarded(self._drain)),
            )
        ]
        self._watch = Watch(
            self.source, self.sink, self._performer, patience_s=config.audio.patience_s, news=self.news, inputs=self._inputs, failed=self._fail
        )
        self._watching = threading.Thread(target=self._guarded(self._watch.run), name="kelly-watch", daemon=True)
        self._mailbox = Mailbox(self._fill_page, self._press, self.set_control)
        if isinstance(self.sink, RtMidiSink) and "JACK" in getattr(self.source, "host_api", ""):
            self.sink.watch(self._callback_moves())

    def _record(self, folder: Path) -> Recorder:
        """Begin a take; one that was cut off before is finished first."""
        for take in unfinished(folder):
            try:
                self.notices.append(f"an unfinished take was completed: {salvage(take)}")
            except (OSError, TakeError) as error:
                self.notices.append(str(error))
        nets = {slot.name: slot.sha256 or slot.source for slot in self.processor.slots}
        return Recorder(folder, self.config, self.source.sample_rate_hz, self.score, nets, self._end_s)

    # Life cycle.  [main]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start listening and playing."""
        self._switch_interval_s = sys.getswitchinterval()
        if self.realtime:
            sys.setswitchinterval(min(SWITCH_INTERVAL_S, self._switch_interval_s))
        if self.take is not None:
            self.take.start()
        for thread in self._threads:
            thread.start()
        if self.realtime:
            self._mailbox.start()
        if self.pedals is not None:
            self.pedals.start()
        if self.osc is not None:
            self.osc.start()
        try:
            self.source.start()
        except BaseException:
            self.close()
            raise
        self._watching.start()  # not before: to its eyes a source that is just starting has gone

    def wait(self, timeout_s: float | None = None) -> bool:
        """True once the source has ended and everything is played; False after ``timeout_s``.

        raises  what ended the session before its time: DeviceLostError, AudioFileError, or a fault inside
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ended.is_set():
            left = 0.2 if until is None else until - time.monotonic()
            if left <= 0:
                return False
            self._ended.wait(min(left, 0.2))  # short, so that signals get their turn
        if self._failure is not None:
            raise self._failure
        if self.source.error is not None:
            raise self.source.error
        return True

    def close(self, save: bool = True) -> None:
        """Stop the source, release every note, save the file, close the port; idempotent, within seconds.

        A recorded session ends with the stream, as a file would, so that its take can be rendered again.

        save  False leaves no file behind
        """
        if self._closed:
            return
        self._closed = True
        self._mailbox.close()
        if self.osc is not None:
            self.osc.close()
        self._watch.close()
        if self._watching.ident is not None:
            self._watching.join(JOIN_S)
        if self.pedals is not None:
            self.pedals.close()
        started = self._threads[0].ident is not None
        if started and self.take is not None and self._failure is None:
            self.source.finish()
            self._ended.wait(FINISH_S)
        self.source.capture.stop()
        self._stopping.set()
        self._performer.stop()
        if started:
            worker, conductor, performer, sink = self._threads
            performer.join(JOIN_S)
            sink.join(JOIN_S)
        self.source.stop()
        if started:
            if isinstance(self.sink, RtMidiSink):
                time.sleep(DRAIN_S)
            worker.join(JOIN_S)
            conductor.join(JOIN_S)
            sys.setswitchinterval(self._switch_interval_s)
        self._ended.set()
        try:
            self.sink.close(self.score() if save else None)
        finally:
            if self.take is not None:
                self.take.close(save)

    def score(self) -> Score:
        """How the notes stand in bars, with tempo, key and parts."""
        conductor, music = self._conductor, self.config.music
        grid = conductor.grid
        tempo = TempoMap(grid.knots, music.tempo_bpm, music.beats_per_bar, grid.downbeat, music.ternary, grid.phrase_beats, grid.phrase_origin)
        return Score(self.source.sample_rate_hz, tempo, conductor.settings.parts, conductor.key)

    # Threads.

    def _guarded(self, target: Callable[[], None]) -> Callable[[], None]:
        """A fault in a Python thread releases every note and ends the session, and wait() tells."""

        def run() -> None:
            try:
                target()
            except BaseException as error:
                self._fail(error)

        return run

    def _raised(self, name: str, target: Callable[[], None]) -> Callable[[], None]:
        """Live, the two loops run at real-time priority where the system grants it."""
        return raised(name, target, self.priorities) if self.realtime else target

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._watch.close()
        self.source.capture.stop()
        self._stopping.set()
        self._performer.stop()
        self._ended.set()

    def _conduct(self) -> None:
        """[conductor] ticks in order -> planned events -> the performer's ring."""
        ticks = np.zeros(64, dtype("tick"))
        poll_s, rest_s = (0.004, REST_S) if self.realtime else (0.0003, 0.0)
        ending = False
        self._announce_reflex()
        while not self._stopping.is_set():
            if not self._ticks.wait(0.1, poll_s, rest_s):
                continue
            came = ticks[: self._ticks.pop_into(ticks)]
            if self.take is not None:
                self.take.ticks(came)
            self._take_receipts()
            for tick in came:
                self._switch(int(tick["index"]), int(tick["frame"]))
                for engine in self._engines.values():
                    engine.hear(tick)
                if self._end_frame is not None and int(tick["frame"]) >= self._end_frame:
                    self._end_frame = None
                    self._conductor.end_phrase(leads=False)
                    ending = True
                self._push(self._conductor.consume(tick))
                self._performer.publish(int(tick["frame"]))
                self._tell_breaks()
                if not ending and self._conductor.over(int(tick["frame"])):
                    ending = True
                    if self._replayed is None:  # a take ends where its sound does
                        self.source.finish()
                if tick["end"]:
                    self._push(self._conductor.finish())
                    if self.take is not None:
                        self.take.why(self._conductor.settled())
                    self._newest = tick.copy()
                    self._performer.finish()
                    return
            self._newest = tick.copy()
            if not self._writes_a_file and len(self._conductor.grid.knots) > KNOTS:
                del self._conductor.grid.knots[: KNOTS // 2]  # a port needs no tempo map, and a night of it is megabytes
            if self.take is not None:
                self.take.why(self._conductor.settled(int(tick["frame"])))
            elif not self._writes_a_file and len(self._conductor.reasons) > REASONS:
                del self._conductor.reasons[: REASONS // 2]

    def _tell_breaks(self) -> None:
        """[conductor] a rule broken on purpose is said, with its reason."""
        said = self._conductor.breaker.said
        while said:
            self.news.append(said.pop(0))

    def _take_receipts(self) -> None:
        """[conductor] what the worker has consumed; a tick's receipts are there before the tick."""
        if len(self._receipts):
            receipts = list(self._receipts.pop())
            self.receipts += receipts
            self._switches += receipts

    def _switch(self, index: int, frame: int) -> None:
        """[conductor] carry out the commands that are the conductor's, at the tick that consumed them."""
        while self._switches and self._switches[0]["tick"] <= index:
            receipt = self._switches.popleft()
            if self.take is not None:
                self.take.command(frame, receipt)
            command = receipt["command"]
            kind, on = COMMAND_KINDS[int(command["kind"])], bool(command["value"])
            if kind == "part":
                self._conductor.switch(int(command["index"]), on)
            elif kind == "lock":
                self._conductor.lock(int(command["index"]), on)
            elif kind == "reroll":
                self._conductor.reroll(int(command["index"]), int(command["value"]))
            elif kind == "rest":
                self._conductor.rest(on)
            elif kind == "end":
                self._conductor.end_phrase()

    def _push(self, events: Any) -> None:
        """Events to the performer; a file's wait for room, a device's for half a second."""
        while len(events) and not self._stopping.is_set():
            room = self._events.capacity - len(self._events)
            if room:
                events = events[self._events.push(events[:room]) :]
            else:
                time.sleep(0.001)

    def _announce_reflex(self) -> None:
        if self.config.engine.reflex_note is not None:
            program = np.zeros(1, dtype("event"))
            program["status"], program["data1"] = 0xC0 | (self._reflex_channel - 1), WOODBLOCK
            program["size"], program["part"], program["serial"] = 2, -1, -1
            self._push(program)

    def _drain(self) -> None:
        """[sink] the out ring to wherever the notes go."""
        poll_s = 0.0005 if isinstance(self.sink, RtMidiSink) else 0.05 if self.realtime else 0.0003
        while True:
            done = self._performer.done  # read before the ring: then nothing can follow
            if self._out.wait(0.1, poll_s):
                events = self._out.pop()
                self.sink.send(events)
                if self.take is not None:
                    self.take.notes(events)
            elif done:
                break
        if not self._stopping.is_set():
            self._ended.set()

    def _callback_moves(self) -> Callable[[], bool]:
        """Has the audio callback run since the last question?  Says something where one server does audio and MIDI."""
        seen = [-1]

        def moved() -> bool:
            before, seen[0] = seen[0], self.source.capture.blocks
            return seen[0] != before

        return moved

    # Commands and views.  [any Python thread]

    def set_model_enabled(self, name: str, enabled: bool) -> None:
        """Switch a net on or off, over half a second; KeyError names the five."""
        if name not in NET_NAMES:
            raise KeyError(f"no net is called {name!r}; the five are {', '.join(NET_NAMES)}")
        self._command("enable" if enabled else "disable", index=NET_NAMES.index(name))

    def reload_model(self, name: str, path: str | os.PathLike[str]) -> None:
        """Let another network answer for a net, over half a second; the old one plays until then.

        name    of a net; KeyError names the five
        path    RTNeural JSON of that net's sizes
        raises  ModelError: the old network plays on
        """
        network = load_file(name, path, self.config.engine.arithmetic).network
        with self._reload_lock:
            if name in self._engines:
                self._engines[name].replace(RuledNetwork(name, network))
                self._worker.offer(name, None)
            else:
                self._worker.offer(name, network)
            self._command("reload", index=NET_NAMES.index(name))
        if self.take is not None:
            self.take.remark(f"{name} was loaded anew from {path}")

    def push_embedding(self, vector: ArrayLike) -> None:
        """Drive the nets in the recognizer's place, from the next network hop on.

        vector  64 finite numbers, contract EMBEDDING
        raises  ValueError
        """
        embedding = np.asarray(vector, np.float32)
        if embedding.shape != (64,) or not np.isfinite(embedding).all():
            raise ValueError(f"an embedding is 64 finite numbers, found shape {embedding.shape}")
        self._command("embedding", vector=embedding)

    def release_embedding(self) -> None:
        """Give the recognizer its place back."""
        self._command("release_embedding")

    def set_control(self, name: str, value: float) -> None:
        """Turn one of ``layout.CONTROLS``, from the next network hop on.

        value   kept within the control's range
        raises  ConfigError for another name, naming them
        """
        kept = within(name, value)
        self._command("control", index=NAMES.index(name), value=kept)

    def switch_part(self, name: str, on: bool) -> None:
        """A part plays, or not, from the next planned 16th on; ConfigError names the parts."""
        self._command("part", index=part_row(name), value=float(on))

    def lock_part(self, name: str, on: bool) -> None:
        """A part repeats the phrase it has just played, until it is let go."""
        self._command("lock", index=part_row(name), value=float(on))

    def reroll_part(self, name: str) -> None:
        """A part draws anew, as with another seed; a lock is let go."""
        self._command("reroll", index=part_row(name), value=1.0)

    def freeze(self, on: bool) -> None:
        """Keep the mood as it is, or give the recognizer its place back."""
        self._command("freeze", value=float(on))

    def add_hook(self, hook: Hook) -> None:
        """Let a function compiled by ``kelly.hook`` take part: the worker calls it each network hop, without the GIL.

        It is called after the key, beat and chord were tracked and before the nets are asked; several are called in the
        order in which they were added. Before ``start`` it hears the stream from its first hop on, which is what makes a
        render repeatable.

        raises  TypeError for anything that kelly.hook did not make, ValueError for a ninth
        """
        if not isinstance(hook, Hook):
            raise TypeError(f"add_hook: expected a function decorated with @kelly.hook, found {type(hook).__name__}")
        with self._command_lock:
            self._worker.add_hook(hook)
        if self.take is not None:
            self.take.remark(f"a function of Python took part: {hook.name}")

    def remove_hook(self, hook: Hook) -> None:
        """The function takes part no more, from the next network hop on; what it wrote last stays where nobody turns it.

        raises  ValueError for one that does not take part
        """
        with self._command_lock:
            self._worker.remove_hook(hook)
        if self.take is not None:
            self.take.remark(f"a function of Python left: {hook.name}")

    def panic(self) -> None:
        """All notes off now; the music goes on with the next planned note."""
        self._performer.panic()
        self._command("panic")

    def command(self, kind: str, index: int = 0, value: float = 0.0, frame: int = -1) -> None:
        """A row of ``layout.COMMAND_KINDS``, carried out at the next network hop and stamped with it.

        index, value, frame  as the row says
        raises               ValueError for another kind; RuntimeError when the session has ended
        """
        self._command(kind, index, value=value, frame=frame)

    def learn(self, action: str | None, keep_in: Path | None = None) -> str:
        """Let the next control used on the MIDI input do an action; None gives up.

        keep_in  the kelly.toml that what is learned is written to; None: for this session only
        returns  a sentence for people
        raises   ConfigError without a MIDI input, or for no such action
        """
        if self.pedals is None:
            raise ConfigError("nothing can be learned without a MIDI input: --midi-in PORT")
        self.pedals.keep_in = keep_in
        try:
            self.pedals.listener.controls.learn(action)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        return f"press or move what shall do {action!r}" if action else "nothing is learned"

    def _command(self, kind: str, index: int = 0, vector: Any = 0.0, value: float = 0.0, frame: int = -1) -> None:
        record = np.zeros(1, dtype("command"))
        record["kind"], record["index"], record["vector"] = COMMAND_KINDS.index(kind), index, vector
        record["value"], record["frame"] = value, frame
        with self._command_lock:
            if self._commands.push(record, timeout_s=0.5) != 1:
                raise RuntimeError("the session takes no commands; has it ended?")

    @property
    def reasons(self) -> list[Reason]:
        """Why each note was struck, in the order of planning; the newest ones where notes go to a port or into a take."""
        return self._conductor.reasons

    def snapshot(self) -> Snapshot:
        """The session now: newest tick and counters."""
        return Snapshot(self._newest, self.source.capture.frames / self.source.sample_rate_hz, self.counters())

    def _fill_page(self, body: Any) -> None:
        """[mailbox] what a viewer in another process sees."""
        counters = self.counters()
        body["counters"] = [counters.get(name, 0) for name in COUNTERS]
        body["hop_buckets"], body["late_buckets"] = self._worker.busy_buckets(), self._performer.lateness_buckets()
        body["source"], body["sink"] = self.source.name.encode()[:64], self.sink.description.encode()[:64]
        body["sample_rate_hz"] = self.source.sample_rate_hz
        body["parts"] = [SILENT * (not plays) + LOCKED * locked for plays, locked in self._conductor.standing()]
        if self._newest is not None:
            body["has_tick"], body["tick"] = 1, self._newest

    def _press(self, key: str) -> None:
        """[mailbox] a viewer's key."""
        if key == "panic":
            self.panic()
        elif key in LEVELS:
            self.command("level", value=LEVELS[key])
        elif key not in NET_NAMES:
            what, _, part = key.partition("_")
            plays, locked = self._conductor.standing()[part_row(part)]
            if what == "switch":
                self.switch_part(part, not plays)
            elif what == "lock":
                self.lock_part(part, not locked)
            else:
                self.reroll_part(part)
        else:
            self.set_model_enabled(key, self.nets()[key] == "off")

    def reports(self, every_s: float = 1.0) -> Iterator[Snapshot]:
        """A snapshot every ``every_s`` until the session ends."""
        while not self.wait(every_s):
            yield self.snapshot()

    def counters(self) -> dict[str, int]:
        """What happened so far; every drop counter of a file or demo stays 0."""
        return {
            **self.source.capture.counters(),
            **self._worker.counters(),
            "net_faults": sum(self.faults().values()),
            "echoes": self._conductor.echoes,
            **self._performer.counters(),
            "device_losses": self._watch.losses,
            "device_returns": self._watch.returns,
            "tick_ring_peak": self._ticks.peak,
            "event_ring_peak": self._events.peak,
            "out_ring_peak": self._out.peak,
            **self.sink.counters(),
            **{name: sum(one.counters()[name] for one in self._inputs) for name in ("midi_lost", "midi_skipped", "midi_sysex") if self._inputs},
        }

    def faults(self) -> dict[str, int]:
        """Answers that were not finite, per net."""
        asked = {**self._worker.faults(), **{name: engine.faults for name, engine in self._engines.items()}}
        return {name: asked[name] for name in NET_NAMES}

    def nets(self) -> dict[str, str]:
        """Who answers for each net now: "model", "fallback" or "off"."""
        if self._newest is None:
            return dict(self.processor.sources)
        return {name: SOURCES[source] for name, source in zip(NET_NAMES, self._newest["source"], strict=True)}

    def summary(self) -> dict[str, Any]:
        """Groups of figures for the end of a session."""
        counters, conductor = self.counters(), self._conductor
        groups: dict[str, Any] = {
            "heard": {"from": self.source.name, "seconds": round(counters["frames"] / self.source.sample_rate_hz, 1)},
            "played": {part.name: notes for part, notes in zip(conductor.settings.parts, conductor.played, strict=True)},
            "nets": self.nets(),
            "network hop": latency_row(self._worker.busy()),
        }
        if self.realtime:
            groups["notes behind time"] = latency_row(self._performer.lateness())
            if self.config.engine.reflex_note is not None:
                groups["reflex behind onset"] = latency_row(self._performer.reflex_latency())
        names = ("dropped_frames", "gap_frames", "input_overflows", "repaired_samples", "dropped_ticks",
                 "late_events", "stale_notes", "shed_hops", "device_losses", "device_returns", "net_faults", "hook_faults", "unsent_events", "late_sends", "latest_send_us", "held_sends",
                 "midi_lost", "midi_skipped", "midi_sysex", "open_notes")  # fmt: skip
        if conductor.broken:
            groups["rules broken"] = dict(sorted(conductor.broken.items()))
        if self.take is not None:
            groups["take"] = {"folder": str(self.take.folder), "seconds": round(self.take.frames / self.source.sample_rate_hz, 1)}
        groups["counters"] = {name: counters[name] for name in names if name in counters}
        return groups


def _load(config: Config) -> MultiModelProcessor:
    """The five nets as the settings want them.

    raises  BackendUnavailableError unless the compiled engine runs them: the worker calls its C code
    """
    engine = backend()
    if not engine.startswith("cython"):
        raise BackendUnavailableError(f"a session needs the compiled engine, found {engine}; unset KELLY_RT_BACKEND")
    return nets(config)
