"""The listening loop: same stream, same ticks; nets, rules and what lies between; the end."""


import numpy as np
import pytest

from kelly._rt.contract import EMBEDDING, NET_NAMES
from kelly._rt.layout import SOURCES, dtype
from kelly._rt.stream.rules import Rule
from tests.patience import PATIENCE_S
from tests.random_nets import random_network
from tests.rig import RATE, Rig, chords, command

RECOGNIZER = NET_NAMES.index("emotionrecognizer")


def all_networks(**kwargs):
    return {name: random_network(name, **kwargs) for name in NET_NAMES}


def test_block_sizes_change_no_tick():
    """The same 12 s in blocks of 1 to 5000 frames, with nets: every bit of every tick is the same."""
    sound = chords(12)
    results = []
    for seed in (None, 1, 2):
        rng = np.random.default_rng(seed)
        rig = Rig(all_networks()).feed(sound, None if seed is None else lambda rng=rng: int(rng.integers(1, 5000)))
        results.append(rig.end().tobytes())
    assert results[0] == results[1] == results[2]
    ticks = np.frombuffer(results[0], dtype("tick"))
    assert len(ticks) == 12 * 25 + 1
    assert (ticks["beat_count"] > 0).any()
    assert (ticks["harmony"].max(axis=1) > 0).any()
    assert (ticks["groove"] != 0).any()


@pytest.mark.parametrize("frames", [0, 1, 639, 640, 641, 6400])
def test_a_stream_ends_with_one_tick_that_says_so(frames):
    """The last network hop is filled up with silence."""
    ticks = Rig().feed(np.zeros((frames, 1), np.float32)).end()
    assert ticks["end"].tolist() == [0] * (frames // 640) + [1]
    assert ticks["frame"].tolist() == [640 * (i + 1) for i in range(frames // 640 + 1)]
    assert ticks["index"].tolist() == list(range(len(ticks)))


def test_without_nets_the_rules_answer_and_are_called_fallback():
    ticks = Rig(enabled=[n for n in NET_NAMES if n != "groovepredictor"]).feed(chords(6)).end()
    names = [SOURCES[s] for s in ticks[-1]["source"]]
    assert names == ["fallback", "fallback", "fallback", "fallback", "off"]
    rule, open_ticks = Rule("emotionrecognizer"), [t for t in ticks if t["silence_s"] == 0]
    for tick in open_ticks[:20]:
        assert np.array_equal(rule(tick["features"]), tick["embedding"])


def test_with_a_net_the_embedding_is_the_net_s_and_its_rule_index_the_rule_s():
    net = random_network("emotionrecognizer")
    ticks = Rig({"emotionrecognizer": net.clone()}).feed(chords(4)).end()
    open_ticks = [t for t in ticks if t["silence_s"] == 0]
    assert len(open_ticks) > 60
    dominance = EMBEDDING["dominance"].start
    for tick in open_ticks:
        expected = net(tick["features"])
        others = np.arange(64) != dominance
        assert np.array_equal(expected[others], tick["embedding"][others])
    assert SOURCES[open_ticks[0]["source"][RECOGNIZER]] == "model"


def test_switching_a_net_takes_half_a_second_and_the_receipt_names_the_tick():
    """On the way the embedding lies between the net's and the rule's, never beyond either."""
    sound = chords(8)
    plain = Rig({"emotionrecognizer": random_network("emotionrecognizer")}).feed(sound).end()
    ruled = Rig().feed(sound).end()
    rig = Rig({"emotionrecognizer": random_network("emotionrecognizer")})
    rig.feed(sound[: 3 * RATE])
    first = rig.until(75)
    rig.commands.push(command("disable", RECOGNIZER))
    rig.feed(sound[3 * RATE :])
    ticks = np.concatenate([first, rig.end()])
    receipt = rig.receipts.pop()
    assert receipt["tick"].tolist() == [75]
    assert (ticks["source"][75:, RECOGNIZER] == SOURCES.index("off")).all()
    away = np.abs(ticks["embedding"] - plain["embedding"])[:, 0]
    assert (away[:75] == 0).all()
    assert np.array_equal(ticks["embedding"][88:], ruled["embedding"][88:])
    low = np.minimum(plain["embedding"], ruled["embedding"]) - 1e-6
    high = np.maximum(plain["embedding"], ruled["embedding"]) + 1e-6
    assert ((ticks["embedding"] >= low) & (ticks["embedding"] <= high)).all()
    steps = np.abs(np.diff(ticks["embedding"][74:89], axis=0)).max()
    jump = np.abs(plain["embedding"][75:88] - ruled["embedding"][75:88]).max()
    assert steps < 0.5 * jump


def test_a_net_that_answers_nan_is_bypassed_counted_and_tried_again(reliability):
    nets = {"emotionrecognizer": random_network("emotionrecognizer", poison=True), "groovepredictor": random_network("groovepredictor")}
    rig = Rig(nets).feed(chords(8))
    ticks = rig.end()
    assert np.isfinite(ticks["embedding"]).all()
    assert np.isfinite(ticks["features"]).all()
    faults = rig.worker.faults()
    others = faults["groovepredictor"] == 0
    reliability("a net answers NaN", f"{faults['emotionrecognizer']} faults counted in 8 s, every answer finite", 2 <= faults["emotionrecognizer"] <= 5 and others)
    assert 2 <= faults["emotionrecognizer"] <= 5  # after 1, 2, 4 s
    assert faults["groovepredictor"] == 0
    assert SOURCES[ticks[30]["source"][RECOGNIZER]] == "fallback"


def test_python_can_drive_the_nets_and_give_the_recognizer_back():
    rig, sound = Rig(), chords(6)
    target = np.linspace(-1, 1, 64).astype(np.float32)
    rig.commands.push(command("embedding", vector=target))
    rig.feed(sound[: 2 * RATE])
    first = rig.until(50)
    rig.commands.push(command("release_embedding"))
    rest = rig.feed(sound[2 * RATE :]).end()
    plain = Rig().feed(sound).end()
    assert np.allclose(first["embedding"][13:], target)
    assert np.array_equal(rest["embedding"][13:], plain["embedding"][63:])


def test_an_embedding_that_is_not_finite_is_ignored_and_still_receipted():
    rig = Rig()
    rig.commands.push(command("embedding", vector=np.full(64, np.nan, np.float32)))
    ticks = rig.feed(chords(1)).end()
    assert np.isfinite(ticks["embedding"]).all()
    assert len(rig.receipts.pop()) == 1


def test_silence_holds_the_embedding_and_four_seconds_of_it_reset_the_recognizer():
    net = random_network("emotionrecognizer")
    sound = np.concatenate([chords(3), np.zeros((6 * RATE, 1), np.float32), chords(1)])
    rig = Rig({"emotionrecognizer": net.clone()}).feed(sound)
    ticks = rig.end()
    assert rig.worker.counters()["recognizer_resets"] == 1
    silent = ticks["silence_s"] > 0
    gap = [i for i in range(80, 220) if silent[i]]
    assert len(gap) > 100
    assert (ticks["embedding"][gap] == ticks["embedding"][gap[0]]).all()
    again = next(i for i in range(gap[-1] + 1, len(ticks)) if not silent[i])
    fresh = net.clone()
    fresh.reset()
    others = np.arange(64) != EMBEDDING["dominance"].start
    assert np.array_equal(fresh(ticks["features"][again])[others], ticks["embedding"][again][others])


def test_the_reflex_voice_strikes_once_per_onset_and_releases_each_note():
    """Four struck beats in 2 s; every strike comes within 20 ms after its beat."""
    sound = chords(2)
    sound[-1600:] *= np.linspace(1, 0, 1600, dtype=np.float32)[:, None]  # a cut would be an onset, too
    rig = Rig(reflex_note=40, reflex_channel=16).feed(sound)
    rig.end()
    events = rig.strikes.pop()
    on, off = events[events["status"] == 0x9F], events[events["status"] == 0x8F]
    assert len(on) == len(off) == 4
    assert set(events["data1"]) == {40}
    assert (events["part"] == -1).all()
    late_s = on["frame"] / RATE - np.arange(4) * 0.5
    assert ((late_s > 0) & (late_s < 0.02)).all()
    assert ((off["frame"] - on["frame"]) / RATE).tolist() == pytest.approx([0.06] * 4, abs=1e-4)
    assert np.array_equal(np.argsort(events["serial"]), np.arange(len(events)))


def test_a_stopped_worker_returns_without_an_end():
    rig = Rig().feed(chords(1))
    rig.until(25)
    rig.capture.stop()
    rig.thread.join(PATIENCE_S)
    assert rig.worker.done
    assert not rig.ticks.pop()["end"].any()


def test_a_gap_in_a_device_s_stream_is_heard_as_silence_of_its_length():
    rig = Rig(lossless=False)
    rig.capture.deliver(np.full((640, 1), 0.1, np.float32))
    rig.until(1)
    rig.capture.deliver(np.full((640, 1), 0.1, np.float32), overflow=True, adc_s=None)
    ticks = rig.until(2)
    assert ticks["frame"].tolist() == [1280, 1920]
    assert ticks["level_db"][0] < ticks["level_db"][1]
    rig.capture.stop()
    rig.thread.join(PATIENCE_S)


def test_networks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="groovepredictor: expected 64 -> 32, found 128 -> 64"):
        Rig({"groovepredictor": random_network("harmonypredictor")})
    with pytest.raises(KeyError, match="no net is called 'groove'"):
        Rig(enabled=["groove"])
