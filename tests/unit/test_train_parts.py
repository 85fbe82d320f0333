"""What a run is made of: sequences as the engine meets them, losses, figures, baselines, settings."""

from __future__ import annotations

import numpy as np
import pytest

from kelly._rt.contract import EMBEDDING, FEATURES, N_MEL, NET_NAMES, net_spec
from kelly.errors import ConfigError
from tests.unit import training_material as material
from tests.unit.training_material import Shown

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own


def test_rows_that_the_engine_does_not_hear_are_not_shown():
    """A short rest is left out, a silence of four seconds begins the net anew."""
    from training.data.item import Item
    from training.sequences import GATE_ROWS, pieces_of

    x = np.full((600, FEATURES.size), 0.5, np.float32)
    x[100:150, :N_MEL] = -1
    x[300:450, :N_MEL] = -1
    x[:, -1] = np.arange(600)
    y = np.ones((600, EMBEDDING.size), np.float32)
    first, second = pieces_of("emotionrecognizer", [(Item("a", "train", "a"), Shown(x, y, y))])
    assert first.n == 100 + GATE_ROWS - 1 + 150 + GATE_ROWS - 1
    assert second.n == 150
    heard = np.concatenate([first.part()[0][:, -1], second.part()[0][:, -1]])
    np.testing.assert_array_equal(heard, [t for t in range(600) if t < 105 or 150 <= t < 305 or t >= 450])
    np.testing.assert_array_equal(first.part(100, 110)[0][:, -1], [100, 101, 102, 103, 104, 150, 151, 152, 153, 154])


def test_windows_follow_a_piece_through_in_one_slot():
    """Every step is shown once; state goes on from window to window and begins anew with a piece."""
    from training.sequences import batches, pieces_of, plan

    shown = material.grooves(steps=50)["train"]
    pieces = pieces_of("groovepredictor", shown)
    windows = plan([piece.n for piece in pieces], 4, 20, seed=1, epoch=0)
    assert windows == plan([piece.n for piece in pieces], 4, 20, seed=1, epoch=0) != plan([piece.n for piece in pieces], 4, 20, seed=1, epoch=1)
    seen, playing = [], [None] * 4
    for window, (x, _, mask, fresh) in zip(windows, batches(pieces, windows, 20), strict=True):
        for slot, place in enumerate(window):
            if place is None:
                assert mask[slot].max() == 0
                continue
            piece, start = place
            assert fresh[slot] == (start == 0)
            if start:
                assert playing[slot] == (piece, start)
            playing[slot] = (piece, start + 20)
            seen += [(piece, start + t) for t in range(min(20, 50 - start))]
            np.testing.assert_array_equal(x[slot, : min(20, 50 - start)], pieces[piece].part(start, start + 20)[0])
    assert sorted(seen) == [(piece, t) for piece in range(len(pieces)) for t in range(50)]


def test_several_processes_share_the_pieces_and_take_as_many_steps():
    from training.sequences import plan

    shares = [plan([30, 50, 10, 20, 90], 2, 20, 0, 0, rank, 2) for rank in range(2)]
    assert len(shares[0]) == len(shares[1])
    seen = [{place[0] for window in share for place in window if place} for share in shares]
    assert seen[0] | seen[1] == set(range(5))
    assert not seen[0] & seen[1]


def test_carried_state_gives_the_answers_of_one_long_run():
    import torch

    from training.student import Student, begun_anew

    torch.manual_seed(0)
    student = Student(net_spec("melodytransformer"), torch.zeros(64), torch.ones(64)).eval()
    x = torch.randn(3, 60, 64)
    with torch.no_grad():
        whole, _ = student(x)
        state, parts = None, []
        for start in range(0, 60, 20):
            part, state = student(x[:, start : start + 20], state)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts, 1), whole)
        anew, _ = student(x[:, 20:], begun_anew(state, torch.tensor([True, False, True])))
        torch.testing.assert_close(anew[0], student(x[:1, 20:])[0][0])
        assert (anew[1] - student(x[1:2, 20:])[0][0]).abs().max() > 1e-4


def test_an_input_that_said_nothing_in_training_changes_nothing_later():
    import torch

    from training.student import Student, run

    spread = torch.ones(64)
    spread[5] = 0
    student = Student(net_spec("groovepredictor"), torch.full((64,), 0.3), spread).eval()
    x = torch.randn(1, 4, 64)
    other = x.clone()
    other[..., 5] = 0.9
    with torch.no_grad():
        torch.testing.assert_close(student(x)[0], student(other)[0])
        torch.testing.assert_close(run(student.folded(), x)[0], run(student.folded(), other)[0])


@pytest.mark.parametrize("net", ["emotionrecognizer", "dynamicsengine", "groovepredictor"])
def test_rule_indices_and_unknown_answers_cost_nothing(net):
    import torch

    from training.loss import loss_for
    from training.sequences import Scale

    spec = net_spec(net)
    size = spec.output.size
    ones = np.ones(size, np.float32)
    loss = loss_for(spec, Scale(ones, ones, 0 * ones, ones, ones), {}, 0.5)
    y, mask = torch.zeros(1, 3, size), torch.ones(1, 3, size)
    mask[..., -1] = 0
    at, other = torch.full((1, 3, size), 0.3), torch.full((1, 3, size), 0.3)
    for index in (*spec.output.rule_indices(), size - 1):
        other[..., index] = -0.9
    assert loss(at, y, mask)[0] == loss(other, y, mask)[0]
    other[..., 0] = -0.9
    assert loss(at, y, mask)[0] != loss(other, y, mask)[0]
    assert loss(at, y, 0 * mask)[1] == 0


def test_predicted_errors_find_the_true_ones():
    """Where valence is noisy, log sigma grows and confidence falls."""
    import torch

    from training.loss import loss_for
    from training.sequences import Scale

    size, rng = EMBEDDING.size, torch.Generator().manual_seed(0)
    ones = np.ones(size, np.float32)
    loss = loss_for(net_spec("emotionrecognizer"), Scale(ones, ones, 0 * ones, ones, ones), {}, 0.5)
    raw = torch.zeros(1, 2, size, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.02)
    mask = torch.zeros(1, 2, size)
    mask[..., :2] = 1
    for _ in range(600):
        y = torch.zeros(1, 2, size)
        y[0, 1, :2] = torch.randn(2, generator=rng)
        total, _ = loss(torch.tanh(raw), y, mask)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    answer = torch.tanh(raw.detach())[0]
    sigma, trust = EMBEDDING["log_sigma_valence"].start, EMBEDDING["confidence"].start
    assert answer[0, sigma] < -0.8
    assert -0.35 < answer[1, sigma] < 0.35
    assert answer[0, trust] > 0.9 > 0.6 > answer[1, trust]


def test_figures_are_what_their_formulas_say():
    from training import measures

    rng = np.random.default_rng(0)
    wanted = [rng.normal(size=40) for _ in range(30)]
    found = [y + rng.normal(0, 0.5, 40) + 0.1 for y in wanted]
    known = [np.ones(40) for _ in wanted]
    sums = measures.curve_sums(found, wanted, known)
    x, y = np.concatenate(found), np.concatenate(wanted)
    whole = sums.sum(0)
    assert measures.r2(whole) == pytest.approx(1 - ((x - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    assert measures.rmse(whole) == pytest.approx(np.sqrt(((x - y) ** 2).mean()))
    assert measures.mae(whole) == pytest.approx(np.abs(x - y).mean())
    assert measures.ccc(whole) == pytest.approx(2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))
    bootstrap = measures.Bootstrap(30, 2000)
    figure = bootstrap.figure(sums, measures.rmse)
    assert figure.low < figure.value < figure.high
    assert figure.high - figure.low == pytest.approx(4 * figure.value / np.sqrt(2 * 1200), rel=0.4)
    worse = measures.curve_sums([f + 0.3 for f in found], wanted, known)
    gain = bootstrap.gain(worse, sums, measures.rmse)
    assert 0 < gain.low < gain.high
    same = bootstrap.gain(sums, sums, measures.rmse)
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_ngrams_are_distributions_and_learn_a_pattern():
    from training.baselines import Ngram

    songs = [[1, 2, 3, 1, 2, 4] * 5 for _ in range(4)]
    grams = [Ngram(order, 6, songs, songs) for order in (1, 2, 3, 4)]
    nats = [-np.mean([np.log(gram.distribution(songs[0], t)[songs[0][t]]) for t in range(30)]) for gram in grams]
    assert nats == sorted(nats, reverse=True)
    for gram in grams:
        assert gram.distribution(songs[0], 7).sum() == pytest.approx(1)
        assert gram.distribution([5, 5, 5], 2).min() > 0


def test_the_ridge_is_a_regression():
    from training.baselines import Ridge
    from training.sequences import Scale, pieces_of

    shown = material.feelings()
    pieces = {split: pieces_of("emotionrecognizer", made) for split, made in shown.items()}
    ridge = Ridge("emotionrecognizer", pieces["train"], pieces["validation"], Scale.of("emotionrecognizer", pieces["train"]))
    x, y, _ = pieces["test"][0].part()
    assert np.corrcoef(ridge(pieces["test"][0], x)[:, 1], y[:, 1])[0, 1] > 0.95
    assert np.abs(ridge(pieces["test"][0], x)[:, 5]).max() < 1


@pytest.mark.parametrize("net", NET_NAMES)
def test_every_net_has_settings_with_reasons(net, tmp_path):
    """Each line of a value says why; what a run keeps reads back as the same settings."""
    from training.settings import CONFIGS, read

    lines = [line for line in (CONFIGS / f"{net}.toml").read_text().splitlines() if "=" in line and not line.startswith(("#", "net "))]
    assert all("#" in line or "[weights]" in line for line in lines if not line.startswith(("arousal", "tension", "texture")))
    settings = read(net, epochs=7)
    assert settings.epochs == 7
    (tmp_path / "kept.toml").write_text(settings.as_toml())
    assert read(net, tmp_path / "kept.toml") == settings
    assert settings.window_steps * (0.04 if net == "emotionrecognizer" else 0.125) >= (8 if net in NET_NAMES[:2] else 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [("epoch = 3", "epoch: not a setting; did you mean 'epochs'"), ('epochs = "3"', "epochs: expected int"), ("epochs = 0", "epochs: expected 1 to"),
     ("[weights]\nvalance = 2", "did you mean 'valence'"), ("]", "not readable as TOML"), ('net = "groovepredictor"', "asked for emotionrecognizer")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(line, said, tmp_path):
    from training.settings import CONFIGS, read

    text = (CONFIGS / "emotionrecognizer.toml").read_text().split("[weights]")[0]
    key = line.split(" =")[0]
    text = "\n".join(row for row in text.splitlines() if not row.startswith(f"{key} ="))
    (tmp_path / "mine.toml").write_text(f"{text}\n{line}\n")
    with pytest.raises(ConfigError, match=said):
        read("emotionrecognizer", tmp_path / "mine.toml")


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path):
    from training.checkpoint import CheckpointError, load

    (tmp_path / "latest.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"latest\.pt: not readable as a checkpoint"):
        load(tmp_path / "latest.pt")
    with pytest.raises(CheckpointError, match="not found"):
        load(tmp_path / "none.pt")


def test_moods_reach_the_other_nets_with_the_recognizers_error(tmp_path):
    """Unknown indices are at their unknown value, known ones move by their error, and what data leaves at 0 stays there."""
    import torch

    from training.fit import Fit
    from training.sequences import Scale, pieces_of

    error = np.full(64, 0.1, np.float32)
    error[1] = np.nan
    pieces = pieces_of("groovepredictor", material.grooves()["train"])
    fit = Fit(material.settings("groovepredictor"), pieces, pieces, Scale.of("groovepredictor", pieces), error)
    x = torch.full((400, 5, 64), 0.2)
    x[..., 10:] = 0
    told = fit._unsure(x)
    assert told[..., 1].abs().max() == 0
    assert told[..., 10:28].abs().max() == 0
    assert (told[..., 28] == -1).all()
    assert float(told[:, 0, 0].std()) == pytest.approx(0.1, rel=0.2)
    assert torch.equal(told[:, 0], told[:, 4])
