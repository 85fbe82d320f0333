"""What is shipped works where nothing of this checkout is near."""

from __future__ import annotations

import os
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from kelly._rt.contract import NET_NAMES
from tests.architecture.checkout import ROOT, run

pytestmark = pytest.mark.slow  # compiles every extension anew: minutes on two cores


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "setup.py", "-q", "sdist", "-d", out, cwd=checkout)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the source distribution, as an index's users would."""
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(out, filter="data")
    source = next(path for path in out.iterdir() if path.is_dir())
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, ".", cwd=source)
    return next(out.glob("*.whl"))


def test_the_source_distribution_can_be_built_from(sdist):
    """Cython sources and headers are in it; generated and compiled files are not."""
    with tarfile.open(sdist) as archive:
        names = ["/".join(name.split("/")[1:]) for name in archive.getnames()]
    for suffix in (".pyx", ".pxd", ".pxi", ".pyi", ".h"):
        tracked = {str(p.relative_to(ROOT)) for p in (ROOT / "kelly").rglob(f"*{suffix}")}
        tracked -= {"kelly/_rt/_contract.pxd", "kelly/_rt/_layout.pxd"}
        assert tracked <= set(names), sorted(tracked - set(names))
    assert [name for name in names if name.endswith((".so", ".pyd"))] == []
    assert {"Makefile", "LICENSE", "README.md", "kelly/audio/demo.ogg"} <= set(names)


def test_the_wheel_holds_models_and_demo_and_no_tests(wheel):
    """A musician's install is complete; a developer's files stay behind."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"kelly/models/{net}/{name}" for net in NET_NAMES for name in ("model.json", "CARD.md")} <= names
    assert {"kelly/audio/demo.ogg", "kelly/py.typed", "kelly/_rt/net/network.pyi"} <= names
    folders = {name.split("/")[0] for name in names}
    assert {folder for folder in folders if not folder.startswith("kelly")} == set()
    assert [name for name in names if name.endswith((".c", ".pyx"))] == []


def test_the_wheel_works_in_another_environment_from_another_folder(wheel, tmp_path):
    """`kelly doctor` and `kelly render`, with the five nets as models."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv, cwd=tmp_path)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    here = sysconfig.get_paths()["purelib"]  # the dependencies, which are none of this test's business
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=tmp_path).stdout.strip())
    run(python, "-m", "pip", "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    (packages / "zz_dependencies.pth").write_text(here + "\n", encoding="utf-8")
    kelly = python.parent / "kelly"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("KELLY_", "PYTHON"))}
    where = run(python, "-c", "import kelly; print(kelly.__file__)", cwd=tmp_path, env=env).stdout
    assert Path(where.strip()).is_relative_to(packages)
    report = run(kelly, "doctor", cwd=tmp_path, env=env).stdout
    for net in NET_NAMES:
        assert any(line.split()[:2] == [net, "model"] for line in report.splitlines()), report
    run(kelly, "render", packages / "kelly" / "audio" / "demo.ogg", "-o", "demo.mid", cwd=tmp_path, env=env)
    assert (tmp_path / "demo.mid").read_bytes().startswith(b"MThd")
