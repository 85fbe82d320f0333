"""Several processes, as torchrun starts them, train one net."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit import data_material

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_train_one_net_with_gloo(tmp_path):
    """Each takes its share, both step together, one writes; the run says that there were two."""
    groove = data_material.groove(tmp_path / "groove")
    words = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "kelly", "train", "groovepredictor"]
    words += ["--datasets", f"groove={groove}", "--output", str(tmp_path / "run"), "--epochs", "3", "--threads", "1", "--cache", str(tmp_path / "cache")]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("groovepredictor:") == 1  # the second process once said that it was stopped, and where to go on
    assert "3 epochs" in done.stdout
    assert "stopped" not in done.stdout
    assert done.stderr.count("groovepredictor: reading") == 1
    run = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert run["processes"] == 2
    epochs = json.loads((tmp_path / "run" / "groovepredictor" / "metrics.json").read_text())["epochs"]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert (tmp_path / "run" / "groovepredictor" / "model.json").is_file()
