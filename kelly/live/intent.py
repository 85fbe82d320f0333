"""What the settings say about mood: the intent of a session, and the settings with its constraints."""

from __future__ import annotations

from dataclasses import replace

from kelly.config import Config
from kelly.errors import ConfigError
from kelly.generate.settings import ConductorSettings
from kelly.music.emotion import Mood
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


def band_of(settings: ConductorSettings, config: Config, intent: Intent | None) -> ConductorSettings:
    """What the band is told, with what the intent asks of it: mode, feel, rule breaks; a feel among the settings goes first."""
    feel = config.music.feel
    chosen = tuple(name for name, given in (("mood", intent is not None), ("chords", config.music.chords.strip())) if given)
    settings = replace(settings, overrides=chosen)
    if feel:
        intent = replace(intent or Intent(Mood(), Mood()), feel=feel, swing=None)
    if intent is None:
        return settings
    return replace(
        settings,
        mode=intent.mode if not settings.key_given else 0,
        swing=intent.off_eighth,
        push_s=intent.push_s,
        breaks=intent.breaks,
    )
