"""Takes that somebody steered: every command is kept with its tick, and the take renders to the same bytes."""

import json

import numpy as np
import pytest

from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import COMMAND_KINDS
from kelly._rt.stream.worker import receipt_dtype
from kelly.cli.app import run
from kelly.errors import TakeError
from kelly.generate.settings import DRUMS
from kelly.live.commands import HEAD, command_row, read_commands
from kelly.live.replay import open_take, render_take
from tests.patience import PATIENCE_S, until
from tests.rig import chords
from tests.unit.test_take import RATE, Device, config, session_on


def nothing(session, at):
    pass


def freezes(session, at):
    session.freeze(at < 5)


def taps(session, at):
    session.command("tap", value=96.0, frame=int(at * RATE))


def follows_a_clock(session, at):
    if at < 6:
        session.command("clock", value=132.0, frame=int(at * RATE), index=round(2.2 * at))
    else:
        session.command("no_clock")


def toggles_nets(session, at):
    for name in NET_NAMES:
        session.set_model_enabled(name, at > 5)


def changes_the_mood(session, at):
    if at < 5:
        session.push_embedding(np.random.default_rng(int(at)).uniform(-1, 1, 64))
    else:
        session.release_embedding()
        session.set_control("valence", 0.1 * at)


def turns_and_steps(session, at):
    session.set_control("density", 0.1 * at)
    session.set_control("blend", 1 / at)
    session.command("hold_chord", value=float(at < 5))
    session.command("part", index=DRUMS, value=float(at > 5))
    session.command("rest", value=float(4 < at < 6))
    session.command("reset")


def ends_early(session, at):
    if at < 4:
        session.command("end")


def panics(session, at):
    session.panic()


pytestmark = pytest.mark.usefixtures("patient")
STEERED = (panics, freezes, taps, follows_a_clock, toggles_nets, changes_the_mood, turns_and_steps, ends_early)


def take_of(folder, steer, **flags):
    """A take of 8 s in which something is asked for at 3, 5 and 6.5 s; and its session."""
    source = Device(chords(8).reshape(-1), pause_s=0.001)
    session = session_on(source, config(record=str(folder), tempo=None, bars="2", **flags))
    source.holds_at = 0
    with session:
        for at in (3.0, 5.0, 6.5):  # there the stream waits until everything has been asked for
            source.holds_at = at * RATE
            until(lambda: source.capture.frames >= source.holds_at or source.capture.ended)
            if not source.capture.ended:
                steer(session, at)
        source.holds_at = None
        assert source.delivered.wait(PATIENCE_S)
    counters = session.counters()
    assert (counters["dropped_ticks"], counters["shed_hops"], counters["stale_notes"]) == (0, 0, 0)
    return session.take.folder


@pytest.mark.parametrize("steer", STEERED)
def test_a_steered_take_renders_to_the_same_bytes(tmp_path, steer):
    folder = take_of(tmp_path, steer)
    take = open_take(folder)
    assert len(take.commands) > 0
    assert take.commands.remarks == ()
    summary = render_take(take, tmp_path / "again.mid")
    assert summary["take"]["same"]


def test_without_its_commands_a_steered_take_sounds_otherwise(tmp_path):
    """So that the test above says something."""
    folder = take_of(tmp_path, turns_and_steps)
    (folder / "commands.csv").write_text(HEAD)
    assert render_take(open_take(folder), tmp_path / "again.mid")["take"]["same"] is False


def test_the_command_renders_a_take_whole(tmp_path, capsys, monkeypatch):
    """Neither the environment nor another kelly.toml has a say; a flag has."""
    folder = take_of(tmp_path / "takes", turns_and_steps)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KELLY_SEED", "9")
    (tmp_path / "kelly.toml").write_text("[music]\nseed = 11\n")
    assert run(["render", str(folder), "-o", "again.mid", "--json"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert (report["take"]["same"], report["take"]["commands"]) == (True, 18)
    assert f"the same bytes as {folder / 'take.mid'}, with 18 commands" in told.err
    assert (tmp_path / "again.mid").read_bytes() == (folder / "take.mid").read_bytes()
    assert run(["render", str(folder), "-o", "other.mid", "--seed", "8"]) == 0
    assert "as flags asked for" in capsys.readouterr().err
    assert run(["render", str(folder), "--config", "kelly.toml"]) == 2
    assert "a take has settings of its own" in capsys.readouterr().err
    assert run(["render", str(tmp_path)]) == 6
    assert "no take: expected take.wav and kelly.toml in it" in capsys.readouterr().err


def receipt(kind, tick=7, **fields):
    row = np.zeros((), receipt_dtype())
    row["tick"], row["command"]["kind"], row["command"]["frame"] = tick, COMMAND_KINDS.index(kind), -1
    for name, value in fields.items():
        row["command"][name] = value
    return row


@pytest.mark.parametrize("kind", COMMAND_KINDS)
def test_every_command_is_read_back_bit_for_bit(tmp_path, kind):
    rng = np.random.default_rng(1)
    row = receipt(kind, index=3, value=1 / 3, vector=rng.uniform(-1, 1, 64) if kind == "embedding" else 0.0)
    (tmp_path / "c.csv").write_text(HEAD + command_row(5120, row) + "# a remark\n" + command_row(5120, row)[:-4])
    found = read_commands(tmp_path / "c.csv")
    assert found.remarks == ("a remark",)
    assert found.script.tobytes() == (b"" if kind == "reload" else row.tobytes())


@pytest.mark.parametrize(
    ("line", "words"),
    [("1,2,jump,0,0.0,-1,", "nothing is called 'jump'"), ("1,2,tap", "not enough values"), ("1,2,embedding,0,0.0,-1,1 2", "expected 64 finite numbers, found 2")],
)
def test_a_command_that_makes_no_sense_is_named_by_its_line(tmp_path, line, words):
    (tmp_path / "c.csv").write_text(HEAD + command_row(1, receipt("tap")) + line + "\n")
    with pytest.raises(TakeError, match=rf"c\.csv:3: no command: {words}"):
        read_commands(tmp_path / "c.csv")


def test_what_no_command_can_repeat_is_said(tmp_path):
    """A network that was exchanged lies elsewhere."""
    session = session_on(Device(chords(1).reshape(-1)), config(record=str(tmp_path)))
    path = session.processor.slot("groovepredictor").path
    with session:
        session.reload_model("groovepredictor", path)
        assert session.source.delivered.wait(PATIENCE_S)
    take = open_take(session.take.folder)
    assert take.commands.remarks == (f"groovepredictor was loaded anew from {path}",)
    assert len(take.commands) == 0
