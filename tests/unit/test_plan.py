"""The plan: where everything lies, and in which order Eigen would add."""

import itertools

import numpy as np
import pytest

from kelly._rt.net.layers import COLUMNS, LAYERS, LayerSpec
from kelly._rt.net.plan import build_plan, packed_rows, panels, product_order
from tests.nets import random_layer

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("rows", "panel", "widths"),
    [
        (1, 64, [4]), (4, 64, [4]), (5, 64, [16]), (16, 64, [16]), (20, 64, [16, 4]), (64, 64, [64]),
        (70, 64, [64, 16]), (130, 64, [64, 64, 4]), (63, 32, [32, 16, 16]), (128, 32, [32] * 4),
    ],
)  # fmt: skip
def test_panels(rows, panel, widths):
    """Full panels, then sixteens, then a last one of sixteen or four; every output is in one."""
    found = list(panels(rows, panel))
    assert [width for width, _ in found] == widths
    assert sum(used for _, used in found) == rows


@pytest.mark.parametrize("rows", range(1, 300))
def test_packed_size_does_not_depend_on_the_panel(rows):
    """So one plan serves every instruction set."""
    assert {sum(width for width, _ in panels(rows, panel)) for panel in (16, 32, 64)} == {packed_rows(rows)}


@pytest.mark.parametrize(
    ("columns", "rows", "order"),
    [
        (127, 512, "plain"), (128, 512, "blocks_16"), (513, 1, "plain"), (513, 2, "blocks_16"),
        (128, 7999, "blocks_16"), (128, 8000, "blocks_4"), (127, 8000, "plain"),
    ],
)  # fmt: skip
def test_eigens_blocks(columns, rows, order):
    """128 columns and 32000 bytes of rows are where its order changes; a single row is a plain dot."""
    assert product_order(columns, rows, "eigen") == order
    assert product_order(columns, rows, "stl") == "plain"


def test_rows_of_a_gated_layer_are_all_its_gates():
    """4 x 2000 rows reach 32000 bytes, 4 x 1999 don't; the columns count inputs, state and bias."""
    orders = {
        size: build_plan([random_layer("lstm", 1, size, RNG)]).table[0, COLUMNS.index("order")] for size in (125, 126, 1999, 2000)
    }
    assert orders == {125: 0, 126: 1, 1999: 1, 2000: 2}


def test_packed_weights_are_panel_input_output():
    layer = random_layer("dense", 3, 70, RNG)
    plan = build_plan([layer])
    arena = np.zeros(plan.weights_size, np.float32)
    plan.pack(64, arena)
    matrix = np.vstack(layer.weights)  # (4, 70): the bias is the last input
    np.testing.assert_array_equal(arena[: 4 * 64].reshape(4, 64), matrix[:, :64])
    tail = arena[4 * 64 : 4 * 80].reshape(4, 16)
    np.testing.assert_array_equal(tail[:, :6], matrix[:, 64:])
    assert not tail[:, 6:].any()


def test_places_do_not_overlap():
    """Inputs with their ones, states and results each have their own floats, on their own cache lines."""
    layers = [random_layer("dense", 5, 6, RNG), random_layer("lstm", 6, 7, RNG), random_layer("gru", 7, 3, RNG)]
    table = [dict(zip(COLUMNS, row, strict=True)) for row in build_plan(layers).table.tolist()]
    dense, lstm, gru = table
    spans = [
        (dense["x"], 6), (lstm["x"], 14), (lstm["c"], 7), (lstm["z"], 28), (gru["x"], 8), (gru["h"], 4), (gru["z"], 18), (gru["y"], 3),
    ]  # fmt: skip
    spans.sort()
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(spans))
    assert all(start % 16 == 0 for start, _ in spans)
    assert (dense["y"], lstm["y"]) == (lstm["x"], gru["x"])
    assert lstm["h"] == lstm["x"] + 6
    assert lstm["one"] == lstm["h"] + 7


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([], "at least one"),
        ([random_layer("dense", 3, 4, RNG), random_layer("dense", 5, 4, RNG)], "expected 4 inputs, found 5"),
        ([LayerSpec("dense", 3, 4, "", (np.zeros((4, 3), np.float32),))], r"expected float32 \(3, 4\), found float32 \(4, 3\)"),
        ([LayerSpec("dense", 3, 4, "", (np.zeros((3, 4)),))], "found float64"),
        ([LayerSpec("lstm", 3, 4, "", ())], "expected 3 to 3, found 0"),
        ([LayerSpec("lstm", 3, 4, "relu", random_layer("lstm", 3, 4, RNG).weights)], "not for lstm"),
        ([LayerSpec("activation", 3, 4, "tanh", ())], "expected 3 outputs"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, match):
    """A plan built from them would read outside its arena."""
    with pytest.raises(ValueError, match=match):
        build_plan(layers)


def test_unknown_arithmetic():
    with pytest.raises(ValueError, match="arithmetic: expected one of eigen, stl, xsimd, fast, int16, int8, found 'blas'"):
        build_plan([random_layer("dense", 3, 4, RNG)], "blas")


def test_the_table_of_layers_is_complete():
    """All that RTNeural's loader knows."""
    known = {"dense", "time-distributed-dense", "lstm", "gru", "activation", "conv1d", "conv2d", "prelu", "batchnorm", "batchnorm2d"}
    assert set(LAYERS) == known
