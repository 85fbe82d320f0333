"""What the listening gate is measured on: the tuning set, which may be looked at, and the held-out one.

The held-out set's soundfont, TimGM6mb, is that of two takes of the tuning set: a bass whose body sounds louder than its
string, program 32, was only found there.  Every other program of it is heard in the held-out set alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .scores import Score, Take, chorale, progression, tune

MAJOR, MINOR = (0, 1), (9, -1)
PIANO, EPIANO, NYLON, STEEL, STRINGS, CHOIR, VIOLIN, FLUTE = 0, 4, 24, 25, 48, 52, 40, 73
BRIGHT, ACCORDION, ORGAN, JAZZ, HARP, VOICE, CELLO, CLARINET, TRUMPET = 1, 21, 19, 26, 46, 53, 42, 71, 56


@dataclass(frozen=True)
class Row:
    """One take of a set; ``kind`` is the line of the table it counts in, ``make`` builds it when it is needed.

    fast  whether the fast lane hears it
    """

    kind: str
    make: Callable[[], Take]
    fast: bool = False


def _song(kind, style, text, key, shift, bpm, programs, font="FluidR3", seconds=36.0, beats_per_bar=4, ternary=False, pickup=0, melody=False, seed=0, fast=False, **how) -> Row:
    n_beats = int(seconds * bpm / 60.0) // beats_per_bar * beats_per_bar
    score = partial(progression, style, text, key, shift, n_beats, beats_per_bar, ternary, pickup, melody, seed)
    return Row(kind, lambda: Take(score(), bpm, programs, font, **how), fast)


def _page(kind, score: Callable[[], Score], bpm, programs, font="FluidR3", **how) -> Row:
    return Row(kind, lambda: Take(score(), bpm, programs, font, **how))


POP = "C | G | Am | F"
TUNING = (
    _song("chords", "block", POP, MAJOR, 2, 100, (PIANO,)),
    _song("chords", "block", "Am | Dm | E | Am", MINOR, 3, 84, (EPIANO,)),
    _song("chords", "block", "C | Am | F | G", MAJOR, 7, 132, (PIANO,)),
    _song("chords", "block", "C | F | G | C", MAJOR, 5, 60, (PIANO,)),
    _song("chords", "pop", "C | Am | Dm | G7", MAJOR, 5, 92, (PIANO, 33)),
    _song("chords", "pop", "C G | Am Em | F C | F G", MAJOR, 10, 76, (PIANO, 33)),
    _song("chords", "pop", "Am | F | C | G", MINOR, 4, 118, (PIANO, 33), fast=True),
    _song("chords", "pop", "Am | F | C | G", MINOR, 0, 66, (PIANO, 33), melody=True),
    _song("chords", "pop", "Am | Dm | G | C | F | Dm | E7 | Am", MINOR, 8, 176, (PIANO, 33)),
    _song("chords", "arpeggio", POP, MAJOR, 9, 110, (NYLON,)),
    _song("chords", "arpeggio", "Am | Am | Dm | Dm | Am | E7 | Am | E7", MINOR, 0, 72, (NYLON,)),
    _song("chords", "arpeggio", "C | F | Am | G", MAJOR, 1, 96, (PIANO,)),
    _song("chords", "arpeggio", "Am F | C G", MINOR, 6, 150, (STEEL,)),
    _song("chords", "strum", "C | F | G | C", MAJOR, 4, 124, (STEEL,)),
    _song("chords", "strum", "Am | G | F | E", MINOR, 7, 104, (NYLON,)),
    _song("chords", "strum", "Am | F | C | G", MINOR, 2, 68, (STEEL,)),
    _song("chords", "pads", "C | Em | F | G", MAJOR, 3, 88, (STRINGS, 33)),
    _song("chords", "syncopated", POP, MAJOR, 8, 108, (PIANO, 33)),
    _song("chords", "syncopated", "Am | F | C | G", MINOR, 11, 90, (EPIANO, 33), melody=True),
    _song("band", "band", POP, MAJOR, 0, 120, (PIANO, 33, FLUTE), melody=True),
    _song("band", "band", "C | C7 | F | C | G7 | F | C | G7", MAJOR, 8, 140, (PIANO, 33, FLUTE), melody=True),
    _song("band", "band", "Am | F | C | G", MINOR, 2, 98, (PIANO, 33, FLUTE)),
    _song("band", "band", "Am | Dm | G | C | F | Dm | E7 | Am", MINOR, 5, 160, (PIANO, 33, FLUTE), melody=True),
    _song("band", "band", "C | Am | F | G", MAJOR, 6, 66, (PIANO, 33, FLUTE), melody=True),
    _song("band", "band", "Am | F | C | G", MINOR, 9, 72, (STEEL, 33, FLUTE), fast=True),
    _song("band", "band", "C | Am | F | G", MAJOR, 6, 112, (PIANO, 32, FLUTE), "TimGM6mb", melody=True),
    _song("band", "band", "Am | F | C | G", MINOR, 2, 98, (EPIANO, 32, FLUTE), "TimGM6mb"),
    _song("pickup", "block", POP, MAJOR, 1, 104, (PIANO,), pickup=1),
    _song("pickup", "pop", "Am | Dm | E | Am", MINOR, 4, 88, (PIANO, 33), pickup=2, melody=True),
    _song("pickup", "band", "C | Am | F | G", MAJOR, 3, 126, (PIANO, 33, FLUTE), pickup=3, melody=True),
    _song("line", "line", POP, MAJOR, 5, 112, (FLUTE,)),
    _song("line", "line", "Am | Dm | E | Am", MINOR, 2, 96, (VIOLIN,), seed=3),
    _song("line", "line", "C | F | G | C", MAJOR, 10, 144, (PIANO,), seed=5),
    _song("voice", "sung", POP, MAJOR, 4, 84, (CHOIR,), seed=1),
    _song("voice", "sung", "Am | F | C | G", MINOR, 1, 100, (VIOLIN,), seed=2),
    _song("voice", "pads", "Am | F | C | G", MINOR, 5, 92, (CHOIR, CHOIR, CHOIR), melody=True, seed=4),
    _song("detuned", "pop", POP, MAJOR, 2, 102, (PIANO, 33), cents=45),
    _song("detuned", "arpeggio", "Am | F | C | G", MINOR, 9, 116, (NYLON,), cents=-40),
    _song("drift", "pop", POP, MAJOR, 2, 100, (PIANO, 33), sway=0.06),
    _song("drift", "block", POP, MAJOR, 7, 112, (PIANO,), sway=0.06),
    _song("drift", "arpeggio", "Am | F | C | G", MINOR, 4, 96, (NYLON,), ramp=0.08),
    _song("drift", "band", POP, MAJOR, 0, 126, (PIANO, 33, FLUTE), ramp=-0.08),
    _song("rubato", "pop", POP, MAJOR, 2, 96, (PIANO, 33), sway=0.1, sway_beats=32),
    _song("rubato", "strum", "Am | Dm | E | Am", MINOR, 1, 104, (STEEL,), sway=0.1, sway_beats=32),
    _song("rubato", "arpeggio", "C | Am | F | G", MAJOR, 7, 112, (NYLON,), sway=0.1, sway_beats=16),
    _song("rubato", "block", "Am | F | C | G", MINOR, 3, 72, (EPIANO,), sway=0.1, sway_beats=16),
    _song("rest", "pop", POP, MAJOR, 6, 100, (PIANO, 33), rest_bar=9),
    _song("rest", "band", "Am | F | C | G", MINOR, 3, 116, (PIANO, 33, FLUTE), rest_bar=11),
    _song("elsewhere", "pop", "F | G | C | C", MAJOR, 1, 94, (PIANO, 33), melody=True, seed=6),
    _song("elsewhere", "strum", "Dm | G7 | C | Am", MAJOR, 4, 112, (STEEL,)),
    _song("elsewhere", "band", "Dm | Am | E7 | Am", MINOR, 11, 104, (PIANO, 33, FLUTE), melody=True, seed=7),
    _song("elsewhere", "block", "F | C | G | C", MAJOR, 9, 88, (PIANO,)),
    _song("3/4", "oompah", "C | G | Am | F", MAJOR, 2, 126, (PIANO, 33), beats_per_bar=3, melody=True, fast=True),
    _song("3/4", "arpeggio", "Am | Dm | E | Am", MINOR, 5, 96, (NYLON,), beats_per_bar=3),
    _song("3/4", "band", "C | F | G | C", MAJOR, 9, 150, (PIANO, 33, FLUTE), beats_per_bar=3, melody=True),
    _song("6/8", "arpeggio", "Am | F | C | G", MINOR, 0, 66, (PIANO,), beats_per_bar=2, ternary=True),
    _song("6/8", "strum", "C | F | G | C", MAJOR, 7, 96, (STEEL,), beats_per_bar=2, ternary=True, fast=True),
    _song("6/8", "band", "C | Am | F | G", MAJOR, 3, 80, (PIANO, 33, FLUTE), beats_per_bar=2, ternary=True, melody=True),
    _page("tune", partial(tune, "PoppyLeafHornpipe.abc"), 120, (VIOLIN,)),
    _page("tune", partial(tune, "BrokenSixpenceReel.abc"), 90, (FLUTE,)),
    _page("tune", partial(tune, "WeddingRingReelThe.abc", "pop"), 138, (PIANO, 33, VIOLIN)),
    _page("tune", partial(tune, "NiagaraHornpipe.abc", "oompah"), 84, (PIANO, 33, FLUTE)),
    _page("tune", partial(tune, "SwallowSloopOfWarReel.abc", "strum"), 116, (STEEL, 33, VIOLIN)),
    _page("6/8", partial(tune, "CatholicBillsJig.abc", "pop"), 104, (PIANO, 33, FLUTE)),
    _page("6/8", partial(tune, "GreenSleevesJig.abc", "strum"), 92, (NYLON, 33, VIOLIN)),
    _page("chorale", partial(chorale, "bwv269"), 92, (PIANO,)),
    _page("chorale", partial(chorale, "bwv347"), 76, (STRINGS,)),
    _page("chorale", partial(chorale, "bwv153.1"), 84, (CHOIR,)),
    _page("chorale", partial(chorale, "bwv86.6"), 100, (PIANO,)),
    _page("chorale", partial(chorale, "bwv267"), 80, (EPIANO,)),
)

HELD_OUT = (
    _song("chords", "block", "C | F | Am | G", MAJOR, 3, 94, (BRIGHT,), "TimGM6mb"),
    _song("chords", "block", "Am | G | F | G", MINOR, 6, 64, (ACCORDION,), "TimGM6mb"),
    _song("chords", "block", "C | Em | F | G7", MAJOR, 11, 146, (ORGAN,)),
    _song("chords", "pop", "C | G | F | G", MAJOR, 1, 74, (BRIGHT, 32), "TimGM6mb"),
    _song("chords", "pop", "Am | C | G | Dm", MINOR, 7, 110, (PIANO, 32), "TimGM6mb"),
    _song("chords", "pop", "C Am | F G", MAJOR, 4, 98, (5, 35)),
    _song("chords", "pop", "Am | F | C | G", MINOR, 10, 128, (BRIGHT, 32), "TimGM6mb", melody=True),
    _song("chords", "pop", "C | Dm | F | C | G | Am | F | G", MAJOR, 8, 168, (PIANO, 32), "TimGM6mb"),
    _song("chords", "arpeggio", "C | Am | F | G", MAJOR, 6, 62, (HARP,)),
    _song("chords", "arpeggio", "Am | Em | F | E7", MINOR, 2, 104, (JAZZ,), "TimGM6mb"),
    _song("chords", "arpeggio", "Am | C | Dm | F", MINOR, 11, 136, (HARP,), "TimGM6mb"),
    _song("chords", "strum", "C | G | F | C", MAJOR, 9, 114, (JAZZ,), "TimGM6mb"),
    _song("chords", "strum", "Am | Dm | Am | E", MINOR, 5, 86, (STEEL,), "TimGM6mb"),
    _song("chords", "pads", "Am | F | Dm | E", MINOR, 1, 80, (50, 32), "TimGM6mb"),
    _song("chords", "syncopated", "C | Am | Dm | G", MAJOR, 10, 122, (BRIGHT, 32), "TimGM6mb"),
    _song("chords", "syncopated", "Am | F | C | G", MINOR, 4, 78, (5, 35)),
    _song("band", "band", "C | F | G | F", MAJOR, 7, 106, (BRIGHT, 32, CLARINET), "TimGM6mb", melody=True),
    _song("band", "band", "Am | F | C | G", MINOR, 8, 134, (JAZZ, 32, TRUMPET), "TimGM6mb", melody=True),
    _song("band", "band", "Am | G | F | E", MINOR, 0, 70, (ORGAN, 35, CLARINET)),
    _song("band", "band", "C | Am | Dm | G7", MAJOR, 5, 90, (BRIGHT, 32, CLARINET), "TimGM6mb"),
    _song("band", "band", "C | G | Am | Em | F | C | F | G", MAJOR, 2, 172, (BRIGHT, 32, TRUMPET), "TimGM6mb", melody=True),
    _song("pickup", "pop", "C | G | Am | F", MAJOR, 9, 96, (BRIGHT, 32), "TimGM6mb", pickup=2, melody=True, seed=7),
    _song("pickup", "strum", "Am | C | G | F", MINOR, 3, 112, (JAZZ,), "TimGM6mb", pickup=1),
    _song("pickup", "band", "C | F | Am | G", MAJOR, 0, 118, (BRIGHT, 32, CLARINET), pickup=3, melody=True, seed=8),
    _song("line", "line", "C | Am | F | G", MAJOR, 8, 104, (CLARINET,), "TimGM6mb", seed=11),
    _song("line", "line", "Am | F | C | G", MINOR, 5, 88, (CELLO,), seed=12),
    _song("line", "line", "C | G | Am | F", MAJOR, 2, 132, (HARP,), "TimGM6mb", seed=13),
    _song("voice", "sung", "C | F | G | C", MAJOR, 0, 92, (VOICE,), seed=14),
    _song("voice", "sung", "Am | Dm | E | Am", MINOR, 9, 76, (CELLO,), "TimGM6mb", seed=15),
    _song("voice", "pads", "C | G | Am | F", MAJOR, 10, 108, (VOICE, VOICE, VOICE), "TimGM6mb", melody=True, seed=16),
    _song("detuned", "strum", "C | Am | F | G", MAJOR, 7, 106, (STEEL,), "TimGM6mb", cents=-45),
    _song("detuned", "pop", "Am | F | C | G", MINOR, 0, 94, (BRIGHT, 32), cents=35),
    _song("drift", "pop", "C | F | Am | G", MAJOR, 4, 104, (BRIGHT, 32), "TimGM6mb", sway=0.07),
    _song("drift", "strum", "Am | G | F | G", MINOR, 7, 92, (STEEL,), "TimGM6mb", ramp=-0.08),
    _song("drift", "band", "C | Am | F | G", MAJOR, 5, 116, (BRIGHT, 32, CLARINET), sway=0.06),
    _song("drift", "arpeggio", "C | G | Am | F", MAJOR, 11, 108, (HARP,), ramp=0.08),
    _song("rubato", "pop", "Am | F | C | G", MINOR, 8, 90, (BRIGHT, 32), "TimGM6mb", sway=0.1, sway_beats=32),
    _song("rubato", "strum", "C | G | Am | F", MAJOR, 0, 118, (JAZZ,), "TimGM6mb", sway=0.1, sway_beats=32),
    _song("rubato", "arpeggio", "Am | Dm | E | Am", MINOR, 10, 100, (HARP,), sway=0.1, sway_beats=16),
    _song("rubato", "block", "C | F | G | C", MAJOR, 6, 80, (ACCORDION,), "TimGM6mb", sway=0.1, sway_beats=16),
    _song("rest", "strum", "C | F | Am | G", MAJOR, 2, 108, (STEEL,), "TimGM6mb", rest_bar=8),
    _song("rest", "band", "Am | C | G | F", MINOR, 10, 96, (BRIGHT, 32, CLARINET), rest_bar=10),
    _song("elsewhere", "pop", "G | F | C | C", MAJOR, 6, 102, (BRIGHT, 32), "TimGM6mb", melody=True, seed=17),
    _song("elsewhere", "arpeggio", "Dm | G | C | C", MAJOR, 3, 92, (HARP,)),
    _song("elsewhere", "strum", "F | E | Am | Am", MINOR, 2, 116, (JAZZ,), "TimGM6mb"),
    _song("elsewhere", "band", "F | G | C | Am", MAJOR, 10, 124, (BRIGHT, 32, CLARINET), melody=True, seed=18),
    _song("3/4", "oompah", "Am | Dm | E | Am", MINOR, 0, 138, (ACCORDION, 32), "TimGM6mb", beats_per_bar=3, melody=True),
    _song("3/4", "strum", "C | Am | F | G", MAJOR, 5, 108, (STEEL,), beats_per_bar=3),
    _song("3/4", "pop", "C | F | C | G", MAJOR, 8, 90, (BRIGHT, 32), "TimGM6mb", beats_per_bar=3, melody=True),
    _song("6/8", "arpeggio", "C | G | Am | F", MAJOR, 2, 72, (HARP,), "TimGM6mb", beats_per_bar=2, ternary=True),
    _song("6/8", "strum", "Am | G | F | E", MINOR, 4, 88, (JAZZ,), "TimGM6mb", beats_per_bar=2, ternary=True),
    _song("6/8", "band", "Am | F | C | G", MINOR, 9, 70, (BRIGHT, 32, TRUMPET), beats_per_bar=2, ternary=True, melody=True),
    _page("tune", partial(tune, "StElmoHornpipe.abc"), 112, (CLARINET,), "TimGM6mb"),
    _page("tune", partial(tune, "InimitableReel.abc"), 84, (TRUMPET,)),
    _page("tune", partial(tune, "SwallowsTailThe.abc", "strum"), 128, (JAZZ, 32, CLARINET), "TimGM6mb"),
    _page("tune", partial(tune, "FifeHuntReel.abc", "pop"), 80, (BRIGHT, 32, CLARINET), "TimGM6mb"),
    _page("tune", partial(tune, "NewPolicemansReel.abc", "band"), 140, (BRIGHT, 32, VIOLIN)),
    _page("6/8", partial(tune, "PopGoesTheWeasel.abc", "pop"), 96, (ACCORDION, 32, CLARINET), "TimGM6mb"),
    _page("6/8", partial(tune, "RoughDiamondJig.abc", "strum"), 108, (JAZZ, 32, VIOLIN)),
    _page("chorale", partial(chorale, "bwv2.6"), 84, (ORGAN,), "TimGM6mb"),
    _page("chorale", partial(chorale, "bwv10.7"), 72, (BRIGHT,), "TimGM6mb"),
    _page("chorale", partial(chorale, "bwv17.7"), 96, (CLARINET,)),
    _page("chorale", partial(chorale, "bwv36.4-2"), 88, (ACCORDION,), "TimGM6mb"),
    _page("chorale", partial(chorale, "bwv40.8"), 80, (BRIGHT,)),
)

SETS = {"tuning": TUNING, "held-out": HELD_OUT}
