# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"
"""Kernels, activations and the walk over a plan's rows, compiled by Numba at their first call.

Sums keep the plan's order and nothing is fused, so bits are those of the compiled engine wherever libm
is the same.  What Numba compiles has no annotations: it knows the types of the arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from kelly._rt.net.layers import ACTIVATIONS, COLUMNS, OPCODES, ORDERS
from kelly.errors import BackendUnavailableError

F = TypeVar("F", bound=Callable[..., Any])

try:
    _numba: Any = import_module("numba")
except ImportError as _error:
    raise BackendUnavailableError("Numba is not installed; run: pip install 'kelly-live[numba]'") from _error

jit: Callable[[F], F] = _numba.njit(nogil=True, error_model="numpy", cache=True)

FULL, TAIL, LAST, PACKET = 64, 16, 4, 4  # widths of the panels; lanes of the library's vectors

OP, ACTIVATION, ORDER, ORDER_2, INPUTS, OUTPUTS, X, Y, W, W_2, B, H, C, Z = (COLUMNS.index(name) for name in (
    "op", "activation", "order", "order_2", "inputs", "outputs", "x", "y", "w", "w_2", "b", "h", "c", "z"))  # fmt: skip
AT, SPAN, TAPS, DILATION, GROUPS, W_STEP, KERNEL, STRIDE, PAD, FILTERS_IN, FEATURES_IN, FILTERS_OUT, FEATURES_OUT = (
    COLUMNS.index(name) for name in ("at", "span", "taps", "dilation", "groups", "w_step", "kernel", "stride", "pad", "filters_in",
                                     "features_in", "filters_out", "features_out"))  # fmt: skip
PLAIN, BLOCKS_16, BLOCKS_4, SEGMENTS, STARTED, REDUX = (
    ORDERS.index(name) for name in ("plain", "blocks_16", "blocks_4", "segments", "started", "redux")
)
DENSE, LSTM, GRU, ACTIVATE, CONV1D, CONV2D, PRELU, BATCHNORM = (
    OPCODES.index(name) for name in ("dense", "lstm", "gru", "activation", "conv1d", "conv2d", "prelu", "batchnorm")
)
TANH, RELU, SIGMOID, SOFTMAX, ELU = (ACTIVATIONS.index(name) for name in ("tanh", "relu", "sigmoid", "softmax", "elu"))

f4 = np.float32
ZERO, ONE, HALF, BIG, SMALL = f4(0), f4(1), f4(0.5), f4(88.723), f4(-105)
LOG2E, LN2_HIGH, LN2_LOW = f4(1.44269504088896341), f4(-0.693359375), f4(2.12194440e-4)
E0, E1 = f4(1.37449637986719608306884765625e-3), f4(4.166965186595916748046875e-2)
E2, E3, E4 = f4(8.36894474923610687255859375e-3), f4(0.16666518151760101318359375), f4(0.49999988079071044921875)
TANH_MOST, TANH_LEAST = f4(7.90531110763549805), f4(0.0004)
P0, P1, P2, P3 = f4(-2.76076847742355e-16), f4(2.00018790482477e-13), f4(-8.60467152213735e-11), f4(5.12229709037114e-08)
P4, P5, P6 = f4(1.48572235717979e-05), f4(6.37261928875436e-04), f4(4.89352455891786e-03)
Q0, Q1, Q2, Q3 = f4(1.19825839466702e-06), f4(1.18534705686654e-04), f4(2.26843463243900e-03), f4(4.89352518554385e-03)


# Products: weights in panels [panel][input][outputs of the panel].


@jit
def redux(w, at, stride, x, start, n):
    """Eigen's reduction of products: two packets side by side, lanes crosswise, then the tail."""
    single, pairs = n // PACKET * PACKET, n // (2 * PACKET) * (2 * PACKET)
    if single == 0:
        total = x[start] * w[at]
        for k in range(1, n):
            total += x[start + k] * w[at + k * stride]
        return total
    a0, a1 = x[start] * w[at], x[start + 1] * w[at + stride]
    a2, a3 = x[start + 2] * w[at + 2 * stride], x[start + 3] * w[at + 3 * stride]
    if pairs:
        b0, b1 = x[start + 4] * w[at + 4 * stride], x[start + 5] * w[at + 5 * stride]
        b2, b3 = x[start + 6] * w[at + 6 * stride], x[start + 7] * w[at + 7 * stride]
        for k in range(8, pairs, 8):
            a0 += x[start + k] * w[at + k * stride]
            a1 += x[start + k + 1] * w[at + (k + 1) * stride]
            a2 += x[start + k + 2] * w[at + (k + 2) * stride]
            a3 += x[start + k + 3] * w[at + (k + 3) * stride]
            b0 += x[start + k + 4] * w[at + (k + 4) * stride]
            b1 += x[start + k + 5] * w[at + (k + 5) * stride]
            b2 += x[start + k + 6] * w[at + (k + 6) * stride]
            b3 += x[start + k + 7] * w[at + (k + 7) * stride]
        a0 += b0
        a1 += b1
        a2 += b2
        a3 += b3
        if single > pairs:
            a0 += x[start + pairs] * w[at + pairs * stride]
            a1 += x[start + pairs + 1] * w[at + (pairs + 1) * stride]
            a2 += x[start + pairs + 2] * w[at + (pairs + 2) * stride]
            a3 += x[start + pairs + 3] * w[at + (pairs + 3) * stride]
    total = (a0 + a2) + (a1 + a3)
    for k in range(single, n):
        total += x[start + k] * w[at + k * stride]
    return total


@jit
def add_rows(w, at, width, x, start, n, sums):
    """sums[FULL + j] += x[start + i] * w[at + i * width + j] over n inputs in order.

    Four inputs at a time: each sum is loaded and stored once for four products, and LLVM takes the outputs side by side.
    """
    i = 0
    while i + 4 <= n:
        a, b, c, d = x[start + i], x[start + i + 1], x[start + i + 2], x[start + i + 3]
        first = at + i * width
        second, third, fourth = first + width, first + 2 * width, first + 3 * width
        for j in range(width):
            total = sums[FULL + j]
            total += a * w[first + j]
            total += b * w[second + j]
            total += c * w[third + j]
            total += d * w[fourth + j]
            sums[FULL + j] = total
        i += 4
    while i < n:
        value, first = x[start + i], at + i * width
        for j in range(width):
            sums[FULL + j] += value * w[first + j]
        i += 1


@jit
def product(w, at, w_columns, skipped, x, start, columns, rows, order, inputs, bias, y, to, sums):
    """y[to : to + rows] = packed matrix times x[start : start + columns].

    w_columns  of a panel, of which the first ``skipped`` are left out
    inputs     where the first segment ends, ORDER segments only
    bias       where the sums start, an index of w; -1: from 0; started only
    sums       float32 (128,), for this function's own use
    """
    while rows > 0:
        width = FULL if rows >= FULL else TAIL if rows > LAST else LAST
        used = min(width, rows)
        base = at + skipped * width
        if order == REDUX:
            for j in range(used):
                y[to + j] = redux(w, base + j, width, x, start, columns)
        elif order == STARTED:
            for j in range(used):
                total = w[bias + j] if bias >= 0 else ZERO
                for k in range(columns):
                    total += x[start + k] * w[base + k * width + j]
                y[to + j] = total
            if bias >= 0:
                bias += used
        else:
            for j in range(width):
                sums[j] = ZERO
            k = 0
            while k < columns:
                end = columns
                if order == BLOCKS_16:
                    end = min(k + 16, columns)
                elif order == BLOCKS_4:
                    end = min(k + 4, columns)
                elif order == SEGMENTS:
                    end = inputs if k < inputs else max(columns - 1, k + 1) if k < columns - 1 else columns
                for j in range(width):
                    sums[FULL + j] = ZERO
                add_rows(w, base + k * width, width, x, start + k, end - k, sums)
                for j in range(width):
                    sums[j] += sums[FULL + j]
                k = end
            for j in range(used):
                y[to + j] = sums[j]
        at += w_columns * width
        to += used
        rows -= used


# Activations, in place.


@jit
def exp_e(v):
    """Eigen's float exp."""
    x = v if v < BIG else BIG
    x = x if x > SMALL else SMALL
    e = math.floor(x * LOG2E + HALF)
    m = f4(e)
    r = m * LN2_HIGH + x
    r = m * LN2_LOW + r
    r2 = r * r
    even = r2 * E0 + E1
    odd = r2 * E2 + E3
    even = r2 * even + E4
    y = r * odd + even
    y = r2 * y + (r + ONE)
    b = e >> 2
    c = f4(math.ldexp(ONE, b))
    y = y * c * c * c * f4(math.ldexp(ONE, e - 3 * b))
    return y if y > v else v  # NaN and infinity pass


@jit
def tanh_e(v):
    """Eigen's float tanh."""
    x = TANH_MOST if v > TANH_MOST else v
    x = -TANH_MOST if x < -TANH_MOST else x
    x2 = x * x
    p = x2 * P0 + P1
    p = x2 * p + P2
    p = x2 * p + P3
    p = x2 * p + P4
    p = x2 * p + P5
    p = x2 * p + P6
    p = x * p
    q = x2 * Q0 + Q1
    q = x2 * q + Q2
    q = x2 * q + Q3
    size = -v if v < ZERO else v
    return x if size < TANH_LEAST else p / q


@jit
def exp_vector(y, at, n, eigen):
    full = n // PACKET * PACKET if eigen else 0
    for i in range(at, at + full):
        y[i] = exp_e(y[i])
    for i in range(at + full, at + n):
        y[i] = f4(math.exp(y[i]))


@jit
def sigmoid(y, at, n, eigen):
    for i in range(at, at + n):
        y[i] = -y[i]
    exp_vector(y, at, n, eigen)
    for i in range(at, at + n):
        y[i] = ONE / (ONE + y[i])


@jit
def tanh(y, at, n, eigen):
    for i in range(at, at + n):
        y[i] = tanh_e(y[i]) if eigen else f4(math.tanh(y[i]))


@jit
def total_of(y, at, n, eigen):
    """Sum in Eigen's order, or one after the other."""
    single, pairs = n // PACKET * PACKET, n // (2 * PACKET) * (2 * PACKET)
    total = ZERO
    if not eigen or single == 0:
        for i in range(at, at + n):
            total += y[i]
        return total
    a0, a1, a2, a3 = y[at], y[at + 1], y[at + 2], y[at + 3]
    if pairs:
        b0, b1, b2, b3 = y[at + 4], y[at + 5], y[at + 6], y[at + 7]
        for i in range(at + 8, at + pairs, 8):
            a0 += y[i]
            a1 += y[i + 1]
            a2 += y[i + 2]
            a3 += y[i + 3]
            b0 += y[i + 4]
            b1 += y[i + 5]
            b2 += y[i + 6]
            b3 += y[i + 7]
        a0 += b0
        a1 += b1
        a2 += b2
        a3 += b3
        if single > pairs:
            a0 += y[at + pairs]
            a1 += y[at + pairs + 1]
            a2 += y[at + pairs + 2]
            a3 += y[at + pairs + 3]
    total = (a0 + a2) + (a1 + a3)
    for i in range(at + single, at + n):
        total += y[i]
    return total


@jit
def activate(y, at, n, kind, eigen):
    if kind == TANH:
        tanh(y, at, n, eigen)
    elif kind == SIGMOID:
        sigmoid(y, at, n, eigen)
    elif kind == RELU:
        for i in range(at, at + n):
            if eigen:  # -0 and NaN pass
                y[i] = ZERO if y[i] < ZERO else y[i]
            else:
                y[i] = y[i] if y[i] > ZERO else ZERO
    elif kind == ELU:
        for i in range(at, at + n):
            y[i] = y[i] if y[i] > ZERO else f4(math.exp(y[i])) - ONE
    elif kind == SOFTMAX:
        exp_vector(y, at, n, eigen)
        total = total_of(y, at, n, eigen)
        for i in range(at, at + n):
            y[i] = y[i] / total if eigen else y[i] * (ONE / total)


# Layers.


@jit
def lstm(row, w, work, eigen, sums):
    inputs, n, z, h, c, y = row[INPUTS], row[OUTPUTS], row[Z], row[H], row[C], row[Y]
    columns = inputs + n + 1
    product(w, row[W], columns, 0, work, row[X], columns, 4 * n, row[ORDER], inputs, -1, work, z, sums)
    sigmoid(work, z, 3 * n, eigen)
    tanh(work, z + 3 * n, n, eigen)
    for i in range(n):
        work[c + i] = work[z + i] * work[c + i] + work[z + n + i] * work[z + 3 * n + i]
        work[h + i] = work[c + i]
    tanh(work, h, n, eigen)
    for i in range(n):
        work[h + i] = work[z + 2 * n + i] * work[h + i]
        work[y + i] = work[h + i]


@jit
def gru(row, w, work, eigen, sums):
    inputs, n, a, h, y = row[INPUTS], row[OUTPUTS], row[Z], row[H], row[Y]
    b, b0 = a + 3 * n, row[B]
    b1, extra = b0 + 3 * n, 1 if eigen else 0
    product(w, row[W], inputs + extra, 0, work, row[X], inputs + extra, 3 * n, row[ORDER], inputs, -1, work, a, sums)
    product(w, row[W_2], n + extra, 0, work, h, n + extra, 3 * n, row[ORDER_2], n, -1, work, b, sums)
    for i in range(2 * n):
        work[a + i] = work[a + i] + work[b + i] if eigen else ((work[a + i] + work[b + i]) + w[b0 + i]) + w[b1 + i]
    sigmoid(work, a, 2 * n, eigen)
    for i in range(2 * n, 3 * n):
        if eigen:
            work[a + i] = work[a + i] + work[a + i - n] * work[b + i]
        else:
            work[a + i] = (work[a + i] + work[a + i - n] * (work[b + i] + w[b1 + i])) + w[b0 + i]
    tanh(work, a + 2 * n, n, eigen)
    for i in range(n):
        candidate, z = work[a + 2 * n + i], work[a + i]
        work[h + i] = candidate + z * (work[h + i] - candidate) if eigen else (ONE - z) * candidate + z * work[h + i]
        work[y + i] = work[h + i]


@jit
def conv1d(row, w, work, eigen, sums):
    inputs, outputs, taps, groups, span = row[INPUTS], row[OUTPUTS], row[TAPS], row[GROUPS], row[SPAN]
    per_tap, made, y = inputs // groups, outputs // groups, row[Y]
    at = int(work[row[AT]])
    for i in range(inputs):
        work[row[H] + at * inputs + i] = work[row[X] + i]
    place = at
    for t in range(taps):
        for g in range(groups):
            for i in range(per_tap):
                work[row[Z] + (g * taps + t) * per_tap + i] = work[row[H] + place * inputs + g * per_tap + i]
        place -= row[DILATION]
        if place < 0:
            place += span
    work[row[AT]] = f4(at + 1 if at + 1 < span else 0)
    columns = taps * per_tap
    for g in range(groups):
        product(w, row[W] + g * row[W_STEP], columns, 0, work, row[Z] + g * columns, columns, made, row[ORDER], 0,
                row[B] + g * made, work, y + g * made, sums)  # fmt: skip
    if row[ORDER] == REDUX:
        for i in range(outputs):
            work[y + i] += w[row[B] + i]


@jit
def conv2d(row, w, work, eigen, sums):
    outputs, filters, made, span, y = row[OUTPUTS], row[FILTERS_IN], row[FILTERS_OUT], row[SPAN], row[Y]
    at = int(work[row[AT]])
    place = at + span - 1
    for t in range(row[TAPS]):
        begun = row[H] + (place if place < span else place - span) * outputs
        for f in range(row[FEATURES_OUT]):
            first = f * row[STRIDE] - row[PAD]
            skipped = -first if first < 0 else 0
            kernel = min(row[KERNEL], row[FEATURES_IN] - first)
            product(w, row[W] + t * row[W_STEP], row[KERNEL] * filters, skipped * filters, work, row[X] + (first + skipped) * filters,
                    (kernel - skipped) * filters, made, row[ORDER], 0, -1, work, row[Z], sums)  # fmt: skip
            for i in range(made):
                work[begun + f * made + i] += work[row[Z] + i]
        place -= row[DILATION]
    begun = row[H] + at * outputs
    for i in range(outputs):
        work[y + i] = work[begun + i] + w[row[B] + i % made]
        work[begun + i] = ZERO
    work[row[AT]] = f4(at + 1 if at + 1 < span else 0)


@jit
def step(table, w, work, eigen, sums, x, at, x_to, y_from, y, to, n_in, n_out):
    """One time step: x[at:] -> y[to:]."""
    for i in range(n_in):
        work[x_to + i] = x[at + i]
    for index in range(len(table)):
        row = table[index]
        kind, n = row[OP], row[OUTPUTS]
        if kind == DENSE:
            columns = row[INPUTS] + 1
            product(w, row[W], columns, 0, work, row[X], columns, n, row[ORDER], row[INPUTS], -1, work, row[Y], sums)
        elif kind == LSTM:
            lstm(row, w, work, eigen, sums)
        elif kind == GRU:
            gru(row, w, work, eigen, sums)
        elif kind == CONV1D:
            conv1d(row, w, work, eigen, sums)
        elif kind == CONV2D:
            conv2d(row, w, work, eigen, sums)
        elif kind == PRELU:
            for i in range(n):
                value = work[row[X] + i]
                work[row[Y] + i] = value if value >= ZERO else value * w[row[B] + i]
        elif kind == BATCHNORM:
            for i in range(n):
                value = w[row[B] + n + i] * (work[row[X] + i] - w[row[B] + i])
                work[row[Y] + i] = value + w[row[B] + 2 * n + i]
        else:
            for i in range(n):
                work[row[Y] + i] = work[row[X] + i]
        if kind != LSTM and kind != GRU:
            activate(work, row[Y], n, row[ACTIVATION], eigen)
    for i in range(n_out):
        y[to + i] = work[y_from + i]


@jit
def block(table, w, work, eigen, sums, x, x_to, y_from, y, steps, n_in, n_out):
    """``steps`` time steps, flat arrays."""
    for t in range(steps):
        step(table, w, work, eigen, sums, x, t * n_in, x_to, y_from, y, t * n_out, n_in, n_out)
