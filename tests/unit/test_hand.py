"""The monitor's hand: which control or part it holds, and what each key does."""

import numpy as np
import pytest

from kelly.cli.hand import Hand
from kelly.live.mailbox import BODY, LOCKED, PARTS, SILENT
from kelly.music.controls import NAMES


class View:
    """Notes what it is asked for."""

    def __init__(self):
        self.told = []

    def press(self, name):
        self.told.append(name)

    def turn(self, name, value):
        self.told.append((name, value))


@pytest.fixture
def hand():
    hand = Hand()
    hand.look(np.zeros((), BODY))
    return hand


def hold(hand, name):
    while hand.held != name:
        hand.press("]", None)


def pressed(hand, keys):
    view = View()
    for key in keys:
        hand.press(key, view)
    return view.told


def test_a_control_is_turned_in_twentieths_within_its_range_and_back_to_rest(hand):
    hold(hand, "density")
    assert pressed(hand, "++-") == [("density", 0.55), ("density", 0.6), ("density", 0.55)]
    assert pressed(hand, "+" * 30)[-1] == ("density", 1.0)
    assert pressed(hand, "0") == [("density", 0.5)]
    hold(hand, "feel")
    assert pressed(hand, "-") == [("feel", -0.1)]


def test_a_part_is_taken_out_locked_and_drawn_anew(hand):
    hold(hand, "bass")
    assert pressed(hand, "-lr0x") == ["switch_bass", "lock_bass", "reroll_bass"]


def test_it_goes_round(hand):
    first = hand.held
    for _ in range(len(NAMES) + len(PARTS)):
        hand.press("[", None)
    assert hand.held == first


def test_the_line_shows_what_is_held_and_what_is_not_at_rest(hand):
    page = np.zeros((), BODY)
    page["tick"]["controls"][NAMES.index("feel")] = -0.3
    page["parts"][PARTS.index("drums")] = SILENT | LOCKED
    hand.look(page)
    hold(hand, "density")
    assert hand.line().plain.strip() == "[density 0.50] feel -0.30 drums out locked"
    hold(hand, "bass")
    assert hand.line().plain.strip() == "feel -0.30 [bass plays] drums out locked"
