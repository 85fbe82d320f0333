"""Python functions that run in the real-time thread: compiled by Numba, called without the GIL.

    @kelly.hook
    def darker(features, embedding, controls):
        embedding[0] -= 0.2

    session.add_hook(darker)

Numba is loaded when a function is decorated.  What can't keep the thread's promises is refused then and
there: what doesn't compile without Python, what may raise, what allocates.

thread  [main]
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from kelly._rt.contract import EMBEDDING, FEATURES
from kelly._rt.layout import N_SLOTS
from kelly.errors import BackendUnavailableError, HookError

Function = Callable[[Any, Any, Any], None]

_FORBIDDEN = (
    (("NRT_Allocate", "NRT_MemInfo_"), "it allocates memory; use controls[32:48] to remember"),
    (("numba_gil_ensure", "Py"), "it may raise an exception or print, which needs Python"),
)  # fmt: skip


class Hook:
    """A compiled function; call it with three float32 arrays to try it without a session.

    name      of the function
    address   of its C code: (const float features[128], float embedding[64], float controls[96])
    function  as it was written
    """

    def __init__(self, function: Function, compiled: Any) -> None:
        self.function, self.name = function, getattr(function, "__name__", "hook")
        self._compiled = compiled  # owns the code behind the address
        self.address: int = compiled.address
        self.__doc__ = function.__doc__

    def __call__(self, features: Any, embedding: Any, controls: Any) -> None:
        """Run the compiled code once.

        features   float32 (128,), read only; embedding float32 (64,); controls float32 (96,), see kelly._rt.layout.SLOTS
        raises     TypeError, ValueError for arrays of another kind or size
        """
        for name, array, size in (
            ("features", features, FEATURES.size), ("embedding", embedding, EMBEDDING.size), ("controls", controls, N_SLOTS),
        ):  # fmt: skip
            if not isinstance(array, np.ndarray) or array.dtype != np.float32:
                raise TypeError(f"{name}: expected a float32 array, found {getattr(array, 'dtype', type(array).__name__)}")
            if array.shape != (size,) or not array.flags.c_contiguous:
                raise ValueError(f"{name}: expected shape ({size},), C-contiguous, found {array.shape}")
        pointer = ctypes.c_void_p
        call = ctypes.CFUNCTYPE(None, pointer, pointer, pointer)(self.address)
        call(features.ctypes.data, embedding.ctypes.data, controls.ctypes.data)

    def __repr__(self) -> str:
        return f"<Hook {self.name} at {self.address:#x}>"


def hook(function: Function) -> Hook:
    """Compile a function for the real-time thread.

    function  takes features (float32 (128,), read only, contract FEATURES), embedding (float32 (64,), writable, contract
              EMBEDDING, held within -1..1 afterwards) and controls (float32 (96,), writable, kelly._rt.layout.SLOTS; 32 to
              47 are its own memory, zero at first); called each network hop, every 40 ms
    returns   a Hook for Session.add_hook
    raises    HookError with Numba's reason in one line; BackendUnavailableError where Numba is not installed
    thread    [main]; the compiled code runs in the worker
    """
    try:
        numba: Any = import_module("numba")
    except ImportError as error:
        raise BackendUnavailableError("Numba is not installed; run: pip install 'kelly-live[numba]'") from error
    name = getattr(function, "__name__", repr(function))
    types, carray = numba.types, numba.carray
    vector = types.Array(types.float32, 1, "C")
    fixed = types.Array(types.float32, 1, "C", readonly=True)
    n_features, n_embedding, n_controls = FEATURES.size, EMBEDDING.size, N_SLOTS
    options = {"nopython": True, "error_model": "numpy", "boundscheck": False}
    try:
        inner = numba.jit(types.void(fixed, vector, vector), nogil=True, forceinline=True, **options)(function)

        def entry(features: Any, embedding: Any, controls: Any) -> None:
            inner(carray(features, (n_features,)), carray(embedding, (n_embedding,)), carray(controls, (n_controls,)))

        pointer = types.CPointer(types.float32)
        compiled = numba.cfunc(types.void(pointer, pointer, pointer), **options)(entry)
    except Exception as error:  # Numba raises a dozen types, and Python's own for some faults
        raise HookError(f"{name}: {reason(error)}") from None
    fault = forbidden(compiled.inspect_llvm())
    if fault:
        raise HookError(f"{name}: {fault}")
    return Hook(function, compiled)


def load_hook(where: str) -> Hook:
    """A hook of the user's own file, which is run.

    where   "FILE.py:NAME"; NAME is decorated with @kelly.hook, or a plain function, which is compiled
    raises  HookError, BackendUnavailableError
    thread  [main]
    """
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    file, _, name = where.rpartition(":")
    path = Path(file)
    if not name or path.suffix != ".py" or not path.is_file():
        raise HookError(f"--hook: expected FILE.py:NAME with a file that exists, found {where!r}")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    code = module_from_spec(spec)
    try:
        spec.loader.exec_module(code)
    except HookError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise HookError(f"{path}: {type(error).__name__}: {error}") from error
    found = getattr(code, name, None)
    if isinstance(found, Hook):
        return found
    if not callable(found):
        there = ", ".join(sorted(key for key, value in vars(code).items() if isinstance(value, Hook)))
        raise HookError(f"{path}: expected a function called {name}, found {'none' if found is None else type(found).__name__}; hooks there: {there or 'none'}")
    return hook(found)


def forbidden(code: str) -> str:
    """Why optimised LLVM code may not run in the real-time thread, "" where it may.

    The wrapper that turns Numba's error status into a Python exception is left out of account: where the
    function itself never returns another status than 0, that branch is never taken.
    """
    bodies = [body for body in re.split(r"^define ", code, flags=re.M)[1:] if "@cfunc." not in body.partition("\n")[0]]
    native = "\n".join(body for body in bodies if "@NRT_" not in body.partition("\n")[0])
    called = set(re.findall(r"(?:call|invoke) [^\n]*?@\"?([\w.]+)\"?\(", native))
    for marks, why in _FORBIDDEN:
        if any(name.startswith(marks) for name in called):
            return why
    if any(status != "0" for status in re.findall(r"^ +ret i32 (\S+)", native, re.M)):
        return _FORBIDDEN[-1][1]
    return ""


def reason(error: Exception) -> str:
    """What Numba says, in one line, with the line of the source that it means."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [
        line for line in lines
        if not line.startswith(("Failed in", "During:", "File ", "def ", "^", "<source", "- Resolution", "- argument", "There are"))
        and set(line) - set("-=^* ")
    ]  # fmt: skip
    if "setitem" in text and "readonly" in text:
        useful = ["features are read only"]
    place = re.search(r'File "[^"]*", line (\d+)', text)
    what = useful[0] if useful else lines[0] if lines else type(error).__name__
    return f"{what} (line {place[1]})" if place else what
