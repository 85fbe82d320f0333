"""How well kelly plays along: its notes against scores with a known truth.

    python -m tests.gates.playing [tuning|held-out] [--every N] [--off NET ...]

Each figure is a function of (Played, Take) that returns a number, NaN where the take has nothing to say.  GATES are
those of the requirements with the bound of each, defined as they are there; WIDER are the same with what a listener may
forgive, and have no bound.  Takes are rendered through FluidSynth and played to the whole of kelly, as
``kelly render`` does, with the meter given and nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from kelly.audio.sources import FileSource
from kelly.config import load_config
from kelly.generate.settings import BASS, CHORDS, DRUMS
from kelly.generate.why import Reason
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink
from kelly.music.scale import Key

from .pieces import SETS, Row
from .scores import RATE, TONES, Take

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "gates"
SETTLED_S, LOCKED_S = 8.0, 10.0
EARLY_S = 0.06  # a note this much before a change of chord belongs to the new one
KICK = 36
STOP_S, SILENCE_S = 18.0, 10.0  # when the player breaks off, and what follows
SILENT_S = 2.0  # a silence longer than this and than a bar ends the phrase


@dataclass(frozen=True)
class Played:
    """What kelly did beside one take.

    notes    (part, pitch, velocity, on s, off s), in order of onset
    reasons  of the same notes
    end_s    of the stream
    """

    notes: list[tuple[int, int, int, float, float]]
    reasons: list[Reason]
    end_s: float

    def of(self, *parts: int, after_s: float = 0.0) -> list[tuple[int, int, int, float, float]]:
        return [note for note in self.notes if note[0] in parts and note[3] >= after_s]


def sound(take: Take, folder: Path = CACHE) -> Path:
    """The take as an audio file, rendered once."""
    played = repr((take.score.notes, take.name, take.programs, take.font, take.bpm, take.sway, take.ramp, take.cents, take.rest_bar))
    path = folder / f"{hashlib.sha256(played.encode()).hexdigest()[:24]}.flac"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:  # of this run alone: another may render beside it
            soundfile.write(Path(scratch) / path.name, take.render(Path(scratch)), RATE)
            (Path(scratch) / path.name).replace(path)
    return path


def play_along(audio: Path, **settings: Any) -> Played:
    """Let kelly play beside a recording; ``settings`` as of kelly.load_config's flags."""
    config = load_config(flags=settings)
    sink, source = MemorySink(), FileSource(audio, None, realtime=False, tail_s=config.audio.tail_s)
    session = Session(config, source=source, sink=sink, realtime=False)
    session.start()
    try:
        session.wait()
    finally:
        session.close()
    rate = session.source.sample_rate_hz
    sounding: dict[tuple[int, int], tuple[int, int, int]] = {}
    notes = []
    for event in sink.events:
        kind, channel, pitch = int(event["status"]) & 0xF0, int(event["status"]) & 0x0F, int(event["data1"])
        if kind == 0x90:
            sounding[channel, pitch] = int(event["part"]), int(event["data2"]), int(event["frame"])
        elif kind == 0x80 and (channel, pitch) in sounding:
            part, velocity, frame = sounding.pop((channel, pitch))
            notes.append((part, pitch, velocity, frame / rate, int(event["frame"]) / rate))
    return Played(sorted(notes, key=lambda note: (note[3], note[0], note[1])), list(session.reasons), source.capture.frames / rate)


def _beat_of(take: Take, time_s: float) -> float:
    """Position in beats of the take at a time; beyond both ends at the pace of the nearest pair."""
    beats = take.beats_s()
    k = int(np.clip(np.searchsorted(beats, time_s) - 1, 0, len(beats) - 2))
    return float(k + (time_s - beats[k]) / (beats[k + 1] - beats[k]))


def _chord_at(take: Take, time_s: float) -> tuple[int, int] | None:
    beat = int(np.floor(_beat_of(take, time_s + EARLY_S)))
    return take.score.chords[beat] if 0 <= beat < len(take.score.chords) else None


def _tones(chord: tuple[int, int | None]) -> set[int]:
    return set() if chord[1] is None else {(chord[0] + step) % 12 for step in TONES[chord[1]]}


def _pitched(played: Played) -> list[tuple[int, int, int, float, float]]:
    return [note for note in played.notes if note[0] != DRUMS and note[3] >= SETTLED_S]


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return float(np.mean(found)) if found else float("nan")


def in_key(played: Played, take: Take) -> float:
    """Share of pitched notes after 8 s that belong to the player's key; in minor the raised seventh does."""
    if take.score.key is None:
        return float("nan")
    allowed = Key(*take.score.key).allowed()
    return _share(note[1] % 12 in allowed for note in _pitched(played))


def in_key_or_chord(played: Played, take: Take) -> float:
    """The same; tones of the player's chord belong, too, where he leaves his key."""
    if take.score.key is None:
        return float("nan")
    allowed = Key(*take.score.key).allowed()
    return _share(note[1] % 12 in allowed | _tones(_chord_at(take, note[3]) or (0, None)) for note in _pitched(played))


def chord_tones(played: Played, take: Take) -> float:
    """Share of the chords' notes after 8 s that are tones of the chord then sounding."""
    known = [(note, _chord_at(take, note[3])) for note in played.of(CHORDS, after_s=SETTLED_S)]
    return _share(note[1] % 12 in _tones(chord) for note, chord in known if chord is not None)


def bass_roots(played: Played, take: Take) -> float:
    """Share of the bass's notes after 8 s that are the root of the chord then sounding."""
    known = [(note, _chord_at(take, note[3])) for note in played.of(BASS, after_s=SETTLED_S)]
    return _share(note[1] % 12 == chord[0] for note, chord in known if chord is not None)


def _bar_lines(take: Take) -> set[int]:
    return {b for b in range(take.score.n_beats) if (b + take.score.first_beat) % take.score.beats_per_bar == 0}


def _changes(played: Played, take: Take, places: set[int], since_s: float, near_beats: float) -> float:
    """Share of kelly's chord changes since then, while the player plays, that are so near to one of the places."""
    hits, before = [], None
    end = float(take.beats_s()[-1])
    for reason in played.reasons:
        if reason.part != CHORDS or reason.chord is None:
            continue
        if before is not None and reason.chord != before and since_s <= reason.frame / RATE <= end:
            hits.append(min(abs(_beat_of(take, reason.frame / RATE) - place) for place in places) <= near_beats)
        before = reason.chord
    return _share(hits)


def changes_on_the_bar(played: Played, take: Take) -> float:
    """Share of kelly's chord changes after 8 s that lie within a 16th of a bar line of the player's."""
    return _changes(played, take, _bar_lines(take), SETTLED_S, 0.25) if take.score.chords else float("nan")


def changes_with_the_player(played: Played, take: Take) -> float:
    """The same, from the third pass of a progression that returns on, and the player's own changes count like bar lines.

    Before the third pass nobody can know a change on its very beat, and in a chorale every beat is one.
    """
    if not take.score.chords:
        return float("nan")
    chords = take.score.chords
    own = {b for b in range(1, len(chords)) if chords[b] != chords[b - 1]}
    since_s = max(SETTLED_S, float(take.time_s(2 * take.score.loop_beats)) - EARLY_S)
    return _changes(played, take, _bar_lines(take) | own, since_s, 0.3)


def _steady(played: Played, take: Take) -> list[float]:
    """Onsets of bass, chords and kick after 10 s, while the player plays."""
    end = float(take.beats_s()[-1])
    return [note[3] for note in played.of(BASS, CHORDS, DRUMS, after_s=LOCKED_S) if (note[0] != DRUMS or note[1] == KICK) and note[3] <= end]


def coherence(played: Played, take: Take) -> float:
    """Circular coherence at the player's 16th (the eighth's third where beats are ternary), 0..1."""
    onsets = _steady(played, take)
    parts = 6 if take.score.ternary else 4
    return float(abs(np.mean(np.exp(2j * np.pi * parts * np.array([_beat_of(take, t) for t in onsets]))))) if onsets else float("nan")


def _nearest(take: Take, onsets: list[float]) -> np.ndarray:
    """Per beat of the player's after 10 s, seconds to the nearest of some onsets."""
    times = np.array(onsets)
    beats = take.beats_s()
    beats = beats[(beats >= LOCKED_S) & (beats <= beats[-1] - 0.5)]
    return np.array([times[np.argmin(np.abs(times - beat))] - beat for beat in beats]) if len(times) else np.zeros(0)


def _hit(near: np.ndarray) -> float:
    return float(np.mean(np.abs(near - np.median(near)) <= 0.025)) if len(near) else float("nan")


def offset_s(played: Played, take: Take) -> float:
    """Median distance of the nearest onset of bass, chords or kick from the player's beats, seconds."""
    near = _nearest(take, _steady(played, take))
    return float(abs(np.median(near))) if len(near) else float("nan")


def beats_hit(played: Played, take: Take) -> float:
    """Share of the player's beats with an onset of bass, chords or kick within 25 ms, the median offset removed."""
    return _hit(_nearest(take, _steady(played, take)))


def beats_hit_by_any(played: Played, take: Take) -> float:
    """The same; snare and cymbals count, too."""
    return _hit(_nearest(take, [note[3] for note in played.of(BASS, CHORDS, DRUMS, after_s=SETTLED_S)]))


def swelling(take: Take, quiet: float = 0.45, bars: int = 8) -> Take:
    """The same take, its force going up and down between ``quiet`` and 1 over so many bars."""
    span = bars * take.score.beats_per_bar

    def force(beat: float) -> float:
        return quiet + (1.0 - quiet) * float(0.5 - 0.5 * np.cos(2.0 * np.pi * beat / span))

    notes = [(beat, length, voice, pitch, max(1, round(1.25 * velocity * force(beat)))) for beat, length, voice, pitch, velocity in take.score.notes]
    return replace(take, score=replace(take.score, name=take.score.name + "-swell", notes=[(*note[:4], min(127, note[4])) for note in notes]))


def follows_level(played: Played, take: Take, audio: Path) -> float:
    """Correlation of the band's mean velocity per half bar with the player's level there, the better of no lag and one beat."""
    samples, rate = soundfile.read(audio, dtype="float32")
    beats = take.beats_s()
    half = max(1, take.score.beats_per_bar // 2)

    def level(t: float) -> float:
        block = samples[int(t * rate) : int((t + half * 60.0 / take.bpm) * rate)]
        return float(10 * np.log10(np.mean(block**2) + 1e-9))

    best = float("nan")
    for lag in (0, 1):
        pairs = []
        for k in range(0, len(beats) - half - lag - 1, half):
            sounding = [note[2] for note in played.notes if beats[k + lag] - EARLY_S <= note[3] < beats[k + lag + half] - EARLY_S]
            if beats[k] >= SETTLED_S and sounding:
                pairs.append((level(beats[k]), float(np.mean(sounding))))
        if len(pairs) > 8:
            best = float(np.nanmax([best, np.corrcoef(np.array(pairs).T)[0, 1]]))
    return best


def notes_in_silence(played: Played, stopped_s: float, bar_s: float) -> int:
    """Notes struck later than max(one bar, 2 s) after the player has stopped."""
    return sum(note[3] > stopped_s + max(bar_s, SILENT_S) + 0.05 for note in played.notes)


def ends_at_home(played: Played, take: Take) -> float:
    """1 where the last chord and the last bass note are the tonic, else 0; NaN without a key or a chord.

    Of the key that kelly believes in at the end: whether that is the player's is another question (``in_key``).
    """
    chords = [reason for reason in played.reasons if reason.part == CHORDS]
    bass = [reason for reason in played.reasons if reason.part == BASS]
    if take.score.key is None or not chords or not bass or not chords[-1].mode:
        return float("nan")
    tonic, mode = chords[-1].tonic, chords[-1].mode
    triad = {tonic, (tonic + (4 if mode > 0 else 3)) % 12, (tonic + 7) % 12}
    last = {reason.pitch % 12 for reason in chords if reason.frame > chords[-1].frame - RATE // 10}
    return float(last <= triad and bass[-1].pitch % 12 == tonic)


@dataclass(frozen=True)
class Gate:
    """figure >= bound, or <= where ``most``."""

    figure: Callable[[Played, Take], float]
    bound: float
    most: bool = False

    def passes(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound


GATES: Mapping[str, Gate] = {
    "in key": Gate(in_key, 0.95),
    "chord tones": Gate(chord_tones, 0.80),
    "bass roots": Gate(bass_roots, 0.70),
    "changes on the bar": Gate(changes_on_the_bar, 0.80),
    "coherence": Gate(coherence, 0.5),
    "offset, s": Gate(offset_s, 0.04, most=True),
    "beats hit": Gate(beats_hit, 0.85),
    "ends at home": Gate(ends_at_home, 0.95),
}  # fmt: skip


WIDER: Mapping[str, Callable[[Played, Take], float]] = {
    "in the player's key or chord": in_key_or_chord,
    "changes on a bar line or with the player, from the third pass": changes_with_the_player,
    "beats hit, snare and cymbals too": beats_hit_by_any,
}


def measure(take: Take, wider: bool = False, **settings: Any) -> dict[str, float]:
    """All figures of one take; with ``wider`` those of WIDER as well."""
    played = play_along(sound(take), **{"meter": _meter(take), **settings})
    found = {name: gate.figure(played, take) for name, gate in GATES.items()}
    return found | ({name: figure(played, take) for name, figure in WIDER.items()} if wider else {})


def stopped(take: Take, stop_s: float = STOP_S, silence_s: float = SILENCE_S, folder: Path = CACHE) -> Path:
    """The take as an audio file that breaks off and is followed by silence."""
    whole = sound(take, folder)
    path = whole.with_name(f"{whole.stem}-{stop_s:g}-{silence_s:g}.flac")
    if not path.exists():
        samples, rate = soundfile.read(whole, dtype="float32")
        kept = samples[: round(stop_s * rate)].copy()
        fade = rate // 50  # 20 ms: no click
        kept[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
        soundfile.write(path, np.concatenate([kept, np.zeros(round(silence_s * rate), np.float32)]), rate)
    return path


def measure_silence(take: Take, **settings: Any) -> int:
    """Notes struck in a silence that has lasted longer than max(one bar, 2 s): gate 0."""
    played = play_along(stopped(take), **{"meter": _meter(take), **settings})
    return notes_in_silence(played, STOP_S, take.score.beats_per_bar * 60.0 / take.bpm)


def measure_level(take: Take, **settings: Any) -> float:
    """How the band follows a player who gets louder and softer: gate .7."""
    wave = swelling(take)
    audio = sound(wave)
    return follows_level(play_along(audio, **{"meter": _meter(take), **settings}), wave, audio)


def _meter(take: Take) -> str:
    return f"{3 * take.score.beats_per_bar}/8" if take.score.ternary else f"{take.score.beats_per_bar}/4"


def table(rows: Iterable[Row], **settings: Any) -> dict[str, list[float]]:
    """Figures of many takes, printed as they come."""
    found: dict[str, list[float]] = {name: [] for name in GATES}
    print(f"{'take':42}" + "".join(f"{name[:11]:>12}" for name in GATES))
    for row in rows:
        take = row.make()
        marks = measure(take, **settings)
        for name, value in marks.items():
            found[name].append(value)
        print(f"{row.kind[:9]:10}{take.name[:31]:32}" + "".join(f"{value:12.3f}" for value in marks.values()), flush=True)
    print(f"{'median':42}" + "".join(f"{np.nanmedian(values):12.3f}" for values in found.values()))
    print(f"{'passed':42}" + "".join(f"{_share(gate.passes(v) for v in found[name] if v == v):12.2f}" for name, gate in GATES.items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", nargs="?", choices=SETS, default="tuning")
    parser.add_argument("--every", type=int, default=1, help="measure every Nth take")
    parser.add_argument("--level", action="store_true", help="measure how force follows the player's level instead")
    parser.add_argument("--silence", action="store_true", help="count notes in a silence instead")
    parser.add_argument("--off", nargs="*", default=[], metavar="NET", help="nets that are off")
    chosen = parser.parse_args()
    rows, settings = SETS[chosen.set][:: chosen.every], {"disable": chosen.off} if chosen.off else {}
    if chosen.silence:
        for row in rows:
            take = row.make()
            print(f"{row.kind[:9]:10}{take.name[:31]:32}{measure_silence(take, **settings):12d}", flush=True)
        return
    if not chosen.level:
        table(rows, **settings)
        return
    found = []
    for row in rows:
        take = row.make()
        found.append(measure_level(take, **settings))
        print(f"{row.kind[:9]:10}{take.name[:31]:32}{found[-1]:12.3f}", flush=True)
    print(f"median {np.nanmedian(found):.3f}, at least .7 in {_share(r >= 0.7 for r in found if r == r):.2f}")


if __name__ == "__main__":
    main()

