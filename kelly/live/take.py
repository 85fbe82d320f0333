"""A take: what was heard, what was played and what was felt, in one folder, aligned to the frame.

    take.wav      float32, mono: every sample the worker heard, from frame 0
    take.mid      what was played; time 0 is the first frame of take.wav
    emotion.csv   one row per network hop (40 ms)
    why.jsonl     one line per note: kelly.generate.why.Reason
    commands.csv  what was asked for meanwhile, see kelly.live.commands
    kelly.toml    the settings; ``kelly render FOLDER`` plays the same notes

While it is recorded, notes and beats are appended to logs (notes.csv, beats.csv, score.json).  They go
when take.mid is there; after a crash they are what ``kelly.live.salvage`` makes take.mid from.

A disk that is full, or slower than the sound, ends the recording and nothing else.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.contract import EMBEDDING, NET_NAMES
from kelly._rt.layout import SOURCES
from kelly._rt.stream.ring import Ring
from kelly.audio.wav import WavWriter
from kelly.config import AudioConfig, Config, OscConfig, RecordConfig, to_toml
from kelly.errors import MidiFileError, TakeError
from kelly.generate.why import Reason
from kelly.joining import join
from kelly.live.commands import HEAD, command_row, silence_row
from kelly.midi.sink import Events, Score
from kelly.midi.sinks import released
from kelly.midi.smf import write_smf
from kelly.music.chord import Chord
from kelly.music.scale import Key
from kelly.nets.store import split_folders
from kelly.whole import whole

WAV, MIDI, EMOTION, COMMANDS, WHY, SETTINGS = "take.wav", "take.mid", "emotion.csv", "commands.csv", "why.jsonl", "kelly.toml"
NOTES, BEATS, SCORE = "notes.csv", "beats.csv", "score.json"
LOGS = (NOTES, BEATS, SCORE)
NOTES_HEAD = "frame,serial,part,status,data1,data2,size\n"
BEATS_HEAD = "frame,beat\n"
FELT = ("valence", "arousal", "tension", "dominance", "intensity", "confidence")
EMOTION_HEAD = ",".join(("frame", "time_s", *FELT, "level_db", "tempo_bpm", "key", "chord", *NET_NAMES)) + "\n"
LOG_HEADS = ((NOTES, NOTES_HEAD), (BEATS, BEATS_HEAD), (EMOTION, EMOTION_HEAD), (COMMANDS, HEAD), (WHY, ""))
FLUSH_S = 0.25
TAPE_S = 20.0  # what may wait for the disk


class Recorder:
    """Writes one take on a thread of its own.

    folder          where takes are kept; made if it is missing
    config          of the session
    sample_rate_hz  of its source
    score           () -> Score, the session's at this moment
    end_s           where the player is known to end, None where that is not known
    raises          TakeError where the folder cannot be written
    thread          [main] constructs and closes; notes and ticks are handed over by one thread each

    folder   of this take
    tape     ring for the worker
    failure  why the recording stopped before its time, None while it goes on
    frames   recorded so far
    """

    def __init__(self, folder: str | os.PathLike[str], config: Config, sample_rate_hz: float, score: Callable[[], Score],
                 nets: Mapping[str, str] | None = None, end_s: float | None = None) -> None:  # fmt: skip
        self.sample_rate_hz, self._score = sample_rate_hz, score
        self.failure: str | None = None
        self.disk_full = False
        self.torn: Callable[[], bool] = lambda: False
        self.silences: Callable[[int], list[tuple[int, int, int]]] = lambda since: []
        self._silenced = 0
        try:
            self.folder = _new_folder(Path(folder), time.localtime())
            settings = to_toml(_own_settings(config, score(), end_s))
            hashes = "".join(f"# {name}: {told}\n" for name, told in (nets or {}).items())
            (self.folder / SETTINGS).write_text(f"# the settings of this take; its nets were\n{hashes}\n{settings}", encoding="utf-8")
            self._wav = WavWriter(self.folder / WAV, round(sample_rate_hz))
            self._logs = {name: _Log(self.folder / name, head) for name, head in LOG_HEADS}
        except OSError as error:
            _remove(getattr(self, "folder", None))
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise TakeError(f"{folder}: cannot record there: {error.strerror or error}") from error
        self.tape = Ring(np.float32, int(TAPE_S * sample_rate_hz))
        self._notes: deque[Events] = deque()
        self._ticks: deque[Any] = deque()
        self._reasons: deque[Sequence[Reason]] = deque()
        self._commands: deque[str] = deque()
        self._played: list[Events] = []
        self._beats, self._told = 0, ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kelly-record", daemon=True)

    @property
    def frames(self) -> int:
        return self._wav.frames

    def start(self) -> None:
        self._thread.start()

    def notes(self, events: Events) -> None:
        """What was performed.  [sink]"""
        self._notes.append(events.copy())

    def ticks(self, ticks: Any) -> None:
        """What was felt.  [conductor]"""
        self._ticks.append(ticks.copy())

    def command(self, frame: int, receipt: Any) -> None:
        """What was asked for, and the frame of the tick that took it.  [conductor]"""
        self._commands.append(command_row(frame, receipt))

    def remark(self, words: str) -> None:
        """Something that no command can repeat.  [any Python thread]"""
        self._commands.append(f"# {' '.join(words.split())}\n")

    def why(self, reasons: Sequence[Reason]) -> None:
        """Why the notes were struck, each once.  [conductor]"""
        if reasons:
            self._reasons.append(reasons)

    def close(self, keep: bool = True) -> None:
        """Write what waits and take.mid; without ``keep``, take the folder away.  After the threads that hand over."""
        if self._closing.is_set():
            return
        self._closing.set()
        join(self._thread)
        self._flush(last=True)
        self._wav.close()
        for log in self._logs.values():
            log.close()
        if not keep:
            _remove(self.folder)
            return
        try:
            save(self.folder, np.concatenate(self._played) if self._played else None, self._score())
        except (OSError, MidiFileError) as error:
            self._stop(error if isinstance(error, OSError) else error.__cause__ if isinstance(error.__cause__, OSError) else OSError(0, str(error)))

    def _run(self) -> None:
        """[record]"""
        while not self._closing.wait(FLUSH_S):
            self._flush()

    def _flush(self, last: bool = False) -> None:
        """To the disk, what came since; sound first."""
        while len(sound := self.tape.pop(1 << 18)):
            if self.failure is None:
                self._attempt(partial(self._wav.write, sound))
        if self.failure is None and self.torn():
            self._stop(None)
        self._attempt(self._flush_notes)
        self._attempt(self._flush_ticks)
        self._attempt(self._flush_commands)
        self._attempt(partial(self._flush_score, last))

    def _attempt(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._stop(error)

    def _stop(self, error: OSError | None) -> None:
        if self.failure is not None:
            return
        at = f"the recording stopped after {self.frames / self.sample_rate_hz:.1f} s"
        if error is None:
            self.failure, self.disk_full = f"{self.folder}: the disk is too slow; {at}", True
        else:
            self.disk_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            self.failure = f"{self.folder}: {'disk full' if self.disk_full else error.strerror or error}; {at}"

    def _flush_notes(self) -> None:
        while self._notes:
            events = self._notes.popleft()
            if self.failure is None:
                self._played.append(events)
                names = ("frame", "serial", "part", "status", "data1", "data2", "size")
                self._logs[NOTES].write("".join(",".join(str(int(event[name])) for name in names) + "\n" for event in events))

    def _flush_ticks(self) -> None:
        while self._ticks:
            ticks = self._ticks.popleft()
            if self.failure is None:
                self._logs[EMOTION].write("".join(emotion_row(tick, self.sample_rate_hz) for tick in ticks))
        while self._reasons:
            reasons = self._reasons.popleft()
            if self.failure is None:
                self._logs[WHY].write("".join(reason.line() + "\n" for reason in reasons))

    def _flush_commands(self) -> None:
        rows = self.silences(self._silenced)
        self._silenced += len(rows)
        self._commands.extend(silence_row(*row) for row in rows)
        while self._commands:
            row = self._commands.popleft()
            if self.failure is None:
                self._logs[COMMANDS].write(row)

    def _flush_score(self, last: bool) -> None:
        """Beats that are final, and what else take.mid will need."""
        if self.failure is not None:
            return
        score = self._score()
        knots = list(score.tempo.knots)[self._beats : None if last else -1]
        if knots:
            self._logs[BEATS].write("".join(f"{frame},{beat}\n" for frame, beat in knots))
            self._beats += len(knots)
        told = json.dumps({
            "sample_rate_hz": score.sample_rate_hz, "tempo_bpm": score.tempo.tempo_bpm,
            "beats_per_bar": score.tempo.beats_per_bar, "ternary": score.tempo.ternary, "downbeat": score.tempo.downbeat % max(1, score.tempo.beats_per_bar), "key": score.key,
            "phrase_beats": score.tempo.phrase_beats, "phrase": score.tempo.phrase % max(1, score.tempo.phrase_beats),
            "parts": [{"name": part.name, "channel": part.channel, "program": part.program} for part in score.parts],
        })  # fmt: skip
        if told != self._told:
            with whole(self.folder / SCORE) as part:
                part.write_text(told, encoding="utf-8")
            self._told = told


class _Log:
    """Text that is appended to, line by line, and locked while somebody writes."""

    def __init__(self, path: Path, head: str) -> None:
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - it lives as long as the take
        lock(self._file.fileno())
        self.write(head)

    def write(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


def lock(file: int) -> bool:
    """Mark an open file as in use until it is closed, also by a crash; False where somebody else did."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to open or remove a file that is open elsewhere
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def save(folder: Path, events: Events | None, score: Score) -> None:
    """Write take.mid and remove the logs it replaces.

    raises  OSError, MidiFileError (which says why): the logs stay
    """
    rows = released(events, score.parts) if events is not None else ()
    write_smf(folder / MIDI, rows, score.tempo, score.parts, score.sample_rate_hz, key=score.key)
    for name in LOGS:
        (folder / name).unlink(missing_ok=True)


def emotion_row(tick: Any, sample_rate_hz: float) -> str:
    """One line of emotion.csv."""
    frame, root = int(tick["frame"]), int(tick["chord_root"])
    known = int(tick["key_tonic"]) >= 0 and int(tick["key_mode"]) != 0
    cells = (
        str(frame),
        f"{frame / sample_rate_hz:.4f}",
        *(f"{float(tick['embedding'][EMBEDDING[name].start]):.4f}" for name in FELT),
        f"{float(tick['level_db']):.1f}",
        f"{float(tick['tempo_bpm']):.2f}",
        Key(int(tick["key_tonic"]), int(tick["key_mode"])).short if known else "",
        str(Chord(root, int(tick["chord_quality"]))) if root >= 0 else "",
        *(SOURCES[source] for source in tick["source"]),
    )
    return ",".join(cells) + "\n"


def _new_folder(folder: Path, now: time.struct_time) -> Path:
    """Such as ``folder/kelly-20260131-235959``; a second one within the second gets a number."""
    folder.mkdir(parents=True, exist_ok=True)
    name = time.strftime("kelly-%Y%m%d-%H%M%S", now)
    for number in range(1, 1000):
        take = folder / (name if number == 1 else f"{name}-{number}")
        try:
            take.mkdir()
        except FileExistsError:
            continue
        return take.resolve()
    raise TakeError(f"{folder}: a thousand takes within a second")


def _remove(take: Path | None) -> None:
    """A take that shall not be."""
    if take is not None:
        for file in take.iterdir():
            file.unlink()
        take.rmdir()


def _own_settings(config: Config, score: Score, end_s: float | None) -> Config:
    """What renders take.wav as it was played: its only channel, no silence behind its end, the player's end where it was."""
    programs = {part.name: part.program for part in _named(score.parts, config)}
    folders = split_folders(config.models.path) if config.models.path else ()
    return replace(
        config,
        audio=AudioConfig(input=f"file:{WAV}", channel=1, gate_db=config.audio.gate_db, tail_s=0.0, end_s=end_s),
        midi=replace(config.midi, output=f"file:{MIDI}", input="", controls={}, programs=programs),
        models=replace(config.models, path=os.pathsep.join(str(folder.resolve()) for folder in folders)),
        osc=OscConfig(),
        music=replace(config.music, preset="", intent=str(Path(config.music.intent).resolve()) if config.music.intent else ""),
        record=RecordConfig(),
    )


def _named(parts: Sequence[Any], config: Config) -> Sequence[Any]:
    return [part for part in parts if part.name in config.midi.channels]
