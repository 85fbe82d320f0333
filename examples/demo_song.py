"""Compose and render ``kelly/audio/demo.ogg``, the recording that kelly plays when no device is found.

G major, 100 beats per minute, 4/4, thirteen bars (31.2 s), written for this project: the loop
G | Em7 | Cadd9 | D three times, then a closing G.  The first round is quiet (electric piano, bass,
a soft guitar tune), the second brings light drums, the third is lively, the last chord is quiet again.

    python examples/demo_song.py [OUT.ogg] [--midi OUT.mid] [--soundfont FluidR3_GM.sf2]

needs   mido, soundfile and the program fluidsynth; the soundfont is FluidR3 GM by Frank Wen (MIT
        licence; Debian: fluid-soundfont-gm)
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import soundfile

TEMPO_BPM = 100
KEY = "G"
CHORDS = "G Em7 C D"  # one per bar; the C carries its ninth
PPQ = 480
BEATS_PER_BAR = 4
N_BARS = 13
SAMPLE_RATE_HZ = 48_000
TAIL_S = 0.6  # the last chord's release
DEFAULT_SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"

KEYS, GUITAR, BASS, DRUMS = range(4)
PARTS = (  # name, channel, program, pan
    ("Electric piano", 0, 4, 52),
    ("Guitar", 1, 26, 80),
    ("Bass", 2, 33, 64),
    ("Drums", 9, 0, 64),
)
KICK, SIDE_STICK, SNARE, CLOSED_HAT, OPEN_HAT = 36, 37, 38, 42, 46

VOICINGS = ((59, 62, 67), (59, 62, 64, 67), (60, 62, 64, 67), (57, 62, 66))  # close together, each a step from the last
ROOTS = (43, 40, 36, 38)
MELODY = (  # one row per bar: (pitch, beats), 0 rests
    ((71, 1.5), (69, 0.5), (67, 1), (74, 1)),
    ((71, 2), (67, 1), (69, 1)),
    ((76, 1.5), (74, 0.5), (72, 1), (71, 1)),
    ((69, 2.5), (0, 0.5), (62, 0.5), (66, 0.5)),
    ((67, 0.5), (71, 0.5), (74, 1), (76, 0.5), (74, 0.5), (71, 1)),
    ((67, 1), (71, 0.5), (74, 0.5), (76, 1), (74, 1)),
    ((76, 0.5), (79, 0.5), (76, 0.5), (74, 0.5), (72, 1), (76, 1)),
    ((74, 1.5), (72, 0.5), (71, 0.5), (69, 0.5), (66, 0.5), (69, 0.5)),
    ((79, 1), (74, 0.5), (71, 0.5), (74, 0.5), (76, 0.5), (79, 1)),
    ((78, 0.5), (79, 0.5), (83, 1), (79, 0.5), (76, 0.5), (74, 0.5), (71, 0.5)),
    ((72, 0.5), (76, 0.5), (79, 1), (81, 0.5), (79, 0.5), (76, 0.5), (72, 0.5)),
    ((74, 0.5), (78, 0.5), (81, 1), (79, 0.5), (78, 0.5), (76, 0.5), (78, 0.5)),
    ((79, 4),),
)


def loudness(bar: int) -> float:
    """0..1: quiet, growing, lively, and a quiet close."""
    return (0.30, 0.34, 0.38, 0.42, 0.55, 0.58, 0.62, 0.68, 0.85, 0.88, 0.92, 1.0, 0.35)[bar]


class Score:
    """Notes with a player's small unevenness, always the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.notes: list[tuple[float, float, int, int, int]] = []  # start and length in beats, part, pitch, velocity

    def add(self, part: int, start_beats: float, beats: float, pitch: int, velocity: float) -> None:
        start = max(0.0, start_beats + self.random.gauss(0.0, 0.006))  # 3.6 ms at this tempo
        self.notes.append((start, beats, part, pitch, round(min(127, max(1, velocity + self.random.gauss(0, 3))))))


def compose() -> Score:
    """The whole piece, part by part, bar by bar."""
    score = Score()
    for bar in range(N_BARS):
        start, level, chord = bar * BEATS_PER_BAR, loudness(bar), 0 if bar == N_BARS - 1 else bar % 4
        last, section = bar == N_BARS - 1, min(bar // 4, 2)
        play_keys(score, start, level, VOICINGS[chord], section, last)
        play_bass(score, start, level, ROOTS[chord], ROOTS[(bar + 1) % 4], section, last)
        play_drums(score, start, level, section, bar, last)
        position = float(start)
        for pitch, beats in MELODY[bar]:
            if pitch:
                score.add(GUITAR, position, beats * 0.92, pitch, 50 + 52 * level + (6 if position % 2 == 0 else 0))
            position += beats
    return score


def play_keys(score: Score, start: int, level: float, voicing: tuple[int, ...], section: int, last: bool) -> None:
    if last:
        strokes: tuple[tuple[float, float], ...] = ((0, 4),)
    elif section < 2:
        strokes = ((0, 0.95), (1, 0.9), (2, 0.95), (3, 0.9))
    else:
        strokes = ((0, 0.9), (1, 0.45), (1.5, 0.45), (2.5, 0.45), (3, 0.45), (3.5, 0.4))
    for offset, beats in strokes:
        for pitch in voicing:
            score.add(KEYS, start + offset, beats, pitch, 36 + 50 * level + (8 if offset == 0 else 0))


def play_bass(score: Score, start: int, level: float, root: int, following: int, section: int, last: bool) -> None:
    if last:
        strokes: tuple[tuple[float, float, int], ...] = ((0, 4, root),)
    elif section == 0:
        strokes = ((0, 1.9, root), (2, 1.8, root))
    elif section == 1:
        strokes = ((0, 1.4, root), (1.5, 0.45, root), (2, 1, root + 7), (3, 0.9, root))
    else:
        leading = following + (2 if following < root else -1)
        strokes = ((0, 0.9, root), (1, 0.45, root), (1.5, 0.45, root + 12), (2, 0.9, root + 7), (3, 0.45, root), (3.5, 0.4, leading))
    for offset, beats, pitch in strokes:
        score.add(BASS, start + offset, beats, pitch, 52 + 45 * level)


def play_drums(score: Score, start: int, level: float, section: int, bar: int, last: bool) -> None:
    if last:
        score.add(DRUMS, start, 0.2, KICK, 60)
        return
    for eighth in range(8):
        if section > 0 or eighth % 2 == 0:
            accent = 8 if eighth % 2 == 0 else -6
            hat = OPEN_HAT if section == 2 and eighth == 7 and bar % 4 == 3 else CLOSED_HAT
            score.add(DRUMS, start + eighth / 2, 0.2, hat, 22 + 42 * level + accent)
    if section == 0:
        return
    kicks = (0, 2) if section == 1 else (0, 1.5, 2)
    for offset in kicks:
        score.add(DRUMS, start + offset, 0.2, KICK, 45 + 45 * level)
    for offset in (1, 3):
        score.add(DRUMS, start + offset, 0.2, SIDE_STICK if section == 1 else SNARE, 36 + 40 * level)


def write_midi(score: Score, path: Path) -> None:
    """Type 1: a conductor track, then one track per part."""
    midi = mido.MidiFile(type=1, ticks_per_beat=PPQ)
    conductor = mido.MidiTrack()
    conductor.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO_BPM)))
    conductor.append(mido.MetaMessage("time_signature", numerator=BEATS_PER_BAR, denominator=4))
    conductor.append(mido.MetaMessage("key_signature", key=KEY))
    midi.tracks.append(conductor)
    for part, (name, channel, program, pan) in enumerate(PARTS):
        events: list[tuple[int, int, mido.Message]] = []
        for start, beats, owner, pitch, velocity in score.notes:
            if owner == part:
                on, off = round(start * PPQ), round((start + beats) * PPQ)
                events.append((on, 1, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
                events.append((off, 0, mido.Message("note_off", channel=channel, note=pitch)))
        track = mido.MidiTrack([
            mido.MetaMessage("track_name", name=name),
            mido.Message("program_change", channel=channel, program=program),
            mido.Message("control_change", channel=channel, control=10, value=pan),
        ])  # fmt: skip
        now = 0
        for tick, _, message in sorted(events, key=lambda event: event[:2]):
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(path)


def render(midi: Path, soundfont: str) -> np.ndarray:
    """Float32 (T, 2) from fluidsynth, peak at -3 dBFS, cut after the tail with a short fade."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "demo.wav"
        subprocess.run(
            ["fluidsynth", "-q", "-n", "-i", "-g", "0.6", "-R", "1", "-C", "0", "-r", str(SAMPLE_RATE_HZ), "-O", "s24", "-F", str(wav), soundfont, str(midi)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    samples = samples[: round((N_BARS * BEATS_PER_BAR * 60 / TEMPO_BPM + TAIL_S) * SAMPLE_RATE_HZ)]
    fade = round(TAIL_S * SAMPLE_RATE_HZ)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return samples * np.float32(10 ** (-3 / 20) / np.abs(samples).max())


def write_ogg(samples: np.ndarray, path: Path) -> None:
    """Written in pieces: libsndfile's Vorbis encoder overflows its stack on one long block."""
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, samples.shape[1], format="OGG", subtype="VORBIS") as ogg:
        for start in range(0, len(samples), 4096):
            ogg.write(samples[start : start + 4096])


def main() -> None:
    parser = argparse.ArgumentParser(description="compose and render kelly's demo recording")
    default = Path(__file__).resolve().parent.parent / "kelly" / "audio" / "demo.ogg"
    parser.add_argument("ogg", nargs="?", type=Path, default=default)
    parser.add_argument("--midi", type=Path, help="keep the score as a MIDI file")
    parser.add_argument("--soundfont", default=DEFAULT_SOUNDFONT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        midi = options.midi or Path(folder) / "demo.mid"
        write_midi(compose(), midi)
        samples = render(midi, options.soundfont)
    write_ogg(samples, options.ogg)
    print(f"{options.ogg}: {len(samples) / SAMPLE_RATE_HZ:.1f} s, {options.ogg.stat().st_size} bytes, {KEY} major, {TEMPO_BPM} bpm")


if __name__ == "__main__":
    main()
