"""What kelly hears in a recording: the worker alone, without anybody playing along."""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, NET_NAMES
from kelly._rt.layout import dtype
from kelly._rt.stream.ring import Ring
from kelly._rt.stream.worker import Worker, receipt_dtype
from kelly.audio.sources import FileSource
from kelly.config import Config, load_config
from kelly.live.hearing import hearing, nets
from kelly.music.chord import Chord
from kelly.music.scale import Key

TAIL_S = 2.0  # what the tracker's windows still have to say about the end

Array = NDArray[np.float32]

TICKS = 256


@dataclass(frozen=True, slots=True)
class Track:
    """A recording as kelly heard it, one row per network hop (40 ms), T rows.

    times_s      float64 (T,), end of each hop
    features     float32 (T, 128), contract FEATURES
    embedding    float32 (T, 64), contract EMBEDDING
    key          the key believed in at the end, such as "A minor"; "" when none was found
    keys         per row, short: "Am"; "" while none is known
    tempo_bpm    median over the rows with a trusted beat; 0 without any
    tempos_bpm   float32 (T,); 0 while there is no grid
    beats_s      float64 (B,), times of the beats of the grid
    chords       per row, such as "Em7"; "" while nobody plays one
    playing      bool (T,), whether the player was above the gate
    sources      who answered for the recognizer and harmony: "model", "fallback" or "off", per net
    """

    times_s: NDArray[np.float64]
    features: Array
    embedding: Array
    key: str
    keys: tuple[str, ...]
    tempo_bpm: float
    tempos_bpm: Array
    beats_s: NDArray[np.float64]
    chords: tuple[str, ...]
    playing: NDArray[np.bool_]
    sources: dict[str, str]

    @property
    def valence(self) -> Array:
        """float32 (T,), -1 dark to 1 bright."""
        return self._named("valence")

    @property
    def arousal(self) -> Array:
        """float32 (T,), -1 calm to 1 excited."""
        return self._named("arousal")

    @property
    def tension(self) -> Array:
        """float32 (T,), -1 at rest to 1 tense."""
        return self._named("tension")

    @property
    def confidence(self) -> Array:
        """float32 (T,), 0..1, how far valence and arousal are to be trusted."""
        return self._named("confidence")

    def _named(self, name: str) -> Array:
        return self.embedding[:, EMBEDDING[name].start]

    def write_csv(self, file: IO[str], features: bool = False) -> None:
        """One line per hop: time, mood, key, tempo, chord, whether a beat fell into it; with ``features`` all 128 too."""
        writer = csv.writer(file, lineterminator="\n")
        names = ["time_s", "valence", "arousal", "tension", "confidence", "key", "tempo_bpm", "chord", "beat", "playing"]
        writer.writerow([*names, *(f"feature_{i}" for i in range(self.features.shape[1] if features else 0))])
        starts = np.concatenate([[-np.inf], self.times_s[:-1]])
        beats = np.searchsorted(self.beats_s, self.times_s, "right") - np.searchsorted(self.beats_s, starts, "right")
        for row, time_s in enumerate(self.times_s):
            mood = (f"{float(curve[row]):.4f}" for curve in (self.valence, self.arousal, self.tension, self.confidence))
            fields = [f"{time_s:.3f}", *mood, self.keys[row], f"{float(self.tempos_bpm[row]):.2f}", self.chords[row]]
            fields += [str(int(beats[row])), str(int(self.playing[row]))]
            writer.writerow(fields + ([f"{float(value):.6g}" for value in self.features[row]] if features else []))


def analyze(audio: str | os.PathLike[str], **settings: Any) -> Track:
    """Hear what kelly hears in a recording.

    audio     anything libsndfile reads, at any rate
    settings  by the names of ``kelly.config.SETTINGS``, such as key="Am", tempo=96, models="models"
    returns   a Track, the recording's own length: rows of silence behind it are left out
    raises    AudioFileError, ConfigError, ModelError
    thread    [main]
    """
    return analyze_config(audio, load_config(flags=settings))


def analyze_config(audio: str | os.PathLike[str], config: Config, progress: Callable[[float], None] | None = None) -> Track:
    """The same with a Config; ``progress`` is called with 0..1."""
    channel = None if config.audio.channel is None else config.audio.channel - 1
    source = FileSource(Path(audio), channel, realtime=False, tail_s=TAIL_S)
    try:
        worker, ticks, sources = _worker(source, config)
        threading.Thread(target=worker.run, name="kelly-worker", daemon=True).start()
        source.start()
        total = max(1, source.total_frames or 1)
        parts: list[Any] = []
        while True:
            if source.error is not None:
                raise source.error
            if not ticks.wait(0.1, 0.0005):
                continue
            parts.append(ticks.pop())
            if progress is not None:
                progress(min(1.0, float(parts[-1]["frame"][-1]) / total))
            if parts[-1]["end"][-1]:
                break
        heard = np.concatenate(parts)
    finally:
        source.stop()
    kept = heard[heard["frame"] <= max(source.sound_frames, int(heard["frame"][0]))]
    return _track(kept, source.sample_rate_hz, sources)


def _worker(source: FileSource, config: Config) -> tuple[Worker, Ring, dict[str, str]]:
    """The listening half of a session."""
    extractor, tracker = hearing(config, source)
    processor = nets(config)
    slots = {name: processor.slot(name) for name in NET_NAMES}
    ticks = Ring(dtype("tick"), TICKS)
    worker = Worker(
        source.capture,
        extractor,
        tracker,
        {name: slot.network.clone() for name, slot in slots.items() if slot.network is not None},
        ticks,
        Ring(dtype("command"), 16),
        Ring(receipt_dtype(), 16),
        enabled=[name for name, slot in slots.items() if slot.enabled],
        personal=config.personal.rows,
    )
    heard = ("emotionrecognizer", "harmonypredictor")
    return worker, ticks, {name: slots[name].source for name in heard}


def _track(ticks: Any, rate_hz: float, sources: dict[str, str]) -> Track:
    keys = tuple(_key(tick, short=True) for tick in ticks)
    trusted = ticks["tempo_bpm"][(ticks["locked"] == 1) & (ticks["tempo_bpm"] > 0)]
    return Track(
        times_s=ticks["frame"] / rate_hz,
        features=np.ascontiguousarray(ticks["features"]),
        embedding=np.ascontiguousarray(ticks["embedding"]),
        key=_key(ticks[-1], short=False),
        keys=keys,
        tempo_bpm=round(float(np.median(trusted)), 2) if len(trusted) else 0.0,
        tempos_bpm=np.ascontiguousarray(ticks["tempo_bpm"]),
        beats_s=_beats(ticks, rate_hz),
        chords=tuple(_chord(tick) for tick in ticks),
        playing=ticks["playing"] == 1,
        sources=sources,
    )


def _beats(ticks: Any, rate_hz: float) -> NDArray[np.float64]:
    """Times of the grid's beats; where one hop passed several, they lie a period apart."""
    frames: list[float] = []
    before = -1
    for tick in ticks:
        count = int(tick["beat_count"])
        if count < 0 or tick["beat_frame"] < 0:
            continue
        missed = range(min(count - before, 8) - 1, -1, -1) if before >= 0 else range(1)
        frames += [float(tick["beat_frame"]) - late * float(tick["beat_frames"]) for late in missed] if count > before else []
        before = max(before, count)
    times = np.maximum.accumulate(np.array(frames, np.float64) / rate_hz) if frames else np.zeros(0)
    return times[times >= 0]


def _key(tick: Any, short: bool) -> str:
    tonic, mode = int(tick["key_tonic"]), int(tick["key_mode"])
    if tonic < 0 or mode == 0:
        return ""
    key = Key(tonic, mode)
    return key.short if short else str(key)


def _chord(tick: Any) -> str:
    root, quality = int(tick["chord_root"]), int(tick["chord_quality"])
    if root < 0 or not tick["playing"]:
        return ""
    tonic, mode = int(tick["key_tonic"]), int(tick["key_mode"])
    return Chord(root, quality).symbol(Key(tonic, mode) if tonic >= 0 and mode else None)
