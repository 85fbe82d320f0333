"""What the band plays in metres other than 4/4, whose bars the groove net knows: a table per metre.

A bar is written in its eighths (3 to a beat in 6/8, 9/8 and 12/8) or its sixteenths (4 to a beat elsewhere),
a group per beat, and comes in rows of rising energy; where a row has several bars, the piece's chance takes
one.  Which row is played, whether its doubtful strokes (``o``) are, and every ghost and fill between, is
still for mood, groove net and hand to say.

source  common practice: the boom-chuck-chuck of waltz and jig, the slow 12/8 of blues and gospel, the
        shuffle, the 3 + 2 of "five" and the 4 + 3 of "seven"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .grid import STEPS_PER_BEAT, Place

ROWS = 5
"""Of energy, the same as harmony.COMPING's."""

Bars = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Metre:
    """Bars of one metre in steps of the grid, a row per energy.

    kick     x strikes, o where the groove net thinks so
    snare    X the backbeat, x softer
    cymbal   X accented, x plain
    comping  x strikes
    bass     r root, f fifth, t third, o octave; between, what sounds goes on.  A bar begins with its root
    turn     the last two beats of a phrase, see drums.FILLS
    """

    kick: Bars
    snare: Bars
    cymbal: Bars
    comping: Bars
    bass: Bars
    turn: Bars


def steps(bar: str, ternary: bool) -> str:
    """A written bar in steps of the grid: a ternary beat's three eighths, and its last sixteenth, which rests.

    "x.x x.." -> "x.x.x..."
    """
    groups = bar.split()
    return "".join(group.ljust(STEPS_PER_BEAT, ".") for group in groups) if ternary else "".join(groups)


def turned(bar: str, ternary: bool) -> str:
    """A bar of the grid with every stroke an eighth later, the last one first."""
    if not ternary:
        return bar[-2:] + bar[:-2]
    eighths = "".join(bar[i : i + 3] for i in range(0, len(bar), STEPS_PER_BEAT))
    eighths = eighths[-1:] + eighths[:-1]
    return "".join(eighths[i : i + 3] + "." for i in range(0, len(eighths), 3))


def _metre(ternary: bool, **parts: tuple[tuple[str, ...], ...]) -> Metre:
    return Metre(**{name: tuple(tuple(steps(bar, ternary) for bar in row) for row in rows) for name, rows in parts.items()})


_TURN_EVEN = (
    ("---- --s.", "---- g.s.", "---- --gs"),
    ("---- s.ss", "---- s.hm", "--s. s.ml", "---- sshm"),
    ("s.sh h.ml", "sshh mmll", "S.sH .hMl", "---- ssml"),
)
_TURN_TERNARY = (
    ("--- --s", "--- g.s", "--- -gs"),
    ("--- s.s", "--- shm", "--s s.m", "--- ssl"),
    ("s.s hml", "ssh hml", "S.h H.l", "--- sml"),
)

METRES: Mapping[tuple[int, bool], Metre] = {
    (2, True): _metre(
        True,
        kick=(("x.. ...",), ("x.. ...",), ("x.. ..o",), ("x.. o.x", "x.. ..x"), ("x.x ..x", "x.x o.x")),
        snare=(("... x..",), ("... X..",), ("... X..",), ("... X..",), ("... X..",)),
        cymbal=(("... x..",), ("X.. X..", "X.x X.x"), ("Xxx Xxx",), ("Xxx Xxx",), ("Xxx Xxx",)),
        comping=(
            ("x.. ...",),
            ("x.. x..",),
            ("x.. x..", "x.. x.x"),
            (".xx .xx", "x.x x.."),
            (".xx .xx", "x.x x.x", "xxx x.x"),
        ),
        bass=(("r.. ...",), ("r.. ...", "r.. ..r"), ("r.. r..", "r.. f.r"), ("r.. r.r", "r.. f.r"), ("r.r r.r", "r.r f.r")),
        turn=_TURN_TERNARY,
    ),
    (3, True): _metre(
        True,
        kick=(("x.. ... ...",), ("x.. ... ...",), ("x.. ... ..o",), ("x.. ..o ..x", "x.. ..x ..o"), ("x.x ... ..x", "x.. ..x o.x")),
        snare=(("... ... x..",), ("... x.. x..",), ("... x.. X..",), ("... x.. X..", "... ... X.."), ("... ... X..", "... X.. X..")),
        cymbal=(("... x.. x..",), ("X.. x.. x..",), ("X.x x.x x.x", "Xxx Xxx Xxx"), ("Xxx Xxx Xxx",), ("Xxx Xxx Xxx",)),
        comping=(
            ("x.. ... ...",),
            ("x.. x.. x..", "... x.. x.."),
            ("x.. x.. x..", "... x.. x.."),
            (".xx .xx .xx", "x.x x.. x.."),
            (".xx .xx .xx", "x.x x.x x.x"),
        ),
        bass=(
            ("r.. ... ...",),
            ("r.. ... ...", "r.. ... r.."),
            ("r.. ... r..", "r.. ... f.r"),
            ("r.. r.. r.r", "r.. f.. r.r"),
            ("r.r r.. r.r", "r.r f.. r.r"),
        ),
        turn=_TURN_TERNARY,
    ),
    (4, True): _metre(
        True,
        kick=(
            ("x.. ... ... ...",),
            ("x.. ... x.. ...",),
            ("x.. ... x.. ..o", "x.. ..o x.. ..."),
            ("x.. ..x x.. ..o", "x.. ... x.x ..."),
            ("x.. ..x x.. ..x", "x.x ..x x.. ..x"),
        ),
        snare=(("... x.. ... x..",), ("... X.. ... X..",), ("... X.. ... X..",), ("... X.. ... X..",), ("... X.. ... X..",)),
        cymbal=(
            ("... x.. ... x..",),
            ("X.. X.. X.. X..", "Xxx Xxx Xxx Xxx"),
            ("Xxx Xxx Xxx Xxx",),
            ("Xxx Xxx Xxx Xxx", "X.x X.x X.x X.x"),
            ("X.x X.x X.x X.x", "Xxx Xxx Xxx Xxx"),
        ),
        comping=(
            ("x.. ... ... ...",),
            ("x.. x.. ... x..",),
            ("x.. x.. x.. x..", "... x.. ... x.."),
            ("x.. x.x x.. x.x", "... x.x ... x.x"),
            (".xx .xx .xx .xx", "x.x x.x x.x x.x"),
        ),
        bass=(
            ("r.. ... ... ...",),
            ("r.. ... r.. ...", "r.. ... ... ..."),
            ("r.. ... r.. ..r", "r.. ... f.. ..r"),
            ("r.. ..r r.. f.r", "r.. r.r r.. r.f"),
            ("r.r t.r f.r r.r", "r.r r.r f.r r.r"),
        ),
        turn=_TURN_TERNARY,
    ),
    (2, False): _metre(
        False,
        kick=(("x... ....",), ("x... ....",), ("x... ..o.",), ("x... ..x.", "x..o ..o."), ("x..x ..x.", "x..o ..x.")),
        snare=((".... x...",), (".... X...",), (".... X...",), (".... X...",), (".... X...",)),
        cymbal=((".... x...",), ("X... X...", "..x. ..x."), ("X.x. X.x.",), ("X.x. X.x.",), ("X.x. X.x.", "Xxxx Xxxx")),
        comping=(("x... ....",), ("x... x...",), ("x... x...", "x... x.x."), ("..x. ..x.", "x... x.x."), ("..x. ..x.", "x.x. x.x.")),
        bass=(("r... ....",), ("r... ....", "r... r..."), ("r... r...", "r... f..."), ("r... r.r.", "r... f.r."), ("r... r.r.", "r.o. r.r.")),
        turn=_TURN_EVEN,
    ),
    (3, False): _metre(
        False,
        kick=(
            ("x... .... ....",),
            ("x... .... ....",),
            ("x... .... ....", "x... .... ..o."),
            ("x... .... ..o.", "x... ..x. ...."),
            ("x... ..x. ..o.", "x... ..x. ..x."),
        ),
        snare=((".... .... x...",), (".... x... x...",), (".... x... x...",), (".... x... X...", ".... .... X..."), (".... .... X...", ".... X... X...")),
        cymbal=(
            (".... x... x...",),
            ("X... x... x...",),
            ("X... x.x. x...", "X... x... x..."),
            ("X.x. X.x. X.x.", "X... x.x. x.x."),
            ("X.x. X.x. X.x.",),
        ),
        comping=(
            ("x... .... ....",),
            ("x... x... x...", ".... x... x..."),
            (".... x... x...", "x... x... x..."),
            (".... x... x...", "x... x... x.x."),
            ("x... x.x. x...", "..x. x.x. x.x."),
        ),
        bass=(
            ("r... .... ....",),
            ("r... .... ....",),
            ("r... .... ....", "r... .... r..."),
            ("r... .... r...", "r... .... f.r."),
            ("r... r... r.r.", "r... t... f.r."),
        ),
        turn=_TURN_EVEN,
    ),
    (5, False): _metre(
        False,
        kick=(
            ("x... .... .... .... ....",),
            ("x... .... .... x... ....",),
            ("x... .... .... x... ..o.", "x... ..o. .... x... ...."),
            ("x... ..x. .... x... ..o.", "x... .... ..x. x... ...."),
            ("x... ..x. ..x. x... ..x.", "x.x. .... ..x. x... ..x."),
        ),
        snare=(
            (".... .... x... .... x...",),
            (".... .... X... .... X...",),
            (".... .... X... .... X...",),
            (".... .... X... .... X...", ".... X... .... .... X..."),
            (".... X... .... .... X...", ".... .... X... .... X..."),
        ),
        cymbal=(
            (".... .... x... .... x...",),
            ("X... x... x... X... x...",),
            ("X... x.x. x... X... x.x.", "X.x. x.x. x.x. X.x. x.x."),
            ("X.x. X.x. X.x. X.x. X.x.",),
            ("X.x. X.x. X.x. X.x. X.x.",),
        ),
        comping=(
            ("x... .... .... .... ....",),
            ("x... .... .... x... ....", "x... .... .... .... ...."),
            ("x... ..x. .... x... ....", "x... .... x... x... ...."),
            ("x... ..x. .... x... x...", "x... x... x... x.x. ...."),
            ("x.x. ..x. .... x... x...", "x.x. x.x. x.x. x.x. x.x."),
        ),
        bass=(
            ("r... .... .... .... ....",),
            ("r... .... .... r... ....", "r... .... .... .... ...."),
            ("r... .... ..r. r... ....", "r... .... .... f... ...."),
            ("r... ..r. .... r... ..r.", "r... .... ..r. f... r..."),
            ("r... ..r. r... r... r.r.", "r... ..r. ..r. f... r.r."),
        ),
        turn=_TURN_EVEN,
    ),
    (6, False): _metre(
        False,
        kick=(
            ("x... .... .... .... .... ....",),
            ("x... .... .... .... x... ....",),
            ("x... .... ..o. .... x... ....", "x... .... x... .... .... ..o."),
            ("x... .... ..x. .... x... ..o.", "x... .... x... .... x... ...."),
            ("x... ..x. ..x. .... x... ..x.", "x... .... x.x. .... x.x. ...."),
        ),
        snare=(
            (".... .... .... x... .... ....",),
            (".... .... .... X... .... ....",),
            (".... .... .... X... .... ....",),
            (".... .... .... X... .... ....", ".... X... .... X... .... X..."),
            (".... X... .... X... .... X...", ".... .... .... X... .... ...."),
        ),
        cymbal=(
            (".... x... .... x... .... x...",),
            ("X... x... x... X... x... x...",),
            ("X.x. X.x. X.x. X.x. X.x. X.x.", "X... x... x... X... x... x.x."),
            ("X.x. X.x. X.x. X.x. X.x. X.x.",),
            ("X.x. X.x. X.x. X.x. X.x. X.x.",),
        ),
        comping=(
            ("x... .... .... .... .... ....",),
            ("x... .... .... x... .... ....", "x... .... .... .... .... ...."),
            ("x... .... x... x... .... x...", ".... x... x... .... x... x..."),
            ("x... x... x... x... x... x...", "x... ..x. .... x... ..x. ...."),
            ("x.x. x... x.x. x.x. x... x.x.", "..x. x.x. ..x. x.x. ..x. x.x."),
        ),
        bass=(
            ("r... .... .... .... .... ....",),
            ("r... .... .... r... .... ....",),
            ("r... .... .... r... .... ..r.", "r... .... .... f... .... ...."),
            ("r... .... r... r... .... r...", "r... .... r... f... .... r..."),
            ("r... r... r... r... r... r.r.", "r... r... f... r... r... r.r."),
        ),
        turn=_TURN_EVEN,
    ),
    (7, False): _metre(
        False,
        kick=(
            ("x... .... .... .... .... .... ....",),
            ("x... .... .... .... x... .... ....",),
            ("x... .... .... .... x... ..o. ....", "x... ..o. .... .... x... .... ...."),
            ("x... .... ..x. .... x... .... ..o.", "x... ..x. .... .... x... ..x. ...."),
            ("x... ..x. ..x. .... x... ..x. ....", "x.x. .... ..x. .... x... ..x. ..o."),
        ),
        snare=(
            (".... .... x... .... .... .... x...",),
            (".... .... X... .... .... .... X...",),
            (".... .... X... .... .... .... X...",),
            (".... .... X... .... .... .... X...", ".... X... .... X... .... .... X..."),
            (".... X... .... X... .... .... X...", ".... .... X... .... .... .... X..."),
        ),
        cymbal=(
            (".... .... x... .... .... .... x...",),
            ("X... x... x... x... X... x... x...",),
            ("X.x. X.x. X.x. X.x. X.x. X.x. X.x.", "X... x... x... x... X... x... x.x."),
            ("X.x. X.x. X.x. X.x. X.x. X.x. X.x.",),
            ("X.x. X.x. X.x. X.x. X.x. X.x. X.x.",),
        ),
        comping=(
            ("x... .... .... .... .... .... ....",),
            ("x... .... .... .... x... .... ....", "x... .... .... .... .... .... ...."),
            ("x... .... x... .... x... .... ....", "x... ..x. .... .... x... .... ...."),
            ("x... x... x... x... x... ..x. ....", "x... ..x. .... x... x... ..x. ...."),
            ("x.x. x.x. x.x. x.x. x... x.x. x...", "..x. ..x. ..x. ..x. x.x. ..x. ..x."),
        ),
        bass=(
            ("r... .... .... .... .... .... ....",),
            ("r... .... .... .... r... .... ....",),
            ("r... .... .... ..r. r... .... ....", "r... .... .... .... f... .... ...."),
            ("r... .... ..r. .... r... .... r...", "r... ..r. .... .... f... ..r. ...."),
            ("r... r... r... r... r... r... r.r.", "r... ..r. r... ..r. f... ..r. r..."),
        ),
        turn=_TURN_EVEN,
    ),
}  # fmt: skip
"""(beats per bar, whether a beat has three eighths) -> its bars."""

LEVELS = (0.25, 0.45, 0.6, 0.78)
"""Energy from which the next row is played."""


def metre_of(place: Place) -> Metre | None:
    """The metre's row of METRES; None in 4/4, and where nobody would count like that."""
    return METRES.get((place.beats_per_bar, place.ternary))


def row_of(energy: float) -> int:
    """0..ROWS - 1"""
    return sum(energy >= level for level in LEVELS)
