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


# ------------------------------------------------------------------ xsimd's own functions


def bits(*words):
    return np.array(words, dtype=np.uint32).view(f32)


XSIMD_LOG2E = f32(1.4426950408889634)
XSIMD_LN2 = bits(0x3F318000, 0xB95E8083)
XSIMD_EXP = bits(0x3AB778CF, 0x3C098D8B, 0x3D2AA957, 0x3E2AA9A5, 0x3F000000)
XSIMD_TANH = bits(0xBBBAF0EA, 0x3CA9134E, 0xBD5C1E2D, 0x3E088393, 0xBEAAAA99)
XSIMD_LIMIT = f32(88.3762626647949)


def xsimd_exp(a):
    a = np.asarray(a, dtype=f32)
    with np.errstate(all="ignore"):
        inside = np.clip(np.nan_to_num(a), -XSIMD_LIMIT, XSIMD_LIMIT)
        k = np.rint(XSIMD_LOG2E * inside)
        x = inside - k * XSIMD_LN2[0]
        x = x - k * XSIMD_LN2[1]
        r = (horner(x, XSIMD_EXP) * (x * x) + x) + f32(1)
        power = ((k.astype(np.int32) + 127) << 23).view(f32)
        y = np.where(a >= XSIMD_LIMIT, f32(np.inf), np.where(a <= -XSIMD_LIMIT, f32(0), r * power))
        return np.where(np.isnan(a), a, y).astype(f32)


def xsimd_tanh(s):
    s = np.asarray(s, dtype=f32)
    with np.errstate(all="ignore"):
        x = np.abs(s)
        q = x * x
        small = (horner(q, XSIMD_TANH) * q) * x + x
        large = f32(1) - f32(2) / (f32(1) + xsimd_exp(x + x))
        return np.copysign(np.where(x < f32(0.625), small, large), s).astype(f32)


# ------------------------------------------------------------------ activations


def packets_then_tail(x, vector, tail):
    """The library's own function in packets of four, libm for what is left."""
    full = len(x) // 4 * 4
    return np.concatenate([vector(x[:full]), tail(x[full:])]).astype(f32)


OWN_EXP = {"eigen": eigen_exp, "xsimd": xsimd_exp}


def exp(x, arithmetic):
    if arithmetic == "stl":
        return libm("expf", x)
    return packets_then_tail(x, OWN_EXP[arithmetic], lambda t: libm("expf", t))


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


def lanes_sum(y):
    """xsimd's reduction: four lanes, added one after the other from zero, then the tail."""
    total, whole = np.zeros(y.shape[1:], f32), len(y) // 4 * 4
    if whole:
        lanes = y[:4]
        for i in range(4, whole, 4):
            lanes = lanes + y[i : i + 4]
        for lane in lanes:
            total = total + lane
    for v in y[whole:]:
        total = total + v
    return total


def tanh(x, arithmetic):
    if arithmetic == "eigen":
        return eigen_tanh(x)
    if arithmetic == "stl":
        return libm("tanhf", x)
    return packets_then_tail(x, xsimd_tanh, lambda t: libm("tanhf", t))


def sigmoid(x, arithmetic):
    with np.errstate(all="ignore"):
        return f32(1) / (f32(1) + exp(-x, arithmetic))


def relu(x, arithmetic):
    full = {"eigen": 0, "stl": len(x), "xsimd": len(x) // 4 * 4}[arithmetic]
    return np.concatenate([np.where(x[:full] > 0, x[:full], f32(0)), np.where(x[full:] < 0, f32(0), x[full:])])


def elu(x, arithmetic):
    with np.errstate(all="ignore"):
        e = exp(x, arithmetic) if arithmetic == "xsimd" else libm("expf", x)
        return np.where(x > 0, x, e - f32(1)).astype(f32)


def softmax(x, arithmetic):
    with np.errstate(all="ignore"):
        e = exp(x, arithmetic)
        if arithmetic == "eigen":
            return e / redux_sum(e)
        total, whole = f32(0), 0
        if arithmetic == "xsimd":
            whole = len(e) // 4 * 4
            lanes = np.zeros(4, f32)
            for i in range(0, whole, 4):
                lanes = lanes + e[i : i + 4]
            total = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
        for v in e[whole:]:
            total = total + v
        return e * (f32(1) / total)


ACTIVATION = {"": lambda x, _: x, "tanh": tanh, "sigmoid": sigmoid, "relu": relu, "elu": elu, "softmax": softmax}


# ------------------------------------------------------------------ products


def dot(x, w, start=None):
    """(I,), (I, O) -> (O,): from zero, in order, product then sum."""
    total = np.zeros(w.shape[1], dtype=f32) if start is None else start
    for value, row in zip(x, w, strict=True):
        total = total + value * row
    return total


def dot_lanes(x, w):
    """The same as xsimd adds."""
    return lanes_sum(x[:, None] * w)


def dot_redux(x, w):
    """The same as Eigen's reduction adds, output by output."""
    products = x[:, None] * w
    return np.array([redux_sum(np.ascontiguousarray(column)) for column in products.T], dtype=f32)


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
        self.layers, self.arithmetic, self.eigen = layers, arithmetic, arithmetic == "eigen"
        self.dot = dot_lanes if arithmetic == "xsimd" else dot
        self.h = [np.zeros(layer.out_size, dtype=f32) for layer in layers]
        self.c = [np.zeros(layer.out_size, dtype=f32) for layer in layers]
        self.past = [[] for _ in layers]

    def __call__(self, rows):
        with np.errstate(all="ignore"):
            return np.array([self.step(row) for row in rows], dtype=f32)

    def step(self, x):
        for index, layer in enumerate(self.layers):
            if layer.type in ("lstm", "gru"):
                x = getattr(self, layer.type)(index, x, *layer.weights)
                continue
            if layer.type in ("conv1d", "conv2d"):
                x = getattr(self, layer.type)(index, x, layer, *layer.weights)
            elif layer.type == "prelu":
                x = np.where(x >= 0, x, x * layer.weights[0][0])
            elif layer.type.startswith("batchnorm"):
                x = batchnorm(x, layer.options["epsilon"], *layer.weights)
            elif layer.weights:
                x = self.dense(x, *layer.weights)
            x = ACTIVATION[layer.activation](x, self.arithmetic)
        return x

    def dense(self, x, w, b=None):
        b = np.zeros(w.shape[1], dtype=f32) if b is None else b
        if self.eigen:
            return gemv(np.append(x, f32(1)), np.vstack([w, b]))
        return self.dot(x, w) + b

    def lstm(self, index, x, w, u, b):
        h, n, kind = self.h[index], len(self.h[index]), self.arithmetic
        if self.eigen:
            i, f, c, o = (slice(k * n, (k + 1) * n) for k in range(4))
            rows = np.r_[f, i, o, c]
            z = gemv(np.concatenate([x, h, [f32(1)]]).astype(f32), np.vstack([w, u, b])[:, rows])
            f, i, o = np.split(sigmoid(z[: 3 * n], kind), 3)
            g = tanh(z[3 * n :], kind)
        else:
            z = (self.dot(x, w) + self.dot(h, u)) + b
            i, f, g, o = np.split(z, 4)
            i, f, o, g = (*(sigmoid(v, kind) for v in (i, f, o)), tanh(g, kind))
        self.c[index] = f * self.c[index] + i * g
        self.h[index] = o * tanh(self.c[index], kind)
        return self.h[index]

    def gru(self, index, x, w, u, b):
        h, n, kind = self.h[index], len(self.h[index]), self.arithmetic
        if self.eigen:
            one = [f32(1)]
            a = gemv(np.concatenate([x, one]).astype(f32), np.vstack([w, b[:1]]))
            r_h = gemv(np.concatenate([h, one]).astype(f32), np.vstack([u, b[1:]]))
            z, r = np.split(sigmoid(a[: 2 * n] + r_h[: 2 * n], kind), 2)
            candidate = tanh(a[2 * n :] + r * r_h[2 * n :], kind)
            self.h[index] = candidate + z * (h - candidate)
        else:
            a, r_h = self.dot(x, w), self.dot(h, u)
            zr = ((a[: 2 * n] + r_h[: 2 * n]) + b[0, : 2 * n]) + b[1, : 2 * n]
            z, r = (sigmoid(v, kind) for v in np.split(zr, 2))
            candidate = tanh((r * (r_h[2 * n :] + b[1, 2 * n :]) + a[2 * n :]) + b[0, 2 * n :], kind)
            self.h[index] = (f32(1) - z) * candidate + z * h
        return self.h[index]

    def look_back(self, index, x, steps):
        """The input so many steps ago, zero before the first."""
        past = self.past[index]
        return past[-1 - steps] if steps < len(past) else np.zeros_like(x)

    def conv1d(self, index, x, layer, kernel, b):
        self.past[index].append(x)
        taps, groups = len(kernel), layer.options["groups"]
        rows = [self.look_back(index, x, t * layer.options["dilation"]) for t in range(taps)]  # newest first
        n_in, n_out, y = len(x) // groups, len(b) // groups, []
        for g in range(groups):
            out = slice(g * n_out, (g + 1) * n_out)
            windows = [row[g * n_in : (g + 1) * n_in] for row in rows]
            matrices = [np.ascontiguousarray(kernel[taps - 1 - t][:, out]) for t in range(taps)]
            if self.eigen:
                y.append(dot_redux(np.concatenate(windows), np.vstack(matrices)) + b[out])
                continue
            total = b[out]
            for window, matrix in zip(windows, matrices, strict=True):
                total = total + dot_lanes(window, matrix) if self.arithmetic == "xsimd" else dot(window, matrix, total)
            y.append(total)
        return np.concatenate(y)

    def conv2d(self, index, x, layer, kernel, b):
        self.past[index].append(x)
        options, taps = layer.options, len(kernel)
        features, size, stride = options["num_features_in"], options["kernel_size_feature"], options["strides"]
        pad = 0
        count = features - size + 1
        if options["padding"] == "same":
            pad = max(size - stride if features % stride == 0 else size - features % stride, 0) // 2
            count = features
        y = []
        for f in range(int(np.ceil(count / stride))):
            first = f * stride - pad
            columns = [k for k in range(size) if 0 <= first + k < features]
            total = np.zeros(len(b), f32)
            for t in range(taps):  # the oldest step gave its share first
                row = self.look_back(index, x, (taps - 1 - t) * options["dilation"]).reshape(features, -1)
                windows = [row[first + k] for k in columns]
                if self.arithmetic == "xsimd":
                    share = np.zeros(len(b), f32)
                    for window, k in zip(windows, columns, strict=True):
                        share = share + dot_lanes(window, kernel[t, k])
                else:
                    add = dot_redux if self.eigen else dot
                    share = add(np.concatenate(windows), np.vstack([kernel[t, k] for k in columns]))
                total = total + share
            y.append(total + b)
        return np.concatenate(y)


def batchnorm(x, epsilon, *arrays):
    mean, variance = arrays[-2:]
    gamma, beta = arrays[:2] if len(arrays) == 4 else (np.ones_like(mean), np.zeros_like(mean))
    multiplier = gamma / np.sqrt(variance + f32(epsilon))
    return (multiplier * (x.reshape(-1, len(mean)) - mean) + beta).ravel()
