"""What a session and an analysis hear with: front end, tracker and nets, as the settings want them."""

from __future__ import annotations

from dataclasses import dataclass

from kelly._rt.contract import NET_NAMES
from kelly._rt.stream.features import FeatureExtractor
from kelly._rt.stream.tracker import Tracker
from kelly.audio.sources import FileSource, Source
from kelly.config import Config
from kelly.errors import AudioFileError, ConfigError
from kelly.music.chord import parse_progression
from kelly.music.scale import parse_key
from kelly.nets.processor import MultiModelProcessor


@dataclass(frozen=True, slots=True)
class Given:
    """What the player has said about the music.

    key   (tonic 0..11, mode); None: it is heard
    bars  per bar (root, quality) of its chords; None: they are heard
    """

    key: tuple[int, int] | None
    bars: list[list[tuple[int, int]]] | None


def given(config: Config) -> Given:
    """raises  ConfigError for a key or a chord that is none"""
    key = parse_key(config.music.key)
    bars = parse_progression(config.music.chords) if config.music.chords.strip() else ()
    return Given(
        (key.tonic, key.mode) if key is not None else None,
        [[(chord.root, chord.quality) for chord in bar] for bar in bars] or None,
    )


def hearing(config: Config, source: Source) -> tuple[FeatureExtractor, Tracker]:
    """Front end and tracker at the source's rate, prepared.

    raises  ConfigError; AudioFileError for a file at a rate that is not heard
    """
    extractor, told = FeatureExtractor(), given(config)
    try:
        extractor.prepare(source.sample_rate_hz, config.audio.gate_db)
        tracker = Tracker(
            int(source.sample_rate_hz),
            key=told.key,
            tempo_bpm=config.music.tempo_bpm,
            beats_per_bar=config.music.beats_per_bar,
            ternary=config.music.ternary,
            chords=told.bars,
            gate_db=config.audio.gate_db,
        )
    except ConfigError as error:
        if isinstance(source, FileSource) and "rate" in str(error):
            raise AudioFileError(f"{source.path}: {error}") from error
        raise
    return extractor, tracker


def nets(config: Config) -> MultiModelProcessor:
    """The five nets.  raises  ModelError where the settings are strict"""
    return MultiModelProcessor(
        config.models.path or None,
        enabled=[name for name in NET_NAMES if name not in config.models.disabled],
        strict=config.models.strict,
        arithmetic=config.engine.arithmetic,
        insisted=config.models.enabled,
    )
