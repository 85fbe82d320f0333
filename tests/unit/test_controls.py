"""The player's controls: one table, and each does what it says, in the direction it says."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from kelly._rt.contract import EMBEDDING, NET_NAMES
from kelly._rt.layout import COMMAND_KINDS, N_SLOTS, SLOTS, SLOTS_CONTROLS, dtype
from kelly._rt.stream.rules import Rule
from kelly.cli.options import turned
from kelly.config import SECTIONS, load_config, to_toml
from kelly.controls import CONTROLS
from kelly.errors import ConfigError
from kelly.generate.conductor import Conductor
from kelly.generate.dynamics import Dynamics
from kelly.generate.moment import Note
from kelly.generate.settings import ConductorSettings
from kelly.live.engines import BLENDS, SwitchedEngine
from kelly.live.render import render_config
from kelly.midi.inputs import ACTIONS
from kelly.music.controls import NAMES, NEUTRAL, RANGES, Controls, from_midi, read_controls
from tests.random_nets import random_network
from tests.rig import Rig, chords
from tests.synthetic import conduct, engines, notes_of, ticks

RATE = 48000


def played(seconds=16, **values):
    """Notes of a band whose controls stand at ``values``; the mood in the middle."""
    stream = []
    for tick in ticks(seconds, mood=(0.1, 0.2, 0.1), notes_per_s=1.5):
        row = np.array(tick)
        for name, value in values.items():
            row["controls"][NAMES.index(name)] = value - RANGES[name][2]
        stream.append(row[()])
    settings = ConductorSettings(key_given=True, tempo_given=True)
    return notes_of(conduct(Conductor(RATE, settings, engines()), stream))


def velocities(notes):
    return np.array([note[2] for note in notes])


def early_s(notes, bpm=120.0, first_s=0.1):
    """Seconds after the nearest 16th, per note."""
    sixteenth = 60 / bpm / 4
    at = np.array([note[3] for note in notes]) / RATE - first_s
    return at - np.round(at / sixteenth) * sixteenth


def test_the_table_is_one_and_everything_is_made_of_it():
    assert NEUTRAL.values() == tuple(row[3] for row in CONTROLS)
    assert set(NAMES) <= set(ACTIONS)
    assert {f.name for f in SECTIONS["controls"].__dataclass_fields__.values()} == set(NAMES)
    assert all(low <= default <= high for low, high, default in RANGES.values())
    assert [SLOTS[name] for name in NAMES] == list(range(SLOTS_CONTROLS, SLOTS_CONTROLS + len(NAMES)))
    assert SLOTS_CONTROLS + len(NAMES) <= N_SLOTS
    assert len(BLENDS) == len(NET_NAMES)


def test_at_their_defaults_controls_change_nothing():
    assert all(NEUTRAL.factor(name, 3.0) == 1.0 and NEUTRAL.lean(name) == 0.0 for name in NAMES)
    assert played(8) == played(8, **dict(zip(NAMES, NEUTRAL.values(), strict=True)))


@pytest.mark.parametrize("name", NAMES)
def test_a_controller_covers_the_range_and_its_middle_is_exact(name):
    low, high, _ = RANGES[name]
    values = [from_midi(name, value) for value in range(128)]
    assert (values[0], values[64], values[127]) == (low, (low + high) / 2, high)
    assert values == sorted(values)


def test_density_means_notes_per_bar():
    counts = [len(played(density=value)) for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert counts == sorted(counts)
    assert counts[0] < 0.75 * counts[2] < 0.75 * counts[4]


def test_intensity_means_louder_and_fuller():
    soft, medium, hard = (played(intensity=value) for value in (0.0, 0.5, 1.0))
    assert velocities(soft).mean() + 8 < velocities(medium).mean() < velocities(hard).mean() - 8
    assert len(soft) < len(medium) < len(hard)


def test_dynamics_means_contrast():
    """Of each part within itself: the balance between parts stays, and so does how loud the band is on the whole."""
    def spread(value):
        notes = played(dynamics=value)
        of_part = [velocities([note for note in notes if note[0] == channel]) for channel in sorted({note[0] for note in notes} - {10})]
        return np.mean([part.std() for part in of_part]), velocities(notes).mean()

    (flat, _), (plain, medium), (wide, loud) = map(spread, (0.0, 0.5, 1.0))
    assert flat < 2.5 < plain
    assert wide > 1.5 * plain
    assert abs(loud - medium) < 15


def test_humanize_means_looseness():
    """Without it notes of the same place in the bar fall alike; what is left is groove and rolled chords."""
    def spread(value):
        drums = [note for note in played(humanize=value) if note[0] == 10]
        return early_s(drums).std()

    none, some, much = spread(0.0), spread(0.5), spread(1.0)
    assert none < 0.25 * some < 0.25 * much


def test_feel_means_before_or_behind_the_beat():
    ahead, plain, behind = (np.median(early_s(played(feel=value))) for value in (-1.0, 0.0, 1.0))
    assert ahead < plain - 0.015
    assert behind > plain + 0.015


def test_looseness_is_as_wide_as_the_net_says():
    """What the net calls jitter is a standard deviation."""
    luck = [Dynamics._luck(part, Note(60 + step % 3, 1.0), at(step), 2) for part in range(6) for step in range(0, 2000, 3)]
    assert np.std(luck) == pytest.approx(1.0, abs=0.1)
    assert abs(np.mean(luck)) < 0.1


def at(step):
    return SimpleNamespace(seed=3, place=SimpleNamespace(step=step, bar=step // 16, step_in_bar=step % 16), uses=lambda factor: True)


def test_complexity_means_figures():
    """Ghosts, fills, syncopation: drum strokes off the eighths, and bass notes that are no roots."""
    def figures(value):
        notes = played(24, complexity=value)
        drums = [note for note in notes if note[0] == 10 and note[1] in (36, 38, 45, 47, 50)]
        at = (np.array([note[3] for note in drums]) / RATE - 0.1) / 0.125
        return int((np.round(at) % 2 == 1).sum()) + sum(note[0] == 3 and note[1] % 12 not in (0, 9, 5, 7) for note in notes)

    assert figures(0.0) <= figures(0.5) <= figures(1.0)
    assert figures(1.0) > figures(0.0) + 5


def test_bars_means_the_length_of_a_phrase():
    conductor = Conductor(RATE, ConductorSettings(), engines())
    for tick in ticks(8):
        row = np.array(tick)
        row["controls"][NAMES.index("bars")] = 2
        conductor.consume(row[()])
    assert conductor.grid.phrase_beats == 8
    assert [conductor.grid.place(4 * beat).phrase_beat for beat in (0, 7, 8, 15)] == [0, 7, 0, 7]


def test_bypass_silences_the_band_and_nothing_else():
    assert played(bypass=1.0) == []
    assert played(bypass=0.4) == played()


def turn(name, value):
    record = np.zeros(1, dtype("command"))
    record["kind"], record["index"], record["value"] = COMMAND_KINDS.index("control"), NAMES.index(name), value
    return record


def test_the_worker_turns_controls_at_a_tick_and_moves_the_mood():
    def listen(*commands):
        rig = Rig().feed(chords(2))
        rig.until(40)
        for one in commands:
            rig.commands.push(one)
        rig.feed(chords(2))
        return rig.end(), rig.receipts.pop()

    plain, _ = listen()
    bent, receipts = listen(turn("valence", 0.6), turn("arousal", -9.0), turn("density", 0.9))
    first = receipts["tick"].max()
    assert len(set(receipts["tick"])) == 1
    after, before = bent[bent["index"] >= first], bent[bent["index"] < first]
    assert not before["controls"].any()
    assert read_controls(after[-1]) == Controls(valence=pytest.approx(0.6), arousal=-1.0, density=pytest.approx(0.9))
    v, a = EMBEDDING["valence"].start, EMBEDDING["arousal"].start
    plain = plain[-len(after):]
    np.testing.assert_allclose(after["embedding"][:, v], np.clip(plain["embedding"][:, v] + 0.6, -1, 1), atol=1e-6)
    np.testing.assert_allclose(after["embedding"][:, a], np.clip(plain["embedding"][:, a] - 1.0, -1, 1), atol=1e-6)


def test_freeze_keeps_the_mood_of_its_tick_and_not_the_controls_on_top():
    rig = Rig(controls=Controls(valence=0.25).values()).feed(chords(3))
    before = rig.until(70)
    record = np.zeros(1, dtype("command"))
    record["kind"], record["value"] = COMMAND_KINDS.index("freeze"), 1.0
    rig.commands.push(record)
    rig.feed(0.05 * np.random.default_rng(2).standard_normal((2 * 16000, 1)).astype(np.float32))
    after = rig.end()
    index = int(rig.receipts.pop()["tick"][0])
    kept = np.concatenate([before, after])["embedding"][index - 1]
    np.testing.assert_allclose(after["embedding"][-1], kept, atol=1e-6)


def test_blend_lies_between_rule_and_net():
    """Of a net that the worker asks, and of one that the conductor asks."""
    sound = chords(3)
    name = "emotionrecognizer"

    def felt(**values):
        rig = Rig({name: random_network(name)}, controls=Controls(**values).values()).feed(sound)
        ticks = rig.end()
        return ticks["embedding"][ticks["silence_s"] == 0]

    net, half, rules = felt(), felt(blend=0.5), felt(blend_emotion=0.0)
    assert np.array_equal(rules, Rig().feed(sound).end()["embedding"][: len(rules)])
    np.testing.assert_allclose(half, 0.5 * net + 0.5 * rules, atol=1e-6)

    x, out = np.linspace(-1, 1, 32, dtype=np.float32), np.zeros(16, np.float32)
    answers = []
    for blend in (0.0, 0.5, 1.0):
        engine = SwitchedEngine("dynamicsengine", random_network("dynamicsengine"), True)
        tick = np.zeros((), dtype("tick"))
        tick["source"], tick["controls"][NAMES.index("blend_dynamics")] = 2, blend - 1
        engine.hear(tick)
        engine.process(x, out)
        answers.append(out.copy())
    assert np.array_equal(answers[0], Rule("dynamicsengine")(x))
    np.testing.assert_allclose(answers[1], 0.5 * (answers[0] + answers[2]), atol=1e-6)


def test_controls_are_settings_and_flags():
    flags = turned(["density=.4", "feel = -1"])
    config = load_config(flags=flags, env={})
    assert (config.controls.density, config.controls.feel, config.controls.blend) == (0.4, -1.0, 1.0)
    assert config.origins["controls.density"] == "--set"
    assert "density = 0.4" in to_toml(config)
    with pytest.raises(ConfigError, match=r"density: expected a number from 0 to 1, found 4\.0"):
        load_config(flags=turned(["density=4"]), env={})


@pytest.mark.parametrize("pair", ["densty=1", "density", "density="])
def test_a_control_that_cannot_be_set_is_refused_in_words(pair):
    with pytest.raises(ConfigError, match=r"did you mean 'density'|expected NAME=VALUE"):
        turned([pair])


def test_without_blend_the_band_plays_what_it_plays_without_nets(tmp_path):
    """Byte for byte, through a whole session; with it, something else."""
    soundfile.write(tmp_path / "in.wav", chords(6), 16000, subtype="FLOAT")
    files = {}
    for name, settings in {"nets": {}, "no blend": {"blend": "0"}, "no nets": {"disable": NET_NAMES}}.items():
        render_config(tmp_path / "in.wav", tmp_path / "out.mid", load_config(flags={"key": "C", "tempo": "120", **settings}, env={}))
        files[name] = (tmp_path / "out.mid").read_bytes()
    assert files["no blend"] == files["no nets"] != files["nets"]
