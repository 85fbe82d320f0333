"""Real-time engine: the bottom layer; knows NumPy, libc and itself.

The one place where an engine is chosen: the compiled one, or Numba's where nothing was compiled.
``KELLY_RT_BACKEND`` names one (``cython``, ``numba``); ``KELLY_RT_ISA`` forces an instruction set of the
compiled one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kelly._rt.net.network import Network as Network

BACKENDS = ("cython", "numba")


def _engine() -> Any:
    """The module that runs networks, or BackendUnavailableError with what to do about it."""
    from kelly.errors import BackendUnavailableError

    name = os.environ.get("KELLY_RT_BACKEND", "")
    if name not in ("", *BACKENDS):
        raise BackendUnavailableError(f"KELLY_RT_BACKEND: expected one of {', '.join(BACKENDS)}, found {name!r}")
    if name == "numba":
        return _numba()
    try:
        from kelly._rt.net import network
    except ImportError as error:
        not_built = BackendUnavailableError(f"the engine is not built ({error}); run: python setup.py build_ext --inplace")
        if name == "cython":
            raise not_built from error
        try:
            return _numba()
        except BackendUnavailableError:
            raise not_built from error
    return network


def _numba() -> Any:
    """Numba's engine; BackendUnavailableError where Numba is not installed."""
    from kelly._rt.net import numba_engine

    return numba_engine


def backend() -> str:
    """Which engine runs networks here, such as ``cython/avx512`` or ``numba``.

    raises  BackendUnavailableError if there is none, or if the environment asks for one there isn't
    thread  [main]
    """
    engine = _engine()
    if engine.__name__.endswith("numba_engine"):
        return "numba"
    isa = engine.default_isa()
    if isa not in engine.available_isas():
        from kelly.errors import BackendUnavailableError

        raise BackendUnavailableError(
            f"KELLY_RT_ISA: expected one of {', '.join(engine.available_isas())} (what this processor runs), found {isa!r}"
        )
    return f"cython/{isa}"


def __getattr__(name: str) -> Any:
    if name in ("Network", "give_memory_back"):
        return getattr(_engine(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
