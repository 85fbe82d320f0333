"""Workers of a Dask cluster as an executor, for collections that are too large for one machine.

    executor("tcp://HOST:8786")   a cluster that is running; its workers see the same disks and have kelly and training
    executor("local")             a cluster of this machine's processors, for as long as it is needed

source  https://distributed.dask.org, whose client gives an executor of concurrent.futures' kind
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import training
from kelly.errors import BackendUnavailableError, ConfigError

WAIT_S = 10


@contextmanager
def executor(address: str) -> Iterator[Executor | None]:
    """An executor on the cluster at an address; None for "", which is this machine's processors without Dask.

    raises  BackendUnavailableError without Dask, ConfigError when nobody answers at the address
    """
    if not address:
        yield None
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BackendUnavailableError("--scheduler needs Dask: pip install 'dask[distributed]'") from error
    root = str(Path(training.__file__).resolve().parents[1])
    if address == "local":
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
