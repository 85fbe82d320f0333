"""Networks of elsewhere into files: PyTorch to RTNeural JSON with test vectors, a model file to ONNX.

Whatever is written is loaded again and held against what it came from before the file gets its name:
a file that plays wrong is worse than none.

thread  [main]
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kelly._rt.contract import CONTRACT_VERSION, NET_NAMES, net_spec
from kelly._rt.net.layers import LayerSpec
from kelly.errors import ConfigError, ModelError, ModelFormatError
from kelly.nets.catalog import check_spec
from kelly.nets.contestants import TOLERANCE, KellyContestant, checkpoint
from kelly.nets.export import document_bytes, to_rtneural, write_document
from kelly.nets.json import Model, parse_model, read_model
from kelly.nets.parity import Difference, difference, noise

VECTOR_STEPS = 32


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how near it is to its source.

    difference  kelly's answers to the written file against the source's own
    """

    path: Path
    nbytes: int
    layers: tuple[str, ...]
    difference: Difference


@dataclass(frozen=True, slots=True)
class Shape:
    """Stands for a catalog row where a read model would tell the layers."""

    in_size: int
    layers: tuple[LayerSpec, ...]


def net_shape(name: str) -> Shape:
    """The layers of one of the five nets, without weights."""
    if name not in NET_NAMES:
        raise ConfigError(f"no net is called {name!r}; the five are {', '.join(NET_NAMES)}")
    spec, layers = net_spec(name), list[LayerSpec]()
    inputs = spec.input.size
    for kind, outputs, activation in spec.layers:
        layers.append(LayerSpec(kind, inputs, outputs, activation, ()))
        inputs = outputs
    return Shape(spec.input.size, tuple(layers))


def export_pytorch(
    source: str, path: str | os.PathLike[str], *, module: str = "", activations: Sequence[str] | None = None, net: str = "",
    like: str = "", in_size: int | None = None, taught_by: str = "", created_by: str = "kelly export", seed: int = 0,
    steps: int = VECTOR_STEPS,
) -> Exported:
    """A PyTorch checkpoint or module into RTNeural JSON with test vectors and metadata.

    source       a .pt with a state_dict, or FILE.py:NAME
    module       FILE.py:NAME of the class whose state_dict ``source`` holds; the user's code is run
    activations  one per layer, "" for none, where the source doesn't tell
    net          one of the five: its activations, metadata and a check of its exact layers
    like         a model file of the same layers, which tells activations, dilations and groups
    in_size      only for a network whose first layer does not tell it
    steps        length of the test vectors; noise with ``seed``
    raises       UnknownLayerError for what the format can't say, ModelError where the written file computes something else
    """  # fmt: skip
    from kelly.nets.pytorch import SUFFIXES

    if Path(source).suffix.lower() not in SUFFIXES and ".py:" not in source:
        raise ModelFormatError(path=source, expected=f"{', '.join(SUFFIXES)} or FILE.py:NAME", found=repr(Path(source).suffix))
    base: Any = read_model(like) if like else net_shape(net) if net else None
    contestant = checkpoint(source, base, module, activations)
    document = to_rtneural(contestant.net.modules, in_size or (base.in_size if base is not None else None))
    size = int(document["in_shape"][-1])
    x = noise(size, steps, seed)
    y = contestant.run(x)
    metadata: dict[str, Any] = {"created_by": created_by, "seed": seed}
    if taught_by:
        metadata["taught_by"] = taught_by
    if net:
        metadata = {"net": net, "contract": CONTRACT_VERSION, **metadata}
    document = to_rtneural(contestant.net.modules, size, metadata=metadata, vectors=(x, y))
    model = prove(document, source)
    for fault in check_spec(model, net, source) if net else ():
        raise fault
    found = difference(y, KellyContestant(model, "eigen").run(x))
    if not found.max_abs <= TOLERANCE * max(1.0, float(np.abs(y).max())):
        raise ModelFormatError(
            "the exported layers, run in the order of their definition, don't compute what the network computes",
            path=source, expected=f"a difference up to {TOLERANCE:g}", found=f"{found.max_abs:.3g}",
            hint="its forward does something between or around its layers that this format can't say",
        )  # fmt: skip
    target = write_document(document, path)
    return Exported(target, target.stat().st_size, _lines(model), found)


def prove(document: Mapping[str, Any], source: str) -> Model:
    """The document read back as a file would be.

    raises  ModelError: the first fault
    """
    model, faults = parse_model(document_bytes(document), source)
    if model is None:
        raise faults[0] if faults else ModelError(path=source)
    return model


def export_onnx(source: str, path: str | os.PathLike[str], seed: int = 0, steps: int = VECTOR_STEPS) -> Exported:
    """A model file into ONNX, proved with ONNX Runtime.

    raises  UnknownLayerError for a layer that is not written, BackendUnavailableError without ONNX Runtime, ModelError
    """
    from kelly.nets.onnx import OnnxNet, to_onnx, write_onnx

    model = read_model(source)
    x = noise(model.in_size, steps, seed)
    wanted = KellyContestant(model, "eigen").run(x)
    found = difference(wanted, OnnxNet(to_onnx(model.layers))(x))
    if not found.max_abs <= TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise ModelFormatError("ONNX Runtime computes something else", path=source, expected=f"{TOLERANCE:g}", found=f"{found.max_abs:.3g}")
    target = write_onnx(model.layers, path, Path(source).stem)
    return Exported(target, target.stat().st_size, _lines(model), found)


def _lines(model: Model) -> tuple[str, ...]:
    from kelly.nets.validate import describe_layer

    return tuple(describe_layer(layer) for layer in model.layers)
