"""Five nets, whatever the files: models where they are sound, labelled fallbacks where they are not."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import orjson
import pytest
from nets_material import random_layers, write_net

import kelly
from kelly._rt.contract import CONTRACT_VERSION, NET_NAMES, net_spec
from kelly._rt.stream.rules import Rule
from kelly.nets.catalog import check_spec
from kelly.nets.json import read_model

FEATURES = np.random.default_rng(7).standard_normal((12, 128)).astype(np.float32)
VECTORS = ("embedding", "melody", "harmony", "dynamics", "groove")


@pytest.fixture(scope="module")
def all_five(tmp_path_factory):
    """A folder with all five nets, random weights."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(NET_NAMES):
        write_net(folder, name, seed)
    return folder


@pytest.fixture
def folder(all_five, tmp_path):
    """A copy to break: links, so that five megabytes aren't copied per test."""
    for name in NET_NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.json").symlink_to(all_five / name / "model.json")
    return tmp_path


def replace(path, data):
    path.unlink()
    path.write_bytes(data)


def edited(path, change):
    """Change the document of a model file."""
    document = orjson.loads(path.read_bytes())
    change(document)
    replace(path, orjson.dumps(document))


def test_five_sound_files_give_five_models(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    assert dict(processor.sources) == dict.fromkeys(NET_NAMES, "model")
    for slot in processor.slots:
        spec = net_spec(slot.name)
        assert slot.reason == ""
        assert slot.path == all_five / slot.name / "model.json"
        assert len(slot.sha256) == 64
        assert slot.nbytes > 3.9 * spec.parameters  # an LSTM's two biases are stored as one
        assert slot.latency_us > 0
        assert slot.network.in_size == spec.input.size
        assert slot.taught_by == "a test"


def test_the_pipeline_answers_every_vector_in_its_range(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    result = processor.run_full_pipeline(FEATURES[0])
    assert isinstance(result, kelly.InferenceResult)
    for name, vector in zip(NET_NAMES, VECTORS, strict=True):
        y, spec = getattr(result, vector), net_spec(name)
        assert y.shape == (spec.output.size,)
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
    assert result.melody.sum() == pytest.approx(1, abs=1e-5)
    assert result.harmony.sum() == pytest.approx(1, abs=1e-5)
    assert result.dynamics.min() >= 0
    assert np.abs(result.groove).max() <= 1
    assert dict(result.sources) == dict.fromkeys(NET_NAMES, "model")


def test_a_block_of_rows_is_the_rows_one_by_one(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    block = processor.run_full_pipeline(FEATURES)
    processor.reset()
    for t, row in enumerate(FEATURES):
        step = processor.run_full_pipeline(row)
        for vector in VECTORS:
            assert getattr(step, vector).tobytes() == getattr(block, vector)[t].tobytes(), (t, vector)


def test_recurrent_state_advances_and_reset_forgets_it(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    first, second = (processor.run_full_pipeline(FEATURES[0]) for _ in range(2))
    assert not np.array_equal(first.embedding, second.embedding)
    processor.reset()
    assert np.array_equal(first.embedding, processor.run_full_pipeline(FEATURES[0]).embedding)


def test_a_given_context_is_used(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    neutral = processor.run_full_pipeline(FEATURES[0])
    processor.reset()
    told = processor.run_full_pipeline(FEATURES[0], harmony_context=np.full(64, 0.5), dynamics_context=np.full(28, 0.5))
    assert not np.array_equal(neutral.harmony, told.harmony)
    assert not np.array_equal(neutral.dynamics, told.dynamics)
    assert np.array_equal(neutral.melody, told.melody)


@pytest.mark.parametrize("shape", [(127,), (2, 3, 128), ()])
def test_features_of_another_shape_are_refused(all_five, shape):
    with pytest.raises(ValueError, match="features: expected"):
        kelly.MultiModelProcessor(all_five).run_full_pipeline(np.zeros(shape))


def test_a_context_of_another_shape_is_refused(all_five):
    with pytest.raises(ValueError, match="context: expected"):
        kelly.MultiModelProcessor(all_five).run_full_pipeline(FEATURES[0], melody_context=np.zeros(31))


def test_rule_taught_indices_come_from_the_rule(all_five):
    """The random net has its own opinion of every index; what is marked ``rule`` isn't its to say."""
    processor = kelly.MultiModelProcessor(all_five)
    x = np.random.default_rng(1).random(32).astype(np.float32)
    ruled, raw = processor.engine("dynamicsengine")(x), processor.slot("dynamicsengine").network(x)
    rule = Rule("dynamicsengine")(x)
    marked = list(net_spec("dynamicsengine").output.rule_indices())
    learned = [i for i in range(16) if i not in marked]
    assert np.array_equal(ruled[marked], rule[marked])
    assert np.array_equal(ruled[learned], raw[learned])
    assert not np.array_equal(ruled[marked], raw[marked])


# -- files that can't be played --------------------------------------------------------------------


def first_weight(document, value):
    document["layers"][0]["weights"][0][0][0] = value


def swap_net(document):
    document["kelly"]["net"] = "dynamicsengine"


BROKEN = {
    "missing": (lambda path: path.unlink(), "no groovepredictor/model.json"),
    "empty": (lambda path: replace(path, b""), "empty file"),
    "truncated": (lambda path: replace(path, path.read_bytes()[:5000]), "model.json"),
    "no json": (lambda path: replace(path, b"\x00\x01\x02"), "model.json"),
    "nan": (lambda path: replace(path, path.read_bytes().replace(b'"weights":[[[', b'"weights":[[[NaN,', 1)), "NaN"),
    "weight too large": (lambda path: edited(path, lambda d: first_weight(d, 1e39)), "/layers/0/weights/0/0/0"),
    "null weight": (lambda path: edited(path, lambda d: first_weight(d, None)), "/layers/0/weights/0/0/0"),
    "unknown layer": (lambda path: edited(path, lambda d: d["layers"][1].update(type="attention")), "attention"),
    "other activation": (lambda path: edited(path, lambda d: d["layers"][2].update(activation="relu")), "/layers/2/activation"),
    "layer missing": (lambda path: edited(path, lambda d: d.update(layers=d["layers"][:1])), "/layers"),
    "another contract": (lambda path: edited(path, lambda d: d["kelly"].update(contract=CONTRACT_VERSION + 1)), "contract"),
    "another net": (lambda path: edited(path, swap_net), "dynamicsengine"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
    "a link to nowhere": (lambda path: (path.unlink(), path.symlink_to("gone")), "model.json"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_played_falls_back_and_says_why(folder, kind, caplog):
    path = folder / "groovepredictor" / "model.json"
    damage, said = BROKEN[kind]
    damage(path)
    with caplog.at_level(logging.INFO, "kelly.nets"):
        processor = kelly.MultiModelProcessor(folder)
    slot = processor.slot("groovepredictor")
    assert slot.source == "fallback"
    assert said in slot.reason
    assert slot.network is None
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert said in warned[0]
    result = processor.run_full_pipeline(FEATURES[0])
    assert result.sources["groovepredictor"] == "fallback"
    assert np.array_equal(result.groove, Rule("groovepredictor")(result.embedding))
    assert [slot.source for slot in processor.slots].count("model") == 4


@pytest.mark.parametrize("kind", BROKEN)
def test_strict_raises_a_model_error_instead(folder, kind):
    BROKEN[kind][0](folder / "groovepredictor" / "model.json")
    with pytest.raises(kelly.ModelError) as caught:
        kelly.MultiModelProcessor(folder, strict=True)
    assert caught.value.exit_code == 4


def test_nothing_at_all_is_five_labelled_fallbacks(tmp_path):
    processor = kelly.MultiModelProcessor(tmp_path)
    assert dict(processor.sources) == dict.fromkeys(NET_NAMES, "fallback")
    assert len(processor.load_log) == 5
    assert all(str(tmp_path) in line and "fallback" in line for line in processor.load_log)
    result = processor.run_full_pipeline(FEATURES[0])
    rule = Rule("emotionrecognizer")
    assert np.array_equal(result.embedding, rule(FEATURES[0]))


def test_a_file_that_fails_its_own_test_vectors_is_not_played(folder, tmp_path):
    """As when a matrix was transposed: it loads, runs, and answers something else."""
    x = np.ones((3, 32), np.float32)
    wrong = np.full((3, 16), 0.25, np.float32)
    shutil.rmtree(folder / "dynamicsengine")
    write_net(folder, "dynamicsengine", vectors=(x, wrong))
    slot = kelly.MultiModelProcessor(folder).slot("dynamicsengine")
    assert slot.source == "fallback"
    assert "/kelly/vectors" in slot.reason


def test_a_file_without_test_vectors_or_metadata_loads(folder):
    """Any RTNeural file of the right layers may stand in a net's place."""
    path = folder / "dynamicsengine" / "model.json"
    edited(path, lambda document: document.pop("kelly"))
    slot = kelly.MultiModelProcessor(folder).slot("dynamicsengine")
    assert (slot.source, slot.vector_error, slot.taught_by) == ("model", None, "")


def test_a_gate_that_the_file_says_it_misses_is_told(folder):
    """The net plays all the same, and `kelly models list` says which."""
    from kelly.cli.models import why

    edited(folder / "dynamicsengine" / "model.json", lambda document: document["kelly"].update(gates_missed=["twice as good"]))
    slot = kelly.MultiModelProcessor(folder).slot("dynamicsengine")
    assert (slot.source, slot.missed) == ("model", ("twice as good",))
    assert "misses: twice as good" in why(slot)


# -- switches --------------------------------------------------------------------------------------


def test_a_net_that_is_off_is_answered_by_its_rule_and_labelled(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    assert processor.is_model_enabled("groovepredictor")
    processor.set_model_enabled("groovepredictor", False)
    assert not processor.is_model_enabled("groovepredictor")
    result = processor.run_full_pipeline(FEATURES[0])
    assert result.sources["groovepredictor"] == "off"
    assert np.array_equal(result.groove, Rule("groovepredictor")(result.embedding))
    processor.set_model_enabled("groovepredictor", True)
    assert processor.slot("groovepredictor").source == "model"
    assert processor.slot("groovepredictor").reason == ""


def test_only_the_enabled_are_on(all_five):
    processor = kelly.MultiModelProcessor(all_five, enabled=["harmonypredictor"])
    on = [name for name in NET_NAMES if processor.is_model_enabled(name)]
    assert on == ["harmonypredictor"]
    assert processor.sources["melodytransformer"] == "off"


def test_a_fallback_switched_off_and_on_keeps_its_reason(tmp_path):
    processor = kelly.MultiModelProcessor(tmp_path)
    reason = processor.slot("melodytransformer").reason
    processor.set_model_enabled("melodytransformer", False)
    assert processor.sources["melodytransformer"] == "off"
    processor.set_model_enabled("melodytransformer", True)
    assert processor.slot("melodytransformer").source == "fallback"
    assert processor.slot("melodytransformer").reason == reason


def test_a_recurrent_net_switched_on_again_starts_from_reset(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    first = processor.run_full_pipeline(FEATURES[0]).embedding
    processor.set_model_enabled("emotionrecognizer", False)
    processor.set_model_enabled("emotionrecognizer", True)
    assert np.array_equal(first, processor.run_full_pipeline(FEATURES[0]).embedding)


def test_the_source_mapping_of_a_result_does_not_change_afterwards(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    result = processor.run_full_pipeline(FEATURES[0])
    processor.set_model_enabled("groovepredictor", False)
    assert result.sources["groovepredictor"] == "model"


@pytest.mark.parametrize("call", ["set_model_enabled", "is_model_enabled", "slot", "engine", "clone_engine"])
def test_an_unknown_net_names_the_five(all_five, call):
    arguments = ("moodring", True) if call == "set_model_enabled" else ("moodring",)
    with pytest.raises(KeyError, match="emotionrecognizer, melodytransformer"):
        getattr(kelly.MultiModelProcessor(all_five), call)(*arguments)


def test_cloned_engines_are_independent(all_five):
    processor = kelly.MultiModelProcessor(all_five)
    twin = processor.clone_engine("melodytransformer")
    x = np.ones(64, np.float32)
    first = twin(x)
    twin(x)
    assert np.array_equal(first, processor.engine("melodytransformer")(x))


def test_an_arithmetic_that_is_not_there_is_no_reason_to_fall_back(all_five):
    with pytest.raises(kelly.ConfigError, match="arithmetic"):
        kelly.MultiModelProcessor(all_five, arithmetic="bfloat16")


# -- validate and the catalog ----------------------------------------------------------------------


def test_a_sound_file_validates_with_its_layers(all_five):
    report = kelly.validate_model(all_five / "melodytransformer" / "model.json")
    assert report.ok
    assert report.faults == ()
    assert report.net == "melodytransformer"
    assert report.layers == ("dense 64 -> 256 relu", "lstm 256 -> 256", "dense 256 -> 256 relu", "dense 256 -> 128 softmax")
    assert report.parameter_count == net_spec("melodytransformer").parameters
    assert "641,664 parameters" in report.summary


def test_all_faults_are_reported_each_with_its_place(folder):
    path = folder / "groovepredictor" / "model.json"

    def damage(document):
        first_weight(document, True)
        document["layers"][1]["activation"] = "swish"
        document["layers"][2]["type"] = "attention"

    edited(path, damage)
    report = kelly.validate_model(path)
    assert not report.ok
    assert [fault.pointer for fault in report.faults] == ["/layers/0/weights/0/0/0", "/layers/1/activation", "/layers/2/type"]
    for fault in report.faults:
        assert fault.path == str(path)
        assert fault.expected
        assert fault.found
    assert report.summary == "3 faults"


def test_a_named_net_of_other_layers_is_a_fault_and_check_specs_can_be_switched_off(folder):
    path = folder / "groovepredictor" / "model.json"
    edited(path, lambda document: document["layers"][0].update(activation="sigmoid"))
    report = kelly.validate_model(path)
    assert [fault.pointer for fault in report.faults] == ["/layers/0/activation"]
    assert (report.faults[0].expected, report.faults[0].found) == ("tanh", "sigmoid")
    assert kelly.validate_model(path, check_specs=False).ok


def test_validate_never_raises_for_a_missing_file(tmp_path):
    report = kelly.validate_model(tmp_path / "gone.json")
    assert not report.ok
    assert isinstance(report.faults[0], kelly.ModelFormatError)


def test_validate_reports_failed_test_vectors(tmp_path):
    path = write_net(tmp_path, "dynamicsengine", vectors=(np.ones((2, 32), np.float32), np.zeros((2, 16), np.float32)))
    report = kelly.validate_model(path)
    assert [fault.pointer for fault in report.faults] == ["/kelly/vectors"]
    assert report.vector_error is not None
    assert report.vector_error > 0.1


@pytest.mark.parametrize("name", NET_NAMES)
def test_every_catalog_row_fits_itself_and_no_other(all_five, name):
    model = read_model(all_five / name / "model.json")
    assert check_spec(model, name) == []
    for other in NET_NAMES:
        if other != name:
            assert check_spec(model, other)


def test_an_activation_layer_counts_as_its_dense_layers(tmp_path):
    """The format allows both spellings."""
    from kelly.nets.export import to_rtneural, write_document

    document = to_rtneural(random_layers("dynamicsengine"))
    apart = []
    for row in document["layers"]:
        activation = row.pop("activation")
        apart += [row, {"type": "activation", "shape": row["shape"], "activation": activation, "weights": []}]
    document["layers"] = apart
    path = write_document(document, tmp_path / "dynamicsengine" / "model.json")
    assert check_spec(read_model(path), "dynamicsengine") == []
    assert kelly.MultiModelProcessor(tmp_path).slot("dynamicsengine").source == "model"
