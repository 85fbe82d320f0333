"""A take: what was heard, what was played and what was felt, in one folder, aligned to the frame.

    take.wav      float32, mono: every sample the worker heard, from frame 0
    take.mid      what was played; time 0 is the first frame of take.wav
    emotion.csv   one row per network hop (40 ms)
    why.jsonl     one line per note: kelly.generate.why.Reason
    commands.csv  what was asked for meanwhile, see kelly.live.commands
    kelly.toml    the settings; ``kelly render FOLDER`` plays the same notes

While it is recorded, notes and beats are appended to logs (notes.csv, beats.csv, score.json).  They go
when take.mid is there; after a crash they are what ``kelly.live.salvage`` makes take.mid from.

Here is what lies in the folder and how a line of it is written; ``kelly.live.recorder`` writes it, salvage and replay read it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kelly._rt.contract import EMBEDDING, NET_NAMES
from kelly._rt.layout import SOURCES
from kelly.config import AudioConfig, Config, OscConfig, RecordConfig
from kelly.errors import TakeError
from kelly.live.commands import HEAD
from kelly.midi.sink import Events, Score
from kelly.midi.sinks import released
from kelly.midi.smf import write_smf
from kelly.music.chord import Chord
from kelly.music.scale import Key
from kelly.nets.store import split_folders

WAV, MIDI, EMOTION, COMMANDS, WHY, SETTINGS = "take.wav", "take.mid", "emotion.csv", "commands.csv", "why.jsonl", "kelly.toml"
NOTES, BEATS, SCORE = "notes.csv", "beats.csv", "score.json"
LOGS = (NOTES, BEATS, SCORE)
NOTE_COLUMNS = ("frame", "serial", "part", "status", "data1", "data2", "size")
NOTES_HEAD = ",".join(NOTE_COLUMNS) + "\n"
BEATS_HEAD = "frame,beat\n"
FELT = ("valence", "arousal", "tension", "dominance", "intensity", "confidence")
EMOTION_HEAD = ",".join(("frame", "time_s", *FELT, "level_db", "tempo_bpm", "key", "chord", *NET_NAMES)) + "\n"
LOG_HEADS = ((NOTES, NOTES_HEAD), (BEATS, BEATS_HEAD), (EMOTION, EMOTION_HEAD), (COMMANDS, HEAD), (WHY, ""))


def lock(file: int) -> bool:
    """Mark an open file as in use until it is closed, also by a crash; False where somebody else did."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to open or remove a file that is open elsewhere
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def save(folder: Path, events: Events | None, score: Score) -> None:
    """Write take.mid and remove the logs it replaces.

    raises  OSError, MidiFileError (which says why): the logs stay
    """
    rows = released(events, score.parts) if events is not None else ()
    write_smf(folder / MIDI, rows, score.tempo, score.parts, score.sample_rate_hz, key=score.key)
    for name in LOGS:
        (folder / name).unlink(missing_ok=True)


def note_rows(events: Events) -> str:
    """Lines of notes.csv."""
    return "".join(",".join(str(int(event[name])) for name in NOTE_COLUMNS) + "\n" for event in events)


def beat_rows(knots: Sequence[tuple[int, int]]) -> str:
    """Lines of beats.csv."""
    return "".join(f"{frame},{beat}\n" for frame, beat in knots)


def score_text(score: Score) -> str:
    """score.json: what else take.mid will need."""
    tempo = score.tempo
    return json.dumps({
        "sample_rate_hz": score.sample_rate_hz, "tempo_bpm": tempo.tempo_bpm,
        "beats_per_bar": tempo.beats_per_bar, "ternary": tempo.ternary, "downbeat": tempo.downbeat % max(1, tempo.beats_per_bar), "key": score.key,
        "phrase_beats": tempo.phrase_beats, "phrase": tempo.phrase % max(1, tempo.phrase_beats),
        "parts": [{"name": part.name, "channel": part.channel, "program": part.program} for part in score.parts],
    })  # fmt: skip


def emotion_row(tick: Any, sample_rate_hz: float) -> str:
    """One line of emotion.csv."""
    frame, root = int(tick["frame"]), int(tick["chord_root"])
    known = int(tick["key_tonic"]) >= 0 and int(tick["key_mode"]) != 0
    cells = (
        str(frame),
        f"{frame / sample_rate_hz:.4f}",
        *(f"{float(tick['embedding'][EMBEDDING[name].start]):.4f}" for name in FELT),
        f"{float(tick['level_db']):.1f}",
        f"{float(tick['tempo_bpm']):.2f}",
        Key(int(tick["key_tonic"]), int(tick["key_mode"])).short if known else "",
        str(Chord(root, int(tick["chord_quality"]))) if root >= 0 else "",
        *(SOURCES[source] for source in tick["source"]),
    )
    return ",".join(cells) + "\n"


def new_folder(folder: Path, now: time.struct_time) -> Path:
    """Such as ``folder/kelly-20260131-235959``; a second one within the second gets a number."""
    folder.mkdir(parents=True, exist_ok=True)
    name = time.strftime("kelly-%Y%m%d-%H%M%S", now)
    for number in range(1, 1000):
        take = folder / (name if number == 1 else f"{name}-{number}")
        try:
            take.mkdir()
        except FileExistsError:
            continue
        return take.resolve()
    raise TakeError(f"{folder}: a thousand takes within a second")


def remove(take: Path | None) -> None:
    """A take that shall not be."""
    if take is not None:
        for file in take.iterdir():
            file.unlink()
        take.rmdir()


def own_settings(config: Config, score: Score, end_s: float | None) -> Config:
    """What renders take.wav as it was played: its only channel, no silence behind its end, the player's end where it was."""
    programs = {part.name: part.program for part in _named(score.parts, config)}
    folders = split_folders(config.models.path) if config.models.path else ()
    return replace(
        config,
        audio=AudioConfig(input=f"file:{WAV}", channel=1, gate_db=config.audio.gate_db, tail_s=0.0, end_s=end_s),
        midi=replace(config.midi, output=f"file:{MIDI}", input="", controls={}, programs=programs),
        models=replace(config.models, path=os.pathsep.join(str(folder.resolve()) for folder in folders)),
        osc=OscConfig(),
        music=replace(config.music, preset="", intent=str(Path(config.music.intent).resolve()) if config.music.intent else ""),
        record=RecordConfig(),
    )


def _named(parts: Sequence[Any], config: Config) -> Sequence[Any]:
    return [part for part in parts if part.name in config.midi.channels]
