"""Music from words: a lead sheet, an imagined player who plays it, and the band that plays along with any player."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import dtype
from kelly._rt.stream.rules import Rule
from kelly.config import Config, load_config, toml_value
from kelly.errors import ConfigError
from kelly.generate.cast import cast_of
from kelly.generate.conductor import Conductor
from kelly.generate.imagined import SAMPLE_RATE_HZ, beat_frames, count_in_frames, imagine
from kelly.generate.lead_sheet import PHRASE_BARS, LeadSheet, write_sheet
from kelly.generate.melody import Engine
from kelly.generate.settings import DRUMS, ConductorSettings, Part
from kelly.generate.why import Reason, belongs
from kelly.live.engines import BLENDS, conductor_engines
from kelly.live.intent import constrained
from kelly.live.players import conductor_settings
from kelly.midi.smf import write_smf
from kelly.midi.tempo import TempoMap
from kelly.music.controls import RANGES
from kelly.music.emotion import Mood
from kelly.music.intent import BEARING, MOST_BARS, Intent, from_words, read_intent
from kelly.music.scale import parse_key
from kelly.nets.processor import MultiModelProcessor

BARS = 16
BORROWED = "modal interchange"
STILL = -0.2  # arousal below which a phrase of a way has no drums


@dataclass(frozen=True, slots=True)
class Composition:
    """A finished piece.

    events   records of ``layout.dtype("event")`` at SAMPLE_RATE_HZ; frame 0 is the first bar line
    reasons  of every note, bars and frames counted as in the file
    tempo    one tempo, with the beats and phrases for the file's markers
    key      (tonic, mode) of the beginning
    later    (frame, key) of each change of mode after it
    sources  per net: "model", "fallback" or "off"
    asked    the intent, before the controls for valence, arousal and tension moved it
    config   the settings
    said     sentences about rules broken on purpose
    """

    sheet: LeadSheet
    events: Any
    reasons: tuple[Reason, ...]
    parts: tuple[Part, ...]
    tempo: TempoMap
    key: tuple[int, int]
    sources: Mapping[str, str]
    said: tuple[str, ...]
    asked: Intent
    config: Config
    later: tuple[tuple[int, tuple[int, int]], ...] = ()

    def write(self, path: str | os.PathLike[str], title: str = "Kelly") -> None:
        """The MIDI file, whole or not at all; MidiFileError when it cannot be written."""
        write_smf(path, self.events, self.tempo, self.parts, SAMPLE_RATE_HZ, key=self.key, title=title, later_keys=self.later)

    @property
    def played(self) -> dict[str, int]:
        """Notes per part."""
        struck = self.events[(self.events["status"] & 0xF0 == 0x90) & (self.events["data2"] > 0)]
        return {part.name: int((struck["part"] == row).sum()) for row, part in enumerate(self.parts)}


def compose(words: str, midi: str | os.PathLike[str], bars: int = BARS, **settings: Any) -> Composition:
    """Compose from words, into a Standard MIDI File.

    words     a mood, or a way: "grief turning into hope"
    midi      the file to write; it appears whole or not at all
    bars      1..1024
    settings  by the names of ``kelly.config.SETTINGS``, such as key="D", tempo=96, seed=3
    raises    ConfigError, ModelError, MidiFileError
    thread    [main]
    """
    piece = compose_intent(from_words(words, bars), load_config(flags=settings), bars)
    piece.write(midi, words)
    return piece


def compose_intent(intent: Intent, config: Config, bars: int, without: frozenset[str] = frozenset()) -> Composition:
    """The same from an intent and a Config, into memory.

    bars     1..1024; a way is walked over all of them
    without  rows of ``kelly.generate.why.FACTORS`` that shall weigh nothing
    """
    if not 1 <= bars <= MOST_BARS:
        raise ConfigError(f"bars: expected 1 to {MOST_BARS}, found {bars}")
    music = config.music
    intent = replace(intent, bars=float(bars)) if intent.bars > 0 else intent
    intent = replace(intent, feel=music.feel, swing=None) if music.feel else intent
    asked, intent = intent, moved(intent, config.controls)
    processor = MultiModelProcessor(
        config.models.path or None,
        enabled=[name for name in NET_NAMES if name not in config.models.disabled],
        strict=config.models.strict,
        arithmetic=config.engine.arithmetic,
        insisted=config.models.enabled,
    )
    sheet = write_sheet(
        intent,
        Blended("harmonypredictor", processor.clone_engine("harmonypredictor"), config.controls),
        bars=bars,
        key=parse_key(music.key) or parse_key(intent.key or "auto"),
        tempo_bpm=music.tempo_bpm or intent.tempo_bpm,
        beats_per_bar=music.beats_per_bar,
        ternary=music.ternary,
        seed=music.seed,
    )
    settings = conductor_settings(config, intent, without)
    settings = replace(settings, seed=sheet.chance, key_given=True, tempo_given=True, alone=True, count_in_bars=PHRASE_BARS, overrides=("mood",))
    settings = settings.choose(programs={**cast_of(intent), **config.midi.programs})
    settings = replace(settings, look_ahead_s=ConductorSettings().look_ahead_s)  # nobody waits for a piece
    events, reasons, conductor = _play(sheet, processor, settings, config.controls)
    begins = beats_at(sheet)
    events["frame"], moments = in_time(sheet, begins, events["frame"]), in_time(sheet, begins, [reason.frame for reason in reasons])
    reasons = tuple(replace(reason, frame=int(frame)) for reason, frame in zip(reasons, moments, strict=True))
    last = bars * sheet.beats_per_bar - 1
    knots = [(round(frame), beat) for beat, frame in enumerate(begins[:-1]) if not sheet.tempi or beat % sheet.beats_per_bar == 0 or beat == last]
    tempo = TempoMap(knots, None if sheet.tempi else sheet.tempo_bpm, sheet.beats_per_bar, 0, sheet.ternary, PHRASE_BARS * sheet.beats_per_bar, 0)
    sources = {name: processor.slot(name).source for name in NET_NAMES}
    keys = [(round(begins[bar * sheet.beats_per_bar]), (key.tonic, key.mode)) for bar, key in sheet.key_changes()]
    return Composition(
        sheet, events, reasons, conductor.parts, tempo, keys[0][1], sources, tuple(conductor.breaker.said), asked, config, tuple(keys[1:])
    )


class Blended:
    """A net as far as the hands on ``blend`` and on its own blend go, and its rule for the rest."""

    def __init__(self, name: str, net: Engine, controls: Any) -> None:
        self._net, self._rule = net, Rule(name)
        self._share = np.float32(controls.blend * getattr(controls, BLENDS[NET_NAMES.index(name)]))

    def process(self, x: Any, out: Any) -> None:
        self._net.process(x, out)
        if self._share < 1.0:
            out += (np.float32(1.0) - self._share) * (self._rule(x) - out)

    def reset(self) -> None:
        self._net.reset()
        self._rule.reset()


def beats_at(sheet: LeadSheet) -> list[float]:
    """Frame of every beat and of the end, where the tempo is the sheet's of each bar."""
    if not sheet.tempi:
        return [beat * beat_frames(sheet) for beat in range(sheet.bars * sheet.beats_per_bar + 1)]
    lengths = np.repeat([60.0 * SAMPLE_RATE_HZ / bpm for bpm in sheet.tempi], sheet.beats_per_bar)
    return [0.0, *np.cumsum(lengths).tolist()]


def in_time(sheet: LeadSheet, begins: list[float], frames: Any) -> Any:
    """Frames at the sheet's middle tempo, as they fall when each bar has its own; int64."""
    frames = np.asarray(frames, np.int64)
    if not sheet.tempi or not len(frames):
        return frames
    return np.rint(np.interp(frames / beat_frames(sheet), np.arange(len(begins)), begins)).astype(np.int64)


def moved(intent: Intent, controls: Any) -> Intent:
    """An intent with the hands on valence, arousal and tension added, as a recognizer's word has them added."""

    def shift(mood: Mood) -> Mood:
        return Mood(*(max(-1.0, min(1.0, getattr(mood, axis) + getattr(controls, axis))) for axis in ("valence", "arousal", "tension")))

    return replace(intent, start=shift(intent.start), end=shift(intent.end))


def _play(
    sheet: LeadSheet, processor: MultiModelProcessor, settings: ConductorSettings, controls: Any
) -> tuple[Any, tuple[Reason, ...], Conductor]:
    """What the band makes of a lead sheet: events and reasons, the first bar line at frame 0."""
    engines = conductor_engines(processor)
    conductor = Conductor(SAMPLE_RATE_HZ, settings, engines)
    before = PHRASE_BARS * sheet.beats_per_bar
    conductor.foretold = lambda beat: sheet.at(beat - before).chord if beat >= before else None
    sources = {name: processor.slot(name).source for name in NET_NAMES}
    start, end = count_in_frames(sheet), sheet.bars * sheet.beats_per_bar * beat_frames(sheet)
    rows = []
    last_bars = start + (sheet.bars - 2) * sheet.beats_per_bar * beat_frames(sheet)
    phrase = PHRASE_BARS * sheet.beats_per_bar * beat_frames(sheet)
    moves = sheet.intent.bars > 0 and "drums" not in settings.off
    groove = Blended("groovepredictor", processor.clone_engine("groovepredictor"), controls)
    turned = [getattr(controls, name) - default for name, (_, _, default) in RANGES.items()]
    for tick in imagine(sheet, groove, sources):
        tick["controls"][: len(turned)] = turned
        if moves:  # a way that begins or ends still does so without drums
            first = PHRASE_BARS * max(0, round((int(tick["frame"]) - start) // phrase))
            conductor.switch(DRUMS, sheet.intent.at(first).arousal >= STILL)
        for engine in engines.values():
            engine.hear(tick)
        rows.append(conductor.consume(tick))
        if tick["frame"] >= last_bars and sheet.bars > 2:
            conductor.end_phrase()  # the next bar leads to the close, the last one holds it
    rows.append(conductor.finish())
    events = np.concatenate(rows) if rows else np.zeros(0, dtype("event"))
    frames = events["frame"] - round(start)
    over = {(reason.frame, reason.part, reason.pitch) for reason in conductor.reasons if reason.bar - PHRASE_BARS >= sheet.bars}
    late = np.array([tuple(map(int, (event["frame"], event["part"], event["data1"]))) in over for event in events], bool)
    events["frame"] = np.clip(frames, 0, round(end))  # a first note may lean forward out of the piece
    reasons = (
        replace(reason, frame=max(0, reason.frame - round(start)), bar=reason.bar - PHRASE_BARS) for reason in conductor.reasons
    )
    return _sounding(events[~late]), tuple(_own(reason, sheet) for reason in reasons if reason.bar < sheet.bars), conductor


def _sounding(events: Any) -> Any:
    """The same without note-offs of notes that were never struck."""
    struck: set[tuple[int, int]] = set()
    keep = np.ones(len(events), bool)
    for i, event in enumerate(events):
        kind, note = int(event["status"]) & 0xF0, (int(event["status"]) & 0x0F, int(event["data1"]))
        if kind == 0x90 and event["data2"] > 0:
            struck.add(note)
        elif kind in (0x80, 0x90):
            keep[i] = note in struck
            struck.discard(note)
    return events[keep]


def _own(reason: Reason, sheet: LeadSheet) -> Reason:
    """A reason, with the sheet's own breaks: tones that a borrowed chord or mode brought.  Nobody played, so nothing fits a player."""
    beat = reason.bar * reason.beats_per_bar + reason.step // 4
    at_home = reason.part == DRUMS or belongs(reason.pitch, sheet.key.tonic, sheet.key.mode)
    reason = replace(reason, fit=0.0, in_key=at_home)
    if not at_home and not reason.broke and (sheet.at(beat).borrowed > 0 or sheet.key_at(beat) != sheet.key):
        return replace(reason, broke=BORROWED)
    return reason


def recipe(piece: Composition, title: str) -> str:
    """An intent file that composes the piece again, byte for byte: ``kelly compose --intent FILE``."""
    sheet, intent = piece.sheet, piece.asked
    lines = ["# Written by `kelly compose`; the same piece again: kelly compose --intent THIS -o AGAIN.mid"]
    if intent.bars > 0:
        lines += [f"from = {_point(intent.start)}", f"to = {_point(intent.end)}", f"bars = {sheet.bars}", f'arc = "{intent.arc}"']
    else:
        lines += [f"point = {_point(intent.end)}"]
    lines += ["", "[piece]", f"bars = {sheet.bars}", f"seed = {sheet.seed}", f"title = {_text(title)}"]
    tempo = list(intent.tempo_range or sheet.tempo_range) if sheet.tempi else sheet.tempo_bpm
    lines += ["", "[constraints]", f'key = "{sheet.key.short}"', f"tempo = {tempo}", f'meter = "{sheet.meter}"']
    lines += [f"swing = {intent.swing!r}"] if intent.swing is not None else []
    lines += [f'feel = "{intent.feel}"'] if intent.feel else []
    for broken in intent.breaks:
        lines += ["", "[[breaks]]", f'name = "{broken.name}"', f"severity = {broken.severity!r}"]
    lines += ["", "[settings]  # what is not named is as kelly comes; a flag goes before"]
    section = ""
    for row in BEARING.values():
        value, plain = (getattr(getattr(config, row.section), row.field) for config in (piece.config, Config()))
        if value != plain:
            lines += ["", f"[settings.{row.section}]"] if row.section != section else []
            lines.append(f"{row.field} = {toml_value(value)}")
            section = row.section
    return "\n".join(lines) + "\n"


def _text(title: str) -> str:
    """A TOML string; what cannot be printed becomes a space, as in the MIDI file."""
    return json.dumps("".join(c if c.isprintable() else " " for c in title), ensure_ascii=False)


def _point(mood: Any) -> str:
    return f"[{mood.valence!r}, {mood.arousal!r}, {mood.tension!r}]"


def from_file(path: str | os.PathLike[str], config: Config) -> tuple[Intent, Config]:
    """An intent file's intent, and the settings with what it asks for wherever nobody chose otherwise; ConfigError."""
    intent = read_intent(path)
    config = constrained(config, intent)
    if intent.settings is not None:
        config = _as_composed(config, intent.settings)
    if intent.seed is not None and "music.seed" not in config.origins:
        config = replace(config, music=replace(config.music, seed=intent.seed))
    return intent, config


def _as_composed(config: Config, said: Mapping[str, Any]) -> Config:
    """Settings as a piece's own file says them, and as kelly comes where it does not; flags go before, files and environment don't."""
    preset = f"{config.music.preset}.toml:" if config.origins.get("music.preset") == "--preset" else "--"

    def typed(key: str) -> bool:
        origin = config.origins.get(key, "")
        return origin.startswith("--") or preset in origin

    sections = {name: getattr(config, name) for name in ("midi", "models", "engine", "controls")}
    for row in BEARING.values():
        now, plain = (getattr(getattr(one, row.section), row.field) for one in (config, Config()))
        value = said.get(row.key, plain)
        if isinstance(now, Mapping):
            value = {**plain, **value, **{name: item for name, item in now.items() if typed(f"{row.key}.{name}")}}
        elif typed(row.key):
            value = now
        sections[row.section] = replace(sections[row.section], **{row.field: value})
    return replace(config, **sections)


def length(intent: Intent, bars: int | None = None) -> int:
    """Bars of a piece: those asked for, the file's, the way's own, or BARS."""
    return bars or intent.piece_bars or round(intent.bars) or BARS
