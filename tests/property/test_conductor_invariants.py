"""Whatever the ticks say, the events keep the promises of MIDI and of the key."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kelly._rt.contract import CHORD_QUALITIES
from kelly.generate.conductor import Conductor
from kelly.generate.ledger import Ledger
from kelly.generate.moment import allowed_classes
from kelly.generate.settings import PARTS, ConductorSettings
from kelly.music.breaks import BREAK_NAMES, BREAKS, Wanted
from kelly.music.chord import MAJ, MIN, Chord
from kelly.music.scale import Key
from tests.synthetic import TICK, conduct, engines, notes_of, ticks

ENGINES = engines()
CHORDS = st.tuples(st.integers(0, 11), st.integers(0, len(CHORD_QUALITIES) + 1))
RANGES = {part.channel: range(part.low, part.high + 1) for part in PARTS}


@settings(max_examples=25)
@given(
    rate=st.sampled_from([8000, 44100, 48000, 96000]),
    tempo_bpm=st.floats(40, 240),
    tempo_drift=st.floats(-0.01, 0.01),
    beats_per_bar=st.integers(2, 7),
    chords=st.lists(CHORDS, min_size=1, max_size=6),
    tonic=st.integers(0, 11),
    mode=st.sampled_from([-1, 1]),
    mood=st.tuples(*[st.floats(-1, 1)] * 3),
    level=st.floats(0, 1),
    notes_per_s=st.floats(0, 12),
    seed=st.integers(-(2**63), 2**63),
    pause=st.floats(0, 6),
)
def test_promises_beside_a_steady_player(seed, rate, chords, tonic, mode, pause, **player):
    """Paired notes, in range, in the key unless the chord says otherwise, in order, never in the past."""
    stream = ticks(
        6, rate=rate, chords=chords, tonic=tonic, mode=mode, playing=[(0, 6 - pause)],
        key_after_s=0.2, lock_after_s=0.2, **player,
    )  # fmt: skip
    events = conduct(Conductor(rate, ConductorSettings(seed=seed), ENGINES), stream)
    assert (np.diff(events["frame"]) >= 0).all()
    assert (np.diff(events["serial"]) > 0).all()
    belonging = set(Key(tonic, mode).allowed()).union(*(allowed_classes(tonic, mode, Chord(*chord)) for chord in chords))
    for channel, pitch, velocity, on, off in notes_of(events):
        assert 1 <= velocity <= 127
        assert pitch in RANGES[channel]
        assert off > on
        assert channel == 10 or pitch % 12 in belonging


@settings(max_examples=15)
@given(
    beats_per_bar=st.integers(2, 7),
    tonic=st.integers(0, 11),
    mode=st.sampled_from([-1, 1]),
    mood=st.tuples(*[st.floats(-1, 1)] * 3),
    level=st.floats(0, 1),
    notes_per_s=st.floats(0, 6),
    seed=st.integers(0, 2**31),
    wanted=st.sampled_from(BREAK_NAMES),
    asked=st.integers(40, 220),
)
def test_promises_of_who_breaks_rules_and_is_asked_to_end(seed, tonic, mode, wanted, asked, **player):
    """In the given key unless a named break says otherwise; no note, pedal or overlap is left behind; each note has its reason."""
    conductor = Conductor(48000, ConductorSettings(seed=seed, key_given=True, tempo_given=True, breaks=(Wanted(wanted, 1.0),)), ENGINES)
    key = Key(tonic, mode).scale()
    chords = [((key[degree]), MAJ if (key[(degree + 2) % 7] - key[degree]) % 12 == 4 else MIN) for degree in (0, 3, 5, 0)]
    batches = []
    for i, tick in enumerate(ticks(10, tonic=tonic, mode=mode, chords=chords, key_after_s=0.2, lock_after_s=0.2, tempo_bpm=140.0, **player)):
        if i == asked:
            conductor.end_phrase(leads=bool(seed % 2))
        batches.append(conductor.consume(tick))
    events = np.concatenate([*batches, conductor.finish()])
    notes = notes_of(events)
    assert all(pitch in RANGES[channel] for channel, pitch, *_ in notes)
    assert len(conductor.reasons) == len(notes)
    assert all(reason.in_key or BREAKS[reason.broke].leaves_key for reason in conductor.reasons)
    pedals = {}
    for event in events:
        if event["status"] & 0xF0 == 0xB0:
            pedals[int(event["status"]), int(event["data1"])] = int(event["data2"])
    assert all(value == (0 if number == 64 else 127) for (_, number), value in pedals.items())


def wild_tick(draw_float, draw_int, frame, index):
    row = np.zeros((), TICK)
    for name in TICK.names:
        if TICK[name].base.kind == "f":
            row[name] = draw_float()
    row["frame"], row["index"] = frame, index
    row["beat_frame"], row["beat_count"] = frame - draw_int(0, 30000), draw_int(-1, 40)
    row["beat_frames"] = draw_int(4000, 90000)
    row["chord_beat"], row["chord_root"], row["chord_quality"] = draw_int(-1, 45), draw_int(-1, 11), draw_int(0, 6)
    row["key_tonic"], row["key_mode"] = draw_int(-1, 11), draw_int(-1, 1)
    row["beats_per_bar"], row["phrase_bars"] = draw_int(0, 7), draw_int(0, 8)
    row["beat_in_bar"], row["playing"], row["locked"] = draw_int(0, 6), draw_int(0, 1), draw_int(0, 1)
    return row[()]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), broken=st.booleans())
def test_promises_beside_a_tracker_gone_mad(seed, broken):
    """Grids that jump, chords from the past, NaN everywhere: still no hanging and no double note."""
    rng = np.random.default_rng(seed)

    def number():
        return np.nan if broken and rng.random() < 0.02 else rng.normal(0.3, 0.7)

    stream = [wild_tick(number, lambda a, b: int(rng.integers(a, b + 1)), 1920 * (k + 1), k) for k in range(60)]
    events = conduct(Conductor(48000, ConductorSettings(), ENGINES), stream)
    assert (np.diff(events["frame"]) >= 0).all()
    for _, _, velocity, on, off in notes_of(events):
        assert 1 <= velocity <= 127
        assert off > on


@settings(max_examples=60)
@given(
    plans=st.lists(
        st.tuples(st.integers(0, 1), st.integers(60, 62), st.integers(-200, 2000), st.integers(-50, 3000), st.booleans()),
        max_size=30,
    ),
    step=st.integers(1, 700),
)
def test_the_ledger_pairs_whatever_is_planned(plans, step):
    ledger, batches = Ledger(10), []
    for i, (part, pitch, ahead, length, cut) in enumerate(plans):
        now = i * step
        if cut:
            ledger.cut(part, now + ahead)
        ledger.strike(part, part + 1, pitch, 64, now + ahead, now + ahead + length)
        batches.append(ledger.advance(now + step))
    batches.append(ledger.finish())
    events = np.concatenate(batches)
    assert (np.diff(events["frame"]) >= 0).all()
    notes_of(events)
