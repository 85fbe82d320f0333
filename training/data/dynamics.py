"""What the dynamics net is shown: one hand or track is the player, the other is kelly, note by note.

Inputs are what is known when kelly plans the note: the player's past, the place in bar and phrase, the voice's note
before; never the note's own velocity.  Answers undo what the generator does with the net's output
(``kelly/generate/dynamics.py``): velocity = 127 mean + 32 accent x weight + 24 arch + 48 (crescendo - 1/2) x position.
What a set cannot tell has mask 0: no beats, no accent; no chord, no roll; no pedal in the file, no pedal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kelly._rt.contract import DYNAMICS_IN, DYNAMICS_OUT
from kelly.errors import DataError
from kelly.music.chord import Chord

Array = NDArray[np.float32]
Notes = NDArray[np.void]

AHEAD_S = 0.1  # planned so long before it sounds: what the player does later is not known
MEZZO_FORTE, RANGE_DB = 76.0, 48.0  # velocity of level .5, and the span of the level 0..1, as in the tracker
FAST_S, SLOW_S, PEAK_S, DENSITY_S = 0.1, 3.0, 2.0, 4.0
MEMORY_S, GATE_HOLD_S = 12.0, 0.25
CHORD_S = 0.035  # onsets nearer than this to the one before are one chord
PHRASE_BEATS, PHRASE_S = 16, 8.0  # what a shape is fitted over; seconds where nobody marked beats
FEWEST = 6  # notes in a phrase from which a shape can be told
STIFFNESS = 2.0  # of the fit, in notes: few notes tell little
N_IN, N_OUT = DYNAMICS_IN.size, DYNAMICS_OUT.size
AT = {field.name: field.start for field in DYNAMICS_IN.fields}
SAYS = {field.name: field.start for field in DYNAMICS_OUT.fields}
MELODY_VOICE, BASS_VOICE, INNER_VOICE = range(3)
MAX_OFFSET_S, MAX_JITTER_S, MAX_ROLL_S, MAX_VELOCITY_JITTER = 0.04, 0.02, 0.06, 12.0


@dataclass(frozen=True, slots=True)
class Duet:
    """Two hands of one performance.

    player, kelly  NOTE records by onset; kelly's are the examples
    beats          float64 (n, 2) seconds and downbeat flag, or None where nobody marked them
    moods          float32 (m, 4) valence, arousal, tension, intensity at ``moods_s``; (1, 4) for all of it
    moods_s        float64 (m,)
    voice          of all of kelly's notes, or None: the highest is melody, the lowest bass, the rest inner
    chords         spans (start_s, end_s, Chord or None); empty: nobody knows which notes are chord tones
    pedal_s        float64 (n, 2) time and value of CC64; empty: the file tells nothing of a pedal
    on_grid        whether the performance was played to the beats as to a click, so that push and jitter mean something
    """

    player: Notes
    kelly: Notes
    beats: NDArray[np.float64] | None
    moods: Array
    moods_s: NDArray[np.float64]
    voice: int | None = None
    chords: tuple[tuple[float, float, Chord | None], ...] = ()
    pedal_s: NDArray[np.float64] | None = None
    on_grid: bool = False


def rows(duet: Duet, told: tuple[str, ...] = ()) -> Array:
    """(N, 32 + 16 + 16): input, answers, mask, of each of kelly's notes.

    told    answers that the set can teach; the others are masked; none: all that the notes tell
    raises  DataError where one of the two has hardly a note
    """
    if len(duet.player) < FEWEST or len(duet.kelly) < FEWEST:
        raise DataError(f"has {len(duet.player)} notes for the player and {len(duet.kelly)} for kelly; at least {FEWEST} each are needed")
    times = duet.kelly["onset_s"].astype(float)
    grid = Grid(times, duet.beats)
    chord, size, place = chords_struck(duet.kelly)
    out = np.zeros((len(times), N_IN + 2 * N_OUT), np.float32)
    _mood(out, duet, times)
    _player(out, duet.player, times)
    _place(out, grid)
    voices = voice_of(duet.kelly, place, size) if duet.voice is None else np.full(len(times), duet.voice)
    _voice(out, duet, voices, chord, grid)
    _shape(out, duet.kelly["velocity"].astype(float), grid)
    _touch(out, duet, chord, size, grid)
    mask = out[:, N_IN + N_OUT :]
    if told:
        for name, index in SAYS.items():
            if name not in told:
                mask[:, index] = 0
    for field in DYNAMICS_OUT.fields:
        if field.teacher == "rule":
            mask[:, field.start : field.stop] = 0
    out[:, N_IN : N_IN + N_OUT] *= mask
    return out


class Grid:
    """Where each note lies between the beats; phrases are four bars, or seconds where nobody marked beats.

    beat      float64 (N,) beats since the first downbeat; without marks seconds
    phrase    int (N,)
    position  float64 (N,) 0..1 within its phrase
    """

    def __init__(self, times: NDArray[np.floating], marks: NDArray[np.floating] | None) -> None:
        self.marked = marks is not None
        if marks is None:
            self.beat = times - times[0]
            self.phrase, self.position = np.floor(self.beat / PHRASE_S).astype(int), self.beat / PHRASE_S % 1
            return
        seconds, first = marks[:, 0], int(np.argmax(marks[:, 1] > 0))
        numbers = np.arange(len(marks)) - first
        last = max(1e-3, seconds[-1] - seconds[-2])
        self.beat = np.interp(times, seconds, numbers) + np.maximum(0, times - seconds[-1]) / last
        index = np.clip(np.searchsorted(seconds, times, side="right") - 1, 0, len(seconds) - 2)
        self.bpm = 60 / np.maximum(np.diff(seconds)[index], 0.1)
        bars = np.maximum.accumulate(np.where(marks[:, 1] > 0, numbers, -(10**6)))
        step = np.rint(4 * self.beat) / 4
        nearest = np.clip(np.rint(step).astype(int) + first, 0, len(marks) - 1)
        before = np.clip(np.floor(step + 1e-6).astype(int) + first, 0, len(marks) - 1)
        self.in_bar = np.where(bars[before] > -(10**6), step - bars[before], step % 4)
        downs = numbers[marks[:, 1] > 0]
        self.bar = float(np.median(np.diff(downs))) if len(downs) > 1 else 4.0
        self.step, self.nearest = step, nearest
        self.phrase = np.floor(step / PHRASE_BEATS).astype(int)
        self.position = step % PHRASE_BEATS / PHRASE_BEATS
        beat_s = 60 / self.bpm
        self.offset_s = (self.beat - step) * beat_s

    @property
    def weight(self) -> NDArray[np.float64]:
        """1 on the downbeat, .75 in the middle of the bar, .5 on a beat, .25 on an off-eighth, 0 between."""
        part = np.rint(4 * self.in_bar).astype(int)
        middle = (self.in_bar == self.bar / 2) & (self.bar % 2 == 0)
        return np.select([part == 0, middle, part % 4 == 0, part % 2 == 0], [1.0, 0.75, 0.5, 0.25], 0.0)


def chords_struck(notes: Notes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Per note: number of its chord, notes in it, place from the bottom."""
    onsets = notes["onset_s"]
    chord = np.concatenate([[0], np.cumsum(np.diff(onsets) > CHORD_S)])
    size = np.bincount(chord)[chord]
    order = np.lexsort((notes["pitch"], chord))
    starts = np.concatenate([[0], np.cumsum(np.bincount(chord))[:-1]])
    place = np.empty(len(notes), np.int64)
    place[order] = np.arange(len(notes)) - starts[chord[order]]
    return chord, size, place


def voice_of(notes: Notes, place: NDArray[np.integer], size: NDArray[np.integer]) -> NDArray[np.int64]:
    """A hand that lies low is bass and chords above it, one that lies high a melody over chords."""
    low = float(np.median(notes["pitch"])) < 58
    edge = place == 0 if low else place == size - 1
    return np.where(edge, BASS_VOICE if low else MELODY_VOICE, INNER_VOICE)


def level_of(velocity: NDArray[np.floating]) -> NDArray[np.float64]:
    """A player's level as the tracker says it: 0..1, .5 = mezzo-forte.

    source  velocity to amplitude squared, as General MIDI recommends: 40 log10 of the ratio
    """
    return np.clip(0.5 + 40 * np.log10(np.maximum(velocity, 1) / MEZZO_FORTE) / RANGE_DB, 0, 1)


def _mood(out: Array, duet: Duet, times: NDArray[np.floating]) -> None:
    which = np.clip(np.searchsorted(duet.moods_s, times - AHEAD_S, side="right") - 1, 0, len(duet.moods) - 1)
    out[:, AT["valence"] : AT["valence"] + 4] = duet.moods[which]


def _player(out: Array, player: Notes, times: NDArray[np.floating]) -> None:
    """What the player did until the note was planned: the levels that the tracker would have, from velocities."""
    onset, end, level = player["onset_s"].astype(float), player["end_s"].astype(float), level_of(player["velocity"].astype(float))
    ends = np.maximum.accumulate(end)
    for k, time in enumerate(times):
        row, now = out[k], time - AHEAD_S
        low, high = (int(place) for place in np.searchsorted(onset, (now - MEMORY_S, now), side="right"))
        silent_s = now - ends[high - 1] if high else np.inf
        row[AT["silence"]] = np.clip(silent_s / 4, 0, 1)
        if low == high:
            continue
        since, loud = now - onset[low:high], level[low:high]
        weight = np.exp(-since / SLOW_S)
        slow = float(weight @ loud / weight.sum())
        fast = float(loud[since <= max(FAST_S, since[-1])].max()) if silent_s < GATE_HOLD_S else 0.0
        row[AT["level_fast"]], row[AT["level_slow"]], row[AT["level_trend"]] = fast, slow, fast - slow
        row[AT["level_peak"]] = loud[since < PEAK_S].max(initial=fast)
        row[AT["onset_strength"]] = player["velocity"][high - 1] / 127 if since[-1] < 0.05 else 0
        row[AT["density"]] = min(1, (since < DENSITY_S).sum() / min(DENSITY_S, max(1.0, now - onset[0])) / 8)
        last = slice(max(low, high - 9), high)
        gaps = np.diff(onset[last])
        apart = gaps > CHORD_S
        if apart.any():
            row[AT["player_gate"]] = np.minimum(1, (end[last] - onset[last])[:-1][apart] / gaps[apart]).mean()


def _place(out: Array, grid: Grid) -> None:
    if not grid.marked:
        return
    n = np.arange(len(out))
    out[n, AT["beat_in_bar"] + np.clip(np.floor(grid.in_bar + 1e-6), 0, 3).astype(int)] = 1
    for name, angle in (("bar", 2 * np.pi * grid.in_bar / grid.bar), ("phrase", 2 * np.pi * grid.position)):
        out[:, AT[f"{name}_sin"]], out[:, AT[f"{name}_cos"]] = np.sin(angle), np.cos(angle)
    out[:, AT["log2_tempo"]] = np.log2(np.clip(grid.bpm, 20, 400) / 120)
    out[:, AT["beat_confidence"]] = 1
    out[:, AT["metrical_weight"]] = grid.weight


def _voice(out: Array, duet: Duet, voices: NDArray[np.integer], chord: NDArray[np.integer], grid: Grid) -> None:
    """Pitch, and the voice's note before: of another onset, as the generator remembers a chord by its top."""
    notes = duet.kelly
    pitch, velocity = notes["pitch"].astype(float), notes["velocity"] / 127
    out[:, AT["relative_pitch"]] = np.clip((pitch - 60) / 24, -1, 1)
    out[np.arange(len(out)), AT["voice"] + voices] = 1
    starts = np.searchsorted(chord, chord)  # of the note's chord
    top = np.zeros(chord[-1] + 1, int)
    np.maximum.at(top, chord, np.arange(len(chord)))
    has = chord > 0
    before = top[np.maximum(chord - 1, 0)]
    out[:, AT["interval"]] = np.where(has, np.clip((pitch - pitch[before]) / 12, -1, 1), 0)
    out[:, AT["previous_velocity"]] = np.where(has, velocity[before], 0)
    since = grid.beat[starts] - grid.beat[before]
    if not grid.marked:
        since = since * 2  # seconds; as if at 120
    out[:, AT["since_note"]] = np.where(has, np.clip(since / 4, 0, 1), 1)
    if duet.chords:
        begins = [span[0] for span in duet.chords]
        for k, time in enumerate(notes["onset_s"]):
            _, end, sounding = duet.chords[max(0, int(np.searchsorted(begins, time + 0.02, side="right")) - 1)]
            out[k, AT["chord_tone"]] = sounding is not None and time < end and int(pitch[k]) % 12 in sounding.tones


def _shape(out: Array, velocity: NDArray[np.floating], grid: Grid) -> None:
    """Accent, arch and crescendo fitted over each phrase; the rest of a velocity is its mean, its spread the jitter."""
    answers, mask = out[:, N_IN : N_IN + N_OUT], out[:, N_IN + N_OUT :]
    base = velocity.copy()
    for phrase in np.unique(grid.phrase):
        here = np.flatnonzero(grid.phrase == phrase)
        v, p = velocity[here], grid.position[here]
        answers[here, SAYS["velocity_range"]] = min(1, v.std() / 127)
        if len(here) >= FEWEST:
            mask[here, SAYS["velocity_range"]] = 1
        if not grid.marked or len(here) < FEWEST:
            continue
        basis = np.stack([32 * grid.weight[here], 24 * (0.5 - 0.5 * np.cos(2 * np.pi * p)), 48 * p], axis=1) / 127
        told = basis - basis.mean(0)
        spread = (told**2).sum(0).max() / len(here)
        fit = np.linalg.solve(told.T @ told + STIFFNESS * spread * np.eye(3), told.T @ ((v - v.mean()) / 127))
        fit = np.clip(fit, (0, 0, -0.5), (1, 1, 0.5))
        base[here] = v - 127 * basis @ fit
        for name, value in zip(("accent", "phrase_arch", "crescendo"), (fit[0], fit[1], fit[2] + 0.5), strict=True):
            answers[here, SAYS[name]] = value
            mask[here, SAYS[name]] = 1
    answers[:, SAYS["velocity"]] = np.clip(base / 127, 0, 1)
    mask[:, SAYS["velocity"]] = 1
    for phrase in np.unique(grid.phrase):
        here = np.flatnonzero(grid.phrase == phrase)
        if len(here) >= FEWEST:  # what a note differs from the mean of its neighbours, which no input tells
            smooth = np.convolve(np.pad(base[here], 2, mode="edge"), np.ones(5) / 5, "valid")
            answers[here, SAYS["velocity_jitter"]] = min(1, float((base[here] - smooth).std()) / MAX_VELOCITY_JITTER)
            mask[here, SAYS["velocity_jitter"]] = 1


def _touch(out: Array, duet: Duet, chord: NDArray[np.integer], size: NDArray[np.integer], grid: Grid) -> None:
    """Gate, roll, pedal, and against a click push and jitter."""
    answers, mask, notes = out[:, N_IN : N_IN + N_OUT], out[:, N_IN + N_OUT :], duet.kelly
    onset, end = notes["onset_s"].astype(float), notes["end_s"].astype(float)

    def tell(name: str, where: NDArray[np.bool_], value: NDArray[np.floating]) -> None:
        answers[where, SAYS[name]] = np.clip(value[where], 0, 1)
        mask[where, SAYS[name]] = 1

    firsts = np.searchsorted(chord, np.arange(chord[-1] + 2))[: chord[-1] + 1]
    begin = onset[firsts]
    following = np.append(begin[1:], np.inf)[chord]
    gap = following - onset
    tell("gate", gap < 2.0, np.where(gap < 2.0, ((end - onset) / np.maximum(gap, 1e-3) - 0.2) / 0.9, 0))
    lasts = np.append(firsts[1:], len(onset)) - 1
    roll = (onset[lasts] - begin)[chord]
    tell("roll", size > 1, roll / MAX_ROLL_S)
    if duet.pedal_s is not None and len(duet.pedal_s):
        index = np.searchsorted(duet.pedal_s[:, 0], onset + 0.06, side="right") - 1
        tell("pedal", np.ones(len(onset), bool), np.where(index >= 0, duet.pedal_s[np.maximum(index, 0), 1] >= 64, False).astype(float))
    if duet.on_grid and grid.marked:
        on_time = np.abs(grid.in_bar * 2 % 1) < 1e-6  # what swings between the eighths is not late
        for phrase in np.unique(grid.phrase):
            here = (grid.phrase == phrase) & on_time
            if here.sum() >= FEWEST:
                within = grid.phrase == phrase
                tell("push", within, np.full(len(onset), 0.5 + grid.offset_s[here].mean() / (2 * MAX_OFFSET_S)))
                tell("jitter", within, np.full(len(onset), grid.offset_s[here].std() / MAX_JITTER_S))
