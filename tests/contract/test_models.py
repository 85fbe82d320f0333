"""The weights that ship with kelly: sound files, PyTorch's numbers, and what their cards say."""

from __future__ import annotations

import numpy as np
import pytest

import kelly
from kelly._rt.contract import CONTRACT_VERSION, DYNAMICS_IN, EMBEDDING, NET_NAMES, net_spec
from kelly.nets.json import read_model
from kelly.nets.store import PACKAGE_MODELS

RECURRENT = ("emotionrecognizer", "melodytransformer")


@pytest.fixture(scope="module")
def processor():
    return kelly.MultiModelProcessor(PACKAGE_MODELS, strict=True)


@pytest.fixture(scope="module")
def unseen():
    """Material from a seed that no training used."""
    from training import material

    rng = np.random.default_rng(20_000)
    bank = material.recognizer(rng, 6)
    moods = material.embeddings(rng, bank, 400)
    makers = (material.melody, material.harmony, material.dynamics, material.groove)
    drawn = (material.melody(rng, moods[:60]), *(make(rng, moods) for make in makers[1:]))
    return dict(zip(NET_NAMES, (bank, *drawn), strict=True))


def test_all_five_ship_and_load(processor):
    assert dict(processor.sources) == dict.fromkeys(NET_NAMES, "model")
    total = sum(slot.path.stat().st_size for slot in processor.slots)
    assert total < 11e6  # they travel in every clone and wheel


@pytest.mark.parametrize("name", NET_NAMES)
def test_embedded_vectors_are_a_real_run_and_hold(processor, name):
    slot = processor.slot(name)
    model = read_model(slot.path)
    assert model.vectors is not None
    assert len(model.vectors.input) >= 8
    assert np.ptp(model.vectors.output, axis=0).max() > 0.01  # not a constant
    assert slot.vector_error <= 1e-5


@pytest.mark.parametrize("name", NET_NAMES)
def test_metadata_and_card_say_what_they_are(processor, name):
    slot = processor.slot(name)
    metadata = read_model(slot.path).metadata
    spec = net_spec(name)
    assert metadata["net"] == name
    assert metadata["contract"] == CONTRACT_VERSION
    assert metadata["rule_indices"] == list(spec.output.rule_indices())
    card = (slot.path.parent / "CARD.md").read_text(encoding="utf-8")
    assert metadata["free"]
    assert metadata["beats_baseline"] is True
    assert metadata["verdict"] in card
    assert card.count("**not met**") == len(slot.missed)
    assert not metadata["quick"]
    assert ("`cues`" in card) == metadata["synthetic"]
    for words in (f"contract {CONTRACT_VERSION}", metadata["created_by"], "What it cannot do"):
        assert words in card
    for index in spec.output.rule_indices():
        assert spec.output.index_names()[index] in card


def torch_layers(model):
    """The file's network rebuilt in PyTorch."""
    import torch
    from torch import nn

    made = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(-1)}
    layers = []
    with torch.no_grad():
        for spec in model.layers:
            w = [torch.from_numpy(np.array(array)) for array in spec.weights]
            if spec.type == "lstm":
                layer = nn.LSTM(spec.in_size, spec.out_size, batch_first=True)
                layer.weight_ih_l0.copy_(w[0].T)
                layer.weight_hh_l0.copy_(w[1].T)
                layer.bias_ih_l0.copy_(w[2])
                layer.bias_hh_l0.zero_()
            else:
                layer = nn.Linear(spec.in_size, spec.out_size)
                layer.weight.copy_(w[0].T)
                layer.bias.copy_(w[1])
            layers.append(layer)
            if spec.activation:
                layers.append(made[spec.activation]())
    return layers


@pytest.mark.parametrize("name", NET_NAMES)
def test_kelly_computes_what_pytorch_computes(processor, unseen, name):
    """1e-5 over a whole sequence with carried state: two roundings of the same sums."""
    import torch

    network = processor.slot(name).network
    x = unseen[name].x
    x = x[0] if name in RECURRENT else np.ascontiguousarray(x[:, 0])
    y = torch.from_numpy(x)[None]
    with torch.no_grad():
        for layer in torch_layers(read_model(processor.slot(name).path)):
            y = layer(y)
            y = y[0] if isinstance(y, tuple) else y
    network.reset()
    np.testing.assert_allclose(network(x), y[0].numpy(), atol=1e-5, rtol=0)
    network.reset()


def test_the_recognizer_does_not_say_what_it_does_not_know(processor, unseen):
    """Indices that its card calls unknown are constant; those that the band plays by are not among them."""
    slot = processor.slot("emotionrecognizer")
    unknown = read_model(slot.path).metadata["unknown_indices"]
    played = ("valence", "arousal", "tension", "intensity", "mode", "density", "level", "articulation", "brightness", "pulse_clarity")
    assert not {EMBEDDING[name].start for name in played} & set(unknown)
    slot.network.reset()
    answers = slot.network(unseen["emotionrecognizer"].x[0])
    slot.network.reset()
    assert np.ptp(answers[:, unknown], axis=0).max() < 1e-6
    assert EMBEDDING["swing"].start in unknown
    assert answers[0, EMBEDDING["swing"].start] < -0.99  # unknown is even


def test_the_recognizer_does_not_drift_within_ten_minutes(processor, unseen):
    """The same 20 s over and over: minute ten feels as minute two did."""
    network = processor.clone_engine("emotionrecognizer")
    network.reset()
    answers = network(np.tile(unseen["emotionrecognizer"].x[0, 100:600], (30, 1)))
    early, late = answers[2500:5000].mean(0), answers[-2500:].mean(0)
    assert np.isfinite(answers).all()
    assert np.abs(early - late)[: EMBEDDING["family"].start].max() < 0.01


def test_silence_and_noise_leave_every_answer_in_range(processor):
    rng = np.random.default_rng(0)
    rows = np.concatenate([
        kelly.extract_features(np.zeros(48_000, np.float32), 48_000),
        kelly.extract_features((1e-4 * rng.standard_normal(96_000)).astype(np.float32), 48_000),
        kelly.extract_features(rng.uniform(-1, 1, 96_000).astype(np.float32), 48_000),
    ])  # fmt: skip
    processor.reset()
    result = processor.run_full_pipeline(rows)
    for y in (result.embedding, result.melody, result.harmony, result.dynamics, result.groove):
        assert np.isfinite(y).all()
        assert np.abs(y).max() <= 1


def test_force_follows_the_player_and_not_its_own_last_note(processor):
    """A player who gets louder and softer over 32 beats, while the net is told its own last velocity, as when it plays."""
    network, at = processor.clone_engine("dynamicsengine"), {field.name: field.start for field in DYNAMICS_IN.fields}
    level, said, before = 0.5 + 0.2 * np.sin(2 * np.pi * np.arange(256) / 64), [], 0.0
    for step, now in enumerate(level):
        x = np.zeros((1, DYNAMICS_IN.size), np.float32)
        for name in ("level_fast", "level_slow", "level_peak"):
            x[0, at[name]] = now
        for name, value in (("density", 0.4), ("player_gate", 0.7), ("beat_confidence", 1), ("chord_tone", 1), ("since_note", 0.12), ("previous_velocity", before)):
            x[0, at[name]] = value
        for name, steps in (("bar", 8), ("phrase", 32)):
            angle = 2 * np.pi * (step % steps) / steps
            x[0, at[f"{name}_sin"]], x[0, at[f"{name}_cos"]] = np.sin(angle), np.cos(angle)
        x[0, at["beat_in_bar"] + step % 8 // 2] = x[0, at["voice"] + 2] = 1
        x[0, at["metrical_weight"]] = (1, 0.25, 0.5, 0.25, 0.75, 0.25, 0.5, 0.25)[step % 8]
        before = float(network(x)[0, 0])
        said.append(before)
    assert np.corrcoef(level, said)[0, 1] > 0.9
    assert np.polyfit(level, said, 1)[0] > 0.3  # of velocity per unit of level; the rule has .78, a net that copied itself had .13
