"""AsyncPipeline: the five nets behind two rings."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import kelly
from tests.patience import PATIENCE_S, until

ROWS = np.random.default_rng(3).normal(0, 0.5, (40, 128)).astype(np.float32)
FIELDS = ("embedding", "melody", "harmony", "dynamics", "groove")


@pytest.fixture(scope="module")
def loaded():
    return kelly.MultiModelProcessor("models")


@pytest.fixture
def processor(loaded):
    for name in loaded.sources:
        loaded.set_model_enabled(name, True)
    loaded.reset()
    return loaded


def collect(pipeline, count):
    """That many results, in order."""
    limit, found = time.monotonic() + PATIENCE_S, []
    while len(found) < count:
        result = pipeline.get_result(timeout_s=0.2)
        if result is not None:
            found.append(result)
        assert time.monotonic() < limit, f"{len(found)} of {count} results"
    return found


def test_answers_are_the_processors_own_bit_for_bit_and_in_order(processor):
    """Forty rows, recurrent state included, against run_full_pipeline row by row."""
    with kelly.AsyncPipeline(processor) as pipeline:
        for row in ROWS:
            assert pipeline.submit_features(row)
        results = collect(pipeline, len(ROWS))
        assert not pipeline.has_result()
        assert pipeline.get_result() is None
        assert pipeline.pending == pipeline.faults == 0
    for row, result in zip(ROWS, results, strict=True):
        expected = processor.run_full_pipeline(row)
        assert result.sources == expected.sources
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(result, field), getattr(expected, field))


def test_a_full_ring_refuses_at_once_and_loses_nothing(processor):
    """Nobody answers yet: the fifth row finds no room; what was taken is answered later, in order."""
    pipeline = kelly.AsyncPipeline(processor, capacity=4)
    assert [pipeline.submit_features(row) for row in ROWS[:6]] == [True] * 4 + [False] * 2
    with pipeline:
        results = collect(pipeline, 4)
        assert pipeline.submit_features(ROWS[4])
        results += collect(pipeline, 1)
    expected = [processor.run_full_pipeline(row).embedding for row in ROWS[:5]]
    np.testing.assert_array_equal([result.embedding for result in results], expected)


def test_unfetched_answers_hold_the_rows_back(processor):
    """Both rings bounded: with capacity 2, five rows fit (two, one under way, two), then there is no room."""
    with kelly.AsyncPipeline(processor, capacity=2) as pipeline:
        for _ in range(5):
            until(lambda: pipeline.submit_features(ROWS[0]))
        time.sleep(0.05)
        assert not pipeline.submit_features(ROWS[0])
        assert len(collect(pipeline, 5)) == 5


def test_switches_and_reset_apply_to_the_rows_submitted_after_them(processor):
    """Off, on again and reset, against the processor that does the same."""
    twin = kelly.MultiModelProcessor("models")
    expected = []
    with kelly.AsyncPipeline(processor) as pipeline:
        for step, row in enumerate(ROWS[:16]):
            if step in (4, 8):
                for one in (processor, twin):
                    one.set_model_enabled("emotionrecognizer", step == 8)
                    one.set_model_enabled("melodytransformer", step == 8)
            if step == 12:
                pipeline.reset()
                twin.reset()
            assert pipeline.submit_features(row)
            expected.append(twin.run_full_pipeline(row))
        results = collect(pipeline, 16)
    for one, other in zip(results, expected, strict=True):
        assert one.sources == other.sources
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert {results[5].sources["emotionrecognizer"], results[9].sources["emotionrecognizer"]} == {"off", "model"}


def test_missing_models_answer_by_their_rules(tmp_path):
    """No file at all: five fallbacks, labelled, as the processor answers."""
    processor = kelly.MultiModelProcessor(tmp_path)
    with kelly.AsyncPipeline(processor) as pipeline:
        pipeline.submit_features(ROWS[0])
        (result,) = collect(pipeline, 1)
    assert set(result.sources.values()) == {"fallback"}
    np.testing.assert_array_equal(result.groove, processor.run_full_pipeline(ROWS[0]).groove)


def test_a_net_that_overflows_is_answered_by_its_rule_and_counted(processor):
    """Features near the largest float make the recognizer's sums infinite; the next row is ordinary again."""
    with kelly.AsyncPipeline(processor) as pipeline:
        pipeline.submit_features(np.full(128, 3e38) * np.sign(ROWS[0]))
        pipeline.submit_features(ROWS[1])
        strange, ordinary = collect(pipeline, 2)
        faults = pipeline.faults
    assert all(np.isfinite(getattr(strange, field)).all() for field in FIELDS)
    assert ordinary.sources["emotionrecognizer"] == "model"
    assert strange.sources["emotionrecognizer"] == "fallback"
    assert faults == 1


def test_many_threads_may_submit_and_fetch(processor):
    """Four submit, two fetch: every row is answered once."""
    found, lock = [], threading.Lock()
    with kelly.AsyncPipeline(processor, capacity=8) as pipeline:

        def submit():
            for row in ROWS:
                while not pipeline.submit_features(row):
                    time.sleep(0.001)

        def fetch():
            while len(found) < 160:
                result = pipeline.get_result(timeout_s=0.01)
                if result is not None:
                    with lock:
                        found.append(result)

        threads = [threading.Thread(target=target) for target in (submit,) * 4 + (fetch,) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    assert len(found) == 160
    assert pipeline.pending == 0


def test_submitting_does_not_wait_for_the_nets(processor):
    """Half a ring of rows goes in while nobody answers any."""
    pipeline = kelly.AsyncPipeline(processor)
    assert sum(pipeline.submit_features(row) for row in ROWS[:32]) == pipeline.pending == 32
    with pipeline:
        assert len(collect(pipeline, 32)) == 32


def test_wrong_rows_are_refused_with_what_was_found(processor):
    """Shape, NaN, closed, capacity."""
    pipeline = kelly.AsyncPipeline(processor)
    with pytest.raises(ValueError, match=r"expected \(128,\), found \(64,\)"):
        pipeline.submit_features(ROWS[0, :64])
    with pytest.raises(ValueError, match="finite"):
        pipeline.submit_features(np.full(128, np.nan))
    pipeline.close()
    pipeline.close()
    with pytest.raises(RuntimeError, match="closed"):
        pipeline.submit_features(ROWS[0])
    with pytest.raises(RuntimeError, match="closed"):
        pipeline.start()
    with pytest.raises(ValueError, match="at least one"):
        kelly.AsyncPipeline(processor, capacity=0)
