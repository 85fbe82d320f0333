"""What is known of the harmony beforehand, and what a band does that knows or does not."""

from __future__ import annotations

import pytest

from kelly.generate.conductor import Conductor
from kelly.generate.drums import KICK
from kelly.generate.foresight import Foresight
from kelly.generate.grid import Place
from kelly.generate.settings import BASS, CHORDS, DRUMS, ConductorSettings
from kelly.music.chord import Chord
from tests.synthetic import conduct, engines, ticks

C, AM, F, G = Chord(0), Chord(9, 1), Chord(5), Chord(7)
LOOP = (C, AM, F, G)


def place(beat, beats_per_bar=4):
    at = beat % beats_per_bar
    return Place(4 * beat, beat, 0, beat // beats_per_bar, at, 4 * at, beats_per_bar, beat % 16, 16)


def told(rows, beats_per_bar=4):
    """Whether each of (chord, confidence), one per beat, is believed."""
    foresight, found = Foresight(), []
    for beat, (chord, confidence) in enumerate(rows):
        foresight.hear(place(beat, beats_per_bar), chord, confidence)
        found.append(foresight.sure)
    return found


def test_a_loop_is_foreseen_after_it_has_come_back():
    foresight = Foresight()
    for beat in range(16):
        foresight.hear(place(beat), LOOP[beat // 4 % 4], 0.9)
        assert foresight.at(beat + 1, 4) is None
    for beat in range(16, 31):
        foresight.hear(place(beat), LOOP[beat // 4 % 4], 0.9)
    assert foresight.at(31, 4) == G
    assert foresight.at(32, 4) == C


def test_what_never_repeats_is_not_foreseen():
    foresight = Foresight()
    for beat in range(64):
        foresight.hear(place(beat), Chord(beat * beat % 12, beat % 4), 0.9)
    assert foresight.at(64, 4) is None


def test_a_change_on_the_bar_line_is_believed_and_one_that_comes_late_waits_for_the_next():
    on_time = told([(C, 0.9)] * 4 + [(AM, 0.5)] + [(AM, 0.9)] * 3)
    assert all(on_time)
    late = told([(C, 0.9)] * 4 + [(C, 0.45)] + [(AM, 0.9)] * 3 + [(F, 0.9)] * 4)
    assert late == [True] * 4 + [False] * 4 + [True] * 4


def test_a_doubted_chord_that_goes_on_after_all_is_joined_again():
    assert told([(C, 0.9)] * 4 + [(C, 0.45), (C, 0.8)]) == [True] * 4 + [False, True]


def test_where_harmony_stands_still_less_is_doubted():
    assert told([(C, 0.9), (C, 0.9), (C, 0.9), (C, 0.9)] + [(C, 0.5), (C, 0.8), (C, 0.8), (C, 0.8)] * 3)[4::4] == [False, False, True]


def test_a_change_within_the_bar_is_believed_where_the_player_makes_them():
    bar = [(C, 0.9), (C, 0.9), (AM, 0.95), (AM, 0.9)]
    assert told(bar * 3) == [True, True, False, False] + [True] * 8
    assert not any(told([(C, 0.9), (AM, 0.9), (AM, 0.9), (AM, 0.9)] * 3)[1::4])  # the second beat never


def test_where_every_beat_is_another_chord_only_what_is_certain_is_struck():
    rows = [(Chord(5 * beat % 12), 0.7) for beat in range(16)]
    assert not any(told(rows)[5:])
    assert all(told([(chord, 1.0) for chord, _ in rows]))  # unless somebody has said so


def heard(late, beat=20, chords=((0, 0), (9, 1), (5, 0), (7, 0))):
    """Ticks whose chord on one bar line is the old one still, doubted, and is corrected a beat later, or comes in time."""
    for row in ticks(16.0, tempo_bpm=120.0, chords=chords):
        if late and int(row["chord_beat"]) == beat:
            now = int(row["beat_count"]) + (int(row["frame"]) - int(row["beat_frame"])) / float(row["beat_frames"])
            if now < beat + 0.5:
                row["chord_root"], row["chord_quality"], row["chord_confidence"] = *chords[(beat // 4 - 1) % len(chords)], 0.45
            else:
                row["chord_beat"] = beat + 1
        yield row


@pytest.mark.parametrize("late", [False, True])
def test_who_doubts_the_harmony_does_not_strike_it(late):
    """The chords wait for the next bar line, the bass for the chord; the foot begins the bar."""
    conductor = Conductor(48000, ConductorSettings(), engines())
    conduct(conductor, heard(late))
    bar = {part: [reason for reason in conductor.reasons if reason.part == part and reason.bar == 5] for part in (CHORDS, BASS, DRUMS)}
    assert any(reason.pitch == KICK and reason.step == 0 for reason in bar[DRUMS])
    assert (bar[BASS][0].step == 0) != late
    assert {reason.chord for reason in bar[BASS]} == {AM}
    assert bool(bar[CHORDS]) != late
    after = [reason for reason in conductor.reasons if reason.part == CHORDS and reason.bar == 6]
    assert (after[0].step, after[0].chord) == (0, F)


def test_a_beat_that_nobody_marks_is_the_chords_and_where_they_wait_the_bass_does():
    conductor = Conductor(48000, ConductorSettings(), engines())
    conduct(conductor, heard(True))
    marked = {(r.bar, r.step) for r in conductor.reasons if r.step % 4 == 0 and (r.part in (CHORDS, BASS) or (r.part == DRUMS and r.pitch == KICK))}
    missed = [(bar, step) for bar in range(3, 7) for step in (0, 4, 8, 12) if (bar, step) not in marked]
    assert len(missed) <= 1, missed
