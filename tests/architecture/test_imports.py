"""Who may know whom: the import direction, in Python and in Cython, and what must stay unloaded."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "kelly"

# Rooms from the top of the house to its foundations; a room may know itself and what lies below its floor.
FLOORS = (
    {"__main__"},
    {"cli", "ui"},
    {"live"},
    {"audio", "midi", "generate"},
    {"nets", "music"},
    {"_rt"},
    {"config"},
    {"presets"},
    {"whole"},
    {"chatter", "controls", "errors"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def package_of(path: Path) -> list[str]:
    return list(path.relative_to(ROOT).parent.parts)


def absolute(path: Path, level: int, module: str) -> str:
    """The full name of a relative import with ``level`` dots in the file ``path``."""
    if not level:
        return module
    base = package_of(path)
    base = base[: len(base) - (level - 1)]
    return ".".join([*base, *filter(None, module.split("."))])


def python_imports(path: Path) -> set[str]:
    """Every kelly module that a Python file names in an import, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node.level, node.module or "")
            names.add(module)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "kelly"}


def cython_imports(path: Path) -> set[str]:
    """Every kelly module that a Cython file names in ``import``, ``cimport`` or a relative form of them."""
    names: set[str] = set()
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^[ \t]*from\s+(\.*)([\w.]*)\s+c?import\s+(\([^)]*\)|[^\n#]+)", text, re.M):
        module = absolute(path, len(match[1]), match[2])
        names.add(module)
        names |= {f"{module}.{name.split()[0]}" for name in match[3].strip("()").split(",") if name.strip()}
    for match in re.finditer(r"^[ \t]*c?import\s+([\w., \t]+)", text, re.M):
        names |= {name.split()[0] for name in match[1].split(",") if name.strip()}
    return {name for name in names if name.split(".")[0] == "kelly"}


def rooms_named(names: set[str]) -> set[str]:
    """The rooms under ``kelly`` among fully qualified names; ``kelly`` alone is its bare package."""
    return {parts[1] for parts in (name.split(".") for name in names) if len(parts) > 1 and parts[1] in FLOOR}


PYTHON_FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem in FLOOR)
CYTHON_FILES = sorted(
    p for suffix in ("*.pyx", "*.pxd", "*.pxi") for p in PACKAGE.rglob(suffix) if p.name not in ("_contract.pxd", "_layout.pxd")
)


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_imports_only_downwards(path):
    """A module imports from its own room or from a floor below."""
    room = room_of(path)
    wrong = {other for other in rooms_named(python_imports(path)) if other != room and FLOOR[other] <= FLOOR[room]}
    assert not wrong, f"{path.relative_to(ROOT)} is in {room!r} and imports {sorted(wrong)}"


@pytest.mark.parametrize("path", CYTHON_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_cython_stays_in_the_bottom_room(path):
    """Real-time code knows itself, NumPy and libc; its Python face may also raise kelly's errors."""
    wrong = rooms_named(cython_imports(path)) - {"_rt", "errors"}
    assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_reader_of_cython_sees_every_form_of_import(tmp_path):
    """The regular expressions above find what they are meant to forbid."""
    lines = (
        "from ...live.session import Session", "    from kelly.nets cimport load as l", "cimport kelly.audio.devices",
        "import kelly.cli, kelly.midi.smf", "from kelly._rt._layout cimport (\n    tick_t,\n    event_t)",
    )  # fmt: skip
    path = PACKAGE / "_rt" / "stream" / "imaginary.pyx"

    class File:
        def read_text(self, encoding):
            return "\n".join(lines)

        def relative_to(self, root):
            return path.relative_to(root)

    assert rooms_named(cython_imports(File())) == {"live", "nets", "audio", "cli", "midi", "_rt"}


def modules_after(code: str) -> set[str]:
    """Names in sys.modules of a fresh interpreter once ``code`` has run."""
    script = f"{code}\nimport sys; print('\\n'.join(['<modules>', *sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.partition("<modules>\n")[2].split())


def test_importing_kelly_loads_nothing_heavy():
    """``import kelly`` is free: not even NumPy."""
    loaded = modules_after("import kelly")
    assert loaded & {"numpy", "click", "rich", "sounddevice", "rtmidi", "torch", "numba", "librosa"} == set()


def test_help_loads_no_command_and_no_numpy():
    """``kelly --help`` reads the table, not the commands."""
    code = "from kelly.cli.app import run\nassert run(['--help']) == 0"
    loaded = modules_after(code)
    assert loaded & {"numpy", "rich", "sounddevice", "rtmidi", "kelly.cli.live", "kelly.cli.doctor"} == set()


HEAVY = {"torch", "numba", "librosa", "scipy", "sklearn", "matplotlib", "onnxruntime"}


def test_rendering_loads_neither_torch_nor_numba(tmp_path):
    """A whole render, from file to file, stays light."""
    out = tmp_path / "out.mid"
    demo = PACKAGE / "audio" / "demo.ogg"
    code = f"from kelly.cli.app import run\nassert run(['render', {str(demo)!r}, '-o', {str(out)!r}, '-q']) == 0"
    assert modules_after(code) & HEAVY == set()
    assert out.stat().st_size > 100


def test_nothing_in_kelly_names_a_heavy_library():
    """Not even lazily: no import of torch, numba or librosa anywhere in the package; matplotlib in the one file that draws."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            drawn = {"matplotlib"} if path.name == "track_picture.py" else set()  # `analyze --plot` alone draws, from its own extra
            assert not {name.split(".")[0] for name in names} & (HEAVY - drawn), path


def test_every_test_module_has_a_name_of_its_own():
    """pytest imports test modules by their bare names: two alike, and none of them runs."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert {name for name in names if names.count(name) > 1} == set()
