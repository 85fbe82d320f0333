"""The names people import are a contract."""

from __future__ import annotations

import kelly

NAMES = [
    "AsyncPipeline", "AudioDeviceError", "AudioFileError", "BackendUnavailableError", "ConfigError", "DataError", "DeviceError",
    "DeviceLostError", "HookError", "InferenceResult", "KellyError", "MidiFileError", "MidiPortError", "ModelError",
    "ModelFormatError", "ModelShapeError", "MultiModelProcessor", "Network", "NotPreparedError", "Session",
    "Track", "UnknownLayerError", "ValidationReport", "analyze", "backend", "extract_features", "hook", "load_config", "load_network", "render",
    "validate_model",
]  # fmt: skip


def test_public_names_are_these_and_sorted():
    """Adding or removing a name is a decision, not an accident."""
    assert kelly.__all__ == NAMES == sorted(NAMES)


def test_every_public_name_loads_and_is_documented():
    """Each is where the table says and has a docstring."""
    for name in NAMES:
        value = getattr(kelly, name)
        assert value.__doc__, name


def test_an_unknown_name_is_an_attribute_error():
    """The lazy door is no wider than the table."""
    assert not hasattr(kelly, "Sesion")


def test_exit_codes_of_the_errors_are_in_the_table_of_exit_codes():
    """Every error's exit code means something to the command line."""
    from kelly import errors
    from kelly.cli.app import EXIT_CODES

    known = {code for code, _ in EXIT_CODES}
    codes = {value.exit_code for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.KellyError)}
    assert codes <= known
