"""The band as a whole: reasons, cadences, pedals, the parts that join later, rules broken on purpose."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from kelly.errors import ConfigError
from kelly.generate.breaks import broken_chord
from kelly.generate.cadence import close_from, closing_chord
from kelly.generate.conductor import Conductor
from kelly.generate.grid import Place
from kelly.generate.heard import read_tick
from kelly.generate.pad import spread
from kelly.generate.settings import BASS, CHORDS, COUNTER, DRUMS, MELODY, PAD, PARTS, ConductorSettings
from kelly.generate.why import FACTORS, RULES
from kelly.music.breaks import BREAKS, Wanted, fitting
from kelly.music.chord import DOMINANT, MAJ, MIN, Chord
from kelly.music.emotion import Mood
from kelly.music.scale import Key
from tests.synthetic import conduct, engines, notes_of, ticks

RATE = 48000
CALM = (0.2, -0.3, -0.2)


def band(**settings):
    return Conductor(RATE, ConductorSettings(**settings), engines())


def played(seconds=24, conductor=None, **player):
    conductor = conductor or band()
    events = conduct(conductor, ticks(seconds, **player))
    return conductor, events


def of(reasons, part):
    return [reason for reason in reasons if reason.part == part]


# Why


def test_every_note_has_its_reason_and_every_reason_its_note():
    conductor, events = played()
    struck = sorted((int(e["frame"]), int(e["part"]), int(e["data1"]), int(e["data2"])) for e in events if e["status"] & 0xF0 == 0x90)
    assert struck == sorted((r.frame, r.part, r.pitch, r.velocity) for r in conductor.reasons)
    assert {reason.rule for reason in conductor.reasons} <= set(RULES)
    assert {name for reason in conductor.reasons for name, _ in reason.factors} <= set(FACTORS)


def test_a_reason_is_one_line_of_json():
    conductor, _ = played(12, band(key_given=True))
    row = json.loads(conductor.reasons[-1].line())
    assert row["override"] == ["key"]
    assert set(row) == set(type(conductor.reasons[0]).__slots__)
    melody = json.loads(of(conductor.reasons, MELODY)[-1].line())
    assert 0 <= melody["prior"] <= 1
    assert melody["net"] == "model"
    assert set(melody["factors"]) <= set(FACTORS)


def test_a_factor_that_is_left_out_changes_the_notes():
    whole = played(20)[1].tobytes()
    for factor in ("motif", "contour", "chord", "kick"):
        assert played(20, band(without=frozenset({factor})))[1].tobytes() != whole, factor


def test_an_unknown_factor_is_refused():
    with pytest.raises(ConfigError, match="no factor"):
        ConductorSettings(without=frozenset({"luck"}))


# Parts that join


def test_counter_melody_and_pad_join_later_and_leave_when_it_gets_simple():
    conductor, _ = played(30, mood=CALM)
    first = {part: min(r.frame for r in of(conductor.reasons, part)) / RATE for part in (CHORDS, PAD, COUNTER)}
    assert first[CHORDS] < first[PAD] < first[COUNTER]
    stream = [tick.copy() for tick in ticks(30, mood=CALM)]
    for tick in stream:
        tick["controls"][4] = -0.5  # complexity
    conductor = band()
    conduct(conductor, stream)
    assert not of(conductor.reasons, PAD)
    assert not of(conductor.reasons, COUNTER)


def test_the_counter_melody_stays_below_the_melody_and_moves():
    conductor, _ = played(40, mood=CALM, notes_per_s=0.5)
    line = [r.pitch for r in of(conductor.reasons, COUNTER)]
    assert len(line) > 8
    assert np.mean(np.diff(line) == 0) < 0.35
    assert np.mean(np.abs(np.diff(line)) <= 4) > 0.7
    for reason in of(conductor.reasons, COUNTER):
        above = [r.pitch for r in of(conductor.reasons, MELODY) if r.frame <= reason.frame]
        assert not above or reason.pitch < above[-1] or above[-1] <= PARTS[COUNTER].low + 12


def test_the_pad_ties_what_stays():
    """C to A minor share two tones: one voice moves."""
    conductor, events = played(30, mood=CALM, chords=((0, 0), (9, 1)))
    assert len(of(conductor.reasons, PAD)) < 3 * 13
    notes = [n for n in notes_of(events) if n[0] == PARTS[PAD].channel]
    assert max(off - on for *_, on, off in notes) > 3.5 * RATE


@pytest.mark.parametrize("low", [40, 48, 60])
def test_a_wide_position_holds_the_whole_chord(low):
    for quality in range(7):
        for root in range(12):
            tones = Chord(root, quality).tones
            shapes = spread(tones, low, low + 28)
            assert shapes
            assert all(low <= min(shape) <= max(shape) <= low + 28 for shape in shapes)
            assert all({pitch % 12 for pitch in shape} == set(tones) for shape in shapes)
            assert spread(tones, low, low + 11)  # even within an octave there is something to hold


@pytest.mark.parametrize("beats_per_bar", [2, 3, 5, 6, 7])
def test_every_meter_has_a_downbeat(beats_per_bar):
    conductor, _ = played(16, beats_per_bar=beats_per_bar, mood=(0.3, 0.4, 0.0))
    for part in (BASS, DRUMS):
        steps = [r.step for r in of(conductor.reasons, part)]
        assert max(steps) < 4 * beats_per_bar
        assert np.mean([step == 0 for step in steps]) > 1 / (5 * beats_per_bar)
    kicks = [r.step for r in of(conductor.reasons, DRUMS) if r.pitch == 36 and r.rule == "kick"]
    assert kicks.count(0) == max(kicks.count(step) for step in kicks)
    assert np.mean([step % 4 == 0 for step in kicks]) >= 0.5


def test_the_bass_plays_with_the_kick():
    conductor, _ = played(20, mood=(0.4, 0.5, 0.0), level=0.6)
    kicks = {(r.bar, r.step) for r in of(conductor.reasons, DRUMS) if r.pitch == 36}
    bass = [r for r in of(conductor.reasons, BASS) if r.rule in ("root", "with the kick")]
    assert np.mean([(r.bar, r.step) in kicks for r in bass]) > 0.9


# Pedals and expression


def test_the_pedal_follows_the_harmony_and_is_up_in_the_end():
    _, events = played(30, mood=(0.3, -0.6, -0.4), level=0.4)
    pedal = [(int(e["frame"]), int(e["data2"])) for e in events if e["status"] & 0xF0 == 0xB0 and e["data1"] == 64]
    assert len(pedal) > 10
    assert [value for _, value in pedal] == [127, 0] * (len(pedal) // 2)
    assert {int(e["status"]) & 15 for e in events if e["status"] & 0xF0 == 0xB0 and e["data1"] == 64} == {PARTS[CHORDS].channel - 1}


def test_expression_is_given_back_at_the_end():
    _, events = played(30, mood=CALM)
    last = {}
    for e in events:
        if e["status"] & 0xF0 == 0xB0 and e["data1"] == 11:
            last[int(e["status"]) & 15] = int(e["data2"])
    assert set(last) >= {PARTS[PAD].channel - 1, PARTS[CHORDS].channel - 1}
    assert set(last.values()) == {127}


# The end


def place(step, beats_per_bar=4):
    beat = step // 4
    bar, beat_in_bar = divmod(beat, beats_per_bar)
    return Place(step, beat, step % 4, bar, beat_in_bar, 4 * beat_in_bar + step % 4, beats_per_bar, beat % 16 + step % 4 / 4, 16)


@pytest.mark.parametrize("beats_per_bar", [2, 3, 4, 7])
def test_a_close_takes_at_most_two_bars_and_ends_on_a_bar_line(beats_per_bar):
    for step in range(100, 160):
        close = close_from(place(step, beats_per_bar))
        assert 4 * min(2, beats_per_bar) <= close.final - step <= 4 * (beats_per_bar + 2)
        assert close.final - step <= 8 * beats_per_bar
        assert close.final % (4 * beats_per_bar) == 0
        assert [close.at(s) for s in (step, close.final - 1, close.final)] == ["leading", "leading", "final"]


@pytest.mark.parametrize(("tonic", "mode", "home"), [(0, 1, Chord(0, MAJ)), (9, -1, Chord(9, MIN))])
def test_a_close_goes_over_the_dominant_to_the_tonic(tonic, mode, home):
    close = close_from(place(64))
    chords = [closing_chord(close, place(step), tonic, mode, home) for step in range(64, close.end)]
    assert chords[-1] == home
    assert Chord((tonic + 7) % 12, DOMINANT) in chords
    assert {tone for chord in chords for tone in chord.tones} <= Key(tonic, mode).allowed()
    assert closing_chord(close, place(64), -1, 0, Chord(3)) == Chord(3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("tonic", "mode"), [(0, 1), (9, -1)])
def test_an_end_cue_at_any_time_ends_on_the_tonic_within_two_bars(seed, tonic, mode):
    """At 120 bpm a bar is 2 s."""
    conductor, stream, events = band(seed=seed), list(ticks(16, tonic=tonic, mode=mode)), []
    asked = 200 + 17 * seed
    over = None
    for i, tick in enumerate(stream):
        if i == asked:
            conductor.end_phrase()
        events.append(conductor.consume(tick))
        if i > asked and over is None and conductor.over(int(tick["frame"])):
            over = int(tick["frame"])
    notes = notes_of(np.concatenate([*events, conductor.finish()]))
    final = [reason for reason in conductor.reasons if reason.rule == "final" and reason.part != DRUMS]
    assert {reason.part for reason in final} >= {CHORDS, BASS, MELODY}
    assert min(r.frame for r in final) - int(stream[asked]["frame"]) <= (4 + 0.3) * RATE
    third = 4 if mode > 0 else 3
    assert {r.pitch % 12 for r in final} <= {(tonic + step) % 12 for step in (0, third, 7)}
    assert all(r.pitch % 12 == tonic for r in final if r.part in (BASS, MELODY))
    assert max(n[3] for n in notes) <= max(r.frame for r in final) + 0.1 * RATE
    assert over is not None
    assert max(n[4] for n in notes) <= over


def slowing(seconds, at_beat):
    """Beats that grow by 4 % each from a beat on, as the tracker would tell them."""
    beats = [0.1 * RATE]
    while beats[-1] < (seconds + 3) * RATE:
        n = len(beats)
        beats.append(beats[-1] + 0.5 * RATE * 1.04 ** max(0, min(n - at_beat, 9)))
    for tick in ticks(seconds, first_beat_s=0.1):
        row = tick.copy()
        beat = int(np.searchsorted(beats, int(row["frame"]), side="right")) - 1
        if beat >= 0:
            row["beat_frame"], row["beat_count"], row["beat_frames"] = round(beats[beat]), beat, beats[beat + 1] - beats[beat]
            row["beat_in_bar"], row["tempo_bpm"] = beat % 4, 60 * RATE / (beats[beat + 1] - beats[beat])
            row["phrase_position"] = beat % 16 / 16
        yield row


def test_a_ritardando_leads_home_and_the_band_waits_for_the_player():
    conductor = band()
    conduct(conductor, slowing(28, 32))
    final = [reason for reason in conductor.reasons if reason.rule == "final"]
    assert final
    assert {r.pitch % 12 for r in final if r.part == CHORDS} == {0, 4, 7}
    assert not conductor.over(10**9), "a ritardando ends no session"


@pytest.mark.parametrize("tempo_bpm", [76, 120, 150])
def test_after_a_long_pause_the_phrase_has_ended_at_home_and_the_band_waits(tempo_bpm):
    """The player stops at 9 s for good, or is back after 4 s."""
    for spans in ([(0, 9)], [(0, 9), (13, 20)]):
        conductor, events = played(20, tempo_bpm=tempo_bpm, playing=spans)
        before = [r for r in conductor.reasons if r.frame < 13 * RATE and r.part in (BASS, CHORDS)]
        assert before[-1].chord == Chord(0)
        assert before[-1].frame <= (9 + max(2.0, 240 / tempo_bpm) + 0.1) * RATE
        assert not conductor.over(10**9)
        assert bool([n for n in notes_of(events) if n[3] > 13.5 * RATE]) is (len(spans) == 2)


# Rules broken on purpose


def heard(tension=0.0, chroma=None, mode=1):
    tick = list(ticks(4, mood=(0.0, 0.0, tension), mode=mode))[-2].copy()
    if chroma is not None:
        tick["chroma"] = chroma
    return read_tick(tick)


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_said_is_in_the_reasons_and_alone_leaves_the_key(name):
    """Twenty seconds at 120 bpm; chords of C, so whatever is outside the key was brought by a break that may."""
    player = {"mood": (0.2, 0.4, 0.0), "chords": ((0, 0), (5, 0), (7, 0), (0, 0))}
    conductor, _ = played(20, band(breaks=(Wanted(name, 1.0),), key_given=True), **player)
    assert any(name in sentence and "the intent asks" in sentence for sentence in conductor.breaker.said)
    marked = sum(reason.broke == name for reason in conductor.reasons)
    assert conductor.broken.get(name, 0) == marked
    assert marked or name in ("dropped beat", "half time", "chromatic approach", "modal interchange")
    outside = [reason for reason in conductor.reasons if not reason.in_key]
    assert all(reason.broke == name and BREAKS[name].leaves_key for reason in outside)


def test_a_chromatic_approach_is_a_semitone_below_the_coming_root():
    conductor, _ = played(34, band(breaks=(Wanted("chromatic approach", 1.0),)), mood=(0.2, 0.5, 0.0))
    approaches = [r for r in of(conductor.reasons, BASS) if r.broke == "chromatic approach"]
    assert approaches
    assert {r.pitch % 12 for r in approaches} <= {8, 11, 4, 6}


def test_a_dropped_beat_is_silent():
    for breaks, silent in (((Wanted("dropped beat", 1.0),), True), ((), False)):
        conductor, _ = played(18, band(breaks=breaks))
        assert (not [r for r in conductor.reasons if r.bar % 4 == 3 and r.step >= 12]) is silent


def test_a_borrowed_chord_is_left_alone_where_the_player_has_its_tone():
    """F minor for F: only while no A is heard."""
    free, taken = np.zeros(12, np.float32), np.zeros(12, np.float32)
    free[[5, 0]] = 0.5
    taken[[5, 9, 0]] = 1 / 3
    wanted = {"modal interchange": 1.0}
    assert broken_chord(Chord(5), wanted, heard(chroma=free)) == (Chord(5, MIN), "modal interchange")
    assert broken_chord(Chord(5), wanted, heard(chroma=taken)) == (Chord(5), "")
    assert broken_chord(Chord(0), {"tonic avoidance": 1.0}, heard()) == (Chord(9, MIN), "tonic avoidance")


def sure(confidence, tension, seconds=20):
    """What the band says it breaks beside a player whose mood is known so well."""
    conductor = band()
    stream = [tick.copy() for tick in ticks(seconds, mood=(-0.3, 0.3, tension))]
    for tick in stream:
        tick["embedding"][15] = confidence
    conduct(conductor, stream)
    return conductor.breaker.said


def test_tension_chooses_a_break_and_neither_calm_nor_doubt_do():
    assert sure(0.9, 0.7)
    assert all("tension is +0.70" in sentence for sentence in sure(0.9, 0.7))
    assert not sure(0.9, -0.2)
    assert not sure(0.1, 0.7)


def test_the_fitting_break_is_the_nearest():
    for name, row in BREAKS.items():
        assert fitting(row.mood) == name
    assert not BREAKS[fitting(Mood(-0.3, -0.2, 0.3), within_key=True)].leaves_key


@pytest.mark.parametrize(("name", "severity"), [("modal interchang", 0.5), ("half time", 1.5), ("half time", -0.1)])
def test_a_break_that_cannot_be_is_refused(name, severity):
    with pytest.raises(ConfigError):
        Wanted(name, severity)


# What the listener says about mode and feel


def test_a_mode_that_is_asked_for_takes_the_relative_key():
    conductor, _ = played(20, band(mode=-1))
    assert {(r.tonic, r.mode) for r in conductor.reasons if r.mode} == {(9, -1)}


def test_a_feel_moves_the_band():
    even, late = (np.mean([r.frame for r in of(played(12, band(push_s=push))[0].reasons, DRUMS)][:20]) for push in (0.0, 0.02))
    assert late > even + 0.004 * RATE
    swung = ConductorSettings(swing=0.66)
    assert replace(swung, swing=None) == ConductorSettings()
    conductor, _ = played(12, band(swing=0.66, without=frozenset({"humanize"})))
    off = [r.frame for r in of(conductor.reasons, DRUMS) if r.step % 4 == 2]
    phase = [((frame / RATE - 0.1) * 2) % 1 for frame in off]
    assert np.median(phase) == pytest.approx(0.66, abs=0.05)
