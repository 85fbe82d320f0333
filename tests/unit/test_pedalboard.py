"""From an input's actions to a session's commands, without a port: clock, transport, pedals, knobs."""

from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from kelly.config import load_config, to_toml
from kelly.errors import ConfigError
from kelly.live.pedalboard import FrameClock, Pedalboard
from kelly.midi.clock import ClockFollower
from kelly.midi.inputs import DEFAULTS, Control, Controls, bindings

RATE = 48000


class Session:
    """What a pedalboard sees of one: commands are noted."""

    def __init__(self):
        self.told, self.news = [], deque()
        self.source = SimpleNamespace(capture=SimpleNamespace(frames=0), sample_rate_hz=RATE)

    def command(self, kind, index=0, value=0.0, frame=-1):
        self.told.append((kind, index, value, frame))

    def panic(self):
        self.told.append(("panic",))

    def freeze(self, on):
        self.told.append(("freeze", on))

    def switch_part(self, name, on):
        self.told.append(("part", name, on))

    def lock_part(self, name, on):
        self.told.append(("lock", name, on))

    def reroll_part(self, name):
        self.told.append(("reroll", name))

    def set_control(self, name, value):
        self.told.append((name, value))


class Listener:
    def __init__(self):
        self.controls, self.came = Controls(), []

    def actions(self):
        actions, self.came = self.came, []
        return actions

    def send(self, time_s, *message):
        self.came += self.controls.feed(message, time_s)


def pedalboard(**options):
    session = Session()
    board = Pedalboard(session, session.source, session.news, Listener(), **options)
    board.session = session
    return board


@pytest.fixture
def board():
    return pedalboard()


def press(board, *message, time_s=1.0):
    board.listener.send(time_s, *message)
    board.look()
    told = list(board.session.told)
    board.session.told.clear()
    return told


def test_pedals_and_transport_become_commands(board):
    assert press(board, 0xB0, 64, 127) == [("hold_chord", 0, 1.0, -1)]
    assert press(board, 0xB0, 64, 0) == [("hold_chord", 0, 0.0, -1)]
    assert press(board, 0xB0, 81, 127) == [("part", "drums", False)]
    assert press(board, 0xB0, 81, 0, 0xB0, 81, 127) == [("part", "drums", True)]
    assert press(board, 0xB0, 80, 127) == [("end", 0, 0.0, -1)]
    assert press(board, 0xFC) == [("rest", 0, 1.0, -1)]
    assert press(board, 0xFA) == [("rest", 0, 0.0, -1)]
    assert press(board, 0xFB) == [("rest", 0, 0.0, -1)]
    assert press(board, 0xB0, 82, 127) == [("level", 0, 0.5, -1)]
    assert press(board, 0xB0, 83, 127) == [("level", 0, 2.0, -1)]
    assert press(board, 0xB0, 123, 0) == [("panic",)]


def test_freeze_is_a_command_that_the_next_press_takes_back(board):
    assert press(board, 0xB0, 66, 127) == [("freeze", True)]
    assert press(board, 0xB0, 66, 0, 0xB0, 66, 127) == [("freeze", False)]


def test_parts_are_locked_and_drawn_anew_by_any_control(board):
    board.listener.controls.bound |= {"lock_bass": Control("note", 36), "reroll_melody": Control("note", 37)}
    assert press(board, 0x90, 36, 90) == [("lock", "bass", True)]
    assert press(board, 0x80, 36, 0, 0x90, 36, 90) == [("lock", "bass", False)]
    assert press(board, 0x90, 37, 90) == [("reroll", "melody")]


def test_a_knob_turns_its_control_from_end_to_end_with_a_middle_of_its_own(board):
    assert [press(board, 0xB0, 16, value) for value in (0, 64, 127)] == [[("valence", -1.0)], [("valence", 0.0)], [("valence", 1.0)]]
    assert [press(board, 0xB0, 19, value) for value in (0, 64, 127)] == [[("density", 0.0)], [("density", 0.5)], [("density", 1.0)]]


def test_a_clock_is_told_once_a_beat_with_its_phase_in_frames(board, monkeypatch):
    """132 bpm from 10.0 s on, the stream began at 2.0 s; pulses jitter by a millisecond."""
    rng, period = np.random.default_rng(3), 60 / 132 / 24
    monkeypatch.setattr(board._clock, "_origin_s", 2.0)
    monkeypatch.setattr(board._clock, "look", lambda: None)
    board.listener.send(9.99, 0xFA)
    for i in range(240):
        board.listener.send(10 + i * period + rng.uniform(-0.001, 0.001), 0xF8)
        board.look()
    clocks = [row for row in board.session.told if row[0] == "clock"]
    assert [row[1] for row in clocks if row[1] >= 1][-1] == 9
    for _, beat, tempo, frame in clocks[-6:]:
        assert tempo == pytest.approx(132, rel=0.01)
        assert abs(frame - RATE * (8 + beat * 60 / 132)) < 0.002 * RATE
    assert len(clocks) < 30


def test_a_clock_in_six_eight_leads_dotted_quarters(monkeypatch):
    """Quarters at 150 bpm are dotted ones at 100; every third quarter is the beginning of a dotted one, the second of a pair."""
    board = pedalboard(ternary=True)
    monkeypatch.setattr(board._clock, "_origin_s", 2.0)
    monkeypatch.setattr(board._clock, "look", lambda: None)
    board.listener.send(9.99, 0xFA)
    for i in range(240):
        board.listener.send(10 + i * 0.4 / 24, 0xF8)
        board.look()
    clocks = [row for row in board.session.told if row[0] == "clock" and row[1] >= 0]
    assert {row[1] for row in clocks} == {0, 2, 4, 6}
    for _, beat, tempo, frame in clocks[1:]:
        assert tempo == pytest.approx(100, rel=0.01)
        assert abs(frame - RATE * (8 + beat * 0.6)) < 0.002 * RATE


def test_a_clock_without_a_transport_gives_the_tempo_alone(board):
    for i in range(60):
        board.listener.send(1 + i * 0.5 / 24, 0xF8)
    board.look()
    assert {(row[0], row[1], row[3]) for row in board.session.told} == {("clock", -1, -1)}
    assert ClockFollower().newest_beat() is None


def test_taps_are_told_with_the_frame_of_the_foot(board, monkeypatch):
    monkeypatch.setattr(board._clock, "_origin_s", 2.0)
    monkeypatch.setattr(board._clock, "look", lambda: None)
    for i in range(3):
        board.listener.send(5 + 0.75 * i, 0xB0, 67, 127)
        board.listener.send(5.1 + 0.75 * i, 0xB0, 67, 0)
    board.look()
    assert ("tap", 0, 80.0, round(4.5 * RATE)) in [(k, i, round(v, 6), f) for k, i, v, f in board.session.told]


def test_a_time_becomes_a_frame_though_frames_come_in_blocks():
    """Blocks of 1024, looked at every 10 ms: the least delay counts."""
    now = [0.0]
    clock = FrameClock(lambda: int(now[0] * RATE // 1024 * 1024), RATE, lambda: now[0])
    assert clock.frame_at(1.0) == -1
    for i in range(1, 400):
        now[0] = 100 + 0.0101 * i
        clock.look()
    assert abs(clock.frame_at(now[0]) - now[0] * RATE) < 150
    now[0] += 5.0  # the machine slept
    clock.look()
    assert abs(clock.frame_at(now[0]) - now[0] * RATE) < 1100


def test_what_was_learned_says_how_to_keep_it(board):
    board.listener.controls.learn("freeze")
    press(board, 0xB0, 21, 0)
    press(board, 0xB0, 21, 90)
    assert list(board.session.news) == ['CC 21 is now freeze; to keep it: kelly.toml, [midi], controls = { freeze = "CC 21" }']


def test_what_was_learned_is_kept_where_it_is_read_again(board, tmp_path):
    """The control's other action loses it in the file, too."""
    board.keep_in = tmp_path / "own" / "kelly.toml"
    board.listener.controls.learn("freeze")
    press(board, 0xB0, 21, 0, 0xB0, 21, 90)
    board.listener.controls.learn("density")
    press(board, 0xB0, 21, 0, 0xB0, 21, 90)
    assert list(board.session.news) == [
        f"CC 21 is now freeze; kept in {board.keep_in}:2",
        f"CC 21 is now density, taken from freeze; kept in {board.keep_in}:2",
    ]
    config = load_config(board.keep_in, env={}, alone=True)
    assert dict(config.midi.controls) == {"density": "CC 21"}
    assert config.origins["midi.controls.density"] == f"{board.keep_in}:2"


def test_bindings_are_read_from_the_settings_and_written_again(tmp_path):
    config = load_config(flags={"control": ("freeze=CC 21", "tap=note 36 on channel 2", "end=cc 64")}, env={})
    bound = bindings(config.midi.controls)
    assert bound["freeze"] == Control("control_change", 21)
    assert bound["tap"] == Control("note", 36, 2)
    assert bound["end"] == Control("control_change", 64)
    assert "hold_chord" not in bound  # its pedal was taken
    assert bound["drums_out"] == DEFAULTS["drums_out"]
    (tmp_path / "kelly.toml").write_text(to_toml(config))
    assert load_config(tmp_path / "kelly.toml", env={}).midi.controls == config.midi.controls


def test_a_knob_that_is_chosen_for_two_things_does_both():
    controls = Controls(bindings({"density": "CC 21", "intensity": "CC 21"}))
    assert {action.name for action in controls.feed((0xB0, 21, 90), 0.0)} == {"density", "intensity"}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [({"jump": "CC 1"}, "no action is called 'jump'"), ({"freez": "CC 1"}, "did you mean 'freeze'"), ({"tap": "pedal"}, "tap: expected 'CC N'"), ({"tap": "CC 200"}, "0..127")],
)
def test_a_binding_that_cannot_be_is_refused_in_words(chosen, words):
    with pytest.raises(ConfigError, match=words):
        bindings(chosen)
