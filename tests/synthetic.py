"""Ticks as a worker would write them, for a player that keeps a steady beat; no audio needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kelly._rt.contract import EMBEDDING, NETS
from kelly._rt.layout import dtype
from kelly._rt.stream.rules import Rule

TICK = dtype("tick")
C_AM_F_G = ((0, 0), (9, 1), (5, 0), (7, 0))


def engines(*names: str) -> dict[str, Rule]:
    """The labelled fallbacks of the nets that a conductor asks."""
    return {name: Rule(name) for name in names or ("melodytransformer", "dynamicsengine")}


def embedding(valence: float = 0.0, arousal: float = 0.0, tension: float = 0.0) -> np.ndarray:
    row = np.zeros(EMBEDDING.size, np.float32)
    row[:3] = valence, arousal, tension
    row[EMBEDDING["swing"].start] = -1.0  # even
    row[EMBEDDING["intensity"].start] = min(1.0, float(np.hypot(valence, arousal)))
    return row


def ticks(
    seconds: float,
    *,
    rate: int = 48000,
    tempo_bpm: float = 120.0,
    tempo_drift: float = 0.0,
    first_beat_s: float = 0.1,
    beats_per_bar: int = 4,
    ternary: bool = False,
    chords: Sequence[tuple[int, int]] = C_AM_F_G,
    tonic: int = 0,
    mode: int = 1,
    playing: Sequence[tuple[float, float]] | None = None,
    mood: tuple[float, float, float] = (0.2, 0.1, -0.1),
    level: float = 0.5,
    notes_per_s: float = 2.0,
    key_after_s: float = 1.0,
    lock_after_s: float = 2.0,
    key_confidence: float = 0.9,
) -> Iterator[np.void]:
    """One tick per 40 ms, the last with ``end`` set.

    tempo_drift  share by which each beat is longer than the one before
    chords       one per bar, (root, quality), repeated
    playing      spans in seconds in which the player plays; None = always
    """
    groove_rule = Rule("groovepredictor")
    mind = embedding(*mood)
    groove = groove_rule(mind)
    beats, period = [first_beat_s * rate], 60.0 * rate / tempo_bpm
    while beats[-1] < (seconds + 5) * rate:
        beats.append(beats[-1] + period * (1.0 + tempo_drift) ** len(beats))
    spans = [(0.0, seconds)] if playing is None else list(playing)
    started, silence_s = False, 0.0
    n_ticks = int(seconds / 0.04)
    for k in range(n_ticks):
        row = np.zeros((), TICK)
        frame = (k + 1) * rate * 4 // 100
        now_s = frame / rate
        sounding = any(a <= now_s < b for a, b in spans)
        started = started or sounding
        silence_s = 0.0 if sounding else silence_s + 0.04
        row["frame"], row["index"], row["playing"], row["silence_s"] = frame, k, sounding, silence_s
        row["beat_frame"] = row["beat_count"] = row["chord_root"] = row["key_tonic"] = -1
        row["beats_per_bar"], row["phrase_bars"], row["ternary"] = beats_per_bar, 4, ternary
        row["source"] = [2] * len(NETS)
        row["embedding"], row["groove"] = mind, groove
        row["level_fast"] = row["level_slow"] = row["level_peak"] = level if sounding else 0.0
        row["level_db"] = -20.0 if sounding else -120.0
        row["notes_per_s"] = notes_per_s if sounding else 0.0
        beat = int(np.searchsorted(beats, frame, side="right")) - 1
        if started and beat >= 0:
            length = beats[beat + 1] - beats[beat]
            row["beat_frame"], row["beat_count"], row["beat_frames"] = round(beats[beat]), beat, length
            row["beat_in_bar"] = beat % beats_per_bar
            row["tempo_bpm"] = 60.0 * rate / length
            position = beat + (frame - beats[beat]) / length
            phrase = 4 * beats_per_bar
            row["phrase_position"] = position % phrase / phrase
            decided = int(position + 0.5)  # the coming beat from half a beat before it
            root, quality = chords[decided // beats_per_bar % len(chords)]
            row["chord_root"], row["chord_quality"], row["chord_confidence"] = root, quality, 0.8
            row["chord_beat"] = decided // beats_per_bar * beats_per_bar
            row["chroma"][[root, (root + 4) % 12, (root + 7) % 12]] = 1 / 3
            row["locked"], row["beat_confidence"] = now_s >= lock_after_s, 0.9 if now_s >= lock_after_s else 0.2
        if started and now_s >= key_after_s:
            row["key_tonic"], row["key_mode"], row["key_confidence"] = tonic, mode, key_confidence
        row["end"] = k == n_ticks - 1
        yield row[()]


def notes_of(events: np.ndarray) -> list[tuple[int, int, int, int, int]]:
    """(channel 1..16, pitch, velocity, on frame, off frame) of every note; raises AssertionError when one hangs."""
    sounding: dict[tuple[int, int], tuple[int, int]] = {}
    notes = []
    for event in events:
        kind, channel = int(event["status"]) & 0xF0, (int(event["status"]) & 0x0F) + 1
        key = (channel, int(event["data1"]))
        if kind == 0x90:
            assert key not in sounding, f"struck again while sounding: {key}"
            sounding[key] = int(event["frame"]), int(event["data2"])
        elif kind == 0x80:
            assert key in sounding, f"released without sounding: {key}"
            on, velocity = sounding.pop(key)
            notes.append((*key, velocity, on, int(event["frame"])))
    assert not sounding, f"left hanging: {sorted(sounding)}"
    return sorted(notes, key=lambda note: (note[3], note[0], note[1]))


def conduct(conductor, stream) -> np.ndarray:
    """All events of a stream, with the release at its end."""
    batches = []
    for tick in stream:
        batch = conductor.consume(tick)
        assert all(int(frame) >= int(tick["frame"]) for frame in batch["frame"])
        batches.append(batch)
    batches.append(conductor.finish())
    return np.concatenate(batches)
