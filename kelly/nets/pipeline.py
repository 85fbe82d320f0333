"""The five nets on a thread of their own, for whoever must not wait for them.

    with kelly.AsyncPipeline(processor) as pipeline:
        pipeline.submit_features(features)
        if pipeline.has_result():
            result = pipeline.get_result()

Rows go in and answers come out through lock-free rings; the thread between them never takes the GIL.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from kelly._rt.contract import NET_NAMES, NETS
from kelly._rt.layout import SOURCES
from kelly.errors import BackendUnavailableError
from kelly.joining import join
from kelly.nets.processor import NEUTRAL_DYNAMICS, NEUTRAL_HARMONY, NEUTRAL_MELODY, InferenceResult, MultiModelProcessor

try:
    from kelly._rt.stream.pipeline import PipelineLoop, answer_dtype, question_dtype
except ImportError as _error:
    raise BackendUnavailableError(f"AsyncPipeline's thread is not built ({_error}); run: python setup.py build_ext --inplace") from _error

CAPACITY = 64
CLOSE_S = 1.0
_FEATURES = NETS[0].input.size


class AsyncPipeline:
    """``MultiModelProcessor.run_full_pipeline``, one row at a time, without waiting.

    processor  its nets are cloned, so that it stays free for other use; what it has heard so far is not
               taken over.  Its switches apply to the rows submitted after they were set
    capacity   rows, and answers, that may wait; rounded up to a power of two
    raises     ValueError for a capacity below 1; BackendUnavailableError for networks of Numba's engine, which need Python
    thread     every method [any Python thread]; the nets run on one daemon thread without the GIL

    Rows may be submitted before ``start``; nothing is answered until then.  Answers come in the order
    of the rows, none is lost: while nobody fetches, rows wait, and then there is no more room.
    """

    def __init__(self, processor: MultiModelProcessor, capacity: int = CAPACITY) -> None:
        networks = {}
        for slot in processor.slots:
            if slot.network is not None:
                if slot.network.isa == "numba":
                    raise BackendUnavailableError(
                        "AsyncPipeline runs compiled networks on a thread without Python; Numba's are for MultiModelProcessor and load_network"
                    )
                networks[slot.name] = slot.network.clone()
                networks[slot.name].reset()
        self.processor = processor
        self._loop = PipelineLoop(networks, self._wanted(), NEUTRAL_MELODY, NEUTRAL_HARMONY, NEUTRAL_DYNAMICS, capacity)
        self.capacity = self._loop.questions.capacity
        self._thread = threading.Thread(target=self._loop.run, name="kelly-pipeline", daemon=True)
        self._reset, self._closed, self._submitted, self._fetched = False, False, 0, 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start the thread; a second call changes nothing.

        raises  RuntimeError after ``close``
        """
        self._check_open()
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """Stop the thread; rows not yet answered are dropped, answers can still be fetched.  Idempotent."""
        self._closed = True
        self._loop.stop()
        join(self._thread, CLOSE_S)

    def submit_features(self, features: ArrayLike) -> bool:
        """Hand in one feature row; never blocks.

        features  (128,) finite numbers, contract FEATURES
        returns   False when the ring is full: nothing was taken
        raises    ValueError for another shape or numbers that are not finite; RuntimeError after ``close``
        """
        self._check_open()
        row = np.asarray(features, np.float32)
        if row.shape != (_FEATURES,):
            raise ValueError(f"features: expected ({_FEATURES},), found {row.shape}")
        if not np.isfinite(row).all():
            raise ValueError("features: expected finite numbers, found NaN or infinity")
        question = np.zeros(1, question_dtype())
        question["source"], question["features"], question["reset"] = self._wanted(), row, self._reset
        if not self._loop.submit(question.view(np.uint8)):
            return False
        self._reset = False
        self._submitted += 1
        return True

    def has_result(self) -> bool:
        """Whether an answer waits."""
        return len(self._loop.answers) > 0

    def get_result(self, timeout_s: float = 0.0) -> InferenceResult | None:
        """The oldest answer, None where there is none.

        timeout_s  how long to wait for one, without the GIL; the default does not wait
        """
        answer = np.empty(1, answer_dtype())
        if timeout_s > 0.0:
            self._loop.wait(timeout_s)
        if not self._loop.fetch(answer.view(np.uint8)):
            return None
        self._fetched += 1
        one = answer[0]
        return InferenceResult(
            embedding=one["embedding"],
            melody=one["melody"],
            harmony=one["harmony"],
            dynamics=one["dynamics"],
            groove=one["groove"],
            sources={name: SOURCES[source] for name, source in zip(NET_NAMES, one["source"], strict=True)},
        )

    def reset(self) -> None:
        """Forget everything heard, before the next row that is submitted."""
        self._reset = True

    @property
    def pending(self) -> int:
        """Rows submitted whose answers have not been fetched."""
        return self._submitted - self._fetched

    @property
    def faults(self) -> int:
        """Answers of a net that were not finite: its state was reset, the rule answered, labelled "fallback"."""
        return self._loop.faults

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the pipeline is closed")

    def _wanted(self) -> list[int]:
        return [SOURCES.index(source) for source in self.processor.sources.values()]
