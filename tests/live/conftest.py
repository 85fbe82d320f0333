"""A JACK server of our own: one per test session, with a name nobody else has."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RATE = 48000


class Server:
    """jackd with the dummy driver; ``period`` is larger where real-time priority is refused."""

    def __init__(self, folder, name=""):
        self.name = f"kelly-test-{os.getpid()}{name}"
        self.env = {
            **os.environ,
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_NO_START_SERVER": "1",
            "JACK_DEFAULT_SERVER": self.name,
        }
        self.log, self.rate = folder / "jackd.log", RATE
        for self.realtime, self.period in ((True, 128), (False, 256)):
            if self._start():
                return
        raise RuntimeError(f"jackd does not start:\n{self.log.read_text()}")

    def _start(self):
        priority = ["-R", "-P", "70"] if self.realtime else ["-r"]
        driver = ["-d", "dummy", "-r", str(self.rate), "-p", str(self.period)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["jackd", *priority, "--port-max", "64", "-n", self.name, *driver], env=self.env, stdout=log, stderr=log
            )
        limit = time.monotonic() + 15
        while time.monotonic() < limit and self.process.poll() is None:
            if subprocess.run(["jack_lsp"], env=self.env, capture_output=True, timeout=10, check=False).returncode == 0:
                return True
            time.sleep(0.1)
        self.stop()
        return False

    def again(self, rate=None):
        """Start once more after the end, perhaps at another rate."""
        self.rate = rate or self.rate
        return self._start()

    def kill(self):
        self.process.kill()
        self.process.wait(5)

    def stop(self):
        if self.process.poll() == -signal.SIGKILL:
            # JACK has room for eight servers, and a killed one keeps its place until one of its name ends in order.
            self._start()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        for left in Path("/dev/shm").glob(f"jack*_{self.name}_*"):  # what a killed server could not take away
            left.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def jack_server(tmp_path_factory):
    missing = [program for program in ("jackd", "jack_lsp") if shutil.which(program) is None]
    if missing:
        pytest.fail(f"not installed: {', '.join(missing)}; apt-get install jackd2 jack-example-tools")
    server = Server(tmp_path_factory.mktemp("jack"))
    yield server
    server.stop()


@pytest.fixture
def doomed(jack_server, tmp_path):
    """A server of its own for a test that kills it."""
    server = type(jack_server)(tmp_path, "-doomed")
    yield server
    server.stop()


class Stage:
    """stage.py as a subprocess."""

    def __init__(self, server, library, wav, recording, *more):
        self.recording, self.joined = recording, server.process
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("stage.py")), server.name, str(library), str(wav), str(recording), *more],
            env=server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdout.readline().strip() == "ready"

    def events(self):
        """Stop, and what was recorded: (frame, bytes)."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.wait(20) == 0
        return [(frame, tuple(data)) for frame, data in json.loads(self.recording.read_text())]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        self.process.stdin.close()
        self.process.stdout.close()


def stage_library(folder):
    """stage.c, compiled against the libjack that is there."""
    library = folder / "stage.so"
    source = Path(__file__).with_name("stage.c")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", source, "-o", library, "-l:libjack.so.0"], check=True)
    return library


@pytest.fixture(scope="session")
def stage_code(tmp_path_factory):
    return stage_library(tmp_path_factory.mktemp("stage"))


@pytest.fixture
def stage(jack_server, stage_code, tmp_path):
    """Start a player on the server, or on another, where players of its killed forerunner are gone.

    JACK names the semaphore that wakes a client after server and client. A process that outlives its killed server sleeps on
    it still and takes the wake-ups of the next client of its name, which then misses what is written in those cycles.
    """
    stages = []

    def start(wav, server=jack_server, loop=False):
        for one in stages:
            if one.joined.poll() is not None:
                one.kill()
        stages.append(Stage(server, stage_code, wav, tmp_path / "midi.json", *(["loop"] if loop else [])))
        return stages[-1]

    yield start
    for one in stages:
        one.kill()


@pytest.fixture
def wav(tmp_path):
    """30 s of plucked fifths, 120 a minute: a grid, a key and notes to answer."""
    t = np.arange(30 * 48000) / 48000
    sound = sum(0.15 * np.sin(2 * np.pi * f * t) for f in (220, 330)) * np.exp(-4 * (t % 0.5))
    soundfile.write(tmp_path / "plucked.wav", sound.astype(np.float32), 48000)
    return tmp_path / "plucked.wav"


@pytest.fixture
def peer(jack_server):
    """Start peer.py WORDS on the server, or on another; answers once its port is there. As with ``stage``, no peer outlives its server."""
    peers, joined = [], []

    def start(*words, server=jack_server):
        for process, its_server in zip(peers, joined, strict=True):
            if its_server.poll() is not None:
                process.kill()
                process.wait(5)
        joined.append(server.process)
        peers.append(
            subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("peer.py")), *words], env={**server.env, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            )
        )
        assert peers[-1].stdout.readline().strip() == "ready"
        return peers[-1]

    yield start
    for process in peers:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        process.stdout.close()


@pytest.fixture
def kelly_process(jack_server, tmp_path):
    """Start ``kelly ARGS`` on the server, or on another, in a folder of its own."""
    processes = []

    def start(*args, server=jack_server, program=None):
        env = {**server.env, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        processes.append(
            subprocess.Popen(
                [sys.executable, *(["-m", "kelly"] if program is None else [str(program)]), *args], env=env, cwd=tmp_path,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
