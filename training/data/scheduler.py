"""Workers of a Dask cluster as an executor, for collections that are too large for one machine.

    executor("local")             a cluster of this machine's processors, for as long as it is needed
    executor("tcp://HOST:8786")   a cluster that is running; its workers see the same disks and have kelly and training
    executor("none")              no Dask: a pool of processes

source  https://distributed.dask.org, whose client gives an executor of concurrent.futures' kind
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import training
from kelly.errors import BackendUnavailableError, ConfigError
from training.data.examine import FEW

LOCAL, NONE = "local", "none"
WAIT_S = 10


@contextmanager
def executor(address: str, files: int) -> Iterator[Executor | None]:
    """An executor on the cluster at an address; None where ``spread`` needs none.

    files   how many there are to read: for a handful no local cluster is started
    raises  BackendUnavailableError without Dask, ConfigError when nobody answers at the address
    """
    if address == NONE or (address == LOCAL and files <= FEW):
        yield None
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BackendUnavailableError("Dask is missing: pip install 'dask[distributed]', or --scheduler none for a pool of processes") from error
    root = str(Path(training.__file__).resolve().parents[1])
    if address == LOCAL:
        with LocalCluster(processes=True, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            client.run(reachable, root)
            yield client.get_executor(pure=False)
        return
    try:
        client = Client(address, timeout=WAIT_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(f"--scheduler {address}: nobody answers there: {error}; start one with dask scheduler, and workers with dask worker {address}") from error
    with client:
        client.run(reachable, root)
        yield client.get_executor(pure=False)


def reachable(root: str) -> None:
    """On a worker: find ``training``, which is not installed, beside the kelly of the checkout."""
    import sys

    if root not in sys.path:
        sys.path.insert(0, root)
