"""PyTorch networks as lists of modules that run in order: from checkpoints, from a user's file, from a model file.

PyTorch is looked for when one of these functions is called, never before.  Checkpoints are read with
``weights_only=True``: a file that holds anything but tensors and plain containers is refused unread.

thread  [main]
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.net.layers import LayerSpec
from kelly.errors import BackendUnavailableError, ModelFormatError, ModelShapeError, UnknownLayerError

Array = NDArray[np.float32]

ACTIVATION_MODULES = {"tanh": "Tanh", "relu": "ReLU", "sigmoid": "Sigmoid", "softmax": "Softmax", "elu": "ELU"}
STATE_KEYS = ("state_dict", "model_state_dict", "model")
"""Under which keys a checkpoint may hold its state_dict."""

SUFFIXES = (".pt", ".pth", ".ckpt")


def torch() -> Any:
    """The library; BackendUnavailableError where it is not installed."""
    try:
        return import_module("torch")
    except ImportError as error:
        raise BackendUnavailableError("PyTorch is not installed; run: pip install 'kelly-live[train]'") from error


def load_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state_dict of a checkpoint: {name: tensor}.

    raises  ModelFormatError for a file that is no checkpoint, or one that holds more than tensors
    """
    library, name = torch(), os.fspath(path)
    try:
        found = library.load(name, map_location="cpu", weights_only=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelFormatError(path=name, expected="a readable PyTorch checkpoint", found=reason) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        text = str(error)
        scripted = "torchscript" in text.lower()
        found_what = "a TorchScript archive" if scripted else "a file that holds other objects, or none"
        raise ModelFormatError(
            path=name, expected="a checkpoint of tensors", found=found_what,
            hint="save it with torch.save(net.state_dict(), path); pickled modules are not opened, for they can run code",
        ) from None  # fmt: skip
    for key in STATE_KEYS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    tensors = dict(found) if isinstance(found, Mapping) else {}
    others = [key for key, value in tensors.items() if not hasattr(value, "detach")]
    if not tensors or others:
        what = f"the keys {', '.join(map(str, others[:5]))}" if others else type(found).__name__
        raise ModelFormatError(path=name, expected="a state_dict, {name: tensor}", found=what, hint=f"or one under {', '.join(STATE_KEYS)}")
    return {str(key): value for key, value in tensors.items()}


def load_module(where: str) -> Any:
    """A module of the user's own code, which is run.

    where    "FILE.py:NAME"; NAME is a module, or a class or function that makes one without arguments.  Weights that it
             draws at random are the same every time, so what ``export`` wrote ``parity`` finds again
    returns  the module in eval mode
    raises   ModelFormatError
    """
    library = torch()
    file, _, name = where.rpartition(":")
    path = Path(file)
    if not name or path.suffix != ".py" or not path.is_file():
        raise ModelFormatError(path=where, expected="FILE.py:NAME with a file that exists", found=repr(where))
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    code = module_from_spec(spec)
    with library.random.fork_rng(devices=[]):
        library.manual_seed(0)
        spec.loader.exec_module(code)
        if not hasattr(code, name):
            raise ModelFormatError(path=str(path), expected=f"a module called {name}", found="none")
        module = getattr(code, name)
        if not isinstance(module, library.nn.Module):
            module = module()
    if not isinstance(module, library.nn.Module):
        raise ModelFormatError(path=where, expected="a torch.nn.Module", found=type(module).__name__)
    return module.eval()


def state_of(module: Any, state: Mapping[str, Any], path: str = "") -> Any:
    """The module with the tensors of a checkpoint; ModelShapeError where they don't fit it."""
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelShapeError(
            "the checkpoint doesn't fit the module", path=path, expected=type(module).__name__, found=lines[-1]
        ) from None
    return module.eval()


def leaves(module: Any) -> list[Any]:
    """The modules that do the work, in the order of their definition; Sequential, ModuleList and a user's own class are opened.

    Dropout and Identity do nothing at inference and are left out.
    """
    if isinstance(module, list | tuple):
        return [leaf for part in module for leaf in leaves(part)]
    children = list(module.children())
    if not children:
        return [] if type(module).__name__ in ("Dropout", "Identity") else [module]
    if not type(module).__module__.startswith("torch.") or type(module).__name__ in ("Sequential", "ModuleList"):
        return [leaf for child in children for leaf in leaves(child)]
    return [module]


# From tensors to modules.


def modules_of_state(
    state: Mapping[str, Any], activations: Sequence[str] | None = None, like: Sequence[LayerSpec] | None = None, path: str = ""
) -> list[Any]:
    """Modules for a state_dict, whose names and shapes tell the layers but not the functions between them.

    activations  one per layer with weights, in order; "" for none
    like         the layers of a network of the same shape, which tells the activations, dilations and groups
    raises       UnknownLayerError for tensors that belong to a layer the format can't say, ModelFormatError
    """
    groups: dict[str, dict[str, Any]] = {}
    for key, tensor in state.items():
        prefix, _, name = key.rpartition(".")
        groups.setdefault(prefix, {})[name] = tensor
    rows = [row for row in like if row.type != "activation"] if like is not None else None
    if like is not None:
        activations = _activations_of(like)
    if activations is None:
        if any(not _is_recurrent(tensors) for tensors in groups.values()):
            raise ModelFormatError(
                path=path, expected="the activations", found="a state_dict, which does not hold them",
                hint="give --activations, --net, --like or --module",
            )  # fmt: skip
        activations = [""] * len(groups)
    made: list[Any] = []
    row = 0
    for prefix, tensors in groups.items():
        module = _module_of(prefix, tensors, rows[row] if rows is not None and row < len(rows) else None, path)
        made.append(module)
        n_rows = int(getattr(module, "num_layers", 1))
        last = row + n_rows - 1
        if last >= len(activations):
            raise ModelFormatError(
                path=path, expected=f"{len(activations)} layers with weights", found=f"one more, {prefix or 'the first'}",
                hint="one activation per layer, an lstm or gru counting once per level",
            )  # fmt: skip
        name = activations[last]
        if name not in ("", *ACTIVATION_MODULES):
            raise UnknownLayerError(path=path, expected=f"one of {', '.join(ACTIVATION_MODULES)}", found=repr(name))
        if name:
            made.append(activation_module(name))
        row = last + 1
    if row != len(activations):
        raise ModelFormatError(path=path, expected=f"{len(activations)} layers with weights", found=str(row))
    return [module.eval() for module in made]


def _activations_of(layers: Sequence[LayerSpec]) -> list[str]:
    """One per layer with weights; an activation layer belongs to the one before."""
    found: list[str] = []
    for layer in layers:
        if layer.type == "activation" and found:
            found[-1] = layer.activation
        else:
            found.append(layer.activation)
    return found


def _is_recurrent(tensors: Mapping[str, Any]) -> bool:
    return any(name.startswith("weight_ih") for name in tensors)


def _module_of(prefix: str, tensors: Mapping[str, Any], row: LayerSpec | None, path: str) -> Any:
    """One module from the tensors that share a prefix."""
    nn = torch().nn
    names, weight = set(tensors), tensors.get("weight")
    if _is_recurrent(tensors):
        module = _recurrent(nn, prefix, tensors, path)
    elif "running_mean" in names:
        module = nn.BatchNorm1d(len(tensors["running_mean"]), affine=weight is not None, eps=float(layer_option(row, "epsilon", 1e-5)))
    elif weight is None or names - {"weight", "bias"}:
        raise _refused(prefix, tensors, path)
    elif weight.ndim == 2:
        module = nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in names)
    elif weight.ndim == 3:
        groups = int(layer_option(row, "groups", 1))
        module = nn.Conv1d(
            weight.shape[1] * groups, weight.shape[0], weight.shape[2], bias="bias" in names, groups=groups,
            dilation=int(layer_option(row, "dilation", 1)),
        )  # fmt: skip
    elif weight.ndim == 1 and names == {"weight"}:
        module = nn.PReLU(len(weight))
    else:
        raise _refused(prefix, tensors, path)
    try:
        module.load_state_dict(dict(tensors), strict="running_mean" not in names)
    except RuntimeError:
        raise _refused(prefix, tensors, path) from None
    return module


def _recurrent(nn: Any, prefix: str, tensors: Mapping[str, Any], path: str) -> Any:
    if "weight_hh_l0" not in tensors or any("reverse" in name or name.startswith("weight_hr") for name in tensors):
        raise UnknownLayerError(path=path, pointer=prefix, expected="a plain LSTM or GRU", found="bidirectional, projected or a cell")
    recurrent = tensors["weight_hh_l0"]
    ratio = recurrent.shape[0] // max(1, recurrent.shape[1])
    if ratio not in (3, 4):
        raise UnknownLayerError(path=path, pointer=prefix, expected="an LSTM or GRU", found="a recurrent layer without gates (RNN)")
    kind = nn.LSTM if ratio == 4 else nn.GRU
    levels = sum(name.startswith("weight_ih_l") for name in tensors)
    return kind(tensors["weight_ih_l0"].shape[1], recurrent.shape[1], levels, bias="bias_ih_l0" in tensors, batch_first=True)


def _refused(prefix: str, tensors: Mapping[str, Any], path: str) -> UnknownLayerError:
    shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    guess = "MultiheadAttention" if "in_proj_weight" in tensors else ""
    weight = tensors.get("weight")
    if weight is not None and weight.ndim == 1 and "bias" in tensors:
        guess = "LayerNorm or GroupNorm"
    elif weight is not None and weight.ndim == 4:
        guess = "Conv2d"
    what = f"{guess}: {shapes}" if guess else shapes
    return UnknownLayerError(
        path=path, pointer=prefix, expected="Linear, LSTM, GRU, Conv1d, BatchNorm1d or PReLU", found=what,
    )  # fmt: skip


def activation_module(name: str) -> Any:
    """The module of an activation's name."""
    nn = torch().nn
    return nn.Softmax(dim=-1) if name == "softmax" else getattr(nn, ACTIVATION_MODULES[name])()


def layer_option(layer: Any, name: str, default: Any) -> Any:
    """An option of a layer such as its dilation; the default where it has none."""
    return default if layer is None else layer.options.get(name, default)


def modules_of_layers(layers: Sequence[LayerSpec]) -> list[tuple[Any, int]]:
    """(module, index of its layer) for a network that was read: the way back of the exporter.

    raises  UnknownLayerError for a layer that has no module of the same meaning
    """
    nn, tensor = torch().nn, torch().from_numpy
    made: list[tuple[Any, int]] = []
    for index, layer in enumerate(layers):
        kind, weights, n_in, n_out = layer.type, layer.weights, layer.in_size, layer.out_size
        state: dict[str, Any] = {}
        module: Any = None
        if kind in ("dense", "time-distributed-dense"):
            module = nn.Linear(n_in, n_out, bias=len(weights) > 1)
            state = {"weight": weights[0].T} | ({"bias": weights[1]} if len(weights) > 1 else {})
        elif kind in ("lstm", "gru"):
            module = (nn.LSTM if kind == "lstm" else nn.GRU)(n_in, n_out, batch_first=True)
            gates = (lambda a: a) if kind == "lstm" else _swapped
            biases = (weights[2], np.zeros_like(weights[2])) if kind == "lstm" else (gates(weights[2][0]), gates(weights[2][1]))
            state = {"weight_ih_l0": gates(weights[0].T), "weight_hh_l0": gates(weights[1].T)}
            state |= {"bias_ih_l0": biases[0], "bias_hh_l0": biases[1]}
        elif kind == "conv1d":
            groups = int(layer_option(layer, "groups", 1))
            module = nn.Conv1d(n_in, n_out, weights[0].shape[0], groups=groups, dilation=int(layer_option(layer, "dilation", 1)))
            state = {"weight": weights[0].transpose(2, 1, 0), "bias": weights[1]}
        elif kind == "batchnorm":
            affine = len(weights) == 4
            module = nn.BatchNorm1d(n_out, affine=affine, eps=float(layer_option(layer, "epsilon", 1e-5)))
            state = dict(zip(("weight", "bias", "running_mean", "running_var")[0 if affine else 2 :], weights, strict=True))
        elif kind == "prelu":
            module = nn.PReLU(int(weights[0].size))
            state = {"weight": weights[0].reshape(-1)}
        elif kind != "activation":
            raise UnknownLayerError(pointer=f"/layers/{index}", expected="a layer that PyTorch has", found=kind)
        if module is not None:
            module.load_state_dict({name: tensor(np.array(array)) for name, array in state.items()}, strict=kind != "batchnorm")
            made.append((module.eval(), index))
        if layer.activation:
            made.append((activation_module(layer.activation), index))
    return made


def _swapped(block: Array) -> Array:
    """z, r, h -> r, z, n."""
    z, r, n = np.split(block, 3)
    return np.concatenate([r, z, n])


class TorchNet:
    """Modules in a row, with their state, run on float32 arrays.

    modules   leaves, each a Linear, LSTM, GRU, Conv1d, BatchNorm1d, PReLU or activation
    rows      for each leaf the index of the file's layer that it ends
    forward   a module whose own ``forward`` is asked in the place of the leaves; it carries no state
    """

    def __init__(self, modules: Sequence[Any], rows: Sequence[int] | None = None, forward: Any = None) -> None:
        self.torch = torch()
        self.modules, self.rows, self.forward = list(modules), list(rows) if rows is not None else None, forward
        self.reset()

    def reset(self) -> None:
        """State to zero."""
        self._states: list[Any] = [None] * len(self.modules)

    def __call__(self, x: Array) -> Array:
        """float32 (T, I) -> (T, O); the state goes on from the call before."""
        with self.torch.inference_mode():
            if self.forward is not None:
                return self._whole(x)
            y = self.torch.from_numpy(np.ascontiguousarray(x))
            for index in range(len(self.modules)):
                y = self._leaf(index, y)
        result: Array = np.asarray(y.numpy(), np.float32)
        return result

    def trace(self, x: Array) -> dict[int, Array]:
        """What each layer answers to (T, I) from reset, by the layer's index; {} when the leaves have none."""
        if self.rows is None:
            return {}
        self.reset()
        found: dict[int, Array] = {}
        with self.torch.inference_mode():
            y = self.torch.from_numpy(np.ascontiguousarray(x))
            for index, row in enumerate(self.rows):
                y = self._leaf(index, y)
                found[row] = np.asarray(y.numpy(), np.float32)
        self.reset()
        return found

    def _leaf(self, index: int, x: Any) -> Any:
        module, kind = self.modules[index], type(self.modules[index]).__name__
        if kind in ("LSTM", "GRU"):
            y, self._states[index] = module(x, self._states[index])
            return y
        if kind == "Conv1d":
            n_past = module.dilation[0] * (module.kernel_size[0] - 1)
            past = self._states[index]
            if past is None:
                past = self.torch.zeros(n_past, x.shape[1])
            window = self.torch.cat([past, x])  # (past + T, I)
            self._states[index] = window[len(window) - n_past :]
            return module(window.T[None])[0].T
        if kind == "PReLU":
            return module(x)
        return module(x)

    def _whole(self, x: Array) -> Array:
        """The user's forward on (T, I), or on (1, T, I) where it wants a batch."""
        rows = self.torch.from_numpy(np.ascontiguousarray(x))
        problems = []
        for given in (rows[None], rows):
            try:
                y = self.forward(given)
            except (RuntimeError, ValueError, IndexError, TypeError) as error:
                problems.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
                continue
            y = y[0] if isinstance(y, tuple) else y
            y = y[0] if y.ndim == 3 and given.ndim == 3 else y
            if y.ndim == 2 and len(y) == len(x):
                return np.asarray(y.numpy(), np.float32)
            problems.append(f"{tuple(y.shape)} for {tuple(given.shape)}")
        raise ModelShapeError(
            f"{type(self.forward).__name__}.forward", expected="(1, T, in) -> (1, T, out), or the same without the 1",
            found="; ".join(problems),
        )  # fmt: skip
