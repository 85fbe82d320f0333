"""Small pieces with a known truth, rendered with fluidsynth: what the tracker is judged on.

Timing and velocities are those of a person (8 ms, 10 velocity steps, seeded), the truth is the
metronome the person plays to.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile

from kelly.music.chord import Chord, parse_progression

RATE = 48_000
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
LEAD_S = 0.5
JITTER_S = 0.008


@dataclass(frozen=True)
class Piece:
    """A progression in a style.

    style  block, pop, arpeggio, strum, pads or band
    shift  semitones up from C (or from A in minor)
    sway   the beat grows and shrinks by this share over 48 beats, as that of somebody without a click
    """

    style: str
    progression: str
    bpm: float
    tonic: int
    mode: int
    shift: int = 0
    seconds: float = 40.0
    sway: float = 0.0
    seed: int = 0

    @property
    def bars(self) -> tuple[tuple[Chord, ...], ...]:
        return tuple(
            tuple(Chord((chord.root + self.shift) % 12, chord.quality) for chord in bar)
            for bar in parse_progression(self.progression)
        )

    @property
    def key(self) -> tuple[int, int]:
        return (self.tonic + self.shift) % 12, self.mode

    @property
    def n_bars(self) -> int:
        return int(self.seconds * self.bpm / 240.0)

    def time_s(self, beat: float | np.ndarray) -> float | np.ndarray:
        angle = 2.0 * np.pi / 48.0
        return LEAD_S + (beat + self.sway / angle * (1.0 - np.cos(angle * beat))) * 60.0 / self.bpm

    def beats_s(self) -> np.ndarray:
        return self.time_s(np.arange(4 * self.n_bars))

    def chord_at(self, beat: int) -> Chord:
        bar = self.bars[beat // 4 % len(self.bars)]
        return bar[beat % 4 * len(bar) // 4]

    def __str__(self) -> str:
        return f"{self.style}-{self.bpm:g}-{self.tonic}{'M' if self.mode > 0 else 'm'}{self.shift}{'~' if self.sway else ''}"


def _close(chord: Chord, low: int) -> list[int]:
    """The chord's tones, each at its first pitch from ``low`` up."""
    return sorted(low + (tone - low) % 12 for tone in chord.tones)


def notes(piece: Piece) -> list[tuple[float, float, int, int, int]]:
    """(beat, length in beats, channel, pitch, velocity) of a piece."""
    made: list[tuple[float, float, int, int, int]] = []
    random = np.random.default_rng(piece.seed)
    melody = 72
    for beat in range(4 * piece.n_bars):
        chord, place = piece.chord_at(beat), beat % 4
        bass = 36 + (chord.root - 36) % 12
        fresh = place == 0 or chord != piece.chord_at(beat - 1)
        voices = _close(chord, 57)
        if piece.style == "block":
            made += [(beat, 0.95, 0, pitch, 76 if place else 86) for pitch in [bass + 12, *voices]]
        elif piece.style == "pop":
            made += [(beat, 0.9, 0, pitch, 72) for pitch in voices]
            if fresh:
                made.append((beat, 1.9, 0, bass, 84))
            made.append((beat + 0.5, 0.4, 0, voices[-1], 56))
        elif piece.style == "arpeggio":
            order = [bass + 12, voices[0], voices[1 % len(voices)], voices[-1]]
            made += [(beat + i / 2, 1.2, 1, order[(place * 2 + i) % 4], 74 - 10 * i) for i in range(2)]
        elif piece.style == "strum":
            for i, velocity in enumerate((84, 58)):
                made += [
                    (beat + i / 2 + 0.012 * j, 0.45, 1, pitch, velocity) for j, pitch in enumerate([bass + 12, *voices])
                ]
        elif piece.style == "pads":
            if fresh:
                made += [(beat, 3.9, 2, pitch, 70) for pitch in voices] + [(beat, 3.9, 3, bass, 80)]
            made.append((beat, 0.9, 3, bass + (12 if place % 2 else 0), 70))
        elif piece.style == "band":
            made += [(beat, 0.45, 9, 36 if place % 2 == 0 else 38, 100)]
            made += [(beat + i / 2, 0.2, 9, 42, 70 - 15 * i) for i in range(2)]
            made += [(beat + i / 2, 0.45, 3, bass, 88 - 8 * i) for i in range(2)]
            if place in (0, 2):
                made += [(beat, 1.8, 0, pitch, 66) for pitch in voices]
            for i in range(2):
                if random.random() < 0.6:
                    tones = [
                        pitch
                        for pitch in range(melody - 5, melody + 6)
                        if pitch % 12 in chord.tones and 62 <= pitch <= 84
                    ]
                    melody = int(random.choice(tones))
                    made.append((beat + i / 2, 0.5, 4, melody, 84))
        else:
            raise ValueError(piece.style)
    return made


def write_midi(piece: Piece, path: Path) -> None:
    """The performance as a MIDI file: programs piano, nylon guitar, strings, bass, flute."""
    random = np.random.default_rng(piece.seed + 1)
    shifts: dict[float, float] = {}
    messages: list[tuple[float, int, mido.Message]] = []
    for beat, length, channel, pitch, velocity in notes(piece):
        if beat not in shifts:
            shifts[beat] = float(np.clip(random.normal(0, JITTER_S), -0.02, 0.02))
        start = piece.time_s(beat) + shifts[beat]
        loud = int(np.clip(velocity + random.normal(0, 5), 1, 127))
        messages.append((start, 1, mido.Message("note_on", channel=channel, note=pitch, velocity=loud)))
        messages.append((start + length * 60.0 / piece.bpm, 0, mido.Message("note_off", channel=channel, note=pitch)))
    track = mido.MidiTrack()
    for channel, program in enumerate((0, 24, 48, 33, 73)):
        track.append(mido.Message("program_change", channel=channel, program=program))
    now = 0
    for time, _, message in sorted(messages, key=lambda row: row[:2]):
        tick = round(time * 960)  # 480 per beat at 120 bpm
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(path)


def render(piece: Piece, folder: Path) -> np.ndarray:
    """Mono float32 audio of a piece at RATE."""
    midi, wav = folder / f"{piece}.mid", folder / f"{piece}.wav"
    write_midi(piece, midi)
    program = shutil.which("fluidsynth")
    assert program, "fluidsynth is missing; install fluidsynth and fluid-soundfont-gm"
    command = [program, "-ni", "-q", "-F", str(wav), "-r", str(RATE), "-g", "0.6", str(SOUNDFONT), str(midi)]
    subprocess.run(command, check=True, capture_output=True)
    samples, rate = soundfile.read(wav, dtype="float32")
    assert rate == RATE
    return np.ascontiguousarray(samples.mean(axis=1)) if samples.ndim == 2 else samples


POP = "C | G | Am | F"
PIECES = (
    Piece("block", POP, 100, 0, 1, 2),
    Piece("block", "Am | Dm | E | Am", 84, 9, -1, 3),
    Piece("block", "C | Am | F | G", 132, 0, 1, 7),
    Piece("pop", "C | Am | Dm | G7", 92, 0, 1, 5),
    Piece("pop", "C G | Am Em | F C | F G", 76, 0, 1, 10),
    Piece("pop", "Am | F | C | G", 118, 9, -1, 4),
    Piece("arpeggio", POP, 110, 0, 1, 9),
    Piece("arpeggio", "Am | Am | Dm | Dm | Am | E7 | Am | E7", 72, 9, -1, 0),
    Piece("arpeggio", "C | F | Am | G", 96, 0, 1, 1),
    Piece("strum", "C | F | G | C", 124, 0, 1, 4),
    Piece("strum", "Am | G | F | E", 104, 9, -1, 7),
    Piece("pads", "C | Em | F | G", 88, 0, 1, 3),
    Piece("band", POP, 120, 0, 1, 0),
    Piece("band", "C | C7 | F | C | G7 | F | C | G7", 140, 0, 1, 8),
    Piece("band", "Am | F | C | G", 98, 9, -1, 2),
    Piece("band", "Am | Dm | G | C | F | Dm | E7 | Am", 160, 9, -1, 5),
    Piece("band", "C | Am | F | G", 66, 0, 1, 6),
)

SWAYING = tuple(
    Piece(style, POP, bpm, 0, 1, shift, sway=0.06)
    for style, bpm, shift in (("pop", 100, 2), ("block", 112, 7), ("arpeggio", 96, 4), ("band", 126, 0))
)
