"""What the band does beside a player that keeps time: on synthetic ticks."""

from __future__ import annotations

import numpy as np
import pytest

from kelly.errors import ConfigError
from kelly.generate.conductor import Conductor
from kelly.generate.settings import DRUMS, PARTS, ConductorSettings
from tests.synthetic import conduct, engines, notes_of, ticks

RATE = 48000
CHANNEL = {part.name: part.channel for part in PARTS}


def band(settings=None, rate=RATE):
    return Conductor(rate, settings or ConductorSettings(), engines())


def play(seconds, settings=None, **player):
    return notes_of(conduct(band(settings), ticks(seconds, **player)))


def of(notes, part):
    return [note for note in notes if note[0] == CHANNEL[part]]


def test_every_part_plays_after_lock_and_key():
    notes = play(12)
    assert all(len(of(notes, part.name)) > 3 for part in PARTS)


def test_the_same_ticks_and_seed_give_the_same_bytes():
    a, b = (conduct(band(), ticks(8)).tobytes() for _ in range(2))
    assert a == b


def test_another_seed_gives_other_notes():
    a, b = (conduct(band(ConductorSettings(seed=s)), ticks(12)).tobytes() for s in (0, 1))
    assert a != b


def test_a_reset_conductor_repeats_itself():
    conductor = band()
    first = conduct(conductor, ticks(8)).tobytes()
    conductor.reset()
    assert conduct(conductor, ticks(8)).tobytes() == first


def test_silence_from_the_start_gives_no_note():
    events = conduct(band(), ticks(6, playing=[]))
    assert notes_of(events) == []


def test_a_long_silence_ends_the_music():
    notes = play(14, playing=[(0, 6)])
    assert max(on for *_, on, _ in notes) <= (6 + 2.0 + 0.04) * RATE
    assert max(off for *_, off in notes) <= (6 + 2.0 + 2.5) * RATE


@pytest.mark.parametrize("tempo_bpm", [73.0, 61.0, 50.0])
def test_a_beat_that_may_be_two_of_the_players_makes_no_silence_longer(tempo_bpm):
    """At 146 bpm a bar lasts less than 2 s; at half the tempo, as it may be tracked, it seems to last 3.3."""
    limit_s = max(2.0, 120.0 / tempo_bpm)
    notes = play(24, playing=[(0, 18)], tempo_bpm=tempo_bpm)
    assert 18 * RATE < max(on for *_, on, _ in notes) <= (18 + limit_s + 0.04) * RATE
    told = play(24, playing=[(0, 18)], tempo_bpm=tempo_bpm, settings=ConductorSettings(tempo_given=True))
    assert max(on for *_, on, _ in told) >= max(on for *_, on, _ in notes)
    if tempo_bpm < 70:
        assert max(on for *_, on, _ in told) > (18 + limit_s + 0.04) * RATE


def test_the_music_comes_back_with_the_player():
    notes = play(20, playing=[(0, 6), (12, 20)])
    assert not [n for n in notes if 8.1 * RATE < n[3] < 12 * RATE]
    assert [n for n in notes if 12 * RATE < n[3] < 13.5 * RATE]


def test_entry_is_in_stages():
    """Bass before the lock, drums only after it, chords and melody only after the key."""
    notes = play(16, lock_after_s=4.0, key_after_s=8.0)
    first = {part: min(n[3] for n in of(notes, part)) / RATE for part in CHANNEL}
    assert first["bass"] < 1.5
    assert 4.0 <= first["drums"] < 5.2
    assert first["melody"] >= 8.0
    assert first["chords"] >= 4.0


def test_with_key_and_tempo_given_everybody_starts_at_once():
    settings = ConductorSettings(key_given=True, tempo_given=True)
    notes = play(8, settings, key_after_s=0, lock_after_s=0, first_beat_s=0.5)
    for part in ("bass", "chords", "drums"):
        assert min(n[3] for n in of(notes, part)) < 1.2 * RATE


def test_notes_of_chords_are_tones_of_the_chord_and_the_bass_stands_on_roots():
    progression = ((0, 0), (9, 1), (5, 0), (7, 0))
    notes = play(32, chords=progression)
    tones = {0: {0, 4, 7}, 1: {9, 0, 4}, 2: {5, 9, 0}, 3: {7, 11, 2}}

    def bar(frame):
        return int((frame / RATE - 0.1 + 0.06) // 2) % 4

    chords = of(notes, "chords")
    assert np.mean([pitch % 12 in tones[bar(on)] for _, pitch, _, on, _ in chords]) > 0.97
    bass = of(notes, "bass")
    assert np.mean([pitch % 12 == progression[bar(on)][0] for _, pitch, _, on, _ in bass]) > 0.7


def test_chords_move_little():
    notes = of(play(32), "chords")
    by_onset: dict[int, list[int]] = {}
    for _, pitch, _, on, _ in notes:
        by_onset.setdefault(round(on / RATE * 4), []).append(pitch)
    tops = [max(pitches) for _, pitches in sorted(by_onset.items())]
    assert np.mean(np.abs(np.diff(tops))) < 3


def test_the_leading_tone_is_never_doubled():
    notes = of(play(32, chords=((7, 2), (0, 0), (4, 0), (7, 0)), mood=(0.5, 0.6, 0.3), level=0.8), "chords")
    for on in {n[3] for n in notes}:
        sounding = [pitch for _, pitch, _, a, b in notes if a <= on < b]
        assert sum(pitch % 12 == 11 for pitch in sounding) <= 1


@pytest.mark.parametrize("tempo_bpm", [50, 90, 120, 174, 220])
def test_beats_of_the_band_are_the_players(tempo_bpm):
    notes = play(20, tempo_bpm=tempo_bpm)
    period = 60 * RATE / tempo_bpm
    onsets = np.array([n[3] for n in notes if n[0] != CHANNEL["melody"] and n[3] > 6 * RATE])
    phase = (onsets - 0.1 * RATE) / (period / 4)
    distance = (phase - np.round(phase)) * period / 4
    assert abs(np.median(distance)) < 0.015 * RATE
    beats = 0.1 * RATE + period * np.arange(int(6 * RATE / period) + 1, int(18 * RATE / period))
    near = [np.min(np.abs(onsets - beat)) < 0.025 * RATE for beat in beats]
    assert np.mean(near) >= 0.85


def test_a_waltz_is_low_high_high():
    notes = [n for n in of(play(16, beats_per_bar=3), "drums") if n[3] > 3 * RATE]

    def beats(drum):
        return {round((n[3] / RATE - 0.1) * 2) % 3 for n in notes if n[1] == drum and n[3] < 7 * RATE}

    assert beats(36) == {0}
    assert beats(37) | beats(38) == {1, 2}


def test_a_louder_player_gets_a_louder_band():
    soft, loud = (play(12, level=level) for level in (0.25, 0.75))
    for part in CHANNEL:
        assert np.mean([n[2] for n in of(loud, part)]) > np.mean([n[2] for n in of(soft, part)]) + 15


def test_a_dense_player_gets_a_sparse_melody():
    sparse, dense = (len(of(play(40, notes_per_s=rate), "melody")) for rate in (1.0, 8.0))
    assert dense < 0.6 * sparse


def test_disabled_parts_are_silent_and_channels_are_chosen():
    settings = ConductorSettings().choose(channels={"bass": 7}, programs={"bass": 38}, disabled=["drums", "melody", "counter", "pad"])
    events = conduct(band(settings), ticks(8))
    assert {n[0] for n in notes_of(events)} == {1, 7}
    programs = {int(e["status"]) & 15: int(e["data1"]) for e in events if int(e["status"]) & 0xF0 == 0xC0}
    assert programs == {0: 4, 6: 38}


@pytest.mark.parametrize(
    "change",
    [
        {"channels": {"bass": 1}},
        {"channels": {"bass": 17}},
        {"programs": {"bass": 128}},
        {"channels": {"flute": 4}},
        {"disabled": ["flute"]},
    ],
)
def test_settings_that_cannot_be_are_refused(change):
    with pytest.raises(ConfigError):
        ConductorSettings().choose(**change)


def test_an_engine_that_answers_nonsense_breaks_nothing():
    class Broken:
        def process(self, x, out):
            out[:] = np.nan

        def reset(self):
            pass

    conductor = Conductor(RATE, ConductorSettings(), {"melodytransformer": Broken(), "dynamicsengine": Broken()})
    notes = notes_of(conduct(conductor, ticks(8)))
    assert notes
    assert all(1 <= velocity <= 127 for _, _, velocity, _, _ in notes)


def test_nothing_is_planned_after_the_end():
    conductor = band()
    for tick in ticks(6):
        conductor.consume(tick)
    for event in conductor.finish():
        assert int(event["status"]) & 0xF0 == 0x80 or (int(event["data1"]), int(event["data2"])) in {(64, 0), (11, 127)}
    assert len(conductor.finish()) == 0


def told(stream, at, *orders):
    """Events of a band that is told something before tick ``at``, and one thing more every 100 ticks."""
    conductor, events = band(), []
    for i, tick in enumerate(stream):
        if i >= at and (i - at) % 100 == 0 and (i - at) // 100 < len(orders):
            orders[(i - at) // 100](conductor)
        events.append(conductor.consume(tick))
    return conductor, notes_of(np.concatenate([*events, conductor.finish()]))


def begun(notes, after, before=1 << 62):
    return [note for note in notes if after < note[3] < before]


def test_drums_go_out_and_the_others_play_on():
    stream = list(ticks(30))
    _, notes = told(stream, 400, lambda conductor: conductor.switch(DRUMS, False))
    told_at, out = int(stream[400]["frame"]), int(stream[425]["frame"])
    assert begun(of(notes, "drums"), 0, told_at)
    assert not begun(of(notes, "drums"), out)
    assert begun(of(notes, "bass"), out)


def test_a_resting_band_is_silent_until_it_is_told_to_play():
    stream = list(ticks(30))
    _, notes = told(stream, 400, lambda conductor: conductor.rest(True), lambda conductor: conductor.rest(False))
    silent, again = int(stream[420]["frame"]), int(stream[500]["frame"])
    assert begun(notes, 0, silent)
    assert not [note for note in notes if note[3] < again and note[4] > silent]
    assert begun(notes, again)


def test_the_phrase_is_finished_and_then_it_is_over():
    stream = list(ticks(60))
    conductor, notes = told(stream, 500, lambda conductor: conductor.end_phrase())
    asked = int(stream[500]["frame"])
    over = next(tick for tick in stream[500:] if conductor.over(int(tick["frame"])))
    assert int(over["beat_in_bar"]) == 0
    assert int(over["frame"]) - asked <= 16.5 * float(over["beat_frames"])
    assert begun(notes, asked)
    assert not begun(notes, int(over["frame"]))
    assert max(note[4] for note in notes) <= int(over["frame"])
