"""RTNeural's arithmetic once more, one float32 operation after the other, for sizes no golden covers.

Written from the rules and not from the engine: NumPy rounds every product and every sum on its own,
vectors run across outputs, so each output's operations keep their order.  libm is called through
ctypes, as a C++ build on this platform would call it.
"""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np

f32 = np.float32
_LIBM = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
for _name in ("expf", "tanhf"):
    getattr(_LIBM, _name).restype = ctypes.c_float
    getattr(_LIBM, _name).argtypes = [ctypes.c_float]


def libm(name, values):
    """``expf`` or ``tanhf`` of every value."""
    function = getattr(_LIBM, name)
    flat = np.asarray(values, dtype=f32).ravel()
    return np.array([function(float(v)) for v in flat], dtype=f32).reshape(np.shape(values))


def ulps(a, b):
    """Distance in representable floats; NaN to NaN is 0."""
    a, b = (np.asarray(x, dtype=f32) for x in (a, b))
    places = []
    for x in (a, b):
        bits = x.view(np.int32).astype(np.int64)
        places.append(np.where(bits < 0, -(bits & 0x7FFFFFFF), bits))
    distance = np.abs(places[0] - places[1])
    distance[(a.view(np.uint32) != b.view(np.uint32)) & (distance == 0)] = 1  # -0 and +0 are two floats
    distance[np.isnan(a) & np.isnan(b)] = 0
    return distance


# ------------------------------------------------------------------ Eigen's own functions

EXP_EVEN = [1.37449637986719608306884765625e-3, 4.166965186595916748046875e-2, 0.49999988079071044921875]
EXP_ODD = [8.36894474923610687255859375e-3, 0.16666518151760101318359375]
TANH_P = [
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
]  # fmt: skip
TANH_Q = [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03]


def horner(x, coefficients):
    total = np.full_like(x, f32(coefficients[0]))
    for coefficient in coefficients[1:]:
        total = total * x + f32(coefficient)
    return total


def eigen_exp(v):
    v = np.asarray(v, dtype=f32)
    with np.errstate(all="ignore"):
        x = np.minimum(v, f32(88.723))
        m = np.floor(x * f32(1.44269504088896341) + f32(0.5))
        r = m * f32(-0.693359375) + x
        r = m * f32(2.12194440e-4) + r
        r2 = r * r
        y = r * horner(r2, EXP_ODD) + horner(r2, EXP_EVEN)
        y = r2 * y + (r + f32(1))
        e = np.clip(np.nan_to_num(m, nan=0, neginf=-278, posinf=278), -278, 278).astype(np.int32)
        b = e >> 2
        c = np.ldexp(f32(1), b)
        y = y * c * c * c * np.ldexp(f32(1), e - 3 * b)
        y = np.maximum(y, v)
        return np.where(v < f32(-104), f32(0), y).astype(f32)


def eigen_tanh(a):
    a = np.asarray(a, dtype=f32)
    with np.errstate(all="ignore"):
        limit = f32(7.90531110763549805)
        x = np.clip(a, -limit, limit)
        x2 = x * x
        return np.where(np.abs(a) < f32(0.0004), x, x * horner(x2, TANH_P) / horner(x2, TANH_Q)).astype(f32)


# ------------------------------------------------------------------ activations


def packets_then_tail(x, vector, tail):
    """Eigen's packets of four, libm for what is left."""
    full = len(x) // 4 * 4
    return np.concatenate([vector(x[:full]), tail(x[full:])]).astype(f32)


def exp(x, eigen):
    return packets_then_tail(x, eigen_exp, lambda t: libm("expf", t)) if eigen else libm("expf", x)


def redux_sum(y):
    """Eigen's reduction: two packets side by side, their lanes crosswise, then the tail."""
    n = len(y)
    if n < 4:
        total = y[0]
        for v in y[1:]:
            total = total + v
        return total
    whole, pairs = n // 4 * 4, n // 8 * 8
    a = y[:4].copy()
    if pairs:
        b = y[4:8].copy()
        for i in range(8, pairs, 8):
            a, b = a + y[i : i + 4], b + y[i + 4 : i + 8]
        a = a + b
        if whole > pairs:
            a = a + y[pairs : pairs + 4]
    total = (a[0] + a[2]) + (a[1] + a[3])
    for v in y[whole:]:
        total = total + v
    return total


def tanh(x, eigen):
    return eigen_tanh(x) if eigen else libm("tanhf", x)


def sigmoid(x, eigen):
    with np.errstate(all="ignore"):
        return f32(1) / (f32(1) + exp(-x, eigen))


def relu(x, eigen):
    return np.where(x < 0, f32(0), x) if eigen else np.where(x > 0, x, f32(0))


def elu(x, eigen):
    with np.errstate(all="ignore"):
        return np.where(x > 0, x, libm("expf", x) - f32(1)).astype(f32)


def softmax(x, eigen):
    with np.errstate(all="ignore"):
        e = exp(x, eigen)
        if eigen:
            return e / redux_sum(e)
        total = f32(0)
        for v in e:
            total = total + v
        return e * (f32(1) / total)


ACTIVATION = {"": lambda x, eigen: x, "tanh": tanh, "sigmoid": sigmoid, "relu": relu, "elu": elu, "softmax": softmax}


# ------------------------------------------------------------------ products


def dot(x, w):
    """(I,), (I, O) -> (O,): from zero, in order, product then sum."""
    total = np.zeros(w.shape[1], dtype=f32)
    for value, row in zip(x, w, strict=True):
        total = total + value * row
    return total


def gemv(x, w):
    """Eigen's matrix-vector product: blocks of inputs, each summed from zero and then added."""
    columns, rows = w.shape
    if rows == 1 or columns < 128:
        return dot(x, w)
    block = 16 if rows * 4 < 32000 else 4
    total = np.zeros(rows, dtype=f32)
    for start in range(0, columns, block):
        total = total + dot(x[start : start + block], w[start : start + block])
    return total


# ------------------------------------------------------------------ layers


class Float32Network:
    """The layers in order, one step per call of ``step``."""

    def __init__(self, layers, arithmetic):
        self.layers, self.eigen = layers, arithmetic == "eigen"
        self.h = [np.zeros(layer.out_size, dtype=f32) for layer in layers]
        self.c = [np.zeros(layer.out_size, dtype=f32) for layer in layers]

    def __call__(self, rows):
        with np.errstate(all="ignore"):
            return np.array([self.step(row) for row in rows], dtype=f32)

    def step(self, x):
        for index, layer in enumerate(self.layers):
            if layer.type in ("lstm", "gru"):
                x = getattr(self, layer.type)(index, x, *layer.weights)
            else:
                if layer.weights:
                    x = self.dense(x, *layer.weights)
                x = ACTIVATION[layer.activation](x, self.eigen)
        return x

    def dense(self, x, w, b=None):
        b = np.zeros(w.shape[1], dtype=f32) if b is None else b
        if self.eigen:
            return gemv(np.append(x, f32(1)), np.vstack([w, b]))
        return dot(x, w) + b

    def lstm(self, index, x, w, u, b):
        h, n = self.h[index], len(self.h[index])
        if self.eigen:
            i, f, c, o = (slice(k * n, (k + 1) * n) for k in range(4))
            rows = np.r_[f, i, o, c]
            z = gemv(np.concatenate([x, h, [f32(1)]]).astype(f32), np.vstack([w, u, b])[:, rows])
            f, i, o = np.split(sigmoid(z[: 3 * n], True), 3)
            g = tanh(z[3 * n :], True)
        else:
            z = (dot(x, w) + dot(h, u)) + b
            i, f, g, o = np.split(z, 4)
            i, f, o, g = (*(sigmoid(v, False) for v in (i, f, o)), tanh(g, False))
        self.c[index] = f * self.c[index] + i * g
        self.h[index] = o * tanh(self.c[index], self.eigen)
        return self.h[index]

    def gru(self, index, x, w, u, b):
        h, n = self.h[index], len(self.h[index])
        if self.eigen:
            one = [f32(1)]
            a = gemv(np.concatenate([x, one]).astype(f32), np.vstack([w, b[:1]]))
            r_h = gemv(np.concatenate([h, one]).astype(f32), np.vstack([u, b[1:]]))
            z, r = np.split(sigmoid(a[: 2 * n] + r_h[: 2 * n], True), 2)
            candidate = tanh(a[2 * n :] + r * r_h[2 * n :], True)
            self.h[index] = candidate + z * (h - candidate)
        else:
            a, r_h = dot(x, w), dot(h, u)
            zr = ((a[: 2 * n] + r_h[: 2 * n]) + b[0, : 2 * n]) + b[1, : 2 * n]
            z, r = np.split(sigmoid(zr, False), 2)
            candidate = tanh((a[2 * n :] + r * (r_h[2 * n :] + b[1, 2 * n :])) + b[0, 2 * n :], False)
            self.h[index] = (f32(1) - z) * candidate + z * h
        return self.h[index]
