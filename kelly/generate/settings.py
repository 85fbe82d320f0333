"""Who plays: the table of parts, and what a listener may choose about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import ConfigError
from ..music.breaks import Wanted
from .why import FACTORS


@dataclass(frozen=True, slots=True)
class Part:
    """One voice of the band.

    channel    1..16, one part per channel
    program    General MIDI, 0..127 as on the wire
    low, high  lowest and highest MIDI note it may play, both included
    """

    name: str
    channel: int
    program: int
    low: int
    high: int
    enabled: bool = True


CHORDS, MELODY, BASS, DRUMS, COUNTER, PAD = range(6)
PARTS = (
    Part("chords", 1, 4, 48, 72),  # electric piano: sits beside any player's instrument
    Part("melody", 2, 11, 67, 88),  # vibraphone: its notes ring, so rests do not gape
    Part("bass", 3, 33, 28, 50),  # fingered bass, from its lowest string
    Part("drums", 10, 0, 35, 59),  # standard kit
    Part("counter", 4, 71, 55, 76),  # clarinet: sings between chords and melody
    Part("pad", 5, 48, 48, 76),  # strings, held
)
PART_NAMES = tuple(part.name for part in PARTS)


def part_row(name: str) -> int:
    """A part's row of PARTS; ConfigError names them."""
    if name not in PART_NAMES:
        raise ConfigError(f"no part is called {name!r}; there are {', '.join(PART_NAMES)}")
    return PART_NAMES.index(name)


@dataclass(frozen=True, slots=True)
class ConductorSettings:
    """Everything the conductor is told before it starts.

    seed         any integer; same audio and seed, same notes
    parts        rows of PARTS, perhaps changed, in that order
    look_ahead_s seconds that the conductor may be late without anyone hearing it, 0..1
    key_given, tempo_given   the listener named them, so nothing has to be waited for
    mode         1 or -1: a key that is heard is taken as its relative of this mode; 0 leaves it
    swing        place of the off-eighth, .5 even...75, instead of the groove's; None leaves it
    push_s       seconds that the band lies behind (positive) or pushes ahead, -.04...04, beside what the nets say
    breaks       rule breaks that the listener asks for
    without      rows of why.FACTORS that shall weigh nothing
    overrides    what else the listener has chosen, for the reasons' sake: "mood", "chords", ...
    off          names of parts that do not play until they are switched on
    alone        nobody plays beside the band, so it need not wait for its turn
    count_in_bars   bars before the piece's first, which are not its own
    feelings     {feeling: (channel, controller)}, see kelly.generate.feeling
    """

    seed: int = 0
    parts: tuple[Part, ...] = PARTS
    look_ahead_s: float = 0.02
    key_given: bool = False
    tempo_given: bool = False
    mode: int = 0
    swing: float | None = None
    push_s: float = 0.0
    breaks: tuple[Wanted, ...] = ()
    without: frozenset[str] = frozenset()
    overrides: tuple[str, ...] = ()
    off: frozenset[str] = frozenset()
    alone: bool = False
    count_in_bars: int = 0
    feelings: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in (-1, 0, 1):
            raise ConfigError(f"mode: expected 1, -1 or 0, found {self.mode}")
        if self.swing is not None and not 0.5 <= self.swing <= 0.75:
            raise ConfigError(f"swing: expected .5 to .75, found {self.swing:g}")
        if not -0.04 <= self.push_s <= 0.04:
            raise ConfigError(f"push: expected -.04 to .04 s, found {self.push_s:g}")
        for factor in self.without:
            if factor not in FACTORS:
                raise ConfigError(f"no factor is called {factor!r}; there are {', '.join(FACTORS)}")
        if tuple(part.name for part in self.parts) != PART_NAMES:
            raise ConfigError(f"parts: expected {', '.join(PART_NAMES)} in this order")
        if not 0.0 <= self.look_ahead_s <= 1.0:
            raise ConfigError(f"look-ahead: expected 0..1 s, found {self.look_ahead_s}")
        owners: dict[int, str] = {}
        for part in self.parts:
            if not 1 <= part.channel <= 16:
                raise ConfigError(f"channel of {part.name}: expected 1..16, found {part.channel}")
            if not 0 <= part.program <= 127:
                raise ConfigError(f"program of {part.name}: expected 0..127, found {part.program}")
            if not 0 <= part.low <= part.high - 11 <= 116:
                raise ConfigError(f"range of {part.name}: expected at least an octave in 0..127")
            if part.enabled and owners.setdefault(part.channel, part.name) != part.name:
                raise ConfigError(f"channel {part.channel}: both {owners[part.channel]} and {part.name} want it")

    def choose(
        self,
        *,
        channels: Mapping[str, int] | None = None,
        programs: Mapping[str, int] | None = None,
        ranges: Mapping[str, tuple[int, int]] | None = None,
        disabled: Iterable[str] = (),
    ) -> ConductorSettings:
        """A copy with channels, programs, ranges and silent parts by name; ConfigError names an unknown part."""
        channels, programs, ranges, silent = dict(channels or {}), dict(programs or {}), dict(ranges or {}), frozenset(disabled)
        for name in (*channels, *programs, *ranges, *silent):
            if name not in PART_NAMES:
                raise ConfigError(f"no part is called {name!r}; there are {', '.join(PART_NAMES)}")
        parts = tuple(
            replace(
                part,
                channel=channels.get(part.name, part.channel),
                program=programs.get(part.name, part.program),
                low=ranges.get(part.name, (part.low, part.high))[0],
                high=ranges.get(part.name, (part.low, part.high))[1],
                enabled=part.enabled and part.name not in silent,
            )
            for part in self.parts
        )
        return replace(self, parts=parts)
