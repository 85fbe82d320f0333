"""``kelly live`` as a process that a test listens to while it plays."""

import json
import signal
import threading
import time


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

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.ended()

    def ended(self, within_s=120):
        code = self.process.wait(within_s)
        out = self.process.stdout.read()
        return code, json.loads(out) if out else None
