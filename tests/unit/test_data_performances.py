"""What performances teach the dynamics net: one hand's answers to another, and what it may be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import kelly
from training.data.loaders import create_data_loaders
from training.data.score import NOTE
from training.data.sets import load

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own


def duet():
    """Eight bars at 120: the player's quarters swell, kelly's follow at the same velocity, accented downbeats, gate .5."""
    from training.data.dynamics import Duet

    player, mine = np.zeros(64, NOTE), np.zeros(64, NOTE)
    for notes, pitch in ((player, 48), (mine, 72)):
        notes["onset_beat"] = np.arange(64) / 2
        notes["onset_s"] = notes["onset_beat"] / 2
        notes["end_s"], notes["pitch"] = notes["onset_s"] + 0.125, pitch
        notes["velocity"] = 50 + 30 * np.sin(np.arange(64) / 10)
    mine["velocity"] += np.where(np.arange(64) % 8 == 0, 16, 0).astype("i2")
    beats = np.column_stack([np.arange(33) / 2, np.arange(33) % 4 == 0]).astype(float)
    return Duet(player, mine, beats, np.zeros((1, 4), np.float32), np.zeros(1))


def named(rows, name, part="x"):
    """One field's columns of dynamics rows: of the input, the answers or the mask."""
    from kelly._rt.contract import DYNAMICS_IN, DYNAMICS_OUT

    first = {"x": 0, "y": 32, "mask": 48}[part]
    where = (DYNAMICS_IN if part == "x" else DYNAMICS_OUT).slice(name)
    return rows[:, first:][:, where].squeeze()


def test_what_a_note_is_told_does_not_tell_its_velocity():
    """Any other velocity of the note changes answers alone, and the input of the note after it."""
    from training.data import dynamics

    given = duet()
    before = dynamics.rows(given)
    louder = given.kelly.copy()
    louder["velocity"][20] = 120
    after = dynamics.rows(replace(given, kelly=louder))
    changed = np.flatnonzero((before[:, :32] != after[:, :32]).any(1))
    assert changed.tolist() == [21]
    assert named(after, "previous_velocity")[21] == pytest.approx(120 / 127)
    assert named(after, "velocity", "y")[20] > named(before, "velocity", "y")[20]


def test_what_the_player_does_later_is_not_told():
    """Nothing after the moment at which the note is planned reaches its input."""
    from training.data import dynamics

    given = duet()
    other = given.player.copy()
    other["velocity"][32:] = 127
    other["end_s"][32:] += 1
    before, after = dynamics.rows(given), dynamics.rows(replace(given, player=other))
    changed = np.flatnonzero((before[:, :32] != after[:, :32]).any(1))
    assert given.kelly["onset_s"][changed[0]] >= other["onset_s"][32] + dynamics.AHEAD_S


def test_answers_undo_what_the_generator_does():
    """Mean, accent, arch and crescendo put together by the generator's formula give the played velocity."""
    from training.data import dynamics

    rows = dynamics.rows(duet())
    weight, position = named(rows, "metrical_weight"), np.arange(64) / 2 % 16 / 16
    arch = 0.5 - 0.5 * np.cos(2 * np.pi * position)
    velocity = 127 * named(rows, "velocity", "y") + 32 * named(rows, "accent", "y") * weight
    velocity += 24 * named(rows, "phrase_arch", "y") * arch + 48 * (named(rows, "crescendo", "y") - 0.5) * position
    np.testing.assert_allclose(velocity, duet().kelly["velocity"], atol=0.1)
    assert named(rows, "accent", "y").min() > 0.05
    np.testing.assert_allclose(named(rows, "gate", "y")[:-1], (0.5 - 0.2) / 0.9, atol=1e-6)
    assert named(rows, "gate", "mask").tolist() == [1] * 63 + [0]
    assert weight[:9].tolist() == [1, 0.25, 0.5, 0.25, 0.75, 0.25, 0.5, 0.25, 1]


def test_what_a_performance_cannot_tell_is_masked():
    """No beats: no accent, arch, crescendo; no pedal in the file; no chord; no click; and what the contract leaves to the rule."""
    from training.data import dynamics

    given = duet()
    rows = dynamics.rows(replace(given, beats=None))
    for name in ("accent", "phrase_arch", "crescendo", "push", "jitter", "roll", "pedal", "rubato", "melody_lead", "melody_balance", "bass_balance", "expression"):
        assert named(rows, name, "mask").max() == 0, name
    for name in ("velocity", "velocity_range", "velocity_jitter"):
        assert named(rows, name, "mask").min() == 1, name
    assert rows[:, 32:48][rows[:, 48:] == 0].max() == 0
    assert named(rows, "beat_confidence").max() == named(rows, "beat_in_bar").max() == 0
    with pytest.raises(kelly.DataError, match="3 notes for the player"):
        dynamics.rows(replace(given, player=given.player[:3]))


@pytest.mark.parametrize(("name", "masked"), [
    ("maestro", {"accent", "phrase_arch", "crescendo", "push", "jitter"}), ("asap", {"push", "jitter"}),
    ("emopia", {"accent", "phrase_arch", "crescendo", "push", "jitter"}),
    ("groove", {"velocity", "velocity_range", "phrase_arch", "crescendo", "gate", "roll", "pedal"}),
])  # fmt: skip
def test_performances_teach_what_they_know(disk, name, masked):
    """Each hand in turn is the player; the rule's answers are never taught."""
    from kelly._rt.contract import DYNAMICS_OUT
    from training.data.scores import dynamics_rows

    item = load(name, disk[name]).items[0]
    rows = dynamics_rows(item)
    rule = {field.name for field in DYNAMICS_OUT.fields if field.teacher == "rule"}
    assert {field.name for field in DYNAMICS_OUT.fields if named(rows, field.name, "mask").max() == 0} == masked | rule
    assert np.isfinite(rows).all()
    assert np.abs(rows[:, :32]).max() <= 1
    assert rows[:, 32:].min() >= 0
    assert rows[:, 32:].max() <= 1
    if name == "emopia":
        assert named(rows, "valence")[0] == named(rows, "arousal")[0] == 0.5
    if name == "groove":  # its off-beat hats are 6 ms late, its snare 6 ms
        assert named(rows, "push", "y")[named(rows, "push", "mask") > 0].max() > 0.5


def test_batches_of_performances(disk, cache):
    """Published splits; every row knows something."""
    loaders = create_data_loaders("dynamicsengine", {"maestro": disk["maestro"], "groove": disk["groove"]}, cache=cache)
    assert loaders.counts == {"maestro": {"train": 3, "validation": 1, "test": 1}, "groove": {"train": 2, "validation": 1, "test": 1}}
    x, y, mask = next(iter(loaders.test))
    assert x.shape[1:] == (64, 32)
    assert y.shape[1:] == mask.shape[1:] == (64, 16)
    assert (y * (1 - mask)).abs().max() == 0
