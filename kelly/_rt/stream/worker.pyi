from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kelly._rt.net.network import Network
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.features import FeatureExtractor
from kelly._rt.stream.ring import Ring
from kelly._rt.stream.tracker import Tracker

WORKER_NETS: tuple[str, ...]

def receipt_dtype() -> np.dtype[Any]: ...

class Hooks:
    def add(self, hook: Any, hop: int) -> None: ...
    def remove(self, hook: Any, hop: int) -> None: ...

class Worker:
    capture: Capture
    ticks: Ring
    commands: Ring
    receipts: Ring
    strikes: Ring | None
    path: npt.NDArray[np.float32] | None
    tape: Ring | None
    script: npt.NDArray[np.void] | None
    def __init__(
        self,
        capture: Capture,
        extractor: FeatureExtractor,
        tracker: Tracker,
        networks: Mapping[str, Network | None],
        ticks: Ring,
        commands: Ring,
        receipts: Ring,
        enabled: Iterable[str] | None = None,
        strikes: Ring | None = None,
        reflex_note: int | None = None,
        reflex_channel: int = 16,
        path: npt.ArrayLike | None = None,
        path_bars: float = 0.0,
        tape: Ring | None = None,
        controls: npt.ArrayLike | None = None,
        script: npt.NDArray[np.void] | None = None,
        personal: npt.ArrayLike | None = None,
        paced: bool = False,
    ) -> None: ...
    def offer(self, name: str, network: Network | None) -> None: ...
    def collect(self) -> int: ...
    def add_hook(self, hook: Any) -> None: ...
    def remove_hook(self, hook: Any) -> None: ...
    def run(self) -> None: ...
    @property
    def done(self) -> bool: ...
    @property
    def torn(self) -> bool: ...
    def counters(self) -> dict[str, int]: ...
    def faults(self) -> dict[str, int]: ...
    def busy(self) -> dict[str, float]: ...
    def busy_buckets(self) -> list[int]: ...
