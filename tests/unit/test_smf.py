"""MIDI files: bytes, tempo map, names."""

from __future__ import annotations

import io
from dataclasses import dataclass

import mido
import numpy as np
import pytest

from kelly._rt.layout import dtype
from kelly.errors import MidiFileError
from kelly.midi.smf import smf_bytes, write_smf
from kelly.midi.tempo import PPQ, Ruler, TempoMap

RATE = 48000


@dataclass(frozen=True)
class Part:
    name: str
    channel: int
    program: int


PIANO = Part("chords", 1, 4)


def events(*rows):
    """(frame, status, data1, data2[, part]) -> records."""
    full = [(r[0], i, r[1], r[2], r[3], 2 if r[1] & 0xF0 == 0xC0 else 3, r[4] if len(r) > 4 else 0) for i, r in enumerate(rows)]
    return np.array(full, dtype=dtype("event"))


def read(data):
    return mido.MidiFile(file=io.BytesIO(data), charset="utf-8")


def test_a_small_file_is_exactly_these_bytes():
    rows = events((0, 0x90, 60, 100), (24000, 0x80, 60, 64))
    data = smf_bytes(rows, TempoMap(tempo_bpm=120), [PIANO], RATE, key=(9, -1))
    assert data.hex(" ") == (
        "4d 54 68 64 00 00 00 06 00 01 00 02 01 e0 "  # MThd: type 1, two tracks, 480
        "4d 54 72 6b 00 00 00 22 "
        "00 ff 03 05 4b 65 6c 6c 79 "  # Kelly
        "00 ff 58 04 04 02 18 08 "  # 4/4
        "00 ff 59 02 00 01 "  # A minor
        "00 ff 51 03 07 a1 20 "  # 500,000 us
        "00 ff 2f 00 "
        "4d 54 72 6b 00 00 00 1a "
        "00 ff 03 06 63 68 6f 72 64 73 "  # chords
        "00 c0 04 "
        "00 90 3c 64 "
        "83 60 80 3c 40 "  # 480 ticks later
        "00 ff 2f 00"
    )


def test_a_given_tempo_is_one_event_and_time_zero_is_the_first_frame():
    rows = events((36000, 0x90, 60, 100), (48000, 0x80, 60, 64))
    file = read(smf_bytes(rows, TempoMap(knots=[(123, 0), (30000, 1)], tempo_bpm=100), [PIANO], RATE))
    tempi = [m for m in file.tracks[0] if m.type == "set_tempo"]
    assert [(m.time, m.tempo) for m in tempi] == [(0, 600_000)]
    on = next(m for m in file.tracks[1] if m.type == "note_on")
    assert on.time == 600  # .75 s at 100 bpm


def test_tracked_beats_fall_on_whole_beats_and_bars_on_bars():
    beats = [(52000 + 25000 * i + 150 * i * i, 3 + i) for i in range(40)]  # first knot is the fourth beat of its bar
    ruler = Ruler(TempoMap(knots=beats, downbeat=0), RATE)
    ticks = [ruler.tick(frame) for frame, _ in beats]
    assert all(tick % PPQ == 0 for tick in ticks)
    assert np.diff(ticks).tolist() == [PPQ] * 39
    downbeats = [tick for tick, (_, beat) in zip(ticks, beats, strict=True) if beat % 4 == 0]
    assert all(tick % (4 * PPQ) == 0 for tick in downbeats)
    assert ruler.tick(0) == 0


@pytest.mark.parametrize("tempo", [TempoMap(tempo_bpm=100, beats_per_bar=2, ternary=True),
                                   TempoMap([(28800 * i, i) for i in range(20)], None, 2, 0, True)])  # fmt: skip
def test_six_eight_has_dotted_beats_in_the_file(tempo):
    """100 dotted quarters a minute are 150 quarters; a bar of two is six eighths long."""
    file = read(smf_bytes(events((57600, 0x90, 60, 90), (86400, 0x80, 60, 0)), tempo, [PIANO], RATE))
    signature = next(message for message in file.tracks[0] if message.type == "time_signature")
    assert (signature.numerator, signature.denominator, signature.clocks_per_click) == (6, 8, 36)
    assert next(message for message in file.tracks[0] if message.type == "set_tempo").tempo == 400_000
    on = next(message for message in file.tracks[1] if message.type == "note_on")
    assert on.time == 3 * PPQ  # the second bar
    assert file.length == pytest.approx(1.8, abs=0.001)


@pytest.mark.parametrize("first_frame", [0, 160, 9000, 29000, 100_000, 2_000_000])
@pytest.mark.parametrize("downbeat", [0, 1, 2, 3])
def test_no_tempo_is_absurd_and_bars_stay_bars_wherever_the_first_beat_fell(first_frame, downbeat):
    """A first beat 3 ms into the stream once made a lead-in of 72,000 bpm, which a DAW refuses."""
    knots = [(first_frame + 28800 * i, i) for i in range(12)]
    ruler = Ruler(TempoMap(knots=knots, downbeat=downbeat), RATE)
    assert all(60e6 / 500 < us < 60e6 / 30 for _, _, us in ruler.segments)
    settled = [ruler.tick(frame) for frame, _ in knots[5:]]
    assert all(tick % PPQ == 0 for tick in settled)
    assert all(tick // PPQ % 4 == (beat - downbeat) % 4 for tick, (_, beat) in zip(settled, knots[5:], strict=True))


def test_playback_time_follows_the_frames_within_half_a_tick():
    rng = np.random.default_rng(3)
    knots, frame = [], 30011
    for beat in range(1200):
        knots.append((frame, beat))
        frame += int(26000 + rng.integers(-900, 900))
    frames = np.sort(rng.integers(0, knots[-1][0], 300))
    rows = [row for f in frames for row in ((int(f), 0x90, 60, 90), (int(f) + 2000, 0x80, 60, 64))]
    file = read(smf_bytes(events(*rows), TempoMap(knots=knots), [PIANO], RATE))
    played, now = [], 0.0
    for message in file:
        now += message.time
        if message.type == "note_on":
            played.append(now)
    tick_s = 0.6 / PPQ
    assert len(played) == 300
    # Random frames may lie closer than a note is long; those wait for their release.
    assert np.median(np.abs(np.array(played) - frames / RATE)) < tick_s / 2


def test_events_before_the_first_and_after_the_last_beat_have_a_place():
    ruler = Ruler(TempoMap(knots=[(48000, 0), (72000, 1), (96000, 2)]), RATE)
    assert ruler.tick(0) == 0
    assert ruler.tick(48000) % (4 * PPQ) == 0
    assert ruler.tick(120000) - ruler.tick(96000) == PPQ


def test_no_events_make_a_readable_file():
    file = read(smf_bytes(events(), TempoMap(), [PIANO], RATE))
    assert file.type == 1
    assert file.ticks_per_beat == 480
    assert [track.name for track in file.tracks] == ["Kelly", "chords"]


def test_offs_stand_before_ons_and_no_note_has_length_zero():
    rows = events((1000, 0x90, 60, 100), (1001, 0x80, 60, 64), (1001, 0x90, 60, 90), (1002, 0x80, 60, 64))
    track = read(smf_bytes(rows, TempoMap(), [PIANO], RATE)).tracks[1]
    now, sounding, lengths = 0, None, []
    for message in track:
        now += message.time
        if message.type == "note_on":
            assert sounding is None
            sounding = now
        elif message.type == "note_off":
            lengths.append(now - sounding)
            sounding = None
    assert len(lengths) == 2
    assert min(lengths) >= 1


def test_names_of_any_kind_survive_and_are_bounded():
    parts = [Part("Ünïcödé 音楽 🎵\n", 1, 0), Part("x" * 5000, 2, 0), Part("", 3, 0)]
    names = [track.name for track in read(smf_bytes(events(), TempoMap(), parts, RATE)).tracks[1:]]
    assert names[0] == "Ünïcödé 音楽 🎵"
    assert names[1] == "x" * 120
    assert names[2] == "untitled"


def test_reflex_notes_get_a_track_of_their_own():
    rows = events((0, 0x99, 37, 100, -1), (2400, 0x89, 37, 64, -1))
    file = read(smf_bytes(rows, TempoMap(), [PIANO], RATE))
    assert [track.name for track in file.tracks] == ["Kelly", "chords", "reflex"]
    assert [m.note for m in file.tracks[2] if m.type == "note_on"] == [37]


def test_the_program_is_written_once():
    rows = events((1920, 0xC0, 4, 0), (96000, 0xC0, 5, 0))
    track = read(smf_bytes(rows, TempoMap(), [PIANO], RATE)).tracks[1]
    assert [m.program for m in track if m.type == "program_change"] == [4, 5]


def test_the_file_appears_whole_and_overwrites(tmp_path):
    path = tmp_path / "out.mid"
    path.write_bytes(b"old")
    write_smf(path, events((0, 0x90, 60, 1), (9, 0x80, 60, 0)), TempoMap(), [PIANO], RATE)
    assert path.read_bytes()[:4] == b"MThd"
    assert [p.name for p in tmp_path.iterdir()] == ["out.mid"]


def test_a_folder_that_is_missing_is_a_midi_file_error(tmp_path):
    with pytest.raises(MidiFileError, match="cannot write the MIDI file"):
        write_smf(tmp_path / "missing" / "out.mid", events(), TempoMap(), [PIANO], RATE)


def test_knots_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="must rise"):
        Ruler(TempoMap(knots=[(0, 0), (0, 1)]), RATE)
