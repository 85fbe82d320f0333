"""What the settings say about the players and what they tell, as the conductor takes it."""

from __future__ import annotations

from collections.abc import Mapping

from kelly.config import Config
from kelly.generate.settings import ConductorSettings
from kelly.live.intent import band_of
from kelly.midi.inputs import Control
from kelly.music.intent import Intent
from kelly.music.scale import parse_key


def conductor_settings(config: Config, intent: Intent | None, without: frozenset[str] = frozenset()) -> ConductorSettings:
    """Everything that the conductor is told by the settings and by an intent; ConfigError.

    without  rows of ``kelly.generate.why.FACTORS`` that shall weigh nothing
    """
    settings = ConductorSettings(
        seed=config.music.seed,
        look_ahead_s=(config.engine.look_ahead_ms + config.engine.latency_ms) / 1000.0,
        key_given=parse_key(config.music.key) is not None,
        tempo_given=config.music.tempo_bpm is not None,
        off=frozenset(name for name, plays in config.midi.parts.items() if not plays),
        feelings=feelings(config.midi.cc),
        without=without,
    ).choose(channels=config.midi.channels, programs=config.midi.programs, ranges=ranges(config.midi.ranges))
    return band_of(settings, config, intent)


def ranges(texts: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """{"melody": "60-84"} -> {"melody": (60, 84)}."""
    pairs = {name: text.split("-") for name, text in texts.items()}
    return {name: (int(low), int(high)) for name, (low, high) in pairs.items()}


def feelings(texts: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """{"valence": "CC 20 on channel 16"} -> {"valence": (16, 20)}, channel and controller."""
    controls = {name: Control.read(text) for name, text in texts.items()}
    return {name: (control.channel or 16, control.number) for name, control in controls.items()}
