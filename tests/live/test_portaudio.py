"""PortAudio whose sound server dies: what comes back comes back by name, and what cannot hangs nobody.

JACK is joined directly elsewhere (test_faults.py); here it is heard through PortAudio, as PulseAudio is through ALSA.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.live.playing import PATIENCE_S, PATIENT, Playing, restart

pytestmark = pytest.mark.live
ROUNDS = 2
PLUGIN = "libasound_module_pcm_pulse.so"


class PulseAudio:
    """A server of our own, in a folder of its own, with one sink that plays to nobody; and ALSA with nothing but it."""

    def __init__(self, folder):
        alsa = folder / "asound.conf"
        alsa.write_text("</usr/share/alsa/alsa.conf>\npcm.pulse { type pulse }\n")
        self.env = {
            **os.environ, "HOME": str(folder), "PULSE_RUNTIME_PATH": str(folder), "ALSA_CONFIG_PATH": str(alsa),
            "JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": "nobody",
        }  # fmt: skip
        self.start()

    def start(self):
        modules = ["-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=room rate=48000 channels=2"]
        self.process = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", *modules],
            env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        limit = time.monotonic() + PATIENCE_S
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < limit, "pulseaudio does not start"
            time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait(5)


@pytest.fixture
def pulse(tmp_path):
    missing = [program for program in ("pulseaudio", "pactl") if shutil.which(program) is None]
    if missing or not list(Path("/usr/lib").glob(f"**/alsa-lib/{PLUGIN}")):
        pytest.fail("apt-get install pulseaudio pulseaudio-utils libasound2-plugins")
    folder = tmp_path / "pulse"
    folder.mkdir(mode=0o700)
    server = PulseAudio(folder)
    yield server
    server.kill()


def test_a_sound_server_behind_alsa_is_joined_again_by_its_name(pulse, kelly_process, reliability):
    """PortAudio lets go of it, lists anew in the same process and opens it again, as often as it goes."""
    playing = Playing(kelly_process, pulse, "--audio-in", "pulse", "--midi-out", "file:notes.mid", *PATIENT)
    seen_s, back_s = [], []
    for _ in range(ROUNDS):
        playing.hear(0.5)
        began = time.monotonic()
        pulse.kill()
        seen_s.append(playing.told.when("pulse: the device is gone; waiting for it", PATIENCE_S, after=began) - began)
        pulse.start()
        there = time.monotonic()
        back_s.append(playing.told.when("pulse: the device is back", PATIENCE_S, after=began) - there)
    playing.hear(0.5)
    code, report = playing.end()
    counters, slowest = report["counters"], (max(seen_s), max(0.0, *back_s))
    passed = slowest[0] < 2.5 and slowest[1] < 3
    reliability(
        "PortAudio on a server that was killed and restarted",
        f"PulseAudio, {ROUNDS} times: seen after {slowest[0]:.1f} s, back after {slowest[1]:.1f} s", passed,
    )  # fmt: skip
    assert code == 130, playing.told.text
    assert counters["device_losses"] == counters["device_returns"] >= ROUNDS
    assert counters["gap_frames"] > 0
    assert counters["dropped_frames"] == counters["open_notes"] == 0
    assert slowest[0] < 2.5, seen_s
    assert slowest[1] < 3.0, back_s


def test_portaudio_whose_jack_server_died_hangs_nobody(doomed, stage, kelly_process, wav, reliability):
    """PortAudio never returns from a dead server, not even at the interpreter's end; kelly leaves it behind."""
    stage(wav, doomed)
    playing = Playing(kelly_process, doomed, "--patience", "2", program=Path(__file__).with_name("through_portaudio.py"))
    playing.hear(1)
    began = time.monotonic()
    doomed.kill()
    seen_s = playing.told.when("the device is gone; waiting for it", PATIENCE_S) - began
    restart(doomed)
    stage(wav, doomed)
    code, _ = playing.ended()
    took_s = time.monotonic() - began
    passed = code == 7 and took_s < 7 and seen_s < 2.5
    reliability("PortAudio on a server that was killed and restarted", f"JACK: seen after {seen_s:.1f} s, exit {code} after {took_s:.1f} s with a patience of 2 s", passed)
    assert code == 7, playing.told.text
    assert took_s < 7
    assert seen_s < 2.5
