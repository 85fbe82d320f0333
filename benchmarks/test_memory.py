"""What five networks add to a process: their weights and little else.

    python -m pytest -s benchmarks/test_memory.py

Resident memory as the system counts it, in processes of their own.  The imports are counted apart: three megabytes of
them are OpenSSL's, which hashes the files for the cache and which most programs have loaded anyway.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ratio import record

ROOT = Path(__file__).resolve().parents[1]
MUST_MB = {"eigen": 8.0, "int8": 4.0}
IMPORTS_MUST_MB = 12.0
PROGRAM = """
import sys
import numpy as np

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

before = resident()
import kelly
from kelly._rt.contract import NETS
from kelly._rt.net.network import default_isa
import importlib, kelly.nets.load, kelly.nets.cache
importlib.import_module(f"kelly._rt.net.engine_{default_isa()}")
imported = resident()
nets = [kelly.load_network(f"{sys.argv[1]}/{net.name}/model.json", arithmetic=sys.argv[2]) for net in NETS]
for net in nets:
    net(np.zeros(net.in_size, np.float32))
print(imported - before, resident() - imported, sum(net.nbytes for net in nets) / 2**20)
"""


@pytest.mark.parametrize("arithmetic", MUST_MB)
def test_five_networks(arithmetic, tmp_path, monkeypatch):
    """From JSON the first time, from the cache the second: the worse counts."""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell a process its resident memory this way")
    monkeypatch.setenv("KELLY_CACHE", str(tmp_path))
    command, found = [sys.executable, "-c", PROGRAM, "models", arithmetic], []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found.append([float(word) for word in done.stdout.split()])
    imports, networks, held = (max(values) for values in zip(*found, strict=True))
    print(f"\n{arithmetic}: five networks add {networks:.1f} MB, {held:.1f} of them weights and state; imports {imports:.1f} MB")
    record(f"memory/{arithmetic}", {"networks": networks, "imports": imports, "held": held}, unit="MiB")
    assert networks <= MUST_MB[arithmetic]
    assert imports <= IMPORTS_MUST_MB
