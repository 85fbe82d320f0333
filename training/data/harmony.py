"""What the harmony net is shown: annotated chords, one beat after the other, or one change after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import HARMONY_IN, HARMONY_OUT
from kelly.errors import DataError
from kelly.music.chord import DIM, MAJ, POWER, SUS4, Chord
from training.data.score import Score
from training.data.symbols import chroma, key_of, mood_at, pitched

HOLD, NO_CHORD, SUS4_V, POWER_I = (HARMONY_OUT[name].start for name in ("hold", "no_chord", "dominant_sus4", "tonic_power"))
PHRASE_BEATS = 16
FORGOTTEN_S = 24.0  # six time constants of the slower chroma
AT = {field.name: field.start for field in HARMONY_IN.fields}
Spans = list[tuple[float, float, Chord | None]]


def class_of(chord: Chord | None, tonic: int) -> int:
    """Index of HARMONY_OUT; other suspensions and powers count as major."""
    if chord is None:
        return NO_CHORD
    degree = (chord.root - tonic) % 12
    if chord.quality == SUS4 and degree == 7:
        return SUS4_V
    if chord.quality == POWER and degree == 0:
        return POWER_I
    return (chord.quality if chord.quality <= DIM else MAJ) * 12 + degree


def beat_rows(score: Score, beats: NDArray[np.floating], chords: Spans, key: tuple[int, int]) -> NDArray[np.float32]:
    """(T, 128 + 2) per annotated beat: input by what sounded until half a beat before, class, weight.

    score   its notes on these beats, of which the first downbeat is beat 0
    """
    tonic, mode = key
    notes, times = pitched(score), beats[:, 0]
    starts = np.array([span[0] for span in chords])
    first = int(np.argmax(beats[:, 1] > 0))
    longest = FORGOTTEN_S + float((notes["end_s"] - notes["onset_s"]).max(initial=0.0))
    last = int(np.searchsorted(times, notes["end_s"].max(initial=times[first]) - 1e-6))  # nobody is asked after the end
    answers = []
    for b in range(first, last):  # an annotated change is on a beat, give or take a little
        index = int(np.searchsorted(starts, times[b] + 0.12, side="right")) - 1
        answers.append(chords[index][2] if index >= 0 and times[b] < chords[index][1] else None)
    out = np.zeros((len(answers), HARMONY_IN.size + 2), np.float32)
    since_downbeat, state, changes = 0, Past(tonic), []
    for t, chord in enumerate(answers):
        b = first + t
        since_downbeat = 0 if beats[b, 1] > 0 else since_downbeat + 1
        now = times[b] - 0.5 * (times[b] - times[b - 1] if b else 0)
        row = out[t]
        row[:64] = mood_at(notes, t - 0.5, mode)
        row[AT["mode"]], row[AT["key_confidence"]] = mode, 1
        near = notes[slice(*np.searchsorted(notes["onset_s"], (now - longest, now)))]
        for name, span_s in (("chroma_2s", 2.0), ("chroma_8s", 8.0)):
            row[AT[name] : AT[name] + 12] = np.roll(chroma(near["pitch"], faded(near, now, span_s / 2)), -tonic)
        low, high = np.searchsorted(notes["onset_s"], (now - 2, now))
        row[AT["density"]] = min(1, (high - low) / 2 / 8)
        state.tell(row, t)
        row[AT["beat_in_bar"] + min(since_downbeat, 3)] = 1
        angle = 2 * np.pi * (t % PHRASE_BEATS) / PHRASE_BEATS
        row[AT["phrase_sin"]], row[AT["phrase_cos"]] = np.sin(angle), np.cos(angle)
        row[AT["harmonic_rhythm"]] = sum(t - change <= 8 for change in changes) / 8
        same = t > 0 and class_of(chord, tonic) == class_of(answers[t - 1], tonic)
        row[-2], row[-1] = HOLD if same else class_of(chord, tonic), 1
        if not same:
            changes.append(t)
            state.change(chord, t)
    return out


def faded(notes: NDArray[np.void], now: float, constant_s: float) -> NDArray[np.float64]:
    """(n,) how much each note weighs in a running mean at ``now``: the engine's chromas fade, they have no edge.

    constant_s  its time constant; what is so long ago weighs 1/e
    """
    end = np.minimum(notes["end_s"], now)
    return np.where(end > notes["onset_s"], np.exp((end - now) / constant_s) - np.exp((notes["onset_s"] - now) / constant_s), 0.0)


def change_rows(chords: Spans) -> NDArray[np.float32]:
    """(T, 128 + 2) per change of a song that is nothing but chords: what was before, class, weight; no beats, no sound.

    raises  DataError when there is nothing but silence
    """
    sounding = [(end - start, chord) for start, end, chord in chords if chord is not None]
    if not sounding:
        raise DataError("holds no chord")
    weights = np.zeros(12)
    for length, chord in sounding:
        weights[list(chord.tones)] += length
    tonic, mode = key_of(weights)
    merged = [chord for k, (_, _, chord) in enumerate(chords) if k == 0 or class_of(chord, tonic) != class_of(chords[k - 1][2], tonic)]
    out = np.zeros((len(merged), HARMONY_IN.size + 2), np.float32)
    state = Past(tonic)
    for t, chord in enumerate(merged):
        out[t, AT["mode"]] = mode
        state.tell(out[t], t)
        out[t, AT["chord_age"]] = 0
        out[t, -2], out[t, -1] = class_of(chord, tonic), 1
        state.change(chord, t)
    return out


class Past:
    """The two chords before."""

    def __init__(self, tonic: int) -> None:
        self.tonic, self.since = tonic, 0
        self.previous: Chord | None = None
        self.before: Chord | None = None

    def tell(self, row: NDArray[np.float32], t: int) -> None:
        if self.previous is not None:
            row[AT["previous_root"] + (self.previous.root - self.tonic) % 12] = 1
            row[AT["previous_quality"] + (self.previous.quality if self.previous.quality <= DIM else MAJ)] = 1
            row[AT["chord_age"]] = min(1, (t - self.since) / 8)
        if self.before is not None:
            row[AT["root_before"] + (self.before.root - self.tonic) % 12] = 1

    def change(self, chord: Chord | None, t: int) -> None:
        self.before, self.previous, self.since = self.previous, chord, t
