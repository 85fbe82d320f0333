"""Features of a recording: the live front end, fed all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kelly._rt.stream.features import FeatureExtractor
from kelly.errors import ConfigError, DataError


def to_mono(samples: ArrayLike, channel: int | Sequence[int] | None = None) -> NDArray[np.float32]:
    """Mean of the chosen channels, as the live input makes it.

    samples  real numbers, (n,) or (n, channels), full scale 1; integers are refused, because nothing says their scale
    channel  one channel, several, or None for all; channels count from 0
    returns  float32 (n,), C-contiguous
    raises   DataError for samples of another shape or type, ConfigError for a channel that is not there
    """
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise DataError(f"samples: expected floating-point samples within -1..1, found dtype {array.dtype}")
    if array.ndim not in (1, 2):
        raise DataError(f"samples: expected shape (n,) or (n, channels), found {array.shape}")
    array = array.reshape(len(array), -1) if array.size else array.reshape(len(array), max(1, array.shape[-1]))
    n_channels = array.shape[1]
    chosen = range(n_channels) if channel is None else [channel] if isinstance(channel, int) else list(channel)
    if not chosen:
        raise ConfigError("channel: no channel was chosen")
    for index in chosen:
        if not 0 <= index < n_channels:
            raise ConfigError(f"channel: expected 0 to {n_channels - 1}, found {index}")
    if len(chosen) == 1:
        return np.ascontiguousarray(array[:, chosen[0]], dtype=np.float32)
    picked = array[:, list(chosen)].astype(np.float32, copy=False)
    return np.ascontiguousarray(picked.mean(axis=1, dtype=np.float64), dtype=np.float32)


def extract_features(
    samples: ArrayLike, sample_rate_hz: float, channel: int | Sequence[int] | None = None
) -> NDArray[np.float32]:
    """The 128 features of every whole 40 ms of a recording.

    samples         floating point, (n,) or (n, channels), full scale 1; mono is the mean of the chosen channels
    sample_rate_hz  whole number, 8,000 to 384,000; the features do not depend on it
    channel         one channel, several, or None for all; channels count from 0
    returns         float32 (T, 128), T = floor(n / 40 ms), contract FEATURES; row t ends at (t + 1) * 40 ms
    raises          DataError for samples of another shape or type, ConfigError for rate or channel
    source          the class that `live` and `render` run (kelly._rt.stream.features); always finite
    """
    extractor = FeatureExtractor()
    extractor.prepare(sample_rate_hz)
    return extractor.push(to_mono(samples, channel))
