"""What the five nets hear when the demo is played: real input for reports on accuracy."""

from __future__ import annotations

from typing import Any

STEPS = 1000


def heard_in_the_demo(models: str | None = None) -> dict[str, Any]:
    """Net -> float32 (STEPS, inputs): features of the demo for the recognizer, its answers and neutral contexts for the others.

    models  folder of the nets; None: where they usually are
    raises  ModelError, DataError
    """
    import numpy as np
    import soundfile

    from kelly.audio.extract import extract_features
    from kelly.audio.sources import DEMO
    from kelly.nets.processor import MultiModelProcessor

    rows: dict[str, Any] = {}

    class Listening(MultiModelProcessor):
        def _ask(self, name: str, rows_: Any) -> Any:
            rows[name] = np.ascontiguousarray(rows_)
            return super()._ask(name, rows_)

    samples, rate_hz = soundfile.read(DEMO, dtype="float32", always_2d=True)
    features = np.resize(extract_features(samples.mean(axis=1), rate_hz), (STEPS, 128))
    Listening(models).run_full_pipeline(features)
    return rows
