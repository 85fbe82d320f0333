"""Pieces with one thing changed: which, what is drawn, what is kept, and that a recognizer learns their order."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from kelly._rt.contract import DYNAMICS_IN
from tests.unit import training_material as material
from training import contrast
from training.contrast import Contrast
from training.data.cues import contrasts
from training.data.cues.composer import LEAD
from training.data.cues.contrasts import CLOSEST_DB, Changes, Kept
from training.data.errors import DataSetError, MissingFileError
from training.fit import Fit
from training.sequences import GATE_ROWS, Scale, pieces_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own
CHANGES = Changes((0.8, 0.9, 1.0, 1.1, 1.25), (0.0, 6.0, -12.0, -6.0, 12.0), (-5, 2, 6), 9.0)
AFFECT = contrast.AFFECT


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def kept(rows=600, split="train", major=True, sounding=0.5):
    """A piece whose recordings say in their first bands what they are."""
    names = ["plain", "other", "gain", *(f"tempo{k}" for k in (0, 1, 3, 4)), *(f"key{k}" for k in range(3))]
    found = {name: np.full((rows, 128), sounding, np.float32) for name in names}
    for name, block in found.items():
        block[:, :3] = 0
        block[:, 0] = (0.4 if major else -0.4) * (-1 if name == "other" else 1)
        if name.startswith("tempo"):
            block[:, 1] = np.log2(CHANGES.tempi[int(name[-1])])
    level = np.full((2 * rows, 128), sounding, np.float32)
    level[:, :3] = 0
    level[rows:, 1] = np.repeat(np.array(CHANGES.levels_db) / 20, rows // 5)
    return Kept("contrast-00001", split, major, CHANGES, {**found, "level": level})


def said(one, ear):
    """What an ear says of both takes."""
    return [contrast.means(take, ear(take.x)) for take in one.takes]


def follows(x):
    out = torch.zeros((*x.shape[:2], 64))
    out[..., list(AFFECT)] = x[..., :3]
    return out


@pytest.mark.parametrize("major", [True, False])
def test_an_ear_that_follows_costs_nothing_and_a_deaf_one_something_of_each(major):
    """Every relation has a case on both sides."""
    one = Contrast.of(kept(major=major))
    assert {kind: float(value) for kind, value in contrast.cost(one, *said(one, follows)).items()} == dict.fromkeys(("mode", "key", "gain", "tempo", "tempo's valence", "level"), 0.0)
    deaf = contrast.cost(one, *said(one, lambda x: torch.zeros((*x.shape[:2], 64))))
    assert {kind for kind, value in deaf.items() if value > 0} == {"mode", "tempo", "level"}
    wrong = contrast.cost(one, *(-reading for reading in said(one, follows)))
    assert all(wrong[kind] > deaf[kind] for kind in ("mode", "tempo", "level"))


def test_keys_gains_and_tempi_that_move_a_valence_cost():
    """What shall stand still has a price when it does not."""
    one = Contrast.of(kept())
    first, levels = said(one, follows)
    for name, kind in (("key1", "key"), ("gain", "gain"), ("tempo4", "tempo's valence")):
        moved = first.clone()
        moved[one.names.index(name), 0] -= 0.3
        assert contrast.cost(one, moved, levels)[kind] > 0, kind


def test_levels_are_read_where_they_are_played():
    """In the second half only, two seconds after each begins, and not while the piece dies away."""
    spans = contrast.spans_of(1240, 5)
    assert [(int(span[0]), int(span[-1])) for span in spans] == [(620 + 120 * k + contrast.SPAN_ROWS, 739 + 120 * k) for k in range(5)]
    assert spans[-1][-1] == 1240 - contrast.TAIL_ROWS - 1


def test_rows_that_nobody_hears_are_not_read():
    """Silent rows are left out of takes and of means, as the engine leaves them out."""
    piece = kept()
    silent = {name: rows.copy() for name, rows in piece.rows.items()}
    silent["plain"][300:400] = -1
    one = Contrast.of(replace(piece, rows=silent))
    k, rows = one.takes[0].readings[0]
    gap = 100 - (GATE_ROWS - 1)  # the gate stays open a little
    assert k == 0
    assert len(rows) == 600 - contrast.SETTLED_ROWS - gap
    assert (one.takes[0].x[0, 600 - gap :] == 0).all()
    assert Contrast.of(kept(rows=100)) is None, "nothing is settled after four seconds"


def test_pieces_are_of_one_kind_and_say_both_modes():
    """One texture, key, mode and level; none of the corpus's silences; no key of the other mode fits the notes as well, in either mode."""
    for piece in islice(contrasts.pieces(5, ("train",)), 3):
        plan = piece.plan
        assert plan.split == "train"
        assert len({(s.texture, s.tonic, s.mode, s.level_db) for s in plan.sections}) == 1
        assert plan.sections[0].level_db == (0.0, 0.0)
        assert np.ptp(piece.level[:, 1]) < 1e-6
        assert plan.sections[0].mode in ("ionian", "aeolian")
        assert contrasts.told(piece) >= LEAD
        drawn = Changes.drawn(plan)
        assert drawn == Changes.drawn(plan)
        assert list(drawn.tempi) == sorted(drawn.tempi)
        assert drawn.tempi[2] == 1.0
        assert np.diff(np.sort(drawn.levels_db)).min() >= CLOSEST_DB - 1e-9
        assert 0 not in drawn.keys
        assert len(set(drawn.keys)) == 3


def test_what_was_made_is_read_again_and_damage_is_one_clear_error(tmp_path, monkeypatch):
    """A folder of pieces as ``make`` writes it, with a synthesizer that hums."""
    fonts = (tmp_path / "a.sf2",)
    with pytest.raises(MissingFileError, match="soundfont"):
        contrasts.make(tmp_path, 1, fonts=fonts, jobs=1)
    fonts[0].touch()
    hum = lambda pieces, font: {k: (0.1 * np.sin(np.arange(44100 * 2) / 20)).astype(np.float32) for k in pieces}  # noqa: E731
    monkeypatch.setattr(contrasts.render, "render_all", hum)
    assert contrasts.kept(tmp_path) == []
    assert contrasts.make(tmp_path, 2, fonts=fonts, jobs=1) == 2
    assert contrasts.make(tmp_path, 3, fonts=fonts, jobs=1) == 1, "those that were there are left"
    found = contrasts.kept(tmp_path)
    assert len(found) == 3
    assert all(one.split in ("train", "validation") for one in found)
    assert found[0].rows["plain"].shape == (50, 128)
    assert found[0].rows["level"].shape == (100, 128)
    assert len(found[0].rows) == 1 + 1 + 1 + 1 + 4 + 3
    with pytest.raises(DataSetError, match="holds other contrasts"):
        contrasts.make(tmp_path, 3, seed=1, fonts=fonts, jobs=1)
    contrasts.place(tmp_path, int(found[1].name[-5:])).write_bytes(b"PK\x03\x04")
    with pytest.raises(DataSetError, match="not readable"):
        contrasts.kept(tmp_path)


def fitted(**changes):
    """A recognizer on its way, with one piece to learn an order from and one to judge it by."""
    pieces = pieces_of("emotionrecognizer", material.feelings(sizes={"train": 8, "validation": 1, "test": 1})["train"])
    settings = material.settings("emotionrecognizer", **({"epochs": 1, "contrast_every": 1, "learning_rate": 0.003} | changes))
    there = [Contrast.of(kept(rows=280, split=split, major=split == "train")) for split in ("train", "validation")]
    return Fit(settings, pieces, pieces, Scale.of("emotionrecognizer", pieces), contrasts=there)


def test_a_recognizer_learns_the_order_of_recordings():
    """What the held-out piece costs falls when contrasts count, and is nothing to a fit that leaves them out."""
    fit = fitted(epochs=2)
    before = fit._order_kept()
    assert fit.run()
    assert fit._order_kept() < 0.7 * before
    assert fitted(contrast=0.0)._order_kept() == 0.0


def test_a_fit_with_contrasts_goes_on_bit_for_bit():
    """Stopped within an epoch, it draws the pieces that it would have drawn."""
    whole, asked = fitted(), iter(range(100))
    whole.run()
    stopped = fitted()
    assert not stopped.run(lambda: next(asked) >= 3)
    content = stopped.content()
    resumed = fitted()
    resumed.resume(content)
    resumed.run()
    assert resumed.history[-1]["validation"] == whole.history[-1]["validation"]


def test_a_net_cannot_live_on_its_own_last_answer():
    """In the share of windows that the settings say, the last velocity is another performance's, and nothing else is."""
    fit = fitted()
    fit.settings = replace(fit.settings, net="dynamicsengine", echo_masking=0.75)
    x = torch.arange(400.0)[:, None, None].expand(400, 5, 32) / 400
    told = fit._unechoed(x)
    place = DYNAMICS_IN["previous_velocity"].start
    others = [i for i in range(32) if i != place]
    assert torch.equal(told[..., others], x[..., others])
    assert 0.65 < float((told[..., place] != x[..., place]).all(1).float().mean()) < 0.85
    assert torch.equal(told[:, 0, place], told[:, 4, place]), "of one performance through a window"
    fit.settings = replace(fit.settings, echo_masking=0.0)
    assert torch.equal(fit._unechoed(x), x)
