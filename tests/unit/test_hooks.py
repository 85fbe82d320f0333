"""Functions of the user in the worker: what they see, what they change, what is refused."""

import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import kelly
from kelly._rt.contract import EMBEDDING
from kelly._rt.hooks import forbidden, load_hook
from kelly._rt.layout import MAX_HOOKS, N_SLOTS, SLOTS
from kelly.errors import BackendUnavailableError, HookError
from tests.unit.test_worker import RATE, Rig, chords

ROOT = Path(__file__).resolve().parents[2]
TENSION = EMBEDDING["tension"].start
TIME_S, PLAYING, KEY_TONIC, KEY_MODE, LEVEL_DB = (SLOTS[n] for n in ("time_s", "playing", "key_tonic", "key_mode", "level_db"))


@kelly.hook
def marks(features, embedding, controls):
    """Counts in its memory, writes what it sees into the embedding."""
    controls[32] += 1.0
    embedding[0] = controls[32] / 1000.0
    embedding[1] = controls[TIME_S] / 100.0
    embedding[2] = features[5] / 10.0


@kelly.hook
def doubles(features, embedding, controls):
    embedding[0] *= 2.0


@kelly.hook
def shouts(features, embedding, controls):
    embedding[3] = 7.0
    embedding[4] = -7.0


@kelly.hook
def breaks(features, embedding, controls):
    embedding[0] = math.nan


@kelly.hook
def f_sharp_minor_and_rest(features, embedding, controls):
    controls[KEY_TONIC], controls[KEY_MODE] = 6.0, -1.0
    controls[PLAYING] = 0.0


def ticks_with(*hooks, seconds=2.0):
    rig = Rig()
    for one in hooks:
        rig.worker.add_hook(one)
    rig.feed(chords(seconds))
    return rig.end(), rig.worker


def test_a_hook_sees_features_and_time_and_keeps_its_memory():
    """Call n finds n - 1 in its memory, and the tick carries what it wrote."""
    ticks, worker = ticks_with(marks)
    n = len(ticks)
    np.testing.assert_allclose(ticks["embedding"][:, 0], np.arange(1, n + 1) / 1000, rtol=1e-6)
    np.testing.assert_allclose(ticks["embedding"][:, 1], ticks["frame"] / RATE / 100, rtol=1e-5)
    np.testing.assert_allclose(ticks["embedding"][:, 2], np.clip(ticks["features"][:, 5] / 10, -1, 1), rtol=1e-6)
    assert worker.counters()["hook_faults"] == 0


def test_hooks_are_called_in_order_and_have_memories_of_their_own():
    once, _ = ticks_with(marks)
    then, _ = ticks_with(marks, doubles)
    np.testing.assert_allclose(then["embedding"][:, 0], np.minimum(once["embedding"][:, 0] * 2, 1), rtol=1e-6)
    twice, _ = ticks_with(marks, marks)
    np.testing.assert_array_equal(twice["embedding"], once["embedding"])


def test_without_a_hook_nothing_changes_and_with_one_every_run_is_the_same():
    """A hook is a part of the music, not of the weather."""
    assert (ticks_with()[0] == ticks_with()[0]).all()
    assert (ticks_with(marks, doubles)[0] == ticks_with(marks, doubles)[0]).all()


def test_an_embedding_stays_within_the_contract_and_finite():
    """Beyond -1..1 is held there; NaN is undone and counted."""
    ticks, _ = ticks_with(shouts)
    assert (ticks["embedding"][:, 3] == 1).all()
    assert (ticks["embedding"][:, 4] == -1).all()
    plain, _ = ticks_with()
    broken, worker = ticks_with(breaks)
    np.testing.assert_array_equal(broken["embedding"], plain["embedding"])
    assert worker.counters()["hook_faults"] == len(broken)


def test_key_and_playing_are_obeyed():
    ticks, _ = ticks_with(f_sharp_minor_and_rest)
    assert (ticks["key_tonic"] == 6).all()
    assert (ticks["key_mode"] == -1).all()
    assert not ticks["playing"].any()


def test_a_hook_may_join_while_the_worker_runs():
    rig = Rig()
    rig.feed(chords(1.0))
    before = rig.until(10)
    rig.worker.add_hook(shouts)
    rig.feed(chords(1.0))
    after = rig.end()
    assert not (before["embedding"][:, 3] == 1).all()
    assert after["embedding"][-1, 3] == 1


def test_a_hook_may_leave_while_the_worker_runs():
    """From the next hop on it is not called: its marks end where it left."""
    rig = Rig()
    rig.worker.add_hook(marks)
    rig.feed(chords(1.0))
    before = rig.until(10)
    rig.worker.remove_hook(marks)
    with pytest.raises(ValueError, match="does not take part"):
        rig.worker.remove_hook(marks)
    rig.feed(chords(2.0))
    after = rig.end()
    np.testing.assert_array_equal(before["embedding"][:, 0], (np.arange(len(before), dtype=np.float64) + 1).astype(np.float32) / np.float32(1000))
    assert abs(after["embedding"][-1, 0] * 1000 - round(float(after["embedding"][-1, 0]) * 1000)) > 1e-4


def test_a_place_that_was_left_is_given_away():
    rig = Rig()
    for _ in range(MAX_HOOKS):
        rig.worker.add_hook(doubles)
    for _ in range(3):
        rig.worker.remove_hook(doubles)
        rig.worker.add_hook(marks)
        rig.worker.remove_hook(marks)
        rig.worker.add_hook(doubles)
    with pytest.raises(ValueError, match="takes 8 hooks"):
        rig.worker.add_hook(marks)
    rig.end()


HOOK_FILE = """
import kelly

@kelly.hook
def decorated(features, embedding, controls):
    embedding[0] = 0.5

def plain(features, embedding, controls):
    embedding[0] = 0.25

number = 3
"""


@pytest.mark.parametrize(("name", "value"), [("decorated", 0.5), ("plain", 0.25)])
def test_a_hook_comes_from_a_file(name, value, tmp_path):
    (tmp_path / "mine.py").write_text(HOOK_FILE)
    found = load_hook(f"{tmp_path / 'mine.py'}:{name}")
    embedding = np.zeros(64, np.float32)
    found(np.zeros(128, np.float32), embedding, np.zeros(N_SLOTS, np.float32))
    assert embedding[0] == value


@pytest.mark.parametrize(
    ("where", "match"),
    [("mine.py", "FILE.py:NAME"), ("mine.py:", "FILE.py:NAME"), ("other.py:plain", "FILE.py:NAME"), ("mine.py:none", "hooks there: decorated"),
     ("mine.py:number", "found int"), ("broken.py:x", "SyntaxError")],
)  # fmt: skip
def test_a_file_without_the_hook_is_refused_in_one_line(where, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(HOOK_FILE)
    (tmp_path / "broken.py").write_text("def :")
    with pytest.raises(HookError, match=match) as caught:
        load_hook(where)
    assert "\n" not in str(caught.value)


def test_render_takes_hooks_on_the_command_line(tmp_path, capsys):
    """Other notes than without, and the same every time; a bad one is refused before anything is opened."""
    import soundfile

    from kelly.cli.app import run

    (tmp_path / "mine.py").write_text("def sad(features, embedding, controls):\n    embedding[0] = -0.9\n    embedding[1] = 0.9\n")
    soundfile.write(tmp_path / "a.wav", chords(8.0), RATE)
    hook = ["--hook", f"{tmp_path / 'mine.py'}:sad"]
    for name, flags in (("plain", []), ("one", hook), ("two", hook)):
        assert run(["render", str(tmp_path / "a.wav"), "-o", str(tmp_path / f"{name}.mid"), "-q", *flags]) == 0
    plain, one, two = ((tmp_path / f"{name}.mid").read_bytes() for name in ("plain", "one", "two"))
    assert one == two
    assert one != plain
    assert run(["render", str(tmp_path / "a.wav"), "--hook", "nothing.py:x"]) == 2
    assert run(["live", "--hook", "nothing.py:x"]) == 2
    assert "FILE.py:NAME" in capsys.readouterr().err


def test_there_is_room_for_eight():
    rig = Rig()
    for _ in range(MAX_HOOKS):
        rig.worker.add_hook(marks)
    with pytest.raises(ValueError, match=str(MAX_HOOKS)):
        rig.worker.add_hook(marks)
    rig.end()


def unknown_name(features, embedding, controls):
    embedding[0] = undefined_thing(controls)  # noqa: F821


def writes_features(features, embedding, controls):
    features[0] = 1.0


def raises(features, embedding, controls):
    if controls[0] > 3:
        raise ValueError("no")


def prints(features, embedding, controls):
    print(1)


def allocates(features, embedding, controls):
    embedding[:] = embedding * 0.5


def opens_a_file(features, embedding, controls):
    open("x")  # noqa: SIM115


def too_few(features, embedding):
    pass


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (unknown_name, "undefined_thing"), (writes_features, "read only"), (raises, "may raise"), (prints, "print"),
        (allocates, "allocates"), (opens_a_file, "open"), (too_few, "3 argument"),
    ],
)  # fmt: skip
def test_what_can_not_keep_the_promises_is_refused_in_one_line(function, match):
    """With Numba's own reason where it is Numba that refuses."""
    with pytest.raises(HookError, match=match) as caught:
        kelly.hook(function)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(function.__name__)


def test_code_is_judged_by_its_calls_and_its_status():
    """The wrapper's own error branch does not count; anything else does."""
    wrapper = "define ptr @cfunc.x(ptr %0) {\n  call void @numba_gil_ensure(ptr %1)\n}\n"
    good = "define i32 @x(ptr %0) {\n  %3 = call double @llvm.sin.f64(double %1)\n  ret i32 0\n}\n"
    assert forbidden(good + wrapper) == ""
    assert "allocates" in forbidden(good.replace("@llvm.sin.f64", "@NRT_MemInfo_alloc_aligned") + wrapper)
    assert "raise" in forbidden(good.replace("ret i32 0", "ret i32 %7") + wrapper)


def test_a_hook_can_be_tried_without_a_session():
    features, embedding, controls = np.ones(128, np.float32), np.zeros(64, np.float32), np.zeros(N_SLOTS, np.float32)
    marks(features, embedding, controls)
    assert controls[32] == 1
    assert embedding[2] == np.float32(0.1)
    with pytest.raises(TypeError, match="features: expected a float32"):
        marks(features.astype(float), embedding, controls)
    with pytest.raises(ValueError, match="embedding"):
        marks(features, embedding[:5], controls)


def test_without_numba_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BackendUnavailableError, match=r"kelly-live\[numba\]"):
        kelly.hook(prints)


def test_a_session_takes_hooks_only():
    from kelly.live.session import Session

    with pytest.raises(TypeError, match=r"@kelly\.hook"):
        Session.add_hook(None, print)


@pytest.fixture(scope="module")
def examples():
    return runpy.run_path(str(ROOT / "examples" / "hooks.py"))


def test_the_example_gate_has_hysteresis(examples):
    gate = examples["gate"]
    features, embedding, controls = np.zeros(128, np.float32), np.zeros(64, np.float32), np.zeros(N_SLOTS, np.float32)
    heard = []
    for level_db in (-60, -40, -30, -40, -44, -46, -40):
        controls[LEVEL_DB], controls[PLAYING] = level_db, 1
        gate(features, embedding, controls)
        heard.append(int(controls[PLAYING]))
    assert heard == [0, 0, 1, 1, 1, 0, 0]


def test_the_examples_change_what_is_played(examples, tmp_path):
    """Each of the three is heard in the notes, and the same notes come twice."""
    import soundfile

    soundfile.write(tmp_path / "take.wav", chords(6.0), RATE)
    for name, words in {"plain": ["none"], "lfo": ["lfo"], "again": ["lfo"], "key": ["key"]}.items():
        examples["HOOKS"]["none"] = doubles if name == "plain" else None
        examples["main"](str(tmp_path / "take.wav"), str(tmp_path / f"{name}.mid"), *words)
    files = {name: (tmp_path / f"{name}.mid").read_bytes() for name in ("plain", "lfo", "again", "key")}
    assert files["lfo"] == files["again"]
    assert len({files["plain"], files["lfo"], files["key"]}) == 3
