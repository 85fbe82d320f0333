"""The reliability table: its rows, how tests fill them, and the page that a test run writes.

A test takes the fixture ``reliability`` and says ``reliability(row, figure, passed)``.  ``make reliability``
runs every test that does and writes docs/reliability.md; nothing in that page is written by hand.  A run of
some of them writes their rows and leaves the others, each with the commit that was measured.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"

ROWS = (
    # group, row, what it takes to pass
    ("load", "GIL burnt for a minute on a JACK server", "0 dropped frames; reflex p99 within 4.2 ms + 2 periods; planned notes p99 1 ms, or all within 3"),
    ("load", "burnt GIL, garbage storm and a viewer at once", "0 dropped frames, no more lost by the server than alone, planned notes p99 3 ms"),
    ("load", "10 M ring operations between two threads", "nothing lost or reordered, overflow counted, no race under ThreadSanitizer"),
    ("load", "allocations, locks, waits and Python in the real-time threads", "0, and planted ones are counted"),
    ("load", "block sizes and rates", "32 to 2048 and random frames at 44.1, 48 and 96 kHz: the same notes within one hop, 0 dropped"),
    ("load", "soak", "0 dropped frames, RSS drift below 1 MB"),
    ("load", "processor time of a live session", "5 % of a core"),
    ("faults", "audio server killed and restarted", "seen within 1 s, back by name within 3 s, the clock goes on"),
    ("faults", "audio server killed for good", "exit 7, nothing hangs"),
    ("faults", "PortAudio on a server that was killed and restarted", "seen within 2.5 s, nothing hangs; back by name, or exit 7 within the patience and 5 s"),
    ("faults", "audio device gone and back", "notes released within 1 s, never another device"),
    ("faults", "server back at another rate or period", "period: plays on; rate: exit 7 and says so"),
    ("faults", "MIDI port gone and back", "bounded queue, opened again by name, controllers and programs sent again"),
    ("faults", "MIDI input gone and back", "seen within 1 s, back by name within 3 s, what was held is let go"),
    ("faults", "overload for 10 s", "hops dropped, then nets by priority; recovered within 1 s"),
    ("faults", "SIGINT, SIGTERM", "exit 130, 143; no open note, take closed"),
    ("faults", "exception in a part", "no open note, take closed"),
    ("faults", "a net answers NaN", "that net bypassed and counted, the others go on"),
    ("faults", "hot reload of a bad file", "typed error, the old net plays on"),
    ("faults", "hot reload 1,000 times", "no jump, no leak"),
    ("faults", "60 s of silence", "network hop p50 within 10 %"),
    ("faults", "two instances", "both play"),
    ("faults", "port in use", "exit 3 and says so"),
    ("input", "model files by hand and spoilt", "each a network or a typed error with its place"),
    ("input", "WAV files of every kind", "each plays or is a typed error that names it"),
    ("input", "MIDI input flooded", "10,000 messages a second, strays and system exclusive: counted and skipped, 0 dropped frames, notes p99 3 ms"),
    ("input", "settings of wrong types", "each refused with its file, line and key"),
    ("takes", "a take is rendered again", "byte for byte"),
    ("takes", "SIGKILL while recording", "sound to the last second, notes mended"),
    ("takes", "disk full", "recording stops, playing goes on, exit 8"),
    ("room", "audio to sound through fluidsynth", "the synthesizer is heard, and ends with kelly"),
    ("room", "kelly hears itself 12 dB under the player", "the same key and tempo; no note later than a bar after the player"),
    ("room", "2,880 frames inserted in a JACK loop", "doctor finds them within two periods"),
    ("room", "a loop of 60 ms, --latency-ms 60", "drums within 10 ms of the player's 16ths"),
    ("room", "a viewer attached", "0 events late, 0 ticks lost, notes' p99 within 3 ms or twice that alone"),
)
HEAD = """# Reliability

Written by `make reliability`: every figure was measured by a test, at the commit that stands beside it. A row whose
test has never reported is "not measured".

| group | row | to pass | measured | passed | commit |
|---|---|---|---|---|---|
"""


def commit():
    """What is measured: the newest commit, with a + where files differ from it."""
    words = ["git", "describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "-"


class Book:
    """What the tests of this run measured."""

    def __init__(self):
        self.entries = {}

    def note(self, row, figure, passed):
        if row not in [name for _, name, _ in ROWS]:
            raise KeyError(f"no row of the reliability table is called {row!r}; see tests/reliability.py")
        self.entries.setdefault(row, []).append((str(figure).replace("|", "/"), bool(passed)))

    def page(self, before=""):
        """The page; rows that nobody measured this time as they stand in the page before."""
        kept = {row: rest for _, row, _, *rest in cells(before)}
        lines = []
        for group, row, demand in ROWS:
            entries = self.entries.get(row, [])
            figures = "; ".join(dict.fromkeys(figure for figure, _ in entries))
            verdict = "yes" if all(passed for _, passed in entries) else "**no**"
            rest = [figures, verdict, commit()] if entries else kept.get(row, ["not measured", "-", "-"])
            lines.append(f"| {' | '.join([group, row, demand, *rest])} |\n")
        return HEAD + "".join(lines)


def cells(page):
    """The cells of each line of the page's table."""
    lines = [line.strip("| \n").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return [line for line in lines if len(line) == 6 and line[0] != "group"]


def rows_of(page):
    """(group, row, demand) of each line of the page."""
    return tuple((group, row, demand) for group, row, demand, *_ in cells(page))


BOOK = Book()


def pytest_addoption(parser):
    parser.addoption("--reliability", metavar="PAGE", help="run the tests that measure reliability, and write this page")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--reliability"):
        measuring = [item for item in items if "reliability" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in measuring])
        items[:] = measuring


def pytest_sessionfinish(session):
    if page := session.config.getoption("--reliability"):
        path = Path(page)
        path.write_text(BOOK.page(path.read_text(encoding="utf-8") if path.is_file() else ""), encoding="utf-8")


@pytest.fixture
def reliability():
    """reliability(row, figure, passed): one line of docs/reliability.md, whether or not it is being written."""
    return BOOK.note
