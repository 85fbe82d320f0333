"""What the band plays in other metres than 4/4: where feet, snare, bass and chords fall, and that no eighth is lost."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from kelly.generate.conductor import Conductor
from kelly.generate.drums import CRASH, DRUMS, KICK, SIDE_STICK, SNARE
from kelly.generate.explain import place
from kelly.generate.grid import Grid
from kelly.generate.harmony import COMPING
from kelly.generate.metres import LEVELS, METRES, ROWS, row_of, steps, turned
from kelly.generate.settings import BASS, CHORDS, MELODY, ConductorSettings
from tests.synthetic import TICK, conduct, engines, ticks

RATE = 48000
TERNARY = ((2, True), (3, True), (4, True))
BACKBEATS = {(2, True): {1}, (3, True): {1, 2}, (4, True): {1, 3}, (2, False): {1}, (3, False): {1, 2}}


def reasons(beats, ternary, *, mood=(0.2, 0.2, -0.1), seconds=40, tempo_bpm=84.0, seed=0, level=0.5, notes_per_s=1.0):
    conductor = Conductor(RATE, ConductorSettings(seed=seed), engines())
    conduct(conductor, ticks(
        seconds, beats_per_bar=beats, ternary=ternary, mood=mood, tempo_bpm=tempo_bpm, level=level,
        notes_per_s=notes_per_s, key_after_s=0.2, lock_after_s=0.2,
    ))  # fmt: skip
    return [reason for reason in conductor.reasons if reason.bar >= 1]


# The tables


@pytest.mark.parametrize("metre", METRES, ids=lambda m: f"{m[0]}{'t' if m[1] else ''}")
def test_every_bar_is_as_long_as_its_metre_and_every_energy_has_one(metre):
    beats, ternary = metre
    marks = {"kick": "xo.", "snare": "xX.", "cymbal": "xX.", "comping": "x.", "bass": "rfto.", "turn": "sghmlSGHML.-"}
    for part, allowed in marks.items():
        rows = getattr(METRES[metre], part)
        assert len(rows) == (3 if part == "turn" else ROWS)
        for bar in (bar for row in rows for bar in row):
            assert len(bar) == (8 if part == "turn" else 4 * beats)
            assert set(bar) <= set(allowed)
            assert not ternary or set(bar[3::4]) <= set(".-")  # a written eighth is never the last sixteenth
    assert all(bar[0] == "x" for row in METRES[metre].kick for bar in row)
    assert all(bar[0] == "r" for row in METRES[metre].bass for bar in row)
    assert all(bar[0] == "." for row in METRES[metre].snare for bar in row)
    assert all("x" in bar for row in METRES[metre].comping for bar in row)


@pytest.mark.parametrize("metre", METRES, ids=lambda m: f"{m[0]}{'t' if m[1] else ''}")
def test_more_energy_means_more_strokes_and_mostly_roots(metre):
    for part in ("kick", "comping", "bass"):
        strokes = [np.mean([sum(mark != "." for mark in bar) for bar in row]) for row in getattr(METRES[metre], part)]
        assert all(b >= a for a, b in pairwise(strokes)), part
        assert strokes[-1] > strokes[0]
    for row in METRES[metre].bass:
        written = Counter("".join(row).replace(".", ""))
        assert written["r"] >= 0.6 * written.total()


def test_written_bars_become_steps_of_the_grid():
    assert steps("x.x x..", True) == "x.x.x..."
    assert steps("x... ..x.", False) == "x.....x."
    assert turned("x.x.x...", True) == steps(".x. xx.", True)
    assert turned("x...x...", False) == "..x...x."
    assert len(COMPING) == ROWS == len(LEVELS) + 1
    assert [row_of(energy) for energy in (0.0, 0.3, 0.5, 0.7, 1.0)] == [0, 1, 2, 3, 4]


def test_no_step_of_a_ternary_grid_is_skipped():
    """The grid is asked for the first step after a frame; with even places it would pass over the third eighth."""
    grid, row = Grid(), np.zeros((), TICK)
    row["beat_frame"], row["beat_count"], row["beat_frames"] = 1000, 4, 1200
    row["beats_per_bar"], row["phrase_bars"], row["ternary"] = 2, 4, 1
    grid.update(row[()])
    for step in range(8, 40):
        frame = grid.frame_of(step)
        assert grid.step_after(frame - 1) == step
        assert grid.step_after(frame + 1) == step + 1


# The players


@pytest.mark.parametrize(("beats", "ternary"), TERNARY)
def test_all_eighths_of_a_ternary_beat_are_played_and_nothing_between(beats, ternary):
    """The cymbal has every eighth of excited music; ghosts and fills apart nobody plays between two."""
    struck = [reason for reason in reasons(beats, ternary, mood=(0.2, 0.7, 0.2), level=0.6) if reason.rule not in ("fill", "ghost")]
    per_place = Counter(reason.step % 4 for reason in struck if reason.rule == "cymbal")
    assert per_place[1] > 0.8 * per_place[0]
    assert per_place[2] > 0.8 * per_place[0]
    assert all(reason.step % 4 < 3 for reason in struck)
    melody = Counter(reason.step % 4 for reason in struck if reason.part == MELODY)
    assert melody[2] > 0


@pytest.mark.parametrize(("beats", "ternary"), BACKBEATS)
@pytest.mark.parametrize("arousal", [-0.6, -0.1, 0.4, 0.9])
def test_the_foot_opens_the_bar_and_the_snare_answers_on_its_beats(beats, ternary, arousal):
    struck = [r for r in reasons(beats, ternary, mood=(0.1, arousal, 0.0)) if r.part == DRUMS and r.rule not in ("fill", "crash", "ghost", "final")]
    bars = {reason.bar for reason in struck}
    downbeats = {reason.bar for reason in struck if reason.pitch == KICK and reason.step == 0}
    assert len(downbeats) >= 0.95 * len(bars)
    answers = Counter(reason.step / 4 for reason in struck if reason.pitch in (SNARE, SIDE_STICK))
    assert set(answers) <= BACKBEATS[beats, ternary], answers
    assert answers or arousal <= -0.6


@pytest.mark.parametrize(("beats", "ternary"), [*TERNARY, (3, False)])
def test_accents_lie_where_the_metre_has_its_weight(beats, ternary):
    """Mean force: the downbeat above the other beats, beats above the eighths between them."""
    struck = [r for r in reasons(beats, ternary, mood=(0.3, 0.6, 0.1), seconds=60) if r.rule not in ("fill", "crash", "final", "ghost")]

    def force(*places, parts):
        return np.mean([r.velocity for r in struck if r.part in parts and r.step in places])

    beats_but_one = range(4, 4 * beats, 4)
    between = [step for step in range(4 * beats) if step % 4 in ((1, 2) if ternary else (2,))]
    assert force(0, parts=(DRUMS,)) > force(*between, parts=(DRUMS,)) + 15
    assert force(*beats_but_one, parts=(DRUMS,)) > force(*between, parts=(DRUMS,)) + 10
    assert force(0, parts=(CHORDS,)) > force(*beats_but_one, *between, parts=(CHORDS,))


def test_bass_and_foot_of_a_waltz_leave_two_and_three_to_the_chords():
    """Boom-chuck-chuck: below the wildest rows the bass stands on one, chords and snare answer on two and three."""
    struck = reasons(3, False, mood=(0.3, 0.0, -0.2), tempo_bpm=140)
    roots = Counter(reason.step for reason in struck if reason.part == BASS and reason.rule != "approach")
    assert roots[0] >= 0.8 * roots.total()
    answers = Counter(reason.step for reason in struck if reason.rule == "backbeat")
    assert set(answers) <= {4, 8}


def test_a_jig_is_fuller_than_a_ballad():
    """Both in 6/8: per bar the excited one has more of everything, and its chords leave the beat to the bass."""
    jig, ballad = (reasons(2, True, mood=mood, tempo_bpm=bpm) for mood, bpm in (((0.6, 0.8, 0.0), 116), ((0.2, -0.7, -0.5), 60)))
    per_bar = [{part: sum(r.part == part for r in played) / len({r.bar for r in played}) for part in (BASS, CHORDS, DRUMS)} for played in (jig, ballad)]
    assert all(per_bar[0][part] > 1.3 * per_bar[1][part] for part in per_bar[0]), per_bar
    off_the_beat = np.mean([r.step % 4 > 0 for r in jig if r.rule == "comping"])
    assert off_the_beat > 0.6


def test_a_figure_is_held_to_the_next_of_its_own():
    """Lengths follow the ternary places: a dotted quarter's bass note that is followed by its third eighth lasts two eighths."""
    grid, row = Grid(), np.zeros((), TICK)
    row["beat_frame"], row["beat_count"], row["beat_frames"], row["beats_per_bar"], row["phrase_bars"], row["ternary"] = 0, 0, 1200, 2, 4, 1
    grid.update(row[()])
    assert grid.place(0).beats_on(2) == pytest.approx(2 / 3)
    assert grid.place(2).beats_on(2) == pytest.approx(1 / 3)
    assert [grid.place(step).eighth for step in (0, 1, 2, 3, 4, 6)] == [0, 1, 2, 2, 3, 5]
    assert [grid.place(step).bar_position for step in (0, 2, 4, 5)] == pytest.approx([0, 1 / 3, 0.5, 2 / 3])


def test_a_fill_turns_the_phrase_in_eighths():
    struck = [reason for reason in reasons(2, True, mood=(0.4, 0.8, 0.3), seconds=120) if reason.part == DRUMS]
    fills = [reason for reason in struck if reason.rule == "fill"]
    assert fills
    assert {reason.bar % 4 for reason in fills} == {3}
    assert any(reason.pitch == CRASH and reason.bar % 4 == 0 for reason in struck)


def test_twos_against_threes_when_the_metre_is_asked_to_turn():
    """Metric modulation in 6/8: cymbals on every second eighth, as if it were 3/4."""
    from kelly.music.breaks import Wanted

    conductor = Conductor(RATE, ConductorSettings(breaks=(Wanted("metric modulation", 1.0),)), engines())
    conduct(conductor, ticks(60, beats_per_bar=2, ternary=True, tempo_bpm=90, key_after_s=0.2, lock_after_s=0.2))
    struck = Counter(reason.step for reason in conductor.reasons if reason.broke == "metric modulation" and reason.rule == "cymbal")
    assert set(struck) == {0, 2, 5}  # eighths 1, 3 and 5 of six


def test_explanations_count_eighths_in_six_eight():
    found = {place(reason) for reason in reasons(2, True, mood=(0.4, 0.6, 0.0))}
    assert {"1", "3", "4", "6"} <= found
    assert not {"1+", "2a"} & found


@pytest.mark.parametrize("stops_s", [9.0, 9.25, 9.5, 9.75, 10.0])
def test_a_slow_bar_of_two_ends_at_home_wherever_in_it_the_player_stops(stops_s):
    """Beats of 1.03 s: two of them are the whole pause, and the last one before it is over has to do."""
    conductor = Conductor(RATE, ConductorSettings(), engines())
    conduct(conductor, ticks(20, beats_per_bar=2, ternary=True, tempo_bpm=58, playing=[(0, stops_s)], key_after_s=0.2, lock_after_s=0.2))
    last = [reason for reason in conductor.reasons if reason.part in (BASS, CHORDS)]
    assert last[-1].chord is not None
    assert last[-1].chord.root == 0
    assert last[-1].rule == "final"
