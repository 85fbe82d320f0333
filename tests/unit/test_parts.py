"""What each player of the band does, alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from kelly._rt.contract import DYNAMICS_IN, MELODY_IN, MELODY_OUT
from kelly._rt.stream.rules import Rule
from kelly.generate.conductor import Conductor
from kelly.generate.draw import choose, draw, draw_signed
from kelly.generate.grid import Place
from kelly.generate.harmony import COMPING, cost, motion, voicings
from kelly.generate.moment import allowed_classes
from kelly.generate.phrase import plan_of
from kelly.generate.settings import PARTS, ConductorSettings
from kelly.music.chord import QUALITIES, Chord
from tests.synthetic import conduct, notes_of, ticks

RATE = 48000


class Spy:
    """A rule that keeps what it was asked."""

    def __init__(self, name, answer=None):
        self.rule, self.answer, self.asked = Rule(name), answer, []
        self.resets, self.resets_when_asked = 0, []

    def process(self, x, out):
        self.asked.append(x.copy())
        self.resets_when_asked.append(self.resets)
        self.rule.process(x, out)
        if self.answer is not None:
            out[:] = self.answer

    def reset(self):
        self.resets += 1
        self.rule.reset()


def play(seconds, melody=None, dynamics=None, **player):
    engines = {"melodytransformer": melody or Spy("melodytransformer"), "dynamicsengine": dynamics or Spy("dynamicsengine")}
    return notes_of(conduct(Conductor(RATE, ConductorSettings(), engines), ticks(seconds, **player)))


# Chance


def test_a_draw_depends_on_its_place_alone():
    """Literal values: another machine or version must not draw differently."""
    assert draw(0, 0, 0, 0) == 0.47141042966848024
    assert draw(7, 1, -3, 15) == 0.6859256713324475
    assert draw(7, 1, -3, 15, 2) == 0.1579073170345766


def test_draws_are_uniform_and_uncorrelated():
    values = np.array([draw(1, p, b, s) for p, b, s in product(range(4), range(50), range(16))])
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert values.std() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.05
    signed = [draw_signed(1, 0, b, 0) for b in range(2000)]
    assert np.mean(signed) == pytest.approx(0, abs=0.03)


def test_choose_follows_the_weights():
    assert [choose([0, 2, 0, 2], u) for u in (0.0, 0.49, 0.5, 0.999999)] == [1, 1, 3, 3]
    assert choose([0.0, 0.0], 0.5) == -1
    assert choose([], 0.5) == -1


# Chords


@pytest.mark.parametrize("quality", range(len(QUALITIES)))
def test_every_chord_has_a_voicing_in_range(quality):
    low, high = PARTS[0].low, PARTS[0].high
    for root in range(12):
        chord = Chord(root, quality)
        shapes = voicings(chord.tones, low, high, True)
        assert shapes
        for shape in shapes:
            assert list(shape) == sorted(shape)
            assert low <= shape[0]
            assert shape[-1] <= high
            assert {p % 12 for p in shape} <= set(chord.tones)
            assert chord.root in {p % 12 for p in shape}


def test_motion_counts_semitones_of_all_voices():
    assert motion((60, 64, 67), (60, 65, 69)) == 3
    assert motion((60, 64, 67), (60, 64, 67, 72)) == 5


def test_a_doubled_leading_tone_costs_more_than_anything():
    clean, doubled = (55, 59, 62, 67), (55, 59, 62, 71)
    assert cost(doubled, (), 60, 11, 11) > cost(clean, (), 60, 11, 11) + 50


def test_comping_patterns_are_bars_of_sixteenths():
    assert all(len(rhythm) == 16 and set(rhythm) <= {"x", "."} for row in COMPING for rhythm in row)


# Melody


def test_the_melody_net_thinks_in_c():
    """A net that always says 'tonic' is heard as the player's tonic, whatever that is."""
    answer = np.zeros(MELODY_OUT.size, np.float32)
    answer[60] = answer[72] = 0.5
    for tonic in (0, 5, 9):
        notes = play(12, Spy("melodytransformer", answer), tonic=tonic, chords=[(tonic, 0)])
        melody = {n[1] % 12 for n in notes if n[0] == 2}
        assert melody == {tonic}


def test_the_melody_net_is_asked_each_eighth_and_begins_anew_with_each_phrase():
    spy = Spy("melodytransformer")
    play(2 + 32, spy, key_after_s=0, lock_after_s=0, tempo_bpm=120)
    assert len(spy.asked) == pytest.approx(34 * 4, abs=6)
    position = np.array([x[MELODY_IN["phrase_position"].start] for x in spy.asked])
    assert np.allclose(np.diff(position) % 1, 1 / 32, atol=1e-6)
    begins = np.flatnonzero(np.diff(position) < 0)
    assert np.flatnonzero(np.diff(spy.resets_when_asked)).tolist() == begins.tolist()
    assert len(begins) >= 4


def test_the_melody_net_is_told_the_chord_from_the_tonic():
    spy = Spy("melodytransformer")
    play(12, spy, tonic=7, chords=[(2, 2)])  # D7 in G
    tones = spy.asked[-1][MELODY_IN.slice("chord_tones")]
    assert set(np.flatnonzero(tones)) == {(pc - 7) % 12 for pc in Chord(2, 2).tones}


def test_bars_of_the_melody_that_share_a_letter_share_their_rhythm():
    """At 120 bpm with the first beat at .1 s, phrases of four bars begin with bar 0."""
    notes = play(80, notes_per_s=0.5)
    steps: dict[int, set[int]] = {}
    for channel, _, _, on, _ in notes:
        if channel == 2:
            sixteenth = round((on / RATE - 0.1) * 8)
            steps.setdefault(sixteenth // 16, set()).add(sixteenth % 16)

    def letter(bar):
        plan = plan_of(Place(16 * bar, 4 * bar, 0, bar, 0, 0, 4, bar % 4 * 4.0, 16), 0)
        return plan.labels[bar % 4], plan.theme

    alike: dict[bool, list[float]] = {True: [], False: []}
    for a in range(3, 36):
        for b in range(a + 1, min(a + 9, 36)):
            here, there = steps.get(a, set()), steps.get(b, set())
            alike[letter(a) == letter(b)].append(len(here & there) / max(1, len(here | there)))
    assert np.mean(alike[True]) > np.mean(alike[False]) + 0.15


# Dynamics


def test_the_dynamics_net_is_asked_once_per_note():
    spy = Spy("dynamicsengine")
    notes = play(8, dynamics=spy)
    assert len(spy.asked) == pytest.approx(len(notes), abs=12)  # those still in the air at the end were asked for, too
    voices = {tuple(x[DYNAMICS_IN.slice("voice")]) for x in spy.asked}
    assert voices == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert all(np.isfinite(x).all() and np.abs(x).max() <= 1.6 for x in spy.asked)


def test_push_moves_the_band_and_never_by_more_than_40_ms():
    offsets = {}
    for push in (0.0, 0.5, 1.0):
        answer = np.full(16, 0.5, np.float32)
        answer[5], answer[6], answer[9], answer[10] = push, 0.0, 0.0, 0.0
        notes = play(12, dynamics=Spy("dynamicsengine", answer))
        grid = np.array([(n[3] / RATE - 0.1) for n in notes if n[3] > 3 * RATE])
        deviation = grid - np.round(grid * 8) / 8
        assert np.abs(deviation).max() <= 0.0405
        offsets[push] = np.median(deviation)
    assert offsets[0.0] < offsets[0.5] - 0.004 < offsets[1.0] - 0.008


# Scale and forecast


def test_the_scale_bends_to_the_chord():
    a_minor = {9, 11, 0, 2, 4, 5, 7}
    assert allowed_classes(9, -1, None) == a_minor
    assert allowed_classes(9, -1, Chord(4, 2)) == (a_minor - {7}) | {8}
    c_major = {0, 2, 4, 5, 7, 9, 11}
    for root, quality, lost, gained in (
        (2, 2, {5}, {6}),  # D7: F sharp for F
        (0, 2, {11}, {10}),  # C7: B flat for B
        (5, 1, {9}, {8}),  # F minor: A flat for A
        (10, 0, {11}, {10}),  # B flat major
        (3, 0, {4, 11}, {3, 10}),  # E flat major: E flat and B flat
        (11, 2, {2, 5}, {3, 6}),  # B7: D sharp and F sharp
        (6, 4, {5}, {6}),  # F sharp diminished
    ):
        assert allowed_classes(0, 1, Chord(root, quality)) == (c_major - lost) | gained
    assert allowed_classes(-1, 0, Chord(0, 0)) == {0, 4, 7}
    assert allowed_classes(0, 0, None) == {0, 2, 5, 7}
