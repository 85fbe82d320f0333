"""What the settings say about mood: the intent of a session, and the settings with its constraints."""

from __future__ import annotations

from dataclasses import replace

from kelly.config import Config
from kelly.errors import ConfigError
from kelly.music.intent import Intent, from_words, read_intent


def intent_of(config: Config) -> Intent | None:
    """The intent that ``music.mood`` or ``music.intent`` names, None where neither is set.

    raises  ConfigError: both are set, no feeling in the words, an unusable file
    """
    music = config.music
    if music.mood.strip() and music.intent:
        raise ConfigError("a mood and an intent are both set: one of the two")
    if music.mood.strip():
        return from_words(music.mood)
    return read_intent(music.intent) if music.intent else None


def constrained(config: Config, intent: Intent | None) -> Config:
    """The settings, with what the intent asks for wherever nobody chose otherwise."""
    if intent is None:
        return config
    music = config.music
    return replace(
        config,
        music=replace(
            music,
            key=intent.key if intent.key and music.key == "auto" else music.key,
            tempo_bpm=intent.tempo_bpm if music.tempo_bpm is None else music.tempo_bpm,
            meter=intent.meter if intent.meter and "music.meter" not in config.origins else music.meter,
        ),
    )
