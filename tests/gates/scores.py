"""Scores with a known truth and performances of them, for the listening gate.

A ``Score`` is notes in beats with its meter, key and chords; a ``Take`` is one performance of it: programs,
soundfont, tempo, drift, tuning, a bar of rest.  Own textures over progressions, Bach's chorales and fiddle tunes
from music21's corpus, alone and harmonised.  A person plays: 8 ms and 5 velocity steps of jitter, seeded.

The tuning set may be looked at while a constant is chosen; the held-out set has other programs, another
soundfont, other progressions, tunes and tempi, and is only ever measured.
"""

from __future__ import annotations

import shutil
import subprocess
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np

RATE = 48_000
FONTS = {
    "FluidR3": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "TimGM6mb": Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
}
LEAD_S = 0.5
JITTER_S = 0.008
DRUMS = 9

# A quality is the index in CHORD_QUALITIES: major, minor, dominant and minor seventh, diminished.
TONES = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 3, 6))
Chord = tuple[int, int]
Note = tuple[float, float, int, int, int]
"""Start and length in beats, voice, MIDI pitch, velocity."""


@dataclass(frozen=True)
class Score:
    """What is on the page.

    notes          (start, length in beats, voice, pitch, velocity); voice DRUMS is the drum channel
    n_beats        length; a beat is a quarter, in 6/8 a dotted quarter
    beats_per_bar  of those beats
    ternary        whether the beat has three eighths
    first_beat     place in the bar of beat 0; not 0 after a pickup
    key            (tonic, mode 1 or -1), or None where the page leaves it open
    chords         per beat (root, quality), None where no chord can be named; empty for a solo line
    loop_beats     length of the progression that returns; 0 for none
    """

    name: str
    notes: list[Note]
    n_beats: int
    beats_per_bar: int = 4
    ternary: bool = False
    first_beat: int = 0
    key: tuple[int, int] | None = None
    chords: list[Chord | None] = field(default_factory=list)
    loop_beats: int = 0


@dataclass(frozen=True)
class Take:
    """How it is played.

    programs    General MIDI program per voice, the last one for all further voices
    sway        the beat grows and shrinks by this share
    sway_beats  within so many beats
    ramp        the tempo has changed by this share, evenly, at the end
    cents       tuning
    rest_bar    bar in which nobody plays; -1 for none
    """

    score: Score
    bpm: float
    programs: tuple[int, ...]
    font: str = "FluidR3"
    sway: float = 0.0
    ramp: float = 0.0
    cents: int = 0
    rest_bar: int = -1
    sway_beats: int = 48

    @property
    def name(self) -> str:
        extra = f"~{self.sway:g}" * bool(self.sway) + f"in{self.sway_beats}" * (self.sway_beats != 48) + f"/{self.ramp:+g}" * bool(self.ramp)
        extra += f"{self.cents:+d}c" * bool(self.cents) + "-rest" * (self.rest_bar >= 0)
        return f"{self.score.name}@{self.bpm:g}{extra}.{self.programs[0]}.{self.font[0]}"

    def time_s(self, beat: float | np.ndarray) -> np.ndarray:
        beat = np.asarray(beat, float)
        angle = 2.0 * np.pi / self.sway_beats
        swayed = beat + self.sway / angle * (1.0 - np.cos(angle * beat))
        if self.ramp:  # tempo 1 + ramp * beat / n: time is the integral of its inverse
            swayed = self.score.n_beats / self.ramp * np.log1p(self.ramp * swayed / self.score.n_beats)
        return LEAD_S + swayed * 60.0 / self.bpm

    def beats_s(self) -> np.ndarray:
        return self.time_s(np.arange(self.score.n_beats))

    def downbeats_s(self) -> np.ndarray:
        places = (np.arange(self.score.n_beats) + self.score.first_beat) % self.score.beats_per_bar
        return self.time_s(np.flatnonzero(places == 0))

    def write_midi(self, path: Path) -> None:
        score, random = self.score, np.random.default_rng(zlib.crc32(self.name.encode()))
        shifts: dict[float, float] = {}
        rest = range(0)
        if self.rest_bar >= 0:
            begin = self.rest_bar * score.beats_per_bar - score.first_beat
            rest = range(begin, begin + score.beats_per_bar)
        rows: list[tuple[float, int, mido.Message]] = []
        used = set()
        for beat, length, voice, pitch, velocity in score.notes:
            if rest and rest[0] <= beat < rest[-1] + 1:
                continue
            if rest and beat < rest[0] < beat + length:
                length = rest[0] - beat
            near = round(beat, 3)
            if near not in shifts:
                shifts[near] = float(np.clip(random.normal(0, JITTER_S), -0.02, 0.02))
            start = float(self.time_s(beat)) + shifts[near]
            end = max(float(self.time_s(beat + length)) - 0.01, start + 0.04)
            loud = int(np.clip(velocity + random.normal(0, 5), 1, 127))
            channel = voice if voice < DRUMS else voice + 1
            channel = DRUMS if voice == DRUMS else channel
            used.add(channel)
            rows.append((start, 1, mido.Message("note_on", channel=channel, note=pitch, velocity=loud)))
            rows.append((end, 0, mido.Message("note_off", channel=channel, note=pitch)))
        track = mido.MidiTrack()
        for channel in sorted(used - {DRUMS}):
            program = self.programs[min(channel, len(self.programs) - 1)]
            track.append(mido.Message("program_change", channel=channel, program=program))
            track.append(mido.Message("pitchwheel", channel=channel, pitch=round(self.cents * 8192 / 200)))
        now = 0
        for time, _, message in sorted(rows, key=lambda row: row[:2]):
            tick = round(time * 960)  # 480 per beat at 120 bpm
            track.append(message.copy(time=tick - now))
            now = tick
        mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(path)

    def render(self, folder: Path) -> np.ndarray:
        """Mono float32 audio at RATE."""
        import soundfile

        program = shutil.which("fluidsynth")
        if not program or not FONTS[self.font].exists():
            raise FileNotFoundError(f"fluidsynth and {FONTS[self.font]} are needed: apt install fluidsynth fluid-soundfont-gm timgm6mb-soundfont")
        midi, wav = folder / "take.mid", folder / "take.wav"
        self.write_midi(midi)
        command = [program, "-ni", "-q", "-F", str(wav), "-r", str(RATE), "-g", "0.6", str(FONTS[self.font]), str(midi)]
        subprocess.run(command, check=True, capture_output=True)
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
        return np.ascontiguousarray(samples.mean(axis=1))


def parse(progression: str) -> list[list[Chord]]:
    """``"C | Am F"`` -> bars of chords."""
    from kelly.music.chord import parse_progression

    return [[(chord.root, chord.quality) for chord in bar] for bar in parse_progression(progression)]


def _close(chord: Chord, low: int) -> list[int]:
    return sorted(low + (chord[0] + tone - low) % 12 for tone in TONES[chord[1]])


def _near(pitch: int, root: int) -> int:
    return pitch + (root - pitch) % 12


def _steps(ternary: bool) -> int:
    return 3 if ternary else 2


def comp(style: str, chords: list[Chord | None], beats_per_bar: int, ternary: bool, first_beat: int, low: int = 57) -> list[Note]:
    """An accompaniment; voices: 0 chords, 1 bass, DRUMS."""
    made: list[Note] = []
    parts = _steps(ternary)
    for beat, chord in enumerate(chords):
        if chord is None:
            continue
        place = (beat + first_beat) % beats_per_bar
        bass, voices = _near(36, chord[0]), _close(chord, low)
        fresh = place == 0 or beat == 0 or chord != chords[beat - 1]
        held = 1
        while beat + held < len(chords) and chords[beat + held] == chord and (beat + held + first_beat) % beats_per_bar:
            held += 1
        if style == "block":
            made += [(beat, 0.95, 0, pitch, 76 if place else 86) for pitch in [bass + 12, *voices]]
        elif style == "pop":
            made += [(beat, 0.9, 0, pitch, 72) for pitch in voices]
            made += [(beat, min(held, 2) - 0.1, 1, bass, 84)] if fresh else []
            made.append((beat + (parts - 1) / parts, 0.9 / parts, 0, voices[-1], 56))
        elif style == "arpeggio":
            order = [bass + 12, voices[0], voices[1], voices[-1], voices[1], voices[0]][: 6 if ternary else 4]
            made += [(beat + i / parts, 1.2, 0, order[(place * parts + i) % len(order)], 74 - 10 * (i > 0)) for i in range(parts)]
        elif style == "strum":
            for i in range(parts):
                tones = [bass + 12, *voices]
                made += [(beat + i / parts + 0.012 * j, 0.9 / parts, 0, pitch, 60 if i else 84) for j, pitch in enumerate(tones)]
        elif style == "pads":
            if fresh:
                made += [(beat, held - 0.05, 0, pitch, 70) for pitch in voices] + [(beat, held - 0.05, 1, bass, 80)]
        elif style == "oompah":
            made += [(beat, 0.9, 1, bass, 86)] if fresh else [(beat, 0.5, 0, pitch, 66) for pitch in voices]
        elif style == "band":
            back = place % 2 if beats_per_bar % 2 == 0 else place > 0
            made += [(beat, 0.45, DRUMS, 38 if back else 36, 100)]
            made += [(beat + i / parts, 0.2, DRUMS, 42, 55 if i else 70) for i in range(parts)]
            made += [(beat + i / parts, 0.9 / parts, 1, bass, 88 - 8 * (i > 0)) for i in range(parts)]
            made += [(beat, held - 0.1, 0, pitch, 66) for pitch in voices] if fresh else []
        elif style == "syncopated":  # the chord pushes ahead of the second half of the bar
            made += [(beat, 0.8, 1, bass, 84)] if fresh else []
            if place in (0, 2):
                made += [(beat if place == 0 else beat - 0.5, 0.9, 0, pitch, 78) for pitch in voices]
            made += [(beat + 0.5, 0.3, 0, voices[-1], 52)] if place == 3 else []
        else:
            raise ValueError(style)
    return made


def line(chords: list[Chord | None], key: tuple[int, int], beats_per_bar: int, ternary: bool, voice: int, seed: int, low: int = 62, slow: bool = False) -> list[Note]:
    """A melody: chord tones on the beats, steps of the scale between, a breath at phrase ends; ``slow``: longer notes, slurred."""
    random = np.random.default_rng(seed)
    scale = [(key[0] + step) % 12 for step in ((0, 2, 4, 5, 7, 9, 11) if key[1] > 0 else (0, 2, 3, 5, 7, 8, 10))]
    parts, made, pitch, beat = _steps(ternary), [], low + 7, 0.0
    rhythms = [[1.0], [1.0], [2.0], [1.5, 0.5]] if slow else [[1.0], [0.5, 0.5], [0.5, 0.5], [1.5, 0.5], [2.0]]
    if ternary:
        rhythms = [[1.0], [2 / 3, 1 / 3], [2.0]] if slow else [[1 / 3] * 3, [2 / 3, 1 / 3], [1 / 3] * 3, [1.0]]
    n_beats, phrase = len(chords), 4 * beats_per_bar
    while beat < n_beats:
        place = round(beat) % phrase
        pattern = rhythms[random.integers(len(rhythms))]
        if place == phrase - 2 or sum(pattern) > min(phrase - place, n_beats - beat):
            pattern = [min(2.0, phrase - place, n_beats - beat)] if place == phrase - 2 else [1.0]
        for length in pattern:
            chord = chords[min(int(beat + 1e-6), n_beats - 1)]
            strong = abs(beat - round(beat)) < 1e-6
            allowed = [p for p in range(low, low + 17) if (p - chord[0]) % 12 in TONES[chord[1]]] if strong and chord else [p for p in range(low, low + 17) if p % 12 in scale]
            weights = np.array([np.exp(-abs(p - pitch) / 2.0) * (0.3 if p == pitch else 1.0) for p in allowed])
            pitch = int(random.choice(allowed, p=weights / weights.sum()))
            accent = 84 if strong else 70
            made.append((beat, length * (0.98 if slow else 0.85), voice, pitch, accent + (6 if round(beat) % beats_per_bar == 0 and strong else 0)))
            beat += length
        beat = round(beat * parts * 2) / (parts * 2)
    return made


def progression(style: str, text: str, key: tuple[int, int], shift: int, n_beats: int, beats_per_bar: int = 4, ternary: bool = False, pickup: int = 0, melody: bool = False, seed: int = 0) -> Score:
    """A progression in a texture; ``line`` and ``sung`` are melodies over chords that nobody plays; ``melody`` adds one on top."""
    bars = [[((root + shift) % 12, quality) for root, quality in bar] for bar in parse(text)]
    tonic, first_beat = ((key[0] + shift) % 12, key[1]), (beats_per_bar - pickup) % beats_per_bar
    chords: list[Chord | None] = []
    for beat in range(n_beats):
        at = beat - pickup
        bar = bars[at // beats_per_bar % len(bars)] if at >= 0 else bars[-1]
        chords.append(bar[at % beats_per_bar * len(bar) // beats_per_bar])
    meter = f"{beats_per_bar * 3}/8" if ternary else f"{beats_per_bar}/4"
    name = f"{style}{'+' * melody}-{text.replace(' ', '').replace('|', '')[:10]}{shift}-{meter}" + f"-up{pickup}" * bool(pickup)
    if style in ("line", "sung"):
        slow = style == "sung"
        notes = line(chords, tonic, beats_per_bar, ternary, 0, seed, 60 if slow else 62, slow)
        return Score(name, notes, n_beats, beats_per_bar, ternary, first_beat, tonic)
    notes = comp(style, chords, beats_per_bar, ternary, first_beat)
    if melody:
        notes += line(chords, tonic, beats_per_bar, ternary, 2, seed, 67)
    return Score(name, notes, n_beats, beats_per_bar, ternary, first_beat, tonic, chords, beats_per_bar * len(bars))


# From music21's corpus.


def _key(signature: int, last: int) -> tuple[int, int] | None:
    """The key of a piece from its key signature and its last root; None where those do not say it."""
    major = signature * 7 % 12
    return (major, 1) if last == major else ((major + 9) % 12, -1) if last == (major + 9) % 12 else None


def _named(pitches: list[int]) -> Chord | None:
    """The chord whose tones these are, all of them and no others; a missing fifth is forgiven."""
    classes = {pitch % 12 for pitch in pitches}
    for quality, tones in enumerate(TONES):
        for root in range(12):
            full = {(root + tone) % 12 for tone in tones}
            if classes == full or (quality < 4 and len(classes) >= 2 and classes == full - {(root + 7) % 12}):
                return root, quality
    return None


def chorale(name: str) -> Score:
    """A chorale of Bach's; the chord of a beat is what sounds on it, where that is a chord."""
    from music21 import corpus

    work = corpus.parse(f"bach/{name}")
    parts = [part.flatten() for part in work.parts[:4]]
    meter = parts[0].getElementsByClass("TimeSignature")[0]
    sharps = parts[0].getElementsByClass("KeySignature")[0].sharps
    notes: list[Note] = []
    for voice, part in enumerate(parts):
        notes += [(float(note.offset), float(note.quarterLength), voice, int(note.pitch.midi), 74) for note in part.stripTies().notes if note.isNote]
    first = next(iter(work.parts[0].getElementsByClass("Measure")))
    pickup = int(first.duration.quarterLength) % meter.numerator if first.duration.quarterLength < meter.numerator else 0
    n_beats = int(max(start + length for start, length, *_ in notes))
    chords = [_named([pitch for start, length, _, pitch, _ in notes if start <= beat < start + length]) for beat in range(n_beats)]
    final = min((note for note in notes if note[0] + note[1] >= n_beats - 0.01), key=lambda note: note[3])
    return Score(name, notes, n_beats, meter.numerator, False, (meter.numerator - pickup) % meter.numerator, _key(sharps, final[3] % 12), chords)


DIATONIC = {
    1: ((0, 0), (7, 0), (5, 0), (9, 1), (2, 1)),
    -1: ((0, 1), (7, 0), (5, 1), (8, 0), (10, 0), (3, 0)),
}


def tune(name: str, style: str = "", repeats: int = 1) -> Score:
    """A tune of Ryan's Mammoth Collection, alone or with chords to it: per bar that of the key with most of its time."""
    from music21 import corpus

    work = corpus.parse(f"ryansMammoth/{name}")
    part = work.parts[0].flatten() if work.parts else work.flatten()
    meter = part.getElementsByClass("TimeSignature")[0]
    sharps = part.getElementsByClass("KeySignature")[0].sharps
    ternary = (meter.numerator, meter.denominator) in ((6, 8), (9, 8), (12, 8))
    unit = 1.5 if ternary else 1.0
    beats_per_bar = meter.numerator // 3 if ternary else round(meter.barDuration.quarterLength)
    notes = [(float(note.offset) / unit, float(note.quarterLength) / unit, 2, int(note.pitch.midi), 80) for note in part.stripTies().notes if note.isNote and note.quarterLength > 0]
    bars = [float(measure.offset) / unit for measure in (work.parts[0] if work.parts else work).getElementsByClass("Measure")]
    odd = bars[1] % beats_per_bar if len(bars) > 1 else 0.0
    up = int(np.ceil(odd - 1e-6))
    notes = [(start + up - odd, *rest) for start, *rest in notes]  # a pickup ends on a whole beat
    length = int(np.ceil(max(start + held for start, held, *_ in notes) - 1e-6))
    final = notes[-1][3] % 12
    key = _key(sharps, final)
    notes = [(start + length * turn, *rest) for turn in range(repeats) for start, *rest in notes] if up == 0 else notes
    n_beats = length * (repeats if up == 0 else 1)
    first_beat = (beats_per_bar - up) % beats_per_bar
    label = f"{name.removesuffix('.abc')[:14]}{'-' + style if style else ''}"
    if not style or key is None:
        return Score(label, [(start, held, 0, pitch, velocity) for start, held, _, pitch, velocity in notes], n_beats, beats_per_bar, ternary, first_beat, key)
    chords: list[Chord | None] = [None] * n_beats
    for bar in range(-first_beat, n_beats, beats_per_bar):
        weight = np.zeros(12)
        for start, held, _, pitch, _ in notes:
            weight[pitch % 12] += max(0.0, min(start + held, bar + beats_per_bar) - max(start, bar))
        best = max(DIATONIC[key[1]], key=lambda chord: sum(weight[(key[0] + chord[0] + tone) % 12] for tone in TONES[chord[1]]) - 0.1 * DIATONIC[key[1]].index(chord))
        if bar + beats_per_bar >= n_beats:
            best = DIATONIC[key[1]][0]
        for beat in range(max(bar, 0), min(bar + beats_per_bar, n_beats)):
            chords[beat] = ((key[0] + best[0]) % 12, best[1])
    low = min(57, min(note[3] for note in notes) - 9)
    return Score(label, notes + comp(style, chords, beats_per_bar, ternary, first_beat, low), n_beats, beats_per_bar, ternary, first_beat, key, chords)
