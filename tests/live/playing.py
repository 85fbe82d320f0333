"""``kelly live`` as a process that a test listens to while it plays."""

import json
import signal
import threading
import time

from kelly.errors import DeviceError
from kelly.live.mailbox import COUNTERS, View
from tests.patience import PATIENCE_S as LONG_S

PATIENCE_S = 60  # so long a busy machine may take to say what it says; how long it may take at most is asserted
PATIENT = ("--patience", str(PATIENCE_S))  # for a session whose device comes back as soon as the machine has time for it


def heard_s(process):
    """How much of its stream a session has heard, as its page tells it; what it missed while its device was away is not heard."""
    try:
        body = View.newest(process.pid).read()
    except (DeviceError, OSError):  # not started, or just ended
        return 0.0
    if body is None or not body["has_tick"]:
        return 0.0
    return float(body["tick"]["frame"] - body["counters"][COUNTERS.index("gap_frames")]) / float(body["sample_rate_hz"])


def hear(process, seconds):
    """Wait until a session has heard so much more of its stream: a busy machine takes its time, to start most of all."""
    readings = [heard_s(process)]
    limit = time.monotonic() + LONG_S
    while readings[-1] < readings[0] + seconds and process.poll() is None:
        assert time.monotonic() < limit, f"not {seconds} s further: {readings[:3]} ... {readings[-3:]}"
        time.sleep(0.05)
        readings.append(heard_s(process))


class Told:
    """What a process says on stderr, and when."""

    def __init__(self, process):
        self.lines, self._process = [], process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stderr:
            self.lines.append((time.monotonic(), line))

    def when(self, words, within_s, after=0.0):
        """The moment it said so."""
        limit = time.monotonic() + within_s
        while time.monotonic() < limit:
            for at, line in list(self.lines):
                if words in line and at > after:
                    return at
            time.sleep(0.01)
        raise AssertionError(f"never said: {words!r}; said:\n{self.text}")

    @property
    def text(self):
        return "".join(line for _, line in self.lines)


class Playing:
    """``kelly live`` on a stage, or with an input and an output among ``more``, which come last and win."""

    def __init__(self, kelly_process, server, *more, program=None):
        words = ("live", "--audio-in", "stage", "--midi-out", "virtual", "--key", "Am", "--tempo", "120", "--json", *more)
        self.process = kelly_process(*words, server=server, program=program)
        self.told = Told(self.process)
        self.began = self.told.when("Ctrl-C ends it", 120)

    def hear(self, seconds):
        """Wait until it has heard so much more of its stream."""
        hear(self.process, seconds)
        assert self.process.poll() is None, self.told.text

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.ended()

    def ended(self, within_s=120):
        code = self.process.wait(within_s)
        out = self.process.stdout.read()
        return code, json.loads(out) if out else None


def restart(server, rate=None, period=None):
    """Start a JACK server that was killed, as it was or changed."""
    server.period = period or server.period
    assert server.again(rate)
