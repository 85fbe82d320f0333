"""Every engine runs every layer of the table, and every network keeps the same promises."""

import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import kelly
from kelly._rt.net.layers import ACTIVATIONS, LAYERS
from kelly._rt.net.reference import Reference
from tests.nets import ENGINES, network, random_layer, run_steps
from tests.patience import PATIENCE_S

KINDS = [(kind, activation) for kind, row in LAYERS.items() for activation in row.activations if not row.gates or not activation]
STEPS = 40

# Sums of up to 24 products of size 1 in float32 err by about 24 * 2^-24; a recurrent layer feeds that back,
# damped by its gates, and Eigen's tanh adds 2^-22.  1e-5 leaves a factor of five.
TOLERANCE = 1e-5

# A weight in 16 bits errs by 2^-16 of its column's largest, 24 of them by 1e-4 when nothing cancels; in 8 bits, with
# activations of 7, by 1/126 and 1/254 of the largest each.  Convolutions stay in float32.
TOLERANCES = {"int16": 3e-4, "int8": 0.15}


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.mark.parametrize(("arithmetic", "isa"), ENGINES)
@pytest.mark.parametrize(("kind", "activation"), KINDS)
def test_layer_agrees_with_the_reference(kind, activation, arithmetic, isa, rng):
    """Float32 against float64: the difference is rounding, over forty steps of a recurrent layer too."""
    size = 11 if kind == "activation" else 23
    size = 24 if kind.endswith("2d") else size
    layer = random_layer(kind, size, 11, rng, activation)
    x = rng.normal(0, 1, (STEPS, size)).astype(np.float32)
    allowed = TOLERANCES.get(arithmetic, TOLERANCE)
    np.testing.assert_allclose(
        run_steps(network([layer], arithmetic, isa), x), Reference([layer])(x), rtol=allowed, atol=allowed
    )


@pytest.mark.parametrize("kind", [kind for kind, row in LAYERS.items() if any(rule.optional for rule in row.weights)])
def test_a_missing_optional_weight_counts_as_zero(kind, rng):
    layer = random_layer(kind, 5, 7, rng, bias=False)
    x = rng.normal(0, 1, (3, 5)).astype(np.float32)
    np.testing.assert_allclose(network([layer])(x), Reference([layer])(x), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("kind", [kind for kind, row in LAYERS.items() if row.short])
def test_the_shorter_form_has_neutral_weights(kind, rng):
    layer = random_layer(kind, 6, 6, rng, bias=False)
    assert len(layer.weights) == len(LAYERS[kind].short)
    x = rng.normal(0, 1, (3, 6)).astype(np.float32)
    np.testing.assert_allclose(network([layer])(x), Reference([layer])(x), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.fixture(params=ENGINES, ids="-".join)
def net(request, rng):
    """A recurrent and convolving stack on each engine."""
    arithmetic, isa = request.param
    layers = [
        random_layer("conv1d", 6, 6, rng, "tanh", kernel_size=3, dilation=2, groups=2),
        random_layer("batchnorm", 6, 6, rng),
        random_layer(
            "conv2d", 6, 0, rng, num_filters_in=2, num_features_in=3, num_filters_out=2, kernel_size_feature=2,
            kernel_size_time=2, dilation=3, strides=1, padding="same",
        ),
        random_layer("prelu", 6, 6, rng),
        random_layer("dense", 6, 19, rng, "tanh"),
        random_layer("lstm", 19, 9, rng),
        random_layer("gru", 9, 7, rng),
        random_layer("activation", 7, 7, rng, "elu"),
        random_layer("time-distributed-dense", 7, 5, rng, "softmax"),
    ]
    return network(layers, arithmetic, isa)


@pytest.fixture
def x(rng):
    return rng.normal(0, 1, (STEPS, 6)).astype(np.float32)


def test_a_block_is_its_steps(net, x):
    steps = run_steps(net, x)
    net.reset()
    np.testing.assert_array_equal(net(x), steps)


def test_reset_makes_the_next_run_identical(net, x):
    first = net(x)
    assert np.any(net(x) != first)
    net.reset()
    np.testing.assert_array_equal(net(x), first)


def test_a_clone_continues_and_then_goes_its_own_way(net, x):
    """It starts from a copy of the state; after that neither hears of the other."""
    net(x[:10])
    twin = net.clone()
    rest = net(x[10:])
    np.testing.assert_array_equal(twin(x[10:]), rest)
    twin.reset()
    again = net.clone()
    twin(x)
    np.testing.assert_array_equal(net(x[:5]), again(x[:5]))


def test_a_clone_outlives_its_original(net, x):
    want = net(x)
    net.reset()
    twin = net.clone()
    del net
    np.testing.assert_array_equal(twin(x), want)


def test_sizes_and_counts(net):
    """An LSTM's bias counts twice, as in PyTorch; a GRU's two are two in the file already."""
    conv1d, batchnorm, conv2d, prelu = 3 * 3 * 6 + 6, 2 * 6, 2 * 2 * 2 * 2 + 2, 6
    dense, lstm, gru, last = 6 * 19 + 19, 4 * 9 * (19 + 9 + 2), 3 * 7 * (9 + 7 + 2), 7 * 5 + 5
    assert (net.in_size, net.out_size) == (6, 5)
    assert net.parameter_count == conv1d + batchnorm + conv2d + prelu + dense + lstm + gru + last
    bytes_each = {"int16": 2, "int8": 1}.get(net.arithmetic, 4)
    assert bytes_each * net.parameter_count < net.nbytes < bytes_each * net.parameter_count + 14000
    assert kelly.Network is type(net)
    assert net.arithmetic in repr(net)
    assert net.isa in repr(net)


def test_process_may_write_onto_its_input(rng):
    layer = random_layer("dense", 8, 8, rng, "tanh")
    net, x = network([layer]), rng.normal(0, 1, (5, 8)).astype(np.float32)
    want = net(x)
    net.process(x, x)
    np.testing.assert_array_equal(x, want)


def test_an_empty_block_is_no_step(net, x):
    want = net(x)
    net.reset()
    out = np.empty((0, 5), np.float32)
    net.process(np.empty((0, 6), np.float32), out)
    np.testing.assert_array_equal(net(x), want)


def test_call_converts_and_process_does_not(net, x):
    want = net(x)
    net.reset()
    np.testing.assert_array_equal(net(x.astype(np.float64).tolist()), want)
    with pytest.raises(TypeError, match="x: expected float32 in native byte order, found <f8"):
        net.process(x.astype(np.float64), np.empty((STEPS, 5), np.float32))


def _wrong_arguments():
    x, out = np.zeros(6, np.float32), np.zeros(5, np.float32)
    read_only = out.copy()
    read_only.flags.writeable = False
    block, block_out = np.zeros((4, 6), np.float32), np.zeros((4, 5), np.float32)
    memory = np.zeros(64, np.float32)
    return {
        "list": ([0.0] * 6, out, TypeError, "expected numpy.ndarray, got list"),
        "none": (x, None, TypeError, "out"),
        "dtype": (x, out.astype(np.float64), TypeError, "out: expected float32"),
        "byte order": (x.astype(">f4"), out, TypeError, "found >f4"),
        "int": (x.astype(np.int32), out, TypeError, "found <i4"),
        "short": (x[:5].copy(), out, ValueError, r"x: expected .*\(6,\) or \(steps, 6\), found float32 \(5,\)"),
        "long out": (x, np.zeros(6, np.float32), ValueError, r"out: .*\(5,\).*found float32 \(6,\)"),
        "scalar": (np.zeros((), np.float32), out, ValueError, "x: expected"),
        "3-D": (np.zeros((1, 1, 6), np.float32), out, ValueError, "x: expected"),
        "axes differ": (block, out, ValueError, "out: expected"),
        "axes differ too": (x, block_out, ValueError, "out: expected"),
        "steps differ": (block, block_out[:3], ValueError, r"out: expected \(4, 5\), found \(3, 5\)"),
        "strided": (np.zeros(12, np.float32)[::2], out, ValueError, "C-contiguous"),
        "Fortran": (np.asfortranarray(block), block_out, ValueError, "C-contiguous"),
        "unaligned": (np.frombuffer(bytes(25), np.uint8)[1:].view(np.float32), out, ValueError, "aligned"),
        "read-only": (x, read_only, ValueError, "out: expected a writable array"),
        "overlap": (memory[:24].reshape(4, 6), memory[3:23].reshape(4, 5), ValueError, "overlap"),
    }


@pytest.mark.parametrize("case", _wrong_arguments())
def test_wrong_arguments_say_what_was_expected_and_found(case, net, x):
    """And nothing was computed: the state is untouched."""
    wrong_x, wrong_out, error, match = _wrong_arguments()[case]
    want = net(x)
    net.reset()
    with pytest.raises(error, match=match):
        net.process(wrong_x, wrong_out)
    np.testing.assert_array_equal(net(x), want)


def test_process_allocates_nothing(net, x):
    """Neither a step nor a block, neither Python objects nor what Python's allocators see."""
    out, block = np.empty(5, np.float32), np.empty((STEPS, 5), np.float32)
    row = x[0]
    net.process(row, out)
    net.process(x, block)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(100):
        net.process(row, out)
        net.process(x, block)
        net.reset()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 200  # the loop's own iterator and integers


def test_a_block_releases_the_gil(rng):
    """Another thread runs Python while a long block computes, though nobody is made to hand the GIL over."""
    net = network([random_layer("lstm", 32, 64, rng)])
    x, out = np.zeros((60000, 32), np.float32), np.empty((60000, 64), np.float32)
    turns, done, during = [], threading.Event(), 0

    def count():
        while not done.is_set():
            turns.append(None)
            time.sleep(0.0001)

    thread, interval_s = threading.Thread(target=count), sys.getswitchinterval()
    sys.setswitchinterval(PATIENCE_S)
    thread.start()
    try:
        for _ in range(100):  # a busy machine may keep the other thread from a processor for one block
            before = len(turns)
            net.process(x, out)
            during += len(turns) - before
            if during > 100:
                break
    finally:
        sys.setswitchinterval(interval_s)
        done.set()
        thread.join()
    assert during > 100


def test_two_threads_in_one_network_are_told(rng):
    """Rather than mixing their states; each needs its own clone."""
    net = network([random_layer("lstm", 32, 64, rng)])
    x, out = np.zeros((60000, 32), np.float32), np.empty((60000, 64), np.float32)
    refused = False
    for _ in range(100):  # on a busy machine one of the two may be over before the other begins
        thread = threading.Thread(target=net.process, args=(x, out))
        thread.start()
        while thread.is_alive() and not refused:
            try:
                net.process(x[0], np.empty(64, np.float32))
            except RuntimeError as error:
                refused = "clone()" in str(error)
        thread.join()
        if refused:
            break
    assert refused
    net.reset()


def test_nan_passes_and_leaves_no_trace_after_reset(net, x):
    want = net(x)
    net.reset()
    poisoned = x.copy()
    poisoned[3, 2] = np.nan
    assert np.isnan(net(poisoned)[5:]).any()
    net.reset()
    np.testing.assert_array_equal(net(x), want)


def test_every_activation_has_a_reference():
    from kelly._rt.net.reference import ACTIVATION

    assert tuple(ACTIVATION) == ACTIVATIONS
