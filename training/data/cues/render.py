"""Sound of a piece, by FluidSynth: level as the plan says, then the gain, tilt and noise of a recording."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kelly.errors import DataError
from training.data.cues.cast import sustains
from training.data.cues.composer import MEZZO_FORTE, Piece
from training.data.cues.desk import ROLES

RATE_HZ = 44100
TICKS_PER_S = 960
SLOT_S, QUIET_S = 40.0, 3.0  # of a piece in a run of the synthesizer, and what is left for it to die away
CENTRE = 64  # of CC11, which carries the level of parts that sound on
MOST_DB = 18.0  # by which a section is corrected towards the plan's level


def midi(pieces: Mapping[int, Piece], path: Path) -> None:
    """What the synthesizer is given: pieces by place, each SLOT_S after the one before; seconds as ticks."""
    import mido

    rows: list[tuple[int, int, mido.Message]] = []
    for slot, piece in pieces.items():
        if piece.length_s > SLOT_S - QUIET_S:
            raise DataError(f"a piece of {piece.length_s:.1f} s does not fit into {SLOT_S - QUIET_S:g} s")
        rows += [(tick + round(slot * SLOT_S * TICKS_PER_S), order, message) for tick, order, message in messages(piece)]
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_S // 2)
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(rows, key=lambda row: row[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    file.tracks.append(track)
    file.save(path)


def messages(piece: Piece) -> Iterator[tuple[int, int, Any]]:
    """(tick, order within it, message); levels of sustained parts as CC11."""
    import mido

    notes = piece.notes[piece.notes["heard"]]
    for index, part in enumerate(piece.plan.parts):
        mine = notes[notes["part"] == index]
        held = index != piece.drums and sustains(part.program)
        yield 0, 0, mido.Message("control_change", channel=part.channel, control=120, value=0)  # what another piece left
        if index != piece.drums:
            yield 0, 1, mido.Message("program_change", channel=part.channel, program=part.program)
        for control, value in ((7, 100), (10, part.pan), (11, CENTRE), (91, round(100 * piece.plan.reverb)), (93, 0)):
            yield 0, 2, mido.Message("control_change", channel=part.channel, control=control, value=value)
        if held and len(mine):
            before = CENTRE
            for time_s in np.arange(0, piece.length_s, 0.1):
                value = int(np.clip(round(CENTRE * 10 ** (float(piece.level_db(time_s)) / 40)), 8, 127))
                if value != before:
                    yield round(time_s * TICKS_PER_S), 3, mido.Message("control_change", channel=part.channel, control=11, value=value)
                    before = value
        for note in mine:
            velocity = int(note["velocity"])
            if held:
                velocity = int(np.clip(round(MEZZO_FORTE * 10 ** ((note["accent_db"] + part.gain_db + 1.5) / 40)), 6, 127))
            pitch = int(note["pitch"])
            yield round(note["onset_s"] * TICKS_PER_S), 5, mido.Message("note_on", channel=part.channel, note=pitch, velocity=velocity)
            yield round(note["end_s"] * TICKS_PER_S), 4, mido.Message("note_off", channel=part.channel, note=pitch, velocity=0)


def synthesise(score: Path, soundfont: Path, reverb: float) -> NDArray[np.float32]:
    """Mono float32 at RATE_HZ of a MIDI file.

    raises  DataError when FluidSynth is missing or fails
    """
    import soundfile

    with TemporaryDirectory(prefix="kelly-cues-") as folder:
        out = Path(folder) / "out.wav"
        command = ["fluidsynth", "-ni", "-q", "-O", "float", "-r", str(RATE_HZ), "-g", "0.5", "-C", "0", "-R", "1" if reverb else "0",
                   "-o", f"synth.reverb.room-size={0.2 + 0.6 * reverb:.2f}", "-o", "synth.reverb.level=0.7", "-F", str(out), str(soundfont), str(score)]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        except FileNotFoundError as error:
            raise DataError("fluidsynth: not found; install FluidSynth (Debian: apt install fluidsynth)") from error
        if done.returncode or not out.is_file():
            raise DataError(f"{soundfont}: FluidSynth could not render with it: {(done.stderr or done.stdout).strip()[-300:]}")
        samples, _ = soundfile.read(out, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.mean(axis=1))


def render(piece: Piece, soundfont: Path) -> NDArray[np.float32]:
    """The recording (n,) float32 at RATE_HZ of a piece, of its length, peak at most about 1."""
    return render_all({0: piece}, soundfont)[0]


def render_all(pieces: Mapping[int, Piece], soundfont: Path) -> dict[int, NDArray[np.float32]]:
    """Recordings of pieces by place, in one run of the synthesizer, because loading a soundfont takes longer than a piece.

    A place decides when its piece is played, so a recording does not depend on which others are made.
    """
    with TemporaryDirectory(prefix="kelly-cues-") as folder:
        score = Path(folder) / "pieces.mid"
        midi(pieces, score)
        samples = synthesise(score, soundfont, max(piece.plan.reverb for piece in pieces.values()))
    out = {}
    for slot, piece in pieces.items():
        start, n = round(slot * SLOT_S * RATE_HZ), round(piece.length_s * RATE_HZ)
        sound = np.zeros(n, np.float32)
        part = samples[start : start + n]
        sound[: len(part)] = part
        out[slot] = recorded(piece, sound)
    return out


def recorded(piece: Piece, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels as the plan has them, then a microphone's tilt, a gain and a noise floor."""
    plan, n = piece.plan, len(sound)
    sound = levelled(piece, sound)
    rng = np.random.default_rng([plan.seed, plan.index, 4])
    if plan.tilt_db:
        spectrum = np.fft.rfft(sound)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 20) / 1000)
        sound = np.fft.irfft(spectrum * 10 ** (np.clip(plan.tilt_db * octaves, -9, 9) / 20), n).astype(np.float32)
    early = sound[: 10 * RATE_HZ].astype(np.float64)
    power = np.mean(early**2) + 1e-12
    sound *= np.float32(10 ** ((plan.gain_db - 21) / 20) / np.sqrt(power))
    peak = float(np.abs(sound).max())
    if peak > 0.99:
        sound *= np.float32(0.99 / peak)
    noise = rng.standard_normal(n, np.float32)
    return sound + np.float32(10 ** (plan.noise_db / 20)) * noise


def levelled(piece: Piece, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same sound, its sections as loud beside each other as the plan says.

    Each section's mean power is moved by at most MOST_DB, so that a fuller texture or a louder program is no dynamic.
    """
    hop = RATE_HZ // 50
    power = (sound[: len(sound) // hop * hop].reshape(-1, hop).astype(np.float64) ** 2).mean(axis=1)
    times_s = (np.arange(len(power)) + 0.5) / 50
    edges = [float(piece.seconds(piece.bars[piece.bars[:, 1] == k, 0].min())) for k in range(len(piece.plan.sections))]
    which = np.clip(np.searchsorted(edges, times_s) - 1, 0, None)
    wanted = 10 ** (piece.level_db(times_s) / 10)
    playing = power > 1e-4 * np.percentile(power, 95)
    residue = np.zeros(len(edges))
    for k in range(len(edges)):
        here = playing & (which == k)
        if here.sum() > 10 and piece.plan.sections[k].texture != "silence":
            residue[k] = 10 * np.log10(power[here].mean() / wanted[here].mean())
    used = [k for k, s in enumerate(piece.plan.sections) if s.texture != "silence"]
    middle = float(np.median(residue[used]))
    gains_db = np.where([s.texture == "silence" for s in piece.plan.sections], 0.0, np.clip(middle - residue, -MOST_DB, MOST_DB))
    knots, values = [0.0], [gains_db[0]]
    for k in range(1, len(edges)):
        knots += [max(knots[-1] + 1e-3, edges[k] - 0.06), edges[k] + 0.02]
        values += [gains_db[k - 1], gains_db[k]]
    curve = np.interp(np.arange(len(sound)) / RATE_HZ, knots, values)
    return (sound * 10 ** (curve / 20)).astype(np.float32)


def write_score(piece: Piece, path: Path) -> None:
    """The piece as a score, a bar of rest before it: parts that are heard by role, the others as ``ROLE (unheard)``."""
    import mido

    per_bar = piece.plan.meter[1]
    ppq = 480
    file = mido.MidiFile(type=1, ticks_per_beat=ppq)
    numerator, denominator = (6, 8) if piece.plan.beat_quarters == 1.5 else (piece.plan.meter[0], 4)
    head = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator)])
    head.append(mido.MetaMessage("set_tempo", tempo=max(1, round(piece.plan.lead_s / per_bar * 1e6))))
    wait = per_bar * ppq
    for (q0, t0), (q1, t1) in zip(piece.tempo[:-1], piece.tempo[1:], strict=True):
        head.append(mido.MetaMessage("set_tempo", tempo=round((t1 - t0) / (q1 - q0) * 1e6), time=wait))
        wait = round((q1 - q0) * ppq)
    file.tracks.append(head)
    for role, index in ROLES.items():
        part = piece.plan.parts[index]
        for heard in (True, False):
            mine = piece.notes[(piece.notes["part"] == index) & (piece.notes["heard"] == heard)]
            if not len(mine):
                continue
            rows = []
            for note in mine:
                start, end = (round((np.interp(note[f"{edge}_s"], piece.tempo[:, 1], piece.tempo[:, 0]) + per_bar) * ppq) for edge in ("onset", "end"))
                rows.append((start, 1, mido.Message("note_on", channel=part.channel, note=int(note["pitch"]), velocity=int(note["velocity"]))))
                rows.append((max(start + 1, end), 0, mido.Message("note_off", channel=part.channel, note=int(note["pitch"]), velocity=0)))
            track = mido.MidiTrack([mido.MetaMessage("track_name", name=role if heard else f"{role} (unheard)")])
            track.append(mido.Message("program_change", channel=part.channel, program=part.program))
            now = 0
            for tick, _, message in sorted(rows, key=lambda row: row[:2]):
                track.append(message.copy(time=tick - now))
                now = tick
            file.tracks.append(track)
    file.save(path)
