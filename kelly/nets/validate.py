"""All that is wrong with a model file, or what it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from kelly._rt.net.layers import LayerSpec
from kelly.errors import ModelError, ModelFormatError, ModelShapeError
from kelly.nets.catalog import NET_NAMES, check_spec, net_spec
from kelly.nets.json import Model, inspect_model
from kelly.nets.load import network_from
from kelly.nets.slot import VECTOR_TOLERANCE, vector_error, vector_fault


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What ``validate_model`` found.

    path             the file, as given
    faults           every fault with .pointer .expected .found .hint, in file order; empty: the file is sound
    net              which of the five the file says it is, "" for any other network
    layers           one line per layer, such as "dense 64 -> 128 tanh"
    parameter_count  as PyTorch counts; 0 with faults
    nbytes           memory when loaded; 0 with faults
    taught_by        what the file says it learned from
    vector_error     largest difference to the embedded test vectors; None when there are none or with faults
    """

    path: str
    faults: tuple[ModelError, ...] = ()
    net: str = ""
    layers: tuple[str, ...] = ()
    parameter_count: int = 0
    nbytes: int = 0
    taught_by: str = ""
    vector_error: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the file may be played."""
        return not self.faults

    @property
    def summary(self) -> str:
        """One line about a sound file, or how many faults there are."""
        if self.faults:
            return f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''}"
        parts = [self.net or "a network", ", ".join(self.layers), f"{self.parameter_count:,} parameters"]
        if self.vector_error is None:
            parts.append("no test vectors")
        else:
            parts.append(f"test vectors within {self.vector_error:.1e}")
        if self.taught_by:
            parts.append(f"taught by {self.taught_by}")
        return "; ".join(parts)


def validate_model(path: str | os.PathLike[str], check_specs: bool | Literal["all"] = True) -> ValidationReport:
    """Read, build and prove one model file; never raises for a bad file.

    path         the file
    check_specs  hold a file that says it is one of the five nets against that net's exact layers; "all": every file
                 has to be one of them, with its number of parameters and with test vectors
    raises       BackendUnavailableError where no engine is built
    thread       [main]
    """
    name = os.fspath(path)
    model, found = inspect_model(path)
    faults = list(found)
    if model is None:
        return ValidationReport(str(name), tuple(faults))
    net = str(model.metadata.get("net", ""))
    if check_specs and net in NET_NAMES:
        faults += check_spec(model, net, str(name))
    if check_specs == "all":
        faults += _strict_faults(model, net, str(name))
    network = network_from(model)
    error = vector_error(network, model)
    if error is not None and not error <= VECTOR_TOLERANCE:
        faults.append(vector_fault(error, str(name)))
    return ValidationReport(
        path=str(name),
        faults=tuple(faults),
        net=net if net in NET_NAMES else "",
        layers=tuple(describe_layer(layer) for layer in model.layers),
        parameter_count=_parameters(model),
        nbytes=network.nbytes,
        taught_by=str(model.metadata.get("taught_by", "")),
        vector_error=error,
    )


def _strict_faults(model: Model, net: str, path: str) -> list[ModelError]:
    """What one of the five owes beyond its layers: a name, its parameters, test vectors."""
    if net not in NET_NAMES:
        found = repr(net) if net else "none"
        return [ModelFormatError(path=path, pointer="/kelly/net", expected=f"one of {', '.join(NET_NAMES)}", found=found)]
    faults: list[ModelError] = []
    wanted = net_spec(net).parameters
    if _parameters(model) != wanted:
        faults.append(ModelShapeError(path=path, pointer="/layers", expected=f"{wanted:,} parameters", found=f"{_parameters(model):,}"))
    if model.vectors is None:
        faults.append(ModelFormatError(path=path, pointer="/kelly/vectors", expected="test vectors", found="none"))
    return faults


def describe_layer(layer: LayerSpec) -> str:
    """A layer in a line: type, sizes, activation."""
    return " ".join(part for part in (f"{layer.type} {layer.in_size} -> {layer.out_size}", layer.activation) if part)


def _parameters(model: Model) -> int:
    return sum(layer.parameter_count for layer in model.layers)
