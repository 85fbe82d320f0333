"""Takes: whole at every moment, aligned to the frame, rendered again to the same bytes."""

import errno
import os
import threading
import time

import mido
import numpy as np
import pytest
import soundfile

from kelly._rt.stream.capture import Capture
from kelly.audio import wav as wav_module
from kelly.audio.wav import WavWriter
from kelly.config import load_config, to_toml
from kelly.errors import TakeError
from kelly.live import recorder as recorder_module
from kelly.live.render import render_config
from kelly.live.salvage import salvage, unfinished
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink
from tests.midi_files import open_notes
from tests.patience import PATIENCE_S, until
from tests.rig import chords

RATE = 16000
AHEAD_S = 0.12  # of what has been played; a network hop is 40 ms
pytestmark = pytest.mark.usefixtures("patient")


def config(**flags):
    return load_config(flags={"seed": 5, "key": "Am", "tempo": "120", **flags}, env={})


def music(seconds, seed=0):
    t = np.arange(int(seconds * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * 220 * t) * np.exp(-3 * (t % 0.5))).astype(np.float32)


class Device:
    """A device that plays ``sound`` faster than time, in uneven blocks, with holes; it goes on in silence."""

    name, sample_rate_hz, total_frames, error, alive = "a device", float(RATE), None, None, True

    def __init__(self, sound, pause_s=0.004):
        self.capture, self.sound, self.pause_s = Capture(RATE), sound, pause_s
        self.delivered = threading.Event()
        self.heard = None  # () -> frames that have been played: then nobody on a busy machine falls behind
        self.holds_at = None  # frames beyond which nothing comes for now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def _run(self):
        rng, at = np.random.default_rng(1), 0
        while not self._stopping.is_set() and at < len(self.sound):
            if self.heard is not None and self.capture.frames - self.heard() > AHEAD_S * RATE:
                time.sleep(0.001)
                continue
            if self.holds_at is not None and self.capture.frames >= self.holds_at:
                time.sleep(0.001)
                continue
            n = int(rng.integers(1, 500))
            if rng.random() < 0.02:
                self.capture.lose(n)
            else:
                self.capture.deliver(self.sound[at : at + n].reshape(-1, 1))
            at += n
            time.sleep(self.pause_s)
        self.delivered.set()

    def finish(self):
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.capture.end()

    def stop(self):
        self.finish()
        self.capture.stop()

    def reopen(self, missed_frames):
        return False


def session_on(source, settings, sink=None):
    """A session on such a device, which waits for both conductor and performer."""
    session = Session(settings, source=source, sink=sink or MemorySink())

    def played():
        tick = session.snapshot().tick
        return 0 if tick is None else min(int(tick["frame"]), session._performer.now_frames)

    source.heard = played
    return session


def rendered(take, target):
    render_config(take / "take.wav", target, load_config(take / "kelly.toml", env={}))
    return target.read_bytes()


def chords_take(folder, **flags):
    """The folder of a take of six seconds of chords."""
    session = session_on(Device(chords(6).reshape(-1), pause_s=0.001), config(record=str(folder), **flags))
    with session:
        assert session.source.delivered.wait(PATIENCE_S)
    return session.take.folder


def test_a_take_of_a_device_is_aligned_and_renders_to_the_same_bytes(tmp_path, reliability):
    """Stopped in the middle of the music, holes and all: take.wav and kelly.toml make take.mid again."""
    session = session_on(Device(music(8)), config(record=str(tmp_path / "takes")))
    with session:
        assert session.source.delivered.wait(PATIENCE_S)
    (take,) = (tmp_path / "takes").iterdir()
    assert sorted(path.name for path in take.iterdir()) == ["commands.csv", "emotion.csv", "kelly.toml", "take.mid", "take.wav", "why.jsonl"]
    sound, rate = soundfile.read(take / "take.wav", dtype="float32")
    counters = session.counters()
    assert (rate, len(sound)) == (RATE, counters["frames"])
    assert counters["gap_frames"] > 0
    kept = sound != 0
    assert kept.sum() > 0.9 * len(music(8)[: len(sound)].nonzero()[0]) - counters["gap_frames"]
    assert np.array_equal(sound[kept], music(8)[: len(sound)][kept])
    rows = (take / "emotion.csv").read_text().splitlines()
    assert len(rows) == 1 + counters["network_hops"]
    assert int(rows[1].split(",")[0]) == RATE // 25
    assert len([m for m in mido.MidiFile(take / "take.mid") if m.type == "note_on"]) > 10
    same = rendered(take, tmp_path / "again.mid") == (take / "take.mid").read_bytes()
    reliability("a take is rendered again", "take.mid byte for byte" if same else "other bytes", same)
    assert same
    assert not open_notes(take / "take.mid")


def test_a_take_of_a_file_holds_its_sound_and_ends_as_it_ends(tmp_path):
    soundfile.write(tmp_path / "in.wav", music(3), RATE, subtype="FLOAT")
    settings = config(record=str(tmp_path / "takes"), audio_in=f"file:{tmp_path}/in.wav", midi_out=f"file:{tmp_path}/live.mid", tail="0.5")
    with Session(settings) as session:
        assert session.wait(PATIENCE_S)
    (take,) = (tmp_path / "takes").iterdir()
    sound, _ = soundfile.read(take / "take.wav", dtype="float32")
    assert np.array_equal(sound[: 3 * RATE], music(3))
    assert len(sound) == 3.5 * RATE
    assert (take / "take.mid").read_bytes() == (tmp_path / "live.mid").read_bytes() == rendered(take, tmp_path / "again.mid")


def test_a_wav_is_readable_at_every_moment_and_grows_beyond_32_bits(tmp_path, monkeypatch):
    """The limit is lowered: nobody writes 4 GiB in a test."""
    sound = music(2)
    writer = WavWriter(tmp_path / "a.wav", RATE)
    for size in (0, RATE, 2 * RATE):
        writer.write(sound[writer.frames : size])
        found, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
        assert rate == RATE
        assert np.array_equal(found, sound[:size])
    monkeypatch.setattr(wav_module.header, "__defaults__", (1000,))
    writer.write(sound)
    writer.close()
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    assert np.array_equal(soundfile.read(tmp_path / "a.wav", dtype="float32")[0], np.concatenate([sound, sound]))


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_a_disk_that_fails_ends_the_recording_and_nothing_else(tmp_path, monkeypatch, number, full):
    """After a second of sound the disk refuses; the music goes on, what was kept is readable."""
    real = os.write

    def write(file, data):
        if os.fstat(file).st_size > 4 * RATE and len(data) > 200:
            raise OSError(number, os.strerror(number))
        return real(file, data)

    monkeypatch.setattr(wav_module.os, "write", write)
    sink = MemorySink()
    session = session_on(Device(music(6)), config(record=str(tmp_path / "takes")), sink)
    with session:
        assert session.source.delivered.wait(PATIENCE_S)
        notes = len(sink.events)
        assert session.take.failure is not None
    assert (session.take.disk_full, "recording stopped after" in session.take.failure) == (full, True)
    last = int(sink.events["frame"].max())
    assert notes > 0
    assert last > 4 * RATE
    assert len(soundfile.read(session.take.folder / "take.wav")[0]) == session.take.frames > 0


def test_a_disk_that_is_too_slow_ends_the_recording_where_the_sound_is_still_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "TAPE_S", 0.5)
    monkeypatch.setattr(recorder_module, "FLUSH_S", 3.0)
    session = session_on(Device(music(4)), config(record=str(tmp_path / "takes")))
    with session:
        assert session.source.delivered.wait(PATIENCE_S)
    assert "too slow" in session.take.failure
    sound = soundfile.read(session.take.folder / "take.wav", dtype="float32")[0]
    assert 0 < len(sound) < 2 * RATE
    kept = sound != 0
    assert np.array_equal(sound[kept], music(4)[: len(sound)][kept])


def test_an_unfinished_take_is_completed_by_the_next_session(tmp_path):
    """Its logs are what a crash leaves behind; the last line is cut in the middle."""
    takes = tmp_path / "takes"
    first = session_on(Device(music(5)), config(record=str(takes)))
    first.start()
    assert first.source.delivered.wait(PATIENCE_S)
    assert unfinished(takes) == []  # somebody records it
    crashed = tmp_path / "crashed"
    until((first.take.folder / "score.json").exists)
    crashed.mkdir()
    for path in first.take.folder.iterdir():
        (crashed / path.name).write_bytes(path.read_bytes())
    first.close()
    whole = (crashed / "notes.csv").read_text()
    (crashed / "notes.csv").write_text(whole + "123,4")
    second = Session(config(record=str(tmp_path)), source=Device(music(1)), sink=MemorySink())
    second.close()
    assert any("an unfinished take was completed" in notice for notice in second.notices)
    struck = sum(line.split(",")[3].startswith(("144", "145", "146", "147", "148", "153")) and line.split(",")[5] != "0" for line in whole.splitlines()[1:])
    assert len([m for m in mido.MidiFile(crashed / "take.mid") if m.type == "note_on" and m.velocity]) == struck > 5
    assert not open_notes(crashed / "take.mid")
    assert not (crashed / "notes.csv").exists()


@pytest.mark.parametrize(("name", "text"), [("score.json", "{"), ("notes.csv", "head\na,b,c,d,e,f,g\n"), ("beats.csv", "head\n5,1\n4,2\n")])
def test_logs_that_make_no_sense_are_refused_in_kelly_s_words(tmp_path, name, text):
    take_files = {"notes.csv": "head\n", "beats.csv": "head\n",
                  "score.json": '{"sample_rate_hz": 8000, "tempo_bpm": null, "beats_per_bar": 4, "downbeat": 0, "key": null, "parts": []}'}  # fmt: skip
    for file, content in {**take_files, name: text}.items():
        (tmp_path / file).write_text(content)
    with pytest.raises((TakeError, ValueError), match=str(tmp_path)):
        salvage(tmp_path)


def test_a_folder_that_cannot_hold_takes_is_refused_before_anything_plays(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TakeError, match="cannot record there"):
        Session(config(record=str(tmp_path / "file")), source=Device(music(1)), sink=MemorySink())


def test_settings_written_as_toml_are_the_settings(tmp_path):
    """Awkward text included."""
    settings = config(audio_in='a "b" \\ c', chords="C | Am", disable=("groovepredictor",), reflex="40", program=("bass=7",), gate="-50.5")
    (tmp_path / "a.toml").write_text(to_toml(settings), encoding="utf-8")
    assert load_config(tmp_path / "a.toml", env={}) == settings
    (tmp_path / "b.toml").write_text(to_toml(load_config(env={})), encoding="utf-8")
    assert load_config(tmp_path / "b.toml", env={}) == load_config(env={})
