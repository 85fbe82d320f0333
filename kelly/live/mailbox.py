"""A running session's page: shared memory that a viewer in another process reads, and presses keys on.

A session lays one small file into the user's own runtime folder and maps it.  A thread of Python writes
the newest tick and the counters into it ten times a second, and only while a viewer says that it looks;
no real-time thread knows of it.  A page carries a checksum, so a reader never takes half of one.

A key pressed is a number that grows: the session compares it with what it saw last.
"""

from __future__ import annotations

import logging
import mmap
import os
import stat
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np

from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import SCHEMA, dtype
from kelly.config import DEFAULT_CHANNELS
from kelly.controls import CONTROLS
from kelly.errors import DeviceError
from kelly.joining import join

PUBLISH_S, IDLE_S = 0.1, 0.5
WATCHED_S = 2.0  # so long after its last sign a viewer is taken to look
BUCKETS = 112
COUNTERS = (
    "dropped_frames", "gap_frames", "input_overflows", "dropped_ticks", "late_events", "net_faults", "unsent_events", "open_notes",
)  # fmt: skip
LEVELS = {"half_tempo": 0.5, "double_tempo": 2.0}
PARTS = tuple(DEFAULT_CHANNELS)
SILENT, LOCKED = 1, 2  # bits of a part's state
KEYS = (*NET_NAMES, "panic", *LEVELS, *(f"{what}_{part}" for what in ("switch", "lock", "reroll") for part in PARTS))
SUFFIX = ".page"
log = logging.getLogger("kelly.live")

HEAD = np.dtype([("schema", "i4"), ("bytes", "i4"), ("pid", "i8"), ("check", "u4"), ("ended", "i4")], align=True)
BODY = np.dtype(
    [("serial", "i8"), ("written_s", "f8"), ("sample_rate_hz", "f8"), ("has_tick", "i8"), ("counters", "i8", (len(COUNTERS),)),
     ("hop_buckets", "i8", (BUCKETS,)), ("late_buckets", "i8", (BUCKETS,)), ("source", "S64"), ("sink", "S64"),
     ("parts", "i8", (len(PARTS),)), ("tick", dtype("tick"))],
    align=True,
)  # fmt: skip
REQUESTS = np.dtype([("looked_s", "f8"), ("pressed", "i8", (len(KEYS),)), ("turned", "i8", (len(CONTROLS),)),
                     ("values", "f8", (len(CONTROLS),))], align=True)  # fmt: skip
SIZE = HEAD.itemsize + BODY.itemsize + REQUESTS.itemsize


def folder() -> Path:
    """Where pages lie: a folder of the user's own that nobody else can open.

    raises  DeviceError where there is one that belongs to somebody else
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.isdir(runtime):
        path = Path(runtime) / "kelly"
    else:
        path = Path(tempfile.gettempdir()) / f"kelly-{os.getuid() if hasattr(os, 'getuid') else os.environ.get('USERNAME', 'user')}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o077)):
        raise DeviceError(f"{path}: is not a private folder of yours; remove it")
    return path


def running(pid: int) -> bool:
    """Whether a process of this number exists."""
    if sys.platform == "win32":
        return True  # os.kill would end it; its page goes with it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Page:
    """One page, mapped: ``head``, ``body`` and ``requests`` are records in shared memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self.head = np.frombuffer(self._map, HEAD, 1)
        self.body = np.frombuffer(self._map, BODY, 1, HEAD.itemsize)
        self.requests = np.frombuffer(self._map, REQUESTS, 1, HEAD.itemsize + BODY.itemsize)


class Mailbox:
    """A session's side.

    fill     called with a BODY record to fill, on the mailbox's thread
    press    called with a KEYS name for every key a viewer pressed
    turn     called with a control's name and the value a viewer turned it to
    thread   [main] constructs, starts, closes; one daemon thread of Python writes
    """

    def __init__(self, fill: Callable[[Any], None], press: Callable[[str], None], turn: Callable[[str, float], None]) -> None:
        self._fill, self._press, self._turn = fill, press, turn
        self._page: _Page | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kelly-mailbox", daemon=True)

    def start(self) -> None:
        """Lay the page out; a session without a folder for it goes on without viewers."""
        try:
            handle, name = tempfile.mkstemp(SUFFIX, f"{os.getpid()}-", folder())  # private from the start
            with os.fdopen(handle, "wb") as file:
                file.write(bytes(SIZE))
            self._page = _Page(Path(name))
        except (OSError, ValueError) as error:
            log.info("no page for viewers: %s", error)
            return
        self._page.head["schema"], self._page.head["bytes"], self._page.head["pid"] = SCHEMA, SIZE, os.getpid()
        self._thread.start()

    def close(self) -> None:
        """Say that it is over, and take the page away.  Idempotent."""
        self._closing.set()
        if self._page is not None:
            join(self._thread, 1.0)
            self._page.head["ended"] = 1
            self._page.path.unlink(missing_ok=True)

    @property
    def watched(self) -> bool:
        """Whether a viewer has looked within the last two seconds."""
        return self._page is not None and time.time() - float(self._page.requests["looked_s"][0]) < WATCHED_S

    def _run(self) -> None:
        """[mailbox]"""
        page = self._page
        assert page is not None
        body, seen, turns = np.zeros(1, BODY), page.requests["pressed"][0].copy(), page.requests["turned"][0].copy()
        while not self._closing.wait(PUBLISH_S if self.watched else IDLE_S):
            if not self.watched:
                continue
            pressed, turned = page.requests["pressed"][0].copy(), page.requests["turned"][0].copy()
            try:
                for row in np.flatnonzero(turned - turns).tolist():
                    self._turn(CONTROLS[row][0], float(page.requests["values"][0, row]))
                for name, times in zip(KEYS, (pressed - seen).tolist(), strict=True):
                    for _ in range(min(max(times, 0), 8)):
                        self._press(name)
                self._fill(body[0])
            except Exception as error:  # viewers come last: the music goes on
                log.info("nothing for viewers this time: %s", error)
                continue
            finally:
                seen, turns = pressed, turned
            body["serial"] += 1
            body["written_s"] = time.time()
            page.body[0] = body[0]
            page.head["check"] = zlib.crc32(body.tobytes())


class View:
    """A viewer's side of one session's page.

    raises  DeviceError for a page of another version
    """

    def __init__(self, path: Path) -> None:
        if path.stat().st_size != SIZE:
            raise DeviceError(f"{path}: is of another version of kelly")
        self._page = _Page(path)
        self.pid = int(self._page.head["pid"][0])
        if int(self._page.head["schema"][0]) != SCHEMA:
            raise DeviceError(f"{path}: is of another version of kelly")

    @property
    def over(self) -> bool:
        """Whether the session has ended, in order or not."""
        return bool(self._page.head["ended"][0]) or not running(self.pid)

    def read(self) -> Any | None:
        """The newest whole page as a BODY record; None before the first.  Also says that somebody looks."""
        self._page.requests["looked_s"] = time.time()
        for _ in range(20):
            check, body = int(self._page.head["check"][0]), self._page.body.copy()
            if check and zlib.crc32(body.tobytes()) == check:
                return body[0]
            time.sleep(0.001)  # it is being written
        return None

    def wait(self, timeout_s: float) -> Any | None:
        """The same, waiting for a page written after now; None when the session is over or silent."""
        before, until = time.time(), time.monotonic() + timeout_s
        while time.monotonic() < until and not self.over:
            body = self.read()
            if body is not None and float(body["written_s"]) >= before:
                return body
            time.sleep(0.05)
        return None

    def press(self, name: str) -> None:
        """A key: a net's name switches it on or off, "panic" silences, those of LEVELS halve or double the tempo; a
        part's "switch_", "lock_" and "reroll_" take it out or back, lock it or let it go, and draw it anew."""
        self._page.requests["pressed"][0, KEYS.index(name)] += 1

    def turn(self, name: str, value: float) -> None:
        """A control's new value; the session keeps it within its range."""
        row = next(number for number, (control, *_) in enumerate(CONTROLS) if control == name)
        self._page.requests["values"][0, row] = value
        self._page.requests["turned"][0, row] += 1

    @classmethod
    def newest(cls, pid: int | None = None) -> Self:
        """The session that began last, or that of a process.

        raises  DeviceError when none runs here
        """
        pages = sorted(folder().glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in pages:
            owner = int(path.name.partition("-")[0])
            if not running(owner):
                path.unlink(missing_ok=True)
            elif pid is None or owner == pid:
                return cls(path)
        which = "no session runs here" if pid is None else f"no session runs as process {pid}"
        raise DeviceError(f"{which}; start one with `kelly live`")
