"""``make golden``: compare every golden with kelly, or make them anew with RTNeural itself.

Without a reference program it prints, per case and arithmetic, how many floats differ and by how
much.  With ``KELLY_RTNEURAL_REFERENCE=eigen=PATH,stl=PATH,...`` it runs those programs, prints how the new
outputs differ from the old ones, and writes them and their hashes.  A program is called as
``PATH MODEL.json [RESET_EVERY] < input.f32 > output.f32``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from kelly._rt.net.layers import EXACT
from tests.float32 import ulps
from tests.golden.build import build, to_json
from tests.golden.libm import bar
from tests.nets import CASES, GOLDEN, MANIFEST, RUNNABLE, golden_specs, network, run_steps

EXIT_DIFFERENT = 5


def programs(setting):
    """``"eigen=PATH,stl=PATH"`` -> {backend: path}; a path alone is Eigen's, RTNeural's default."""
    items = [item.strip() for item in setting.split(",") if item.strip()]
    return dict(item.split("=", 1) if item.partition("=")[0] in EXACT else ("eigen", item) for item in items)


def difference(name, backend, got, want):
    """Print one line; True if any float differs."""
    distance = ulps(got, want)
    differing = int(np.count_nonzero(distance))
    error = float(np.nanmax(np.abs(got.astype(np.float64) - want), initial=0))
    print(f"{name:24} {backend:14} {differing:6} of {want.size:6} differ, up to {distance.max():4} ULP, {error:.2e}")
    return differing > 0


def old_output(case, backend):
    path = GOLDEN / case["name"] / case["outputs"][backend]["file"]
    return np.fromfile(path, "<f4").reshape(-1, case["out_size"])


def compare_with_kelly():
    """Every case and arithmetic that this version runs; True if any float differs."""
    different = False
    for name in RUNNABLE:
        case = CASES[name]
        x = np.fromfile(GOLDEN / name / "input.f32", "<f4").reshape(-1, case["in_size"])
        for arithmetic in EXACT:
            got = run_steps(network(golden_specs(name), arithmetic), x, case["reset_every"])
            different |= difference(name, arithmetic, got, old_output(case, arithmetic))
    return different


def run_reference(program, case):
    """One case through a reference program."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.json"
        model.write_text(to_json(build(case["name"], case["weight_seed"])))
        command = [program, str(model), *([str(case["reset_every"])] if case["reset_every"] else [])]
        done = subprocess.run(
            command, input=(GOLDEN / case["name"] / "input.f32").read_bytes(), capture_output=True, check=True
        )
    return np.frombuffer(done.stdout, "<f4").reshape(-1, case["out_size"])


def refresh(reference, folder=GOLDEN):
    """Write new outputs and hashes for the given backends into ``folder``."""
    for case in MANIFEST["cases"]:
        for backend, program in reference.items():
            output = case["outputs"][backend]
            got = run_reference(program, case)
            difference(case["name"], backend, got, old_output(case, backend))
            path = folder / case["name"] / output["file"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(got.astype("<f4").tobytes())
            output["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST, indent=1) + "\n")


def main():
    reference = programs(os.environ.get("KELLY_RTNEURAL_REFERENCE", ""))
    print(bar())
    if reference:
        refresh(reference)
        return 0
    return EXIT_DIFFERENT if compare_with_kelly() else 0


if __name__ == "__main__":
    sys.exit(main())
