"""Every error that kelly raises on purpose.

    KellyError
    ├── ModelError (ValueError)              exit 4
    │   ├── ModelFormatError                 not RTNeural JSON, or JSON that RTNeural would misread
    │   ├── ModelShapeError                  sizes that do not fit each other
    │   └── UnknownLayerError                a layer type or activation that kelly does not run
    ├── ConfigError (ValueError)             exit 2
    ├── DeviceError (OSError)                exit 3
    │   ├── AudioDeviceError
    │   ├── MidiPortError
    │   └── DeviceLostError                  exit 7
    ├── DataError (ValueError)               exit 6
    │   ├── AudioFileError
    │   ├── MidiFileError
    │   ├── OutputError (OSError)            a file that cannot be written where it should
    │   └── TakeError                        a recording that cannot be made, or not be mended
    ├── HookError (TypeError)                exit 2
    ├── NotPreparedError (RuntimeError)      exit 1
    └── BackendUnavailableError (ImportError)  exit 1

An error says where, what was expected, what was found and what to do.
"""

from __future__ import annotations


class KellyError(Exception):
    """Root of the tree; ``exit_code`` is what the command line answers with."""

    exit_code = 1


class ModelError(KellyError, ValueError):
    """A model file or its content is unusable.

    path      the file, or "" for a model given as an object
    pointer   JSON pointer (RFC 6901) to the offending value, "" for the whole document
    expected  what the format wants there
    found     what is there
    hint      what to do about it, "" where nothing helps
    """

    exit_code = 4

    def __init__(
        self, message: str = "", *, path: str = "", pointer: str = "", expected: str = "", found: str = "", hint: str = ""
    ) -> None:
        self.path, self.pointer = path, pointer
        self.expected, self.found, self.hint = expected, found, hint
        where = ": ".join(part for part in (path, pointer) if part)
        what = message or f"expected {expected}, found {found}"
        if message and expected:
            what = f"{message}: expected {expected}, found {found}"
        tail = f"; {hint}" if hint else ""
        super().__init__(f"{where}: {what}{tail}" if where else f"{what}{tail}")


class ModelFormatError(ModelError):
    """The file is not RTNeural JSON, or holds a value that the format does not allow."""


class ModelShapeError(ModelError):
    """Sizes do not fit each other: weights against shape, layer against layer, net against contract."""


class UnknownLayerError(ModelError):
    """A layer type or activation that kelly does not run."""


class ConfigError(KellyError, ValueError):
    """A setting is unknown or out of range."""

    exit_code = 2


class DeviceError(KellyError, OSError):
    """A device or port is missing or refuses."""

    exit_code = 3


class AudioDeviceError(DeviceError):
    """An audio device or PortAudio itself."""


class MidiPortError(DeviceError):
    """A MIDI port or the MIDI system."""


class DeviceLostError(DeviceError):
    """A device vanished during a session and did not come back."""

    exit_code = 7


class DataError(KellyError, ValueError):
    """Input data is missing or corrupt."""

    exit_code = 6


class AudioFileError(DataError):
    """An audio file that is missing, empty or unreadable."""


class MidiFileError(DataError):
    """A MIDI file that is missing or unreadable."""


class OutputError(DataError, OSError):
    """A file that cannot be written where it should: no such folder, or not ours to write to."""

    @classmethod
    def at(cls, path: object, reason: str) -> OutputError:
        """Of a file; ``strerror`` is the reason alone."""
        found = cls(f"{path}: {reason}")
        found.strerror = reason
        return found


class TakeError(DataError):
    """A take that cannot be recorded where it should, or whose logs cannot be mended."""


class HookError(KellyError, TypeError):
    """A function that can't run in the real-time thread: it doesn't compile, may raise, or allocates."""

    exit_code = 2


class NotPreparedError(KellyError, RuntimeError):
    """``process`` was called before ``prepare``."""


class BackendUnavailableError(KellyError, ImportError):
    """No engine could be imported; the message says how to build one."""
