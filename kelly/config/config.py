"""All settings together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kelly.config.sections import (
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
from kelly.config.settings import SETTINGS


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a session needs to know.

    origins  where each setting came from, such as {"music.key": "kelly.toml:3"}; unnamed ones are defaults
    """

    audio: AudioConfig = field(default_factory=AudioConfig)
    midi: MidiConfig = field(default_factory=MidiConfig)
    music: MusicConfig = field(default_factory=MusicConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    osc: OscConfig = field(default_factory=OscConfig)
    controls: Any = field(default_factory=ControlsConfig)
    personal: PersonalConfig = field(default_factory=PersonalConfig)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def items(self) -> Iterable[tuple[str, Any, str]]:
        """Rows (key, value, origin) in the order of SETTINGS; tables give one row per entry."""
        for setting in SETTINGS:
            value = getattr(getattr(self, setting.section), setting.field)
            if isinstance(value, Mapping):
                for part, number in value.items():
                    key = f"{setting.key}.{part}"
                    yield key, number, self.origins.get(key, "default")
            else:
                yield setting.key, value, self.origins.get(setting.key, "default")
