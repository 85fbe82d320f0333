"""The evaluation: what counts as following, as standing still, and the page that says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kelly._rt.contract import FEATURES
from kelly.cli import app
from training import counterfactuals, evaluate
from training.counterfactuals import KEYS, LEVELS_DB, SETTLED_ROWS, TEMPI, Variant, judged, spearman

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own
ROWS = 5 * 120


class Ear:
    """Says what the first three features of a row say, in the place of a recognizer."""

    def reset(self) -> None:
        pass

    def __call__(self, x):
        out = np.zeros((len(x), 64), np.float32)
        out[:, :3] = x[:, :3]
        return out


def heard(index, *, follows=True):
    """Features of every variant of a piece, whose first three bands are what a good ear, or a deaf one, would say."""
    out = {}
    for variant in (
        *(Variant(index, "mode", mode) for mode in ("major", "minor")), *(Variant(index, "tempo", f) for f in TEMPI), Variant(index, "level"),
        *(Variant(index, "gain", g) for g in (0.0, -12.0, 12.0)), *(Variant(index, "key", k) for k in KEYS),
    ):  # fmt: skip
        rows = np.ones((ROWS, 128), np.float32) * 0.5
        rows[:, :3] = 0
        if variant.kind == "mode":
            rows[:, 0] = 0.4 if (variant.value == "major") == follows else -0.1
        elif variant.kind == "tempo":
            rows[:, 1] = np.log2(variant.value) * (1 if follows else -1)
        elif variant.kind == "level":
            rows = np.concatenate([rows, rows])
            rows[ROWS:, 1] = np.repeat(np.array(LEVELS_DB) / 20 * (1 if follows else -1), ROWS // 5)
        elif variant.kind == "gain" and not follows:
            rows[:, 2] = variant.value / 20
        elif variant.kind == "key" and not follows:
            rows[:, 0] = variant.value / 10
        out[variant] = rows
    return out


def test_an_ear_that_follows_passes_and_one_that_does_not_fails():
    """Every gate has a case on both sides."""
    good = evaluate.gates(judged(Ear(), heard(1)))
    bad = evaluate.gates(judged(Ear(), heard(1, follows=False)))
    assert [row["pass"] for row in good if row["least"]] == [True] * (len(counterfactuals.GATES) - 1)
    assert [row["pass"] for row in bad if row["least"]] == [row["what"] == "valence over 5 tempi" for row in bad if row["least"]]
    assert [(row["share"], row["pass"]) for one in (good, bad) for row in one if not row["least"]] == [(1, None), (0, None)]
    assert bad[-2]["share"] == pytest.approx(2 / 11)  # of pairs: a semitone moves by .1
    assert SETTLED_ROWS < ROWS


def test_the_front_end_says_what_its_inputs_say():
    """Mode as valence, notes and level as arousal, nothing else."""
    x = np.zeros((2, 128), np.float32)
    x[1, FEATURES["mode_sign"].start], x[1, FEATURES["slow_level"].start], x[1, FEATURES["log2_notes_per_second"].start] = -1, 0.2, 1
    said = counterfactuals.FrontEnd()(x)
    np.testing.assert_allclose(said[:, :3], [[0, 0, 0], [-0.3, 0.2, 0]], atol=1e-6)
    assert not said[:, 3:].any()


def test_ranks_are_spearmans():
    """1 for any rise, -1 for any fall, 0 for a line that never moves."""
    assert spearman((1, 2, 3), (0.1, 5, 5.1)) == pytest.approx(1)
    assert spearman((1, 2, 3), (3, 2, 1)) == pytest.approx(-1)
    assert spearman((1, 2, 3), (2, 2, 2)) == pytest.approx(spearman((1, 2, 3), (7, 7, 7)))


def test_the_page_has_every_number(tmp_path):
    """Tables and a picture from what was found."""
    cases = judged(Ear(), heard(1))
    told = cases | {"gates": evaluate.gates(cases)}
    row = {"measure": "valence R2", "better": "more", "net": [0.5, 0.4, 0.6], "ridge": [0.45, 0.3, 0.5], "against": "ridge", "gain": [0.05, 0.01, 0.09]}
    figures = {"sequences": 3, "songs": 2, "steps": 1234, "measures": [row], "beats_baseline": True, "verdict": "valence R2 better than ridge", "sets": ["cues"]}
    found = {"command": "kelly train evaluate", "models": {"emotionrecognizer": {"taught_by": "cues", "sha256": "0" * 16}}, "held_out": {"emotionrecognizer": figures}, "split": "test", "counterfactuals": {"pieces": 1, "net": told, "rule": told, "front end": told}}
    evaluate.write(found, tmp_path)
    page = (tmp_path / "README.md").read_text()
    for words in ("0.500 [0.400, 0.600]", "+0.050 [+0.010, +0.090] than ridge", "100% [21%, 100%]", "| pass |", "1,234 steps of cues", "kelly train evaluate"):
        assert words in page, words
    for name in ("counterfactuals.png", "emotionrecognizer.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
        assert name in page
    assert json.loads((tmp_path / "evaluation.json").read_text()) == json.loads(json.dumps(found))


def test_nets_behind_the_recognizer_are_judged_on_its_answers(tmp_path, monkeypatch):
    """As in training: groove asked with labels for moods once looked worse than its baseline, and was better on what it hears."""
    shown = {}

    def collect(net, sets, *, cache, instead):
        shown[net] = instead
        return {"train": [], "validation": [], "test": []}, {}, ()

    monkeypatch.setattr(evaluate, "collect", collect)
    monkeypatch.setattr(evaluate, "recognized", lambda net, sets, folder: (None, {"cues": (net, dict(sets), folder)}))
    monkeypatch.setattr(evaluate, "report", lambda *given: {})
    monkeypatch.setattr(evaluate.Scale, "of", lambda net, told: None)
    asked = evaluate.Asked(tmp_path, {"cues": "there"}, (), 0, 100, "kelly train evaluate")
    for net in ("emotionrecognizer", "groovepredictor"):
        assert evaluate.held_out(net, None, asked.sets, asked) == {}
    assert shown == {"emotionrecognizer": {}, "groovepredictor": {"cues": ("groovepredictor", {"cues": "there"}, tmp_path)}}


@pytest.mark.parametrize(("words", "said"), [(["--models", "nowhere"], "holds none of the five"), (["--nets", "melody"], "did you mean 'melodytransformer'")])
def test_what_cannot_be_evaluated_is_refused(tmp_path, capsys, words, said):
    """Before anything is read."""
    assert app.run(["train", "evaluate", *words, "-o", str(tmp_path / "out")]) != 0
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
