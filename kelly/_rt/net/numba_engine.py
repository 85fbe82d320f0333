"""The plan under Numba: the same table, arenas and orders of addition, for where nothing was compiled.

Arithmetic eigen and stl, with the bits of the compiled engine wherever libm is the same.  Slower, and not
for ``kelly live``, whose worker is compiled.  Importing this module needs Numba; the machine code is
made, or fetched from Numba's cache, when the first network is built.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kelly._rt.net import numba_kernels
from kelly._rt.net.layers import COLUMNS
from kelly.errors import BackendUnavailableError

ARITHMETICS = ("eigen", "stl")
PANEL = numba_kernels.FULL

_block: Any = numba_kernels.block


class Network:
    """A loaded network with its own state; the same face as the compiled one.

    plan    a kelly._rt.net.plan.Plan of arithmetic eigen or stl
    raises  BackendUnavailableError for another arithmetic
    thread  [main]: compiles, or fetches, the machine code; afterwards one owner at a time
    """

    isa = "numba"

    def __init__(self, plan: Any = None, isa: str | None = None, *, twin: Network | None = None) -> None:
        self._plan: Any
        self._table: NDArray[np.int64]
        self._weights: NDArray[np.float32]
        self._work: NDArray[np.float32]
        if twin is not None:
            self._plan, self._table, self._weights = twin._plan, twin._table, twin._weights
            self._work = twin._work.copy()
        else:
            if plan.arithmetic not in ARITHMETICS:
                raise BackendUnavailableError(f"the Numba engine computes {', '.join(ARITHMETICS)}, not {plan.arithmetic}")
            self._plan, self._table = plan, np.ascontiguousarray(plan.table)
            self._weights = np.zeros(plan.weights_size + PANEL, np.float32)  # a panel's unused lanes are read
            plan.pack(PANEL, self._weights[: plan.weights_size])
            self._work = np.zeros(plan.work_size, np.float32)
        self.in_size: int = self._plan.in_size
        self.out_size: int = self._plan.out_size
        self.parameter_count: int = self._plan.parameter_count
        self.arithmetic: str = self._plan.arithmetic
        self._sums, self._busy = np.zeros(2 * PANEL, np.float32), False
        if twin is None:
            self._run(np.zeros(self.in_size, np.float32), np.zeros(self.out_size, np.float32), 1)
            self._clear()

    def _run(self, x: Any, y: Any, steps: int) -> None:
        _block(
            self._table, self._weights, self._work, self.arithmetic == "eigen", self._sums, x, self._plan.x, self._plan.y, y, steps,
            self.in_size, self.out_size,
        )  # fmt: skip

    def _clear(self) -> None:
        self._work[:] = 0
        for column in (COLUMNS.index("one"), COLUMNS.index("one_2")):
            places = self._table[:, column]
            self._work[places[places >= 0]] = 1

    def process(self, x: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """One time step or a block of them, into the caller's array; arguments and errors as the compiled Network's.

        thread  [owner]; releases the GIL
        """
        for name, array, size in (("x", x, self.in_size), ("out", out, self.out_size)):
            _check(name, array, size)
        if out.ndim != x.ndim:
            raise ValueError(f"out: expected {x.ndim} axes as x has, found {out.ndim}")
        if not out.flags.writeable:
            raise ValueError("out: expected a writable array, found a read-only one")
        steps = len(x) if x.ndim == 2 else 1
        if x.ndim == 2 and len(out) != steps:
            raise ValueError(f"out: expected ({steps}, {self.out_size}), found {out.shape}")
        same = x.ctypes.data == out.ctypes.data and self.in_size == self.out_size
        if x.ndim == 2 and not same and np.may_share_memory(x, out):
            raise ValueError("out: expected memory apart from x, or x itself; found a partial overlap")
        if self._busy:
            raise RuntimeError("this network is running in another thread; give each thread its own clone()")
        self._busy = True
        try:
            self._run(x.reshape(-1) if x.flags.writeable else x.reshape(-1).copy(), out.reshape(-1), steps)
        finally:
            self._busy = False

    def __call__(self, x: ArrayLike) -> NDArray[np.float32]:
        """``process`` into a new array."""
        given = np.ascontiguousarray(x, dtype=np.float32)
        out = np.empty((*given.shape[:-1], self.out_size), dtype=np.float32)
        self.process(given, out)
        return out

    def reset(self) -> None:
        """State to zero: the next step is the first again.  [owner]"""
        if self._busy:
            raise RuntimeError("this network is running in another thread")
        self._clear()

    def clone(self) -> Network:
        """A network with a copy of this state and the same weights.  [owner]"""
        return Network(twin=self)

    def read_weights(self) -> int:
        """Read every weight once and return a checksum.  [owner]"""
        return int(np.bitwise_xor.reduce(self._weights.view(np.uint32)))

    @property
    def nbytes(self) -> int:
        """Bytes of weights, state and plan; clones share the weights."""
        return int(self._weights.nbytes) + self._work.nbytes + self._table.nbytes

    def __repr__(self) -> str:
        return f"<Network {self.in_size} -> {self.out_size}, {self.parameter_count} parameters, {self.arithmetic}, {self.isa}>"


def _check(name: str, array: Any, size: int) -> None:
    """TypeError or ValueError unless the array is float32, C-contiguous and (size,) or (steps, size)."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name}: expected numpy.ndarray, got {type(array).__name__}")
    if array.dtype != np.float32:
        raise TypeError(f"{name}: expected float32 in native byte order, found {array.dtype.str}")
    if not array.flags.c_contiguous or not array.flags.aligned:
        raise ValueError(f"{name}: expected a C-contiguous, aligned array, found strides {array.strides}")
    if not 1 <= array.ndim <= 2 or array.shape[-1] != size:
        raise ValueError(f"{name}: expected float32 ({size},) or (steps, {size}), found float32 {array.shape}")


def available_isas() -> tuple[str, ...]:
    """One: whatever Numba compiles for."""
    return (Network.isa,)


def default_isa() -> str:
    """The same.  [main]"""
    return Network.isa


def give_memory_back() -> None:
    """Nothing to give: the face of the compiled engine.  [main]"""
