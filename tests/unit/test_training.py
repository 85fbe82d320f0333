"""How the first weights are made: the material is what the engine meets, the export is what was trained."""

from __future__ import annotations

import numpy as np
import pytest

import kelly
from kelly._rt.contract import DYNAMICS_IN, HARMONY_IN, MELODY_IN, NET_NAMES, net_spec
from kelly.nets.export import export_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Nets this small only lose time to PyTorch's thread pool, most of all on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bank():
    """Two short pieces and two walks."""
    from training import material

    return material.recognizer(np.random.default_rng(0), 2)


@pytest.fixture(scope="module")
def drawn(bank):
    """Material of the four other nets, small."""
    from training import material

    rng = np.random.default_rng(1)
    moods = material.embeddings(rng, bank, 40)
    makers = (material.melody, material.harmony, material.dynamics, material.groove)
    return dict(zip(NET_NAMES[1:], (make(rng, moods) for make in makers), strict=True))


def test_material_has_the_contracts_sizes_and_is_finite(bank, drawn):
    for name, data in {NET_NAMES[0]: bank, **drawn}.items():
        spec = net_spec(name)
        assert data.x.shape[2] == spec.input.size
        assert data.y.shape == (*data.x.shape[:2], spec.output.size)
        assert np.isfinite(data.x).all()
        assert np.isfinite(data.y).all()


def test_the_recognizer_sees_eight_seconds_and_more(bank):
    assert bank.x.shape[1] * 0.04 >= 8


@pytest.mark.parametrize(
    ("vector", "field", "net", "share"),
    [(MELODY_IN, "previous_degree", "melodytransformer", 0.5), (HARMONY_IN, "previous_root", "harmonypredictor", 0.8),
     (HARMONY_IN, "beat_in_bar", "harmonypredictor", 0.8), (DYNAMICS_IN, "beat_in_bar", "dynamicsengine", 1.0),
     (DYNAMICS_IN, "voice", "dynamicsengine", 1.0)],
)  # fmt: skip
def test_one_hot_fields_are_one_hot_or_empty(drawn, vector, field, net, share):
    rows = drawn[net].x[..., vector.slice(field)].reshape(-1, vector[field].size)
    assert set(np.unique(rows)) <= {0, 1}
    assert set(np.unique(rows.sum(1))) <= {0, 1}
    assert rows.sum(1).mean() >= share


def test_heard_chroma_sums_to_one_or_is_silent(drawn):
    for name in ("chroma_2s", "chroma_8s"):
        sums = drawn["harmonypredictor"].x[:, 0, HARMONY_IN.slice(name)].sum(1)
        assert np.all((np.abs(sums - 1) < 1e-5) | (sums == 0))


def test_the_same_seed_draws_the_same_material(bank):
    from training import material

    again = material.recognizer(np.random.default_rng(0), 2)
    assert again.x.tobytes() == bank.x.tobytes()


@pytest.mark.parametrize("name", NET_NAMES)
def test_folding_and_rounding_change_nothing_that_matters(name, tmp_path):
    """Standardisation goes into the first layer, weights keep five decimals, and kelly answers as PyTorch does.

    2e-3: rounding moves a sum of a few hundred terms by up to about 1e-3; the file against the rounded
    twin is held to 1e-5, the bar of the embedded vectors.
    """
    import torch

    from training.student import Student, run

    torch.manual_seed(0)
    spec = net_spec(name)
    rng = np.random.default_rng(2)
    mean = rng.standard_normal(spec.input.size).astype(np.float32)
    spread = rng.uniform(0.3, 2, spec.input.size).astype(np.float32)
    student = Student(spec, torch.from_numpy(mean), torch.from_numpy(spread))
    x = rng.standard_normal((1, 30, spec.input.size)).astype(np.float32)
    with torch.no_grad():
        trained = student(torch.from_numpy(x))[0][0].numpy()
        layers = student.folded()
        folded = run(layers, torch.from_numpy(x))[0][0].numpy()
    np.testing.assert_allclose(folded, trained, atol=2e-3)
    network = kelly.load_network(export_model(layers, tmp_path / "m.json"))
    np.testing.assert_allclose(network(x[0]), folded, atol=1e-5)


@pytest.mark.parametrize("batches", [1, 5, 6])
def test_a_few_batches_are_enough_to_see_that_it_runs(bank, batches):
    """Ten updates in all, as ``distil all --quick`` takes for dynamics, left the rise of the learning rate no step: a division by zero."""
    from training import material
    from training.distil import RECIPES, _train

    rng = np.random.default_rng(3)
    recipe = RECIPES["groovepredictor"]
    data = material.groove(rng, material.embeddings(rng, bank, recipe.batch * batches))
    _train(net_spec("groovepredictor"), data, data.part(slice(0, 4)), recipe, epochs=2)


def test_training_brings_a_net_nearer_to_its_rule(bank, tmp_path):
    import torch

    from training import material
    from training.distil import RECIPES, _export, _train, agree

    torch.manual_seed(0)
    rng = np.random.default_rng(3)
    spec = net_spec("groovepredictor")
    data = material.groove(rng, material.embeddings(rng, bank, 3000))
    taught, held = data.part(slice(300, None)), data.part(slice(0, 300))
    student = _train(spec, taught, held, RECIPES[spec.name], epochs=6)
    agreement = agree(spec, _export(spec, student.folded(), held, 0, tmp_path), held)
    assert agreement.explained > 0.8
    assert agreement.error < 0.5 * agreement.of_mean
    assert kelly.MultiModelProcessor(tmp_path).sources["groovepredictor"] == "model"
