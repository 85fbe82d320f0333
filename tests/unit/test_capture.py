"""The audio callback: every frame is in the ring or in a counted gap, and the clock counts them all."""

import numpy as np
import pytest

from kelly._rt.stream.capture import Capture


def mono(*values):
    return np.array(values, np.float32).reshape(-1, 1)


def test_the_callback_takes_the_mean_of_all_channels_or_the_chosen_one():
    block = np.array([[1.0, 3.0], [-2.0, 0.0]], np.float32)
    for channel, expected in ((None, [2.0, -1.0]), (0, [1.0, -2.0]), (1, [3.0, 0.0])):
        capture = Capture(48000, channels=2, channel=channel)
        capture.deliver(block)
        assert capture.drain().tolist() == expected


def test_blocks_of_any_size_come_out_as_one_stream():
    rng, capture = np.random.default_rng(3), Capture(1000, seconds=1.0)
    sound, out, at = rng.uniform(-1, 1, 20_000).astype(np.float32), [], 0
    while at < len(sound):
        n = int(rng.integers(0, 700))
        capture.deliver(sound[at : at + n].reshape(-1, 1))
        out.append(capture.drain())
        at += n
    assert np.array_equal(np.concatenate(out), sound)
    assert capture.frames == len(sound)
    assert capture.counters()["dropped_frames"] == 0


def test_a_full_ring_drops_the_newest_and_the_hole_is_silence_of_the_same_length():
    capture = Capture(1000, seconds=1.0)  # 1024 frames
    capture.deliver(np.ones((1000, 1), np.float32))
    capture.deliver(np.full((100, 1), 2.0, np.float32))  # 76 of them lost
    assert capture.frames == 1100
    assert capture.counters()["dropped_frames"] == 76
    first = capture.drain()
    capture.deliver(np.full((5, 1), 3.0, np.float32))
    rest = capture.drain()
    stream = np.concatenate([first, rest])
    assert np.array_equal(stream, np.repeat(np.float32([1, 2, 0, 3]), [1000, 24, 76, 5]))


def test_an_input_overflow_without_time_stamps_costs_one_block_of_silence():
    capture = Capture(48000)
    capture.deliver(mono(1, 1))
    capture.deliver(mono(2, 2, 2), overflow=True)
    assert capture.drain().tolist() == [1, 1, 0, 0, 0, 2, 2, 2]
    assert capture.frames == 8
    assert (capture.counters()["gap_frames"], capture.counters()["input_overflows"]) == (3, 1)


@pytest.mark.parametrize(
    ("jump_s", "gap"), [(0.010, 480), (0.0, 0), (0.0004, 0), (-0.1, 0), (-5.0, 64), (89478.0, 64)]
)
def test_an_input_overflow_s_length_comes_from_sane_time_stamps(jump_s, gap):
    """A backend once reported 89478 s: then one block is assumed.  A flag without a jump costs nothing: on JACK
    it means that some client was late (87 flags in 16 s on a busy machine, not one frame of ours lost)."""
    capture, block = Capture(48000), np.ones((64, 1), np.float32)
    for k in range(20):
        capture.deliver(block, adc_s=10.0 + k * 64 / 48000)
    for k in range(20, 40):
        capture.deliver(block, overflow=k == 20, adc_s=10.0 + k * 64 / 48000 + jump_s)
    assert capture.counters()["gap_frames"] == gap
    assert capture.counters()["input_overflows"] == 1
    assert capture.frames == 40 * 64 + gap


def test_a_callback_that_was_only_late_makes_no_gap():
    """Its time stamp is late, the ones behind it are not: 11 such callbacks once set the clock 46 ms ahead in 13 s."""
    rng, capture, block, lost = np.random.default_rng(0), Capture(48000), np.ones((128, 1), np.float32), 0
    for k in range(6000):
        flagged = rng.uniform() < 0.02
        if k == 3000:
            flagged, lost = True, 256  # and one real loss
        late_s = rng.exponential(0.004) if flagged else rng.exponential(0.0002)
        capture.deliver(block, overflow=flagged, adc_s=(k * 128 + lost) / 48000 + late_s)
        capture.drain()
    assert capture.counters()["gap_frames"] == pytest.approx(256, abs=20)
    assert capture.counters()["input_overflows"] > 80


def test_a_driver_s_clock_that_drifts_makes_no_gap():
    """200 ppm between time stamps and samples for ten minutes, then a flag: nothing was lost."""
    capture, block, seconds = Capture(48000), np.ones((480, 1), np.float32), 600
    for k in range(100 * seconds):
        capture.deliver(block, adc_s=k * 0.01 * 1.0002)
        if k % 100 == 0:
            capture.drain()
    for k in range(100 * seconds, 100 * seconds + 40):
        capture.deliver(block, overflow=k == 100 * seconds, adc_s=k * 0.01 * 1.0002)
    assert capture.counters()["gap_frames"] == 0


def test_what_is_not_sound_becomes_silence_and_is_counted():
    capture = Capture(48000)
    capture.deliver(mono(0.5, np.nan, np.inf, -np.inf, 1e20, -0.5))
    assert capture.drain().tolist() == [0.5, 0, 0, 0, 0, -0.5]
    assert capture.counters()["repaired_samples"] == 4


def test_a_file_source_waits_for_room_and_gives_up_when_stopped():
    capture = Capture(1000, lossless=True, seconds=1.0)
    capture.stop()
    assert capture.feed(np.ones((3000, 1), np.float32)) == 1024
    assert capture.counters()["dropped_frames"] == 0


@pytest.mark.parametrize(("channels", "channel"), [(0, None), (2, 2), (2, -1)])
def test_a_channel_that_does_not_exist_is_refused(channels, channel):
    with pytest.raises(ValueError, match="channel"):
        Capture(48000, channels=channels, channel=channel)


def test_samples_never_overtake_a_hole_that_could_not_be_told_yet():
    """Overload so long that even the gap ring is full: every sample still lies at its own frame."""
    capture, at = Capture(1000, seconds=1.0), 0

    def deliver(n):
        nonlocal at
        capture.deliver(np.arange(at, at + n, dtype=np.float32).reshape(-1, 1) / 4096)
        at += n

    deliver(1024)
    for _ in range(1030):
        deliver(1)
    stream = [capture.drain(10)]
    deliver(3)
    stream.append(capture.drain())
    deliver(3)
    stream = np.concatenate([*stream, capture.drain()])
    assert len(stream) == capture.frames == at
    heard = np.flatnonzero(stream)
    assert np.array_equal(stream[heard] * 4096, heard.astype(np.float32))
    assert heard[-1] == at - 1
