"""Which bar a golden is held to: the outputs were made with glibc 2.36's expf and tanhf.

Eigen's tanh and the packets of its exp do not depend on libm; its exp's tails, elu and everything of
the STL backend do.  Where this machine's libm gives the same bits as 2.36 nothing may differ;
elsewhere 2 ULP are allowed, because newer versions round tanhf correctly.
"""

from __future__ import annotations

import hashlib

from tests.float32 import libm
from tests.golden.build import Draw

GLIBC_2_36 = {
    "expf": "0e5bd581a9ff14a6",
    "tanhf": "09021d73ca186d23",
}


def fingerprint(name):
    """Hash of the function's bits at 4096 fixed arguments within +-8."""
    return hashlib.sha256(libm(name, Draw(236).scaled(8, 4096)).astype("<f4").tobytes()).hexdigest()[:16]


def same_bits():
    """True where this machine's libm answers as the goldens' did."""
    return all(fingerprint(name) == value for name, value in GLIBC_2_36.items())


def uses_libm(arithmetic, layers):
    """Whether a case's outputs depend on libm at all; ``layers`` as the manifest lists them."""
    if arithmetic in ("eigen", "fast"):
        return any(kind in ("lstm", "gru") or activation in ("sigmoid", "softmax", "elu") for kind, activation, _ in layers)
    return any(kind in ("lstm", "gru") or activation in ("tanh", "sigmoid", "softmax", "elu") for kind, activation, _ in layers)


def allowed_ulps(arithmetic, layers):
    """0, or 2 where another libm may round differently."""
    return 2 if uses_libm(arithmetic, layers) and not same_bits() else 0


def bar():
    """One sentence for the test's output."""
    if same_bits():
        return "libm answers as glibc 2.36: 0 floats may differ"
    return "libm answers otherwise than glibc 2.36: 2 ULP where expf or tanhf is called, else 0 floats may differ"

