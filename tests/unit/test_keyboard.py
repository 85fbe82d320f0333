"""A keyboard as the player: notes become sound, and kelly follows it as it follows an instrument."""

import threading
import time

import mido
import numpy as np
import pytest

from kelly.audio.tone import RATE_HZ, PlayedFile, Tones, frequency, play_file
from kelly.cli.app import run
from kelly.errors import AudioFileError
from kelly.live.keyboard import LATENCY_S, KeyboardSource
from kelly.live.replay import open_take, render_take
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink
from tests.patience import PATIENCE_S
from tests.unit.test_take import config

BPM, BEAT_S = 100, 0.6
PROGRESSION = ((0, 4, 7), (5, 9, 0), (7, 11, 2), (0, 4, 7))  # C F G C


def piece(seconds, velocity=80):
    """(bytes, time): a bass note and a triad on each beat, and the pedal, as a hand plays them."""
    rows, rng = [], np.random.default_rng(4)
    for beat in range(int(seconds / BEAT_S)):
        tones = PROGRESSION[beat // 4 % 4]
        at = 0.5 + beat * BEAT_S
        for pitch in (36 + tones[0], *(60 + tone for tone in tones)):
            on = at + rng.uniform(-0.006, 0.006)
            rows += [((0x90, pitch, velocity), on), ((0x80, pitch, 0), on + 0.5)]
    return sorted(rows, key=lambda row: row[1])


class Hands:
    """Keys that play a list of messages by a clock of its own."""

    description = "two hands"

    def __init__(self, rows):
        self.rows, self.now_s, self.closed, self.gone = list(rows), 100.0, False, False

    def messages(self):
        came = [(data, 100.0 + at) for data, at in self.rows if 100.0 + at <= self.now_s]
        del self.rows[: len(came)]
        return came

    def went(self):
        went, self.gone = self.gone, False
        return went

    def close(self):
        self.closed = True


class Played(KeyboardSource):
    """Faster than time: the clock goes on whenever the worker has room."""

    def __init__(self, rows, seconds):
        self.hands, self.seconds, self.done = Hands(rows), seconds, threading.Event()
        self.heard = lambda: 0  # frames that have been played
        super().__init__(self.hands, lambda: self.hands.now_s)

    def _run(self):
        rng = np.random.default_rng(3)
        while not self._stopping.is_set() and self.hands.now_s < 100 + self.seconds:
            if self.capture.frames - self.heard() > 0.12 * RATE_HZ:  # or somebody would take itself to be behind
                time.sleep(0.001)
                continue
            self.hands.now_s += float(rng.uniform(0.002, 0.02))  # as punctual as a Python thread is
            self.play()
        self.done.set()


def test_a_tone_has_its_pitch_and_dies_away():
    tones = Tones()
    tones.take((0x90, 69, 90))
    sound = tones.render(RATE_HZ)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert 0.02 < np.abs(sound[:2400]).max() < 0.3
    assert np.abs(np.diff(sound)).max() < 0.05  # no click
    tones.take((0x80, 69, 0))
    assert np.abs(tones.render(RATE_HZ)[-1000:]).max() < 1e-4
    assert tones.sounding == 0


def test_the_pedal_holds_and_the_hardness_of_a_strike_is_heard():
    def loudness(*messages):
        tones = Tones()
        for message in messages:
            tones.take(message)
        return float(np.square(tones.render(RATE_HZ)[RATE_HZ // 2 :]).mean())

    released, held = loudness((0x90, 60, 80), (0x80, 60, 0)), loudness((0xB0, 64, 127), (0x90, 60, 80), (0x80, 60, 0))
    assert released < 1e-6 < 1e-4 < held
    assert loudness((0xB0, 64, 127), (0x90, 60, 80), (0x80, 60, 0), (0xB0, 64, 0)) < 1e-6
    assert loudness((0x90, 60, 120)) > 2 * loudness((0x90, 60, 60))
    assert loudness((0x99, 36, 120)) == 0.0  # drums have no pitch
    assert loudness((0xB0, 64, 127), (0x90, 60, 80), (0xB0, 123, 0)) < 1e-6


def test_block_sizes_change_no_sound_to_speak_of():
    def sound(sizes):
        tones = Tones()
        for pitch in (36, 60, 64, 67):
            tones.take((0x90, pitch, 80))
        return np.concatenate([tones.render(n) for n in sizes])

    one, many = sound([9600]), sound([1, 7, 255, 257, 480, 8600])
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_a_message_sounds_at_its_frame_whenever_the_thread_looks():
    """Two threads, one more unpunctual than the other, make the same sound."""
    sounds = []
    for step in (0.003, 0.009):
        hands = Hands([((0x90, 69, 90), 0.1003), ((0x80, 69, 0), 0.2001)])
        source = KeyboardSource(hands, lambda hands=hands: hands.now_s)
        while hands.now_s < 100.4:
            source.play()
            hands.now_s += step
        sounds.append(source.capture.drain()[: round(0.38 * RATE_HZ)])
    first = [int(np.flatnonzero(sound)[0]) for sound in sounds]
    assert first[0] == first[1]
    assert abs(first[0] / RATE_HZ - (0.1003 + LATENCY_S)) < 0.0005
    np.testing.assert_allclose(sounds[0], sounds[1], atol=1e-6)


def test_keys_that_were_held_when_the_keyboard_went_are_released():
    """They would sound for seconds, and with the pedal down nobody could end them."""
    sounds = []
    for goes in (False, True):
        hands = Hands([((0xB0, 64, 127), 0.1), ((0x90, 45, 90), 0.1)])
        source = KeyboardSource(hands, lambda hands=hands: hands.now_s)
        for step in range(300):
            hands.gone = goes and step == 100
            source.play()
            hands.now_s += 0.005
        sounds.append(float(np.abs(source.capture.drain()[-4800:]).max()))
    assert sounds[1] < 1e-3 < 1e-2 < sounds[0]


def test_a_machine_that_slept_leaves_a_hole_and_not_a_delay():
    hands = Hands([])
    source = KeyboardSource(hands, lambda: hands.now_s)
    source.play()
    hands.now_s += 5.0
    source.play()
    assert source.capture.frames == 5 * RATE_HZ
    assert source.capture.counters()["gap_frames"] > 4.5 * RATE_HZ
    source.stop()
    assert hands.closed


@pytest.mark.usefixtures("patient")
def test_chords_tempo_and_key_of_a_keyboard_are_followed_and_its_take_renders_again(tmp_path):
    """16 s of C F G C at 100 bpm; what is played is what a render of the take's sound plays."""
    source = Played(piece(16), 16.0)
    session = Session(config(record=str(tmp_path), key=None, tempo=None), source=source, sink=MemorySink())
    heard = {}

    def played():
        tick = session.snapshot().tick
        if tick is None:
            return 0
        heard[int(tick["index"])] = tick
        return min(int(tick["frame"]), session._performer.now_frames)

    source.heard = played
    with session:
        assert source.done.wait(PATIENCE_S)
        tick = session.snapshot().tick
    assert abs(float(tick["tempo_bpm"]) - BPM) < 1.0
    assert tick["locked"] == 1
    assert (int(tick["key_tonic"]), int(tick["key_mode"])) == (0, 1)
    late = [row for row in heard.values() if row["frame"] > 10 * RATE_HZ and row["chord_root"] >= 0]
    bars = [int((row["frame"] / RATE_HZ - 0.5 - LATENCY_S) / BEAT_S) // 4 % 4 for row in late]
    right = np.mean([int(row["chord_root"]) == PROGRESSION[bar][0] for row, bar in zip(late, bars, strict=True)])
    assert right > 0.7
    counters = session.counters()
    assert (counters["dropped_frames"], counters["shed_hops"], counters["stale_notes"]) == (0, 0, 0)
    assert len([e for e in session.sink.events if e["status"] & 0xF0 == 0x90]) > 30
    assert render_take(open_take(session.take.folder), tmp_path / "again.mid")["take"]["same"]


@pytest.fixture
def song(tmp_path):
    """The same piece as a MIDI file."""
    file = mido.MidiFile(ticks_per_beat=480)
    track, now = mido.MidiTrack(), 0
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BPM)))
    for data, at in piece(8):
        tick = round(at / BEAT_S * 480)
        track.append(mido.Message.from_bytes(data, time=tick - now))
        now = tick
    file.save(tmp_path / "song.mid")
    return tmp_path / "song.mid"


def test_a_midi_file_is_a_player_too(song, tmp_path, monkeypatch, capsys):
    """render plays along with its notes, and never over them."""
    monkeypatch.chdir(tmp_path)
    assert run(["render", "song.mid"]) == 0
    assert len([m for m in mido.MidiFile(tmp_path / "song-kelly.mid") if m.type == "note_on"]) > 10
    before = song.read_bytes()
    assert run(["render", "song.mid", "-o", "song.mid"]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert song.read_bytes() == before
    sound = PlayedFile(song)
    assert sound.frames == len(play_file(song))
    assert abs(frequency(60) - 261.63) < 0.01


@pytest.mark.parametrize(("data", "words"), [(b"", "the file is empty"), (b"MThd nonsense", "not readable as MIDI")])
def test_a_file_that_is_no_midi_is_refused(tmp_path, data, words, capsys):
    (tmp_path / "a.mid").write_bytes(data)
    assert run(["render", str(tmp_path / "a.mid"), "-o", str(tmp_path / "b.mid")]) == 6
    assert words in capsys.readouterr().err
    silent = mido.MidiFile()
    silent.tracks.append(mido.MidiTrack([mido.Message("note_on", channel=9, note=36)]))
    silent.save(tmp_path / "drums.mid")
    with pytest.raises(AudioFileError, match="holds no notes"):
        play_file(tmp_path / "drums.mid")
