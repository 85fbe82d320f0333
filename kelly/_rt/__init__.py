"""Real-time engine: the bottom layer; knows NumPy, libc and itself.

The one place where an engine is chosen.  ``KELLY_RT_BACKEND`` names it (``cython`` is the only one);
``KELLY_RT_ISA`` forces one of its instruction sets.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kelly._rt.net.network import Network as Network

BACKENDS = ("cython",)


def _engine() -> Any:
    """The module that runs networks, or BackendUnavailableError with what to do about it."""
    from kelly.errors import BackendUnavailableError

    name = os.environ.get("KELLY_RT_BACKEND") or "cython"
    if name not in BACKENDS:
        raise BackendUnavailableError(f"KELLY_RT_BACKEND: expected one of {', '.join(BACKENDS)}, found {name!r}")
    try:
        from kelly._rt.net import network
    except ImportError as error:
        raise BackendUnavailableError(
            f"the engine is not built ({error}); run: python setup.py build_ext --inplace"
        ) from error
    return network


def backend() -> str:
    """Which engine runs networks here, such as ``cython/avx512``.

    raises  BackendUnavailableError if there is none, or if the environment asks for one there isn't
    thread  [main]
    """
    engine = _engine()
    isa = engine.default_isa()
    if isa not in engine.available_isas():
        from kelly.errors import BackendUnavailableError

        raise BackendUnavailableError(
            f"KELLY_RT_ISA: expected one of {', '.join(engine.available_isas())} (what this processor runs), found {isa!r}"
        )
    return f"cython/{isa}"


def __getattr__(name: str) -> Any:
    if name == "Network":
        return _engine().Network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
