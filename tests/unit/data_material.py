"""Every data set in small, in exactly the layout in which it is published; MIDI and sound are ours."""

from __future__ import annotations

import json
from hashlib import md5

import mido
import numpy as np
import soundfile

RATE_HZ = 11025
N_TUNES, CHORALES, N_FOLK = 10, (0, 1, 17, 31), 8
C_MAJOR_SONG = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def sound(path, seconds=2.0, f_hz=220.0):
    """A decaying tone, struck twice a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = 0.3 * np.sin(2 * np.pi * f_hz * t) * np.exp(-6 * (t % 0.5))
    soundfile.write(path, tone.astype(np.float32), RATE_HZ, format="MP3" if path.suffix == ".mp3" else None)
    return path


def midi(path, bars=8, bpm=120, tracks=("MELODY", "PIANO"), transpose=0, drums=False):
    """A tune over four chords, or a beat for drums; velocities swell and the second bar is pedalled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = mido.MidiFile(ticks_per_beat=480)
    rows = [[] for _ in tracks]
    for bar in range(bars):
        at, chord = 1920 * bar, C_MAJOR_SONG[bar % 4]
        loud = 60 + 5 * (bar % 4)
        if drums:
            for eighth in range(8):
                rows[0].append((at + 240 * eighth + (12 if eighth % 2 else 0), 120, 42, loud - 20))
            rows[0] += [(at, 120, 36, loud + 30), (at + 965, 120, 38, loud + 25), (at + 960 + 480, 120, 36, loud)]
            continue
        for eighth in range(8):
            rows[0].append((at + 240 * eighth, 200, chord[eighth % 3] + 12 + transpose, loud + 10 * (eighth % 4 == 0)))
        for tone in chord:
            rows[-1].append((at, 1800, tone - 12 + transpose, loud - 10))
    for name, notes in zip(tracks, rows, strict=True):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        if not file.tracks:
            track += [mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm)), mido.MetaMessage("time_signature", numerator=4, denominator=4)]
        channel, edges = 9 if drums else 0, []
        for start, length, pitch, velocity in notes:
            edges += [(start, 1, pitch, velocity), (start + length, 0, pitch, 0)]
        events = [(tick, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)) for tick, _, pitch, velocity in sorted(edges)]
        if name == tracks[-1] and not drums:
            events += [(1920, mido.Message("control_change", control=64, value=127)), (3800, mido.Message("control_change", control=64, value=0))]
        now = 0
        for tick, message in sorted(events, key=lambda event: event[0]):
            track.append(message.copy(time=tick - now))
            now = tick
        file.tracks.append(track)
    file.save(str(path))
    return path


def deam(root):
    """Songs 2 to 13 of the first part, 2001 of the second; the ratings of the last end early."""
    head = "song_id, valence_mean, valence_std, arousal_mean, arousal_std\n"
    folder = root / "annotations/annotations averaged per song"
    songs = range(2, 14)
    write(folder / "song_level/static_annotations_averaged_songs_1_2000.csv", head + "".join(f"{n}, {3 + n / 4}, 0.9, {7 - n / 4}, 1.1\n" for n in songs))
    write(folder / "song_level/static_annotations_averaged_songs_2000_2058.csv",
          "song_id, valence_mean, valence_std, valence_max_mean, arousal_mean\n2001, 5, 1, 6, 9\n")  # fmt: skip
    times = [f"sample_{t}ms" for t in range(15000, 18000, 500)]
    for what, sign in (("valence", 1), ("arousal", -1)):
        lines = [f"{n}," + ",".join(f"{sign * (0.05 * n - 0.4 + 0.01 * k):.4f}" for k in range(len(times))) for n in songs]
        write(folder / f"dynamic (per second annotations)/{what}.csv", "\n".join([f"song_id,{','.join(times)}", *lines, f"2001,{0.5 * sign},{0.25 * sign},,,,"]) + "\n")
    for n in (*songs, 2001):
        sound(root / f"MEMD_audio/{n}.mp3", 18.5, 110 * 2 ** (n % 12 / 12))
    return root


def lakh(root):
    """Six files of full, two songs of matched; one file matches both, one is torn."""
    scores = {}
    for k in range(6):
        path = midi(root / "lmd_full/x.mid", transpose=k)
        name = md5(path.read_bytes()).hexdigest()
        (root / f"lmd_full/{name[0]}").mkdir(exist_ok=True)
        path.rename(root / f"lmd_full/{name[0]}/{name}.mid")
    for song, match in (("TRAAAGR128F425B14B", 0.6), ("TRAABVM128F92CA9DC", 0.8)):
        folder = root / "lmd_matched" / "/".join(song[2:5]) / song
        both = midi(folder / "x.mid", transpose=7)
        name = md5(both.read_bytes()).hexdigest()
        both.rename(folder / f"{name}.mid")
        scores[song] = {name: match}
    torn = root / "lmd_full/0" / f"{'0' * 32}.mid"
    torn.parent.mkdir(exist_ok=True)
    torn.write_bytes(b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x40\0\x90")
    write(root / "match_scores.json", json.dumps(scores))
    return root


def maestro(root):
    lines = ["canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"]
    for k, split in enumerate(("train", "train", "train", "validation", "test")):
        midi(root / f"2004/piece{k}.midi", tracks=("right", "left"), transpose=k)
        lines.append(f'Frédéric Chopin,"Étude, No. {k}",{split},2004,2004/piece{k}.midi,2004/piece{k}.wav,16.0')
    write(root / "maestro-v3.0.0.csv", "\n".join(lines) + "\n")
    return root


def asap(root):
    """Two performances of one piece, the first cut from MAESTRO's test split."""
    lines = ["composer,title,folder,xml_score,midi_score,midi_performance,performance_annotations,midi_score_annotations,"
             "maestro_midi_performance,maestro_audio_performance,start,end,audio_performance"]  # fmt: skip
    for k, origin in enumerate(("{maestro}/2004/piece4.midi", "")):
        base = f"Chopin/Etude/p{k}"
        midi(root / f"{base}.mid", tracks=("right", "left"))
        write(root / f"{base}_annotations.txt", "".join(f"{b / 2}\t{b / 2}\t{'db,4/4,0' if b == 0 else 'db' if b % 4 == 0 else 'b'}\n" for b in range(32)))
        lines.append(f"Chopin,Etude,Chopin/Etude,,,{base}.mid,{base}_annotations.txt,,{origin},,,,")
    write(root / "metadata.csv", "\n".join(lines) + "\n")
    return root


def groove(root):
    lines = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"]
    for k, split in enumerate(("train", "train", "validation", "test")):
        name = f"drummer1/session1/{k + 1}_funk_100_beat_4-4"
        midi(root / f"{name}.mid", bpm=100, tracks=("drums",), drums=True)
        lines.append(f"drummer1,drummer1/session1,drummer1/session1/{k + 1},funk,100,beat,4-4,{name}.mid,,19.2,{split}")
    write(root / "info.csv", "\n".join(lines) + "\n")
    return root


def harmonix(root):
    folder = root / "dataset"
    lines = ["File,Title,Artist,Release,Duration,BPM,Ratio Bars in 4,Time Signature,Genre,MusicBrainz Id,Acoustid Id"]
    for k in (1, 2):
        name = f"000{k}_song"
        write(folder / f"beats_and_downbeats/{name}.txt", "".join(f"{b / 2}\t{b % 4 + 1}\t{b // 4 + 1}\n" for b in range(32)))
        write(folder / f"segments/{name}.txt", "0.0 intro\n4.0 verse\n16.0 end\n")
        lines.append(f'{name},"Song, {k}",Somebody,Album,16.0,120,1.0,4|4,Pop,,')
    write(folder / "metadata.csv", "\n".join(lines) + "\n")
    return root


def pop909(root):
    for k in (*range(1, 12), 19):  # so that every split has some
        folder = root / f"POP909/{k:03}"
        midi(folder / f"{k:03}.mid", tracks=("MELODY", "BRIDGE", "PIANO"))
        write(folder / "beat_midi.txt", "".join(f"{b / 2} {float(b % 4 == 0)} {float(b % 4 == 0)}\n" for b in range(33)))
        write(folder / "chord_midi.txt", "".join(f"{2 * bar}\t{2 * bar + 2}\t{('C:maj', 'F:maj/3', 'G:7', 'A:min7')[bar % 4]}\n" for bar in range(8)) + "16\t17\tN\n")
        write(folder / "key_audio.txt", "0.0\t17.0\tC:maj\n")
    return root


def billboard(root):
    for k in range(3, 15):
        body = "0.0\t1.5\tN\n" + "".join(f"{1.5 + 2 * bar}\t{3.5 + 2 * bar}\t{('Ab:maj', 'Db:maj7/3', 'Eb:sus4(b7)', 'F:min')[bar % 4]}\n" for bar in range(12))
        write(root / f"McGill-Billboard/{k:04}/full.lab", body + "\n")
    return root


def emopia(root):
    for k in range(16):
        midi(root / f"midis/Q{k % 4 + 1}_{'abcdefgp'[k // 2]}_VLPYiPN7q_{k % 2}.mid", tracks=("piano",), transpose=k % 5)
    return root


def abc(k, title, number=""):
    """Six bars of 4/4 in D with a pickup; the notes differ from tune to tune."""
    draw = np.random.default_rng(k).integers(8, size=(6, 8))
    draw[0, :4] = range(4)
    bars = ["".join("DEFGABcd"[n] for n in bar) for bar in draw]
    return f"X:{k + 1}\nT:{title}\n{number}M:4/4\nL:1/8\nK:D\nA|{'|'.join(bars)}|\n"


def chorale(path, k=0):
    """Four voices in MusicXML, a chord on every beat, with a pickup of one beat; I IV V I in the first."""
    voices = {"Soprano": "EFDECDDE", "Alto": "CCBCACBC", "Tenor": "GAGGFAGG", "Bass": "CFGCFDGC"}
    order = np.random.default_rng(k).permutation(8) if k else range(8)
    octave = {"Soprano": 5, "Alto": 4, "Tenor": 4, "Bass": 3}
    parts = []
    for n, (name, steps) in enumerate(voices.items(), 1):
        notes = [f"<note><pitch><step>{steps[at]}</step><octave>{octave[name]}</octave></pitch><duration>1</duration><type>quarter</type></note>" for at in [*order, *order]]
        head = "<attributes><divisions>1</divisions><key><fifths>0</fifths></key><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
        bars = ['<measure number="0" implicit="yes">' + head + notes[-1] + "</measure>"]
        bars += [f'<measure number="{k + 1}">' + "".join(notes[4 * k : 4 * k + 4]) + "</measure>" for k in range(4)]
        parts.append(f'<part id="P{n}">' + "".join(bars) + "</part>")
    names = "".join(f'<score-part id="P{n}"><part-name>{name}</part-name></score-part>' for n, name in enumerate(voices, 1))
    return write(path, f'<?xml version="1.0"?><score-partwise version="3.1"><part-list>{names}</part-list>{"".join(parts)}</score-partwise>')


def music21(root):
    """Tunes in files of one and of several, chorales, a folk song that Essen has, too, and what must not be used."""
    for k in range(N_TUNES):
        write(root / f"ours/tune{k}.abc", abc(k, f"Tune number {k}"))
    write(root / "book/first.abc", "% a tune book\n\n" + abc(0, "Tune number 0") + "\n" + abc(31, "Another"))
    for k in CHORALES:
        chorale(root / f"bach/bwv{k}.xml", k)
    write(root / "essenFolksong/ours.abc", "\n".join(abc(40 + k, f"Lied {k}", f"N: A{k // 2:04}{'AB'[k % 2]}\n") for k in range(N_FOLK)) + "\n" + abc(0, "Anders"))
    write(root / "palestrina/mass.krn", "**kern\n4c\n*-\n")
    return root


def essen(root):
    return music21(root)


def table(root):
    lines = ["file,time,valence,arousal"]
    for k in (*range(9), 14):  # so that every split has some
        sound(root / f"take{k}.wav", 12.0, 150 + 30 * k)
        lines += [f"take{k}.wav,{t},{0.08 * k - 0.4:.2f},{0.5 - 0.1 * t:.2f}" for t in range(0, 12, 2)]
    return write(root / "mine.csv", "\n".join(lines) + "\n")


def sines(score, soundfont, reverb):
    """FluidSynth's place: a sine per note of what it would be given."""
    from training.data.cues.render import RATE_HZ
    from training.data.score import read_score

    notes = read_score(score).notes
    out = np.zeros(int((notes["end_s"].max() + 1) * RATE_HZ), np.float32)
    for note in notes:
        t = np.arange(int(note["onset_s"] * RATE_HZ), int(note["end_s"] * RATE_HZ)) / RATE_HZ
        tone = np.sin(2 * np.pi * 440 * 2 ** ((note["pitch"] - 69) / 12) * t) * np.exp(-2 * (t - note["onset_s"]))
        out[int(note["onset_s"] * RATE_HZ) : int(note["end_s"] * RATE_HZ)] += (0.1 * (note["velocity"] / 90) ** 2 * tone).astype(np.float32)
    return out


def cues(root):
    """Six clips of the corpus that kelly makes, of every split, with sines for its sounds; a piece and its twin among them."""
    from unittest import mock

    from training.data.cues import corpus

    fonts = [write(root.parent / name, "no sound") for name in ("one.sf2", "two.sf2")]
    with mock.patch("training.data.cues.render.synthesise", sines):
        corpus.make(root, (8, 9, 10, 30, 31, 50), 0, fonts[:1], fonts[1], jobs=1)
    return root


WRITERS = (deam, lakh, maestro, asap, groove, harmonix, pop909, billboard, emopia, music21, essen, cues, table)
