"""Music in, feeling understood, MIDI out, in real time, from Python, with no Python on the way.

Public names are loaded on first use, so ``import kelly`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing itself would double the cost of this import
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "AsyncPipeline": "kelly.nets.pipeline",
    "AudioDeviceError": "kelly.errors",
    "AudioFileError": "kelly.errors",
    "BackendUnavailableError": "kelly.errors",
    "ConfigError": "kelly.errors",
    "DataError": "kelly.errors",
    "DeviceError": "kelly.errors",
    "DeviceLostError": "kelly.errors",
    "HookError": "kelly.errors",
    "InferenceResult": "kelly.nets.processor",
    "KellyError": "kelly.errors",
    "MidiFileError": "kelly.errors",
    "MidiPortError": "kelly.errors",
    "ModelError": "kelly.errors",
    "ModelFormatError": "kelly.errors",
    "ModelShapeError": "kelly.errors",
    "MultiModelProcessor": "kelly.nets.processor",
    "Network": "kelly._rt",
    "NotPreparedError": "kelly.errors",
    "Session": "kelly.live.session",
    "Track": "kelly.live.analyze",
    "UnknownLayerError": "kelly.errors",
    "ValidationReport": "kelly.nets.validate",
    "analyze": "kelly.live.analyze",
    "backend": "kelly._rt",
    "extract_features": "kelly.audio.extract",
    "hook": "kelly._rt.hooks",
    "load_config": "kelly.config",
    "load_network": "kelly.nets.load",
    "render": "kelly.live.render",
    "validate_model": "kelly.nets.validate",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kelly' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
