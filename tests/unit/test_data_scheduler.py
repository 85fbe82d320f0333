"""Features on a Dask cluster: the same files as without."""

from __future__ import annotations

import warnings

import distributed
import numpy as np
import pytest

from kelly.cli import app
from kelly.errors import ConfigError
from tests.unit import data_material
from training.data import features
from training.data.examine import FEW
from training.data.scheduler import executor


@pytest.mark.slow  # a cluster in this process takes its time to come and go
def test_a_cluster_makes_what_the_processors_here_make(tmp_path):
    """Through the executor that Dask's client gives, which goes through the loaders unchanged."""
    paths = [data_material.sound(tmp_path / f"{k}.wav", 2.0, 200 + 50 * k) for k in range(4)]
    plain, _ = features.extract(paths, tmp_path / "plain")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's and tornado's own, about ports and loops
        with distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, protocol="tcp") as cluster, executor(cluster.scheduler_address, len(paths)) as workers:
            made, corrupt = features.extract(paths, tmp_path / "made", executor=workers)
    assert not corrupt
    for path in paths:
        np.testing.assert_array_equal(np.load(made[path]), np.load(plain[path]))


def test_without_an_address_it_is_a_cluster_of_this_machine_s_processors(tmp_path, capsys, monkeypatch):
    """What somebody types who has never heard of Dask: the same files, and nothing left running."""
    monkeypatch.setattr("training.data.scheduler.FEW", 2)
    clusters = []
    started = distributed.LocalCluster
    monkeypatch.setattr(distributed, "LocalCluster", lambda **words: clusters.append(started(**words)) or clusters[-1])
    root, files = data_material.groove(tmp_path / "groove"), {}
    for scheduler in ("none", "local"):
        cache = tmp_path / scheduler
        words = [] if scheduler == "local" else ["--scheduler", scheduler]
        assert app.run(["train", "data", "features", "groove", str(root), "--cache", str(cache), *words]) == 0
        files[scheduler] = {path.relative_to(cache): path.read_bytes() for path in cache.rglob("*.npy")}
    assert files["local"] == files["none"]
    assert len(files["local"]) == 8
    assert [cluster.status.name for cluster in clusters] == ["closed"]


@pytest.mark.parametrize(("address", "files"), [("none", 10**6), ("local", FEW)])
def test_no_cluster_without_need(address, files):
    """None, which the loaders take for a pool of processes, or for this one when there are few files."""
    with executor(address, files) as workers:
        assert workers is None


def test_nobody_at_the_address_is_told(tmp_path, capsys, monkeypatch):
    """With what to start there."""
    monkeypatch.setattr("training.data.scheduler.WAIT_S", 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConfigError, match="dask scheduler"), executor("tcp://127.0.0.1:9", 1):
            pass


def test_examples_of_scores_are_made_ahead(tmp_path, capsys):
    """`data features` for a set without recordings keeps what the nets are shown."""
    import json

    root = data_material.groove(tmp_path / "groove")
    assert app.run(["train", "data", "features", "groove", str(root), "--cache", str(tmp_path / "cache"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["examples"] == {"dynamicsengine": 4, "groovepredictor": 4}
    assert report["recordings"] == 0
    assert len(list((tmp_path / "cache/examples").rglob("*.npy"))) == 8
