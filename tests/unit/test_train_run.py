"""A training run: it learns, it says when there was nothing to learn, it stops and goes on, and what it leaves plays."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

import kelly
from kelly.cli.app import run as kelly_command
from tests.unit import training_material as material

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own


@pytest.fixture(autouse=True)
def _one_thread():
    """Nets this small only lose time to PyTorch's thread pool."""
    import torch

    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(strict)


@pytest.fixture
def shows(monkeypatch):
    """Put examples in memory in the place of those on disk."""
    from training import run

    def put(shown):
        monkeypatch.setattr(run, "collect", material.collected(shown))
        monkeypatch.setattr(run, "recognized", lambda *about: (None, {}))
        return shown

    return put


@pytest.fixture
def interrupted(monkeypatch):
    """SIGINT comes in the middle of the second update, once."""
    from training.fit import Fit

    step, taken = Fit._step, []

    def interrupting(self, batch, share):
        step(self, batch, share)
        taken.append(share)
        if len(taken) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Fit, "_step", interrupting)


def trained(order, stop=lambda: False):
    from training.run import Ears, train

    (outcome,) = train(order, Ears(stop))
    return outcome


def weights(folder):
    return json.loads((folder / "model.json").read_text())["layers"]


def test_a_tiny_set_is_learned_by_heart_and_beats_its_baseline(shows, tmp_path):
    """Twelve takes: the answers follow from the inputs, so the net gets below a tenth of the mean's squared error, held out too."""
    shows(material.grooves())
    outcome = trained(material.order("groovepredictor", tmp_path / "run", epochs=30, patience=30, learning_rate=1e-2, dropout=0.0, input_noise=0.0, weight_decay=0.0))
    rows = {row["measure"]: row for row in outcome.held_out["measures"]}
    whole = rows["squared error in spreads"]
    assert whole["net"][0] < 0.1 * whole["mean"][0]
    assert whole["gain"][1] > 0
    assert outcome.held_out["beats_baseline"]
    assert kelly.MultiModelProcessor(tmp_path / "run").sources["groovepredictor"] == "model"


def test_one_held_out_piece_shows_nothing(shows, tmp_path):
    """Its interval has no width, so whatever is learned would be certain."""
    shows(material.grooves(sizes={"train": 12, "validation": 3, "test": 1}))
    outcome = trained(material.order("groovepredictor", tmp_path / "run", epochs=2, learning_rate=1e-2))
    assert not outcome.held_out["beats_baseline"]
    assert "1 held-out sequence is too little, 5 are needed" in outcome.held_out["verdict"]


def test_permuted_labels_are_noticed(shows, tmp_path):
    """With the answers of other bars there is nothing to learn: the report says so, and the rule stays."""
    shows(material.grooves(permuted=True, sizes={"train": 100, "validation": 20, "test": 10}))
    outcome = trained(material.order("groovepredictor", tmp_path / "run", epochs=4, learning_rate=5e-3))
    assert not outcome.held_out["beats_baseline"]
    assert "does not beat its baseline" in outcome.held_out["verdict"]
    assert "does not beat its baseline" in (outcome.folder / "CARD.md").read_text()
    processor = kelly.MultiModelProcessor(tmp_path / "run")
    slot = processor.slot("groovepredictor")
    assert slot.source == "fallback"
    assert "does not beat its baseline" in slot.reason
    x = np.random.default_rng(0).uniform(-1, 1, 64).astype(np.float32)
    from kelly._rt.stream.rules import Rule

    np.testing.assert_array_equal(processor.engine("groovepredictor")(x), Rule("groovepredictor")(x))
    processor.set_model_enabled("groovepredictor", True)
    assert slot.source == "model"
    assert np.abs(processor.engine("groovepredictor")(x) - Rule("groovepredictor")(x)).max() > 0.01
    assert kelly.MultiModelProcessor(tmp_path / "run", insisted=["groovepredictor"]).sources["groovepredictor"] == "model"


def test_a_run_that_was_stopped_goes_on_bit_for_bit(shows, tmp_path):
    """A recurrent net with dropout and noise, stopped within an epoch, between two, and while it was judged."""
    shows(material.feelings())
    whole = trained(material.order("emotionrecognizer", tmp_path / "whole", epochs=2))
    assert whole.finished
    for stop_at in (1, 9, 11):
        asked = iter(range(1000))
        stopped = trained(material.order("emotionrecognizer", tmp_path / f"{stop_at}", epochs=2), lambda asked=asked, stop_at=stop_at: next(asked) >= stop_at)
        assert not stopped.finished
        resumed = trained(material.order("emotionrecognizer", tmp_path / f"{stop_at}", epochs=2, resume=True))
        assert weights(resumed.folder) == weights(whole.folder)
        assert resumed.held_out == whole.held_out


def test_an_end_while_the_sets_are_read_is_heeded_at_once(tmp_path, monkeypatch):
    """Hours of reading are not waited for; nothing was learned, so nothing pretends to be a net, and --resume goes on."""
    from training import run
    from training.run import Ears, train

    shown, read, said = material.grooves(), [], []

    def collect(net, sets, *, advance, **others):
        for n in range(5):
            read.append(n)
            advance(1)
        return material.collected(shown)(net, sets)

    monkeypatch.setattr(run, "collect", collect)
    monkeypatch.setattr(run, "recognized", lambda *about: (None, {}))
    order = material.order("groovepredictor", tmp_path / "run", epochs=1)
    assert train(order, Ears(lambda: len(read) == 2, say=said.append)) == []
    assert read == [0, 1]
    assert "stopped while its sets were read" in said[-1]
    assert sorted(path.name for path in (tmp_path / "run").rglob("*.*")) == ["config.toml", "run.toml"]
    assert trained(replace(order, resume=True)).finished


def test_a_beginning_that_failed_is_no_run(shows, tmp_path, monkeypatch):
    """Sets with an error in them: when it is mended, the same command begins, and only a run that has begun is not written over."""
    from training import run
    from training.run import RunError

    order = material.order("groovepredictor", tmp_path / "run", epochs=1)
    with monkeypatch.context() as patched:
        patched.setattr(run, "collect", lambda *words, **others: (_ for _ in ()).throw(RunError("a column is missing")))
        with pytest.raises(RunError, match="column"):
            trained(order)
    shows(material.grooves())
    assert trained(order).finished
    with pytest.raises(RunError, match="holds a run already"):
        trained(order)


def test_pictures_are_asked_for_before_training(shows, tmp_path, monkeypatch):
    """Without matplotlib a run ends before its first epoch, not after its last."""
    import sys

    from kelly.errors import BackendUnavailableError

    shows(material.grooves())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BackendUnavailableError, match="matplotlib is missing"):
        trained(material.order("groovepredictor", tmp_path / "run", epochs=1))
    assert not (tmp_path / "run").exists()


def test_without_torch_the_way_to_it_is_told(monkeypatch, capsys, tmp_path):
    import sys

    monkeypatch.delitem(sys.modules, "training.run", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert kelly_command(["train", "groovepredictor", "--datasets", f"groove={tmp_path}"]) == 1
    assert "torch is missing, which training needs: pip install -e '.[train]'" in capsys.readouterr().err


def test_a_full_disk_ends_a_run_with_8(shows, tmp_path, monkeypatch):
    """PyTorch's own writer speaks of an enforce fail at inline_container.cc."""
    from kelly.cli.app import explain
    from training import checkpoint

    shows(material.grooves())
    monkeypatch.setattr(checkpoint.Path, "write_bytes", lambda self, data: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"latest\.pt") as raised:
        trained(material.order("groovepredictor", tmp_path / "run", epochs=1))
    assert explain(raised.value) == 8


def test_the_same_seed_makes_the_same_weights(shows, tmp_path):
    shows(material.grooves())
    first, again, other = (
        trained(material.order("groovepredictor", tmp_path / name, epochs=2, seed=seed)) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert weights(first.folder) == weights(again.folder) != weights(other.folder)


def test_examples_are_made_by_who_was_asked(shows, tmp_path, monkeypatch):
    """``--scheduler``: the workers of a cluster reach what reads the sets, and without one there are none."""
    from contextlib import contextmanager

    from training import run

    there, asked, given = object(), [], []

    @contextmanager
    def cluster(address, files):
        asked.append(address)
        yield there if address != "none" else None

    shows(material.grooves())
    plain = run.collect
    monkeypatch.setattr(run, "executor", cluster)
    monkeypatch.setattr(run, "collect", lambda *words, executor, **others: (given.append(executor), plain(*words, **others))[1])
    order = material.order("groovepredictor", tmp_path / "a", epochs=1)
    trained(order)
    trained(replace(order, output=tmp_path / "b", scheduler="tcp://there:8786"))
    assert asked == ["none", "tcp://there:8786"]
    assert given == [None, there]


def test_a_changed_run_does_not_go_on_and_the_difference_is_shown(shows, tmp_path):
    from training.run import RunError

    shows(material.grooves())
    trained(material.order("groovepredictor", tmp_path / "run", epochs=1))
    with pytest.raises(RunError, match=r"learning_rate: 0\.001 in the run, 0\.5 now"):
        trained(material.order("groovepredictor", tmp_path / "run", epochs=1, learning_rate=0.5, resume=True))
    shows(material.grooves(seed=5))
    with pytest.raises(RunError, match=r"hashes: .* in the run"):
        trained(material.order("groovepredictor", tmp_path / "run", epochs=1, resume=True))
    with pytest.raises(RunError, match="holds a run already"):
        trained(material.order("groovepredictor", tmp_path / "run", epochs=1))


def test_early_stopping_keeps_the_best_weights(shows, tmp_path):
    """Permuted answers are learned by heart while validation gets worse: what is kept is what was best."""
    from training.fit import Fit
    from training.sequences import Scale, pieces_of

    shown = material.grooves(permuted=True)
    pieces = {split: pieces_of("groovepredictor", made) for split, made in shown.items()}
    settings = material.settings("groovepredictor", epochs=100, patience=3, learning_rate=2e-2, dropout=0.0, weight_decay=0.0, input_noise=0.0)
    fit = Fit(settings, pieces["train"], pieces["validation"], Scale.of("groovepredictor", pieces["train"]))
    assert fit.run()
    losses = [row["validation"] for row in fit.history]
    best = int(np.argmin(losses))
    assert len(losses) < 100
    assert len(losses) - 1 - best == 3
    assert fit.best["epoch"] == best
    assert fit.judge() > losses[best]
    fit.chosen()
    assert fit.judge() == losses[best]


def test_control_c_leaves_checkpoint_plot_card_and_model(shows, interrupted, tmp_path, capsys):
    """The signal comes in the middle of an update; exit 130, and --resume finishes."""
    shown = shows(material.feelings())
    assert shown
    run, place = tmp_path / "run", tmp_path / "DEAM"
    place.mkdir()
    words = ["--threads", "1", "--epochs", "2", "--batch-size", "4"]
    assert kelly_command(["train", "emotionrecognizer", "--datasets", f"deam={place}", "--output", str(run), *words]) == 130
    folder = run / "emotionrecognizer"
    for name in ("checkpoints/latest.pt", "curves.png", "model.json", "CARD.md", "metrics.json", "metrics.csv", "data.json", "config.toml"):
        assert (folder / name).stat().st_size > 0, name
    assert kelly.validate_model(folder / "model.json", "all").ok
    assert "Stopped before it was finished" in (folder / "CARD.md").read_text()
    assert "--resume" in capsys.readouterr().out
    assert kelly_command(["train", "--resume", str(run)]) == 0
    assert "beats_baseline" in (folder / "model.json").read_text()
    assert (folder / "measures.png").read_bytes().startswith(b"\x89PNG")


def test_a_smoke_run_of_three_epochs_goes_on_as_one_of_three(shows, interrupted, tmp_path):
    """--quick's two epochs once came back on the way, and the run was refused as another one."""
    shows(material.feelings())
    run, place = tmp_path / "run", tmp_path / "DEAM"
    place.mkdir()
    assert kelly_command(["train", "emotionrecognizer", "--datasets", f"deam={place}", "--output", str(run), "--quick", "--epochs", "3"]) == 130
    assert kelly_command(["train", "--resume", str(run)]) == 0
    assert [row["epoch"] for row in json.loads((run / "emotionrecognizer" / "metrics.json").read_text())["epochs"]] == [1, 2, 3]


def test_a_net_whose_turn_has_not_come_keeps_its_settings(shows, tmp_path):
    """Of a run that was stopped before: --resume would take those of the checkout in their place."""
    from dataclasses import replace

    from training.settings import read

    shows(material.feelings())
    order = material.order("emotionrecognizer", tmp_path / "run", epochs=2)
    later = material.settings("groovepredictor", epochs=7, seed=5)
    assert not trained(replace(order, settings={**order.settings, "groovepredictor": later}), stop=lambda: True).finished
    assert read("groovepredictor", tmp_path / "run" / "groovepredictor" / "config.toml") == later


def test_what_is_exported_answers_as_what_was_trained(shows, tmp_path):
    """A recurrent net on held-out pieces from reset: PyTorch, kelly and ONNX Runtime within 1e-5."""
    import torch

    from training import checkpoint
    from training.sequences import Scale, pieces_of
    from training.student import Student

    shown = shows(material.feelings())
    outcome = trained(material.order("emotionrecognizer", tmp_path / "run", epochs=6, learning_rate=3e-3))
    path = outcome.folder / "model.json"
    best = checkpoint.load(outcome.folder / "checkpoints" / "best.pt")["student"]
    pieces = {split: pieces_of("emotionrecognizer", made) for split, made in shown.items()}
    scale = Scale.of("emotionrecognizer", pieces["train"])
    student = Student(kelly_spec(), torch.from_numpy(scale.mean), torch.from_numpy(scale.spread))
    student.load_state_dict(best)
    student.eval()
    network = kelly.load_network(path)
    known = [i for i in (0, 1) if i not in json.loads(path.read_text())["kelly"]["unknown_indices"]]
    assert known
    for piece in pieces["test"]:
        x = piece.part()[0]
        network.reset()
        with torch.no_grad():
            wanted = student(torch.from_numpy(x)[None])[0][0].numpy()
        np.testing.assert_allclose(network(x)[:, known], wanted[:, known], atol=2e-3)  # weights are rounded to five decimals
    assert kelly_command(["parity", str(path), "--against", "numpy,torch,onnx", "-q"]) == 0


def kelly_spec():
    from kelly._rt.contract import net_spec

    return net_spec("emotionrecognizer")


def test_an_index_that_is_not_known_is_said_to_be_unknown(shows, tmp_path):
    """Only valence and arousal were taught: everything else stays at its unknown value, whatever is heard."""
    from training.fit import UNKNOWN

    shows(material.feelings())
    outcome = trained(material.order("emotionrecognizer", tmp_path / "run", epochs=1))
    metadata = json.loads((outcome.folder / "model.json").read_text())["kelly"]
    x = np.random.default_rng(3).normal(0, 1, (50, 128)).astype(np.float32)
    answer = kelly.load_network(outcome.folder / "model.json")(x)
    for index in metadata["unknown_indices"]:
        np.testing.assert_allclose(answer[:, index], UNKNOWN[index], atol=1e-3)
    assert {32, 48, 28} <= set(metadata["unknown_indices"])
    assert "said to be unknown" in (outcome.folder / "CARD.md").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["train", "emotionrecogniser", "--datasets", "deam"], 2, "did you mean 'emotionrecognizer'"),
        (["train", "nothing"], 2, "emotionrecognizer, melodytransformer, harmonypredictor, dynamicsengine, groovepredictor"),
        (["train", "groovepredictor"], 2, "--use-synthetic"),
        (["train", "emotionrecognizer", "--datasets", "deam", "--datasets-dir", "/nowhere"], 6, "/nowhere/DEAM: not found"),
        (["train", "groovepredictor", "--datasets", "grove"], 6, "no data set is called so; did you mean 'groove'"),
        (["train", "--resume", "/nowhere"], 2, "/nowhere/run.toml"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(words, code, said, capsys):
    """Nothing is made up in the place of what is missing."""
    assert kelly_command(words) == code
    assert said in capsys.readouterr().err


@pytest.mark.slow  # half a minute of composing and rendering, half of training
def test_a_smoke_run_needs_nothing_but_the_command(tmp_path, monkeypatch, capsys):
    """No data set on this disk: the music is made, some of every split, and the next run finds it."""
    monkeypatch.chdir(tmp_path)
    words = ["train", "groovepredictor", "--quick", "--use-synthetic", "--cache", "cache"]
    assert kelly_command([*words, "-o", "run"]) == 0
    assert (tmp_path / "run/groovepredictor/model.json").exists()
    told = json.loads((tmp_path / "run/groovepredictor/data.json").read_text())
    assert str(told).count("cues") > 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache/cues/clips").iterdir()}
    assert len(made) == 22
    capsys.readouterr()
    assert kelly_command([*words, "-o", "again"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache/cues/clips").iterdir()} == made
