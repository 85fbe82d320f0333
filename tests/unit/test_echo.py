"""Telling the player from kelly's own sound."""

from __future__ import annotations

import pytest

from kelly.generate.echo import Echo

RATE, HOP = 48000, 1920
BEAT = 15  # ticks of 40 ms: 100 beats per minute


def play(echo, beats, *, peak_db, onsets, strikes, first=0):
    """Beats of ticks: onsets and own strikes at these ticks of every beat; the ticks at which it heard only itself."""
    alone = []
    for tick in range(first * BEAT, (first + beats) * BEAT):
        place, frame = tick % BEAT, (tick + 1) * HOP
        if place in strikes:
            echo.struck([frame - 1000])
        level = peak_db if place in onsets else peak_db - 6 - 0.5 * place
        if echo.hear(frame, tick // BEAT, level, 1.0 if place in onsets else 0.0):
            alone.append(tick)
    return alone


@pytest.fixture
def beside_a_player():
    """Eight beats of a player at -18 dB, with kelly's notes on the beat."""
    echo = Echo(RATE)
    assert play(echo, 8, peak_db=-18, onsets={0, 7}, strikes={0}) == []
    return echo


def test_own_notes_alone_at_minus_12_db_are_recognised_within_three_beats(beside_a_player):
    """Every onset follows an own strike, and the beat lies under all before."""
    alone = play(beside_a_player, 4, peak_db=-30, onsets={0}, strikes={0}, first=8)
    assert alone
    assert alone[0] <= 11 * BEAT


@pytest.mark.parametrize(
    ("peak_db", "onsets"), [(-20, {0}), (-21.9, {0, 7}), (-30, {0, 7}), (-40, {4}), (-35, set())],
    ids=["as soft as before", "a little softer", "softer, with notes of its own", "off kelly's beat", "a chord rings"],
)  # fmt: skip
def test_a_player_is_not_taken_for_an_echo(beside_a_player, peak_db, onsets):
    """Too loud, or with onsets that kelly did not strike, or without any."""
    assert play(beside_a_player, 8, peak_db=peak_db, onsets=onsets, strikes={0}, first=8) == []


def test_the_player_is_back_with_the_first_onset_louder_than_the_echo(beside_a_player):
    """In the very tick; and a softer player once the mark has sunk."""
    assert play(beside_a_player, 4, peak_db=-30, onsets={0}, strikes={0}, first=8)
    assert play(beside_a_player, 1, peak_db=-60, onsets={0}, strikes=set(), first=12), "what rings on is no player"
    assert play(beside_a_player, 4, peak_db=-20, onsets={0, 7}, strikes=set(), first=13) == []
    soft = Echo(RATE)
    play(soft, 8, peak_db=-18, onsets={0, 7}, strikes={0})
    play(soft, 4, peak_db=-30, onsets={0}, strikes={0}, first=8)
    play(soft, 16, peak_db=-90, onsets=set(), strikes=set(), first=12)
    assert play(soft, 4, peak_db=-45, onsets={0}, strikes=set(), first=28) == []


def test_four_beats_of_a_player_come_first():
    """Nothing is judged before the player's own level is known; a tick without a number changes nothing."""
    echo = Echo(RATE)
    assert play(echo, 3, peak_db=-18, onsets={0}, strikes={0}) == []
    assert play(echo, 1, peak_db=float("nan"), onsets={0}, strikes={0}, first=3) == []


def test_who_fades_away_in_time_with_kelly_is_no_echo():
    """A diminuendo of a harp whose every eighth kelly doubles, peaks as measured: the band stopped dead in it, twice."""
    peaks = (-35.5, -32.0, -32.5, -28.8, -26.2, -24.9, -22.3, -23.4, -23.0, -24.9, -25.4, -30.2, -28.3, -34.3, -35.0, -33.1, -31.5)
    echo = Echo(RATE)
    for beat, peak_db in enumerate(peaks):
        assert play(echo, 1, peak_db=peak_db, onsets={0, 5, 10}, strikes={0, 5, 10}, first=beat) == []


def test_one_soft_beat_is_not_the_end():
    """Sixteen soft beats among loud ones, each alone and all of it kelly's own: a player with a soft place in every bar."""
    echo = Echo(RATE)
    for beat in range(64):
        assert play(echo, 1, peak_db=-28 if beat % 4 == 3 else -18, onsets={0, 7}, strikes={0, 7}, first=beat) == []


def test_a_band_that_plays_almost_as_loud_as_the_player_is_recognised_by_the_drop():
    """Peaks as measured where the band marks every beat, 12 dB under the song: .8 dB below its softest beat, 5.4 below its last."""
    echo = Echo(RATE)
    for beat, peak_db in enumerate((-17.6, -20.7, -16.7, -18.7, -16.3, -17.0, -16.0, -16.1)):
        assert play(echo, 1, peak_db=peak_db, onsets={0, 7}, strikes={0, 7}, first=beat) == []
    alone = [tick for beat, peak_db in enumerate((-21.5, -23.4, -27.5)) for tick in play(echo, 1, peak_db=peak_db, onsets={0, 7}, strikes={0, 7}, first=8 + beat)]
    assert alone
    assert alone[0] == 10 * BEAT


def test_a_silence_is_not_remembered_as_the_players_level():
    """A player who rests for eight beats and comes back is told from kelly's own sound as before."""
    echo = Echo(RATE)
    play(echo, 8, peak_db=-18, onsets={0, 7}, strikes={0})
    assert play(echo, 8, peak_db=-90, onsets=set(), strikes=set(), first=8) == []
    assert play(echo, 2, peak_db=-18, onsets={0, 7}, strikes={0}, first=16) == []
    assert play(echo, 4, peak_db=-30, onsets={0}, strikes={0}, first=18)
