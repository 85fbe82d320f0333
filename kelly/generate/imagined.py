"""A player who isn't there: the ticks that a lead sheet would make, for the conductor that plays with players.

The imagined player strikes the sheet's chord on every beat, as loudly as the mood asks.  What it does goes
through the tracker that hears real players, so the conductor gets what it always gets; chords, feeling and
groove are the sheet's.  One phrase is counted in, unheard, so that the first bar is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._rt.contract import GROOVE_OUT, NET_NAMES
from .._rt.layout import SOURCES, dtype
from .._rt.stream.tracker import Tracker
from ..music.emotion import targets_from_mood
from ..music.steering import embedding_from_mood
from .lead_sheet import PHRASE_BARS, LeadSheet
from .melody import Engine

SAMPLE_RATE_HZ = 48_000
_HOP_FRAMES = SAMPLE_RATE_HZ // 100
_MEZZO_FORTE_DB = -20.0
_FADE_S = 0.3  # what a struck chord takes to fall by 3 dB


def count_in_frames(sheet: LeadSheet) -> float:
    """Length of the phrase that is counted in; frame 0 of the piece."""
    return PHRASE_BARS * sheet.beats_per_bar * beat_frames(sheet)


def beat_frames(sheet: LeadSheet) -> float:
    return 60.0 * SAMPLE_RATE_HZ / sheet.tempo_bpm


def imagine(sheet: LeadSheet, groove: Engine, sources: dict[str, str]) -> Iterator[Any]:
    """The ticks of a piece and its count-in.

    groove   the groove net, or its rule; asked once a bar
    sources  per net, as ``kelly._rt.layout.SOURCES`` calls them
    returns  records of ``layout.dtype("tick")`` at SAMPLE_RATE_HZ, each valid until the next is asked for
    """
    count_in = PHRASE_BARS * sheet.beats_per_bar
    ticks = _tracked(sheet)
    source = [SOURCES.index(sources[name]) for name in NET_NAMES]
    answer = np.zeros(GROOVE_OUT.size, np.float32)
    groove.reset()
    asked = -1
    for tick in ticks:
        if not tick["beat_frames"] > 0.0:
            continue  # the first of the count-in: nobody knows yet where the beat is
        now = (int(tick["frame"]) - int(tick["beat_frame"])) / float(tick["beat_frames"]) + int(tick["beat_count"])
        beat = now - count_in
        embedding = embedding_from_mood(sheet.mood(max(0.0, beat)), sheet.intent.off_eighth)
        coming = int(np.floor(beat + 0.5))  # a chord is decided half a beat before it sounds
        if (bar := coming // sheet.beats_per_bar) != asked:
            groove.process(embedding, answer)
            asked = bar
        choice = sheet.at(coming)
        tick["embedding"], tick["groove"], tick["source"] = embedding, answer, source
        tick["chord_root"], tick["chord_quality"] = choice.chord.root, choice.chord.quality
        tick["chord_beat"], tick["chord_confidence"] = choice.beat + count_in, 1.0
        tick["key_mode"] = sheet.key_at(coming).mode
        tick["playing"] = beat >= -0.5  # the count-in is not played to
        tick["end"] = 0
        yield tick


def _tracked(sheet: LeadSheet) -> Any:
    """What the tracker makes of the imagined chords; a record per 40 ms, to the end of the last bar."""
    period = beat_frames(sheet)
    beats = (PHRASE_BARS + sheet.bars) * sheet.beats_per_bar
    hops = int(np.ceil(beats * period / _HOP_FRAMES / 4)) * 4
    analyses = np.zeros(hops, dtype("analysis"))
    frames = (np.arange(hops) + 1) * _HOP_FRAMES
    struck = np.floor(frames / period)
    analyses["frame"] = frames
    analyses["onset_frame"] = np.round(struck * period)
    analyses["onset"] = np.floor((frames - _HOP_FRAMES) / period) != struck
    analyses["onset"][0] = 1.0
    analyses["flux"] = analyses["onset"]
    for beat in range(beats):
        place = max(0, beat - PHRASE_BARS * sheet.beats_per_bar)
        here = struck == beat
        since_s = (frames[here] - beat * period) / SAMPLE_RATE_HZ
        level_db = targets_from_mood(sheet.mood(place)).level_db - 3.0 * since_s / _FADE_S
        analyses["level_rel_db"][here], analyses["level_db"][here] = level_db, _MEZZO_FORTE_DB + level_db
        chord = sheet.at(place).chord
        for tone in chord.tones:
            analyses["chroma"][here, tone] = 1.0
        analyses["bass_chroma"][here, chord.root] = 0.25  # a note at 160 Hz
    first = sheet.choices[0].chord
    tracker = Tracker(
        SAMPLE_RATE_HZ,
        key=(sheet.key.tonic, sheet.key.mode),
        tempo_bpm=sheet.tempo_bpm,
        beats_per_bar=sheet.beats_per_bar,
        ternary=sheet.ternary,
        chords=[(first.root, first.quality)],  # bars stay where they are; the chords themselves are the sheet's
    )
    return tracker.run(analyses)
