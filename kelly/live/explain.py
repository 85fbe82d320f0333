"""Where reasons come from: a piece composed again, a take or a recording played along with again.

Kelly's decisions depend on sound, settings, commands and seed alone, so nothing has to be kept beside the
notes: playing again finds every reason, and playing again with one factor left out shows what it did.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kelly.audio.sources import FileSource
from kelly.config import Config
from kelly.errors import MidiFileError
from kelly.generate.imagined import SAMPLE_RATE_HZ
from kelly.generate.settings import Part
from kelly.generate.why import Reason
from kelly.live.commands import Commands
from kelly.live.compose import compose_intent, from_file, length
from kelly.live.intent import intent_of
from kelly.live.players import conductor_settings
from kelly.live.replay import is_take, open_take
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink
from kelly.midi.smf import smf_bytes
from kelly.midi.tempo import PPQ, Ruler, TempoMap

MIDI_SUFFIXES = (".mid", ".midi", ".smf")


@dataclass(frozen=True, slots=True)
class Explained:
    """Something that kelly played.

    kind    "piece", "take" or "recording"
    parts   rows of the parts table, which reasons index
    again   plays it again without some rows of FACTORS: reasons of every note, bars counted as in the MIDI file, from 0
    same    whether playing again gave the notes that lie on the disk; None where there are none to compare with
    """

    kind: str
    parts: Sequence[Part]
    reasons: Sequence[Reason]
    again: Callable[[frozenset[str]], Sequence[Reason]]
    same: bool | None = None


def explained(path: str | os.PathLike[str], config: Config) -> Explained:
    """Play something again and keep why.

    path    a MIDI file by `kelly compose` with its .toml beside it, a take's folder, or a recording
    config  for a recording: the settings it was rendered with; for a piece: models and channels
    raises  MidiFileError for notes whose reasons can't be found, TakeError, AudioFileError, ConfigError, ModelError
    thread  [main]
    """
    place = Path(path)
    if is_take(place) or place.is_dir():
        take = open_take(place)
        return _played("take", take.sound, take.config, take.commands)
    if place.suffix.lower() not in MIDI_SUFFIXES:
        return _played("recording", place, config, None)
    recipe = place.with_suffix(".toml")
    if not place.is_file():
        raise MidiFileError(f"{place}: no such file")
    if not recipe.is_file():
        raise MidiFileError(
            f"{place}: {recipe.name} is not beside it; reasons are found by playing again: give a piece with the intent file that "
            "`kelly compose` wrote, the folder of a take, or the recording that was rendered, with its settings"
        )
    intent, config = from_file(recipe, config)
    bars = length(intent)

    def again(without: frozenset[str]) -> Sequence[Reason]:
        return compose_intent(intent, config, bars, without).reasons

    piece = compose_intent(intent, config, bars)
    notes = smf_bytes(piece.events, piece.tempo, piece.parts, SAMPLE_RATE_HZ, key=piece.key, title=intent.title or "Kelly", later_keys=piece.later)
    return Explained("piece", piece.parts, piece.reasons, again, notes == place.read_bytes())


def _played(kind: str, sound: Path, config: Config, commands: Commands | None) -> Explained:
    def again(without: frozenset[str]) -> Sequence[Reason]:
        channel = None if config.audio.channel is None else config.audio.channel - 1
        source = FileSource(sound, channel, realtime=False, tail_s=config.audio.tail_s)
        try:
            session = Session(config, source=source, sink=MemorySink(), realtime=False, commands=commands, without=without)
        except BaseException:
            source.stop()
            raise
        try:
            session.start()
            while not session.wait(0.1):
                pass
        finally:
            session.close(save=False)
        score = session.score()
        shift = first_bar(score.tempo, score.sample_rate_hz)
        return [replace(reason, bar=reason.bar + shift) for reason in session.reasons]

    return Explained(kind, conductor_settings(config, intent_of(config)).parts, again(frozenset()), again)


def first_bar(tempo: TempoMap, sample_rate_hz: float) -> int:
    """The bar of the MIDI file, from 0, in which the grid's bar 0 lies."""
    if not tempo.knots:
        return 0
    frame, beat = tempo.knots[0]
    gone = (beat - tempo.downbeat) % tempo.beats_per_bar
    in_file = Ruler(tempo, sample_rate_hz).tick(frame) / PPQ / tempo.beat_quarters - gone  # beats before its bar line
    return round(in_file / tempo.beats_per_bar) - (beat - gone) // tempo.beats_per_bar
