"""The key: what is given stays, what is heard is found and followed."""

import numpy as np
import pytest
from tracker_material import POP, RATE, bars_of, chord_hits, played

from kelly._rt.stream.tracker import Tracker


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("mode", [1, -1])
def test_given_key_is_exact_and_constant(tonic, mode):
    """Whatever is played, even in another key."""
    ticks = Tracker(RATE, key=(tonic, mode)).run(played(np.arange(0.5, 6, 0.5), 6.0, bars_of(POP, 120)))
    assert (ticks["key_tonic"] == tonic).all()
    assert (ticks["key_mode"] == mode).all()
    assert (ticks["key_confidence"] == 1.0).all()


@pytest.mark.parametrize("shift", range(12))
def test_key_of_a_loop_is_found_in_eight_seconds(shift):
    """C Am F G, and its minor cousin Am Dm E Am, in every transposition."""
    for chords, tonic, mode in ((POP, 0, 1), (((9, 1), (2, 1), (4, 0), (9, 1)), 9, -1)):
        moved = tuple(((root + shift) % 12, quality) for root, quality in chords)
        ticks = Tracker(RATE).run(played(np.arange(0.5, 16.5, 0.5), 16.5, bars_of(moved, 120)))
        late = ticks[ticks["frame"] > 8.5 * RATE]
        assert (late["key_tonic"] == (tonic + shift) % 12).all()
        assert (late["key_mode"] == mode).all()


@pytest.mark.parametrize("shift", [0, 5, 10])
def test_a_loop_of_the_minor_is_not_taken_for_its_relative(shift):
    """Am F C G begins on its tonic and has the natural seventh: A minor; G F C C, in the same scale, is C major."""
    for chords, tonic, mode in ((((9, 1), (5, 0), (0, 0), (7, 0)), 9, -1), (((7, 0), (5, 0), (0, 0), (0, 0)), 0, 1)):
        moved = tuple(((root + shift) % 12, quality) for root, quality in chords)
        late = Tracker(RATE).run(played(np.arange(0.5, 24.5, 0.5), 24.5, bars_of(moved, 120)))
        late = late[late["frame"] > 8.5 * RATE]
        assert (late["key_tonic"] == (tonic + shift) % 12).all()
        assert (late["key_mode"] == mode).all()


@pytest.mark.parametrize("shift", [0, 7])
def test_the_third_among_a_tones_partials_makes_no_major_key(shift):
    """One voice in the minor, a tenth of each tone its own major third, as strings and reeds have it: not the major on that tonic."""
    tune = (0, 3, 2, 0, 7, 5, 3, 2, 3, 5, 7, 3, 2, 2, 0, 0)
    records = played(np.arange(0.5, 30, 0.5), 30.0, lambda time: (0, 0))
    records["chroma"] = records["bass_chroma"] = 0.0
    for i in np.flatnonzero(records["level_db"] > -60):
        tone = tune[int((records["frame"][i] / RATE - 0.5) / 0.5) % len(tune)] + shift
        records["chroma"][i, [tone % 12, (tone + 7) % 12, (tone + 4) % 12]] = 1.0, 0.05, 0.1
    late = Tracker(RATE).run(records)
    late = late[late["frame"] > 8.5 * RATE]
    assert (late["key_tonic"] == shift).all()
    assert (late["key_mode"] == -1).all()


@pytest.mark.parametrize("pickup", [1, 2, 3])
def test_a_pickup_names_no_key_alone(pickup):
    """C F G Am after a pickup on Am: the first downbeat's chord has as much to say as the first one."""
    chord_at = bars_of(((0, 0), (5, 0), (7, 0), (9, 1)), 120, start_s=0.5 + pickup * 0.5)
    records = played(np.arange(0.5, 30, 0.5), 30.0, lambda time: chord_at(time) if time >= 0.5 + pickup * 0.5 else (9, 1))
    late = Tracker(RATE).run(records)
    late = late[late["frame"] > 16 * RATE]
    assert (late["key_tonic"] == 0).all()
    assert (late["key_mode"] == 1).all()


def test_what_booms_below_the_tones_names_neither_chord_nor_key():
    """C Am F G over a bass whose body sounds a major third below every note of it, three times its energy, below 80 Hz."""
    records = played(np.arange(0.5, 24.5, 0.5), 24.5, bars_of(POP, 120))
    for i in np.flatnonzero(records["level_db"] > -60):
        body = (int(records["bass_chroma"][i].argmax()) + 8) % 12
        records["chroma"][i, body] += 3.0
        records["bass_chroma"][i, body] += 3.0
    ticks = Tracker(RATE).run(records)
    late = ticks[ticks["frame"] > 8.5 * RATE]
    assert (late["key_tonic"] == 0).all()
    assert (late["key_mode"] == 1).all()
    hits = chord_hits(ticks, POP)
    assert all(hit for beat, hit in hits.items() if beat > 1 and (beat % 4 or beat >= 32))


def test_key_change_is_followed_after_hysteresis():
    """Twenty seconds of C, then E: the key follows, once."""
    chords = POP * 3
    far = tuple(((root + 4) % 12, quality) for root, quality in POP) * 4
    ticks = Tracker(RATE).run(played(np.arange(0.5, 56, 0.5), 56.0, bars_of(chords + far, 120)))
    assert ticks["key_tonic"][-1] == 4
    named = ticks["key_tonic"][ticks["key_tonic"] >= 0]
    assert np.count_nonzero(np.diff(named)) <= 3
