"""The session: live and render play the same; faults and closings leave no note hanging."""

import threading
import time

import mido
import numpy as np
import pytest
import soundfile

import kelly
from kelly._rt.contract import NET_NAMES
from kelly._rt.layout import COMMAND_KINDS
from kelly._rt.stream.capture import Capture
from kelly._rt.stream.performer import SAFETY_PART
from kelly.audio.sources import DEMO, TAIL_S, FileSource
from kelly.config import load_config
from kelly.errors import AudioFileError, ConfigError, DeviceLostError, ModelError
from kelly.live import watch
from kelly.live.render import render_config
from kelly.live.session import Session
from kelly.midi.sinks import MemorySink
from tests.patience import PATIENCE_S, until


def config(**flags):
    return load_config(flags={"seed": 5, **flags}, env={})


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Seven seconds of the demo at two rates (by linear interpolation: the ear is not the judge here)."""
    folder = tmp_path_factory.mktemp("songs")
    sound, rate = soundfile.read(DEMO, dtype="float32", frames=7 * 48000)
    sound = sound.mean(axis=1)
    at = np.arange(int(len(sound) * 44100 / rate)) * rate / 44100
    soundfile.write(folder / "44100.wav", np.interp(at, np.arange(len(sound)), sound), 44100, subtype="FLOAT")
    soundfile.write(folder / "48000.wav", sound, rate, subtype="FLOAT")
    return folder


class Crowd:
    """Several live sessions at once, so that they disturb each other as much as they can."""

    def __init__(self, sessions):
        self.sessions = sessions

    def run(self):
        for one in self.sessions:
            one.start()
        for one in self.sessions:
            assert one.wait(PATIENCE_S)
            one.close()
        return [one.summary() for one in self.sessions]


def test_live_and_render_write_the_same_bytes(songs, tmp_path):
    """44.1 and 48 kHz, key and tempo given and tracked; rendered twice, and played live all at the same time."""
    lives, renders = [], []
    for rate in ("44100", "48000"):
        for name, told in (("tracked", {}), ("given", {"key": "G", "tempo": "100"})):
            settings = config(audio_in=f"file:{songs / rate}.wav", midi_out=f"file:{tmp_path}/{rate}-{name}-live.mid", **told)
            lives.append((settings, tmp_path / f"{rate}-{name}-live.mid"))
            pair = [tmp_path / f"{rate}-{name}-{i}.mid" for i in range(2)]
            for path in pair:
                render_config(songs / f"{rate}.wav", path, settings)
            renders.append(pair)
    summaries = Crowd([Session(settings) for settings, _ in lives]).run()
    for (_, live), (first, second), summary in zip(lives, renders, summaries, strict=True):
        assert first.read_bytes() == second.read_bytes()
        assert live.read_bytes() == first.read_bytes(), live.name
        notes = [m for m in mido.MidiFile(live) if m.type == "note_on"]
        assert len(notes) > 15, live.name
        counters = summary["counters"]
        assert [counters[k] for k in ("dropped_frames", "gap_frames", "dropped_ticks", "open_notes")] == [0, 0, 0, 0]


def test_render_is_faster_than_real_time_and_tells_how_far_it_is(songs, tmp_path):
    """In seconds of processor, which others do not spend."""
    seen, started = [], time.process_time()
    summary = kelly.render(songs / "48000.wav", tmp_path / "a.mid", seed=7, key="G", progress=seen.append)
    assert time.process_time() - started < 9
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert all(0 <= fraction <= 1 for fraction in seen)
    assert summary["heard"]["seconds"] == pytest.approx(7.0 + TAIL_S, abs=0.1)
    assert sum(summary["played"].values()) > 15


def test_another_seed_plays_other_notes(songs, tmp_path):
    for seed in (1, 2):
        kelly.render(songs / "48000.wav", tmp_path / f"{seed}.mid", seed=seed, key="G", tempo=100)
    assert (tmp_path / "1.mid").read_bytes() != (tmp_path / "2.mid").read_bytes()


@pytest.mark.parametrize("level_db", [None, -66.0])
def test_silence_and_quiet_noise_make_no_note(tmp_path, level_db):
    noise = np.random.default_rng(0).normal(0, 1, 5 * 16000)
    sound = np.zeros(5 * 16000) if level_db is None else noise * 10 ** (level_db / 20)
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    summary = render_config(tmp_path / "a.wav", tmp_path / "a.mid", config())
    assert set(summary["played"].values()) == {0}
    assert not [m for m in mido.MidiFile(tmp_path / "a.mid") if m.type == "note_on"]


def test_the_reflex_voice_has_a_channel_of_its_own_and_reaches_the_file(tmp_path):
    """Eight struck tones in four seconds."""
    t = np.arange(4 * 48000) / 48000
    soundfile.write(tmp_path / "a.wav", 0.2 * np.sin(2 * np.pi * 220 * t) * np.exp(-8 * (t % 0.5)), 48000)
    render_config(tmp_path / "a.wav", tmp_path / "a.mid", config(reflex="40", key="Am"))
    track = next(t for t in mido.MidiFile(tmp_path / "a.mid").tracks if t.name == "reflex")
    strikes = [m for m in track if m.type == "note_on" and m.velocity]
    assert len(strikes) == 8
    assert {(m.channel, m.note) for m in strikes} == {(15, 40)}
    assert [m.program for m in track if m.type == "program_change"] == [115]


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 96000, 192000, 384000])
def test_any_rate_that_a_file_may_have_can_be_played_along_with(tmp_path, rate):
    t = np.arange(3 * rate) / rate
    soundfile.write(tmp_path / "a.wav", 0.2 * np.sin(2 * np.pi * 220 * t) * np.exp(-3 * (t % 0.5)), rate)
    summary = render_config(tmp_path / "a.wav", tmp_path / "a.mid", config(key="Am", tempo="120"))
    assert sum(summary["played"].values()) > 0


class Device:
    """A source like a device: it drops, it has no end, and it can die."""

    name, sample_rate_hz, total_frames, error = "a device", 16000.0, None, None

    def __init__(self):
        self.capture = Capture(self.sample_rate_hz)
        self.alive, self.standing = True, False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def finish(self):
        self.stop()
        self.capture.end()

    def reopen(self, missed_frames):
        return False

    def stop(self):
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.capture.stop()
        self.capture.end()

    def _run(self):
        started, frames = time.monotonic(), 0
        while not self._stopping.wait(max(0.0, started + (frames + 160) / 16000 - time.monotonic())):
            t = (np.arange(160) + frames) / 16000
            block = 0.2 * np.sin(2 * np.pi * 220 * t) * np.exp(-3 * (t % 0.5))
            frames += 160
            if not self.standing:
                self.capture.deliver(block.astype(np.float32).reshape(-1, 1))


def sounding(events):
    notes = set()
    for e in events:
        kind, note = e["status"] & 0xF0, (int(e["status"] & 0x0F), int(e["data1"]))
        if kind == 0x90 and e["data2"]:
            notes.add(note)
        elif kind in (0x80, 0x90):
            notes.discard(note)
    return notes


@pytest.fixture
def playing(patient):
    """A session on a device, after its first notes."""
    sink = MemorySink()
    session = Session(config(key="Am", tempo="120", patience="0.2"), source=Device(), sink=sink)
    session.start()
    until(lambda: sounding(sink.events))
    yield session, sink
    session.close()


def test_closing_releases_every_note_joins_every_thread_and_may_be_repeated(playing):
    session, sink = playing
    session.close()
    session.close()
    assert not sounding(sink.events)
    assert session.counters()["open_notes"] == 0
    assert session.counters()["dropped_frames"] == 0
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("kelly-")])


@pytest.mark.parametrize("begun", range(5))
def test_a_signal_between_the_threads_starts_is_no_fault(monkeypatch, tmp_path, begun):
    """However many have begun: close() leaves none of them, and no file."""
    start, left = threading.Thread.start, iter([True] * begun)

    def interrupted(thread):
        if next(left, False):
            return start(thread)
        raise KeyboardInterrupt

    source = FileSource(DEMO, realtime=False)
    session = Session(config(midi_out=f"file:{tmp_path / 'never.mid'}"), source=source, sink=MemorySink(), realtime=False)
    before = set(threading.enumerate())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.start()
    session.close(save=False)
    until(lambda: set(threading.enumerate()) <= before)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_inside_releases_every_note_and_is_told(playing, monkeypatch, reliability):
    session, sink = playing

    def broken(tick):
        raise ZeroDivisionError("in a part")

    monkeypatch.setattr(session._conductor, "consume", broken)
    with pytest.raises(ZeroDivisionError, match="in a part"):
        session.wait(PATIENCE_S)
    session.close()
    reliability("exception in a part", f"{len(sounding(sink.events))} open notes, told as ZeroDivisionError", not sounding(sink.events))
    assert not sounding(sink.events)


@pytest.mark.parametrize("how", ["standing", "gone"])
def test_a_device_that_goes_is_noticed_and_every_note_released(playing, monkeypatch, how):
    session, sink = playing
    monkeypatch.setattr(watch, "LOST_S", 0.3)
    if how == "standing":
        session.source.standing = True
    else:
        session.source.alive = False
    with pytest.raises(DeviceLostError, match="a device: the device is gone") as caught:
        session.wait(PATIENCE_S)
    assert caught.value.exit_code == 7
    session.close()
    assert not sounding(sink.events)


def test_a_panic_silences_and_the_music_goes_on(playing):
    session, sink = playing
    session.panic()

    def released():
        """How many events had left when the last note was released."""
        return max(np.flatnonzero(sink.events["part"] == SAFETY_PART), default=-1) + 1

    until(released)
    assert not sounding(sink.events[: released()])
    assert session.counters()["panics"] == 1
    until(lambda: sounding(sink.events))


def test_nets_are_switched_and_driven_from_python_and_each_command_is_stamped(playing):
    session, _ = playing
    target = np.linspace(-1, 1, 64)
    session.push_embedding(target)
    session.set_model_enabled("melodytransformer", False)
    session.set_model_enabled("groovepredictor", False)
    until(lambda: len(session.receipts) >= 3 and np.allclose(session.snapshot().tick["embedding"], target, atol=1e-6))
    assert session.nets()["melodytransformer"] == session.nets()["groovepredictor"] == "off"
    assert session.nets()["harmonypredictor"] != "off"
    kinds = [COMMAND_KINDS[r["command"]["kind"]] for r in session.receipts]
    assert kinds == ["embedding", "disable", "disable"]
    assert all(r["tick"] > 0 for r in session.receipts)
    session.release_embedding()
    with pytest.raises(KeyError, match="no net is called 'melody'"):
        session.set_model_enabled("melody", True)
    for wrong in (np.zeros(63), np.full(64, np.inf)):
        with pytest.raises(ValueError, match="64 finite numbers"):
            session.push_embedding(wrong)


def test_reports_come_until_the_session_ends(songs):
    with Session(config(key="G"), source=FileSource(songs / "48000.wav", realtime=False), sink=MemorySink(), realtime=False) as session:
        reports = list(session.reports(every_s=0.02))
    assert reports
    assert all(report.counters["dropped_frames"] == 0 for report in reports)
    assert session.snapshot().tick["end"] == 1
    assert set(session.faults()) == set(NET_NAMES)


def test_a_session_that_never_started_closes(songs, tmp_path):
    session = Session(config(audio_in=f"file:{songs}/48000.wav", midi_out=f"file:{tmp_path}/a.mid"))
    session.close()
    assert session.source.capture.ended or session.source.capture.stopping


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ({"key": "H"}, ConfigError),
        ({"models": "nowhere", "strict_models": "yes"}, ModelError),
        ({"audio_in": "file:nowhere.wav"}, AudioFileError),
    ],
)
def test_what_cannot_be_started_leaves_nothing_behind(tmp_path, monkeypatch, flags, error):
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    with pytest.raises(error):
        Session(config(**{"audio_in": "demo", "midi_out": "file:a.mid", **flags}))
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_render_leaves_no_file(songs, tmp_path):
    def interrupt(fraction):
        raise KeyboardInterrupt

    monkey_song = np.tile(soundfile.read(songs / "48000.wav", dtype="float32")[0], 8)
    soundfile.write(tmp_path / "long.wav", monkey_song, 48000, subtype="FLOAT")
    with pytest.raises(KeyboardInterrupt):
        render_config(tmp_path / "long.wav", tmp_path / "a.mid", config(), progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["long.wav"]
