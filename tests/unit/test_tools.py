"""inspect, bench, run, models, validate, analyze: what they say and when they fail."""

import csv
import json
import sys

import numpy as np
import pytest
import soundfile

import kelly
from kelly.audio.stream import run_file
from kelly.cli.app import run
from kelly.cli.bench import sort_out
from kelly.errors import AudioFileError, ConfigError, ModelFormatError, ModelShapeError
from kelly.nets.amplifier import Surroundings, surroundings
from kelly.nets.json import read_model
from kelly.nets.load import network_from
from kelly.nets.sheet import inspect_file
from kelly.nets.timing import allocated, bench_network, bench_pipeline, peer
from tests.nets import GOLDEN

ROOT = GOLDEN.parents[1]
GROOVE = str(ROOT / "models" / "groovepredictor" / "model.json")
AMP = str(GOLDEN / "lstm_1to8" / "model.json")


def answer(capsys):
    return json.loads(capsys.readouterr().out)


# inspect


def test_sheet_counts_what_the_contract_counts():
    """Parameters, state and operations of a net whose numbers are known."""
    sheet = inspect_file(ROOT / "models" / "emotionrecognizer" / "model.json")
    assert sheet.parameters == 403_264
    assert sheet.state == 256
    assert sheet.layers[0].flops == 2 * 128 * 512 + 512 + 512
    assert sheet.net == "emotionrecognizer"
    assert 0 < sheet.floor_us < sheet.latency_us * 10


def test_inspect_speaks_json_and_tables(capsys):
    assert run(["inspect", GROOVE, "--json"]) == 0
    report = answer(capsys)
    assert report["schema"] == "kelly.inspect/1"
    assert [layer["columns"]["op"] for layer in report["layers"]] == [0, 0, 0]
    assert run(["inspect", GROOVE, "-v"]) == 0
    assert "18,656" in capsys.readouterr().out
    assert run(["inspect", "--catalog", "--json"]) == 0
    assert sum(net["parameters"] for net in answer(capsys)["nets"]) == 1_151_280
    assert run(["inspect"]) == 2
    assert run(["inspect", "nothing.json"]) == 4


# bench


def test_bench_measures_blocks_and_allocations():
    """An audio-rate net runs a step per sample; nothing is allocated; p50 <= p99."""
    found = bench_network("amp", network_from(read_model(AMP)), frames=(16, 64), seconds=0.01)
    assert [block.steps for block in found.blocks] == [16, 64]
    assert found.allocations == 0
    assert found.step.p50_us <= found.step.p99_us
    assert found.blocks[1].budget_us == pytest.approx(1333.3, abs=0.1)


def test_allocated_sees_a_planted_allocation():
    """The counter that says 0 can also say more."""
    assert allocated(lambda: None) == 0
    kept = []
    assert allocated(lambda: kept.append(bytearray(1000))) > 100_000


def test_peers_compute_the_same_network():
    """What kelly is measured against is the same network: one step each."""
    model = read_model(GOLDEN / "gru_stack" / "model.json")
    x = np.random.default_rng(0).standard_normal(model.in_size).astype(np.float32)
    wanted = network_from(model)(x)
    for kind in ("numpy", "torch", "onnxruntime"):
        np.testing.assert_allclose(np.ravel(peer(kind, model, x)()), wanted, atol=1e-6)
    with pytest.raises(ConfigError, match="numpy, torch, onnxruntime"):
        peer("tensorflow", model, x)


def test_pipeline_is_the_sum_of_its_nets():
    models = {name: read_model(ROOT / "models" / name / "model.json") for name in ("groovepredictor", "dynamicsengine")}
    networks = {name: network_from(model) for name, model in models.items()}
    found = bench_pipeline(networks, models, seconds=0.01, against=("numpy",))
    assert found.parameters == 18_656 + 13_520
    assert found.peers["numpy"]["times_faster"] > 0


def test_numbers_after_b_are_blocks():
    assert sort_out(("m.json", "128", "256"), ("64",)) == (["m.json"], [64, 128, 256])
    assert sort_out(("m.json",), ("64,32",)) == (["m.json"], [64, 32])
    assert sort_out(("m.json",), ()) == (["m.json"], [128])


def test_bench_exits_5_when_a_block_takes_longer_than_it_lasts(capsys):
    """At a rate that nobody keeps."""
    assert run(["bench", AMP, "-b", "8", "16", "--seconds", "0.01", "--json"]) == 0
    report = answer(capsys)
    assert report["blocks"] == [8, 16]
    assert report["results"][0]["audio_rate"] is True
    assert run(["bench", AMP, "-b", "16", "-r", "1e12", "--seconds", "0.01"]) == 5
    assert "longer than it lasts" in capsys.readouterr().out
    assert run(["bench", AMP, "-b", "0"]) == 2


# run


def test_a_recording_goes_through_block_by_block_per_channel(tmp_path):
    """Two channels, blocks that don't divide the length: each channel is one run of the network."""
    sound = np.random.default_rng(1).uniform(-1, 1, (1000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", sound, 48000, subtype="FLOAT")
    amp = amp_model(tmp_path)
    network = kelly.load_network(amp)
    done = run_file(network, tmp_path / "in.wav", tmp_path / "out.wav", block=48)
    heard, rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert (rate, done.frames, done.channels) == (48000, 1000, 2)
    for channel in range(2):
        network.reset()
        np.testing.assert_array_equal(heard[:, channel], network(sound[:, channel : channel + 1])[:, 0])
    run_file(network, tmp_path / "in.wav", tmp_path / "sum.wav", add_input=True)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "sum.wav", dtype="float32")[0], heard + sound)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["amp.json", "in.wav", "out.wav", "sum.wav"]


def amp_model(folder, n_in=1):
    from kelly.nets.export import export_model

    rng = np.random.default_rng(2)
    lstm = {"weight_ih_l0": rng.normal(0, 0.5, (16, n_in)), "weight_hh_l0": rng.normal(0, 0.5, (16, 4))}
    return export_model([("LSTM", lstm), ("Linear", {"weight": rng.normal(0, 0.5, (1, 4))})], folder / "amp.json")


def test_knobs_are_inputs_and_sizes_are_checked(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.zeros(100, np.float32), 44100)
    network = kelly.load_network(amp_model(tmp_path, n_in=2))
    with pytest.raises(ModelShapeError, match="--control"):
        run_file(network, tmp_path / "in.wav", tmp_path / "out.wav")
    assert run_file(network, tmp_path / "in.wav", tmp_path / "out.wav", controls=[0.5]).frames == 100
    with pytest.raises(AudioFileError):
        run_file(network, tmp_path / "none.wav", tmp_path / "out.wav", controls=[0.5])
    with pytest.raises(AudioFileError):
        run_file(network, tmp_path / "in.wav", tmp_path / "nowhere" / "out.wav", controls=[0.5])


PLAIN_AMP = {"in_shape": [None, None, 1], "layers": [{"type": "dense", "shape": [None, None, 1], "weights": [[[0.5]], [0.0]]}]}


def test_gains_skip_and_rate_of_an_aidax_file_are_kept_to(tmp_path, capsys):
    """y = (0.5 x g + x g) h with g = +6 dB and h = -20 dB; flags change each; another rate is warned of."""
    about = {"in_skip": 1, "in_gain": 6.0, "out_gain": "-20", "metadata": {"name": "amp", "samplerate": "44100"}}
    (tmp_path / "amp.aidax").write_text(json.dumps(PLAIN_AMP | about))
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 3000).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", x, 48000, subtype="FLOAT")
    how = ["run", str(tmp_path / "amp.aidax"), str(tmp_path / "x.wav"), "-o", str(tmp_path / "y.wav")]
    g, h = 10 ** (6 / 20), 10 ** (-20 / 20)
    for flags, wanted in (([], 1.5 * g * h), (["--no-add-input"], 0.5 * g * h), (["--in-gain", "0", "--out-gain", "0"], 1.5)):
        assert run([*how, *flags]) == 0
        assert "made for 44100 Hz" in capsys.readouterr().err
        np.testing.assert_allclose(soundfile.read(tmp_path / "y.wav", dtype="float32")[0], x * np.float32(wanted), rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "value", "pointer"),
    [("in_skip", 2, "/in_skip"), ("in_gain", "loud", "/in_gain"), ("out_gain", 1e9, "/out_gain"), ("samplerate", True, "/samplerate"),
     ("metadata", {"samplerate": []}, "/metadata/samplerate")],
)  # fmt: skip
def test_surroundings_that_are_none_are_refused_with_their_place(key, value, pointer, tmp_path):
    (tmp_path / "amp.aidax").write_text(json.dumps(PLAIN_AMP | {key: value}))
    with pytest.raises(ModelFormatError) as caught:
        surroundings(tmp_path / "amp.aidax")
    assert caught.value.pointer == pointer


def test_a_file_without_surroundings_changes_nothing(tmp_path):
    (tmp_path / "amp.json").write_text(json.dumps(PLAIN_AMP))
    assert surroundings(tmp_path / "amp.json") == Surroundings()


def test_run_command_reports_times_of_real_time(tmp_path, capsys):
    soundfile.write(tmp_path / "in.wav", np.zeros(4800, np.float32), 48000)
    amp = str(amp_model(tmp_path))
    assert run(["run", amp, str(tmp_path / "in.wav"), "-o", str(tmp_path / "o.wav"), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["x_real_time"] > 0
    assert "x real time" in captured.err
    assert run(["run", amp, str(tmp_path / "none.wav")]) == 6
    assert run(["run", GROOVE, str(tmp_path / "in.wav")]) == 4


# models, validate


def test_models_lists_the_five(capsys, tmp_path):
    assert run(["models", "list", "--models", str(ROOT / "models"), "--json"]) == 0
    report = answer(capsys)
    assert [net["source"] for net in report["nets"]] == ["model"] * 5
    assert all(len(net["sha256"]) == 64 for net in report["nets"])
    assert run(["models", "--models", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("fallback") == 5


def test_validate_checks_specs_and_inference(capsys, tmp_path, monkeypatch):
    """A sound file, a file that is none of the five, and a net that overflows."""
    monkeypatch.chdir(tmp_path)
    assert run(["validate", GROOVE, "--check-specs", "--inference", "-v"]) == 0
    assert "dense 128 -> 64 tanh" in capsys.readouterr().out
    saved = json.loads((tmp_path / "validation_results.json").read_text())
    assert saved["schema"] == "kelly.validate/1"
    assert [trial["input"] for trial in saved["files"][0]["inference"]] == ["zero", "normal", "large", "negative"]
    assert run(["validate", AMP]) == 0
    assert run(["validate", AMP, "--check-specs"]) == 4
    assert "/kelly/net" in capsys.readouterr().out
    loud = {"in_shape": [1], "layers": [{"type": "dense", "shape": [1], "weights": [[[3e38]], [0]]}]}
    (tmp_path / "loud.json").write_text(json.dumps(loud))
    assert run(["validate", "loud.json"]) == 0
    assert run(["validate", "loud.json", "--inference", "--results", "r.json"]) == 4
    assert "NOT FINITE" in capsys.readouterr().out


def test_check_specs_takes_the_five_where_no_path_is_given(capsys, tmp_path):
    assert run(["validate", "--check-specs", "--models", str(ROOT / "models")]) == 0
    assert capsys.readouterr().out.count(": ok (") == 5
    assert run(["validate", "--check-specs", "--models", str(tmp_path)]) == 4
    assert "no emotionrecognizer/model.json" in capsys.readouterr().err


def test_validate_names_every_fault_with_its_hint(capsys, tmp_path):
    layers = [{"type": "dense", "shape": [2], "weights": [[[1, 2]], [True, 2]], "activation": "Tanh"}, {"type": "gelu", "shape": [2], "weights": []}]
    (tmp_path / "bad.json").write_text(json.dumps({"in_shape": [1], "layers": layers}))
    assert run(["validate", str(tmp_path / "bad.json"), "--json"]) == 4
    faults = answer(capsys)["files"][0]["faults"]
    assert {fault["pointer"] for fault in faults} == {"/layers/0/activation", "/layers/0/weights/1/0", "/layers/1/type"}
    assert all(fault["expected"] and fault["found"] for fault in faults)
    assert next(fault for fault in faults if fault["pointer"] == "/layers/0/activation")["hint"]


@pytest.mark.parametrize(("arithmetic", "worst"), [("fast", 1e-6), ("int16", 1e-4), ("int8", 2e-2)])
def test_bench_tells_what_an_arithmetic_costs_in_accuracy(arithmetic, worst, capsys):
    """One of the five on a thousand steps of the demo is held to the promise; another net on noise to none."""
    assert run(["bench", GROOVE, AMP, "--arithmetic", arithmetic, "--seconds", "0.001", "-b", "4096", "--json"]) == 0
    groove, amp = (row["accuracy"] for row in answer(capsys)["results"])
    assert (groove["input"], groove["steps"], groove["allowed"]) == ("demo", 1000, worst)
    assert 0 < groove["worst_error"] <= worst
    assert groove["least_cosine"] >= 0.999
    assert (amp["input"], amp["allowed"]) == ("noise", None)
    assert run(["bench", GROOVE, "--arithmetic", arithmetic, "--seconds", "0.001", "-b", "4096"]) == 0
    assert "worst error" in capsys.readouterr().out


# analyze


@pytest.fixture(scope="module")
def demo():
    return kelly.analyze(ROOT / "kelly" / "audio" / "demo.ogg", models=str(ROOT / "models"))


def test_the_demo_is_in_g_major_at_100(demo):
    """What examples/demo_song.py composed."""
    assert demo.key == "G major"
    assert demo.tempo_bpm == pytest.approx(100, abs=1)
    assert 0.8 < np.median(np.diff(demo.beats_s)) / 0.6 < 1.2
    assert {"G", "Em7"} & set(demo.chords)
    assert set(demo.sources.values()) == {"model"}


def test_the_track_has_one_row_per_hop_and_the_features_of_extract_features(demo):
    """The same front end, the recording's own length."""
    samples, rate = soundfile.read(ROOT / "kelly" / "audio" / "demo.ogg", dtype="float32")
    features = kelly.extract_features(samples, rate)
    assert demo.features.shape == features.shape
    np.testing.assert_array_equal(demo.features, features)
    assert demo.embedding.shape == (len(features), 64)
    assert demo.valence.shape == demo.times_s.shape == (len(features),)
    assert (np.diff(demo.beats_s) >= 0).all()
    assert demo.times_s[-1] == pytest.approx(len(features) * 0.04)


def test_analyze_writes_csv(tmp_path, capsys):
    sound = 0.3 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", sound, 48000)
    assert run(["analyze", str(tmp_path / "a.wav"), "-o", str(tmp_path / "a.csv"), "--features", "--key", "Am", "--json"]) == 0
    report = answer(capsys)
    assert report["schema"] == "kelly.analyze/1"
    assert report["key"] == "A minor"
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(report["times_s"]) == 25
    assert len(rows[0]) == 10 + 128
    assert run(["analyze", str(tmp_path / "none.wav")]) == 6


def test_beats_of_a_given_tempo_lie_on_its_grid(tmp_path):
    """Beats in the CSV add up to the beats of the track."""
    sound = np.zeros(48000 * 4, np.float32)
    for beat in range(8):
        sound[beat * 24000 : beat * 24000 + 800] = np.hanning(800) * 0.8
    soundfile.write(tmp_path / "clicks.wav", sound, 48000)
    track = kelly.analyze(tmp_path / "clicks.wav", tempo=120)
    np.testing.assert_allclose(np.diff(track.beats_s), 0.5, atol=0.05)
    with open(tmp_path / "t.csv", "w", newline="") as file:
        track.write_csv(file)
    with open(tmp_path / "t.csv", newline="") as file:
        assert sum(int(row["beat"]) for row in csv.DictReader(file)) == len(track.beats_s[track.beats_s <= track.times_s[-1]])




def test_a_recording_becomes_a_picture(tmp_path, capsys, monkeypatch):
    """A PNG of some size beside the table; without matplotlib the way to it is told, and no half file is left."""
    wav, png = tmp_path / "take.wav", tmp_path / "take.png"
    t = np.arange(8 * 22050) / 22050
    chords = sum(np.sin(2 * np.pi * 440 * 2 ** ((p + 5 * (t > 4) - 69) / 12) * t) for p in (60, 64, 67))
    soundfile.write(wav, (0.2 * chords * np.exp(-4 * (t % 0.5))).astype(np.float32), 22050)
    assert run(["analyze", str(wav), "-o", str(tmp_path / "take.csv"), "--plot", str(png)]) == 0
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(head[16:20], "big") > 1500
    assert (tmp_path / "take.csv").read_text().startswith("time_s,valence,arousal,tension,confidence,key,")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    capsys.readouterr()
    assert run(["analyze", str(wav), "--plot", str(tmp_path / "other.png")]) == 1
    assert "kelly-live[plot]" in capsys.readouterr().err
    assert not (tmp_path / "other.png").exists()


def test_stretches_of_a_name_become_spans():
    """In order, with their ends; what has no name is left out."""
    from kelly.cli.track_picture import spans

    assert list(spans(("", "C", "C", "G", ""), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))) == [(1.0, 3.0, "C"), (3.0, 4.0, "G")]
