"""Settings: frozen dataclasses, filled from flags, environment and TOML files in one function.

Precedence, highest first: flag, ``KELLY_*`` variable, ``./kelly.toml`` (or the file that ``--config``
names), the user's own ``kelly.toml``, default; a preset stands just below the place that names it.  ``Config.origins`` says for every setting which of
them it came from.  Musical text (keys, chords) stays text here; ``kelly.music`` reads it.

Adding a setting is a field of a dataclass in sections.py and a row of SETTINGS in settings.py.
"""

from kelly.config.config import Config
from kelly.config.load import load_config
from kelly.config.places import FILE_NAME, file_in_force, own_presets, user_config_path
from kelly.config.readers import did_you_mean
from kelly.config.sections import (
    DEFAULT_CHANNELS,
    SECTIONS,
    AudioConfig,
    ControlsConfig,
    EngineConfig,
    MidiConfig,
    ModelsConfig,
    MusicConfig,
    OscConfig,
    PersonalConfig,
    RecordConfig,
)
from kelly.config.settings import ARITHMETICS, FEELINGS, FEELS, METER, METERS, OTHER_VARIABLES, SETTINGS, Setting
from kelly.config.toml import to_toml, toml_value

__all__ = [
    "ARITHMETICS",
    "DEFAULT_CHANNELS",
    "FEELINGS",
    "FEELS",
    "FILE_NAME",
    "METER",
    "METERS",
    "OTHER_VARIABLES",
    "SECTIONS",
    "SETTINGS",
    "AudioConfig",
    "Config",
    "ControlsConfig",
    "EngineConfig",
    "MidiConfig",
    "ModelsConfig",
    "MusicConfig",
    "OscConfig",
    "PersonalConfig",
    "RecordConfig",
    "Setting",
    "did_you_mean",
    "file_in_force",
    "load_config",
    "own_presets",
    "to_toml",
    "toml_value",
    "user_config_path",
]
