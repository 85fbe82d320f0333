"""An intent: from a file to embeddings, from embeddings through the nets to MIDI."""

from __future__ import annotations

import mido
import numpy as np
import pytest
import soundfile

import kelly
from kelly._rt.contract import EMBEDDING
from kelly.audio.sources import DEMO, FileSource
from kelly.cli import app
from kelly.config import FEELS as WORDS_OF_FEEL
from kelly.config import load_config
from kelly.errors import ConfigError
from kelly.generate.settings import ConductorSettings
from kelly.live.intent import band_of
from kelly.live.session import Session
from kelly.midi.sinks import FileSink
from kelly.music.emotion import ANCHORS, Mood
from kelly.music.intent import ARCS, FEELS, Intent, read_intent
from kelly.music.steering import embedding_from_mood
from tests.patience import until

V, A = EMBEDDING["valence"].start, EMBEDDING["arousal"].start


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """Ten seconds of the demo: G major, 100 beats per minute."""
    sound, rate = soundfile.read(DEMO, dtype="float32")
    path = tmp_path_factory.mktemp("take") / "take.wav"
    soundfile.write(path, sound[: 10 * rate], rate)
    return path


def written(tmp_path, text):
    path = tmp_path / "intent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_path_runs_from_a_to_b_over_its_bars_and_stays(tmp_path):
    """Words and numbers mix; before the first bar A, after the last B."""
    intent = read_intent(written(tmp_path, 'from = [0.5, -0.5, -0.2]\nto = "very angry"\nbars = 8\narc = "ease"\n[constraints]\nkey = "Am"\ntempo = 96\nswing = 0.66'))
    assert (intent.bars, intent.key, intent.tempo_bpm, intent.swing) == (8.0, "Am", 96.0, 0.66)
    assert intent.at(-1) == intent.at(0) == Mood(0.5, -0.5, -0.2)
    assert intent.at(8) == intent.at(100) == intent.end
    assert intent.at(4).valence == pytest.approx((0.5 + intent.end.valence) / 2)
    path = intent.path()
    assert path.shape == (8 * 16 + 1, 64)
    assert path[:, A].tolist() == sorted(path[:, A].tolist())
    assert path[0, EMBEDDING["swing"].start] > 0.9


@pytest.mark.parametrize("arc", ARCS)
def test_every_arc_starts_at_a_and_all_but_the_arch_end_at_b(arc):
    """The arch comes back."""
    assert ARCS[arc](0.0) == 0.0
    assert ARCS[arc](1.0) == pytest.approx(0.0 if arc == "arch" else 1.0, abs=1e-12)
    assert ARCS[arc](0.5) == pytest.approx({"line": 0.5, "ease": 0.5, "late": 0.25, "early": 0.75, "arch": 1.0}[arc])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected one of: mood, point, or from and to"),
        ('mood = "calm"\nto = "sad"', "expected one of"),
        ('to = "sad"\nbars = 4', "expected one of"),
        ('from = "calm"\nto = "sad"', "bars: expected a number from 0.25 to 1024, found None"),
        ('from = "calm"\nto = "sad"\nbars = 4\narc = "eas"', "did you mean 'ease'?"),
        ('mood = "calm"\nbars = 4', "belong to a path"),
        ("point = [0.1, 0.2]", "each -1 to 1"),
        ("point = [0.1, 0.2, 1.5]", "each -1 to 1"),
        ('mood = "zzz"', "no mood in 'zzz'"),
        ('mod = "calm"', "unknown key 'mod'; did you mean 'mood'?"),
        ('mood = "calm"\n[constraints]\ntemp = 3', "unknown key 'constraints.temp'; did you mean 'tempo'?"),
        ('mood = "calm"\n[constraints]\ntempo = 3', "tempo: expected a number from 30 to 300, found 3.0".replace("3.0", "3")),
        ('mood = "calm"\n[constraints]\nkey = "H"', "H"),
        ("mood = ", "not TOML"),
    ],
)
def test_an_unusable_file_says_what_and_where(tmp_path, text, said):
    """Typed, with the file's name."""
    with pytest.raises(ConfigError) as caught:
        read_intent(written(tmp_path, text))
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_an_embedding_of_a_mood_holds_the_contract():
    """Named indices, ranges, the nearest emotion the largest, quadrants that sum to 1."""
    for name, anchor in ANCHORS.items():
        vector = embedding_from_mood(Mood(*anchor))
        assert vector.shape == (64,)
        assert np.all(np.abs(vector) <= 1)
        assert vector[V] == pytest.approx(anchor[0])
        emotions = {emotion: vector[EMBEDDING[emotion].start] for emotion in ANCHORS}
        assert max(emotions, key=emotions.get) == name
        assert vector[EMBEDDING.slice("quadrants")].sum() == pytest.approx(1.0, abs=1e-6)


def played(take, path, **settings):
    """Render; notes in all, mean velocity of the bass, and the newest embedding."""
    session = Session(load_config(flags={"key": "G", "tempo": 100, **settings}, env={}), source=FileSource(take, realtime=False), sink=FileSink(path), realtime=False)
    with session:
        while not session.wait(0.1):
            pass
    notes = [m for m in mido.MidiFile(path) if m.type == "note_on" and m.velocity]
    return len(notes), float(np.mean([m.velocity for m in notes if m.channel == 2])), session.snapshot().tick["embedding"]


def test_moods_reach_the_midi_through_the_nets(take, tmp_path):
    """Excited against calm: the ticks carry the mood's embedding, and more notes, a louder bass, come out."""
    excited = played(take, tmp_path / "a.mid", mood="extremely excited")
    calm = played(take, tmp_path / "b.mid", mood="very calm")
    assert excited[2][V] > 0.4
    assert calm[2][A] < -0.2 < 0.5 < excited[2][A]
    assert excited[0] > 1.3 * calm[0]
    assert excited[1] > calm[1] + 3


def test_a_path_moves_the_nets_along_the_players_bars(take, tmp_path):
    """Calm to excited over four bars of 2.4 s: the second half holds more notes than the first."""
    intent = written(tmp_path, 'from = "very calm"\nto = "extremely excited"\nbars = 3')
    _, _, last = played(take, tmp_path / "way.mid", intent=str(intent))
    assert last == pytest.approx(read_intent(intent).path()[-1], abs=1e-6)
    times, now = [], 0.0
    for message in mido.MidiFile(tmp_path / "way.mid"):
        now += message.time
        if message.type == "note_on" and message.velocity:
            times.append(now)
    assert np.sum((np.array(times) > 7.2) & (np.array(times) < 9.6)) > np.sum((np.array(times) > 0.0) & (np.array(times) < 2.4))


def test_the_same_mood_gives_the_same_bytes(take, tmp_path):
    """The way is followed in stream time, so two renders agree."""
    intent = str(written(tmp_path, 'from = "sad"\nto = "joyful"\nbars = 4'))
    files = []
    for name in ("a.mid", "b.mid"):
        kelly.render(take, tmp_path / name, intent=intent)
        files.append((tmp_path / name).read_bytes())
    kelly.render(take, tmp_path / "c.mid")
    assert files[0] == files[1] != (tmp_path / "c.mid").read_bytes()


def test_python_beats_the_mood_and_gives_way_again(take, tmp_path):
    """push_embedding takes half a second to take over, release_embedding gives the mood its place back."""
    source = FileSource(take, realtime=True)
    session = Session(load_config(flags={"mood": "calm"}, env={}), source=source, sink=FileSink(tmp_path / "x.mid"), realtime=True)
    pushed = embedding_from_mood(Mood(-0.4, 0.6, 0.7))

    def settle(vector):
        until(lambda: (tick := session.snapshot().tick) is not None and np.allclose(tick["embedding"], vector, atol=1e-6))

    with session:
        settle(embedding_from_mood(kelly.music.words.read_words("calm").mood))
        session.push_embedding(pushed)
        settle(pushed)
        session.release_embedding()
        settle(embedding_from_mood(kelly.music.words.read_words("calm").mood))


def test_constraints_give_way_to_what_the_user_says(tmp_path, take):
    """key and tempo of the file hold unless a flag or setting says otherwise."""
    path = str(written(tmp_path, 'mood = "calm"\n[constraints]\nkey = "Am"\ntempo = 96\nmeter = "3/4"'))
    for flags, expected in (({}, ("Am", 96.0, "3/4")), ({"key": "C", "tempo": 80, "meter": "4/4"}, ("C", 80.0, "4/4"))):
        session = Session(load_config(flags={"intent": path, **flags}, env={}), source=FileSource(take, realtime=False), sink=FileSink(tmp_path / "x.mid"), realtime=False)
        assert (session.config.music.key, session.config.music.tempo_bpm, session.config.music.meter) == expected
        session.close(save=False)


def test_the_command_line_says_what_it_understood(take, tmp_path, capsys, monkeypatch):
    """Exit 2 before anything is opened; a word that isn't known is named."""
    monkeypatch.chdir(tmp_path)
    assert app.run(["render", str(take), "--mood", "zzz"]) == 2
    assert "--mood: no mood in 'zzz'" in capsys.readouterr().err
    assert app.run(["live", "--mood", "calm", "--intent", "x.toml"]) == 2
    assert "one of the two" in capsys.readouterr().err
    assert app.run(["render", str(take), "-o", "m.mid", "--mood", "calm gladiator"]) == 0
    assert "mood: very calm (V+0.37" in (said := capsys.readouterr().err)
    assert "not understood: gladiator" in said


def test_describe_names_both_ends():
    """For people."""
    text = Intent(Mood(*ANCHORS["joy"]), Mood(), 8, "line").describe()
    assert text.startswith("mood: utterly ")
    assert text.endswith("to neutral (V+0.00 A+0.00 T+0.00) over 8 bars (line)")


def test_a_feel_can_be_asked_for_without_a_mood():
    """And goes before an intent's; the words are one table."""
    config = load_config(flags={"band_feel": "shuffle"}, env={})
    assert config.origins["music.feel"] == "--feel"
    assert (band_of(ConductorSettings(), config, None).swing, band_of(ConductorSettings(), load_config(env={}), None).swing) == (2 / 3, None)
    slow = Intent(Mood(), Mood(), swing=0.55, mode=-1)
    assert (band_of(ConductorSettings(), config, slow).swing, band_of(ConductorSettings(), config, slow).mode) == (2 / 3, -1)
    assert tuple(FEELS) == WORDS_OF_FEEL
