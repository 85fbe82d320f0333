"""A session: source, worker, conductor, performer and sink, put together and taken apart in order.

    source ==> worker ==> conductor ==> performer ==> sink
        audio ring   tick ring    event ring     out ring

The worker and the performer run without the GIL; source (of a file), conductor and sink are Python
threads.  All are daemons.  Live and offline differ in source, sink and the performer's clock only.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kelly._rt import backend
from kelly.audio.sources import FileSource, Source, open_source
from kelly.config import Config
from kelly.errors import BackendUnavailableError, ConfigError, TakeError
from kelly.generate.conductor import Conductor
from kelly.generate.settings import ConductorSettings
from kelly.generate.why import Reason
from kelly.joining import join
from kelly.live.chain import Chain
from kelly.live.commands import Commands
from kelly.live.conducting import Conducting
from kelly.live.engines import conductor_engines
from kelly.live.figures import Figures
from kelly.live.hearing import given, hearing, nets
from kelly.live.intent import constrained, intent_of
from kelly.live.keyboard import KeyboardSource, open_keyboard
from kelly.live.osc import OscSender
from kelly.live.pedalboard import Pedalboard
from kelly.live.players import conductor_settings
from kelly.live.priority import raised
from kelly.live.recorder import Recorder
from kelly.live.salvage import salvage, unfinished
from kelly.live.stats import Snapshot
from kelly.live.steering import Steering
from kelly.live.watch import Watch
from kelly.live.window import Window
from kelly.midi.inputs import Controls, bindings
from kelly.midi.listener import Listener, open_listener
from kelly.midi.native import NativeSink
from kelly.midi.sink import Score, Sink
from kelly.midi.sinks import RtMidiSink, open_sink
from kelly.midi.tempo import TempoMap
from kelly.nets.processor import MultiModelProcessor

JOIN_S = 1.0
DRAIN_S = 0.05  # two periods of any server, until what was sent has left
FINISH_S = 3.0  # what was planned when a recorded session is ended is still played, but no longer than this
SWITCH_INTERVAL_S = 0.0005  # how soon a waiting Python thread gets the GIL; Python's own 5 ms is a long time to a note


class Session(Steering):
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
                self.pedals = Pedalboard(self, source, self.news, listener, ternary=config.music.ternary) if listener is not None else None
                self.osc = OscSender(config.osc.to, lambda: self._conducting.newest, self.source.sample_rate_hz) if realtime and config.osc.to else None
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
        config, source, realtime = self.config, self.source, self.realtime
        ears, engines = hearing(config, source), conductor_engines(self.processor)
        self._conductor = Conductor(source.sample_rate_hz, settings, engines)
        end_s = config.audio.end_s
        if end_s is None and isinstance(source, FileSource) and source.tail_s > 0.0:
            end_s = source.sound_frames / source.sample_rate_hz
        take = self._record(Path(config.record.folder), end_s) if config.record.folder else None
        tape = take.tape if take is not None else None
        chain = Chain(config, source, ears, settings, self.processor, self._intent, tape, self._replayed, realtime)
        super().__init__(chain, engines, take, config.engine.arithmetic)
        self._performer = chain.performer
        if take is not None:
            take.torn = lambda: chain.worker.torn
            take.silences = chain.performer.silences
        if realtime and isinstance(self.sink, NativeSink):
            chain.performer.play_to(self.sink.port)
        self._stopping, self._ended, self._closed = threading.Event(), threading.Event(), False
        self._failure: BaseException | None = None
        self._switch_interval_s = 0.0
        self._conducting = Conducting(
            self._conductor, engines, chain, take, news=self.news, realtime=realtime, stopping=self._stopping,
            end_frame=None if end_s is None else round(end_s * source.sample_rate_hz),
            finish=source.finish if self._replayed is None else None,  # a take ends where its sound does
            reflex=config.engine.reflex_note is not None,
            forgets=realtime and take is None and self.sink.path is None,
        )  # fmt: skip
        self.receipts = self._conducting.receipts
        self.priorities: dict[str, bool] = {}  # per real-time thread: was its priority granted?
        self._threads = [
            threading.Thread(target=target, name=f"kelly-{name}", daemon=True)
            for name, target in (
                ("worker", self._raised("worker", chain.worker.run)),
                ("conductor", self._guarded(self._conducting.run)),
                ("performer", self._raised("performer", chain.performer.run)),
                ("sink", self._guarded(self._drain)),
            )
        ]
        self._watch = Watch(
            source, self.sink, chain.performer, patience_s=config.audio.patience_s, news=self.news, inputs=self._inputs, failed=self._fail
        )
        self._watching = threading.Thread(target=self._guarded(self._watch.run), name="kelly-watch", daemon=True)
        self._figures = Figures(source, self.sink, self._inputs, self.processor, chain, self._conducting, self._watch)
        self._mailbox = Window(self._figures, self).mailbox
        if isinstance(self.sink, RtMidiSink) and "JACK" in getattr(source, "host_api", ""):
            self.sink.watch(self._callback_moves())

    def _record(self, folder: Path, end_s: float | None) -> Recorder:
        """Begin a take; one that was cut off before is finished first."""
        for take in unfinished(folder):
            try:
                self.notices.append(f"an unfinished take was completed: {salvage(take)}")
            except (OSError, TakeError) as error:
                self.notices.append(str(error))
        nets = {slot.name: slot.sha256 or slot.source for slot in self.processor.slots}
        return Recorder(folder, self.config, self.source.sample_rate_hz, self.score, nets, end_s)

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
        join(self._watching, JOIN_S)
        if self.pedals is not None:
            self.pedals.close()
        started = self._threads[0].ident is not None
        if started and self.take is not None and self._failure is None:
            self.source.finish()
            self._ended.wait(FINISH_S)
        self.source.capture.stop()
        self._stopping.set()
        self._performer.stop()
        worker, conductor, performer, sink = self._threads
        join(performer, JOIN_S)
        join(sink, JOIN_S)
        self.source.stop()
        if started:
            if isinstance(self.sink, RtMidiSink):
                time.sleep(DRAIN_S)
            join(worker, JOIN_S)
            join(conductor, JOIN_S)
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

    def _drain(self) -> None:
        """[sink] the out ring to wherever the notes go."""
        poll_s = 0.0005 if isinstance(self.sink, RtMidiSink) else 0.05 if self.realtime else 0.0003
        while True:
            done = self._performer.done  # read before the ring: then nothing can follow
            if self._chain.out.wait(0.1, poll_s):
                events = self._chain.out.pop()
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

    # Views, and what only some sessions have.  [any Python thread]

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

    @property
    def reasons(self) -> list[Reason]:
        """Why each note was struck, in the order of planning; the newest ones where notes go to a port or into a take."""
        return self._conductor.reasons

    def reports(self, every_s: float = 1.0) -> Iterator[Snapshot]:
        """A snapshot every ``every_s`` until the session ends."""
        while not self.wait(every_s):
            yield self.snapshot()

    def snapshot(self) -> Snapshot:
        """The session now: newest tick and counters."""
        return self._figures.snapshot()

    def counters(self) -> dict[str, int]:
        """What happened so far; every drop counter of a file or demo stays 0."""
        return self._figures.counters()

    def faults(self) -> dict[str, int]:
        """Answers that were not finite, per net."""
        return self._figures.faults()

    def nets(self) -> dict[str, str]:
        """Who answers for each net now: "model", "fallback" or "off"."""
        return self._figures.nets()

    def summary(self) -> dict[str, Any]:
        """Groups of figures for the end of a session."""
        return self._figures.summary(self.take, self.realtime, self.config.engine.reflex_note is not None)


def _load(config: Config) -> MultiModelProcessor:
    """The five nets as the settings want them.

    raises  BackendUnavailableError unless the compiled engine runs them: the worker calls its C code
    """
    engine = backend()
    if not engine.startswith("cython"):
        raise BackendUnavailableError(f"a session needs the compiled engine, found {engine}; unset KELLY_RT_BACKEND")
    return nets(config)
