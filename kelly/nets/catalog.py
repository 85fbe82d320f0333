"""The five nets, and whether a model file is one of them.

The rows themselves are ``kelly._rt.contract.NETS``; here a file that was read is held against its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kelly._rt.contract import CONTRACT_VERSION, NET_NAMES, NETS, NetSpec, net_spec
from kelly.errors import ModelError, ModelFormatError, ModelShapeError

__all__ = ["CONTRACT_VERSION", "NETS", "NET_NAMES", "NetSpec", "check_place", "check_spec", "net_spec"]

_SAME_TYPE = {"time-distributed-dense": "dense"}


class Layer(Protocol):
    """What is asked of a layer: the reader's LayerSpec has it."""

    @property
    def type(self) -> str: ...
    @property
    def out_size(self) -> int: ...
    @property
    def activation(self) -> str: ...


class Model(Protocol):
    """What is asked of a model that was read."""

    @property
    def in_size(self) -> int: ...
    @property
    def layers(self) -> Sequence[Any]: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...


def check_place(model: Model, net: str, path: str = "") -> list[ModelError]:
    """A fault when the file says it is another net than the one it stands for; foreign files say nothing."""
    named = model.metadata.get("net")
    if named is None or named == net:
        return []
    return [
        ModelFormatError(
            path=path, pointer="/kelly/net", expected=net, found=f"{named!r}", hint="the file lies in another net's place"
        )
    ]


def check_spec(model: Model, net: str, path: str = "") -> list[ModelError]:
    """Every way in which a model differs from the net's row: input size, layers, activations.

    An activation may be written in its dense layer or as a layer of its own.
    """
    spec, faults = net_spec(net), list[ModelError]()
    if model.in_size != spec.input.size:
        faults.append(
            ModelShapeError(
                path=path, pointer="/in_shape", expected=f"{spec.input.size} inputs ({spec.input.name})",
                found=f"{model.in_size}",
            )
        )
    found = _merged(model.layers)
    if len(found) != len(spec.layers):
        faults.append(
            ModelShapeError(
                path=path, pointer="/layers", expected=_describe(spec.layers),
                found=_describe([row for _, row in found]), hint=f"{spec.title} has exactly these layers",
            )
        )
        return faults
    for (index, (kind, size, activation)), (want_kind, want_size, want_activation) in zip(found, spec.layers, strict=True):
        pointer = f"/layers/{index}"
        if kind != want_kind:
            faults.append(ModelShapeError(path=path, pointer=f"{pointer}/type", expected=want_kind, found=kind))
        if size != want_size:
            faults.append(
                ModelShapeError(path=path, pointer=f"{pointer}/shape", expected=f"{want_size} outputs", found=f"{size}")
            )
        if kind == want_kind and activation != want_activation:
            faults.append(
                ModelShapeError(
                    path=path, pointer=f"{pointer}/activation", expected=want_activation or "none",
                    found=activation or "none", hint=f"{spec.output.name} is a {spec.output.activation} vector",
                )
            )
    return faults


def _merged(layers: Sequence[Layer]) -> list[tuple[int, tuple[str, int, str]]]:
    """(index, (type, outputs, activation)) per layer, activation layers folded into a dense before them."""
    rows: list[tuple[int, tuple[str, int, str]]] = []
    for index, layer in enumerate(layers):
        kind = _SAME_TYPE.get(layer.type, layer.type)
        if kind == "activation" and rows and rows[-1][1][0] == "dense" and not rows[-1][1][2]:
            before, (dense, size, _) = rows[-1]
            rows[-1] = before, (dense, size, layer.activation)
        else:
            activation = layer.activation if kind in ("dense", "activation") else ""
            rows.append((index, (kind, layer.out_size, activation)))
    return rows


def _describe(rows: Sequence[tuple[str, int, str]]) -> str:
    return " -> ".join(" ".join(part for part in (kind, str(size), activation) if part) for kind, size, activation in rows)
