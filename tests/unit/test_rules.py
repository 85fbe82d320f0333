"""The five fallbacks: any input gives a usable answer, and the answers are musical."""

from __future__ import annotations

import numpy as np
import pytest

from kelly._rt.contract import (
    DYNAMICS_IN,
    DYNAMICS_OUT,
    EMBEDDING,
    FEATURES,
    GROOVE_OUT,
    HARMONY_IN,
    HARMONY_OUT,
    MELODY_IN,
    NET_NAMES,
    net_spec,
)  # fmt: skip
from kelly._rt.stream.rules import Rule, fill_rule_indices
from kelly.audio.extract import extract_features
from kelly.music.emotion import ANCHORS

RATE_HZ = 22050


def vector(spec, **fields):
    """A vector of zeros but for some fields; a whole number in a wider field is the index of its 1."""
    x = np.zeros(spec.size, np.float32)
    for name, value in fields.items():
        field = spec[name]
        if field.size > 1 and isinstance(value, int):
            x[field.start + value] = 1
        else:
            x[spec.slice(name)] = value
    return x


def chroma(*degrees):
    out = np.full(12, 0.01)
    out[list(degrees)] = 0.3
    return out / out.sum()


EXTREMES = {
    "zeros": lambda rng, shape: np.zeros(shape),
    "usual": lambda rng, shape: rng.standard_normal(shape),
    "large": lambda rng, shape: 100 * rng.standard_normal(shape),
    "huge": lambda rng, shape: rng.choice([-3e38, 3e38], shape),
    "nan": lambda rng, shape: np.where(rng.random(shape) < 0.3, np.nan, rng.standard_normal(shape)),
    "infinite": lambda rng, shape: np.where(rng.random(shape) < 0.3, np.inf, -np.inf),
    "tiny": lambda rng, shape: np.full(shape, 1e-42),
}


@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("name", NET_NAMES)
def test_every_index_is_finite_and_in_the_contracts_range(name, kind):
    rule, spec = Rule(name), net_spec(name)
    x = EXTREMES[kind](np.random.default_rng(1), (200, rule.in_size)).astype(np.float32)
    y = rule(x)
    assert np.isfinite(y).all()
    if spec.output.activation == "tanh":
        assert np.abs(y).max() <= 1
    else:
        assert y.min() >= 0
        assert y.max() <= 1
    if spec.output.activation == "softmax":
        np.testing.assert_allclose(y.sum(1), 1, atol=1e-5)  # a float32 sum of 128 terms


@pytest.mark.parametrize("name", NET_NAMES)
def test_a_block_is_its_steps_and_reset_repeats_the_bits(name):
    rule = Rule(name)
    x = np.random.default_rng(2).standard_normal((60, rule.in_size)).astype(np.float32)
    block = rule(x)
    rule.reset()
    steps = np.stack([rule(row) for row in x])
    assert block.tobytes() == steps.tobytes()


def test_clone_is_independent_and_starts_where_its_twin_stands():
    rule = Rule("emotionrecognizer")
    rng = np.random.default_rng(3)
    rule(rng.standard_normal((30, 128)))
    twin = rule.clone()
    x = rng.standard_normal((10, 128)).astype(np.float32)
    first = rule(x)
    rule(10 * x)
    assert first.tobytes() == twin(x).tobytes()


@pytest.mark.parametrize(
    ("x", "out"),
    [
        (np.zeros(127, np.float32), np.zeros(64, np.float32)),
        (np.zeros(128, np.float32), np.zeros(63, np.float32)),
        (np.zeros(128, np.float64), np.zeros(64, np.float32)),
        (np.zeros((2, 128), np.float32), np.zeros((3, 64), np.float32)),
        (np.zeros((2, 256), np.float32)[:, ::2], np.zeros((2, 64), np.float32)),
    ],
)
def test_process_refuses_other_shapes_types_and_layouts(x, out):
    with pytest.raises(ValueError, match=r"expected|mismatch|contiguous"):
        Rule("emotionrecognizer").process(x, out)


def test_no_rule_for_an_unknown_net():
    with pytest.raises(KeyError, match="the five are"):
        Rule("moodring")


# -- emotion ---------------------------------------------------------------------------------------


def tune(third, tempo_bpm=100.0, level_db=-20.0, seconds=14.0):
    """Triads and scale fragments on C; ``third`` 4 is major, 3 minor; notes ring for most of a beat."""
    sixth, seventh = (9, 11) if third == 4 else (8, 11)
    bars = ((0, third, 7), (5, 5 + (4 if third == 4 else 3), 12), (7, 11, 14), (0, third, 7))
    line = (0, 2, third, 5, 7, sixth, 7, third, 2, seventh - 12, 0, 0)
    beat_s = 60 / tempo_bpm
    out = np.zeros(int(seconds * RATE_HZ) + RATE_HZ, np.float64)
    for beat in range(int(seconds / beat_s)):
        for pitch in (*(48 + p for p in bars[beat // 4 % 4]), 60 + line[beat % 12]):
            t = np.arange(int(0.9 * beat_s * RATE_HZ)) / RATE_HZ
            f = 440 * 2 ** ((pitch - 69) / 12)
            wave = sum(np.sin(2 * np.pi * k * f * t) / k**1.5 for k in range(1, 7))
            start = int(beat * beat_s * RATE_HZ)
            out[start : start + len(t)] += wave * np.minimum(t / 0.005, 1) * np.exp(-t / 0.5)
    out = out[: int(seconds * RATE_HZ)]
    return (out / np.sqrt(np.mean(out**2)) * 10 ** (level_db / 20)).astype(np.float32)


def mood(samples):
    """Embedding after the settling time, mean over 4 s."""
    return Rule("emotionrecognizer")(extract_features(samples, RATE_HZ))[-100:].mean(0)


def test_major_sounds_happier_than_minor():
    """MUSIC's gate asks .3 between the two modes of a piece."""
    assert mood(tune(4))[0] - mood(tune(3))[0] >= 0.3


def test_arousal_rises_with_tempo_and_valence_does_not_fall():
    moods = [mood(tune(4, tempo_bpm=bpm)) for bpm in (60, 90, 140, 200)]
    arousal = [m[1] for m in moods]
    assert arousal == sorted(arousal)
    assert arousal[-1] - arousal[0] > 0.2
    assert moods[-1][0] >= moods[0][0] - 0.02


def test_arousal_rises_with_level_within_a_take():
    take = np.concatenate([tune(4) * gain for gain in (0.25, 0.5, 1, 2)])
    rows = Rule("emotionrecognizer")(extract_features(take, RATE_HZ))
    quarter = len(rows) // 4
    arousal = [float(rows[(k + 1) * quarter - 75 : (k + 1) * quarter, 1].mean()) for k in range(4)]
    assert arousal == sorted(arousal)


def test_the_gain_knob_is_not_an_emotion():
    """MUSIC: +-12 dB of input gain moves V, A, T by less than .1."""
    quiet, loud = mood(tune(4, level_db=-32)), mood(tune(4, level_db=-8))
    assert np.abs(quiet[:3] - loud[:3]).max() < 0.1


def test_silence_lowers_confidence_first_and_keeps_the_mood_for_four_seconds():
    take = np.concatenate([tune(4), np.zeros(12 * RATE_HZ, np.float32)])
    rows = Rule("emotionrecognizer")(extract_features(take, RATE_HZ))
    end = len(rows) - 12 * 25
    valence, confidence = EMBEDDING["valence"].start, EMBEDDING["confidence"].start
    before, after = rows[end - 1], rows[end + 95]
    assert after[confidence] < 0.1 * before[confidence]
    assert abs(after[valence] - before[valence]) < 0.05
    assert abs(rows[-1, valence]) < 0.5 * abs(before[valence])


def test_the_unknown_stays_neutral():
    y = mood(tune(4))
    assert not y[EMBEDDING.slice("family")].any()
    assert not y[EMBEDDING.slice("texture")].any()
    assert y[EMBEDDING["swing"].start] == -1


def test_emotions_and_quadrants_are_shares():
    y = mood(tune(3))
    start = EMBEDDING[next(iter(ANCHORS))].start
    assert y[start : start + 6].sum() == pytest.approx(1, abs=1e-4)
    assert y[EMBEDDING.slice("quadrants")].sum() == pytest.approx(1, abs=1e-4)


def test_a_rising_mood_has_a_slope():
    x = np.zeros((200, FEATURES.size), np.float32)
    x[:, FEATURES.slice("mel")] = 0.5
    x[:, FEATURES["log2_notes_per_second"].start] = np.linspace(-1, 3, 200)
    rows = Rule("emotionrecognizer")(x)
    assert rows[150, EMBEDDING["arousal_slope"].start] > 0.02


# -- melody ----------------------------------------------------------------------------------------


def melody_in(arousal=0.0, valence=0.0, mode=0.8, **context):
    x = vector(MELODY_IN, **{"chord_tones": 0, "beat_cos": 1.0, "bar_cos": 1.0, **context})
    x[0], x[1], x[EMBEDDING["mode"].start] = valence, arousal, mode
    return x


def pitches(y):
    """Probability of each pitch, given that there is one."""
    p = y.astype(float).copy()
    p[:2] = 0
    return p / p.sum()


C_MAJOR = np.isin(np.arange(12), (0, 4, 7)).astype(np.float32)


def test_notes_on_a_downbeat_are_tones_of_the_chord():
    p = pitches(Rule("melodytransformer")(melody_in(previous_degree=2, chord_tones=C_MAJOR)))
    assert sum(p[k] for k in range(128) if k % 12 in (0, 4, 7)) > 0.8


def test_lines_move_by_step():
    """Off the beat, from E (degree 4): seconds are likelier than anything wider than a fourth."""
    p = pitches(Rule("melodytransformer")(melody_in(previous_degree=4, beat_cos=-1.0, bar_cos=0.7)))
    near = p[62:68].sum()
    assert near > 0.5
    assert p[62] + p[65] > p[:60].sum() + p[71:].sum()


def test_minor_takes_the_minor_third_and_major_the_major():
    rule = Rule("melodytransformer")
    sad = pitches(rule(melody_in(mode=-0.8, previous_degree=2, chord_tones=0.0)))
    glad = pitches(rule(melody_in(mode=0.8, previous_degree=2, chord_tones=0.0)))
    assert sad[3::12].sum() > 10 * sad[4::12].sum()
    assert glad[4::12].sum() > 10 * glad[3::12].sum()


def test_excitement_plays_more_notes():
    rule = Rule("melodytransformer")
    onset = [1 - float(rule(melody_in(arousal=a, beat_cos=-1.0, bar_cos=0.0, previous_degree=0))[:2].sum()) for a in (-0.7, 0, 0.7)]
    assert onset[0] < onset[1] < onset[2]
    assert onset[2] - onset[0] > 0.25


def test_a_phrase_ends_with_a_rest():
    rule = Rule("melodytransformer")
    inside = rule(melody_in(previous_degree=0, beat_cos=-1.0, bar_cos=-0.7, phrase_position=0.5))
    ending = rule(melody_in(previous_degree=0, beat_cos=-1.0, bar_cos=-0.7, phrase_position=0.97, phrase_end=1.0))
    assert ending[1] > 2 * inside[1]
    assert ending[2:].sum() < 0.2


def test_nothing_is_held_before_the_first_note():
    y = Rule("melodytransformer")(melody_in())
    assert y[0] == 0


def test_the_register_follows_valence_up_and_arousal_down():
    """The centre lies at 68 + 10 (.69 V - .42 A), tonic rotated to C."""
    rule = Rule("melodytransformer")
    height = lambda **k: float(pitches(rule(melody_in(chord_tones=0.0, **k))) @ np.arange(128))  # noqa: E731
    assert height(valence=0.7) - height(valence=-0.7) > 5
    assert height(arousal=-0.7) > height(arousal=0.7)
    assert height() == pytest.approx(68, abs=3)


# -- harmony ---------------------------------------------------------------------------------------


def harmony_in(**fields):
    return vector(HARMONY_IN, **{"mode": 1.0, "key_confidence": 1.0, "harmonic_rhythm": 0.25, **fields})


NAMES = HARMONY_OUT.index_names()


def test_a_dominant_goes_home_at_the_bar_line():
    y = Rule("harmonypredictor")(harmony_in(previous_root=7, previous_quality=2, beat_in_bar=0, chord_age=0.5, chroma_2s=chroma(0, 4, 7)))
    assert NAMES[int(y.argmax())] == "maj_chord:1"


def test_chords_stay_inside_the_bar():
    held = {}
    for beat in range(4):
        x = harmony_in(previous_root=0, previous_quality=0, beat_in_bar=beat, chord_age=0.25 if beat else 0.5, chroma_2s=chroma(0, 4, 7))
        held[beat] = float(Rule("harmonypredictor")(x)[HARMONY_OUT["hold"].start])
    assert held[1] > 0.9
    assert held[3] > 0.9
    assert held[0] < 0.6 < held[1]


def test_what_is_heard_decides_between_likely_chords():
    x = {"previous_root": 0, "previous_quality": 0, "beat_in_bar": 0, "chord_age": 0.5}
    for root, heard in ((5, (5, 9, 0)), (7, (7, 11, 2)), (9, (9, 0, 4))):
        y = Rule("harmonypredictor")(harmony_in(**x, chroma_2s=chroma(*heard), chroma_8s=chroma(*heard)))
        y[HARMONY_OUT["hold"].start] = 0
        assert int(y[:60].argmax()) % 12 == root


def test_minor_starts_on_a_minor_tonic():
    y = Rule("harmonypredictor")(harmony_in(mode=-1.0, beat_in_bar=0, chroma_2s=chroma(0, 3, 7)))
    assert NAMES[int(y.argmax())] == "min_chord:1"


def test_nothing_heard_and_no_key_means_no_chord():
    y = Rule("harmonypredictor")(vector(HARMONY_IN, beat_in_bar=0))
    assert NAMES[int(y.argmax())] == "no_chord"


def test_the_chord_that_sounds_is_only_called_hold():
    y = Rule("harmonypredictor")(harmony_in(previous_root=5, previous_quality=0, beat_in_bar=0, chroma_2s=chroma(5, 9, 0)))
    assert y[HARMONY_OUT["maj_chord"].start + 5] == 0


# -- dynamics and groove ---------------------------------------------------------------------------


def dynamics_in(level=0.5, **fields):
    usual = {"player_gate": 0.6, "beat_in_bar": 0, "bar_cos": 1.0, "phrase_cos": 1.0, "metrical_weight": 1.0, "voice": 0,
             "beat_confidence": 1.0}  # fmt: skip
    return vector(DYNAMICS_IN, **{"level_fast": level, "level_slow": level, "level_peak": level, **usual, **fields})


def test_velocity_follows_the_players_level():
    rule, levels = Rule("dynamicsengine"), np.linspace(0.05, 0.95, 19)
    velocity = [float(rule(dynamics_in(level))[0]) for level in levels]
    assert velocity == sorted(velocity)
    assert np.corrcoef(levels, velocity)[0, 1] > 0.95
    assert 55 < 127 * float(rule(dynamics_in(0.5))[0]) < 85  # mezzo-forte answers mezzo-forte
    assert velocity[-1] - velocity[0] > 0.4


def test_a_silent_player_is_not_drowned():
    rule = Rule("dynamicsengine")
    assert rule(dynamics_in(silence=1.0))[0] < 0.7 * rule(dynamics_in())[0]


def test_gate_of_staccato_playing_is_shorter():
    rule, gate = Rule("dynamicsengine"), DYNAMICS_OUT["gate"].start
    assert rule(dynamics_in(player_gate=0.1))[gate] < rule(dynamics_in(player_gate=0.9))[gate] - 0.15


def groove(valence, arousal):
    return Rule("groovepredictor")(vector(EMBEDDING, valence=valence, arousal=arousal))


def test_a_bar_starts_with_the_kick_and_excitement_brings_the_backbeat():
    low, high = GROOVE_OUT.slice("low"), GROOVE_OUT.slice("high")
    for corner in ((0.6, 0.6), (-0.6, 0.6), (-0.6, -0.6), (0.6, -0.6)):
        y = groove(*corner)
        assert y[low][0] == y[low].max()
        assert y[low][0] > 0.6
    excited, tired = groove(0.5, 0.7)[high], groove(-0.5, -0.7)[high]
    assert excited[2] > 0.8
    assert excited[6] > 0.8
    assert tired[2] < 0


def test_more_arousal_more_onsets():
    density = GROOVE_OUT["density"].start
    answers = [groove(0.2, a) for a in (-0.8, -0.3, 0.3, 0.8)]
    assert [y[density] for y in answers] == sorted(y[density] for y in answers)
    onsets = [(y[:24] + 1).sum() for y in answers]
    assert onsets == sorted(onsets)


# -- rule-taught indices of a network's answer -----------------------------------------------------


def test_rule_indices_are_overwritten_and_nothing_else():
    rng = np.random.default_rng(5)
    for name in NET_NAMES:
        spec = net_spec(name)
        x = rng.standard_normal(spec.input.size).astype(np.float32)
        given = rng.random(spec.output.size).astype(np.float32)
        y = given.copy()
        fill_rule_indices(name, x, y)
        changed = set(np.flatnonzero(y != given).tolist())
        assert changed <= set(spec.output.rule_indices())
        if spec.output.rule_indices():
            assert changed


def test_filled_dynamics_are_the_rules():
    x = dynamics_in(0.7)
    y = np.zeros(16, np.float32)
    fill_rule_indices("dynamicsengine", x, y)
    wanted = Rule("dynamicsengine")(x)
    for k in DYNAMICS_OUT.rule_indices():
        assert y[k] == wanted[k]
