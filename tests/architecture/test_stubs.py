"""Each .pyx with a Python face has a .pyi beside it that names the same things."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "kelly").rglob("*.pyx"))


def stub_names(path: Path, methods_only: bool = False) -> dict[str, set[str]]:
    """Public top-level names of a stub; for a class also its public members, or only those it defines as functions."""
    names: dict[str, set[str]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            members = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            if not methods_only:
                members |= {n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
            names[node.name] = {member for member in members if not member.startswith("_")}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = set()
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = set()
    return {name: members for name, members in names.items() if not name.startswith("_")}


def module_names(module) -> dict[str, set[str]]:
    """The same, of the compiled module: what it defines, not what it imported."""
    names: dict[str, set[str]] = {}
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value) or type(value).__name__ == "PyCapsule":
            continue  # a capsule is for other compiled modules
        if getattr(value, "__module__", module.__name__) != module.__name__:
            continue
        names[name] = {m for m in vars(value) if not m.startswith("_")} if inspect.isclass(value) else set()
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_stub_names_match_the_compiled_module(source):
    """A public name exists in both or in neither."""
    module = importlib.import_module(".".join(source.relative_to(ROOT).with_suffix("").parts))
    compiled, stub = module_names(module), source.with_suffix(".pyi")
    if not compiled:
        return  # nothing that Python code could call: no stub is owed
    assert stub.exists(), f"{source.relative_to(ROOT)} shows {sorted(compiled)} to Python and has no stub"
    written = stub_names(stub)
    callables = {name for name, value in vars(module).items() if name in compiled and callable(value)}
    assert callables <= set(written), f"missing in {stub.name}: {sorted(callables - set(written))}"
    assert set(written) <= set(vars(module)), f"only in {stub.name}: {sorted(set(written) - set(vars(module)))}"
    for name, members in compiled.items():
        assert members <= written.get(name, set()), f"missing in {stub.name}: {name}: {sorted(members - written[name])}"
    for name, methods in stub_names(stub, methods_only=True).items():  # attributes may also be set by __init__
        assert methods <= compiled.get(name, set()), f"only in {stub.name}: {name}: {sorted(methods - compiled[name])}"


def test_there_are_sources_to_check():
    """An empty parametrisation would pass in silence."""
    assert len(SOURCES) >= 8
