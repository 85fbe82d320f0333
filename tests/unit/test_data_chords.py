"""Chords of scores that nobody annotated: as people name them, and told to the net as the engine tells them."""

import numpy as np
import pytest
from tracker_material import RATE, played

from kelly._rt.contract import HARMONY_IN
from kelly._rt.stream.tracker import Tracker
from kelly.music.chord import DOMINANT, MAJ, MINOR_SEVENTH, Chord
from training.data import harmony, templates
from training.data.score import NOTE, Score


def score(*notes):
    """(onset, length in beats, pitch) at 120 beats per minute, 4/4."""
    table = np.zeros(len(notes), NOTE)
    for row, (onset, length, pitch) in zip(table, sorted(notes), strict=True):
        row["onset_beat"], row["end_beat"], row["pitch"] = onset, onset + length, pitch
        row["onset_s"], row["end_s"], row["velocity"] = onset / 2, (onset + length) / 2, 64
    return Score(table, ("",), (4, 4), False, np.zeros((0, 2)))


def chords(*notes):
    piece = score(*notes)
    return [chord for _, _, chord in templates.chords_of(piece, templates.beats_of(piece))]


def block(onset, length, *pitches):
    return [(onset, length, pitch) for pitch in pitches]


def test_a_seventh_in_passing_is_no_seventh_chord():
    """C with a B flat on the off-beat, on the way down to A in F: C and F; from the beat on it is C7."""
    arrival = block(1, 3, 53, 60, 65, 69)
    assert chords(*block(0, 1, 48, 64, 67), (0, 0.5, 72), (0.5, 0.5, 70), *arrival) == [Chord(0, MAJ), Chord(5, MAJ)]
    assert chords(*block(0, 1, 48, 64, 67, 70), *arrival) == [Chord(0, DOMINANT), Chord(5, MAJ)]


def test_a_sixth_in_passing_makes_no_minor_seventh():
    """A over C major on the off-beat; a minor seventh that lasts is one."""
    assert chords(*block(0, 2, 48, 64, 67), (0, 1.5, 72), (1.5, 0.5, 69), *block(2, 2, 55, 62, 67, 71)) == [Chord(0, MAJ), Chord(7, MAJ)]
    assert chords(*block(0, 2, 50, 60, 65, 69), *block(2, 2, 55, 62, 67, 71)) == [Chord(2, MINOR_SEVENTH), Chord(7, MAJ)]


def test_a_line_is_no_row_of_chords():
    """One voice walks on from C over E and G: the chord stays; with others it changes."""
    line = [(2, 1, 64), (3, 1, 67)]
    assert chords(*block(0, 2, 48, 64, 67), *line, *block(4, 4, 48, 64, 67)) == [Chord(0, MAJ)]
    assert chords(*block(0, 2, 48, 64, 67), *block(2, 2, 53, 65, 69), *block(4, 4, 48, 64, 67)) == [Chord(0, MAJ), Chord(5, MAJ), Chord(0, MAJ)]


@pytest.mark.parametrize("name", ["chroma_2s", "chroma_8s"])
def test_what_was_heard_fades_in_training_as_in_the_engine(name):
    """C for 4 s, then F for 1 s: the tracker's chroma a moment before a beat, and the row of the same notes."""
    seconds = 5.0
    tracker = Tracker(RATE, key=(0, 1), tempo_bpm=120.0)
    tracker.run(played(np.arange(0.0, seconds, 0.5), seconds, lambda time: (0, 0) if time < 4 else (5, 0)))
    told = tracker.context()[HARMONY_IN.slice(name)]
    told = (told - told.min()) / (told - told.min()).sum()  # the front end hears a little of everything
    notes = score(*block(0, 8, 60, 64, 67), *block(8, 2, 65, 69, 72)).notes
    row = heard(notes, seconds, {"chroma_2s": 1.0, "chroma_8s": 4.0}[name])
    np.testing.assert_allclose(row, told, atol=0.025)
    assert (row[5] > row[4]) == (name == "chroma_2s")  # the new chord already weighs more than the old one, or not yet


def heard(notes, now, constant_s):
    weights = harmony.faded(notes, now, constant_s)
    return np.bincount(notes["pitch"] % 12, weights, 12) / weights.sum()
