"""The conductor's nets: half a second between model and rule, and no answer that is not a number."""

import numpy as np
import pytest

from kelly._rt.contract import DYNAMICS_IN, NET_NAMES
from kelly._rt.layout import SOURCES, dtype
from kelly._rt.stream.rules import Rule
from kelly.live.engines import SwitchedEngine
from kelly.nets.slot import RuledNetwork
from tests.random_nets import random_network

NAME = "dynamicsengine"
X = np.random.default_rng(0).uniform(0, 1, DYNAMICS_IN.size).astype(np.float32)


def tick(source):
    record = np.zeros(1, dtype("tick"))[0]
    record["source"][NET_NAMES.index(NAME)] = SOURCES.index(source)
    return record


def answer(engine):
    out = np.zeros(16, np.float32)
    engine.process(X, out)
    return out


@pytest.fixture
def model():
    return RuledNetwork(NAME, random_network(NAME))


def test_without_a_model_the_rule_answers():
    engine = SwitchedEngine(NAME, None, True)
    engine.hear(tick("fallback"))
    assert np.array_equal(answer(engine), Rule(NAME)(X))


def test_with_a_model_the_model_answers_from_the_first_tick_on(model):
    engine = SwitchedEngine(NAME, model.clone(), True)
    engine.hear(tick("model"))
    assert np.array_equal(answer(engine), model(X))


def test_switching_moves_evenly_from_one_answer_to_the_other_in_half_a_second(model):
    """13 ticks of 40 ms; each step is at most .08 of the way."""
    engine, ruled, modelled = SwitchedEngine(NAME, model.clone(), True), Rule(NAME)(X), model(X)
    steps = [answer(engine)]
    for _ in range(13):
        engine.hear(tick("off"))
        steps.append(answer(engine))
    assert np.array_equal(steps[0], modelled)
    assert np.array_equal(steps[-1], ruled)
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.081 * np.abs(modelled - ruled).max()
    for _ in range(13):
        engine.hear(tick("model"))
    assert np.array_equal(answer(engine), modelled)


def test_a_model_that_answers_nan_is_bypassed_and_tried_again_ever_more_rarely():
    engine = SwitchedEngine(NAME, RuledNetwork(NAME, random_network(NAME, poison=True)), True)
    for _ in range(250):  # ten seconds
        engine.hear(tick("model"))
        assert np.array_equal(answer(engine), Rule(NAME)(X))
    assert 3 <= engine.faults <= 5


def test_a_model_that_recovers_fades_in_again(model, monkeypatch):
    engine = SwitchedEngine(NAME, model, True)
    real = model.process
    monkeypatch.setattr(model, "process", lambda x, out: out.fill(np.nan))
    answer(engine)
    monkeypatch.setattr(model, "process", real)
    for _ in range(24):
        engine.hear(tick("model"))
        assert np.array_equal(answer(engine), Rule(NAME)(X))
    for _ in range(13):
        engine.hear(tick("model"))
    assert np.array_equal(answer(engine), real_answer(real))


def real_answer(process):
    out = np.zeros(16, np.float32)
    process(X, out)
    return out
