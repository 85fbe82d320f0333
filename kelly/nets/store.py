"""Where the five model files are looked for.

The first place that is named wins and is taken at its word: a folder given on the command line or in
the environment that lacks a net leaves that net to its fallback, so nobody hears a model they
didn't choose.  Without one, ``models/`` in the working directory is searched, then the package's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "KELLY_MODELS_PATH"
PACKAGE_MODELS = Path(__file__).resolve().parent.parent / "models"


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Folders to search, in order, and who named them.

    origin   "given", the environment variable's name, or "default"
    """

    folders: tuple[Path, ...]
    origin: str

    def find(self, net: str) -> Path | None:
        """The first ``NET/model.json`` (or ``NET.json``); None when no folder holds one."""
        for folder in self.folders:
            for path in candidates(folder, net):
                if path.exists() or path.is_symlink():
                    return path
        return None

    def why_missing(self, net: str) -> str:
        """One line for a net that ``find`` didn't find."""
        if len(self.folders) == 1 and not self.folders[0].is_dir():
            return f"{self.folders[0]}: no such folder"
        return f"no {net}/model.json in {', '.join(str(folder) for folder in self.folders)}"


def candidates(folder: Path, net: str) -> tuple[Path, ...]:
    """The two places inside a models folder where a net may lie."""
    return folder / net / "model.json", folder / f"{net}.json"


def split_folders(text: str) -> tuple[Path, ...]:
    """One folder, or several joined as in PATH; a folder whose own name holds the joint is one."""
    whole = Path(text).expanduser()
    if os.pathsep not in text or whole.is_dir():
        return (whole,)
    return tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)


def search_path(
    models: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> SearchPath:
    """The folders to search.

    models    as given by the caller or ``--models``, one folder or several joined as in PATH; None: not given
    environ   for KELLY_MODELS_PATH, one folder or several joined as in PATH; None: the process's own
    cwd       working directory; None: the process's own
    """
    if models is not None:
        return SearchPath(split_folders(os.fspath(models)), "given")
    value = (os.environ if environ is None else environ).get(ENVIRONMENT, "")
    if value:
        return SearchPath(split_folders(value), ENVIRONMENT)
    here = Path.cwd() if cwd is None else Path(cwd)
    return SearchPath((here / "models", PACKAGE_MODELS), "default")
