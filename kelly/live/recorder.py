"""The recorder: writes a take while it is played, on a thread of its own.

What the other threads hand over waits in queues until it is written; a disk that is full, or slower than the sound, ends
the recording and nothing else.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.stream.ring import Ring
from kelly.audio.wav import WavWriter
from kelly.config import Config, to_toml
from kelly.errors import MidiFileError, TakeError
from kelly.generate.why import Reason
from kelly.joining import join
from kelly.live.commands import command_row, silence_row
from kelly.live.take import (
    BEATS,
    COMMANDS,
    EMOTION,
    LOG_HEADS,
    NOTES,
    SCORE,
    SETTINGS,
    WAV,
    WHY,
    beat_rows,
    emotion_row,
    lock,
    new_folder,
    note_rows,
    own_settings,
    remove,
    save,
    score_text,
)
from kelly.midi.sink import Events, Score
from kelly.whole import whole

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
            self.folder = new_folder(Path(folder), time.localtime())
            settings = to_toml(own_settings(config, score(), end_s))
            hashes = "".join(f"# {name}: {told}\n" for name, told in (nets or {}).items())
            (self.folder / SETTINGS).write_text(f"# the settings of this take; its nets were\n{hashes}\n{settings}", encoding="utf-8")
            self._wav = WavWriter(self.folder / WAV, round(sample_rate_hz))
            self._logs = {name: _Log(self.folder / name, head) for name, head in LOG_HEADS}
        except OSError as error:
            remove(getattr(self, "folder", None))
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
            remove(self.folder)
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
                self._logs[NOTES].write(note_rows(events))

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
            self._logs[BEATS].write(beat_rows(knots))
            self._beats += len(knots)
        told = score_text(score)
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
