"""From a model file to a network that runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kelly.errors import ConfigError

if TYPE_CHECKING:
    from kelly._rt.net.network import Network
    from kelly.nets.json import Model


def load_network(path: str | os.PathLike[str], arithmetic: str = "eigen", cache: bool = True) -> Network:
    """Read RTNeural JSON and build the network, its state at zero.

    path        the file
    arithmetic  "eigen", "stl" or "xsimd": the same bits as that backend of RTNeural; "fast": float32 in any order;
                "int16", "int8": dense, lstm and gru weights in 16 or 8 bits, quantised here
    cache       keep what was read in the user's cache, and take it from there where it is the same file;
                KELLY_MODEL_CACHE=off means False everywhere
    raises      ModelFormatError, ModelShapeError, UnknownLayerError with path and JSON pointer, also where the
                file's own metadata names a contract that this version does not keep; ConfigError for another
                arithmetic; BackendUnavailableError if no engine is built
    thread      [main]
    """
    check_arithmetic(arithmetic)
    from kelly.nets.cache import cached_model

    found = cached_model(path, cache)
    network = network_from(found.model, arithmetic)
    if found.parsed or network.arithmetic.startswith("int"):  # a text is three times its weights, float32 four times int8
        from kelly import _rt

        del found
        _rt.give_memory_back()
    return network


def network_from(model: Model, arithmetic: str = "eigen") -> Network:
    """The same from a model that was read already."""
    check_arithmetic(arithmetic)
    from kelly import _rt
    from kelly._rt.net.plan import build_plan

    network: Network = _rt.Network(build_plan(model.layers, arithmetic))
    return network


def check_arithmetic(arithmetic: str) -> None:
    """ConfigError unless this version computes it."""
    from kelly._rt.net.layers import ARITHMETICS

    if arithmetic not in ARITHMETICS:
        raise ConfigError(f"arithmetic: expected one of {', '.join(ARITHMETICS)}, found {arithmetic!r}")
