"""Analysis records made by hand: what the front end would say of a steady player."""

import numpy as np

from kelly._rt.layout import dtype

RATE = 48_000
HOP = RATE // 100
POP = ((0, 0), (9, 1), (5, 0), (7, 0))  # C Am F G
TRIADS = {0: (0, 4, 7), 1: (0, 3, 7), 2: (0, 4, 7, 10), 4: (0, 3, 6)}


def silence(seconds, rate=RATE, level_db=-120.0, start=0):
    """Records of a quiet room."""
    n = round(seconds * 100)
    records = np.zeros(n, dtype("analysis"))
    records["frame"] = (start + 1 + np.arange(n)) * rate // 100
    records["onset_frame"] = -1
    records["level_db"] = level_db
    return records


def played(onsets_s, seconds, chord_at=None, rate=RATE, level_db=-20.0, strengths=None):
    """Records of notes that begin at ``onsets_s`` and ring on.

    chord_at  function of time in seconds -> (root, quality), or None for an even chroma
    """
    records = silence(seconds, rate)
    times = records["frame"] / rate
    first = min(onsets_s, default=seconds)
    records["level_db"] = np.where(times >= first, level_db, -120.0)
    for i, onset in enumerate(sorted(onsets_s)):
        hop = int(np.searchsorted(times, onset, side="left")) + 1  # declared one hop after the attack
        if hop >= len(records):
            continue
        strength = 1.0 if strengths is None else strengths[i]
        records["flux"][hop - 1 : hop + 2] += strength * np.array([0.5, 1.0, 0.4], "f4")[: len(records) - hop + 1]
        records["onset"][hop] = strength
        records["onset_frame"][hop:] = round(onset * rate)
    for i, time in enumerate(times):
        if time < first:
            continue
        if chord_at is None:
            records["chroma"][i] = 1.0
            continue
        root, quality = chord_at(time)
        for tone in TRIADS[quality]:
            records["chroma"][i][(root + tone) % 12] = 1.0
        records["chroma"][i] += 0.01
        records["bass_chroma"][i][root] = 0.25  # a note at 160 Hz
    return records


def beats(ticks):
    """Frames of the beats of a run, each as first announced."""
    known = ticks[ticks["beat_count"] >= 0]
    _, first = np.unique(known["beat_count"], return_index=True)
    return known["beat_frame"][first]


def bits(records):
    """What records hold, to the last bit, without what lies unused between them."""
    return {name: records[name].tobytes() for name in records.dtype.names}


def bars_of(chords, bpm, start_s=0.5, beats_per_bar=4):
    """Time -> the chord of that bar."""
    return lambda time: chords[int((time - start_s) * bpm / 60.0 // beats_per_bar) % len(chords)]


def chord_hits(ticks, chords, beats_per_bar=4):
    """Per beat: is the chord that was decided for it the one played?"""
    known = ticks[(ticks["beat_count"] >= 0) & (ticks["chord_root"] >= 0)]
    last = {tick["chord_beat"]: (tick["chord_root"], tick["chord_quality"]) for tick in known}
    return {beat: chord == chords[beat // beats_per_bar % len(chords)] for beat, chord in last.items()}
