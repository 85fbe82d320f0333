"""Cues to mood and back, and that the compiled rule says the same."""

from __future__ import annotations

import numpy as np
import pytest

from kelly._rt.contract import EMBEDDING, EMOTIONS, FEATURES
from kelly._rt.stream.rules import Rule
from kelly.music.emotion import (
    ANCHORS,
    Cues,
    Mood,
    distance,
    mood_from_cues,
    nearest_emotion,
    targets_from_mood,
    tension_from,
)


def test_anchors_are_the_contracts_emotions_in_order():
    assert tuple(ANCHORS) == EMOTIONS


@pytest.mark.parametrize("name", ANCHORS)
def test_an_anchor_is_its_own_nearest(name):
    assert nearest_emotion(Mood(*ANCHORS[name])) == name
    assert distance(Mood(*ANCHORS[name]), Mood(*ANCHORS[name])) == 0


def test_the_middle_is_neutral():
    assert Mood().name == "neutral"
    assert Mood(0.6, 0.4, -0.2).name == "joy"


@pytest.mark.parametrize(
    ("cue", "less", "more", "valence", "arousal", "tension"),
    [("mode", -1, 1, 1, 0, -1), ("log2_rate", 0, 3, 1, 1, 1), ("level_db", -10, 10, -1, 1, 1), ("pitch", 54, 78, 1, -1, -1),
     ("staccato", 0.1, 0.8, 1, 1, 1), ("bright", 0, 1, -1, 1, 1)],
)  # fmt: skip
def test_each_cue_moves_the_mood_as_the_regression_says(cue, less, more, valence, arousal, tension):
    low, high = mood_from_cues(Cues(**{cue: less})), mood_from_cues(Cues(**{cue: more}))
    found = [np.sign(round(b - a, 9)) for a, b in ((low.valence, high.valence), (low.arousal, high.arousal), (low.tension, high.tension))]
    assert found == [valence, arousal, tension]


def test_moods_stay_bounded():
    wild = mood_from_cues(Cues(mode=5, log2_rate=20, pitch=500, level_db=300, staccato=9))
    assert all(-1 <= value <= 1 for value in (wild.valence, wild.arousal, wild.tension))


def test_targets_of_a_neutral_mood_are_the_centre():
    neutral = targets_from_mood(Mood())
    assert (neutral.log2_rate, neutral.centre_pitch, neutral.level_db, neutral.brightness) == (1.5, 68, 0, 0)
    assert neutral.gate == pytest.approx(0.625)
    assert neutral.p_major == 0.5


def test_an_excited_mood_is_dense_loud_and_short():
    calm, excited = targets_from_mood(Mood(0, -0.8)), targets_from_mood(Mood(0, 0.8))
    assert excited.log2_rate > calm.log2_rate + 1
    assert excited.level_db > calm.level_db
    assert excited.gate < calm.gate


def test_tension_of_sets_that_lack_it():
    assert tension_from(1, 1) == pytest.approx(-0.27)
    assert tension_from(-1, 1) == 1


def test_the_compiled_rule_computes_the_same_regression():
    """From the cues that the rule's embedding shows, the module gives the rule's own V and A.

    Tension also hears dissonance, and arousal brightness, by a small share that a Cues can't say.
    """
    rng = np.random.default_rng(0)
    for _ in range(50):
        x = np.zeros((200, FEATURES.size), np.float32)
        x[:, FEATURES.slice("mel")] = 0.4
        values = {"slow_level": rng.uniform(-0.8, 0.5), "log2_notes_per_second": rng.uniform(-0.9, 3.5), "centroid": rng.uniform(-3, 2),
                  "low_energy": rng.uniform(-3, 0), "decay": rng.uniform(0, 4), "major_minus_minor": rng.uniform(-0.3, 0.4),
                  "third_balance": rng.uniform(-1, 1), "major_maximum": 0.8, "minor_maximum": 0.7, "high_minus_low": -0.6}  # fmt: skip
        for name, value in values.items():
            x[:, FEATURES[name].start] = value
        y = Rule("emotionrecognizer")(x)[-1]
        cue = {name: float(y[EMBEDDING[name].start]) for name in ("mode", "density", "level", "register", "articulation")}
        cues = Cues(
            mode=cue["mode"], log2_rate=1.5 + 2 * np.arctanh(cue["density"]), pitch=66 + 24 * np.arctanh(cue["register"]),
            level_db=12 * np.arctanh(cue["level"]), staccato=0.375 + 0.35 * cue["articulation"],
        )  # fmt: skip
        if abs(cue["articulation"]) == 1:
            continue  # clipped: the cue no longer tells the gate
        wanted = mood_from_cues(cues)
        assert y[0] == pytest.approx(wanted.valence, abs=2e-3)  # the cue went through a float32 tanh and back
        assert y[1] == pytest.approx(wanted.arousal, abs=2e-3)
