"""What the melody net is shown: the tune of a score, one eighth after the other; without beats, one note after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import EMBEDDING, MELODY_IN, N_MOOD
from kelly.errors import DataError
from kelly.music.chord import Chord
from training.data.dynamics import CHORD_S
from training.data.score import DRUMS, Score
from training.data.symbols import chroma, key_of, mood_at, pitched, weights_of

HOLD, REST = 0, 1
MIDDLE_C = 60
PHRASE_BARS = 4  # nobody marks phrases in these sets; kelly's own are as long
NAMES = ("melody", "vocal", "voice", "lead", "singer", "soprano", "cantus", "superius")


def rows(score: Score, chords: list[tuple[float, float, Chord | None]], key: tuple[int, int] | None) -> NDArray[np.float32]:
    """(T, 64 + 2): input, class of the answer, weight 1.

    chords   spans in seconds; none: no chord tones are told
    key      (tonic, mode), or None: that of all notes
    raises   DataError for a score that has no melody or no constant bar
    """
    per_bar = score.meter[0] * 8 // score.meter[1]
    if score.changes or score.meter[0] * 8 % score.meter[1] or not per_bar:
        raise DataError(f"its bars are not of one length in eighths: {score.meter[0]}/{score.meter[1]}")
    notes, tune = pitched(score), melody_of(score)
    if len(tune) < 8:
        raise DataError(f"has a melody of {len(tune)} notes")
    tonic, mode = key or key_of(chroma(notes["pitch"], notes["end_beat"] - notes["onset_beat"]))
    shift = -tonic if tonic <= 6 else 12 - tonic
    onsets = np.rint(2 * tune["onset_beat"]).astype(int)
    start = onsets[0] // per_bar * per_bar
    n_steps = min(((onsets[-1] - start) // per_bar + 1) * per_bar, 8192)
    answer = np.full(n_steps, REST)
    for step, note in zip(onsets - start, tune, strict=True):
        end = min(n_steps, int(np.ceil(2 * note["end_beat"] - start - 0.25)))
        if step < n_steps:
            answer[step:end] = HOLD
            answer[step] = np.clip(note["pitch"] + shift, 2, 127)
    heard = chord_tones(score, chords, start, n_steps, tonic)
    out = np.zeros((n_steps, MELODY_IN.size + 2), np.float32)
    out[:, MELODY_IN.slice("chord_tones")] = heard
    at = {field.name: field.start for field in MELODY_IN.fields}
    last, before, since = -1, -1, 0
    for t in range(n_steps):
        place, phrase = (start + t) % per_bar, (start + t) % (PHRASE_BARS * per_bar)
        if phrase == 0:
            last = before = -1
        row = out[t]
        if t % per_bar == 0:
            mood = mood_at(notes, (start + t) / 2, mode)[:N_MOOD]
        row[:N_MOOD] = mood
        if last >= 0:
            row[at["previous_degree"] + last % 12] = 1
            row[at["since_onset"]] = min(since / 8, 1)
            row[at["interval"]] = np.clip((last - before) / 12, -1, 1) if before >= 0 else 0
        row[at["beat_cos"]] = 1 if (start + t) % 2 == 0 else -1
        row[at["bar_sin"]], row[at["bar_cos"]] = np.sin(2 * np.pi * place / per_bar), np.cos(2 * np.pi * place / per_bar)
        row[at["phrase_position"]] = phrase / (PHRASE_BARS * per_bar)
        row[at["phrase_end"]] = PHRASE_BARS * per_bar - phrase <= per_bar / 2
        since += 1
        if answer[t] >= 2:
            before, last, since = last, int(answer[t]), 1
    out[:, -2], out[:, -1] = answer, 1
    return out


def note_rows(score: Score, mood: tuple[float, float]) -> NDArray[np.float32]:
    """(N, 64 + 2) per note of the top voice of a performance without beats: what was before, its pitch, weight.

    What nobody knows is 0: chord tones, beat, bar, phrase, how long ago the note before began; holds and rests are not shown.
    mood    valence and arousal, of the whole; of the other moods the mode alone is told, by the notes' key
    raises  DataError for a performance with hardly a top voice
    """
    notes = pitched(score)
    voice = top_voice(notes)
    if len(voice) < 8:
        raise DataError(f"has a top voice of {len(voice)} notes")
    tonic, mode = key_of(weights_of(notes))
    answer = np.clip(voice["pitch"] + (-tonic if tonic <= 6 else 12 - tonic), 2, 127).astype(int)
    out = np.zeros((len(answer), MELODY_IN.size + 2), np.float32)
    for name, value in zip(("valence", "arousal", "mode"), (*mood, mode), strict=True):
        out[:, EMBEDDING[name].start] = value
    n = np.arange(1, len(answer))
    out[n, MELODY_IN["previous_degree"].start + answer[:-1] % 12] = 1
    out[2:, MELODY_IN["interval"].start] = np.clip(np.diff(answer[:-1]) / 12, -1, 1)
    out[:, -2], out[:, -1] = answer, 1
    return out


def top_voice(notes: NDArray[np.void]) -> NDArray[np.void]:
    """The highest of the notes that begin together, from middle C up, unless a higher one of the voice still sounds."""
    order = np.lexsort((-notes["pitch"], notes["onset_s"]))
    voice: list[int] = []
    for index in order[notes["pitch"][order] >= MIDDLE_C]:
        note, last = notes[index], notes[voice[-1]] if voice else None
        if last is not None and note["onset_s"] - last["onset_s"] <= CHORD_S:
            if note["pitch"] > last["pitch"]:
                voice[-1] = index
        elif last is None or note["pitch"] >= last["pitch"] or note["onset_s"] >= last["end_s"] - CHORD_S:
            voice.append(index)
    return notes[voice]


def melody_of(score: Score) -> NDArray[np.void]:
    """The melody's notes; one per eighth, by onset."""
    tune = score.notes[is_tune(score)]
    steps = np.rint(2 * tune["onset_beat"]).astype(int)
    order = np.lexsort((-tune["pitch"], steps))
    _, first = np.unique(steps[order], return_index=True)
    return tune[order[first]]


def is_tune(score: Score) -> NDArray[np.bool_]:
    """Which notes are of the track that is called the melody, else of the only one, else in the upper half."""
    pitch, track, played = score.notes["pitch"], score.notes["track"], score.notes["channel"] != DRUMS
    named = [index for index, name in enumerate(score.tracks) if any(word in name.casefold() for word in NAMES)]
    if named:
        return played & np.isin(track, named)
    return played & (True if len(score.tracks) == 1 and _alone(score) else pitch >= MIDDLE_C)


def _alone(score: Score) -> bool:
    """Whether hardly two notes begin together."""
    steps = np.rint(4 * score.notes["onset_beat"])
    return len(np.unique(steps)) > 0.9 * len(steps)


def chord_tones(score: Score, chords: list[tuple[float, float, Chord | None]], start: int, n_steps: int, tonic: int) -> NDArray[np.float32]:
    """(T, 12) tones of the chord that sounds at each eighth, above the tonic."""
    out = np.zeros((n_steps, 12), np.float32)
    if chords:
        knots, places = np.unique(score.notes["onset_beat"], return_index=True)
        times_s = np.interp((start + np.arange(n_steps) + 0.5) / 2, knots, score.notes["onset_s"][places])
        which = np.searchsorted([span[0] for span in chords], times_s, side="right") - 1
        for t, index in enumerate(which):
            if index >= 0 and times_s[t] < chords[index][1] and (chord := chords[index][2]) is not None:
                out[t, [(tone - tonic) % 12 for tone in chord.tones]] = 1
    return out
