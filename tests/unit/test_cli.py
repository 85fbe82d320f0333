"""The command line without a session: parsing, exit codes, who gets which stream."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from kelly import errors
from kelly._rt.layout import dtype
from kelly.cli import app, live
from kelly.cli.console import Console, table
from kelly.cli.status import status_line

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("no_settings")


def parsed(*words):
    return live.command.make_context("live", list(words)).params


@pytest.mark.parametrize(
    ("words", "sink"),
    [
        (["--midi-out"], "auto"),
        (["--midi-out", "--key", "Am"], "auto"),
        (["--midi-out", "-q"], "auto"),
        (["--midi-out=file:x.mid"], "file:x.mid"),
        (["--midi-out", "virtual:Kelly", "--seed", "3"], "virtual:Kelly"),
        ([], None),
    ],
)
def test_midi_out_takes_a_value_or_none(words, sink):
    """Alone, before another flag, with =VALUE, with ' VALUE'."""
    assert parsed(*words)["midi_out"] == sink


def test_repeatable_flags_keep_every_value():
    """--midi-channel and --disable may be given several times."""
    given = parsed("--midi-channel", "bass=5", "--midi-channel", "drums=11", "--disable", "groovepredictor")
    assert given["midi_channel"] == ("bass=5", "drums=11")
    assert given["disable"] == ("groovepredictor",)


def test_no_net_is_disable_net():
    """--no-groovepredictor joins what --disable names."""
    from kelly.cli.options import settings

    flags = {k: v for k, v in parsed("--no-groovepredictor", "--disable", "dynamicsengine").items() if k not in ("quiet", "verbose", "json", "listen", "learn")}
    assert settings(flags).models.disabled == ("dynamicsengine", "groovepredictor")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["live", "--key", "H"], 2, "--key: 'H'"),
        (["live", "--chords", "C Xyz"], 2, "--chords: 'Xyz'"),
        (["live", "--tempo", "fast"], 2, "--tempo: music.tempo_bpm: expected a number"),
        (["live", "--tempo", "500"], 2, "from 30 to 300"),
        (["live", "--disable", "groovpredictor"], 2, "did you mean 'groovepredictor'"),
        (["live", "--midi-channel", "bass=2"], 2, "share channel 2"),
        (["live", "--control", "jump=CC 1"], 2, "no action is called 'jump'"),
        (["live", "--control", "tap=pedal"], 2, "tap: expected 'CC N'"),
        (["live", "--control", "tap"], 2, "expected ACTION=CONTROL, found 'tap'"),
        (["live", "--learn", "tap"], 2, "--learn needs a MIDI input: --midi-in PORT"),
        (["live", "--midi-in", "virtual", "--learn", "jump"], 2, "no action is called 'jump'"),
        (["live", "--config", "absent.toml"], 2, "absent.toml"),
        (["lvie"], 2, "did you mean 'live'"),
        (["live", "--tempi", "3"], 2, "--tempi"),
        (["live", "--midi-out="], 2, "expected a port, virtual, file:PATH or auto, found ''"),
        (["live", "--midi-out", "file:"], 2, "expected a port, virtual, file:PATH or auto, found 'file:'"),
        (["live", "--audio-in", " "], 2, "expected a device, file:PATH, demo or auto, found ' '"),
        (["live", "--audio-in", "file:"], 2, "expected a device, file:PATH, demo or auto, found 'file:'"),
        (["render"], 2, "AUDIO"),
        (["validate"], 2, "PATH"),
        (["render", "absent.wav", "-o", "x.mid"], 6, "absent.wav"),
        (["live", "--audio-in", "file:absent.wav", "--midi-out", "file:x.mid"], 6, "absent.wav"),
        (["validate", "absent.json"], 4, "absent.json"),
        (["live", "--strict-models", "--models", "absent", "--midi-out", "file:x.mid"], 4, "absent"),
        (["live", "--audio-in", "demo", "--midi-out", "no such port"], 3, "--midi-out file:PATH works without"),
        (["live", "--audio-in", "demo", "--midi-out", "file:absent/x.mid"], 6, "absent"),
    ],
)
def test_a_mistake_is_one_message_and_its_exit_code(capfd, words, code, message):
    """No traceback, nothing on stdout but what validate answers, the code of the table."""
    assert app.run(words) == code
    out, err = capfd.readouterr()
    assert message in out + err
    assert "Traceback" not in out + err


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.AudioDeviceError("gone"), 3),
        (errors.DeviceLostError("gone"), 7),
        (errors.ModelFormatError("bad", path="x.json"), 4),
        (errors.MidiFileError("bad"), 6),
        (OSError(errno.ENOSPC, "No space left on device", "take.mid"), 8),
        (caused(errors.MidiFileError("x.mid: no room"), OSError(errno.ENOSPC, "No space left on device")), 8),
        (caused(errors.MidiFileError("x.mid: not yours"), OSError(errno.EACCES, "Permission denied")), 6),
        (RuntimeError("a library's own"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_every_error_becomes_its_exit_code(monkeypatch, capsys, error, code):
    """Whatever a command raises is said in one line."""

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(app.cli, "main", fail)
    assert app.run(["live"]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("kelly: ")


@pytest.mark.parametrize("words", [["live", "-vv"], ["live", "-v", "-v"], ["live", "--verbose", "-v"]])
def test_tracebacks_are_there_for_who_asks(monkeypatch, words):
    """Twice verbose lets the exception through."""

    def fail(*args, **kwargs):
        raise RuntimeError("a library's own")

    monkeypatch.setattr(app.cli, "main", fail)
    with pytest.raises(RuntimeError):
        app.run(words)


def test_doctor_reports_every_section_as_json(capsys):
    """The schema names its version; every section is there, even where a probe fails."""
    from kelly.cli.doctor import SECTIONS

    assert app.run(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.pop("schema") == "kelly.doctor/1"
    assert list(report) == [title for title, _ in SECTIONS]
    assert [lines for lines in report.values() if not lines] == []
    problems = {title: lines for title, lines in report.items() for line in lines if line["name"] == "problem"}
    assert problems == {}


def test_doctor_names_a_broken_setting_and_goes_on(monkeypatch, capsys):
    """A variable that no command would accept is a finding."""
    monkeypatch.setenv("KELLY_TEMPO", "fast")
    assert app.run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "KELLY_TEMPO: music.tempo_bpm: expected a number" in out
    assert "PortAudio" in out


def test_devices_as_json_has_its_schema(capsys):
    """The lists are there, empty or not."""
    assert app.run(["devices", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kelly.devices/1"
    assert isinstance(report["audio_inputs"], list)
    assert isinstance(report["midi_outputs"], list)
    assert isinstance(report["midi_inputs"], list)


def test_a_closed_pipe_is_no_traceback():
    """`kelly doctor | head -1`."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m kelly doctor | head -1"],
        capture_output=True, text=True, cwd=os.path.dirname(os.path.dirname(app.__file__)) + "/..", timeout=600,
    )  # fmt: skip
    assert done.stdout == "software\n"
    assert "Traceback" not in done.stderr


def tick(**values):
    record = np.zeros((), dtype("tick"))
    record["key_tonic"], record["chord_root"], record["level_db"] = -1, -1, -120.0
    for name, value in values.items():
        record[name] = value
    return record[()]


def test_status_line_says_who_plays_and_what_is_heard():
    """Key, chord and tempo by name, the nets grouped by who answers for them."""
    line = status_line(tick(level_db=-23.4, key_tonic=7, key_mode=1, chord_root=4, chord_quality=3, tempo_bpm=100.2,
                            locked=1, source=[2, 2, 1, 0, 2]), columns=120)  # fmt: skip
    assert line == " -23 dB  V+0.00 A+0.00  G: Em7     100 bpm   model emo mel gro, fallback har, off dyn"


def test_status_line_fits_eighty_columns_at_its_longest():
    """Long names, three kinds of answers, an unsure beat: still one line of a small terminal."""
    line = status_line(tick(level_db=-120, key_tonic=6, key_mode=-1, chord_root=6, chord_quality=3, tempo_bpm=100.2,
                            source=[2, 2, 1, 0, 0]))  # fmt: skip
    assert len(line) < 80
    assert "fallback har, off dyn gro" in line


def test_status_line_before_anything_was_heard():
    """Unknown is said, not invented."""
    line = status_line(tick(source=[1, 1, 1, 1, 1]))
    assert "?: -" in line
    assert "- bpm" in line
    assert line.endswith("fallback emo mel har dyn gro")


class SilentSession:
    """Ten seconds of a device that hears next to nothing."""

    def __init__(self, level_db, total_frames=None, echoes=0):
        self.level_db, self.now_s, self.echoes = level_db, 0.0, echoes
        self.news = deque()
        self.source = type("Source", (), {"total_frames": total_frames, "sample_rate_hz": 48000.0})

    def wait(self, timeout_s):
        self.now_s += timeout_s
        return self.now_s > 10

    def snapshot(self):
        return type("Snapshot", (), {"tick": tick(level_db=self.level_db, frame=int(self.now_s * 48000)), "counters": {"echoes": self.echoes}})


@pytest.mark.parametrize(("level_db", "total_frames", "hints"), [(-90, None, 1), (-30, None, 0), (-90, 48000, 0)])
def test_a_silent_device_gets_one_hint(capsys, level_db, total_frames, hints):
    """A muted microphone is named once; a recording may be silent as long as it likes."""
    live.follow(Console(), SilentSession(level_db, total_frames), [])
    err = capsys.readouterr().err
    assert err.count("the input is at -90 dBFS: muted") == hints
    assert len(err.splitlines()) == hints


def test_an_echo_is_named_once(capsys):
    """However often kelly hears itself."""
    live.follow(Console(), SilentSession(-20, 48000, echoes=3), [])
    assert capsys.readouterr().err == (
        "kelly: kelly hears its own sound in the input: headphones, or another channel (--audio-channel), keep it out\n"
    )


def test_the_summary_is_a_line_per_group():
    """Units behind values, nets grouped by who answered."""
    summary = {"played": {"chords": 3}, "nets": {"a": "model", "b": "off", "c": "model"}, "network hop": {"p50_ms": 0.1}}
    assert live.describe(summary).splitlines() == [
        "played       chords 3", "nets         model a c, off b", "network hop  p50 0.1 ms",
    ]  # fmt: skip


def test_the_summary_tells_losses_and_not_their_absence():
    """Three counters always, others where something happened; --json has them all."""
    counters = {"dropped_frames": 0, "gap_frames": 0, "repaired_samples": 101, "late_events": 0, "open_notes": 0}
    line = "counters  dropped frames 0, repaired samples 101, late events 0, open notes 0"
    assert live.describe({"counters": counters}) == line + "; all others 0"
    assert live.describe({"counters": {k: v for k, v in counters.items() if k != "gap_frames"}}) == line


def test_the_player_command_quotes_the_path(tmp_path):
    """The line that is printed can be pasted."""
    assert live.player_command(tmp_path / "my take.mid").count(f"'{tmp_path}/my take.mid'") == 1


def test_table_aligns_text_left_and_numbers_right():
    """Columns are as wide as their widest cell."""
    assert table(("name", "n"), [("a", 10), ("bcdef", 2)]) == "name    n\na      10\nbcdef   2"


def test_nothing_moves_where_nobody_watches(capsys):
    """Not a terminal: no status line, no progress bar, no colour."""
    voice = Console()
    voice.line("-23 dB")
    with voice.progress("x", 10) as advance:
        advance(5)
    voice.warn("careful")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "kelly: careful\n"


@pytest.mark.parametrize(("total", "said", "unsaid"), [(0, "reading.* 1,234", "%"), (2468, "reading.* 50 %", "1,234")])
def test_a_bar_without_a_total_counts(monkeypatch, total, said, unsaid):
    """What is read is known as it comes: no share is made up, which stood at 0 % until the end."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", terminal)
    with Console().progress("reading", total) as advance:
        advance(1234)
    assert re.search(said, terminal.getvalue())
    assert unsaid not in terminal.getvalue()


def test_what_is_said_arrives_while_a_library_sends_stderr_elsewhere():
    """sounddevice points descriptor 2 at nothing while it starts PortAudio, on a thread of its own; "the device is gone" went there, too."""
    code = (
        "import os; from kelly.cli.console import Console; voice = Console()\n"
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n"
        "voice.warn('the device is gone')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "kelly: the device is gone\n"


def test_a_share_advances_the_bar_by_what_is_new(monkeypatch):
    """Fractions are places, a bar wants steps; together they make the whole."""
    voice, steps = Console(), []
    monkeypatch.setattr(voice, "progress", lambda label, total: contextlib.nullcontext(steps.append))
    with voice.share("x") as tell:
        for fraction in (0.25, 0.25, 0.6, 1.0):
            tell(fraction)
    assert steps == [250, 0, 350, 400]


def test_quiet_silences_narration_but_not_warnings_or_data(capsys):
    """-q leaves what was asked for and what went wrong."""
    voice = Console(verbosity=-1)
    voice.narrate("hello")
    voice.warn("careful")
    voice.data("42")
    out, err = capsys.readouterr()
    assert (out, err) == ("42\n", "kelly: careful\n")


def test_quiet_does_not_silence_a_fallback(tmp_path, capsys):
    """That a rule answers in a net's place is a warning, and -q leaves warnings."""
    sound = tmp_path / "take.wav"
    soundfile.write(sound, np.full(4800, 0.1, np.float32), 48000)
    assert app.run(["render", str(sound), "-o", "x.mid", "--models", "absent", "-q"]) == 0
    assert "groovepredictor: fallback (absent: no such folder)" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "repaired"), [(0.0, 0), (np.nan, 4800)])
def test_a_render_without_a_note_says_so(tmp_path, capsys, value, repaired):
    """Nobody opens an empty MIDI file to find out; sound that is no numbers is named as such."""
    sound = tmp_path / "take.wav"
    soundfile.write(sound, np.full(4800, value, np.float32), 48000, subtype="FLOAT")
    assert app.run(["render", str(sound), "-o", "x.mid"]) == 0
    err = capsys.readouterr().err
    assert "nothing was played: was anything" in err
    assert "-60 dBFS" in err
    assert (f"{repaired} samples are no numbers" in err) == bool(repaired)


@pytest.mark.parametrize("bound", ["--gate=-119", "--gate=-1", "--tempo=30", "--tempo=300", "--look-ahead=5", "--look-ahead=500", "--seed=9223372036854775807"])
def test_the_bounds_of_a_setting_are_inside(tmp_path, bound):
    """What the settings let pass, the engine takes: --gate -120 was refused later, as not between -120 and 0."""
    sound = tmp_path / "take.wav"
    soundfile.write(sound, np.zeros(4800, np.float32), 48000)
    assert app.run(["render", str(sound), "-o", "x.mid", "-q", bound]) == 0
